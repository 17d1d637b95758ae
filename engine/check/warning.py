"""What a reader of a report should know beside the verdict: above all, that a comparison could not
have failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.check.report import Component, LocalCheck
from engine.check.verdict import Verdict

LOOSE = 0.1
"""From this relative tolerance on, a factor that somebody forgot can pass."""


def warnings(
    components: Sequence[Component], local: Sequence[LocalCheck], rtol: float
) -> Iterator[str]:
    """Sentences, the most important first."""
    if components and all(c.reference == 0 and c.verdict is Verdict.PASS for c in components):
        yield (
            "This comparison could hardly fail: every slope is 0 here, so a backward pass that "
            "does nothing at all would pass as well. Check at another point."
        )
    else:
        below = [
            c.input
            for c in components
            if c.verdict is Verdict.PASS and (c.relative_error or 0.0) > rtol and c.reference
        ]
        if below:
            names = ", ".join(dict.fromkeys(below))
            yield (
                f"The comparison for {names} cannot fail for a small claim: the slope is what is "
                "left of much larger parts that cancel, and any number of its size passes."
            )
    if rtol >= LOOSE:
        yield (
            f"A relative tolerance of {rtol:g} is loose: a gradient that is off by "
            f"{100 * rtol:.0f} % passes, and some mistakes are smaller."
        )
    by_rule: dict[tuple[str, str], list[LocalCheck]] = {}
    for check in local:
        by_rule.setdefault((check.op, check.argument), []).append(check)
    for checks in by_rule.values():
        wrong = [check for check in checks if check.verdict is Verdict.FAIL]
        if wrong:
            yield _wrong_rule(wrong, len(checks))


def _wrong_rule(wrong: Sequence[LocalCheck], tried: int) -> str:
    """One sentence on the rule of an op for an argument, with the first place that shows it."""
    first = wrong[0]
    text = first.place.text
    where = f"equation {first.place.equation}" if "%" in text else text
    upstream = (
        "" if first.upstream is None else f" for an upstream gradient of {first.upstream:.4g}"
    )
    often = "" if tried == 1 else f" It is wrong at {len(wrong)} of {tried} places tried."
    return (
        f"The operation {first.op} has a wrong backward rule for {first.argument}: at {where} it "
        f"gives {first.given:.4g}{upstream}, and its forward says {first.reference:.4g}. Your "
        f"claims are judged by its forward.{often}"
    )
