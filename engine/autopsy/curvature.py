"""The steepest curvature of a loss, from products of its Hessian with vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from engine.autopsy.vectors import Array, norm
from engine.higher_order import gradients
from engine.value import Value

SETTLED = 1e-3
"""Power iteration ends when the eigenvalue's size changes by less than this share of itself."""

SURELY = 0.1
"""A Rayleigh quotient this near to the size of the extreme eigenvalue is one of its sign."""

Product = Callable[[Array], Array]


def largest_curvature(
    objective: Value,
    parameters: Sequence[Value],
    rng: np.random.Generator,
    rounds: int,
    l2: float = 0.0,
) -> float:
    """The largest eigenvalue of the Hessian of `objective` + l2 * |parameters|², from below, by
    power iteration with at most `rounds` Hessian-vector products (Pearlmutter 1994).

    Where the eigenvalue of largest size may be negative, a second iteration of as many products
    runs on the Hessian shifted by that size, which leaves no negative ones.
    """
    slopes = gradients(objective, parameters)
    sizes = [int(np.size(p.data)) for p in parameters]
    ends = np.cumsum(sizes)

    def product(vector: Array) -> Array:
        parts = np.split(vector, ends[:-1])
        along = [
            (slope * part.reshape(slope.shape)).sum()
            for slope, part in zip(slopes, parts, strict=True)
        ]
        bent = gradients(sum(along[1:], along[0]), parameters)
        return np.concatenate([np.ravel(h.data) for h in bent]) + 2 * l2 * vector

    start = rng.standard_normal(sum(sizes))
    extreme, size = _extreme(product, start, rounds)
    if extreme >= (1 - SURELY) * size:
        return extreme
    return _extreme(lambda vector: product(vector) + size * vector, start, rounds)[0] - size


def _extreme(product: Product, start: Array, rounds: int) -> tuple[float, float]:
    """Where power iteration ends: the Rayleigh quotient, and the size of the eigenvalue of largest
    size. They differ in size where the signs of two such eigenvalues do."""
    vector, quotient, size = start / norm(start), 0.0, 0.0
    for _ in range(rounds):
        image = product(vector)
        before, size = size, norm(image)
        quotient = float(vector @ image)
        if size == 0 or abs(size - before) <= SETTLED * size:
            break
        vector = image / size
    return quotient, size
