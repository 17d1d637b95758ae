"""How the learning rate changes from step to step: one row per schedule.

A rate is a plain function ``rate(k, steps, start, **params)``: k counts updates from 0 and is one
number or an array of them, ``steps`` is the length of the whole run, ``start`` the optimiser's
learning rate. In a configuration a
schedule is ``{"kind": "linear", "end": 0.1}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from engine.ranges import Range


def constant(k: Any, steps: int, start: float) -> Any:
    """The same rate at every step."""
    return start


def linear(k: Any, steps: int, start: float, end: float) -> Any:
    """start + (end - start) * k / steps: a straight line that would reach `end` at step `steps`."""
    return start + (end - start) * k / steps


def cosine(k: Any, steps: int, start: float, end: float) -> Any:
    """end + (start - end) * (1 + cos(pi * k / steps)) / 2 (Loshchilov & Hutter 2017)."""
    return end + (start - end) * (1 + np.cos(np.pi * k / steps)) / 2


def step(k: Any, steps: int, start: float, every: int, factor: float) -> Any:
    """start * factor ** (k // every): multiplied by `factor` after each `every` steps."""
    return start * factor ** (k // every)


@dataclass(frozen=True)
class Schedule:
    """A row of the shelf; `params` gives each parameter's range and default."""

    name: str
    rate: Callable[..., Any]
    params: Mapping[str, Range]

    @property
    def doc(self) -> str:
        """Its formula."""
        return self.rate.__doc__ or ""


ANY_RATE = Range(0.0, low=-1e6, high=1e6)

SCHEDULES: Mapping[str, Schedule] = MappingProxyType(
    {
        row.name: row
        for row in (
            Schedule("constant", constant, {}),
            Schedule("linear", linear, {"end": ANY_RATE}),
            Schedule("cosine", cosine, {"end": ANY_RATE}),
            Schedule(
                "step",
                step,
                {"every": Range(100, low=1, whole=True), "factor": Range(0.5, low=0.0, high=1.0)},
            ),
        )
    }
)
