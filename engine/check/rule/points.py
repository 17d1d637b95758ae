"""Where a backward rule is tried: round numbers first, then others, and both sides of each kink
that the forward or the rule itself lets one expect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.check.rule.kinks import Kink, Point, gaps, kinks_between, vanishing
from engine.domain import Domain
from engine.exam.points import worked_out
from engine.formula import Formula

ROUND = (2.0, 0.5, -1.0, 3.0, -2.0, 1.0, -0.5, 1.5, 0.25, -3.0, 0.0)
"""A prime count of numbers, so that steps of any width through them meet all."""

STRIDE = 3
"""How far apart two inputs start in ROUND: the first point of two inputs is (2, 3)."""

TIES = (1.0, 2.0, -1.0)
"""Points of several inputs that are all equal, where max and min have their kinks."""

OTHERS = ((8, 2.6), (4, 9.0), (3, 0.08))
"""How many other points, and how large their numbers may be: ordinary, large, small."""

ENOUGH = 8
"""Points that are wanted where the forward is finite; for fewer, others are looked for."""

SEARCH = 400
"""Points that are tried in this search, from 0.001 to 1000 and of either sign."""

FAR = 64.0
"""How many times further out a kink is looked for than points are tried."""

NEAR = (0.03, 0.003)
"""How far beside a kink its sides are tried, as a share of the number or of 1."""

CROSSINGS = 12
"""Kinks that are tried on both sides, at most."""

GAPS = 8
"""Narrow bands between two neighbouring kinks that are tried inside, at most."""

INSIDE = 0.43
"""Where in such a band: not in the middle, which is often a round number."""


class Places:
    """Points inside the domain at which the forward is finite, in the order of their being tried.

    `generic` are those without a round number: nothing can happen there by chance.
    """

    def __init__(
        self, forward: Formula, domains: Sequence[Domain | None], at: Point | None
    ) -> None:
        self.forward = forward
        self.domains = domains
        self.points: dict[Point, None] = {}
        self.generic: set[Point] = set()
        if at is not None:
            self.add([at])

    def draw(self, rule: Formula, rng: np.random.Generator) -> list[Point]:
        """Points to try `rule`, a formula of (g, y, *inputs), at; `rng` deals the others."""
        count = len(self.forward.inputs)
        self.add(_round_points(count))
        if count > 1:
            self.add([(tie,) * count for tie in TIES])
        for many, size in OTHERS:
            self.add(_digits(rng.uniform(-size, size, (many, count))), generic=True)
        for _ in range(SEARCH // ENOUGH):
            if len(self.points) >= ENOUGH:
                break
            sizes = 10.0 ** rng.uniform(-3, 3, (ENOUGH, count))
            self.add(_digits(sizes * rng.choice([-1.0, 1.0], sizes.shape)), generic=True)
        kinks = self._kinks(rule)
        for kink in kinks[:CROSSINGS]:
            self.add([kink.point])
            self.add(_beside(kink), generic=True)
        for low, high in gaps(kinks, line=count == 1)[:GAPS]:
            self.add([_inside(low.place, high.place)], generic=True)
        return list(self.points)

    def add(self, points: Sequence[Point], generic: bool = False) -> None:
        for point in self._allowed(points):
            if point not in self.points:
                self.points[point] = None
                if generic:
                    self.generic.add(point)

    def _allowed(self, points: Sequence[Point]) -> list[Point]:
        """Those of `points` that lie in the domain and have a finite value there."""
        rows = [point for point in points if self._inside(point)]
        if not rows:
            return []
        with np.errstate(all="ignore"):
            y = worked_out(self.forward, list(np.array(rows).T))[1][0]
        finite = np.broadcast_to(np.isfinite(y), (len(rows),))
        return [point for point, fine in zip(rows, finite, strict=True) if fine]

    def _inside(self, point: Point) -> bool:
        return all(
            domain is None or x in domain for x, domain in zip(point, self.domains, strict=True)
        )

    def _kinks(self, rule: Formula) -> list[Kink]:
        """The kinks that lie between two neighbours; these are the points and others far out, which
        are themselves not tried."""
        far = [tuple(x * FAR for x in point) for point in self.points]
        rows = sorted({*self.points, *self._allowed(far)})
        if len(rows) < 2:
            return []
        return kinks_between(lambda table: self._signs(rule, table), np.array(rows))

    def _signs(self, rule: Formula, table: Any) -> Any:
        """The signs, shape (k, m), at the m rows of `table` of what vanishes at a kink: of the
        rule's own first."""
        inputs = list(table.T)
        with np.errstate(all="ignore"):
            y = worked_out(self.forward, inputs)[1][0]
        found = [*vanishing(rule, [1.25, y, *inputs]), *vanishing(self.forward, inputs)]
        rows = [np.sign(np.broadcast_to(value, (len(table),))) for value in found]
        return np.array(rows).reshape(len(rows), len(table))


def _round_points(count: int) -> list[Point]:
    size = len(ROUND)
    return [
        tuple(ROUND[(i * (k % (size - 1) + 1) + STRIDE * k) % size] for k in range(count))
        for i in range(size)
    ]


def _digits(table: Any, digits: int = 3) -> list[Point]:
    """Rows of numbers rounded to so many digits, which read well in a message."""
    return [tuple(float(f"{x:.{digits}g}") for x in row) for row in table]


def _beside(kink: Kink) -> list[Point]:
    """Points next to a kink, on both sides of it."""
    way = kink.way / np.max(np.abs(kink.way))
    size = max(float(np.max(np.abs(kink.place))), 1.0)
    sides = [kink.place + side * near * size * way for near in NEAR for side in (-1, 1)]
    return _digits(np.array(sides), 5)


def _inside(low: Any, high: Any) -> Point:
    """A point between two others, in as few digits as keep it between them."""
    between = low + INSIDE * (high - low)
    for digits in range(2, 17):
        found = np.array(_digits(between[np.newaxis], digits)[0])
        if np.all(np.abs(found - between) <= np.abs(high - low) / 4):
            break
    return tuple(found.tolist())
