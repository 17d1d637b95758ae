"""Which points of a long curve to show: pure functions of its values, steps counted from 0.

A curve is cut into buckets whose width is a power of two, so that an edge, once set, stays an edge
while the curve grows. Of each bucket the lowest, the highest and the last value are shown. Two
buckets merged give the bucket of twice the width, hence a coarser picture shows a subset of a
finer one, and a preview stored once answers every coarser question exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Steps = NDArray[np.int64]

PREVIEW_BUCKETS = 100


@dataclass(frozen=True)
class Point:
    """One value of a curve and the step it belongs to."""

    step: int
    value: float


@dataclass(frozen=True)
class Summary:
    """A curve in a line: `low` and `high` are the first extremes among the finite values."""

    n: int
    non_finite: int
    first: float | None
    last: float | None
    low: Point | None
    high: Point | None


def summarise(values: Values) -> Summary:
    """The summary of `values`; what is not finite, or not there, is None."""
    finite = np.isfinite(values)
    n, count = values.size, int(finite.sum())

    def point(step: np.intp) -> Point:
        return Point(int(step), float(values[step]))

    return Summary(
        n=n,
        non_finite=n - count,
        first=float(values[0]) if n and finite[0] else None,
        last=float(values[-1]) if n and finite[-1] else None,
        low=point(np.where(finite, values, np.inf).argmin()) if count else None,
        high=point(np.where(finite, values, -np.inf).argmax()) if count else None,
    )


def bucket_width(n: int, buckets: int) -> int:
    """The least power of two that cuts `n` points into at most `buckets` buckets."""
    least = -(-n // max(buckets, 1))
    return 1 << max(least - 1, 0).bit_length()


def buckets_within(max_points: int) -> int:
    """How many buckets of three points, and the very first point, fit into `max_points`."""
    return max((max_points - 1) // 3, 1)


def non_finite_steps(values: Values) -> Steps:
    """The steps whose value is nan or infinite."""
    return np.flatnonzero(~np.isfinite(values)).astype(np.int64)


def sample(values: Values, max_points: int) -> Steps:
    """The steps to show, in order: all of them when they are at most `max_points`.

    Otherwise at most `max_points` and the non-finite ones besides. The first, the last, both
    extremes and every non-finite value are always shown, even where `max_points` is below four.
    """
    if values.size <= max_points:
        return np.arange(values.size, dtype=np.int64)
    width = bucket_width(values.size, buckets_within(max_points))
    return np.union1d(Preview.of(values, width).steps, non_finite_steps(values))


@dataclass(frozen=True)
class Preview:
    """Buckets of `width` steps over a curve of `n` points whose first value is `first`.

    Each row of `table` holds a bucket's lowest value and its step, its highest value and its
    step, and its last value; the first four are nan where the bucket has no finite value.
    """

    n: int
    width: int
    first: float
    table: Values

    @classmethod
    def of(cls, values: Values, width: int | None = None) -> Preview:
        """The preview of `values`, which are at least one, in at most 100 buckets by default."""
        n = values.size
        width = width or bucket_width(n, PREVIEW_BUCKETS)
        starts = np.arange(0, n, width)
        padded = np.full(starts.size * width, np.nan)
        padded[:n] = values
        grid = padded.reshape(starts.size, width)
        finite = np.isfinite(grid)
        rows = np.arange(starts.size)
        low = np.where(finite, grid, np.inf).argmin(axis=1)
        high = np.where(finite, grid, -np.inf).argmax(axis=1)
        last = values[np.minimum(starts + width, n) - 1]
        table = np.column_stack(
            [grid[rows, low], starts + low, grid[rows, high], starts + high, last]
        )
        table[~finite.any(axis=1), :4] = np.nan
        return cls(n, width, float(values[0]), table)

    def coarser(self, width: int) -> Preview:
        """The preview with buckets of `width`, a multiple of its own, as `of` would make it."""
        many = width // self.width
        groups = [self.table[i : i + many] for i in range(0, len(self.table), many)]
        table = np.full((len(groups), 5), np.nan)
        for row, group in zip(table, groups, strict=True):
            row[4] = group[-1, 4]
            known = group[~np.isnan(group[:, 1])]
            if known.size:
                row[0:2] = known[known[:, 0].argmin(), 0:2]
                row[2:4] = known[known[:, 2].argmax(), 2:4]
        return Preview(self.n, width, self.first, table)

    def sampled(self, max_points: int) -> dict[int, float] | None:
        """What `sample` shows of a wholly finite curve, or None if the buckets are too wide."""
        width = bucket_width(self.n, buckets_within(max_points))
        if self.n <= max_points or width < self.width:
            return None
        return self.coarser(width).points

    @cached_property
    def points(self) -> dict[int, float]:
        """Step to value of each point that the preview holds, in order of steps."""
        shown = {0: self.first}
        for k, (low, low_step, high, high_step, last) in enumerate(self.table.tolist()):
            if not math.isnan(low_step):
                shown |= {int(low_step): low, int(high_step): high}
            shown[min((k + 1) * self.width, self.n) - 1] = last
        return dict(sorted(shown.items()))

    @property
    def steps(self) -> Steps:
        """The steps of its points."""
        return np.fromiter(self.points, dtype=np.int64)
