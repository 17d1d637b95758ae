"""The error of difference quotients against their step: why one fixed h will not do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.check.array_tape import labels
from engine.check.claims import place_of
from engine.check.judges import slope_at
from engine.check.local import guarded
from engine.errors import InputError
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
    slope: float | None = None,
) -> tuple[SweepRow, ...]:
    """(f(x+h) - f(x))/h and (f(x+h) - f(x-h))/2h in float64 for the node called `name`, or its
    entry at `index`, from h = 1 down, against the exact slope: `slope` if it is known already.

    Empty where there is no slope to compare with. Raises InputError for an unknown name, an entry
    that is not there, and an output of several numbers.
    """
    point = program.point(at)
    values = [node.value for node in program.evaluate(point).nodes]
    place = place_of(program, name)
    _require_entry(name, values[place], index)
    if place in labels(program):
        return ()
    truth = _exact(program, values, place, index) if slope is None else slope
    if not math.isfinite(truth):
        return ()

    @guarded
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


def _require_entry(name: str, value: Any, index: tuple[int, ...] | None) -> None:
    shape = np.shape(value)
    fits = len(index or ()) == len(shape) and all(
        0 <= i < n for i, n in zip(index or (), shape, strict=True)
    )
    if not fits:
        raise InputError(
            f"{name} has shape {shape}, so there is no entry {index}",
            code="wrong_shape",
            hint="give one whole number for each axis, counted from 0; none for a single number",
        )


def _exact(
    program: Program, values: Sequence[Any], place: int, index: tuple[int, ...] | None
) -> float:
    """The exact slope; nan where there is none, or not one."""
    found = slope_at(program, values, place, index)
    return found.both.slope if found.kind == "smooth" else math.nan


def _row(h: float, here: float, forward: Any, truth: float) -> SweepRow:
    after, before = forward(h), forward(-h)
    one, two = (after - here) / h, (after - before) / (2 * h)
    scale = abs(truth) or 1.0
    return SweepRow(h, one, two, abs(one - truth) / scale, abs(two - truth) / scale)
