"""A program on buffers that its user fills and reads: what program.compile() gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.machine.drive import Array, Drive
from engine.machine.hot import shapes_at
from engine.machine.listing import listing
from engine.machine.lower import lower
from engine.program import Program


class Compiled:
    """A program with memory of its own, for loops in which every microsecond counts.

        compiled = program.compile()
        compiled.point[:] = 2.0, -3.0
        compiled.run()
        compiled.value, compiled.gradient

    `point` (float64, writable) holds the numbers of all inputs, one input after the other, arrays
    row by row; `gradient`, of the same length, holds after run() the gradient of the output with
    respect to them. `inputs` and `gradients` are views of both, in their shapes, by name. One
    thread at a time may use it.
    """

    def __init__(self, program: Program, point: Mapping[str, Any]) -> None:
        self._program = program
        self._drive = Drive(lower(program, shapes_at(program, point), turn=False))
        tape = self._drive.tape
        count = tape.results[0]
        self.point: Array = self._drive.values[:count]
        self.gradient: Array = self._drive.gradients[:count]
        self.inputs = {n: home.view(self._drive.values) for n, home in tape.leaves.items()}
        self.gradients = {n: home.view(self._drive.gradients) for n, home in tape.leaves.items()}
        for name, view in self.inputs.items():
            view[...] = point[name]
        self._output = tape.output.offset
        self.run = self._drive.run
        """One pass, forward and backward; whether every number that came out is finite."""

    @property
    def value(self) -> float:
        """The output of the last run."""
        return self._drive.values.item(self._output)

    def listing(self) -> str:
        """The rows of the tape, one a line, with the names of what they write and read."""
        return listing(self._drive.tape, self._program)
