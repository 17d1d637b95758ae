"""The pages on checking: the verdicts and the tolerances."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from docs.tables.markdown import code, table
from engine.check import TOLERANCES
from service.verdicts import VERDICTS

PROOFS = Path(__file__).parents[2] / "tests" / "proofs"
"""Where the long proofs leave their figures."""

FAILURES = (
    "right refused",
    "right inconclusive",
    "wrong accepted",
    "wrong inconclusive",
    "kink misjudged",
    "non-finite misjudged",
    "rounding called fail",
    "rel_1e-04 not refused at strict",
    "four digits not accepted at student",
)
"""What may go wrong where the expression is known; a proof counts only what does happen."""


def verdicts() -> str:
    """Every verdict, the gravest last."""
    return table(
        ("Verdict", "What it means", "Exit code of `nudge check`"),
        ((code(v.name), v.meaning, str(v.exit_code)) for v in VERDICTS.values()),
    )


def tolerances() -> str:
    """Every named tolerance."""
    rows = ((code(name), f"{number:g}") for name, number in TOLERANCES.items())
    return table(("Tolerance", "Relative"), rows)


def exact() -> str:
    """How claims were judged where the expression is known: how many there were, how many of them
    went wrong in each way, which may be none."""
    return _figures("check-exact", FAILURES, default=0)


def local() -> str:
    """How operations were judged alone."""
    return _figures("check-local", ("wrong",), default=0)


def blackbox() -> str:
    """How claims were judged by float64 values alone."""
    return _figures("blackbox")


def _figures(proof: str, rows: Iterable[str] = (), default: float | None = None) -> str:
    """What a proof found: a row for each figure, also those named in `rows`, and a column for each
    part of the cases."""
    found = json.loads((PROOFS / f"{proof}.json").read_text(encoding="utf-8"))
    names = sorted({*rows, *(name for part in found.values() for name in part)})
    if not rows:
        names = list(dict.fromkeys(name for part in found.values() for name in part))
    return table(
        ("", *found),
        ((name, *(_shown(part.get(name, default)) for part in found.values())) for name in names),
    )


def _shown(figure: float | None) -> str:
    return "" if figure is None else f"{figure:,.10g}"
