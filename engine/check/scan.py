"""Differences of a function that cannot be seen into, with steps of every size on both sides.

Three sequences (right, left and central differences) are extrapolated (Richardson 1911) and walked
from the smallest step upwards: rounding, the noise of the values over the step, falls as the steps
grow, and truncation, seen as the change between neighbours, sets in. A slope is local: where larger
steps contradict the smaller ones, the walk ends. But what parts them may be a stair, one of the
steps that rounding cuts a function into; then the noise was larger than assumed.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.check.slopes import UNKNOWN, Estimate

UNIT = 2.0**-53
"""Half the distance from 1 to the next float64."""

SINGLE_UNIT = 2.0**-24
"""Half the distance from 1 to the next float32."""

SHORT = 12
"""Values with no more binary digits than this say nothing about the arithmetic behind them."""

CAP = 200
"""How many times the function may be called."""

RATIO = 4.0
"""How much larger each step is than the one before."""

LARGEST_FAST = 0.8862269254527580 * 2.0**-6
"""The largest step of the fast way as a share of the input, but for tiny inputs. The other steps
are this one times powers of RATIO. It has all the digits that a number can have, so that a value
with few digits has them not by accident but tells of float32 within."""

SMALL = 2.0**-4
"""Inputs smaller than this get the fast steps of this one."""

FINEST, FINEST_AT_ZERO = 2.0**-46, 2.0**-56
"""The smallest step as a share of the input, a hundred of its last digits; and at exactly 0."""

HOME, ABROAD = 22, 2.0**-60
"""For an input so tiny that its own size is many levels from 1, the steps between HOME levels above
the finest and ABROAD are passed in strides of up to RATIO**8."""

AMPLIFIED = {1: 2.0, 2: 1.0}
"""How much of the noise over the step is left in an extrapolated difference, by its order:
one-sided differences (1) are extrapolated harder than central ones (2), which span two steps."""

SEEN = 4.0
"""A difference of more than so many times the noise is one."""

VAGUE = 0.1
"""A bound above this share of the slope leaves it open."""


class Samples:
    """A function around a point: values remembered and counted, errors taken for nan."""

    def __init__(self, function: Callable[[float], float], x: float) -> None:
        self.function, self.x = function, x
        self.known: dict[float, float] = {}
        self.centre = self.at(0.0)

    @property
    def evaluations(self) -> int:
        return len(self.known)

    def at(self, offset: float) -> float:
        """The value at `x + offset`; nan where there is none, or the calls are used up."""
        place = self.x + offset
        if place not in self.known:
            if len(self.known) == CAP:
                return math.nan
            try:
                self.known[place] = float(self.function(place))
            except (ArithmeticError, ValueError):
                self.known[place] = math.nan
        return self.known[place]

    def unit(self) -> float:
        """The unit roundoff of the values met: float32's where each of them is a float32, and most
        with more digits than cancellation leaves."""
        values = set(self.known.values())
        long = sum(math.frexp(value)[0] * 2**SHORT % 1 != 0 for value in values)
        single = 2 * long > len(values) > 3 and all(map(_is_single, values))
        return SINGLE_UNIT if single else UNIT


def _is_single(value: float) -> bool:
    try:
        return bool(struct.unpack("f", struct.pack("f", value))[0] == value)
    except OverflowError:
        return False


def fast_steps(x: float) -> list[float]:
    """Three steps, ascending."""
    h = LARGEST_FAST * max(abs(x), SMALL)
    return [(x + step) - x for step in (h / RATIO**2, h / RATIO, h)]


def all_steps(x: float) -> list[float]:
    """Steps, ascending, each of which can be added to and taken from `x` without rounding: from
    the last digits of `x` up to a quarter of its size, or of 1."""
    h = LARGEST_FAST * max(abs(x), SMALL)
    while h * RATIO <= max(1.0, abs(x)) / 4:
        h *= RATIO
    finest = FINEST * abs(x) if x else FINEST_AT_ZERO
    descending = []
    while h >= finest:
        descending.append(h)
        between = finest * RATIO**HOME <= h <= ABROAD
        h /= max(RATIO, min(RATIO**8, h / abs(x))) if between else RATIO
    return [step for h in reversed(descending) if (step := (x + h) - x) > 0]


@dataclass(frozen=True, slots=True)
class Sequences:
    """Differences over ascending steps; `sizes` are the largest values met up to each step."""

    steps: list[float]
    right: list[float]
    left: list[float]
    central: list[float]
    sizes: list[float]

    @property
    def sides(self) -> tuple[tuple[int, list[float]], tuple[int, list[float]]]:
        return (1, self.right), (-1, self.left)


def differences(samples: Samples, steps: Sequence[float]) -> Sequences:
    centre, size = samples.centre, abs(samples.centre)
    found = Sequences(list(steps), [], [], [], [])
    for h in steps:
        after, before = samples.at(h), samples.at(-h)
        found.right.append((after - centre) / h)
        found.left.append((centre - before) / h)
        found.central.append((after / 2 - before / 2) / h)
        size = max(size, abs(after), abs(before))
        found.sizes.append(size)
    return found


def noises(samples: Samples, seen: Sequences, unit: float, floor: float) -> list[float]:
    """How far off a difference of two values may be at each level: a rounding of the values and
    one of the input. A stretch that is exactly flat hides an intermediate of the size of 1, as the
    far end of a sigmoid does. No less than `floor`, the noise found."""
    found = []
    last = len(seen.steps) - 1
    for k, central in enumerate(seen.central):
        if not math.isfinite(central):
            found.append(math.inf)
            continue
        flat = seen.right[k] == 0 == seen.left[k]
        moved = seen.sizes[min(k + 2, last)] + abs(samples.x * central)
        least = max(1.0, abs(samples.centre)) if flat else 0.0
        found.append(max(floor, 2 * unit * max(moved, least)))
    return found


@dataclass(frozen=True, slots=True)
class Reading:
    """Where a walk ended: the best estimate, its level, and the level that contradicted it."""

    best: Estimate
    level: int
    contradicted: int | None


def walk(
    steps: Sequence[float], slopes: Sequence[float], noise: Sequence[float], order: int
) -> Reading:
    """From the smallest step upwards as long as the intervals agree; the narrowest is the best.

    A difference over h errs by terms of h**order, h**(2 order), …; the extrapolation removes two.
    """
    first = extrapolate(steps, slopes, order, 1)
    second = extrapolate(steps, first, order, 2)
    best, level = UNKNOWN, -1
    low, high = -math.inf, math.inf
    before = math.nan
    for k in range(len(second) - 1):
        value = second[k]
        blur = AMPLIFIED[order] * noise[k] / steps[k]
        bound = max(abs(value - first[k]), abs(value - second[k + 1])) + blur
        if math.isfinite(before):
            blur_before = AMPLIFIED[order] * noise[k - 1] / steps[k - 1]
            bound = max(bound, abs(value - before) - blur_before + blur)
        before = value
        if not math.isfinite(bound):
            if level >= 0:
                break
            continue
        if value - bound > high or value + bound < low:
            return Reading(best, level, k)
        low, high = max(low, value - bound), min(high, value + bound)
        if bound < best.bound:
            best, level = Estimate(value, bound), k
    return Reading(best, level, None)


def extrapolate(
    steps: Sequence[float], slopes: Sequence[float], order: int, apart: int
) -> list[float]:
    """Each level with one more power of the step removed by the next larger level."""
    return [
        slopes[k] + (slopes[k] - slopes[k + 1]) / ((steps[k + apart] / steps[k]) ** order - 1)
        for k in range(len(slopes) - 1)
    ]
