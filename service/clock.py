"""The one place that asks the machine for the time; everywhere else a clock is passed in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present instant, aware and in UTC."""


def utc_now() -> datetime:
    """The machine's present instant."""
    return datetime.now(UTC)
