"""The verdicts in words: one record each, and the sentences about a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from service.figures import apart, figure, plain

if TYPE_CHECKING:
    from engine import Report
    from engine.check import Component


@dataclass(frozen=True)
class Verdict:
    """What one verdict is called, what it means, and how a script learns of it."""

    name: str
    label: str
    tone: Literal["right", "wrong", "open"]
    exit_code: int
    meaning: str


VERDICTS = {
    v.name: v
    for v in (
        Verdict("pass", "pass", "right", 0, "the claim is the slope, within the tolerance"),
        Verdict(
            "rounding",
            "rounding",
            "right",
            0,
            "the rules are right and float64 itself loses the digits; counts as right",
        ),
        Verdict("fail", "fail", "wrong", 1, "the claim is not the slope"),
        Verdict(
            "not_differentiable",
            "not differentiable",
            "open",
            3,
            "a kink or an edge: the slopes from the left and from the right differ",
        ),
        Verdict("non_finite", "non finite", "open", 3, "the value itself is infinite or undefined"),
        Verdict(
            "inconclusive",
            "inconclusive",
            "open",
            3,
            "the slope cannot be measured well enough to judge; counts against nobody",
        ),
    )
}


def component_name(component: Component) -> str:
    """`w` for a number, `w[0, 1]` for an entry of an array."""
    if component.index is None:
        return component.input
    return f"{component.input}[{', '.join(str(i) for i in component.index)}]"


def component_sentence(component: Component, who: str = "you say") -> str:
    """One sentence on one component, with the two numbers that it rests on."""
    name = component_name(component)
    if component.verdict == "non_finite":
        return f"{name}: there is no slope to compare with."
    claim, reference = apart(component.claim, component.reference)
    if component.verdict == "not_differentiable":
        if component.slopes is None:
            return f"{name}: there is no one slope here."
        left, right = (figure(s) for s in component.slopes)
        between = min(component.slopes) <= component.claim <= max(component.slopes)
        place = "lies between them" if between else "lies outside them"
        return (
            f"{name}: the slope is {left} from the left and {right} from the right, so there is "
            f"no one gradient; {who} {claim}, which {place}."
        )
    if component.verdict == "inconclusive":
        return (
            f"{name}: {who} {claim}, the slope is about {reference}, give or take "
            f"{component.error_bound:.1g}; that is too rough to judge."
        )
    if component.verdict == "rounding":
        return (
            f"{name}: {who} {claim}, the exact slope is {reference}. Your rules are right: "
            "float64 itself loses the digits here, so this counts as right."
        )
    return f"{name}: {who} {claim}, the slope is {reference}."


def headline(report: Report, claimed: bool) -> str:
    """The one sentence that comes first, honest about what was compared with what."""
    if report.non_finite is not None:
        node = report.non_finite
        place = f" (line {node.position.line})" if node.position else ""
        return (
            f"{node.op} gives {plain_value(node.value)} here{place}, "
            "so there is no gradient to check."
        )
    if not report.components:
        return "Nothing to check: the expression has no inputs."
    if not claimed:
        return _own(report)
    worst = [c for c in report.components if c.verdict == report.verdict]
    count = len(report.components)
    if report.verdict == "pass" and count > 1:
        return f"Right: all {count} gradients agree with the slopes."
    if count == 1:
        return component_sentence(worst[0])
    return f"{_share(report.verdict, len(worst), count)} {component_sentence(worst[0])}"


def plain_value(value: object) -> str:
    """A value for a sentence: one number, or that an array holds such numbers."""
    try:
        return plain(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "an array with entries that are not finite"


def _own(report: Report) -> str:
    names = _names([component_name(c) for c in report.components])
    if report.verdict in ("pass", "rounding"):
        return f"Nudge's own gradients agree with the slopes it measured, for {names}."
    first = next(c for c in report.components if c.verdict == report.verdict)
    return component_sentence(first, who="backpropagation says")


def _share(verdict: str, part: int, whole: int) -> str:
    are = "is" if part == 1 else "are"
    what = {
        "fail": "wrong",
        "not_differentiable": "at a kink",
        "inconclusive": "undecided",
        "rounding": "right up to rounding",
    }[verdict]
    return f"{part} of {whole} gradients {are} {what}."


def _names(names: Sequence[str]) -> str:
    if len(names) > 6:
        return f"all {len(names)} components"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
