"""The slope of a function that cannot be seen into, and a verdict on a claim about it.

Most right claims are confirmed by six values around the point (Richardson 1911). What these leave
open is scanned with steps of every size (engine.check.scan): from the walks over three sequences of
differences follow the slope and a bound on its error, or a kink, or an edge. Nothing but values of
the function is used; the noise of its rounding is measured, so that a forward in float32 is found
out and judged no more closely than it can be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from engine.check.scan import (
    AMPLIFIED,
    SEEN,
    UNIT,
    VAGUE,
    Reading,
    Samples,
    Sequences,
    all_steps,
    differences,
    extrapolate,
    fast_steps,
    noises,
    walk,
)
from engine.check.slopes import UNKNOWN, Estimate, Slope
from engine.check.stairs import end_of_flat, flat_levels, highest_stair, jitter
from engine.check.verdict import Verdict

FAST_SHARE = 0.3
"""The fast way confirms a claim only with a bound below this share of the tolerance."""

FIRST_BATCH, BATCH = 11, 3
"""How many levels are sampled before the first look, and from look to look."""

SETTLED = 0.05
"""A bound below this share of the tolerance ends the scan, if the fast way saw the same slope."""

STRIDES = (4.0, 16.0, 64.0)
"""How far beyond the largest step a slope that is still open is followed."""

LEAPS = (2.0**14, 2.0**19, 2.0**24, 2.0**29)
"""How far a slope is followed that is known by then, but not well enough."""

HALF_KNOWN = 0.5
"""A slope with a bound below this share of itself is known."""

ATTEMPTS = 5
"""How often the noise may be raised in one look."""

DISJOINT = 10.0
"""One-sided slopes that differ by more than so many times their bounds are two slopes."""

SHADOW = 0.05
"""A central difference is blind to a kink at its centre, so it is trusted to no less than this
share of the bounds of the one-sided ones."""

DROWNED = 0.02
"""Noise found above this share of all that the function moves leaves nothing to be seen."""

EDGE_LEVELS = 6
"""A side without a value at the four smallest steps, or whose slopes grow by one factor over so
many levels, as at a vertical tangent, has no slope."""

GROWTH = (1.3, 3.6)
"""Between these factors: a smooth function has 1, a jump has RATIO."""

LEVEL = 8 * UNIT
"""A function that moves by no more than this share of its values, or of 1, is level."""

ZERO = 1e-9
"""A slope known to be below this share of the natural scale agrees with a claim of exactly 0."""


@dataclass(frozen=True, slots=True)
class Measured(Slope):
    """A slope with what else was seen: the noise of the function's values near the point, and the
    natural `scale` of its slopes, beside which a claim of exactly 0 is judged (0: none known)."""

    noise: float = 0.0
    scale: float = 0.0


@dataclass(frozen=True, slots=True)
class Look:
    """What the differences up to some step say. `floor` is the noise found by stairs."""

    found: Measured
    walks: tuple[Reading, Reading, Reading]
    seen: Sequences
    floor: float

    @property
    def contradicted(self) -> list[bool]:
        return [reading.contradicted is not None for reading in self.walks]


def measure(
    function: Callable[[float], float], x: float, claim: float | None = None, rtol: float = 1e-6
) -> Measured:
    """The slope of `function` at `x` with a bound on its error; at most 200 evaluations.

    A right `claim` shortens the work, and so does a coarse `rtol`; neither changes what is true.
    The function may return nan or inf, or raise ArithmeticError or ValueError: it has no value
    there. Where it has none at `x` itself the answer is an edge after one evaluation.
    """
    samples = Samples(function, x)
    if not math.isfinite(samples.centre):
        return Measured("edge", UNKNOWN, UNKNOWN, UNKNOWN, samples.evaluations)
    fast = _fast(samples)
    slope, gap = fast.both.slope, abs(fast.right.slope - fast.left.slope)
    agreed = claim is None or abs(claim - slope) <= rtol * abs(slope)
    one = gap <= fast.right.bound + fast.left.bound
    if agreed and one and fast.both.bound < FAST_SHARE * rtol * abs(slope):
        return fast
    return _scan(samples, fast, rtol)


def judge(claim: float, slope: Slope, rtol: float) -> Verdict:
    """The verdict on a claim at a relative tolerance. What the error bound leaves open is
    inconclusive; nan and inf are wrong wherever there is a finite slope."""
    if slope.kind != "smooth":
        return Verdict.NOT_DIFFERENTIABLE
    known, error = slope.both.slope, 2 * slope.both.bound
    if not math.isfinite(known) or not math.isfinite(error):
        return Verdict.INCONCLUSIVE
    if not math.isfinite(claim):
        return Verdict.FAIL
    gap, allowed = abs(claim - known), rtol * abs(known)
    if gap <= allowed and error <= 3 * allowed:
        return Verdict.PASS
    if gap > allowed + 2 * error:
        return Verdict.FAIL
    scale = slope.scale if isinstance(slope, Measured) else 0.0
    if claim == 0 and gap <= error <= ZERO * scale:
        return Verdict.PASS
    return Verdict.INCONCLUSIVE


def _fast(samples: Samples) -> Measured:
    """Three steps on both sides."""
    seen = differences(samples, fast_steps(samples.x))
    noise = noises(samples, seen, samples.unit(), 0.0)[0]

    def estimate(slopes: Sequence[float], order: int) -> Estimate:
        first = extrapolate(seen.steps, slopes, order, 1)
        (second,) = extrapolate(seen.steps, first, order, 2)
        bound = abs(second - first[0]) + AMPLIFIED[order] * noise / seen.steps[0]
        return Estimate(second, bound) if math.isfinite(bound) else UNKNOWN

    both = estimate(seen.central, 2)
    left, right = estimate(seen.left, 1), estimate(seen.right, 1)
    # Noise that is not known of weighs otherwise in the mean of both sides.
    mean = right.slope / 2 + left.slope / 2
    both = replace(both, bound=max(both.bound, abs(mean - both.slope)))
    return Measured("smooth", both, left, right, samples.evaluations, noise, abs(both.slope))


def _scan(samples: Samples, fast: Measured, rtol: float) -> Measured:
    """Steps from the smallest upwards until the slope is settled, contradicted or out of steps."""
    steps, unit = all_steps(samples.x), samples.unit()
    count = FIRST_BATCH
    look = _look(samples, steps[:count], unit, 0.0)
    while not _settled(look, fast, rtol) and not all(look.contradicted) and count < len(steps):
        count += BATCH
        look = _look(samples, steps[:count], unit, look.floor)
    found = look.found
    if count >= len(steps):
        found = _beyond(samples, look, unit, rtol)
    return replace(found, evaluations=samples.evaluations)


def _settled(look: Look, fast: Measured, rtol: float) -> bool:
    """Whether the scan may end. The fast steps are larger, so that they would tell of stairs which
    are wider than all steps so far."""
    if look.found.kind != "smooth":
        return look.found.kind == "edge"
    both = look.found.both
    if not both.bound <= SETTLED * rtol * abs(both.slope):
        return False
    if not fast.both.bound <= VAGUE * abs(both.slope):
        return False
    return abs(both.slope - fast.both.slope) <= fast.both.bound + both.bound


def _beyond(samples: Samples, look: Look, unit: float, rtol: float) -> Measured:
    """A slope that drowns in noise but is not contradicted yet: larger steps may lift it out."""
    for factors in (STRIDES, LEAPS):
        found, both = look.found, look.found.both
        known = both.bound <= HALF_KNOWN * abs(both.slope)
        enough = found.kind != "smooth" or both.bound <= rtol * abs(both.slope)
        if enough or any(look.contradicted) or (factors is LEAPS and not known):
            break
        if both.slope == 0 and not _is_level(look.seen):
            break
        steps = look.seen.steps
        further = _look(samples, [*steps, *(steps[-1] * f for f in factors)], unit, look.floor)
        if further.floor > look.floor:
            return _look(samples, steps, unit, further.floor).found
        # Where the function is level so far, only what it does beyond gives it a natural scale.
        scale = further.found.scale if _is_level(look.seen) else found.scale
        narrower = (
            further.found.kind == "smooth"
            and further.found.right.bound < found.right.bound
            and further.found.left.bound < found.left.bound
        )
        if not narrower:
            return replace(found, scale=scale)
        look = replace(further, found=replace(further.found, scale=scale))
    return look.found


def _look(samples: Samples, steps: Sequence[float], unit: float, floor: float) -> Look:
    """Three walks over these steps, again with more noise as long as they stumble over stairs."""
    seen = differences(samples, steps)
    blurred = False
    for _ in range(ATTEMPTS):
        noise = noises(samples, seen, unit, floor)
        walks = (
            walk(seen.steps, seen.right, noise, 1),
            walk(seen.steps, seen.left, noise, 1),
            walk(seen.steps, seen.central, noise, 2),
        )
        raised = highest_stair(samples, seen, walks[:2], noise)
        if not raised:
            raised = jitter(seen, walks)
            blurred = raised > 0
        if not raised:
            break
        floor = max(2 * raised, 4 * floor)
    found = _conclude(samples, seen, walks, noise)
    if found.kind != "edge" and floor > DROWNED * _range(seen):
        found = replace(found, kind="smooth", both=UNKNOWN)
    if blurred and found.kind == "kink":
        found = replace(found, kind="smooth")
    return Look(found, walks, seen, floor)


def _conclude(
    samples: Samples, seen: Sequences, walks: tuple[Reading, ...], noise: Sequence[float]
) -> Measured:
    """One slope, two, or none."""
    right, left, central = (reading.best for reading in walks)
    found = Measured("smooth", UNKNOWN, left, right, noise=noise[0])
    if _has_edge(seen.right) or _has_edge(seen.left):
        return replace(found, kind="edge")
    if not math.isfinite(right.bound + left.bound):
        return found
    if abs(right.slope - left.slope) > DISJOINT * (right.bound + left.bound):
        clear = all(
            _meets_centre(seen, slopes, reading, noise)
            for (_, slopes), reading in zip(seen.sides, walks[:2], strict=True)
        )
        return replace(found, kind="kink") if clear else found
    shadow = SHADOW * (right.bound + left.bound)
    seen_by_all = (Estimate(central.slope, max(central.bound, shadow)), right, left)
    best = min(seen_by_all, key=lambda estimate: estimate.bound)
    apart = (abs(best.slope - other.slope) - other.bound for other in seen_by_all)
    bound = max(best.bound, *(gap for gap in apart if math.isfinite(gap)))
    scale = _natural_scale(samples, seen, walks, best, noise)
    return replace(found, both=Estimate(best.slope, bound), scale=scale)


def _range(seen: Sequences) -> float:
    """How far the function moves, as far as was looked."""
    moves = (
        abs(slope) * h
        for _, slopes in seen.sides
        for slope, h in zip(slopes, seen.steps, strict=True)
    )
    return max((move for move in moves if math.isfinite(move)), default=0.0)


def _has_edge(slopes: Sequence[float]) -> bool:
    """Whether a side has no value nearby, or slopes that grow without end (a vertical tangent)."""
    if not any(map(math.isfinite, slopes[:4])):
        return True
    nearest = slopes[: EDGE_LEVELS + 1]
    if len(nearest) <= EDGE_LEVELS or not all(nearest):
        return False
    growth = [near / far for near, far in pairwise(nearest)]
    return min(growth) > GROWTH[0] and max(growth) < min(1.1 * min(growth), GROWTH[1])


def _meets_centre(
    seen: Sequences, slopes: Sequence[float], reading: Reading, noise: Sequence[float]
) -> bool:
    """Whether a side's line goes through the point itself. If it does not, the kink is next to the
    point, closer than can be told, and either slope may be the true one."""
    line, top = reading.best, seen.steps[reading.level]
    curved = 2 * abs(slopes[reading.level] - line.slope) / top
    return all(
        abs(slopes[k] - line.slope) * h <= SEEN * (noise[k] + line.bound * h) + curved * h * h
        for k, h in enumerate(seen.steps[: reading.level])
    )


def _natural_scale(
    samples: Samples,
    seen: Sequences,
    walks: tuple[Reading, ...],
    best: Estimate,
    noise: Sequence[float],
) -> float:
    """The steepest difference that is not noise. A function that is level, or flat as far as its
    slope was read, has the scale of its value. But where a flat stretch ends softly, in stairs of
    rounding, saturation hides a slope, and no scale is known."""
    natural = max(1.0, abs(samples.centre)) / max(1.0, abs(samples.x))
    if _is_level(seen):
        return natural
    triples = (zip(slopes, noise, seen.steps, strict=True) for _, slopes in seen.sides)
    clear = [abs(slope) - 2 * n / h for triple in triples for slope, n, h in triple]
    scale = max((steepness for steepness in clear if math.isfinite(steepness)), default=0.0)
    flat = min(flat_levels(slopes) for _, slopes in seen.sides)
    if best.slope == 0 and flat > max(walks[0].level, walks[1].level):
        return 0.0 if _ends_softly(samples, seen) else max(scale, natural)
    return max(scale, 0.0)


def _is_level(seen: Sequences) -> bool:
    """Whether the function moves by nothing but rounding, as far as was looked."""
    return all(
        abs(slope) * h <= LEVEL * max(1.0, size)
        for _, slopes in seen.sides
        for slope, h, size in zip(slopes, seen.steps, seen.sizes, strict=True)
        if math.isfinite(slope)
    )


def _ends_softly(samples: Samples, seen: Sequences) -> bool:
    for sign, slopes in seen.sides:
        k = flat_levels(slopes)
        if 0 < k < len(slopes):
            _, outside = end_of_flat(samples, sign * seen.steps[k - 1], sign * seen.steps[k])
            if abs(samples.at(outside) - samples.centre) <= LEVEL * max(1.0, abs(samples.centre)):
                return True
    return False
