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
    judged = [c for c in components if c.reference is not None]
    if judged and all(c.reference == 0 and c.verdict is Verdict.PASS for c in judged):
        yield (
            "This comparison could hardly fail: every slope is 0 here, so a backward pass that "
            "does nothing at all would pass as well. Check at another point."
        )
    else:
        below = [
            c.input
            for c in judged
            if c.verdict is Verdict.PASS and (c.relative_error or 0.0) > rtol and c.reference != 0
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
    for check in local:
        if check.verdict is Verdict.FAIL:
            yield (
                f"The operation {check.op} has a wrong backward rule for {check.argument}: at "
                f"{check.place.text} it gives {check.given:.4g} for an upstream gradient of "
                f"{check.upstream:.4g}, and its forward says {check.reference:.4g}. Your claims "
                "are judged by its forward."
            )
