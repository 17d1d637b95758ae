"""What the processor does to several numbers at once: vectors of a fixed number of lanes.

`zeros`, `lanes`, `strided`, `put`, `total` and the operators `+` and `*` are a few instructions in
compiled code, and work on small arrays in plain Python. They are spelled out because the compiler
does not find them by itself in the loops of a matrix product.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import config, types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

DOUBLE, INT = ir.DoubleType(), ir.IntType(32)


def _has_avx512() -> bool:
    if config.CPU_NAME:  # compiled for another processor than this one
        return "+avx512f" in (config.CPU_FEATURES or "")
    return bool(binding.get_host_cpu_features().get("avx512f", False))


WIDEST = 16 if _has_avx512() else 8
"""Lanes of the widest vectors in use: four rows of them fit into the registers."""


def zeros(width: int) -> Any:
    """A vector of zeros. As everywhere here, `width` is a constant."""
    return np.zeros(width)


def lanes(buffer: Any, i: int, width: int) -> Any:
    """buffer[i : i + width] as a vector."""
    return buffer[i : i + width].copy()


def strided(buffer: Any, i: int, step: int, width: int) -> Any:
    """buffer[i], buffer[i + step], … as a vector."""
    return np.array([buffer[i + lane * step] for lane in range(width)])


def put(buffer: Any, i: int, vector: Any) -> None:
    """Write a vector to `buffer` from i on."""
    buffer[i : i + len(vector)] = vector


def total(vector: Any) -> float:
    """The sum of the lanes."""
    return float(vector.sum())


def scratch(size: int) -> Any:
    """A buffer of a constant size that lasts until the function returns; numbers left in it by
    others."""
    return np.full(size, np.nan)


class Lanes(types.Type):  # type: ignore[misc]
    """numba's type of a vector."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(name=f"Lanes({width})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, ir.VectorType(DOUBLE, lanes.width))


def _typed(function: Callable[..., Any], rule: Callable[..., Any]) -> None:
    """Let numba type calls of `function` by a rule: the types of the arguments to the result's, or
    None where they do not go together."""

    def generic(self: Any, args: Any, keywords: Any) -> Any:
        result = rule(*args)
        return None if result is None else signature(result, *args)

    body = {"key": function, "generic": generic, "prefer_literal": True}
    infer_global(function)(type(f"_{function.__name__}", (AbstractTemplate,), body))


def _vector(*args: Any) -> Any:
    width = args[-1]
    return Lanes(width.literal_value) if isinstance(width, types.IntegerLiteral) else None


def _buffer(size: Any) -> Any:
    return types.CPointer(types.float64) if isinstance(size, types.IntegerLiteral) else None


def _arithmetic(left: Any, right: Any) -> Any:
    return right if isinstance(right, Lanes) and left in (right, types.float64) else None


_typed(zeros, _vector)
_typed(lanes, _vector)
_typed(strided, _vector)
_typed(put, lambda buffer, i, vector: types.none if isinstance(vector, Lanes) else None)
_typed(total, lambda vector: types.float64 if isinstance(vector, Lanes) else None)
_typed(scratch, _buffer)
_typed(operator.add, _arithmetic)
_typed(operator.mul, _arithmetic)


@lower_builtin(zeros, types.Integer)
def _zeros(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return ir.Constant(ir.VectorType(DOUBLE, sig.return_type.width), None)


@lower_builtin(lanes, types.CPointer, types.Integer, types.Integer)
def _lanes(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.load(_place(context, builder, sig, args, sig.return_type.width), align=8)


@lower_builtin(strided, types.CPointer, types.Integer, types.Integer, types.Integer)
def _strided(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    i, step = (context.cast(builder, args[k], sig.args[k], types.int64) for k in (1, 2))
    vector = ir.Constant(ir.VectorType(DOUBLE, sig.return_type.width), ir.Undefined)
    for lane in range(sig.return_type.width):
        number = builder.load(builder.gep(args[0], [i]))
        vector = builder.insert_element(vector, number, INT(lane))
        i = builder.add(i, step)
    return vector


@lower_builtin(put, types.CPointer, types.Integer, Lanes)
def _put(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    builder.store(args[2], _place(context, builder, sig, args, sig.args[2].width), align=8)
    return context.get_dummy_value()


def _place(context: Any, builder: Any, sig: Any, args: Any, width: int) -> Any:
    i = context.cast(builder, args[1], sig.args[1], types.int64)
    vector = ir.VectorType(DOUBLE, width)
    return builder.bitcast(builder.gep(args[0], [i]), vector.as_pointer())


@lower_builtin(total, Lanes)
def _total(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    shape = ir.FunctionType(DOUBLE, [DOUBLE, args[0].type])
    name = f"llvm.vector.reduce.fadd.v{sig.args[0].width}f64"
    add = cgutils.get_or_insert_function(builder.module, shape, name)
    return builder.call(
        add, [DOUBLE(0.0), args[0]], fastmath=("reassoc",)
    )  # in halves, not in turn


@lower_builtin(scratch, types.Integer)
def _scratch(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return cgutils.alloca_once(builder, DOUBLE, size=sig.args[0].literal_value)


@lower_builtin(operator.add, Lanes, Lanes)
def _add(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fadd(*args)


@lower_builtin(operator.mul, Lanes, Lanes)
def _multiply(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fmul(*args)


@lower_builtin(operator.mul, types.float64, Lanes)
def _scale(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    factor, vector = args
    unset = ir.Constant(vector.type, ir.Undefined)
    first = builder.insert_element(unset, factor, INT(0))
    everywhere = ir.Constant(ir.VectorType(INT, vector.type.count), None)
    return builder.fmul(builder.shuffle_vector(first, unset, everywhere), vector)
