"""Calls through a table of addresses: how the interpreter reaches kernels it was not compiled with.

In compiled code the table is an int64 array of C addresses; in plain Python it is a list of
functions. One word, `call`, serves both, so that the interpreter is written once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from engine.machine.record import Loop

_DOUBLE, _UINT32, _INT64 = ir.DoubleType(), ir.IntType(32), ir.IntType(64)
_SIGNATURE = ir.FunctionType(
    ir.VoidType(),
    [_DOUBLE.as_pointer(), _DOUBLE.as_pointer(), _UINT32.as_pointer(), _UINT32.as_pointer()],
)


def call(table: Sequence[Loop], code: int, v: Any, d: Any, rows: Any, k: int, p: Any) -> None:
    """Run kernel `code` of `table` on the values `v`, the gradients `d`, row `k` of `rows` and the
    pool `p`. Arrays must be contiguous: compiled code sees nothing but their first element."""
    table[code](v, d, rows[k], p)


def _typed(typing: Any, table: Any, code: Any, v: Any, d: Any, rows: Any, k: Any, p: Any) -> Any:
    signature = types.void(table, types.int64, v, d, rows, types.int64, p)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def unpacked(place: int) -> Any:
            return context.make_array(signature.args[place])(context, builder, args[place])

        table, v, d, rows, p = map(unpacked, (0, 2, 3, 4, 6))
        address = builder.load(builder.gep(table.data, [args[1]]))
        width = builder.extract_value(rows.shape, 1)
        row = builder.gep(rows.data, [builder.mul(args[5], width)])
        kernel = builder.inttoptr(address, _SIGNATURE.as_pointer())
        builder.call(kernel, [v.data, d.data, row, p.data])
        return context.get_dummy_value()

    return signature, generate


_call: Any = intrinsic(_typed)


def _contiguous(array: Any, dtype: Any, ndim: int) -> bool:
    return (
        isinstance(array, types.Array)
        and array.dtype == dtype
        and array.ndim == ndim
        and array.layout == "C"
    )


@overload(call, inline="always", strict=False)
def _overload_call(table: Any, code: Any, v: Any, d: Any, rows: Any, k: Any, p: Any) -> Any:
    wanted = (
        (table, types.int64, 1),
        (v, types.float64, 1),
        (d, types.float64, 1),
        (rows, types.uint32, 2),
        (p, types.uint32, 1),
    )
    if not all(_contiguous(*each) for each in wanted):
        return None
    return lambda table, code, v, d, rows, k, p: _call(table, code, v, d, rows, k, p)
