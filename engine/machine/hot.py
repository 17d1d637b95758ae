"""A program evaluated on its tape: the fast way for all but small programs of scalars."""

from __future__ import annotations

import struct
import threading
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

import numpy as np

from engine.evaluation import Evaluation
from engine.machine.drive import Drive
from engine.machine.lower import lower
from engine.program import Program

SHAPES = 4
"""Sets of shapes of the inputs for which a program keeps a tape."""

FLOATS = {float}


def shapes_at(program: Program, point: Mapping[str, Any]) -> list[tuple[int, ...]]:
    """The shape of every node at a point. Raises InputError, as program.evaluate(), where shapes
    do not fit or the output is not one number."""
    values = program.run(point, requires_grad=False)
    program.require_scalar(values[program.place])
    return [value.shape for value in values]


class Hot:
    """A program at checked points, on a tape for each set of shapes. It answers None where what
    comes out is not finite, and where another thread is at it."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._ways: dict[tuple[tuple[int, ...], ...], _Arrays] = {}
        self._names = [node.name for node in program.inputs]
        self._making = threading.Lock()

    def is_of_scalars(self, point: Mapping[str, Any]) -> bool:
        """Whether inputs and output are single numbers, so that scalars() may be asked for."""
        return bool(self._names) and shapes_at(self._program, point)[self._program.place] == ()

    def scalars(self, point: Mapping[str, Any]) -> Scalars:
        """The straightest way for floats, at a point of which it is made."""
        return Scalars(self._program, self._drive(point), self._names)

    def __call__(self, point: Mapping[str, Any]) -> Evaluation | None:
        shapes = tuple(np.shape(point[name]) for name in self._names)
        way = self._ways.get(shapes)
        if way is None:
            way = _Arrays(self._program, self._drive(point), self._names)
            with self._making:
                if len(self._ways) >= SHAPES:
                    del self._ways[next(iter(self._ways))]
                self._ways[shapes] = way
        return way(point)

    def _drive(self, point: Mapping[str, Any]) -> Drive:
        return Drive(lower(self._program, shapes_at(self._program, point), turn=False))


class Scalars:
    """Like program.evaluate() for a program of numbers: the straightest way from a dict to the
    tape. None where the point is not a float for each input, and as Hot."""

    def __init__(self, program: Program, drive: Drive, names: list[str]) -> None:
        self._program, self._drive, self._names = program, drive, names
        several = itemgetter(*names)
        self._take = several if len(names) > 1 else lambda at: (several(at),)
        self._defaults = {node.name: node.default for node in program.inputs}
        self._pack = struct.Struct(f"{len(names)}d").pack_into
        self._buffer = drive.values.data.cast("B")
        self._output = drive.tape.output.offset
        self._gradients = drive.gradients[: len(names)]
        self._free = threading.Lock()

    def __call__(self, at: Mapping[str, Any] | None) -> Evaluation | None:
        names = self._names
        if at is None:
            at = self._defaults
        elif len(at) != len(names):
            return None
        try:
            numbers = self._take(at)
        except KeyError:
            return None
        if {*map(type, numbers)} != FLOATS or not self._free.acquire(blocking=False):
            return None
        try:
            self._pack(self._buffer, 0, *numbers)
            if not self._drive.run():
                return None
            value = self._drive.values.item(self._output)
            gradients = dict(zip(names, self._gradients.tolist(), strict=True))
        finally:
            self._free.release()
        program = self._program

        def nodes() -> Any:
            return program.evaluate_slowly(dict(zip(names, numbers, strict=True))).nodes

        return Evaluation(value, gradients, nodes)


class _Arrays:
    """For a program with arrays."""

    def __init__(self, program: Program, drive: Drive, names: list[str]) -> None:
        self._program, self._drive = program, drive
        leaves = [drive.tape.leaves[name] for name in names]
        self._views = {
            name: (home.view(drive.values), home.view(drive.gradients))
            for name, home in zip(names, leaves, strict=True)
        }
        output = drive.tape.homes[program.place]
        assert output is not None
        self._value = output.view(drive.values)
        self._free = threading.Lock()

    def __call__(self, point: Mapping[str, Any]) -> Evaluation | None:
        if not self._free.acquire(blocking=False):
            return None
        try:
            for name, (values, _) in self._views.items():
                values[...] = point[name]
            if not self._drive.run():
                return None
            value = self._value.copy() if self._value.ndim else float(self._value)
            gradients = {
                name: found.copy() if found.ndim else float(found)
                for name, (_, found) in self._views.items()
            }
        finally:
            self._free.release()
        program, held = self._program, dict(point)
        return Evaluation(value, gradients, lambda: program.evaluate_slowly(held).nodes)
