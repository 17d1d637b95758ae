"""A program on buffers that its user fills and reads: what program.compile() gives."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
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
    respect to them. `inputs` and `gradients` are views of both, in their shapes, by name: to move
    the weights alone, write `compiled.inputs["w"][...] -= rate * compiled.gradients["w"]`. One
    thread at a time may use it.
    """

    __slots__ = (
        "_drive",
        "_gradient",
        "_output",
        "_point",
        "_program",
        "gradients",
        "inputs",
        "run",
    )

    def __init__(self, program: Program, point: Mapping[str, Any]) -> None:
        self._program = program
        self._drive = drive = Drive(lower(program, shapes_at(program, point), turn=False))
        leaves, count = drive.tape.leaves, drive.tape.results[0]
        self._point: Array = drive.values[:count]
        self._gradient: Array = drive.gradients[:count]
        views = {name: home.view(drive.values) for name, home in leaves.items()}
        slopes = {name: home.view(drive.gradients) for name, home in leaves.items()}
        for name, view in views.items():
            view[...] = point[name]
        self.inputs, self.gradients = MappingProxyType(views), MappingProxyType(slopes)
        self._output = drive.tape.output.offset
        self.run = drive.run
        """One pass, forward and backward; whether every number, the inputs included, is finite."""

    @property
    def point(self) -> Array:
        return self._point

    @point.setter
    def point(self, numbers: Any) -> None:
        self._point[...] = numbers  # `compiled.point = …` writes there, as `compiled.point[:] = …`

    @property
    def gradient(self) -> Array:
        return self._gradient

    @property
    def value(self) -> float:
        """The output of the last run."""
        return self._drive.values.item(self._output)

    def listing(self) -> str:
        """The rows of the tape, one a line, with the names of what they write and read."""
        return listing(self._drive.tape, self._program)
