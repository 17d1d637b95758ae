"""check_function(): the gradient of any function at all, judged by the function's values alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from engine.check.function.arrays import as_float64, plain
from engine.check.function.claims import read_claims
from engine.check.function.judging import (
    COSTLIEST,
    DIRECTIONS,
    judge_entries,
    label,
    ordered,
    sample,
)
from engine.check.function.subject import Subject, read
from engine.check.report import Component, Diagnosis, Report
from engine.check.symptoms import symptoms
from engine.check.verdict import Verdict, overall, relative_tolerance
from engine.errors import InputError

PROBES = 3
"""Calls at the point itself, before any slope is measured."""

AGAIN = 5
"""Calls at the point itself after the slopes: a random function can give one value a few times."""

BLURRED = 0.01
"""A slope that may be off by a larger share of itself explains nothing."""

LEAST = PROBES + AGAIN + (1 + DIRECTIONS) * COSTLIEST
"""Calls that must be allowed."""


def check_function(
    fn: Callable[..., Any],
    at: Any,
    gradient: Any = None,
    tolerance: str | float = "student",
    names: Sequence[str] | None = None,
    *,
    max_evaluations: int = 200_000,
) -> Report:
    """Judge a claimed gradient of `fn`, which returns one real number, at the point `at`.

    `at` is a number or array, a tuple of them (handed over in this order), or a mapping (handed
    over by keyword, or whole to a function that takes one mapping). `gradient` is what is claimed,
    in the form of `at`, or a function of the same arguments that returns it. None for an input, or
    its absence from a mapping, claims nothing for it. Without `gradient`, torch tensors and jax
    arrays are differentiated by their own library, and that is judged. `names` names the inputs of
    a tuple; otherwise the parameters of `fn` do. `tolerance` is "strict", "student" or a relative
    tolerance. Each call gets fresh copies, in the dtype that was given; whole numbers that have a
    claim become float64.

    `fn` is called at most `max_evaluations` times, `gradient` twice. Where that does not suffice
    for every entry, a sample is judged (the same for the same point) and two random directions;
    `warnings` say so. Raises InputError where something does not fit, or `fn` or `gradient` raises.
    """
    rtol = relative_tolerance(tolerance)
    if max_evaluations < LEAST:
        raise InputError(
            f"{max_evaluations} evaluations are too few to judge a number",
            code="too_few_evaluations",
            hint=f"allow at least {LEAST}",
        )
    subject = Subject(fn, *read(fn, at, names))
    subject.probe({})
    claims = read_claims(subject, gradient)
    point = {name: as_float64(plain(subject.given[name])) for name in claims}
    value = subject.probe(point)
    refusal = _unsteady(subject, point, value, 1)
    if not refusal and not math.isfinite(value):
        refusal = Verdict.NON_FINITE, f"{subject.name} is {value} at this point"
    components: list[Component] = []
    if not refusal:
        components = judge_entries(subject, point, claims, value, rtol, max_evaluations - AGAIN)
        verdict = overall(c.verdict for c in components)
        refusal = _unsteady(subject, point, value, AGAIN)
    reason = None
    if refusal:
        verdict, reason = refusal
        components = _unjudged(point, claims, verdict, max_evaluations // COSTLIEST)
    elif verdict is Verdict.INCONCLUSIVE:
        reason = _reach(components, subject)
    subject.warnings += _vacuous(components, claims)
    return Report(
        verdict,
        tuple(components),
        tuple(name for name in subject.given if name not in claims),
        rtol,
        value,
        reason=reason,
        method="blackbox",
        evaluations=subject.evaluations,
        diagnoses=_diagnoses(claims, components, rtol) if verdict is Verdict.FAIL else (),
        warnings=tuple(dict.fromkeys(subject.warnings)),
    )


def _unsteady(
    subject: Subject, point: Mapping[str, Any], value: float, times: int
) -> tuple[Verdict, str] | None:
    """The verdict on a function that does not give `value` each time, and why."""
    for _ in range(times):
        again = subject.probe(point)
        if again != value and not (math.isnan(again) and math.isnan(value)):
            reason = f"not deterministic: two calls gave {value!r} and {again!r}"
            return Verdict.NONDETERMINISTIC, reason
    return None


def _unjudged(
    point: Mapping[str, Any], claims: Mapping[str, Any], verdict: Verdict, most: int
) -> list[Component]:
    """The claims as they are, at most so many, under a verdict on the whole."""
    return [
        Component(name, index or None, float(claims[name][index]), None, None, None, verdict)
        for name, index in ordered(islice(sample(point), most), point)
    ]


def _reach(components: Sequence[Component], subject: Subject) -> str:
    """Which entries are not decided, and how many digits can be had of the worst."""
    undecided = [c for c in components if c.verdict is Verdict.INCONCLUSIVE]
    worst = max(undecided, key=_share)
    digits = math.floor(-math.log10(_share(worst))) if 0 < _share(worst) < 1 else 0
    had = f"about {digits} digit{'s' * (digits != 1)}" if digits else "not one digit"
    more = f" and {len(undecided) - 1} more" if len(undecided) > 1 else ""
    single = subject.dtype in ("float16", "bfloat16", "float32")
    computed = f" ({subject.dtype})" if single else ""
    mend = "; hand in float64, or allow a larger tolerance" if single else ""
    return (
        f"cannot judge {label(worst)}{more} at this precision{computed}: {had} of the slope can be "
        f"had{mend}"
    )


def _share(component: Component) -> float:
    """How far off the slope may be, as a share of itself."""
    if not component.reference or component.error_bound is None:
        return math.inf
    return 2 * component.error_bound / abs(component.reference)


def _vacuous(components: Sequence[Component], claims: Mapping[str, Any]) -> list[str]:
    """A warning for each input whose slopes cannot be told from 0, so that zeros would pass."""
    flat = []
    for name in claims:
        mine = [c for c in components if c.input == name and c.verdict is Verdict.PASS]
        if mine and all(2 * (c.error_bound or 0) >= abs(c.reference or 0) for c in mine):
            flat.append(name)
    if not flat:
        return []
    sentence = (
        f"this comparison cannot fail: no slope for {', '.join(flat)} differs from 0 here, so a "
        "gradient of zeros is right whatever its rule; choose another point"
    )
    return [sentence]


def _diagnoses(
    claims: Mapping[str, Any], components: Sequence[Component], rtol: float
) -> tuple[Diagnosis, ...]:
    """What explains the wrong entries, from all slopes that are known well enough."""
    references = {name: np.full(claim.shape, np.nan) for name, claim in claims.items()}
    blur = rtol
    for c in components:
        if c.input not in references or c.reference is None:
            continue
        if c.verdict is Verdict.FAIL and _share(c) <= BLURRED:
            blur = max(blur, _share(c))
        elif c.verdict is not Verdict.PASS:
            continue
        references[c.input][c.index or ()] = c.reference
    return symptoms(claims, references, blur)
