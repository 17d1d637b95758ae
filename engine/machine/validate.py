"""A tape is checked before it runs. The interpreter trusts its rows: a wrong offset would read or
overwrite memory that is not its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.machine.record import INLINE, NEG, WIDTH, Span
from engine.machine.tape import Call, Rows, Tape


class TapeError(ValueError):
    """A tape would touch memory that is not its own, or read what is not computed yet."""


def validate(tape: Tape) -> None:
    """Raises TapeError unless every row writes right behind the row before, and reads what is there
    by then: leaves, constants, data and results of rows before."""
    start, end = tape.results
    if not 0 <= start <= end <= tape.gradients <= tape.values < 2**32:
        raise TapeError("the parts of the buffer are out of order")
    if not _is_table(tape.rows, (len(tape.rows), WIDTH)) or not _is_table(
        tape.pool, (len(tape.pool),)
    ):
        raise TapeError("rows and pool are contiguous arrays of uint32")
    output = tape.output
    if output.offset < 0 or output.offset + output.size > tape.gradients:
        raise TapeError("the output lies outside the results")
    zeroed = tape.zeroed
    if not (zeroed.dtype == np.int64 and zeroed.ndim == 2 and zeroed.shape[1] == 2):
        raise TapeError("the spans to clear are pairs of int64")
    if not zeroed.flags.c_contiguous:
        raise TapeError("the spans to clear are not contiguous")
    for offset, length in zeroed:
        if offset < 0 or length < 0 or offset + length > tape.gradients:
            raise TapeError("a span to clear lies outside the gradients")
    _homes(tape)
    walk = _Walk(tape)
    calls = list(tape.calls)
    for k in range(len(tape.rows)):
        while calls and calls[0].before <= k:
            walk.call(calls.pop(0), k)
        walk.row(k)
    for call in calls:
        walk.call(call, len(tape.rows))
    if walk.frontier != end:
        raise TapeError(f"the rows fill {walk.frontier} numbers of {end}")


def _is_table(array: Rows, shape: tuple[int, ...]) -> bool:
    return array.dtype == np.uint32 and array.shape == shape and array.flags.c_contiguous


def _homes(tape: Tape) -> None:
    constants = [home for home, _ in tape.constants]
    for home in [*constants, *tape.leaves.values(), *filter(None, tape.homes)]:
        if home.offset < 0 or home.offset + home.size > tape.values:
            raise TapeError("a node lies outside the buffer")


class _Walk:
    """From row to row; what lies before `frontier` has been computed."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.frontier, self.end = tape.results

    def row(self, k: int) -> None:
        """Check row k and step over it."""
        tape, row = self.tape, self.tape.rows[k]
        code, n, out = int(row[0]), int(row[1]), int(row[2])
        if code >= INLINE + len(tape.kernels):
            raise TapeError(f"row {k}: there is no kernel {code}")
        if n == 0:
            raise TapeError(f"row {k} does nothing")
        if out != self.frontier or out + n > self.end:
            raise TapeError(f"row {k} writes at {out}, not at {self.frontier}")
        if code < INLINE:
            self._run(k, code, n)
        else:
            self._spans(k, row)
        self.frontier += n

    def call(self, call: Call, k: int) -> None:
        """Check what Python does before row k."""
        if call.before != k or call.out.offset != self.frontier:
            raise TapeError(f"{call.equation.text} is out of order")
        if call.out.offset + call.out.size > self.end or call.out.transposed:
            raise TapeError(f"{call.equation.text} does not fit its place")
        for home, wanted in zip(call.args, call.wanted, strict=True):
            self._reads(k, [(home.offset, home.size)], wanted)
        self.frontier += call.out.size

    def _run(self, k: int, code: int, n: int) -> None:
        row, pool = self.tape.rows[k], self.tape.pool
        for field in (4,) if code == NEG else (4, 6):
            start = int(row[field])
            if start + n > len(pool):
                raise TapeError(f"row {k} reads the pool beyond its end")
            indices = pool[start : start + n]
            inner = (indices >= self.frontier) & (indices < self.end)
            if inner.any() or indices.max() >= self.tape.gradients:
                raise TapeError(f"row {k} reads what is not computed yet")

    def _spans(self, k: int, row: Rows) -> None:
        kernel = self.tape.kernels[int(row[0]) - INLINE]
        try:
            reads, gradients = kernel.extents(row, self.tape.pool)
        except ValueError as error:
            raise TapeError(f"row {k}, {kernel.name}: {error}") from error
        self._reads(k, reads, False)
        self._reads(k, gradients, True)

    def _reads(self, k: int, spans: Sequence[Span], gradient: bool) -> None:
        last = self.tape.gradients if gradient else self.tape.values
        for offset, length in spans:
            stop = offset + length
            early = stop <= self.frontier or offset >= self.end
            if length and not (offset >= 0 and stop <= last and early):
                raise TapeError(f"row {k} reads what is not computed yet, or is not its own")
