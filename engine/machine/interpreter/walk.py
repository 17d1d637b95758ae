"""The interpreter: it walks the rows of a tape forward and backward.

Four scalar operations are done here, in runs over the pool of indices; every other row is a call
of its kernel, by address. Compiled, it is one entry point, cached on disk (entry.py); as plain
Python, on the kernels' own functions in place of their addresses, it is the oracle of the tests.
"""

from __future__ import annotations

from typing import Any

from numba.extending import register_jitable

from engine.machine.interpreter.pointer import call
from engine.machine.record import ADD, INLINE, MUL, SUB


@register_jitable
def forward(rows: Any, start: int, stop: int, p: Any, v: Any, d: Any, table: Any) -> None:
    """Carry out rows start … stop - 1, in order."""
    for k in range(start, stop):
        code, n, out, a, b = rows[k, 0], rows[k, 1], rows[k, 2], rows[k, 4], rows[k, 6]
        if code >= INLINE:
            call(table, code, v, d, rows, k, p)
        elif code == ADD:
            for i in range(n):
                v[out + i] = v[p[a + i]] + v[p[b + i]]
        elif code == MUL:
            for i in range(n):
                v[out + i] = v[p[a + i]] * v[p[b + i]]
        elif code == SUB:
            for i in range(n):
                v[out + i] = v[p[a + i]] - v[p[b + i]]
        else:
            for i in range(n):
                v[out + i] = -v[p[a + i]]


@register_jitable
def backward(rows: Any, start: int, stop: int, p: Any, v: Any, d: Any, table: Any) -> None:
    """Carry gradients back through rows stop - 1 … start."""
    for k in range(stop - 1, start - 1, -1):
        code, n, out, a, b = rows[k, 0], rows[k, 1], rows[k, 2], rows[k, 4], rows[k, 6]
        if code >= INLINE:
            call(table, code, v, d, rows, k, p)
        elif code == ADD:
            for i in range(n):
                g = d[out + i]
                d[p[a + i]] += g
                d[p[b + i]] += g
        elif code == MUL:
            for i in range(n):
                g, x, y = d[out + i], p[a + i], p[b + i]
                left, right = g * v[y], g * v[x]
                d[x] += left
                d[y] += right
        elif code == SUB:
            for i in range(n):
                g = d[out + i]
                d[p[a + i]] += g
                d[p[b + i]] -= g
        else:
            for i in range(n):
                d[p[a + i]] -= d[out + i]


@register_jitable
def clear(zeroed: Any, d: Any) -> None:
    """Set the spans (start, length) of the gradients to zero."""
    for k in range(len(zeroed)):
        fill(d, zeroed[k, 0], zeroed[k, 1], 0.0)


@register_jitable
def fill(x: Any, start: int, length: int, number: float) -> None:
    """Set `length` numbers from `start` on."""
    for i in range(start, start + length):
        x[i] = number


@register_jitable
def finite(x: Any, start: int, stop: int) -> bool:
    """Whether all numbers from start to stop - 1 are finite: then each times 0 is 0."""
    a = b = c = e = 0.0
    i = start
    while i + 4 <= stop:
        a += x[i] * 0.0
        b += x[i + 1] * 0.0
        c += x[i + 2] * 0.0
        e += x[i + 3] * 0.0
        i += 4
    while i < stop:
        a += x[i] * 0.0
        i += 1
    return (a + b) + (c + e) == 0.0
