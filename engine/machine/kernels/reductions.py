"""Sums of many numbers: rows of the kernel `sum`, and what other kernels sum with.

Eight or thirty-two sums run side by side, so the order of additions is not that of numpy.
"""

from __future__ import annotations

from typing import Any

from numba.extending import register_jitable

from engine.machine.kernels.functions import at
from engine.machine.kernels.lanes import lanes, put, total, zeros
from engine.machine.record import Kernel, Span


@register_jitable
def sum_of(x: Any, start: Any, n: Any) -> Any:
    """x[start] + … + x[start + n - 1]."""
    i, rest = 0, 0.0
    if n >= 8:
        sum0 = sum1 = sum2 = sum3 = zeros(8)
        while i + 32 <= n:
            sum0 = sum0 + lanes(x, start + i, 8)
            sum1 = sum1 + lanes(x, start + i + 8, 8)
            sum2 = sum2 + lanes(x, start + i + 16, 8)
            sum3 = sum3 + lanes(x, start + i + 24, 8)
            i += 32
        while i + 8 <= n:
            sum0 = sum0 + lanes(x, start + i, 8)
            i += 8
        rest = total((sum0 + sum1) + (sum2 + sum3))
    while i < n:
        rest += x[start + i]
        i += 1
    return rest


@register_jitable(forceinline=True)
def dot(x: Any, x_start: Any, y: Any, y_start: Any, n: Any) -> Any:
    """The sum of products of n numbers of x and n of y."""
    i, rest = 0, 0.0
    if n >= 8:
        sum0 = sum1 = zeros(8)
        while i + 16 <= n:
            sum0 = sum0 + lanes(x, x_start + i, 8) * lanes(y, y_start + i, 8)
            sum1 = sum1 + lanes(x, x_start + i + 8, 8) * lanes(y, y_start + i + 8, 8)
            i += 16
        if i + 8 <= n:
            sum0 = sum0 + lanes(x, x_start + i, 8) * lanes(y, y_start + i, 8)
            i += 8
        rest = total(sum0 + sum1)
    if i + 4 <= n:
        rest += total(lanes(x, x_start + i, 4) * lanes(y, y_start + i, 4))
        i += 4
    while i < n:
        rest += x[x_start + i] * y[y_start + i]
        i += 1
    return rest


@register_jitable
def _fields(r: Any) -> Any:
    """out, where the factor is, x, outer, count, inner."""
    numbers = at(r, 2), at(r, 3), at(r, 4)
    return *numbers, at(r, 5), at(r, 6), at(r, 7)


def sum_forward(v: Any, d: Any, r: Any, p: Any) -> None:
    """out[o, i] = factor * (x[o, 0, i] + … + x[o, count - 1, i])."""
    out, scale, x, outer, count, inner = _fields(r)
    factor = v[scale]
    for o in range(outer):
        if inner == 1:
            v[out + o] = factor * sum_of(v, x + o * count, count)
            continue
        i = 0
        while i + 8 <= inner:
            sums = zeros(8)
            for c in range(count):
                sums = sums + lanes(v, x + (o * count + c) * inner + i, 8)
            put(v, out + o * inner + i, factor * sums)
            i += 8
        while i < inner:
            rest = 0.0
            for c in range(count):
                rest += v[x + (o * count + c) * inner + i]
            v[out + o * inner + i] = factor * rest
            i += 1


def sum_backward(v: Any, d: Any, r: Any, p: Any) -> None:
    """Each number of x gets the gradient of its sum, times the factor."""
    out, scale, x, outer, count, inner = _fields(r)
    factor = v[scale]
    for o in range(outer):
        if inner == 1:
            g = factor * d[out + o]
            for c in range(count):
                d[x + o * count + c] += g
            continue
        for c in range(count):
            for i in range(inner):
                d[x + (o * count + c) * inner + i] += factor * d[out + o * inner + i]


def sum_extents(r: Any, p: Any) -> tuple[list[Span], list[Span]]:
    """The factor, which has no gradient, and x."""
    n, _, factor, x, outer, count, inner = map(int, r[1:8])
    if n != outer * inner:
        raise ValueError("the length is not that of the sums")
    span = x, outer * count * inner
    return [(factor, 1), span], [span]


SUM = Kernel("sum", sum_forward, sum_backward, sum_extents)
