"""Running a tape: its memory, its kernels by address, and what Python does in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.machine.compiled import compiled
from engine.machine.foreign import Foreign
from engine.machine.interpreter import entry
from engine.machine.interpreter.entry import Header
from engine.machine.record import INLINE, Kernel
from engine.machine.tape import Tape
from engine.machine.validate import TapeError, validate

Array = NDArray[np.float64]


class Drive:
    """A tape with memory of its own. One thread at a time may run it.

    `values` and `gradients` are the flat buffers (float64), its own unless they are given; longer
    ones than the tape asks for have room behind. Raises TapeError for a tape that does not hold
    together.
    """

    def __init__(
        self, tape: Tape, values: Array | None = None, gradients: Array | None = None
    ) -> None:
        validate(tape)
        self.tape = tape
        self.rows, self.pool = tape.rows.copy(), tape.pool
        self.values = np.zeros(tape.values) if values is None else values
        self.gradients = np.zeros(tape.gradients) if gradients is None else gradients
        if len(self.values) < tape.values or len(self.gradients) < tape.gradients:
            raise TapeError("the buffers are shorter than the tape")
        for home, value in tape.constants:
            home.view(self.values)[...] = value
        self.enter = entry.door()
        forwards, backwards = tables(tape.kernels)
        self.header = np.zeros(len(Header), np.int64)
        self._alive: dict[Header, Any] = {}
        self._headers: list[NDArray[np.int64]] = []
        self.point(Header.ROWS, self.rows, Header.ROWS_LENGTH)
        self.point(Header.POOL, self.pool, Header.POOL_LENGTH)
        self.point(Header.VALUES, self.values, Header.VALUES_LENGTH)
        self.point(Header.GRADIENTS, self.gradients, Header.GRADIENTS_LENGTH)
        self.point(Header.FORWARDS, forwards, Header.TABLE_LENGTH)
        self.point(Header.BACKWARDS, backwards)
        self.point(Header.ZEROED, tape.zeroed, Header.ZEROED_LENGTH)
        self.header[Header.OUTPUT] = tape.output.offset
        self.header[Header.OUTPUT_LENGTH] = tape.output.size
        self.header[Header.RESULTS_END] = tape.results[1]
        self.header[Header.MODE] = entry.PASS
        self.address = self.header.ctypes.data
        self._seed = tape.output.view(self.gradients)
        self._forward = self._visit(entry.FORWARD, 0, len(self.rows))
        self._segments = [
            (
                self._visit(entry.FORWARD, start, stop) if start < stop else None,
                self._visit(entry.BACKWARD, start, stop) if start < stop else None,
                None if call is None else Foreign(call, self.values, self.gradients),
            )
            for start, stop, call in (tape.segments() if tape.calls else ())
        ]

    def _visit(self, mode: int, start: int, stop: int) -> int:
        """The address of a header of its own for one kind of visit."""
        header = self.header.copy()
        header[:3] = mode, start, stop
        self._headers.append(header)
        return header.ctypes.data

    def point(self, field: Header, array: Any, length: Header | None = None) -> None:
        """Tell the header where an array lies, and its length; the array is kept alive."""
        self._alive[field] = array
        self.header[field] = array.ctypes.data
        if length is not None:
            self.header[length] = len(array)

    def run(self) -> bool:
        """One pass, forward and backward; whether every input, result and gradient is finite."""
        if not self.tape.calls:
            return self.enter(self.address) == 1
        for start, length in self.tape.zeroed:
            self.gradients[start : start + length] = 0.0
        with np.errstate(all="ignore"):
            self.sweep()
        end = self.tape.results[1]
        found = self.values[:end], self.gradients[:end]
        return all(bool(np.isfinite(numbers).all()) for numbers in found)

    def forward(self) -> None:
        """The forward pass alone."""
        if not self.tape.calls:
            self.enter(self._forward)
            return
        with np.errstate(all="ignore"):
            self._push()

    def sweep(self) -> None:
        """Forward, then backward from a gradient of 1, segment by segment. What numpy warns of is
        left to the caller."""
        self._push()
        self._seed[...] = 1.0
        for _, backward, foreign in reversed(self._segments):
            if foreign is not None:
                foreign.pull()
            if backward is not None:
                self.enter(backward)

    def _push(self) -> None:
        for forward, _, foreign in self._segments:
            if forward is not None:
                self.enter(forward)
            if foreign is not None:
                foreign.push()

    def do(self, mode: int, start: int, stop: int) -> int:
        """One visit to compiled code."""
        self.header[:3] = mode, start, stop
        done = self.enter(self.address)
        self.header[Header.MODE] = entry.PASS
        return done


def tables(kernels: Sequence[Kernel]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The addresses of kernels, forward and backward, by their codes."""
    made = [compiled(kernel) for kernel in kernels]
    nobody = [0] * INLINE
    return (
        np.array([*nobody, *(each.forward for each in made)], np.int64),
        np.array([*nobody, *(each.backward for each in made)], np.int64),
    )
