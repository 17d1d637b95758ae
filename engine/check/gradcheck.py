"""check(): claimed gradients of a program against slopes told from its values alone."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from engine.arrays import all_finite
from engine.check.array_tape import labels
from engine.check.claims import own_claims, read_claims
from engine.check.diagnosis import diagnose, diagnose_arrays, explain_undefined
from engine.check.first_wrong import trace_back
from engine.check.judges import METHODS, Method, judge_for, label, unjudged
from engine.check.linear import Linear
from engine.check.local import check_locally, true_parts
from engine.check.report import Component, Diagnosis, FirstWrong, Report
from engine.check.verdict import Verdict, overall, relative_tolerance
from engine.check.warning import warnings
from engine.errors import InputError
from engine.program import Program


def check(
    program: Program,
    at: Mapping[str, Any] | None = None,
    claimed: Mapping[str, Any] | None = None,
    tolerance: str | float = "student",
    method: Method = "auto",
) -> Report:
    """Judge the claimed gradient of the output, number by number, at a point.

    `claimed` maps names of inputs, and of intermediate results, to numbers or nested lists of
    their shape; only what is named is judged. Without claims the engine's own gradients are.
    `tolerance` is "strict", "student" or a relative tolerance. `method`: "exact" uses the forward
    formulas with as many digits as it takes, "blackbox" only values in float64; "auto" is exact
    wherever the program is small enough.

    Right claims are told from wrong ones by the program's forward alone; backward rules only tell
    how large rounding may be, and, once a claim is wrong, which mistake explains it.

    Raises InputError where point, claims, tolerance or method do not fit.
    """
    rtol = relative_tolerance(tolerance)
    if method not in METHODS:
        raise InputError(
            f"{method!r} is not a method",
            code="invalid_method",
            pointer="/method",
            hint=f"write {', '.join(METHODS[:-1])} or {METHODS[-1]}",
        )
    point = program.point(at)
    if not point:
        raise InputError(
            "this expression has no inputs, so there is no gradient to check",
            code="no_inputs",
            hint="leave a name without a value, or write x = 2 on a line of its own",
        )
    evaluation = program.evaluate(point)
    values = [node.value for node in evaluation.nodes]
    names = labels(program)
    if claimed:
        claims = read_claims(program, values, claimed)
    else:
        claims = own_claims(program, evaluation.gradients, names)
    if not claims:
        raise InputError(
            "there is not one number to check",
            code="no_inputs",
            pointer="/claimed",
            hint="give an input that holds numbers",
        )
    named = {claim.name for claim in claims}
    unclaimed = tuple(name for name in point if name not in named)
    offender = evaluation.non_finite
    if offender is not None and not all_finite(offender.value):
        components = tuple(map(unjudged, claims))
        return Report(
            Verdict.NON_FINITE,
            components,
            unclaimed,
            rtol,
            evaluation.value,
            offender,
            evaluation.reason,
            diagnoses=explain_undefined(program, values, offender),
        )
    judge = judge_for(program, evaluation, point, claims, rtol, method)
    components = tuple(label(c) if c.place in names else judge(c) for c in claims)
    verdict = overall(component.verdict for component in components)
    first: FirstWrong | None = None
    diagnoses: tuple[Diagnosis, ...] = ()
    if verdict is Verdict.FAIL:
        first, components, diagnoses = _explained(program, values, judge.linear, components, rtol)
    local = tuple(check_locally(program, values))
    return Report(
        verdict,
        components,
        unclaimed,
        rtol,
        evaluation.value,
        method=judge.method,
        evaluations=sum(component.evaluations for component in components),
        diagnoses=diagnoses,
        first_wrong=first,
        local=local,
        warnings=tuple(warnings(components, local, rtol)),
    )


def _explained(
    program: Program,
    values: Sequence[Any],
    linear: Linear | None,
    components: tuple[Component, ...],
    rtol: float,
) -> tuple[FirstWrong | None, tuple[Component, ...], tuple[Diagnosis, ...]]:
    """Where the claims first go wrong, the components marked with it, and which mistakes explain
    them."""
    if any(value.__class__ is not float for value in values):
        pull = functools.partial(true_parts, values)
        return None, components, diagnose_arrays(program, values, pull, components, rtol)
    linear = linear or Linear(program, values)
    first, components = trace_back(linear, components)
    diagnoses = diagnose(linear, components)
    if first is not None and first.others and _explains_all(diagnoses):
        first = None  # one mistake accounts for every claim, so that none is a slip of its own
    elif first is not None and not diagnoses:
        # The claims hold several slips; the first of them may have a name.
        diagnoses = diagnose(linear, [c for c in components if c.input not in first.others])
    if first is not None:
        here = first.place.equation
        diagnoses = tuple(sorted(diagnoses, key=lambda d: _equation(d) != here))
    return first, components, diagnoses


def _explains_all(diagnoses: Sequence[Diagnosis]) -> bool:
    return bool(diagnoses) and not diagnoses[0].parts and diagnoses[0].explains == diagnoses[0].of


def _equation(diagnosis: Diagnosis) -> int | None:
    return None if diagnosis.place is None else diagnosis.place.equation
