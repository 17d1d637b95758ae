"""The columns of the table of false verdicts."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.cases import Case, Claim

RIGHT = ("pass", "rounding")
"""Verdicts that let a claim through."""

GROSS = 0.0099
"""A relative error from here on is no matter of tolerance: no checker here allows more."""

EXACT = 1e-9
"""A relative error up to here is no matter of tolerance either: no checker here asks for less."""


@dataclass(frozen=True, slots=True)
class Row:
    """A claim and what a checker made of it."""

    case: Case
    claim: Claim
    verdict: str
    milliseconds: float
    evaluations: int


def _right(row: Row) -> bool:
    return row.claim.wanted in RIGHT


def _wrong(row: Row) -> bool:
    return row.claim.wanted == "fail"


def _grossly_wrong(row: Row) -> bool:
    return _wrong(row) and row.claim.error is not None and row.claim.error >= GROSS


def _exactly_right(row: Row) -> bool:
    return _right(row) and row.claim.error is not None and row.claim.error <= EXACT


def _at_a_kink(row: Row) -> bool:
    return row.claim.wanted == "not_differentiable"


def _non_finite(row: Row) -> bool:
    return row.claim.wanted == "non_finite"


def _refused(row: Row) -> bool:
    return row.verdict not in (*row.claim.fine, *RIGHT, "inconclusive")


def _accepted(row: Row) -> bool:
    return row.verdict in RIGHT


def _inconclusive(row: Row) -> bool:
    return row.verdict == "inconclusive"


def _judged_rightly(row: Row) -> bool:
    return row.verdict in row.claim.fine


SHARES: tuple[tuple[str, Callable[[Row], bool], Callable[[Row], bool]], ...] = (
    ("right refused", _refused, _right),
    ("right to 1e-9 refused", _refused, _exactly_right),
    ("right: inconclusive", _inconclusive, _right),
    ("wrong accepted", _accepted, _wrong),
    ("wrong by 1 % or more accepted", _accepted, _grossly_wrong),
    ("wrong: inconclusive", _inconclusive, _wrong),
    ("kink passed silently", _accepted, _at_a_kink),
    ("kink judged rightly", _judged_rightly, _at_a_kink),
    ("non-finite passed", _accepted, _non_finite),
    ("non-finite judged rightly", _judged_rightly, _non_finite),
)
"""Heading, what is counted, among which rows."""

HEADINGS = (*(heading for heading, _, _ in SHARES), "ms a claim", "evaluations an input")


def scores(rows: Sequence[Row]) -> list[str]:
    """The cells of one line of the table: shares in percent, the median time, and the evaluations
    as median / mean / most."""
    cells = []
    for _, counted, among in SHARES:
        chosen = [row for row in rows if among(row)]
        cells.append(percent(sum(map(counted, chosen)), len(chosen)))
    cells.append(f"{statistics.median(row.milliseconds for row in rows):.2f}")
    each = [row.evaluations / len(row.case.at) for row in rows]
    cells.append(f"{statistics.median(each):.0f} / {statistics.fmean(each):.0f} / {max(each):.0f}")
    return cells


def percent(part: int, whole: int) -> str:
    """A share in percent, where 0 means that there was none at all."""
    if not whole:
        return "-"
    return "0" if not part else f"{100 * part / whole:.2f} %"
