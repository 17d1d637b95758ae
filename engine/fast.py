"""The fast ways to evaluate a program, and when they are taken.

The first evaluations go by the ops' own rules: they find what is wrong with shapes and say it in
words, and nothing is faster while few are asked for. A program that is asked again and again
becomes straight-line Python if it is small and of scalars, else a tape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import machine
from engine.evaluation import Evaluation
from engine.program import Program
from engine.straight import fits, straight

PATIENCE = 4
"""Evaluations by the rules before a faster way is made: that takes as long as some of them."""


class Warming:
    """Stands in for a program's fast way until there is one."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._calls = 0

    def __call__(self, at: Mapping[str, Any] | None) -> Evaluation | None:
        self._calls += 1
        if self._calls <= PATIENCE:
            return None
        program = self._program
        point = program.point(at)
        if all(x.__class__ is float for x in point.values()) and fits(program):
            way: Any = straight(program)
        elif machine.ready():
            from engine.machine.hot import Hot

            way = Hot(program)
        else:
            return None
        program.__dict__["_fast"] = way
        found: Evaluation | None = way(at)
        return found
