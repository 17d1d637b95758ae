"""How the black box judges the adversarial cases: every claim, component by component."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from engine import parse
from engine.check.blackbox import judge, measure
from engine.check.verdict import PRECEDENCE, TOLERANCES

ORDINARY = ("well", "program", "reuse")


@dataclass
class Score:
    """Counts over claims, and the evaluations of every measurement, and of those for right
    claims (`confirmations`)."""

    claims: Counter[str] = field(default_factory=Counter)
    evaluations: list[int] = field(default_factory=list)
    confirmations: list[int] = field(default_factory=list)
    misjudged: list[tuple[str, str, str, str]] = field(default_factory=list)

    def add(self, case: dict[str, Any], kind: str, wanted: str, fine: set[str], verdict: str):
        sort = {"pass": "right", "rounding": "right", "fail": "wrong"}.get(wanted, wanted)
        self.claims[sort] += 1
        if verdict in fine and verdict != "inconclusive":
            return
        outcome = "silent" if verdict == "pass" else "refused"
        if verdict == "inconclusive":
            outcome = verdict
            self.claims[f"inconclusive {case['cat']}"] += 1
        if verdict not in fine:
            self.claims[f"{sort} {outcome}"] += 1
            self.misjudged.append((case["id"], kind, wanted, verdict))

    def figures(self) -> dict[str, float]:
        """Shares in percent, as docs/explanation/checking.md reports them."""

        def share(part: str, whole: str) -> float:
            return round(100 * self.claims[part] / max(1, self.claims[whole]), 3)

        return {
            "claims": sum(self.claims[sort] for sort in ("right", "wrong", "not_differentiable")),
            "right refused %": share("right refused", "right"),
            "right inconclusive %": share("right inconclusive", "right"),
            "wrong accepted %": share("wrong silent", "wrong"),
            "wrong inconclusive %": share("wrong inconclusive", "wrong"),
            "kink silently passed %": share("not_differentiable silent", "not_differentiable"),
            "kink inconclusive %": share("not_differentiable inconclusive", "not_differentiable"),
            "kink failed %": share("not_differentiable refused", "not_differentiable"),
            "inconclusive on ordinary": sum(self.claims[f"inconclusive {c}"] for c in ORDINARY),
            "evaluations median, right claims": statistics.median(self.confirmations),
            "evaluations mean, right claims": round(statistics.fmean(self.confirmations), 1),
            "evaluations mean": round(statistics.fmean(self.evaluations), 1),
            "evaluations most": max(self.evaluations),
        }


def score(cases: Iterable[dict[str, Any]], tolerance: str) -> Score:
    """Judge every scored claim of `cases` at a named tolerance."""
    found = Score()
    for case in cases:
        functions = _functions(case)
        for claim in case["claims"]:
            wanted = claim[tolerance].replace("-", "_")
            if not functions or wanted in ("skip", "approx"):
                continue
            if wanted == "rounded":
                wanted = "fail" if tolerance == "strict" else "pass"
            accepted = {label.replace("-", "_") for label in claim.get("accept") or ()}
            fine = accepted | {wanted}
            verdict, evaluations = _judged(claim, functions, TOLERANCES[tolerance])
            found.evaluations += evaluations
            if wanted == "pass":
                found.confirmations += evaluations
            if wanted == "non_finite":
                found.claims["non_finite missed"] += verdict != wanted
            else:
                found.add(case, claim["k"], wanted, fine, verdict)
    return found


def _judged(
    claim: dict[str, Any],
    functions: dict[str, tuple[int, float, Callable[[float], float]]],
    rtol: float,
) -> tuple[str, list[int]]:
    """The gravest verdict on a component of a claim, and the evaluations for each."""
    verdicts, evaluations = set(), []
    for place, x, function in functions.values():
        if not math.isfinite(function(x)):
            return "non_finite", []
        claimed = float(claim["g"][place])
        slope = measure(function, x, claimed, rtol)
        evaluations.append(slope.evaluations)
        verdicts.add(str(judge(claimed, slope, rtol)))
    return next(str(verdict) for verdict in PRECEDENCE if verdict in verdicts), evaluations


def _functions(case: dict[str, Any]) -> dict[str, tuple[int, float, Callable[[float], float]]]:
    """For each input its place, its value, and the output as a function of it alone."""
    program = parse(case["src"])
    names = {node.name for node in program.inputs}
    values = [(k, float(x)) for k, x in zip(case["vars"], case["x"], strict=True)]
    point = {name: x for name, x in values if name in names}

    def along(name: str) -> Callable[[float], float]:
        known: dict[float, float] = {}

        def function(t: float) -> float:
            if t not in known:
                known[t] = program.value_at({**point, name: t})
            return known[t]

        return function

    return {n: (i, x, along(n)) for i, (n, x) in enumerate(values) if n in names}
