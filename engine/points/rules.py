"""The batching rules: how each op is written for operands with one more axis in front.

As those of JAX (Bradbury et al. 2018): what moves from point to point has the axis of points in
front, what does not move is computed once for all points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from engine.op import Op
from engine.ops import OPS
from engine.points.writer import Operand, Shape, Writer
from engine.program import Equation

Rule = Callable[[Writer, Equation, Sequence[Operand], Shape], Operand | None]
"""(writer, equation, operands, shape of the result at one point) to the result, where at least one
operand moves; None where this cannot be written."""


def rule_of(op: Op) -> Rule | None:
    """How an op is written for operands that move; None where that is not known."""
    return RULES.get(op) or (_map if op.formula is not None else None)


def _axis(axis: int, rank: int) -> int:
    """An axis at one point, behind the axis of the points."""
    return axis % rank + 1


def _axes(axis: Any, rank: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(1, rank + 1))
    return tuple(_axis(a, rank) for a in (axis if isinstance(axis, tuple) else (axis,)))


def _map(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    return w.map(e.op, *args, **e.params)


def _reduce(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    [x] = args
    if not x.shape:
        return x
    axes = _axes(e.params["axis"], len(x.shape))
    return w.apply(e.op, shape, x, **{**e.params, "axis": axes})


def _logsumexp(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    [x] = args
    x = w.reshaped(x, x.shape or (1,))
    return w.apply(e.op, shape, x, axis=_one_or_all(e.params["axis"], len(x.shape)))


def _softmax(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    [x] = args
    x = w.reshaped(x, x.shape or (1,))
    y = w.apply(e.op, x.shape, x, axis=_one_or_all(e.params["axis"], len(x.shape)))
    return w.reshaped(y, shape)


def _one_or_all(axis: Any, rank: int) -> Any:
    axes = _axes(axis, rank)
    return axes[0] if len(axes) == 1 else axes


def _reshape(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    return w.reshaped(args[0], shape)


def _transpose(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    [x] = args
    rank = len(shape)
    for first in range(rank // 2):
        x = _swapped(w, x, first, rank - 1 - first)
    return x


def _swapaxes(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    rank = len(shape)
    return _swapped(w, args[0], e.params["axis1"] % rank, e.params["axis2"] % rank)


def _swapped(w: Writer, x: Operand, one: int, other: int) -> Operand:
    shape = list(x.shape)
    shape[one], shape[other] = shape[other], shape[one]
    return w.apply(OPS["swapaxes"], tuple(shape), x, axis1=one + 1, axis2=other + 1)


def _broadcast_to(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    [x] = args
    return x if x.shape == shape else w.map(OPS["mul"], x, w.constant(np.ones(shape)))


def _getitem(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand | None:
    given = e.params["index"]
    index = given if isinstance(given, tuple) else (given,)
    if not all(type(part) is int or isinstance(part, (slice, np.integer)) for part in index):
        return None
    return w.apply(e.op, shape, args[0], index=(slice(None), *index))


def _stack(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    moves = next(x for x in args if x.moving)
    rows = w.apply(e.op, shape, *(w.along(x, moves) for x in args))
    return w.apply(OPS["swapaxes"], shape, rows, axis1=0, axis2=1)


def _matmul(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    a, b = args
    if b.moving and not a.moving and len(b.shape) == 1:
        a, b = b, _rows_transposed(w, a)  # A @ x of each point is a row of X @ A.T
    if a.moving and not b.moving and len(b.shape) <= 2:
        width, columns = a.shape[-1:], b.shape[1:]
        rows = w.apply(OPS["reshape"], width, a, shape=(-1, *width)) if a.shape[1:] else a
        y = w.apply(e.op, columns, rows, b)
        return w.apply(OPS["reshape"], shape, y, shape=(-1, *shape)) if shape != columns else y
    if a.moving and b.moving and len(a.shape) == len(b.shape) == 1:
        return w.total(OPS["sum"], w.map(OPS["mul"], a, b))
    a = w.reshaped(a, a.shape if a.shape[1:] else (1, *a.shape))
    b = w.reshaped(b, b.shape if b.shape[1:] else (*b.shape, 1))
    rank = max(len(a.shape), len(b.shape))
    stacked = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    whole = (*stacked, a.shape[-2], b.shape[-1])
    return w.reshaped(w.apply(e.op, whole, w.raised(a, rank), w.raised(b, rank)), shape)


def _rows_transposed(w: Writer, a: Operand) -> Operand:
    """All rows of a fixed array as the columns of one matrix; a vector as it is."""
    if len(a.shape) == 1:
        return a
    rows = w.reshaped(a, (math.prod(a.shape[:-1]), a.shape[-1]))
    return w.apply(OPS["transpose"], rows.shape[::-1], rows)


def _loss(over: str, each: Callable[[Writer, Operand, Operand], Operand]) -> Rule:
    """The rule of a loss that is the sum or mean (`over`) of what `each` pair of numbers gives."""
    return lambda w, e, args, shape: w.total(OPS[over], each(w, *args))


def _gap(w: Writer, prediction: Operand, target: Operand) -> Operand:
    return w.map(OPS["sub"], prediction, target)


def _square(w: Writer, prediction: Operand, target: Operand) -> Operand:
    gap = _gap(w, prediction, target)
    return w.map(OPS["mul"], gap, gap)


def _distance(w: Writer, prediction: Operand, target: Operand) -> Operand:
    return w.map(OPS["abs"], _gap(w, prediction, target))


def _shortfall(w: Writer, prediction: Operand, target: Operand) -> Operand:
    margin = w.map(OPS["mul"], prediction, target)
    return w.map(OPS["max"], w.map(OPS["sub"], w.constant(1.0), margin), w.constant(0.0))


def _surprise(w: Writer, prediction: Operand, target: Operand) -> Operand:
    softplus = w.map(OPS["logaddexp"], w.constant(0.0), prediction)
    return w.map(OPS["sub"], softplus, w.map(OPS["mul"], prediction, target))


def _softmax_cross_entropy(
    w: Writer, e: Equation, args: Sequence[Operand], shape: Shape
) -> Operand | None:
    prediction, target = args
    if target.place is not None:
        return None  # whether these are classes is seen from their values alone
    classes = np.asarray(target.value)[..., np.newaxis] == np.arange(prediction.shape[-1])
    chosen = w.map(OPS["where"], w.constant(classes), prediction, w.constant(0.0))
    rest = prediction.shape[:-1]
    right = w.apply(OPS["sum"], rest, chosen, axis=-1)
    surprise = w.apply(OPS["logsumexp"], rest, prediction, axis=-1)
    return w.total(OPS["mean"], w.map(OPS["sub"], surprise, right))


RULES: Mapping[Op, Rule] = MappingProxyType(
    {
        OPS[name]: rule
        for name, rule in {
            "sum": _reduce,
            "mean": _reduce,
            "logsumexp": _logsumexp,
            "softmax": _softmax,
            "matmul": _matmul,
            "reshape": _reshape,
            "transpose": _transpose,
            "swapaxes": _swapaxes,
            "broadcast_to": _broadcast_to,
            "getitem": _getitem,
            "stack": _stack,
            "sum_squared_error": _loss("sum", _square),
            "mean_squared_error": _loss("mean", _square),
            "mean_absolute_error": _loss("mean", _distance),
            "hinge": _loss("mean", _shortfall),
            "binary_cross_entropy": _loss("mean", _surprise),
            "softmax_cross_entropy": _softmax_cross_entropy,
        }.items()
    }
)
"""Rules of ops that work on whole arrays. Ops with a formula work number by number: _map."""

REFUSED: Mapping[str, str] = MappingProxyType(
    {"place": "its result has the shape it is given, which cannot grow with the number of points"}
)
"""Ops of the table without a rule, and why."""
