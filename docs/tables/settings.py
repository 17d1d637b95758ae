"""The page on settings."""

from __future__ import annotations

from docs.tables.markdown import code, table
from service.config import SETTINGS


def settings() -> str:
    """Every setting."""
    return table(
        ("Setting", "Default", "What is wanted", "What it does"),
        ((code(s.name), _default(s.default), s.kind.name, s.help) for s in SETTINGS),
    )


def _default(value: object) -> str:
    if isinstance(value, bool):
        return code(int(value))
    if value is None or value == ():
        return "none"
    return code(f"{value:g}" if isinstance(value, float) else value)
