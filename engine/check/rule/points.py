"""Where a backward rule is tried: round numbers first, then others, and both sides of each kink
that the forward or the rule itself lets one expect."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from engine.domain import Domain
from engine.exam.points import worked_out
from engine.formula import Formula, Ref

Point = tuple[float, ...]

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

BISECTIONS = 40
ANSWERING = frozenset({"max", "min"})
TURNING = frozenset({"abs", "sign"})


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
        for kink, sides in itertools.islice(self._crossings(rule), CROSSINGS):
            self.add([kink])
            self.add(sides, generic=True)
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

    def _crossings(self, rule: Formula) -> Iterator[tuple[Point, list[Point]]]:
        """Each kink that lies between two neighbours, with points on both sides of it; the
        neighbours are the points and others far out, which are themselves not tried."""
        far = [tuple(x * FAR for x in point) for point in self.points]
        rows = sorted({*self.points, *self._allowed(far)})
        if len(rows) < 2:
            return
        table = np.array(rows)
        signs = self._signs(rule, table)
        seen: set[bytes] = set()
        for candidate, row in enumerate(signs):
            if row.tobytes() in seen:
                continue
            seen.add(row.tobytes())
            for start in np.flatnonzero(row[1:] * row[:-1] < 0):
                low, high = table[start], table[start + 1]
                for _ in range(BISECTIONS):
                    middle = (low + high) / 2
                    same = self._signs(rule, middle[np.newaxis])[candidate][0] == row[start]
                    low, high = (middle, high) if same else (low, middle)
                yield _beside(low, table[start + 1] - table[start])

    def _signs(self, rule: Formula, table: Any) -> list[Any]:
        """The signs, at each row of `table`, of what vanishes at a kink."""
        inputs = list(table.T)
        with np.errstate(all="ignore"):
            y = worked_out(self.forward, inputs)[1][0]
            found = vanishing(self.forward, inputs)
            found += vanishing(rule, [1.25, y, *inputs])
        return [np.sign(value) for _, value in found if np.shape(value) == (len(table),)]


def _round_points(count: int) -> list[Point]:
    size = len(ROUND)
    return [
        tuple(ROUND[(i * (k % (size - 1) + 1) + STRIDE * k) % size] for k in range(count))
        for i in range(size)
    ]


def _digits(table: Any, digits: int = 3) -> list[Point]:
    """Rows of numbers rounded to so many digits, which read well in a message."""
    return [tuple(float(f"{x:.{digits}g}") for x in row) for row in table]


def _beside(kink: Any, way: Any) -> tuple[Point, list[Point]]:
    """A kink, as a round number where it is one, and points next to it along `way`."""
    way = way / np.max(np.abs(way))
    size = max(float(np.max(np.abs(kink))), 1.0)
    sides = [kink + side * near * size * way for near in NEAR for side in (-1, 1)]
    return _digits(kink[np.newaxis] + 0.0, 9)[0], _digits(np.array(sides), 5)


def vanishing(formula: Formula, inputs: Sequence[Any]) -> list[tuple[str, Any]]:
    """What the formula compares, or takes the abs, sign, max or min of: each as a text with a
    place for a sign of comparison ("x {} 1"), and as the values that vanish at a kink."""
    with np.errstate(all="ignore"):
        lines = worked_out(formula, inputs)[0]

    def value(arg: Ref | float) -> Any:
        if isinstance(arg, float):
            return arg
        return inputs[~arg.index] if arg.index < 0 else lines[arg.index]

    found = []
    for line in formula.lines:
        turns = line.function.name in TURNING
        if turns or line.function.answers or line.function.name in ANSWERING:
            first, second = (line.args[0], 0.0) if turns else line.args
            texts = Formula(formula.inputs, formula.lines, (first, second)).texts()
            found.append((" {} ".join(texts), value(first) - value(second)))
    return found
