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
    """Like program.evaluate(), but None where the point is not all floats, or arrays of shapes seen
    before, and where anything that comes out is not finite."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._ways: dict[tuple[tuple[int, ...], ...], Any] = {}
        self._names = [node.name for node in program.inputs]

    def __call__(self, at: Mapping[str, Any] | None) -> Evaluation | None:
        point = self._program.point(at)
        shapes = tuple(np.shape(point[name]) for name in self._names)
        way = self._ways.get(shapes)
        if way is None:
            drive = Drive(lower(self._program, shapes_at(self._program, point), turn=False))
            kind = _Arrays if any(shapes) or not shapes else _Scalars
            way = kind(self._program, drive, self._names)
            if len(self._ways) == SHAPES:
                del self._ways[next(iter(self._ways))]
            self._ways[shapes] = way
            if isinstance(way, _Scalars):
                self._program.__dict__["_fast"] = way
        found: Evaluation | None = way(point)
        return found


class _Scalars:
    """For a program whose inputs are numbers: the straightest way from a dict to the tape."""

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
