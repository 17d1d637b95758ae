"""What vanishes at the kinks of a formula, and where on the way between tried points it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from engine.exam.points import worked_out
from engine.formula import Formula, Ref

ANSWERING = frozenset({"max", "min"})
TURNING = frozenset({"abs", "sign"})

SIFTED = 64
"""Changes of sign that are followed up, at most."""

PARTS, NARROWINGS = 16, 12
"""A stretch around a kink is cut into so many parts, and that so many times."""

DISTINCT = 9
"""Digits to which two kinks must agree to be one."""

Pair = tuple[Ref | float, Ref | float]
Point = tuple[float, ...]


def compared(formula: Formula) -> list[Pair]:
    """What the formula compares, or takes the abs, sign, max or min of: the difference of each
    pair vanishes at a kink."""
    pairs: list[Pair] = []
    for line in formula.lines:
        if line.function.name in TURNING:
            pairs.append((line.args[0], 0.0))
        elif line.function.answers or line.function.name in ANSWERING:
            pairs.append((line.args[0], line.args[1]))
    return pairs


def vanishing(formula: Formula, inputs: Sequence[Any]) -> list[Any]:
    """The values, at `inputs`, of what vanishes at a kink: one for each pair `compared`."""
    both = tuple(arg for pair in compared(formula) for arg in pair)
    with np.errstate(all="ignore"):
        values = worked_out(Formula(formula.inputs, formula.lines, both), inputs)[1]
        return [a - b for a, b in zip(values[0::2], values[1::2], strict=True)]


def comparison_text(formula: Formula, pair: Pair) -> str:
    """A pair with a place for a sign of comparison: "x {} 1"."""
    return " {} ".join(Formula(formula.inputs, formula.lines, pair).texts())


@dataclass(frozen=True, slots=True)
class Kink:
    """A place where something vanishes, on the way from one point of a table to the next; `start`
    is the first of these two, `way` leads to the second."""

    start: int
    place: Any
    way: Any

    @property
    def point(self) -> Point:
        """The place as numbers of few digits, where it is round."""
        return tuple(float(f"{x:.{DISTINCT}g}") for x in self.place + 0.0)


def kinks_between(signs: Callable[[Any], Any], table: Any) -> list[Kink]:
    """The kinks between neighbouring rows of `table`, each once. `signs` gives for a table of m
    points the signs, shape (k, m), of what vanishes at kinks; each of the k has its turn, so that
    one with many changes of sign does not hide the others. A kink on a row itself belongs to the
    way that leads on from there."""
    at = signs(table)
    changes = [np.flatnonzero(np.abs(np.diff(row)) > 0) for row in at]
    turns = sorted(
        (turn, k, start) for k, row in enumerate(changes) for turn, start in enumerate(row)
    )
    if not turns:
        return []
    which, starts = np.array(turns[:SIFTED]).T[1:]
    before, each = at[which, starts], np.arange(len(starts))
    low, way = table[starts], table[starts + 1] - table[starts]
    shares = np.arange(1, PARTS)[:, np.newaxis] / PARTS
    for narrowed in range(NARROWINGS):
        part = way / PARTS**narrowed
        inside = low[:, np.newaxis] + shares * part[:, np.newaxis]
        there = signs(inside.reshape(-1, table.shape[1])).reshape(len(at), len(starts), -1)
        same = there[which, each] == before[:, np.newaxis]
        passed = np.cumprod(same, axis=1).sum(axis=1)
        low = low + passed[:, np.newaxis] / PARTS * part
    found = {kink.point: kink for kink in map(Kink, starts.tolist(), low, way)}
    return list(found.values())


def gaps(kinks: Sequence[Kink], line: bool) -> list[tuple[Kink, Kink]]:
    """Neighbouring kinks with nothing known between them, the narrowest gap first: those on one
    way, and where all points lie on one `line`, those on two as well."""
    ordered = sorted(kinks, key=lambda kink: (kink.start, *_along(kink)))
    found = [(a, b) for a, b in pairwise(ordered) if line or a.start == b.start]
    return sorted(found, key=lambda pair: float(np.max(np.abs(pair[1].place - pair[0].place))))


def _along(kink: Kink) -> tuple[float, ...]:
    """What rises along the way on which a kink lies."""
    return tuple((kink.place * np.sign(kink.way)).tolist())
