"""Numbers moved without being changed: rows of the kernels `spread` (broadcast, transpose,
swapaxes: an array read out of another one by strides) and `copy`."""

from __future__ import annotations

import math
from typing import Any

from numba.extending import register_jitable

from engine.machine.kernels.functions import at
from engine.machine.kernels.reductions import sum_of
from engine.machine.record import Kernel, Span

RANK = 5
"""Axes that a row has room for."""

SIZES, STEPS = 6, 6 + RANK
"""The first fields of the lengths of the axes, and of their steps."""


@register_jitable
def _axis(r: Any, k: Any) -> Any:
    """Length and step of an axis, counted from behind."""
    place = at(r, 5) - 1 - k
    if place < 0:
        return at(r, 1) * 0 + 1, at(r, 1) * 0
    return at(r, SIZES + place), at(r, STEPS + place)


def spread_forward(v: Any, d: Any, r: Any, p: Any) -> None:
    """out[i, j, …] = x[i * step of i + j * step of j + …]."""
    n0, step0 = _axis(r, 0)
    n1, step1 = _axis(r, 1)
    n2, step2 = _axis(r, 2)
    n3, step3 = _axis(r, 3)
    n4, step4 = _axis(r, 4)
    out, start = at(r, 2), at(r, 4)
    for i4 in range(n4):
        for i3 in range(n3):
            for i2 in range(n2):
                for i1 in range(n1):
                    x = start + i4 * step4 + i3 * step3 + i2 * step2 + i1 * step1
                    for i0 in range(n0):
                        v[out + i0] = v[x + i0 * step0]
                    out += n0


def spread_backward(v: Any, d: Any, r: Any, p: Any) -> None:
    """Each number of x gets the gradients of all that were read from it."""
    n0, step0 = _axis(r, 0)
    n1, step1 = _axis(r, 1)
    n2, step2 = _axis(r, 2)
    n3, step3 = _axis(r, 3)
    n4, step4 = _axis(r, 4)
    out, start = at(r, 2), at(r, 4)
    for i4 in range(n4):
        for i3 in range(n3):
            for i2 in range(n2):
                for i1 in range(n1):
                    x = start + i4 * step4 + i3 * step3 + i2 * step2 + i1 * step1
                    if step0 == 0 and n0 > 0:
                        d[x] += sum_of(d, out, n0)
                    else:
                        for i0 in range(n0):
                            d[x + i0 * step0] += d[out + i0]
                    out += n0


def spread_extents(r: Any, p: Any) -> tuple[list[Span], list[Span]]:
    """x."""
    n, rank, length = int(r[1]), int(r[5]), int(r[3])
    if rank > RANK:
        raise ValueError(f"{rank} axes, where there is room for {RANK}")
    sizes = [int(size) for size in r[SIZES : SIZES + rank]]
    steps = [int(step) for step in r[STEPS : STEPS + rank]]
    if n != math.prod(sizes):
        raise ValueError("the length is not that of the axes")
    last = sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
    if n and last >= length:
        raise ValueError("the steps lead out of x")
    span = [(int(r[4]), length)]
    return span, span


def copy_forward(v: Any, d: Any, r: Any, p: Any) -> None:
    """out = x."""
    out, x = at(r, 2), at(r, 4)
    for i in range(r[1]):
        v[out + i] = v[x + i]


def copy_backward(v: Any, d: Any, r: Any, p: Any) -> None:
    """The gradient goes to x as it is."""
    out, x = at(r, 2), at(r, 4)
    for i in range(r[1]):
        d[x + i] += d[out + i]


def copy_extents(r: Any, p: Any) -> tuple[list[Span], list[Span]]:
    """x."""
    span = [(int(r[4]), int(r[1]))]
    return span, span


SPREAD = Kernel("spread", spread_forward, spread_backward, spread_extents)
COPY = Kernel("copy", copy_forward, copy_backward, copy_extents)
