"""What a comparison of a claimed gradient with a slope comes to, in the field's few words."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from engine.check.differences import Estimate, Slope
from engine.errors import InputError
from engine.program import Node


class Verdict(enum.StrEnum):
    """One per component, and one for the whole."""

    PASS = "pass"
    ROUNDING = "rounding"
    """the rules are right, float64 itself loses the digits; counts as right"""
    INCONCLUSIVE = "inconclusive"
    """the differences cannot tell; never counts against anyone"""
    NOT_DIFFERENTIABLE = "not_differentiable"
    """two one-sided slopes, or the edge of the domain"""
    FAIL = "fail"
    NON_FINITE = "non_finite"
    """the value itself is infinite or not a number"""


PRECEDENCE = (
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

NEAR_ZERO = 1e-9
"""A slope below this share of the natural scale is judged on that scale, not relative to itself."""

FLAT = 1e-12
"""A slope below this share of |output| / max(1, |input|) agrees with a claim of exactly 0."""

UNSETTLED = 0.1
"""A slope with a bound above this share of itself is no slope: the differences do not settle."""

ROUNDED = 1e-14
"""A difference below this share of the natural scale is rounding."""


@dataclass(frozen=True, slots=True)
class Component:
    """One number of a gradient, judged. `index` is its place in an array input (None for a scalar).

    `reference` is the slope from differences, `error_bound` bounds its error, `relative_error` is
    |claim - reference| / |reference|. `slopes` (left, right) is given where they differ or one does
    not exist (nan).
    """

    input: str
    index: tuple[int, ...] | None
    claim: float
    reference: float | None
    error_bound: float | None
    relative_error: float | None
    verdict: Verdict
    slopes: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A gradient check: the verdict, each judged component, and the inputs nobody claimed."""

    verdict: Verdict
    components: tuple[Component, ...]
    unclaimed: tuple[str, ...]
    tolerance: float
    value: Any
    non_finite: Node | None = None
    reason: str | None = None


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
    name: str,
    index: tuple[int, ...] | None,
    claim: float,
    slope: Slope,
    rtol: float,
    scale: float,
    steepness: float,
) -> Component:
    """The verdict on one claimed number. `scale` is the natural size of slopes at this input, what
    its paths add up to where nothing cancels; `steepness` is |output| / max(1, |input|)."""
    reference, bound = slope.both.slope, slope.both.bound
    if slope.kind != "smooth":
        sides = (_settled(slope.left), _settled(slope.right))
        verdict = Verdict.NOT_DIFFERENTIABLE
        return Component(name, index, claim, None, None, None, verdict, sides)
    if not math.isfinite(reference):
        verdict = Verdict.INCONCLUSIVE
        return Component(name, index, claim, None, None, None, verdict)
    gap = abs(claim - reference)
    relative = gap / abs(reference) if reference else (0.0 if gap == 0 else math.inf)
    if claim == 0 and gap <= 2 * bound <= FLAT * steepness:
        verdict = Verdict.PASS
    else:
        verdict = _verdict(claim, reference, bound, rtol, scale)
    return Component(name, index, claim, reference, bound, relative, verdict)


def _settled(side: Estimate) -> float:
    """A one-sided slope, or nan where the differences do not settle (a vertical tangent)."""
    return side.slope if side.bound <= UNSETTLED * max(1.0, abs(side.slope)) else math.nan


def _verdict(claim: float, reference: float, bound: float, rtol: float, scale: float) -> Verdict:
    if not math.isfinite(claim):
        return Verdict.FAIL if bound <= UNSETTLED * abs(reference) else Verdict.INCONCLUSIVE
    gap, allowed, error = abs(claim - reference), rtol * abs(reference), 2 * bound
    if gap <= allowed and error <= 3 * allowed:
        return Verdict.PASS
    tiny = max(abs(reference), error) <= NEAR_ZERO * scale
    if tiny and gap <= error + ROUNDED * scale:
        return Verdict.PASS
    if gap > allowed + 2 * error + ROUNDED * scale:
        return Verdict.FAIL
    return Verdict.INCONCLUSIVE


def overall(components: Iterable[Component]) -> Verdict:
    """The verdict on the whole: the gravest of its components."""
    found = {component.verdict for component in components}
    return next((verdict for verdict in PRECEDENCE if verdict in found), Verdict.PASS)
