"""A slip in the forward pass: the claims are right for another value of one node."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from engine.check.diagnosis.evidence import Evidence
from engine.check.diagnosis.found import Found, number
from engine.check.linear import Linear, local_derivatives
from engine.program import Constant, Equation, Input

SPREAD = tuple(sign * 1.6**k for sign in (1, -1) for k in (*range(-5, 0), *range(1, 6)))
"""Multiples of the value among which a sign change is looked for, and then closed in on."""

ROUNDS = 40
"""Steps of the false position (Illinois variant, Dowell and Jarratt 1971)."""

NODES = 60
"""Larger programs are not searched for such a slip."""


def forward_slips(evidence: Evidence) -> Iterator[Found]:
    """Nodes whose value, taken as another number, makes every claim right."""
    if evidence.count < 2 or len(evidence.program.nodes) > NODES:
        return
    for place, node in enumerate(evidence.program.nodes):
        if place == evidence.program.place:
            continue
        replay = Replay(evidence.linear, place, evidence.places)
        value = evidence.linear.values[place]
        slip = _misread(evidence, replay, value)
        if slip is None:
            slip = _solved(evidence, replay, value)
        if slip is not None:
            yield _told(evidence, node, place, slip)


class Replay:
    """Forward and backward again, with the value of one node taken as another number."""

    def __init__(self, linear: Linear, place: int, wanted: Sequence[int]) -> None:
        self._linear = linear
        self._place = place
        self._wanted = wanted
        self._later = linear.after(place)
        reached = {i for i, _ in self._later}
        self._touched = [edge.user in reached for edge in linear.edges]

    def __call__(self, value: float) -> list[float] | None:
        """The gradient of each wanted node; None where something is not finite, or fails."""
        linear = self._linear
        derivatives: dict[int, Sequence[float | None]] = {}
        try:
            values = linear.values_with(self._place, value, self._later)
            for i, node in self._later:
                inputs = [values[arg] for arg in node.args]
                derivatives[i] = local_derivatives(node.op, values[i], inputs, node.params)
        except Exception:  # a plugin may raise anything where it was not asked before
            return None
        found = [0.0] * len(values)
        found[linear.program.place] = 1.0
        for edge, touched in zip(reversed(linear.edges), reversed(self._touched), strict=True):
            derivative = edge.derivative
            if touched:
                derivative = derivatives[edge.user][edge.argument] or 0.0
            found[edge.used] += found[edge.user] * derivative
        wanted = [found[place] for place in self._wanted]
        return wanted if all(map(math.isfinite, wanted)) else None


def _misread(evidence: Evidence, replay: Replay, value: float) -> float | None:
    """A value as people misread or round it."""
    tried = [value * 10, value / 10, -value, value * 100, value / 100, value * 1.1, value * 0.9]
    tried += [float(f"{value:.{digits}g}") for digits in (1, 2, 3)]
    tried += [float(round(value)), 0.0, 1.0]
    for other in dict.fromkeys(tried):
        if other != value and math.isfinite(other):
            gradient = replay(other)
            if gradient is not None and evidence.matches(np.array(gradient)):
                return other
    return None


def _solved(evidence: Evidence, replay: Replay, value: float) -> float | None:
    """The value at which the claim that is furthest off comes out, if all others do too."""
    gaps = np.abs(evidence.claims - evidence.truth) / np.maximum(evidence.tolerance, 1e-300)
    i = int(np.argmax(gaps))
    target = float(evidence.claims[i])

    def miss(v: float) -> float:
        gradient = replay(v)
        return math.nan if gradient is None else gradient[i] - target

    base = value if value else 1.0
    points = sorted([value, *(base * factor for factor in SPREAD)])
    misses = [miss(v) for v in points]
    for a, b, at_a, at_b in zip(points, points[1:], misses, misses[1:], strict=False):
        if at_a * at_b < 0:
            root = _closed_in(miss, a, b, at_a, at_b)
            gradient = replay(root)
            different = abs(root - value) > 1e-3 * abs(value)
            if different and gradient is not None and _near(evidence, gradient):
                return root
    return None


def _near(evidence: Evidence, gradient: Sequence[float]) -> bool:
    """Whether a gradient is the claim, where one claim, rounded itself, set the value."""
    gap = np.abs(np.array(gradient) - evidence.claims)
    return bool(np.all(gap <= 2 * evidence.tolerance))


def _closed_in(
    miss: Callable[[float], float], a: float, b: float, at_a: float, at_b: float
) -> float:
    side = 0
    root = a
    for _ in range(ROUNDS):
        root = (at_a * b - at_b * a) / (at_a - at_b)
        here = miss(root)
        if not here or not math.isfinite(here) or abs(b - a) <= 1e-13 * abs(root):
            break
        if here * at_b < 0:
            a, at_a = b, at_b
            side = 0
        else:
            at_a *= 0.5 if side else 1.0
            side = 1
        b, at_b = root, here
    return root


def _told(evidence: Evidence, node: Input | Constant | Equation, place: int, slip: float) -> Found:
    value = evidence.linear.values[place]
    what = evidence.written(place)
    kind = "the value of" if isinstance(node, Equation) else "for"
    if isinstance(node, Equation):
        start = f"The claims are right if {kind} {what} were {number(slip)} rather than "
        sentence = f"{start}{number(value)}: look for a slip in the forward pass there."
    elif isinstance(node, Constant):
        sentence = (
            f"The claims are right if {number(slip)} stood where {what} is written: it looks "
            "misread."
        )
    else:
        sentence = (
            f"The claims are right if {what} were {number(slip)} rather than {number(value)}: it "
            "looks as if another number was used for it."
        )
    numbers = {"yours": slip, "true": value}
    return Found(3.3, "forward_value", evidence.place(place), sentence, numbers, evidence.count)
