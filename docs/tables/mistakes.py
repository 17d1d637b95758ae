"""The page on mistakes: every one that Nudge can name."""

from __future__ import annotations

from collections.abc import Iterable

from docs.tables.markdown import code, table
from engine.mistakes import GRADIENTS, TRAINING, Mistake
from engine.steps import SLIPS


def gradients() -> str:
    """Mistakes that a claimed gradient or a backward rule reveals."""
    return _shelf(GRADIENTS)


def training() -> str:
    """Mistakes that the record of a training run reveals."""
    return _shelf(TRAINING)


def slips() -> str:
    """Mistakes that can be replayed."""
    rows = ((code(slip.code), _plain(slip.title), slip.teaches) for slip in SLIPS.values())
    return table(("Code", "What it is", "What its replay teaches"), rows)


def _shelf(mistakes: Iterable[Mistake]) -> str:
    return table(
        ("Code", "What it is", "How it is told", "What mends it"),
        ((code(m.code), *map(_plain, (m.title, m.told_by, m.mend))) for m in mistakes),
    )


def _plain(text: str) -> str:
    """`text` where Markdown would take a star for emphasis."""
    return text.replace("*", "\\*")
