"""What a comparison of a claimed gradient with a slope comes to, in the field's few words."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from engine.check.slopes import Slope
from engine.errors import InputError


class Verdict(enum.StrEnum):
    """One per component, and one for the whole."""

    PASS = "pass"
    ROUNDING = "rounding"
    """the rules are right, float64 itself loses the digits; counts as right"""
    INCONCLUSIVE = "inconclusive"
    """the slope cannot be told well enough; never counts against anyone"""
    NOT_DIFFERENTIABLE = "not_differentiable"
    """two one-sided slopes, or the edge of the domain"""
    FAIL = "fail"
    NON_FINITE = "non_finite"
    """the value itself is infinite or not a number"""
    NONDETERMINISTIC = "nondeterministic"
    """the same input gives another value each time, so nothing can be told"""


PRECEDENCE = (
    Verdict.NONDETERMINISTIC,
    Verdict.NON_FINITE,
    Verdict.FAIL,
    Verdict.NOT_DIFFERENTIABLE,
    Verdict.INCONCLUSIVE,
    Verdict.ROUNDING,
    Verdict.PASS,
)
"""The verdict on the whole is the first of these that a component has."""

TOLERANCES: Mapping[str, float] = MappingProxyType({"strict": 1e-6, "student": 7e-4})
"""Named relative tolerances; an answer typed with four digits passes `student`."""

ABSENT = 1e-40
"""A slope of 0 that is known this closely is 0."""

CANCELLING = frozenset({"tanh", "sigmoid"})
"""Ops whose local derivative is a small difference of numbers near 1, once they saturate."""

BLURRED = 2.0**-51
"""How far off such a difference may be: a few units in the last place of 1."""


def relative_tolerance(tolerance: str | float) -> float:
    """The number behind a tolerance. Raises InputError for an unknown name or a number outside
    (0, 0.5]."""
    if isinstance(tolerance, str) and tolerance in TOLERANCES:
        return TOLERANCES[tolerance]
    number = tolerance if isinstance(tolerance, (int, float)) else 0.0
    if isinstance(tolerance, bool) or not 0 < number <= 0.5:
        raise InputError(
            f"{tolerance!r} is not a tolerance",
            code="invalid_tolerance",
            pointer="/tolerance",
            hint=f"write {' or '.join(TOLERANCES)}, or a number up to 0.5",
        )
    return float(number)


def judge(
    claim: float,
    slope: Slope,
    rtol: float,
    backprop: float,
    floor: Callable[[], float],
    excused: Callable[[float, float], bool],
) -> Verdict:
    """The verdict on a claim where the slope is enclosed.

    `backprop` is what plain float64 backpropagation gives, `floor` how far the rounding of its
    products and sums may throw it off, and `excused(claim, truth)` tells whether right rules in
    float64 lead to a claim all the same.
    """
    if slope.kind != "smooth":
        return Verdict.NOT_DIFFERENTIABLE
    truth, bound = slope.both.slope, slope.both.bound
    if not math.isfinite(truth):
        return Verdict.INCONCLUSIVE
    if not math.isfinite(claim):
        # Where backpropagation runs into 0 times infinity, some operation has no slope.
        return Verdict.FAIL if math.isfinite(backprop) else Verdict.NOT_DIFFERENTIABLE
    gap, allowed = abs(claim - truth), rtol * abs(truth)
    if gap <= allowed and 2 * bound <= 3 * allowed:
        return Verdict.PASS
    if claim == truth == 0 and bound <= ABSENT:
        return Verdict.PASS
    rounded = floor()
    if gap <= rounded and bound <= rounded:
        return Verdict.PASS
    if gap <= allowed + 4 * bound:
        return Verdict.INCONCLUSIVE
    return Verdict.ROUNDING if excused(claim, truth) else Verdict.FAIL


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict on the whole: the gravest of its components."""
    found = set(verdicts)
    return next((verdict for verdict in PRECEDENCE if verdict in found), Verdict.PASS)
