"""The values of a wrong backward rule as arrays, in the form in which hypotheses are tried on
them."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.check.exact import formula_slope
from engine.check.rule.trials import LARGE, Trials
from engine.exam.points import worked_out
from engine.formula import Formula, Line, Ref

FEWEST = 4
"""Points at which a rule must have been judged: on fewer, many a formula fits."""

FITS = 1e-6
"""relative; how near a hypothesis must come to the rule, at every point"""

MOST = 0.8
"""At how many of the points, as a share, a mended rule must have a value."""

TINY = 1e-12
"""the same, as a share of the largest number, for what cancels in float64"""


@dataclass(frozen=True, slots=True)
class Found:
    """A mistake by its code, and what it means for this rule, in words."""

    mistake: str
    explanation: str
    factor: float | None = None


@dataclass(frozen=True)
class Evidence:
    """What the rule gives, shape (m,) for m trials under ordinary upstream gradients, and the
    slopes there; `zero` and `large` are its values for g = 0 and for LARGE times g, point by
    point."""

    trials: Trials
    x: Any
    y: Any
    g: Any
    yours: Any
    slope: Any
    zero: Any
    large: Any
    large_g: Any

    @classmethod
    def of(cls, trials: Trials) -> Evidence:
        """All points but those at which the rule gives no number whatever the upstream is."""
        gone = {t.point for t in trials.smooth if t.g and not math.isfinite(t.yours)}
        judged = [t for t in trials.smooth if t.point not in gone]
        ordinary = [t for t in judged if 0 < abs(t.g) < LARGE / 10]
        zero = [t.yours for t in judged if t.g == 0]
        large = [t for t in judged if abs(t.g) > LARGE / 10]
        g = np.array([t.g for t in ordinary])
        return cls(
            trials,
            np.array([t.point for t in ordinary]).T,
            np.array([t.y for t in ordinary]),
            g,
            np.array([t.yours for t in ordinary]),
            np.array([t.true for t in ordinary]) / g,
            np.array(zero),
            np.array([t.yours for t in large]),
            np.array([t.g for t in large]),
        )

    @property
    def tells(self) -> bool:
        """Whether these are enough points to tell one mistake from another."""
        return len(self.g) >= 2 * FEWEST  # each under two upstream gradients

    @functools.cached_property
    def output_tells(self) -> bool:
        """Whether the output has enough values to tell one formula in it from another."""
        return len(np.unique(self.y)) >= FEWEST

    @property
    def count(self) -> int:
        """How many inputs the forward has."""
        return len(self.trials.forward.inputs)

    @property
    def name(self) -> str:
        """The input whose rule this is."""
        return self.trials.name

    @property
    def own(self) -> Any:
        """The input whose rule this is, shape (m,)."""
        return self.x[self.trials.place]

    @functools.cached_property
    def linear(self) -> bool:
        """Whether the rule is proportional to the upstream gradient."""
        first, second = self.yours[0::2] / self.g[0::2], self.yours[1::2] / self.g[1::2]
        most = same(first, second) and same(self.large / self.large_g, first)
        return bool(most and not self.zero.any())

    @functools.cached_property
    def local(self) -> Any:
        """The local derivative that the rule stands for, shape (m,)."""
        return self.yours / self.g

    def is_local(self, predicted: Any) -> bool:
        """Whether the rule gives g times `predicted` at every point."""
        return same(self.local, predicted)

    def is_true(self, predicted: Any) -> bool:
        """Whether `predicted` is the slope at every point."""
        return same(predicted, self.slope)

    def is_mended_by(self, rule: Formula) -> bool:
        """Whether another rule, a formula of (g, y, *inputs), is right: first at these points, of
        which it may leave out some, then at points of its own."""
        local = self.value(rule, np.ones_like(self.y), self.y, *self.x)
        there = np.isfinite(local)
        fits = there.mean() >= MOST and same(local[there], self.slope[there])
        return bool(fits) and self.trials.would_be_right(rule)

    def decides(self, rule: Formula) -> bool:
        """Whether a condition of this rule, which holds at some of the points and not at others,
        holds in another form of it, line by line the same, at all of them or at none."""
        known = [np.ones_like(self.y), self.y, *self.x]
        with np.errstate(all="ignore"):
            now, then = (worked_out(form, known)[0] for form in (self.trials.rule, rule))
        return any(
            set(np.unique(before)) == {0, 1} and len(np.unique(after)) == 1
            for before, after in zip(now, then, strict=True)
        )

    def value(self, formula: Formula, *known: Any) -> Any:
        """The first result of `formula` at `known`, in float64; shape (m,)."""
        with np.errstate(all="ignore"):
            found = worked_out(formula, known)[1][0]
        return np.broadcast_to(found, self.y.shape)

    def is_slope_of(self, formula: Formula, place: int, known: Sequence[Any] | None = None) -> bool:
        """Whether the local derivative of the rule is, at every point, the slope of `formula` with
        respect to its input at `place`. `known` are its inputs, by default those of the forward.
        Slopes cost more than all else here, so the first point that disagrees is the last one
        looked at."""
        points = np.array(self.x if known is None else known).T.tolist()
        room = FITS * np.abs(self.local) + TINY * np.max(np.abs(self.local))
        for i in range(0, len(points), 2):  # each point is there under two upstream gradients
            slope = formula_slope(formula, points[i], place)
            if slope.kind != "smooth" or not abs(slope.both.slope - self.local[i]) <= room[i]:
                return False
        return True

    @property
    def last(self) -> Line | None:
        """The operation that the forward ends in."""
        result = self.trials.forward.results[0]
        ends = isinstance(result, Ref) and result.index >= 0
        return self.trials.forward.lines[result.index] if ends else None  # type: ignore[union-attr]

    def forward_value(self, arg: Ref | float) -> Any:
        """A line, an input or a number of the forward, shape (m,)."""
        forward = self.trials.forward
        return self.value(Formula(forward.inputs, forward.lines, (arg,)), *self.x)


def same(found: Any, wanted: Any) -> bool:
    """Whether two arrays agree at every place; a nan agrees with nothing."""
    with np.errstate(all="ignore"):
        size = np.abs(wanted)
        room = FITS * size + TINY * np.max(size, initial=0.0, where=np.isfinite(size))
        return bool(np.all(np.abs(found - wanted) <= room))
