"""Slopes of a function measured from its values alone, each with a bound on its error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

STEPS = (2.0**-5, 2.0**-11, 2.0**-17)
"""Widest step of each attempt, relative to x: an ordinary one, then smaller ones for functions that
bend quickly or break nearby."""

COARSE = (2.0**-5, 2.0**-2, 2.0**-1)
"""The same for functions computed in fewer digits than float64 has."""

DECIDED = 1e-4
"""A slope is measured if its error is below this share of the slopes around it, or below the root
of the noise in the function."""

GRAIN = 2.0**-20
"""Over so short a way, relative to x, a smooth function is a cubic; what is not is noise."""

COARSE_GRAIN = 1e-10

EPSILON = float(np.finfo(float).eps)
TINY = float(np.finfo(float).tiny)

Displaced = Callable[[Any, Any], Any]
"""f(x, which): the values at `x`, shape (n, k), whose columns displace the places `which`."""


@dataclass(frozen=True, slots=True)
class Slopes:
    """`value` and `error` of the slope at each place; `measured` is False where the function has a
    kink, or its values say too little."""

    value: Any
    error: Any
    measured: Any


def slopes(f: Displaced, x: Any, reach: Any) -> Slopes:
    """The slope of `f` at each of `x`, shape (m,), from values no further off than `reach`.

    Three central differences, each step a quarter of the one before, are extrapolated to a step of
    zero; so are those of either side, which tell a kink. What one ladder of steps cannot measure,
    the next one tries.
    """
    value, error = np.zeros(len(x)), np.full(len(x), np.inf)
    measured = np.zeros(len(x), dtype=bool)
    grain, size = _grain(f, x, reach), 0.0
    enough = max(DECIDED, grain**0.5)
    for step in COARSE if grain > COARSE_GRAIN else STEPS:
        which = np.flatnonzero(~measured)
        if not which.size:
            break
        at = x[which]
        h = np.minimum(step * np.maximum(np.abs(at), 1 / 16), reach[which] / 2)
        h = 2.0 ** np.floor(np.log2(h)) / np.array([[1.0], [4.0], [16.0]])
        values = f(at + np.concatenate([np.zeros((1, len(at))), h, -h]), which)
        found, doubt = _estimate(values, at, h, grain)
        better = doubt < error[which]
        value[which[better]], error[which[better]] = found[better], doubt[better]
        size = max(size, np.max(np.abs(values), initial=0.0, where=np.isfinite(values)))
        around = max(ranked(np.abs(value)), 1e-6 * size)
        measured = error <= enough * np.maximum(np.abs(value), around)
    return Slopes(value, error, measured)


def _grain(f: Displaced, x: Any, reach: Any) -> float:
    """The relative noise in the values of `f`: float64's own, or more where it computes in fewer
    digits. Measured at a few places."""
    which = np.arange(min(len(x), 8))
    at = x[which]
    h = np.minimum(GRAIN * np.maximum(np.abs(at), 1 / 16), reach[which] / 2)
    values = f(at + np.array([[-2.0], [-1.0], [0.0], [1.0], [2.0]]) * h, which)
    bend = np.abs(values[0] + values[4] - 4 * (values[1] + values[3]) + 6 * values[2])
    share = bend / np.maximum(np.max(np.abs(values), axis=0), TINY)
    share = share[np.isfinite(share)]
    return max(ranked(share, 0.75), EPSILON)


def ranked(x: Any, share: float = 0.5) -> float:
    """The number of `x` that this share of them is below (by default their median); 0 for none."""
    return float(np.sort(x)[int(share * len(x))]) if len(x) else 0.0


def _estimate(values: Any, x: Any, h: Any, grain: float) -> tuple[Any, Any]:
    here, up, down = values[0], values[1:4], values[4:7]
    slope, doubt = _limit((up - down) / (2 * h), 16.0)
    right, right_doubt = _limit((up - here) / h, 4.0)
    left, left_doubt = _limit((here - down) / h, 4.0)
    size = np.max(np.abs(values), axis=0) + np.abs(x * slope)
    noise = 2 * grain * size / h[2]
    kink = np.abs(right - left) > 10 * (right_doubt + left_doubt + noise)
    finite = np.isfinite(values).all(axis=0)
    doubt = np.maximum(doubt, np.abs(right - left) / 4)
    return slope, np.where(finite & ~kink, doubt + noise, np.inf)


def _limit(a: Any, ratio: float) -> tuple[Any, Any]:
    """Where three approximations go whose error falls by `ratio` each time, and how sure that is.

    Half-smooth functions converge more slowly than the extrapolation believes; an eighth of its
    first change bounds what is left of their error too.
    """
    first = a[1:] + (a[1:] - a[:-1]) / (ratio - 1)
    last = first[1] + (first[1] - first[0]) / (ratio * ratio - 1)
    return last, np.maximum(np.abs(last - first[1]), np.abs(first[1] - first[0]) / 8)
