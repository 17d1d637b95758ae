"""The whole check of a program of single numbers on one tape."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from operator import itemgetter
from typing import Any

import numpy as np

from engine.errors import Position
from engine.ops import OPS
from engine.points.batch import batched
from engine.points.records import Differences
from engine.points.sheets import drive_of
from engine.points.writer import Writer
from engine.program import Constant, Equation, Input, Program


class Whole:
    """The check of a program whose inputs are single numbers on one tape: its outputs at all
    points, the differences and the gaps. One thread at a time may use it; `kind` is as a sheet's.

    Raises EngineError where the program does not run, ValueError where it cannot be batched.
    """

    def __init__(self, program: Program, step: float) -> None:
        self.kind: Hashable = step
        self._defaults = {node.name: node.default for node in program.inputs}
        self._names = names = tuple(self._defaults)
        self._take = itemgetter(*names) if len(names) > 1 else lambda at: (at[names[0]],)
        self._compiled = program.compile(dict.fromkeys(names, 0.0))
        up = step * np.eye(len(names))
        self._nudges = np.concatenate([up, -up], axis=1)
        checked, numeric = _written_out(program, names, step)
        leaves = {"points": np.zeros(self._nudges.shape), "gradients": np.zeros(len(names))}
        self._drive = drive_of(checked, leaves)
        tape, memory = self._drive.tape, self._drive.values
        home = tape.homes[numeric]
        assert home is not None
        self._numeric, self._gaps = home.view(memory), tape.output.view(memory)
        self._points, self._gradients = (tape.leaves[name].view(memory) for name in leaves)

    def __call__(self, at: Mapping[str, Any] | None) -> Differences | None:
        """None where the point is not a float for each input, or where anything that comes out is
        not finite."""
        given, names, compiled = self._defaults if at is None else at, self._names, self._compiled
        try:
            numbers = self._take(given)
        except KeyError:
            return None
        if len(given) > len(names) or {*map(type, numbers)} != {float}:
            return None
        compiled.point[:] = numbers
        if not compiled.run():
            return None
        np.add(compiled.point[:, np.newaxis], self._nudges, out=self._points)
        self._gradients[:] = compiled.gradient
        self._drive.forward()
        place = int(self._gaps.argmax())
        worst = self._gaps.item(place)
        if math.isnan(worst):
            return None
        numeric = dict(zip(names, self._numeric.tolist(), strict=True))
        gradients = dict(zip(names, compiled.gradient.tolist(), strict=True))
        return Differences(numeric, gradients, worst, (names[place], ()), 2 * len(names))


def _written_out(program: Program, names: tuple[str, ...], step: float) -> tuple[Program, int]:
    """The check as a program: `points`, a row for each number, and `gradients` in, the gaps out;
    and the place of the differences. The same as _quotients() and _largest_gap() of
    engine.points.differences."""
    many = batched(program, dict.fromkeys(names, ()), names)
    if many is None:
        raise ValueError("the program cannot be batched")
    count, here = len(names), Position(1, 1, 0)
    w = Writer()
    points = w.input(Input("points", None, here), (count, 2 * count), False)
    gradients = w.input(Input("gradients", None, here), (count,), False)
    made = [w.apply(OPS["getitem"], (2 * count,), points, index=i) for i in range(count)]
    for node in many.nodes[count:]:
        if isinstance(node, Equation):
            args = [made[arg] for arg in node.args]
            made.append(w.apply(node.op, (2 * count,), *args, **node.params))
        elif isinstance(node, Constant):
            made.append(w.constant(node.value))
    halves = w.reshaped(made[many.place], (2, count))
    up, down = (w.apply(OPS["getitem"], (count,), halves, index=i) for i in (0, 1))
    numeric = w.map(OPS["div"], w.map(OPS["sub"], up, down), w.constant(2 * step))
    sizes = w.map(OPS["max"], w.map(OPS["abs"], numeric), w.map(OPS["abs"], gradients))
    gap = w.map(OPS["abs"], w.map(OPS["sub"], numeric, gradients))
    gaps = w.map(OPS["div"], gap, w.map(OPS["max"], sizes, w.constant(1.0)))
    return Program("", tuple(w.nodes), w.place(gaps), many.limits), w.place(numeric)
