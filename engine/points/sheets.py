"""Sheets: a program at points that are written in place, on a tape where there is a machine."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import machine
from engine.points.batch import batched
from engine.points.records import Groups, Numbers
from engine.program import Program

if TYPE_CHECKING:
    from engine.machine.drive import Drive

POINTS = 128
"""How many points are computed together, at most: two for each number that is nudged."""

TOGETHER = 131072
"""Numbers of one array at all points that are computed together: a megabyte stays in a
processor's second cache."""


class Sheet:
    """A program at `count` points that are written in place: for each group, `rows` hold a row of
    its numbers for each point. One thread at a time may use it; `kind` says what it can serve."""

    kind: Hashable = None

    def __init__(
        self, program: Program, point: Mapping[str, Any], groups: Groups, count: int
    ) -> None:
        self._program, self._groups = program, groups
        self._fixed: Mapping[str, Any] = {}
        self._drive = self._taped(point, count) if machine.ready() else None
        if self._drive is None:
            memory = np.empty(count * sum(group.size for group in groups))
        else:
            memory = self._drive.values
            self._output = self._drive.tape.output.view(memory)
        self.rows: list[Numbers] = []
        end = 0
        for group in groups:  # on a tape, too, they come first, in this order
            start, end = end, end + count * group.size
            part = memory[start:end]
            self.rows.append(part.reshape(count, -1) if group.shape else part.reshape(-1, count).T)

    def _taped(self, point: Mapping[str, Any], count: int) -> Drive | None:
        moving = [name for group in self._groups for name in group.names]
        many = batched(self._program, {name: np.shape(x) for name, x in point.items()}, moving)
        if many is None:
            return None
        return drive_of(
            many, {**point, **{name: np.array([point[name]] * count) for name in moving}}
        )

    def fix(self, fixed: Mapping[str, Any]) -> None:
        """Take the inputs that are the same at all points."""
        self._fixed = fixed
        if self._drive is not None:
            for name, x in fixed.items():
                self._drive.tape.leaves[name].view(self._drive.values)[...] = x

    def outputs(self) -> Numbers:
        """The output at each point; good until it is asked for again."""
        if self._drive is not None:
            self._drive.forward()
            return self._output
        moving: dict[str, Numbers] = {}
        for group, rows in zip(self._groups, self.rows, strict=True):
            moving |= group.points(rows)
        found: Numbers = self._program.evaluate_many(moving, self._fixed)
        return found


def drive_of(program: Program, point: Mapping[str, Any]) -> Drive:
    """A program of arrays of these shapes on a tape of its own."""
    from engine.machine.drive import Drive
    from engine.machine.lower import lower

    values = program.run(point, requires_grad=False)
    return Drive(lower(program, [value.shape for value in values], turn=False))
