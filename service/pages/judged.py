"""What the first page shows of a report: verdict, explanations, evidence, and a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine import Component, Report
from engine.check import LocalCheck
from engine.errors import Position
from engine.steps import SLIPS
from service import verdicts
from service.excerpt import excerpt
from service.figures import apart, brief, plain, rough
from service.judging import sweep_of
from service.pages.answer import Answer
from service.pages.sweep import Sweep

EVIDENCE_SHOWN = 64
"""Components listed as evidence; the others are counted."""

AROUND = 3
"""Lines of the source shown before and after one that is marked."""


@dataclass(frozen=True)
class Line:
    """A line of a source; `marked` is empty but in one of them."""

    number: int
    before: str
    marked: str = ""
    after: str = ""


def judged(answer: Answer) -> dict[str, Any]:
    """The part of the page that rests on the report."""
    report = answer.report
    assert report is not None
    findings = verdicts.findings(report)
    place = findings[0].position if findings else None
    worst_first = sorted(report.components, key=lambda c: c.verdict != report.verdict)
    rest = max(len(worst_first) - EVIDENCE_SHOWN, 0)
    wrong = report.first_wrong
    return {
        "verdict": verdicts.VERDICTS[report.verdict],
        "headline": verdicts.headline(report, answer.claimed),
        "claimed": answer.claimed,
        "unclaimed": ", ".join(report.unclaimed) if answer.claimed else "",
        "relative": f"{report.tolerance:g}",
        "how": verdicts.how_judged(report) if report.evaluations else "",
        "evidence": [_evidence(c) for c in worst_first[:EVIDENCE_SHOWN]]
        if report.non_finite is None
        else [],
        "more": f"And {rest} more: the API lists all of them." if rest else "",
        "finding": findings[0] if findings else None,
        "ties": findings[1:],
        "listing": listing(answer.question.source, place) if place else [],
        "first_wrong": verdicts.sentence(wrong.explanation) if wrong else "",
        "unexplained": verdicts.unexplained(report, answer.claimed),
        "warnings": [verdicts.sentence(warning) for warning in report.warnings],
        "local": [_local(check) for check in report.local],
        "sweep": _sweep(answer, report, worst_first),
    }


def slip(answer: Answer) -> str | None:
    """The slip of the steps that shows the mistake which was found, if there is one."""
    found = answer.report.diagnoses if answer.report else ()
    return found[0].mistake if found and found[0].mistake in SLIPS else None


def listing(source: str, position: Position) -> list[Line]:
    """The lines of `source` around `position`, which is marked."""
    lines = source.split("\n")
    marked = excerpt(source, position)
    first = max(marked.line - AROUND, 1)
    last = min(marked.line + AROUND, len(lines))
    return [
        Line(number, marked.before, marked.marked, marked.after)
        if number == marked.line
        else Line(number, lines[number - 1])
        for number in range(first, last + 1)
    ]


def _evidence(component: Component) -> Mapping[str, str]:
    verdict = verdicts.VERDICTS[component.verdict]
    claim, slope = plain(component.claim), "–"
    if component.reference is not None:
        claim, slope = apart(component.claim, component.reference, 6)
    return {
        "name": verdicts.component_name(component),
        "claim": claim,
        "reference": verdicts.slopes_text(component) or slope,
        "bound": rough(component.error_bound),
        "error": rough(component.relative_error),
        "verdict": verdict.label,
        "note": "follows" if component.follows else "",
        "tone": verdict.tone,
    }


def _local(check: LocalCheck) -> Mapping[str, str]:
    verdict = verdicts.VERDICTS[check.verdict]
    return {
        "text": check.place.text,
        "argument": check.argument,
        "upstream": "–" if check.upstream is None else brief(check.upstream),
        "given": brief(check.given, 6),
        "reference": "–" if check.reference is None else brief(check.reference, 6),
        "verdict": verdict.label,
        "tone": verdict.tone,
    }


def _sweep(answer: Answer, report: Report, components: Sequence[Component]) -> Sweep | None:
    """The sweep of the first component that has a slope."""
    if answer.program is None or report.verdict == "nondeterministic":
        return None
    component = next((c for c in components if c.reference is not None), None)
    if component is None:
        return None
    rows = sweep_of(answer.program, answer.at, component)
    return Sweep(verdicts.component_name(component), rows) if rows else None
