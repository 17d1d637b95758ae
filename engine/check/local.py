"""Each operation alone, at its own arguments: what a program that holds an op without a formula is
judged by, and how the rules of an op are tried where it is used."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from flint import arb, ctx

from engine.arrays import tidy
from engine.check import blackbox
from engine.check.report import LocalCheck, Place
from engine.check.slopes import Estimate, Slope
from engine.methods import gradients_of, on_arrays
from engine.program import Equation, Program
from engine.value import Value

TOLERANCE = 1e-6
"""How closely, relatively, a rule has to follow the slope of its forward."""

ENTRIES = 8
"""How many entries of each array argument are tried."""


class Unmeasured(Exception):
    """The slope of an operation without a formula cannot be told from its values."""


class StandIn:
    """An operation without a formula, near its own arguments: its value there, and a slope for each
    argument and side, measured from the forward alone, with what the measurement leaves open.

    As a function of balls it is what the operation does to first order, enclosed.
    """

    def __init__(self, equation: Equation, y: float, inputs: Sequence[float]) -> None:
        self._equation = equation
        self._y = y
        self._inputs = inputs
        self._base: tuple[int, Sequence[Any]] | None = None
        self._slopes: dict[int, Slope] = {}
        self.evaluations = 0

    def __call__(self, *balls: Any) -> Any:
        if self._base is None or self._base[0] != ctx.prec:
            self._base = ctx.prec, balls
        found = arb(self._y)
        for place, (ball, here) in enumerate(zip(balls, self._base[1], strict=True)):
            if ball is here or ball == here:
                continue
            found += self._slope(place, ball - here) * (ball - here)
        return found

    def _slope(self, place: int, step: Any) -> Any:
        if place not in self._slopes:
            self._slopes[place] = self._measured(place)
            self.evaluations += self._slopes[place].evaluations
        slope = self._slopes[place]
        if slope.kind == "smooth":
            return _ball(slope.both)
        right, left = _ball(slope.right), _ball(slope.left)
        return right if step > 0 else left if step < 0 else right.union(left)

    def _measured(self, place: int) -> Slope:
        def forward(x: float) -> float:
            inputs = [*self._inputs]
            inputs[place] = x
            return float(on_arrays(self._equation.op, inputs, dict(self._equation.params)))

        return blackbox.measure(forward, self._inputs[place], rtol=TOLERANCE)


def _ball(estimate: Estimate) -> Any:
    if math.isnan(estimate.slope):
        raise Unmeasured
    return arb(estimate.slope, estimate.bound)


def stand_in(equation: Equation, y: Any, inputs: Sequence[Any]) -> Callable[..., Any]:
    """What stands in for `equation` on balls, or on arrays of balls entry by entry.

    Raises Unmeasured for an op that mixes the entries of arrays.
    """
    if y.__class__ is float and all(x.__class__ is float for x in inputs):
        return StandIn(equation, y, inputs)
    if not equation.op.elementwise:
        raise Unmeasured
    shape = np.shape(y)
    spread = [np.broadcast_to(x, shape) for x in inputs]
    each = {
        index: StandIn(equation, float(y[index]), [float(x[index]) for x in spread])
        for index in np.ndindex(shape)
    }

    def function(*arrays: Any) -> Any:
        balls = [np.broadcast_to(np.asarray(a, dtype=object), shape) for a in arrays]
        found = np.empty(shape, dtype=object)
        for index, one in each.items():
            found[index] = one(*(a[index] for a in balls))
        return found

    return function


def check_locally(
    program: Program, values: Sequence[Any], opaque: bool = True
) -> Iterator[LocalCheck]:
    """The rules of each operation at its own arguments, under a random upstream gradient, against
    the slope of its forward. `values` are those of the nodes; `opaque`: only operations that have
    no formula and can be called on anything. The dice follow from the program and the point."""
    for place, equation in enumerate(program.nodes):
        if not isinstance(equation, Equation):
            continue
        if opaque and (equation.op.formula is not None or equation.op.origin == "built-in"):
            continue
        inputs = [values[arg] for arg in equation.args]
        seed = f"{program.hash} {equation.number} {[np.asarray(x).tobytes() for x in inputs]}"
        digest = hashlib.sha256(seed.encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8]))
        yield from _judged(equation, values[place], inputs, rng)


def _judged(
    equation: Equation, y: Any, inputs: Sequence[Any], rng: np.random.Generator
) -> Iterator[LocalCheck]:
    op, params = equation.op, dict(equation.params)
    g = rng.uniform(0.5, 2.0, np.shape(y)) * rng.choice([-1.0, 1.0], np.shape(y))
    upstream: Any = float(g) if np.ndim(y) == 0 else g
    given = _parts(equation, y, inputs, upstream)
    for argument, (x, part) in enumerate(zip(inputs, given, strict=True)):
        if part is None:
            continue
        for index in _some(np.shape(x), rng):

            def forward(t: float, argument: int = argument, index: Any = index) -> float:
                moved = [*inputs]
                if np.ndim(moved[argument]):
                    moved[argument] = moved[argument].copy()
                    moved[argument][index] = t
                else:
                    moved[argument] = t
                return float(np.sum(upstream * on_arrays(op, moved, params)))

            here = float(x[index]) if np.ndim(x) else float(x)
            claim = float(part[index]) if np.ndim(part) else float(part)
            slope = blackbox.measure(forward, here, claim, TOLERANCE)
            name = op.input_names[0 if op.variadic else argument]
            place = Place(
                equation.number, equation.text, equation.position, equation.inputs[argument]
            )
            measured = math.isfinite(slope.both.slope)
            yield LocalCheck(
                place=place,
                op=op.name,
                argument=name,
                verdict=blackbox.judge(claim, slope, TOLERANCE),
                given=claim,
                reference=slope.both.slope if measured else None,
                error_bound=slope.both.bound if measured else None,
                upstream=upstream if np.ndim(y) == 0 else float(np.ravel(g)[0]),
            )


def true_parts(values: Sequence[Any], equation: Equation, place: int, upstream: Any) -> list[Any]:
    """What the rules of an equation's op make of an upstream gradient, where the nodes of the
    program have `values`."""
    inputs = [values[arg] for arg in equation.args]
    return _parts(equation, values[place], inputs, tidy(upstream))


def _parts(equation: Equation, y: Any, inputs: Sequence[Any], upstream: Any) -> list[Any]:
    node = Value(y)
    node.op, node.params = equation.op, dict(equation.params)
    node.inputs = tuple(Value(x) for x in inputs)
    return gradients_of(node, upstream)


def _some(shape: tuple[int, ...], rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Entries of an array of this shape to try: all of a small one, else a random few."""
    entries = list(np.ndindex(shape))
    if len(entries) <= ENTRIES:
        return entries
    chosen = rng.choice(len(entries), ENTRIES, replace=False)
    return [entries[i] for i in sorted(chosen)]
