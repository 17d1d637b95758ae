"""Each operation alone, at its own arguments: what a program that holds an op without a formula is
judged by, and how the rules of an op are tried where it is used."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any

import numpy as np
from flint import arb, ctx

from engine.arrays import tidy
from engine.check import blackbox
from engine.check.array_tape import balls_of, known_on_balls, on_balls
from engine.check.extrapolation import slope_of
from engine.check.report import LocalCheck, Place
from engine.check.slopes import Estimate, Slope
from engine.check.verdict import BLURRED, CANCELLING, Verdict, judge
from engine.methods import gradients_of, on_arrays
from engine.program import Equation, Program
from engine.value import Value

TOLERANCE = 1e-6
"""How closely, relatively, a rule has to follow the slope of its forward."""

RUNS = 7
"""Runs of the forward that an exact slope takes, as a rule."""

ENTRIES = 8
"""How many entries of each array argument are tried."""


BALL_WORK = 50_000
"""Operations on balls that the trials of one operation may take."""


def guarded(function: Callable[[float], float]) -> Callable[[float], float]:
    """The function, not a number wherever it raises: a plugin may raise anything beside a point."""

    def call(x: float) -> float:
        try:
            return function(x)
        except Exception:
            return math.nan

    return call


class Unmeasured(Exception):
    """The slope of an operation without a formula cannot be told from its values."""


class StandIn:
    """An operation without a formula, near its own arguments: its value there, and a slope along
    each direction in which they move, measured from the forward alone, with what the measurement
    leaves open. As a function of balls it is what the operation does to first order, enclosed."""

    def __init__(self, equation: Equation, y: float, inputs: Sequence[float]) -> None:
        self._equation = equation
        self._y = y
        self._inputs = inputs
        self._base: tuple[int, Sequence[Any]] | None = None
        self._slopes: dict[tuple[float, ...], Slope] = {}

    def __call__(self, *balls: Any) -> Any:
        if self._base is None or self._base[0] != ctx.prec:
            self._base = ctx.prec, balls
        steps = [
            None if ball is here or ball == here else ball - here
            for ball, here in zip(balls, self._base[1], strict=True)
        ]
        moved = [(abs(step), place) for place, step in enumerate(steps) if step is not None]
        if not moved:
            return arb(self._y)
        _, leader = max(moved, key=lambda it: float(it[0].log()))
        lead = steps[leader]
        direction = tuple(0.0 if step is None else float(step / lead) for step in steps)
        return arb(self._y) + self._slope(direction, leader, lead) * lead

    def _slope(self, direction: tuple[float, ...], leader: int, step: Any) -> Any:
        key = tuple(float(f"{part:.12g}") for part in direction)
        if key not in self._slopes:
            self._slopes[key] = self._measured(direction, leader)
        slope = self._slopes[key]
        if slope.kind == "smooth":
            return _ball(slope.both, slope)
        right, left = _ball(slope.right, slope), _ball(slope.left, slope)
        return right if step > 0 else left if step < 0 else right.union(left)

    def _measured(self, direction: tuple[float, ...], leader: int) -> Slope:
        here = self._inputs[leader]

        def forward(x: float) -> float:
            inputs = [
                x if place == leader else start + (x - here) * part if part else start
                for place, (start, part) in enumerate(zip(self._inputs, direction, strict=True))
            ]
            return float(on_arrays(self._equation.op, inputs, dict(self._equation.params)))

        return blackbox.measure(guarded(forward), here, rtol=TOLERANCE)


def _ball(estimate: Estimate, slope: Slope) -> Any:
    if math.isnan(estimate.slope):
        raise Unmeasured
    if slope.kind == "smooth" and blackbox.judge(0.0, slope, TOLERANCE) is Verdict.PASS:
        return arb(0)  # flat, as far as float64 can see
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
    program: Program,
    values: Sequence[Any],
    opaque: bool = True,
    entries: int = ENTRIES,
    within: Container[int] | None = None,
) -> Iterator[LocalCheck]:
    """The rules of each operation at its own arguments, under a random upstream gradient, against
    the slope of its forward. `values` are those of the nodes; `opaque`: only operations whose
    forward cannot be carried out on balls; `entries` of each array argument are tried at most;
    `within`: only the equations at these places. The dice follow from the program and the point."""
    for place, equation in enumerate(program.nodes):
        if not isinstance(equation, Equation) or (opaque and known_on_balls(equation)):
            continue
        if within is not None and place not in within:
            continue
        inputs = [values[arg] for arg in equation.args]
        seed = f"{program.hash} {equation.number} {[np.asarray(x).tobytes() for x in inputs]}"
        digest = hashlib.sha256(seed.encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8]))
        yield from _judged(equation, values[place], inputs, rng, entries)


def _judged(
    equation: Equation, y: Any, inputs: Sequence[Any], rng: np.random.Generator, entries: int
) -> Iterator[LocalCheck]:
    op = equation.op
    g = rng.uniform(0.5, 2.0, np.shape(y)) * rng.choice([-1.0, 1.0], np.shape(y))
    upstream: Any = float(g) if np.ndim(y) == 0 else g
    given = _parts(equation, y, inputs, upstream)
    size = 1 if op.elementwise else max(map(np.size, [y, *inputs]))
    affordable = max(1, min(entries, BALL_WORK // (RUNS * size)))
    for argument, (x, part) in enumerate(zip(inputs, given, strict=True)):
        if part is None:
            continue
        for index in _some(np.shape(x), rng, affordable):
            claim = float(part[index]) if np.ndim(part) else float(part)
            slope = _local_slope(equation, inputs, upstream, argument, index, claim)
            measured = slope.kind == "smooth" and math.isfinite(slope.both.slope)
            yield LocalCheck(
                place=Place(
                    equation.number, equation.text, equation.position, equation.inputs[argument]
                ),
                op=op.name,
                argument=op.input_names[0 if op.variadic else argument],
                verdict=_verdict(equation, claim, slope),
                given=claim,
                reference=slope.both.slope if measured else None,
                error_bound=slope.both.bound if measured else None,
                upstream=upstream if np.ndim(y) == 0 else None,
            )


def _local_slope(
    equation: Equation,
    inputs: Sequence[Any],
    upstream: Any,
    argument: int,
    index: tuple[int, ...],
    claim: float | None = None,
) -> Slope:
    """The slope of the sum of upstream times output, for one entry of one argument."""
    x = inputs[argument]
    here = float(x[index]) if np.ndim(x) else float(x)
    if known_on_balls(equation):
        return slope_of(
            functools.partial(_summed, equation, inputs, upstream, argument, index), here
        )
    op, params = equation.op, dict(equation.params)

    def forward(t: float) -> float:
        moved = [*inputs]
        moved[argument] = _with(x, index, t)
        return float(np.sum(upstream * on_arrays(op, moved, params)))

    return blackbox.measure(guarded(forward), here, claim, TOLERANCE)


def argument_slope(equation: Equation, inputs: Sequence[float], argument: int) -> Slope:
    """The slope of an equation of single numbers with respect to one of its arguments, from its
    forward alone."""
    return _local_slope(equation, inputs, 1.0, argument, ())


def _summed(
    equation: Equation,
    inputs: Sequence[Any],
    upstream: Any,
    argument: int,
    index: tuple[int, ...],
    step: Any,
) -> Any:
    op, shape, x = equation.op, np.shape(upstream), inputs[argument]
    if not op.elementwise:
        balls = [x if i in op.blind else balls_of(x) for i, x in enumerate(inputs)]
        if step is not None:
            held = balls[argument]
            balls[argument] = _with(held, index, (held[index] if np.ndim(held) else held) + step)
        return np.sum(np.asarray(on_balls(equation, balls, shape), dtype=object) * upstream)
    # Only where the entry is used does the output move.
    where = _used(np.shape(x), index, shape)
    parts = [np.broadcast_to(np.asarray(x), shape)[where] for x in inputs]
    entry = arb(float(x[index]) if np.ndim(x) else float(x))
    moved = np.full(np.shape(parts[argument]), entry if step is None else entry + step, object)
    balls = [moved if i == argument else balls_of(part) for i, part in enumerate(parts)]
    weights = np.broadcast_to(upstream, shape)[where]
    y = on_balls(equation, balls, np.shape(weights))
    return np.sum(np.asarray(y, dtype=object) * weights)


def _used(shape: tuple[int, ...], index: tuple[int, ...], output: tuple[int, ...]) -> Any:
    """Where in an output of this shape an entry of an input that is broadcast to it is used."""
    extra = len(output) - len(shape)
    kept = (slice(None) if n == 1 else slice(i, i + 1) for i, n in zip(index, shape, strict=True))
    return (slice(None),) * extra + tuple(kept)


def _with(x: Any, index: tuple[int, ...], entry: Any) -> Any:
    if not np.ndim(x):
        return entry
    moved = x.copy()
    moved[index] = entry
    return moved


def _verdict(equation: Equation, claim: float, slope: Slope) -> Verdict:
    if not known_on_balls(equation):
        return blackbox.judge(claim, slope, TOLERANCE)

    def excused(claim: float, truth: float) -> bool:
        # A rule that is a small difference of numbers near 1 loses its digits.
        return equation.op.name in CANCELLING and abs(claim - truth) <= 2 * BLURRED

    return judge(claim, slope, TOLERANCE, claim, lambda: 0.0, excused)


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


def _some(shape: tuple[int, ...], rng: np.random.Generator, most: int) -> list[tuple[int, ...]]:
    """Entries of an array of this shape to try: all of a small one, else a random few."""
    entries = list(np.ndindex(shape))
    if len(entries) <= most:
        return entries
    chosen = rng.choice(len(entries), most, replace=False)
    return [entries[i] for i in sorted(chosen)]
