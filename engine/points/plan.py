"""What is remembered of a program between one check by differences and the next."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from engine import machine
from engine.check.array_tape import labels
from engine.errors import EngineError
from engine.points.records import Differences, Groups
from engine.points.sheets import POINTS, Sheet
from engine.points.whole import Whole
from engine.program import Input, Program

KEPT = 32
"""Sheets that are kept for each program."""


class Plan:
    """What is remembered of a program: the `names` of the inputs that can be nudged, which are all
    but classes, and sheets that are not in use."""

    def __init__(self, program: Program) -> None:
        self.program = program
        classes, nodes = labels(program), enumerate(program.nodes)
        self.names = tuple(n.name for i, n in nodes if isinstance(n, Input) and i not in classes)
        self._whole = 0 < 2 * len(program.inputs) <= POINTS and not classes
        self._sheets: dict[Hashable, Any] = {}

    def at_once(self, at: Mapping[str, Any] | None, step: float) -> Differences | None:
        """The whole check on one tape, where that can be."""
        if not self._whole or not machine.ready():
            return None
        try:
            whole: Whole = self._sheets.pop(step, None) or Whole(self.program, step)
        except (EngineError, ValueError):
            self._whole = False
            return None
        found = whole(at)
        self.put(whole)
        return found

    def take(self, point: Mapping[str, Any], groups: Groups, count: int) -> Sheet:
        """A sheet for these groups, with all else as in `point`. Nobody else has it meanwhile."""
        moving = {name for group in groups for name in group.names}
        fixed = {name: x for name, x in point.items() if name not in moving}
        kind = count, groups, tuple(map(np.shape, fixed.values())), machine.ready()
        sheet: Sheet = self._sheets.pop(kind, None) or Sheet(self.program, point, groups, count)
        sheet.kind = kind
        sheet.fix(fixed)
        return sheet

    def put(self, sheet: Sheet | Whole) -> None:
        """Keep a sheet for the next time."""
        if len(self._sheets) >= KEPT:
            self._sheets.pop(next(iter(self._sheets)), None)
        self._sheets[sheet.kind] = sheet


def plan_of(program: Program) -> Plan:
    """The plan of a program, which lives as long as that."""
    plan: Plan | None = program.plans.get(Plan)
    if plan is None:
        plan = program.plans[Plan] = Plan(program)
    return plan
