"""The pages on checking: the verdicts and the tolerances."""

from __future__ import annotations

import json
from pathlib import Path

from docs.tables.markdown import code, table
from engine.check import TOLERANCES
from service.verdicts import VERDICTS

PROOFS = Path(__file__).parents[2] / "tests" / "proofs"
"""Where the long proofs leave their figures."""


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


def measured() -> str:
    """How the checker did on the scored claims of the cases, as the proof found it."""
    rows = []
    for name in sorted(TOLERANCES, key=lambda name: -TOLERANCES[name]):
        found = json.loads((PROOFS / f"check-{name}.json").read_text(encoding="utf-8"))
        total = found["claims"]
        counts = (found[key] for key in ("right", "inconclusive", "wrong"))
        shares = (f"{count:,} ({count / total:.1%})" for count in counts)
        rows.append((code(name), f"{total:,}", *shares))
    return table(("Tolerance", "Claims", "Judged right", "Inconclusive", "Judged wrong"), rows)
