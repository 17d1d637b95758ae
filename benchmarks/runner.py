"""What a system brings to a contest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Runner:
    """One system, ready to be timed: `run` does `units` units of work; `check` computes afresh and
    returns numbers that all systems must agree on."""

    run: Callable[[], object]
    check: Callable[[], object] | None = None
    units: int = 1
    note: str = ""


Adapter = tuple[str, Callable[..., Runner]]
"""The name of a way to call a system, and what makes it ready for a task."""
