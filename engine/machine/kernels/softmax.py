"""Rows of the kernels `softmax` and `logsumexp`: along one axis of an array, whose neighbours are
`inner` numbers apart, for every place before (`outer`) and behind (`inner`) it.

The largest number is taken off first, so that nothing overflows.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from numba.extending import register_jitable

from engine.machine.kernels.functions import abs, at, bits, exp, log, number, reordered
from engine.machine.record import Kernel, Span

LEAST, GREATEST = -(2**63), 2**63 - 1
INFINITY = 0x7FF << 52
"""The bits of infinity; with any sign, more than these are nan."""


@register_jitable
def _turned_over(i: Any) -> Any:
    """The bits of a negative number the other way round, so that integers have the order of the
    numbers; and back again."""
    return i ^ GREATEST if i < 0 else i


@register_jitable(forceinline=True)
def largest(v: Any, x: Any, count: Any, step: Any) -> Any:
    """The largest of `count` numbers `step` apart; nan where one of them is nan.

    Found among integers, since LLVM vectorises no comparison of numbers that may be nan.
    """
    top = np.int64(LEAST)
    for c in range(count):
        i = bits(v[x + c * step])
        rank = np.int64(GREATEST) if i & GREATEST > INFINITY else _turned_over(i)
        top = rank if rank > top else top
    return number(_turned_over(top))


@register_jitable
def _fields(r: Any) -> Any:
    """out, x, outer, count, inner."""
    return at(r, 2), at(r, 4), at(r, 5), at(r, 6), at(r, 7)


@register_jitable(forceinline=True)
def _softmax(v: Any, x: Any, y: Any, count: Any, step: Any) -> None:
    top, whole = largest(v, x, count, step), 0.0
    for c in range(count):
        part = exp(v[x + c * step] - top)
        v[y + c * step] = part
        whole = reordered(whole, part)
    for c in range(count):
        v[y + c * step] /= whole


@register_jitable(forceinline=True)
def _logsumexp(v: Any, x: Any, count: Any, step: Any) -> Any:
    top, whole = largest(v, x, count, step), 0.0
    top = top if abs(top) < inf else 0.0
    for c in range(count):
        whole = reordered(whole, exp(v[x + c * step] - top))
    return top + log(whole)


def softmax_forward(v: Any, d: Any, r: Any, p: Any) -> None:
    """out = exp(x), scaled so that it sums to 1."""
    out, x, outer, count, inner = _fields(r)
    if inner == 1:  # the same, but vectorised
        for o in range(outer):
            _softmax(v, x + o * count, out + o * count, count, 1)
        return
    for o in range(outer):
        for i in range(inner):
            start = o * count * inner + i
            _softmax(v, x + start, out + start, count, inner)


def softmax_backward(v: Any, d: Any, r: Any, p: Any) -> None:
    """y * (g - the sum of g * y) for each."""
    out, x, outer, count, inner = _fields(r)
    for o in range(outer):
        for i in range(inner):
            start, mean = o * count * inner + i, 0.0
            for c in range(count):
                place = out + start + c * inner
                mean = reordered(mean, d[place] * v[place])
            for c in range(count):
                place = start + c * inner
                d[x + place] += v[out + place] * (d[out + place] - mean)


def logsumexp_forward(v: Any, d: Any, r: Any, p: Any) -> None:
    """out = log(sum(exp(x)))."""
    out, x, outer, count, inner = _fields(r)
    if inner == 1:  # the same, but vectorised
        for o in range(outer):
            v[out + o] = _logsumexp(v, x + o * count, count, 1)
        return
    for o in range(outer):
        for i in range(inner):
            v[out + o * inner + i] = _logsumexp(v, x + o * count * inner + i, count, inner)


def logsumexp_backward(v: Any, d: Any, r: Any, p: Any) -> None:
    """g * softmax(x), which is exp(x - y) over the sum of all these: y alone is rounded too
    coarsely where it is large."""
    out, x, outer, count, inner = _fields(r)
    for o in range(outer):
        for i in range(inner):
            start, place = x + o * count * inner + i, out + o * inner + i
            y, whole = v[place], 0.0
            for c in range(count):
                whole = reordered(whole, exp(v[start + c * inner] - y))
            g = d[place] / whole
            for c in range(count):
                d[start + c * inner] += g * exp(v[start + c * inner] - y)


def softmax_extents(r: Any, p: Any) -> tuple[list[Span], list[Span]]:
    """x."""
    n, outer, count, inner = int(r[1]), int(r[5]), int(r[6]), int(r[7])
    if n != outer * count * inner:
        raise ValueError("the length is not that of the array")
    span = [(int(r[4]), n)]
    return span, span


def logsumexp_extents(r: Any, p: Any) -> tuple[list[Span], list[Span]]:
    """x."""
    n, outer, count, inner = int(r[1]), int(r[5]), int(r[6]), int(r[7])
    if n != outer * inner:
        raise ValueError("the length is not that of the sums")
    span = [(int(r[4]), outer * count * inner)]
    return span, span


SOFTMAX = Kernel("softmax", softmax_forward, softmax_backward, softmax_extents)
LOGSUMEXP = Kernel("logsumexp", logsumexp_forward, logsumexp_backward, logsumexp_extents)
