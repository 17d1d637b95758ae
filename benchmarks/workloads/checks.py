"""A function of one array of 1,000 numbers, whose gradient is to be checked (W6-wide)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEP = 1e-6
"""The nudge of every central difference here."""

TOLERANCE = 1e-5
"""A check whose worst disagreement is larger has failed."""


@dataclass(frozen=True)
class Wide:
    """h = tanh(a x); o = sum(h h) + sum(sin(x) x), with a of shape (64, 1000)."""

    a: NDArray[np.float64]
    x: NDArray[np.float64]


def wide_function() -> Wide:
    """The function and the point, both drawn once."""
    dice = np.random.default_rng(5)
    a = dice.normal(0, 1 / np.sqrt(1000), (64, 1000))
    return Wide(a, dice.uniform(-1, 1, 1000))
