"""Which diagnosis counts as right for which planted mistake: the tables, and the two questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.cases import Case, Claim
from engine import Position
from engine.check.report import Place

STRUCTURAL: tuple[str, ...] = (
    "div_no_square",
    "drop_factor",
    "factor2",
    "input_not_output",
    "max_both",
    "max_wrong_branch",
    "missing",
    "ones",
    "overwrite",
    "overwrite_all",
    "pow_no_coef",
    "pow_off_by_one",
    "sign_all",
    "sign_component",
    "sign_op",
    "swap_mul",
    "swap_operands",
    "wrong_variable",
)
"""Kinds of claims that one mistake explains. Any other wrong claim (`garbage`, `rel_…`, a finite
difference, rounded digits) has no cause on a list, so that to state one is wrong."""

SAME: Mapping[tuple[str, str | None], frozenset[str]] = {
    # To forget the local derivative -1 is to get the sign wrong.
    ("drop_factor", "neg"): frozenset({"sign_op"}),
    # A relu whose local derivative is 1 everywhere is a relu without its mask.
    ("drop_factor", "relu"): frozenset({"relu_mask"}),
    # What was done there has a name of its own.
    ("fd_forward_1e-3", None): frozenset({"finite_difference"}),
    ("round4", None): frozenset({"too_few_digits"}),
}
"""Codes that say the same of a kind at an op (None: at any op) in other words."""

MEASURED: frozenset[str] = frozenset({"common_factor", "forward_value", "local_derivative"})
"""Codes that measure where and by how much a claim is off without stating a cause. Every other code
states one, a slip in typing included."""


def _differing(claim: Mapping[str, float], truth: Mapping[str, float]) -> list[str]:
    return [name for name in truth if claim[name] != truth[name]]


def _crossed(claim: Mapping[str, float], truth: Mapping[str, float]) -> bool:
    wrong = _differing(claim, truth)
    return len(wrong) == 2 and [claim[name] for name in wrong] == [
        truth[name] for name in wrong[::-1]
    ]


LITERAL: Mapping[str, Callable[[Mapping[str, float], Mapping[str, float]], bool]] = {
    "sign_all": lambda claim, truth: all(claim[k] == -truth[k] for k in truth),
    "sign_component": lambda claim, truth: (
        [claim[k] for k in _differing(claim, truth)]
        == [-truth[k] for k in _differing(claim, truth)]
        and len(_differing(claim, truth)) == 1
    ),
    "factor2": lambda claim, truth: any(
        all(claim[k] == factor * truth[k] for k in truth) for factor in (2.0, 0.5)
    ),
    "missing": lambda claim, truth: not any(claim[k] for k in _differing(claim, truth)),
    "ones": lambda claim, truth: all(claim[k] == 1.0 for k in truth),
    "wrong_variable": _crossed,
}
"""Mistakes in the vector itself, as facts about claim and truth: where the fact holds, no claim can
tell the mistake from the planted one."""


def names(code: str, case: Case, claim: Claim) -> bool:
    """Whether `code` says what is wrong with a claim: its kind, the same in other words, or what
    the numbers literally are."""
    op = claim.loc.rsplit(":", 1)[-1] if _is_stretch(claim.loc) else None
    if same(code, claim.kind, op):
        return True
    literal, truth = LITERAL.get(code), _truth(case)
    return literal is not None and truth is not None and literal(claim.gradient, truth)


def same(code: str, kind: str, op: str | None = None) -> bool:
    """Whether a code is the kind, or the same in other words (at an op)."""
    return code == kind or any(code in SAME.get((kind, at), ()) for at in (op, None))


def placed(place: Place | None, case: Case, claim: Claim) -> bool:
    """Whether a place is that of the planted mistake. Columns of cases count from 0."""
    loc = claim.loc
    if loc is None or loc == "all":
        return True
    if place is None:
        return False
    if isinstance(loc, int):
        return place.variable == case.names[loc]
    if isinstance(loc, list):
        return place.variable in [case.names[i] for i in loc]
    if not _is_stretch(loc):
        return place.variable == loc
    if place.position is not None and loc.startswith(f"{stretch(place.position)}:"):
        return True
    made = (e.name for e in case.program.equations if loc.startswith(f"{stretch(e.position)}:"))
    return place.variable in made


def _is_stretch(loc: Any) -> bool:
    return isinstance(loc, str) and ":" in loc


def stretch(position: Position) -> str:
    """A position as cases write it: line:column-line:column, columns from 0."""
    line, start = position.line, position.column - 1
    return f"{line}:{start}-{line}:{start + position.length}"


def _truth(case: Case) -> Mapping[str, float] | None:
    return next((c.gradient for c in case.claims if c.kind == "correct"), None)
