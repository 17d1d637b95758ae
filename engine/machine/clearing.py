"""Which gradients have to be cleared before a backward pass, and which are written at first.

Rows add to the gradients of what they read, so these have to start from zero. But a product or a
loss that is the first to reach the whole of a gradient may as well write it, which spares a pass
over it: it is told so by a flag.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from engine.machine.kernels import linear, losses
from engine.machine.memory import Memory
from engine.machine.record import INLINE, Kernel, Span
from engine.machine.tape import Call, Home, Rows, Tape


class Way(NamedTuple):
    """How a row is told to write a gradient: the flag (in field 3) that asks for it, the field that
    says where it lies, the flag to write it."""

    wanted: int
    field: int
    write: int


LOSS = (Way(losses.WANTED, 4, losses.WRITTEN),)

WRITES: Mapping[str, tuple[Way, ...]] = {
    "linear": (
        Way(linear.A_WANTED, 4, linear.A_WRITTEN),
        Way(linear.B_WANTED, 5, linear.B_WRITTEN),
        Way(linear.BIAS_WANTED, 6, linear.BIAS_WRITTEN),
    ),
    **{kernel.name: LOSS for kernel in losses.LOSSES},
}
"""By kernel, for each gradient that it can write."""


def operands(tape: Tape, k: int) -> tuple[int, ...]:
    """The fields of row k that say where its operands lie, if it is a product or a loss: the rows
    that may use data, as they leave a gradient alone where nobody asks for it."""
    code = int(tape.rows[k, 0]) - INLINE
    return (4, 5) if code >= 0 and tape.kernels[code].name in WRITES else ()


def clear(
    rows: Rows,
    pool: Rows,
    kernels: Sequence[Kernel],
    calls: Sequence[Call],
    memory: Memory,
    output: Home,
    kept: int,
) -> list[Span]:
    """The spans to clear, in order. Sets the flags to write in `rows`. Gradients below `kept` go
    on from what they are."""
    touched: set[int] = set()
    zeroed: list[Span] = []

    def reach(offset: int, write: bool = False) -> bool:
        """Clear what lies at `offset`, if this is the first that happens to it, or have it
        written; whether that was so."""
        if not kept <= offset < memory.top:
            return False
        start, length = memory.room(offset)
        if start in touched:
            return False
        touched.add(start)
        if not write:
            zeroed.append((start, length))
        return True

    if output.size and 0 <= output.offset < memory.top:
        reach(output.offset, write=memory.room(output.offset)[1] == output.size)
    waiting = list(calls)
    for k in range(len(rows), -1, -1):
        while waiting and waiting[-1].before == k:
            call = waiting.pop()
            for home in (call.out, *call.args):
                if home.size:
                    reach(home.offset)
        if k:
            _row(rows[k - 1], pool, kernels, memory, reach)
    for start in memory.starts:
        reach(start)
    return _joined(sorted(zeroed))


def _row(
    row: Rows, pool: Rows, kernels: Sequence[Kernel], memory: Memory, reach: Callable[..., bool]
) -> None:
    """Reach the gradient of what a row wrote, and those of what it read."""
    reach(int(row[2]))
    if int(row[0]) < INLINE:
        return
    used = kernels[int(row[0]) - INLINE]
    spans = [span for span in used.extents(row, pool)[1] if span[1]]
    asked = [w for w in WRITES.get(used.name, ()) if int(row[3]) & w.wanted]
    for way in asked:
        offset = int(row[way.field])
        start, length = memory.room(offset) if offset < memory.top else (-1, 0)
        alone = sum(int(row[other.field]) == offset for other in asked) == 1
        once = sum(_meet(span, (offset, length)) for span in spans) == 1
        whole = (offset, length) in spans and start == offset and not _is_batch(used, row)
        if alone and once and whole and reach(offset, write=True):
            row[3] |= np.uint32(way.write)
    for start, _ in spans:
        reach(start)


def _is_batch(kernel: Kernel, row: Rows) -> bool:
    """Whether a row multiplies several matrices, which may share one of them."""
    return kernel.name == "linear" and int(row[10]) != 1


def _meet(one: Span, other: Span) -> bool:
    return one[0] < sum(other) and other[0] < sum(one)


def _joined(spans: Sequence[Span]) -> list[Span]:
    """The same spans, neighbours as one."""
    joined: list[Span] = []
    for start, length in spans:
        if joined and sum(joined[-1]) == start:
            joined[-1] = (joined[-1][0], joined[-1][1] + length)
        else:
            joined.append((start, length))
    return joined
