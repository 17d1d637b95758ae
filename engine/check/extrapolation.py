"""One-sided slopes from differences of balls, extrapolated to a step of zero (Richardson 1911).

Only values of the function are used, so no rule of any backward pass can be wrong here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from flint import arb

from engine.balls import BITS, precision
from engine.check.slopes import UNKNOWN, Estimate, Kind, Slope

ROUNDS = ((BITS, 113), (2330, 800), (6600, 2200))
"""Binary digits, and the step as so many halvings of the input, or of 1 for a larger one. The
second attempt, with 700 decimal digits, is for slopes that are tiny or zero; the third for what
changes its ways over less than 1e-240, and before anything is called an edge."""

SMALLEST = -10
"""The binary exponent that an input of 0 is taken to have."""

SETTLED = 1e-12
"""How much of a slope its last extrapolation may still change."""

USELESS = 0.1
"""A slope whose ball is wider than this share of it is not known at all."""

SAME = 1e-15
"""One-sided slopes that differ by less than this share are one slope."""

ABSENT = 1e-40
"""A slope below this is looked at with more digits: it may be zero."""

SHRINKING, GROWING = 0.95, 1.05
"""Quotients that fall, or rise, by more than this from each step to its half go to a limit of 0, or
to none."""

UNIT = 2.0**-53
"""Half the distance from 1 to the next float64."""

STEPS = 3
"""Steps on each side, each half the one before."""

Function = Callable[[Any], Any]
"""From a step away from the point, a ball, to the ball of the output there, in flint's present
precision; None is the point itself."""


@dataclass(frozen=True, slots=True)
class Side:
    """The slope seen from one side. Without a ball there is none: `edge` says that the function
    is not defined there or rises without end, else the quotients just do not settle."""

    estimate: Estimate
    ball: Any = None
    edge: bool = False

    def clear(self, attempt: int) -> bool:
        """Whether more digits could tell nothing new after this attempt, counted from 0."""
        if self.ball is None:
            return False
        if self.estimate.bound == 0 or abs(self.estimate.slope) > ABSENT:
            return True
        return attempt > 0 and self.estimate.bound <= ABSENT


ZERO = arb(0)
FLAT = Side(Estimate(0.0, 0.0), ZERO)


def slope_of(function: Function, x: float, attempts: int = len(ROUNDS)) -> Slope:
    """The slope of `function` at a point, from both sides; `x` is about where the point lies.

    `function` may return the very object that it returns at the point, to say that nothing has
    changed. What it cannot know better than to some digits stays in the bound. At most so many
    `attempts` of ROUNDS are made.
    """
    exponent = math.frexp(x)[1] if x else SMALLEST
    size = min(exponent, 0)
    spent = 0
    for attempt, (bits, halvings) in enumerate(ROUNDS[:attempts]):
        with precision(bits + max(SMALLEST - exponent, exponent, 0)):
            here = function(None)
            step = arb(2) ** (size - halvings)
            last = attempt + 1 == attempts
            right, left = (_side(function, here, h, last) for h in (step, -step))
            slope = _both(right, left)
        spent += 1 + 2 * STEPS
        if right.clear(attempt) and left.clear(attempt):
            break
    return Slope(*slope, spent)


def _side(function: Function, here: Any, step: Any, last: bool) -> Side:
    if not here.is_finite():
        return Side(UNKNOWN)  # the digits do not suffice to tell the value itself
    quotients = []
    for k in range(STEPS):
        h = step if k == 0 else step / 2**k
        moved = function(h)
        if moved is here or moved == here:  # balls are equal only if they are exact
            quotients.append(ZERO)
            continue
        difference = moved - here
        if not difference.is_finite():
            return Side(UNKNOWN, edge=True)
        quotients.append(difference / h)
    if all(quotient is ZERO for quotient in quotients):
        return FLAT
    a, b, c = quotients
    # The error of a one-sided quotient has terms of order h and h²; each level removes one.
    first, second = 2 * b - a, 2 * c - b
    ball = (4 * second - first) / 3
    slope, radius = float(ball), float(ball.rad())
    change = float(abs((second - first).mid()))
    size = abs(slope)
    allowed = USELESS if last else SETTLED
    if math.isfinite(slope) and change <= SETTLED * size and radius <= allowed * size:
        return Side(Estimate(slope, change + radius + UNIT * size), ball)
    found = _unsettled(quotients, slope, change + radius)
    if last and found.ball is None and not found.edge and change <= radius < math.inf:
        return Side(Estimate(slope, change + radius), ball)  # known to no more digits than these
    return found


def _unsettled(quotients: list[Any], slope: float, doubt: float) -> Side:
    """Quotients that go to zero, or cannot be told from it, give a slope of 0, within what is left
    of them; quotients that grow without end a vertical tangent; others nothing."""
    sizes = [abs(q) for q in quotients]
    left = max(float(size.upper()) for size in sizes)
    if all(q.contains(0) for q in quotients) and left <= ABSENT:
        return Side(Estimate(0.0, left), arb(0, left))
    ratios = [float(after / before) for before, after in pairwise(sizes)]
    if all(ratio < SHRINKING for ratio in ratios):
        if abs(slope) + doubt <= ABSENT:
            return Side(Estimate(0.0, abs(slope) + doubt), arb(0, abs(slope) + doubt))
        if left <= SETTLED:
            return Side(Estimate(0.0, 4 * left), arb(0, 4 * left))
    if all(GROWING < ratio < 2.1 for ratio in ratios):
        return Side(Estimate(math.copysign(math.inf, float(quotients[-1])), 0.0), edge=True)
    return Side(UNKNOWN)


def _both(right: Side, left: Side) -> tuple[Kind, Estimate, Estimate, Estimate]:
    sides = left.estimate, right.estimate
    if right.edge or left.edge:
        return ("edge", UNKNOWN, *sides)
    if right.ball is None or left.ball is None:
        return ("smooth", UNKNOWN, *sides)
    gap = abs(right.ball - left.ball)
    size = max(abs(side.slope) for side in sides)
    if float(gap.lower()) > SAME * size:
        return ("kink", UNKNOWN, *sides)
    middle = (right.ball + left.ball) / 2
    bound = max(side.bound for side in sides) + float(gap.upper()) / 2
    return ("smooth", Estimate(float(middle), bound), *sides)
