"""The claims of tests/cases/gradients.jsonl.gz, judged where the expression is known: nobody who is
right is refused, nobody who is wrong gets by.

Two thirds of the cases were looked at while the checker was built ("tuned"), one third was not
("held out"). Every figure is of one of these alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from engine import Program, check, parse
from engine.check.exact import formula_slope
from engine.check.local import check_locally
from engine.check.report import LocalCheck
from tests.cases import gradients

Case = dict[str, Any]

SLICE, LOCAL_SLICE = 20, 4
"""The ordinary run takes one case of so many; the proof in full takes all."""

RIGHT = {"pass", "rounding"}
"""Verdicts that count as right."""

GOALS = {
    "right refused": 0,
    "right inconclusive": 0,
    "wrong accepted": 0,
    "wrong inconclusive": 0,
    "kink misjudged": 0,
    "non-finite misjudged": 0,
    "rounding called fail": 0,
    "rel_1e-04 not refused at strict": 0,
    "four digits not accepted at student": 0,
}
"""How often each may happen."""


def held_out(case: Case) -> bool:
    return int(case["id"][1:]) % 3 == 0


def thirds(every: int) -> dict[str, list[Case]]:
    cases = gradients()[::every]
    return {
        "tuned": [case for case in cases if not held_out(case)],
        "held out": [case for case in cases if held_out(case)],
    }


def read(case: Case) -> tuple[Program, dict[str, float]]:
    """The program of a case and its point; names that the expression does not hold are dropped."""
    program = parse(case["src"])
    names = {node.name for node in program.inputs}
    return program, {k: x for k, x in zip(case["vars"], case["x"], strict=True) if k in names}


def outcomes(case: Case, tolerance: str) -> Iterator[str]:
    """What is counted of each scored claim: its sort, and its failure if there is one."""
    program, at = read(case)
    for claim in case["claims"] if at else ():
        wanted = claim[tolerance].replace("-", "_")
        if wanted in ("skip", "approx"):
            continue
        if wanted == "rounded":
            wanted = {"strict": "fail", "student": "pass"}[tolerance]
        numbers = zip(case["vars"], claim["g"], strict=True)
        claimed = {name: float(g) for name, g in numbers if name in at}
        found = str(check(program, at, claimed, tolerance, "exact").verdict)
        accepted = {label.replace("-", "_") for label in claim.get("accept") or ()}
        yield from counted(wanted, found, {wanted, *accepted}, claim["k"], tolerance)


def counted(wanted: str, found: str, fine: set[str], kind: str, tolerance: str) -> Iterator[str]:
    if wanted == "fail" and fine == {"fail"}:
        yield "wrong"
        if found in RIGHT or found == "inconclusive":
            yield "wrong accepted" if found in RIGHT else "wrong inconclusive"
        elif found != "fail":
            yield "wrong called something else"
    elif wanted in RIGHT:
        yield "right"
        if found == "inconclusive":
            yield "right inconclusive"
        elif found not in RIGHT | fine:
            yield "right refused"
    elif wanted == "non_finite":
        yield "non-finite"
        if found not in fine:
            yield "non-finite misjudged"
    else:
        yield "kink"
        if found not in fine:
            yield "kink misjudged"
    if wanted == "rounding":
        yield "rounding"
        if found == "fail":
            yield "rounding called fail"
    if (kind, tolerance, wanted) == ("rel_1e-04", "strict", "fail"):
        yield "rel_1e-04"
        if found != "fail":
            yield "rel_1e-04 not refused at strict"
    if (kind, tolerance, wanted) == ("round4", "student", "pass"):
        yield "four digits"
        if found not in RIGHT:
            yield "four digits not accepted at student"


@pytest.mark.proof
def test_no_claim_is_judged_wrongly_where_the_expression_is_known(
    full: bool, figures: Callable[[str, object], None]
) -> None:
    found: dict[str, Counter[str]] = {}
    for third, cases in thirds(1 if full else SLICE).items():
        for tolerance in ("strict", "student"):
            tally = Counter(o for case in cases for o in outcomes(case, tolerance))
            found[f"{third}, {tolerance}"] = tally
    figures("check-exact", {name: dict(sorted(tally.items())) for name, tally in found.items()})
    for name, tally in found.items():
        assert {goal: tally[goal] for goal in GOALS} == GOALS, name
        assert tally["wrong called something else"] == 0, name
        for sort in ("right", "wrong", "kink", "non-finite", "rounding"):
            assert tally[sort] > 0, (name, sort)


def test_count_sees_every_sort_of_failure() -> None:
    """The tally that the proof rests on, given verdicts that it must not let pass."""

    def of(wanted: str, found: str, kind: str = "", tolerance: str = "strict") -> set[str]:
        return set(counted(wanted, found, {wanted}, kind, tolerance))

    seen = (
        of("pass", "fail") | of("pass", "inconclusive") | of("fail", "rounding")
        | of("fail", "inconclusive") | of("not_differentiable", "pass") | of("non_finite", "fail")
        | of("rounding", "fail") | of("fail", "pass", "rel_1e-04")
        | of("pass", "inconclusive", "round4", "student")
    )  # fmt: skip
    assert seen >= GOALS.keys()
    assert not GOALS.keys() & (of("pass", "rounding") | of("fail", "fail") | of("rounding", "pass"))


# -- each operation alone ----------------------------------------------------------------


def at_its_own_kink(program: Program, values: Sequence[float], found: LocalCheck) -> bool:
    """Whether the operation, seen exactly, has a kink or an edge where it is used."""
    equation = next(e for e in program.equations if e.number == found.place.equation)
    formula = equation.op.formula
    assert formula is not None
    inputs = [values[arg] for arg in equation.args]
    place = equation.op.input_names.index(found.argument)
    return formula_slope(formula, inputs, place).kind != "smooth"


def local_outcomes(case: Case) -> Iterator[str]:
    program, at = read(case)
    evaluation = program.evaluate(at)
    values = [node.value for node in evaluation.nodes]
    if not all(map(math.isfinite, values)):
        return
    for found in check_locally(program, values, opaque=False):
        verdict = str(found.verdict)
        unfounded = verdict == "not_differentiable" and not at_its_own_kink(program, values, found)
        yield "wrong" if verdict == "fail" or unfounded else verdict


@pytest.mark.proof
def test_no_operation_is_judged_wrongly_alone(
    full: bool, figures: Callable[[str, object], None]
) -> None:
    found = {
        third: Counter(o for case in cases for o in local_outcomes(case))
        for third, cases in thirds(1 if full else LOCAL_SLICE).items()
    }
    figures("check-local", {third: dict(sorted(tally.items())) for third, tally in found.items()})
    for tally in found.values():
        assert tally["pass"] > 500
        assert tally["not_differentiable"] > 0
        assert tally["wrong"] == 0
        assert tally["inconclusive"] <= 0.01 * tally.total()
