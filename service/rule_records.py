"""What the engine says of backward rules, as JSON documents; see `service.records`."""

from __future__ import annotations

from typing import Any

from engine.check.report import Diagnosis
from engine.check.rules import Counterexample, RuleReport, RuleVerdict
from service.records import non_finite, numbers, title_and_mend


def rule_report_record(report: RuleReport) -> dict[str, Any]:
    """A report in JSON's words: null for what is not finite."""
    return {
        "name": report.name,
        "forward": report.forward,
        "verdict": str(report.verdict),
        "explanation": report.explanation,
        "rules": [_rule_record(rule) for rule in report.rules],
        "unjudged": list(report.unjudged),
        "relative_tolerance": report.tolerance,
        "warnings": list(report.warnings),
    }


def _rule_record(rule: RuleVerdict) -> dict[str, Any]:
    return {
        "input": rule.input,
        "rule": rule.rule,
        "verdict": str(rule.verdict),
        "points": rule.points,
        "explanation": rule.explanation,
        "counterexample": rule.counterexample and _counterexample_record(rule.counterexample),
        "diagnosis": rule.diagnosis and _diagnosis_record(rule.diagnosis, rule),
        "slope_text": rule.slope_text,
        "notes": list(rule.notes),
    }


def _counterexample_record(found: Counterexample) -> dict[str, Any]:
    left, right = found.slopes or (None, None)
    return {
        "inputs": dict(found.inputs),
        "g": found.g,
        "y": numbers(found.y),
        "yours": numbers(found.yours),
        "true": numbers(found.true),
        "slopes": found.slopes and {"left": numbers(left), "right": numbers(right)},
        "non_finite": non_finite(y=found.y, yours=found.yours, true=found.true),
    }


def _diagnosis_record(found: Diagnosis, rule: RuleVerdict) -> dict[str, Any]:
    title, mend = title_and_mend(found.mistake)
    return {
        "mistake": found.mistake,
        "title": title,
        "mend": mend,
        "explanation": found.explanation,
        "place": {"variable": rule.input, "text": rule.rule},
        "numbers": {name: numbers(number) for name, number in found.numbers.items()},
        "non_finite": non_finite(**found.numbers),
        "explains": found.explains,
        "of": found.of,
    }
