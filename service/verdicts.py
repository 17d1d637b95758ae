"""The verdicts in words: one record each, and the sentences about a report."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from service.figures import apart, brief, plain
from service.records import title_and_mend

if TYPE_CHECKING:
    from engine import Component, Position, Report
    from engine.check import Diagnosis


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
            "the slope cannot be told well enough to judge; counts against nobody",
        ),
        Verdict(
            "nondeterministic",
            "nondeterministic",
            "open",
            3,
            "the same inputs give another value each time, so there is nothing to compare with",
        ),
    )
}


def output_name(name: str) -> str:
    """What to call an output; one without a name of its own has only its number, like %3."""
    return "the output" if name.startswith("%") else name


def component_name(component: Component) -> str:
    """`w` for a number, `w[0, 1]` for an entry of an array."""
    if component.index is None:
        return component.input
    return f"{component.input}[{', '.join(str(i) for i in component.index)}]"


def component_sentence(component: Component, who: str = "you say", method: str = "exact") -> str:
    """One sentence on one component, with the numbers that it rests on."""
    name = component_name(component)
    if component.reference is None and component.slopes is None:
        return f"{name}: there is no slope to compare with."
    claim, reference = plain(component.claim), ""
    if component.reference is not None:
        claim, reference = apart(component.claim, component.reference)
    slope = "slope" if method == "exact" else "measured slope"
    if component.verdict == "not_differentiable":
        where = _beside(component)
        return f"{name}: {_kink(component)}, so there is no one gradient; {who} {claim}{where}."
    if component.verdict == "inconclusive":
        bound = component.error_bound
        within = "" if bound is None else f", give or take {bound:.1g}"
        return (
            f"{name}: {who} {claim}, the {slope} is about {reference or 'unknown'}{within}; "
            "that is too rough to judge."
        )
    if component.verdict == "rounding":
        return f"{name}: {who} {claim}, {_rounding(component, reference)}"
    return f"{name}: {who} {claim}, the {slope} is {reference}."


def _rounding(component: Component, reference: str) -> str:
    """Both numbers of a gradient that float64 spoils: what the rules give, and what is true."""
    given = component.backprop
    same = given is None or given == component.claim
    slope = component.reference
    if component.claim == 0 and given and slope and abs(given - slope) <= 1e-3 * abs(slope):
        return (
            f"the exact slope is {reference}. It comes from the last digits of numbers that "
            "float64 has to round, such as 0.1 or pi, so this counts as right."
        )
    rules = "" if same or given is None else f"backpropagation in float64 gives {plain(given)}, "
    return (
        f"{rules}the exact slope is {reference}. The rules are right: float64 itself loses the "
        "digits here, so this counts as right."
    )


def slopes_text(component: Component) -> str:
    """Both one-sided slopes, where they are what matters; else nothing."""
    if component.slopes is None or component.verdict != "not_differentiable":
        return ""
    return "left {}, right {}".format(*(_side(slope) for slope in component.slopes))


def _side(slope: float) -> str:
    return "none" if math.isnan(slope) else brief(slope)


def _kink(component: Component) -> str:
    if component.slopes is None:
        return "there is no slope here"
    sides = zip(("left", "right"), component.slopes, strict=True)
    there = [f"{brief(slope)} from the {side}" for side, slope in sides if not math.isnan(slope)]
    if not there:
        return "there is no slope from either side"
    gone = "" if len(there) == 2 else " and does not exist from the other side"
    return f"the slope is {' and '.join(there)}{gone}"


def _beside(component: Component) -> str:
    """Where a claim lies that is compared with two slopes."""
    if component.slopes is None or any(math.isnan(slope) for slope in component.slopes):
        return ""
    between = min(component.slopes) <= component.claim <= max(component.slopes)
    return ", which lies between them" if between else ", which is neither nor between"


def headline(report: Report, claimed: bool) -> str:
    """The one sentence that comes first, honest about what was compared with what."""
    if report.verdict == "nondeterministic":
        reason = f" {sentence(report.reason)}" if report.reason else ""
        return (
            "The same inputs give another value each time, so no gradient of this can be judged."
            + reason
        )
    if report.non_finite is not None:
        place = report.non_finite.position
        return (
            "The expression has no finite value here, so there is no gradient to check. "
            f"Line {place.line}: {report.reason}."
        )
    if not report.components:
        return "Nothing to check: the expression has no inputs."
    if not claimed:
        return _own(report)
    worst = [c for c in report.components if c.verdict == report.verdict]
    count = len(report.components)
    if report.verdict == "pass" and count > 1:
        return f"Right: all {count} gradients agree with the {_slopes(report)}."
    told = component_sentence(worst[0], method=report.method)
    return told if count == 1 else f"{_share(report.verdict, len(worst), count)} {told}"


def how_judged(report: Report) -> str:
    """One sentence on where the slopes come from."""
    runs = f"{report.evaluations} run{'' if report.evaluations == 1 else 's'} of the forward"
    if report.method == "exact":
        return f"The slopes are exact: {runs}, with as many digits as it takes."
    return f"The slopes are measured: {runs} in float64, with nudged inputs."


def _slopes(report: Report) -> str:
    return "exact slopes" if report.method == "exact" else "slopes that were measured"


def _own(report: Report) -> str:
    names = _names([component_name(c) for c in report.components])
    if report.verdict == "pass":
        return f"Nudge's own gradients agree with the {_slopes(report)}, for {names}."
    first = next(c for c in report.components if c.verdict == report.verdict)
    return component_sentence(first, who="backpropagation says", method=report.method)


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


@dataclass(frozen=True)
class Finding:
    """A diagnosis, ready to be read. `where` names the place in words, `position` marks it in the
    source; `share` says how much of what is wrong it explains, where that is not all."""

    heading: str
    title: str
    sentence: str
    mend: str | None
    where: str | None
    position: Position | None
    share: str | None


UNNAMED = re.compile(r"^%\d+ = ")

TIES = 3
"""How many further explanations are told besides the first."""


def findings(report: Report) -> list[Finding]:
    """What explains the wrong claims: the likeliest, and at most TIES others that fit as well."""
    return [_finding(found) for found in report.diagnoses[: 1 + TIES]]


def unexplained(report: Report, claimed: bool) -> str | None:
    """What to do where claims are wrong and nothing that is known explains them."""
    if report.verdict != "fail" or not claimed or report.diagnoses or report.first_wrong:
        return None
    if any(not math.isfinite(c.claim) for c in report.components):
        return "A gradient that is not a finite number cannot be explained: give a number."
    return (
        "No mistake that Nudge knows gives these numbers. Give intermediate results names of their "
        "own (p = r**3, then F = G/p) and claim their gradients, too, from the output backward: "
        "the first that is wrong shows where to look."
    )


def _finding(found: Diagnosis) -> Finding:
    title, mend = title_and_mend(found.mistake)
    place, where, position = found.place, None, None
    if place is not None:
        # A result without a name of its own has only a number, which a reader never wrote.
        text = UNNAMED.sub("", place.text)
        where = text if place.equation is None else f"equation {place.equation}: {text}"
        position = place.position
    if position is not None:
        where = f"line {position.line}, {where}"
    return Finding(
        # What explains wrong numbers is a hypothesis; where a value is undefined, it is a fact.
        f"Probably: {title}" if found.of else f"{title[:1].upper()}{title[1:]}",
        title,
        sentence(found.explanation),
        sentence(mend) if mend else None,
        where,
        position,
        f"explains {found.explains} of {found.of}" if found.explains < found.of else None,
    )


def sentence(text: str) -> str:
    """A text from the engine with a full stop behind it."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
