"""Stairs: the steps that rounding cuts a function into, where a walk over differences stumbles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.check.scan import SEEN, VAGUE, Reading, Samples, Sequences

HALVINGS = 9
"""How often the place where a function leaves its line is narrowed down."""


SUSPECTS = 2
"""How many places on each side are searched for a stair."""


def highest_stair(
    samples: Samples, seen: Sequences, sides: Sequence[Reading], noise: Sequence[float]
) -> float:
    """The highest stair above the noise that the walks stumbled over, or 0."""
    highest = 0.0
    for (sign, slopes), reading in zip(seen.sides, sides, strict=True):
        for k, inside, outside, slope in _suspects(samples, seen, sign, slopes, reading, noise):
            height = _stair(samples, inside, outside, slope)
            if height > noise[k]:
                highest = max(highest, height)
    return highest


def _suspects(
    samples: Samples,
    seen: Sequences,
    sign: int,
    slopes: Sequence[float],
    reading: Reading,
    noise: Sequence[float],
) -> Iterator[tuple[int, float, float, float]]:
    """Where a side may hold a stair: the level, two offsets and the slope of the line up to there.
    They are the end of a flat stretch, and where the side parts most from a line that larger steps
    contradict."""
    steps, line = seen.steps, reading.best
    k = flat_levels(slopes)
    if 0 < k < len(slopes) and abs(slopes[k]) * steps[k] > SEEN * noise[k]:
        inside, outside = end_of_flat(samples, sign * steps[k - 1], sign * steps[k])
        # A little further, lest the end be seen as the stair that it is a part of.
        yield k, inside, outside + 3 * (outside - inside), 0.0
    if reading.contradicted is None:
        return

    def parting(k: int) -> float:
        inner, climbed = (steps[k - 1], slopes[k - 1] * steps[k - 1]) if k else (0.0, 0.0)
        return abs((slopes[k] * steps[k] - climbed) / (steps[k] - inner) - line.slope)

    leaving = [
        k
        for k in range(min(reading.contradicted + 3, len(steps)))
        if not abs(slopes[k] - line.slope) * steps[k] <= 2 * (noise[k] + line.bound * steps[k])
    ]
    for k in sorted(leaving, key=parting, reverse=True)[:SUSPECTS]:
        yield k, sign * steps[k - 1] if k else 0.0, sign * steps[k], line.slope


def _stair(samples: Samples, inside: float, outside: float, slope: float) -> float:
    """The height of a stair between two offsets, or 0. The half in which the function parts more
    from its line is halved again and again: over a stair the gap stays, over a kink or a curve it
    shrinks, over a pole it grows."""

    def gap(low: float, high: float) -> float:
        return abs(samples.at(high) - samples.at(low) - slope * (high - low))

    low, high = inside, outside
    gaps = [gap(low, high)]
    for _ in range(HALVINGS):
        middle = _middle(samples, low, high)
        if middle is None:
            break
        if gap(low, middle) > gap(middle, high):
            high = middle
        else:
            low = middle
        gaps.append(gap(low, high))
    height, before = gaps[-1], gaps[max(0, len(gaps) - 4)]
    return height if before / 2 <= height <= 2 * min(before, gaps[0]) else 0.0


def flat_levels(slopes: Sequence[float]) -> int:
    """How many of the smallest steps change nothing at all."""
    return next((k for k, slope in enumerate(slopes) if slope != 0), len(slopes))


def end_of_flat(samples: Samples, inside: float, outside: float) -> tuple[float, float]:
    """Two offsets close together between which a flat stretch ends."""
    for _ in range(HALVINGS):
        middle = _middle(samples, inside, outside)
        if middle is None:
            break
        if samples.at(middle) == samples.centre:
            inside = middle
        else:
            outside = middle
    return inside, outside


def _middle(samples: Samples, low: float, high: float) -> float | None:
    middle = (samples.x + (low + high) / 2) - samples.x
    return middle if min(low, high) < middle < max(low, high) else None


def jitter(seen: Sequences, walks: Sequence[Reading]) -> float:
    """The noise that must be assumed where every walk is contradicted before it saw a slope, or
    0: the values near the point jump about without stairs."""
    if any(w.contradicted is None or w.best.bound <= VAGUE * abs(w.best.slope) for w in walks):
        return 0.0
    return max(
        abs(slopes[w.contradicted or 0] - w.best.slope) * seen.steps[w.contradicted or 0] / 2
        for slopes, w in zip((seen.right, seen.left, seen.central), walks, strict=True)
    )
