"""From what a detector saw to a Diagnosis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.check.report import Diagnosis, Place


def finding(
    mistake: str,
    explanation: str,
    numbers: Mapping[str, float],
    variable: str | None = None,
    shown_by: int = 1,
    of: int = 1,
) -> Diagnosis:
    """A Diagnosis of a training run: `variable` names the parameter or layer, and `shown_by` of
    `of` steps show the mistake."""
    place = None if variable is None else Place(None, variable, None, variable)
    return Diagnosis(mistake, place, explanation, dict(numbers), shown_by, of)


def listed(names: Iterable[str]) -> str:
    """Names in a sentence: "a", "a and b", "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def shown(number: float) -> str:
    """A number in a sentence, with three digits."""
    return f"{number:,.0f}" if 1000 <= abs(number) < 1e6 else f"{number:.3g}"
