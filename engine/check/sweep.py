"""The error of difference quotients against their step: why one fixed h will not do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.check.array_tape import labels
from engine.check.claims import place_of
from engine.check.judges import slope_at
from engine.program import Program

EXPONENTS = range(17)
"""Steps are 1, 0.1, 0.01 … 10**-16."""


@dataclass(frozen=True, slots=True)
class SweepRow:
    """Difference quotients with step `h`, and how far off they are, relative to the slope (to 1
    where the slope is 0). nan where the program has no finite value beside the point."""

    h: float
    forward: float
    central: float
    forward_error: float
    central_error: float


def sweep(
    program: Program,
    at: Mapping[str, Any] | None,
    name: str,
    index: tuple[int, ...] | None = None,
) -> tuple[SweepRow, ...]:
    """(f(x+h) - f(x))/h and (f(x+h) - f(x-h))/2h in float64 for the node called `name`, or its
    entry at `index`, from h = 1 down, against the exact slope.

    Empty where there is no slope to compare with. Raises InputError for an unknown name.
    """
    point = program.point(at)
    values = [value.data for value in program.run(point, requires_grad=False)]
    place = place_of(program, name)
    if place in labels(program):
        return ()
    slope = slope_at(program, values, place, index)
    truth = slope.both.slope
    if slope.kind != "smooth" or not math.isfinite(truth):
        return ()

    def forward(step: float) -> float:
        held = values[place]
        if index is None:
            moved: Any = held + step
        else:
            moved = held.copy()
            moved[index] += step
        return program.value_at(point, {place: moved})

    here = forward(0.0)
    return tuple(_row(10.0**-k, here, forward, truth) for k in EXPONENTS)


def _row(h: float, here: float, forward: Any, truth: float) -> SweepRow:
    after, before = forward(h), forward(-h)
    one, two = (after - here) / h, (after - before) / (2 * h)
    scale = abs(truth) or 1.0
    return SweepRow(h, one, two, abs(one - truth) / scale, abs(two - truth) / scale)
