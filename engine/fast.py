"""The fast ways to evaluate a program, and when they are taken.

The first evaluations go by the ops' own rules: they find what is wrong with shapes and say it in
words, and nothing is faster while few are asked for. A program that is asked again and again
becomes straight-line Python if it is small and of scalars, else a tape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine import machine
from engine.evaluation import Evaluation
from engine.program import Point, Program
from engine.straight import fits, straight

if TYPE_CHECKING:
    from engine.machine.hot import Hot

PATIENCE = 4
"""Evaluations by the rules before a faster way is made: that takes as long as some of them."""


class Warming:
    """Counts the evaluations of one program, of numbers and of arrays, and then takes the faster
    way. It answers None where there is none yet, or where something is out of the ordinary."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._seen = {True: 0, False: 0}
        self._hot: Hot | None = None

    def __call__(self, point: Point) -> Evaluation | None:
        """The program at a point that is not all floats, or that the fast way has not answered."""
        scalars = all(x.__class__ is float for x in point.values())
        self._seen[scalars] += 1
        if self._seen[scalars] <= PATIENCE:
            return None
        if scalars and fits(self._program):
            return self._keep(straight(self._program), point)
        if not machine.ready() or self._has_idle_equations:
            return None
        if self._hot is None:
            from engine.machine.hot import Hot

            self._hot = Hot(self._program)
        if scalars and self._hot.is_of_scalars(point):
            return self._keep(self._hot.scalars(point), point)
        return self._hot(point)

    def _keep(self, way: Any, point: Mapping[str, Any]) -> Evaluation | None:
        """Have floats go this way from now on."""
        self._program.__dict__["_fast"] = way
        found: Evaluation | None = way(point)
        return found

    @property
    def _has_idle_equations(self) -> bool:
        """Whether the output does not need all equations: a tape would leave them out, and with
        them what is not finite there."""
        from engine.machine.schedule import alive

        program = self._program
        return len(alive(program.nodes, program.place)) < len(program.equations)
