"""The slope of a function at a point from its values nearby, with a bound on the error.

Differences are taken on both sides with steps from large to tiny, each sequence is extrapolated
(Richardson 1911), and the level with the smallest bound wins: truncation, seen as the change
between levels, falls with the step while rounding, the noise of the function over the step, grows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

UNIT = 2.0**-53
"""Half the distance from 1 to the next float64."""

FINEST = 2.0**-50
"""The smallest step, as a share of the input."""

LEVELS = 60
"""Steps tried on each side at most, each a quarter of the one before."""

UNEXPLAINED = 16.0
"""A change over the smallest steps that a slope leaves open by more than so many times the noise
says that the slope is none: the larger steps were blind to what goes on nearby."""

DISJOINT = 10.0
"""One-sided slopes that differ by more than so many times their bounds are two slopes."""

AMPLIFIED = 4.0
"""How much extrapolation can enlarge the noise of the differences that it combines."""


DROWNED = 0.01
"""Noise above this share of all that the function ever moves says that nothing can be seen."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A slope and a bound on its error; both nan where the differences do not settle."""

    slope: float
    bound: float


@dataclass(frozen=True, slots=True)
class Slope:
    """What the differences say: `kind` is "smooth", "kink" (left and right differ) or "edge" (the
    function is not finite on one side, however near)."""

    kind: str
    both: Estimate
    left: Estimate
    right: Estimate


def slope(function: Callable[[float], float], x: float, noise: float) -> Slope:
    """The slope of `function` at `x`, where its values carry an error of about `noise`."""
    value = function(x)
    steps = _steps(x)
    right = [(function(x + h) - value) / h for h in steps]
    left = [(value - function(x - h)) / h for h in steps]
    central = [(after + before) / 2 for after, before in zip(right, left, strict=True)]
    if not any(right) and not any(left):
        flat = Estimate(0.0, noise / steps[0])
        return Slope("smooth", flat, flat, flat)
    found_right = _best(right, steps, noise, orders=(1, 2))
    found_left = _best(left, steps, noise, orders=(1, 2))
    both = _best(central, steps, noise, orders=(2, 4))
    if _never_finite(left) or _never_finite(right):
        return Slope("edge", both, found_left, found_right)
    gap = abs(found_right.slope - found_left.slope)
    kink = gap > DISJOINT * (found_right.bound + found_left.bound)
    both = _narrowest(both, found_left, found_right)
    if noise > DROWNED * max(abs(d) * h for d, h in zip([*right, *left], steps * 2, strict=True)):
        return Slope("smooth", Estimate(math.nan, math.inf), found_left, found_right)
    after, before = (found_right, found_left) if kink else (both, both)
    if not _explains(after, right, steps, noise) or not _explains(before, left, steps, noise):
        return Slope("smooth", Estimate(math.nan, math.inf), found_left, found_right)
    return Slope("kink" if kink else "smooth", both, found_left, found_right)


def _steps(x: float) -> list[float]:
    """From a quarter of the size of `x`, or of 1, down to the last digits of `x`."""
    largest = max(1.0, abs(x))
    finest = FINEST * (abs(x) or 2.0**-6)
    wanted = [largest * 0.25**level for level in range(1, LEVELS + 1)]
    taken = [(x + h) - x for h in wanted if h >= finest]
    return [h for h in taken if h > 0 and (x - h) != x]


def _explains(
    estimate: Estimate, sequence: Sequence[float], steps: Sequence[float], noise: float
) -> bool:
    """Whether the values next to `x` lie where the slope says, but for noise."""
    open_gaps = (
        abs(difference - estimate.slope) * h <= UNEXPLAINED * noise + estimate.bound * h
        for difference, h in zip(sequence[-3:], steps[-3:], strict=True)
    )
    return all(open_gaps)


def _best(
    sequence: Sequence[float], steps: Sequence[float], noise: float, orders: tuple[int, int]
) -> Estimate:
    """The extrapolated difference with the smallest bound, from the smallest steps upwards as long
    as the intervals agree: a derivative is local, and a kink further off must not speak.

    A difference with step h errs by terms of order h**orders[0], h**orders[1]; two levels remove
    the first and three the second.
    """
    first = _extrapolate(sequence, orders[0])
    second = _extrapolate(first, orders[1])
    best = Estimate(math.nan, math.inf)
    for level in reversed(range(3, len(sequence))):
        h = steps[level]
        truncation = max(
            abs(second[level] - first[level]),
            abs(second[level] - second[level - 1]),
        )
        bound = truncation + AMPLIFIED * noise / h + 4 * UNIT * abs(second[level])
        if abs(second[level] - best.slope) > bound + best.bound:
            break
        if bound < best.bound:
            best = Estimate(second[level], bound)
    return best


def _extrapolate(sequence: Sequence[float], order: int) -> list[float]:
    """Each level with the error of this order removed by the level before (steps shrink by 4)."""
    weight = 4.0**order
    better = [(weight * small - large) / (weight - 1) for large, small in pairwise(sequence)]
    return [sequence[0], *better]


def _never_finite(sequence: Sequence[float]) -> bool:
    return not any(map(math.isfinite, sequence[-6:]))


def _narrowest(*estimates: Estimate) -> Estimate:
    return min(estimates, key=lambda estimate: estimate.bound)
