"""Products of matrices, with a bias and over a batch: rows of the kernel `linear`.

A product is computed four rows by a vector of columns at a time, all sums held in registers. Where
the right factor does not lie along those columns, or is too large for the nearest cache, a panel of
it is copied first (Goto and van de Geijn 2008).

A matrix is a tuple here: buffer, start, and how many numbers apart neighbours in a column and
neighbours in a row are. One of these two steps is 1, or is never taken.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba.extending import register_jitable

from engine.machine.kernels.functions import at
from engine.machine.kernels.lanes import WIDEST, lanes, put, scratch, strided, zeros
from engine.machine.kernels.reductions import dot, sum_of
from engine.machine.record import Kernel, Span

A_TRANSPOSED, B_TRANSPOSED, BIAS = 1, 2, 4
A_WANTED, B_WANTED, BIAS_WANTED = 8, 16, 128
A_WRITTEN, B_WRITTEN, BIAS_WRITTEN = 32, 64, 256
FLAGS = 512

PANEL = 2048
"""Numbers in a panel: 16 KiB, half of the nearest cache."""
FEW = 4
"""Rows of a left factor for which nothing of the right one is copied."""
NEAR = 4096
"""Numbers of a right factor that are read as well where they lie."""
MANY = 32
"""Rows of a left factor that make up for copying the right one."""
SMALL = 256
"""Multiplications up to which it takes longer to choose a way than to go it."""


@functools.cache
def _columns(width: int) -> Any:
    """The product of m rows of x and `width` columns of y, which lie side by side."""

    @register_jitable
    def product(
        m: Any, k: Any, left: Any, y: Any, f: Any, across: Any, start: Any, out: Any
    ) -> None:
        x, e, x_row, x_column = left
        add, s, s_row = start
        z, c, z_row = out
        i = 0
        while i + 4 <= m:
            if add:
                sum0, sum1 = lanes(z, s, width), lanes(z, s + s_row, width)
                sum2, sum3 = lanes(z, s + 2 * s_row, width), lanes(z, s + 3 * s_row, width)
            else:
                sum0 = sum1 = sum2 = sum3 = zeros(width)
            for t in range(k):
                row, here = lanes(y, f + t * across, width), e + t * x_column
                sum0 = sum0 + x[here] * row
                sum1 = sum1 + x[here + x_row] * row
                sum2 = sum2 + x[here + 2 * x_row] * row
                sum3 = sum3 + x[here + 3 * x_row] * row
            put(z, c, sum0)
            put(z, c + z_row, sum1)
            put(z, c + 2 * z_row, sum2)
            put(z, c + 3 * z_row, sum3)
            i, e, s, c = i + 4, e + 4 * x_row, s + 4 * s_row, c + 4 * z_row
        while i < m:
            sum0 = lanes(z, s, width) if add else zeros(width)
            sum1 = sum2 = sum3 = zeros(width)
            t = 0
            while t + 4 <= k:  # four sums, since each waits for its last addition
                here, row = e + t * x_column, f + t * across
                sum0 = sum0 + x[here] * lanes(y, row, width)
                sum1 = sum1 + x[here + x_column] * lanes(y, row + across, width)
                sum2 = sum2 + x[here + 2 * x_column] * lanes(y, row + 2 * across, width)
                sum3 = sum3 + x[here + 3 * x_column] * lanes(y, row + 3 * across, width)
                t += 4
            while t < k:
                sum0 = sum0 + x[e + t * x_column] * lanes(y, f + t * across, width)
                t += 1
            put(z, c, (sum0 + sum1) + (sum2 + sum3))
            i, e, s, c = i + 1, e + x_row, s + s_row, c + z_row

    return product


_columns_widest, _columns8, _columns4, _columns1 = map(_columns, (WIDEST, 8, 4, 1))


@register_jitable(forceinline=True)
def _four_sums(
    k: Any, x: Any, e: Any, x_column: Any, right: Any, add: Any, s: Any, z: Any, c: Any
) -> None:
    """Four numbers of a row of the product, side by side."""
    y, f, y_row, y_column = right
    sums = lanes(z, s, 4) if add else zeros(4)
    for _ in range(k):
        row = lanes(y, f, 4) if y_column == 1 else strided(y, f, y_column, 4)
        sums = sums + x[e] * row
        e += x_column
        f += y_row
    put(z, c, sums)


@register_jitable(forceinline=True)
def _small(m: Any, n: Any, k: Any, left: Any, right: Any, start: Any, z: Any, z_start: Any) -> None:
    """The product for n a multiple of 4, four by four numbers at a time, from wherever they lie."""
    x, x_start, x_row, x_column = left
    y, y_start, y_row, y_column = right
    add, s_start, s_row = start
    for j in range(0, n, 4):
        e, s, c = x_start, s_start + j, z_start + j
        i = 0
        while i + 4 <= m:
            if add:
                sum0, sum1 = lanes(z, s, 4), lanes(z, s + s_row, 4)
                sum2, sum3 = lanes(z, s + 2 * s_row, 4), lanes(z, s + 3 * s_row, 4)
            else:
                sum0 = sum1 = sum2 = sum3 = zeros(4)
            here, f = e, y_start + j * y_column
            for _ in range(k):
                row = lanes(y, f, 4) if y_column == 1 else strided(y, f, y_column, 4)
                sum0 = sum0 + x[here] * row
                sum1 = sum1 + x[here + x_row] * row
                sum2 = sum2 + x[here + 2 * x_row] * row
                sum3 = sum3 + x[here + 3 * x_row] * row
                here += x_column
                f += y_row
            put(z, c, sum0)
            put(z, c + n, sum1)
            put(z, c + 2 * n, sum2)
            put(z, c + 3 * n, sum3)
            i, e, s, c = i + 4, e + 4 * x_row, s + 4 * s_row, c + 4 * n
        while i < m:
            columns = y, y_start + j * y_column, y_row, y_column
            _four_sums(k, x, e, x_column, columns, add, s, z, c)
            i, e, s, c = i + 1, e + x_row, s + s_row, c + n


@register_jitable
def _blocked(
    m: Any, n: Any, k: Any, left: Any, right: Any, start: Any, z: Any, z_start: Any
) -> None:
    """The product, up to WIDEST columns of `right` at a time: as they lie, or a panel copied."""
    x, x_start, x_row, x_column = left
    y, y_start, y_row, y_column = right
    add, s_start, s_row = start
    panel = scratch(PANEL)
    copied = y_column != 1 or (m >= MANY and k * n > NEAR)
    most = PANEL // WIDEST if copied else max(k, 1)
    first = 0
    while first == 0 or first < k:
        deep = min(most, k - first)
        rows = x, x_start + first * x_column, x_row, x_column
        if first > 0:
            add, s_start, s_row = True, z_start, n
        for j in range(0, n, WIDEST):
            width = min(WIDEST, n - j)
            block, f, across = y, y_start + first * y_row + j * y_column, y_row
            if copied:
                for t in range(deep):
                    for q in range(width):
                        panel[t * width + q] = y[f + t * y_row + q * y_column]
                block, f, across = panel, np.int64(0), np.int64(width)
            q = 0
            if width == WIDEST:
                begin, out = (add, s_start + j, s_row), (z, z_start + j, n)
                _columns_widest(m, deep, rows, block, f, across, begin, out)
                q = WIDEST
            fresh = not add or s_start != z_start
            while q < width:
                if fresh and width >= 4:  # what overlaps is written twice, and alike
                    q = min(q, width - (8 if width >= 8 else 4))
                begin, out = (add, s_start + j + q, s_row), (z, z_start + j + q, n)
                if q + 8 <= width:
                    _columns8(m, deep, rows, block, f + q, across, begin, out)
                    q += 8
                elif q + 4 <= width:
                    _columns4(m, deep, rows, block, f + q, across, begin, out)
                    q += 4
                else:
                    _columns1(m, deep, rows, block, f + q, across, begin, out)
                    q += 1
        first += most


@register_jitable(forceinline=False)
def _product(
    m: Any, n: Any, k: Any, left: Any, right: Any, start: Any, z: Any, z_start: Any
) -> None:
    """z (m x n) = left (m x k) @ right (k x n), row by row from `z_start` on. `start` is (add, a
    place in z, row step): if `add`, the numbers there are added to the product."""
    x, x_start, x_row, x_column = left
    y, y_start, y_row, y_column = right
    add, s_start, s_row = start
    if (n == 1 or m < FEW) and x_column == 1 and y_row == 1:
        for j in range(n):
            for i in range(m):
                s = z[s_start + i * s_row + j] if add else 0.0
                found = dot(x, x_start + i * x_row, y, y_start + j * y_column, k)
                z[z_start + i * n + j] = s + found
    else:
        _blocked(m, n, k, left, right, start, z, z_start)


@register_jitable
def _turned(matrix: Any) -> Any:
    buffer, start, row, column = matrix
    return buffer, start, column, row


@register_jitable
def _factors(v: Any, r: Any) -> Any:
    """m, k and n, the matrices a and b (of the first of a batch), and whether they are stored
    transposed. What has a single row or column is stored both ways at once; it is called so that
    the products below run along memory."""
    flags, m, k, n = r[3], at(r, 7), at(r, 8), at(r, 9)
    a_transposed, b_transposed = flags & A_TRANSPOSED != 0, flags & B_TRANSPOSED != 0
    if k == 1 or n == 1:
        b_transposed = k != 1
    if k == 1 or m == 1:
        a_transposed = k != 1 and not b_transposed
    one = np.int64(1)
    a, b = (v, at(r, 4), k, one), (v, at(r, 5), n, one)
    if a_transposed:
        a = v, at(r, 4), one, m
    if b_transposed:
        b = v, at(r, 5), one, k
    return m, k, n, a, b, a_transposed, b_transposed


@register_jitable
def _moved(matrix: Any, by: Any) -> Any:
    buffer, start, row, column = matrix
    return buffer, start + by, row, column


def forward(v: Any, d: Any, r: Any, p: Any) -> None:
    """out = a @ b + bias."""
    bias = r[3] & BIAS != 0, at(r, 6), np.int64(0)
    if _is_small(r) and r[9] % 4 == 0:
        m, k, n = at(r, 7), at(r, 8), at(r, 9)
        _small(m, n, k, (v, at(r, 4), k, 1), (v, at(r, 5), n, 1), bias, v, at(r, 2))
        return
    m, k, n, a, b, _, _ = _factors(v, r)
    out = at(r, 2)
    for _ in range(r[10]):
        _product(m, n, k, a, b, bias, v, out)
        a, b, out = _moved(a, r[11]), _moved(b, r[12]), out + m * n


def backward(v: Any, d: Any, r: Any, p: Any) -> None:
    """The gradients of a, g @ b', of b, a' @ g, each as its transpose where it is stored so, and
    of the bias, the sum of the rows of g."""
    flags, k, n = r[3], r[8], r[9]
    in_fours = n % 4 == 0 and (k % 4 == 0 or flags & A_WANTED == 0)
    if _is_small(r) and (in_fours or (n == 1 and k % 4 == 0)):
        _small_gradients(v, d, r)
    else:
        _gradients(v, d, r)
        if flags & BIAS_WANTED:
            _bias_gradient(d, at(r, 6), at(r, 2), at(r, 10) * at(r, 7), at(r, 9), flags)


@register_jitable
def _is_small(r: Any) -> Any:
    stored_as_named = r[3] & (A_TRANSPOSED | B_TRANSPOSED) == 0
    return stored_as_named and r[10] == 1 and at(r, 7) * at(r, 8) * at(r, 9) <= SMALL


@register_jitable(forceinline=True)
def _small_gradients(v: Any, d: Any, r: Any) -> None:
    out, a, b, bias, m, k, n = at(r, 2), at(r, 4), at(r, 5), at(r, 6), at(r, 7), at(r, 8), at(r, 9)
    add_a, add_b, add_bias = r[3] & A_WRITTEN == 0, r[3] & B_WRITTEN == 0, r[3] & BIAS_WRITTEN == 0
    if r[3] & A_WANTED:
        _small(m, k, n, (d, out, n, 1), (v, b, 1, n), (add_a, a, k), d, a)
    if r[3] & B_WANTED and n == 1:
        for j in range(0, k, 4):
            _four_sums(m, d, out, 1, (v, a + j, k, 1), add_b, b + j, d, b + j)
    elif r[3] & B_WANTED:
        _small(k, n, m, (v, a, 1, k), (d, out, n, 1), (add_b, b, n), d, b)
    if r[3] & BIAS_WANTED and n == 1:
        d[bias] = (d[bias] if add_bias else 0.0) + sum_of(d, out, m)
    elif r[3] & BIAS_WANTED:
        ones = scratch(1)
        ones[0] = 1.0
        for j in range(0, n, 4):
            _four_sums(m, ones, 0, 0, (d, out + j, n, 1), add_bias, bias + j, d, bias + j)


@register_jitable
def _gradients(v: Any, d: Any, r: Any) -> None:
    m, k, n, a, b, a_transposed, b_transposed = _factors(v, r)
    flags = r[3]
    g = d, at(r, 2), n, np.int64(1)
    for _ in range(r[10]):
        if flags & A_WANTED:
            start = flags & A_WRITTEN == 0, a[1], m if a_transposed else k
            if a_transposed:
                _product(k, m, n, b, _turned(g), start, d, a[1])
            else:
                _product(m, k, n, g, _turned(b), start, d, a[1])
        if flags & B_WANTED:
            start = flags & B_WRITTEN == 0, b[1], k if b_transposed else n
            if b_transposed:
                _product(n, k, m, _turned(g), a, start, d, b[1])
            else:
                _product(k, n, m, _turned(a), g, start, d, b[1])
        a, b, g = _moved(a, r[11]), _moved(b, r[12]), _moved(g, m * n)


@register_jitable
def _bias_gradient(d: Any, bias: Any, g: Any, m: Any, n: Any, flags: Any) -> None:
    add = flags & BIAS_WRITTEN == 0
    if n == 1:
        d[bias] = (d[bias] if add else 0.0) + sum_of(d, g, m)
    else:
        ones, zero, one = scratch(1), np.int64(0), np.int64(1)
        ones[0] = 1.0
        _blocked(one, n, m, (ones, zero, zero, zero), (d, g, n, one), (add, bias, zero), d, bias)


def extents(r: Any, p: Any) -> tuple[list[Span], list[Span]]:
    """a, b and the bias, and which of them want a gradient."""
    n, _, flags, a, b, bias, rows, inner, columns, batch, a_step, b_step = map(int, r[1:13])
    if flags >= FLAGS:
        raise ValueError(f"flags {flags} are none of a product")
    if n != batch * rows * columns:
        raise ValueError("the length is not that of the product")
    if flags & BIAS_WANTED and not flags & BIAS:
        raise ValueError("a gradient is wanted of a bias that is not there")
    last = max(batch - 1, 0)
    spans = [
        (a, last * a_step + rows * inner if batch and rows * inner else 0),
        (b, last * b_step + inner * columns if batch and inner * columns else 0),
        (bias, columns if flags & BIAS else 0),
    ]
    wants = A_WANTED, B_WANTED, BIAS_WANTED
    written = A_WRITTEN, B_WRITTEN, BIAS_WRITTEN
    for place, step in enumerate((a_step, b_step)):
        if flags & written[place] and batch != 1 and step < (rows * inner, inner * columns)[place]:
            raise ValueError("a gradient shared by a batch cannot be written, only added to")
    for place, (offset, length) in enumerate(spans):
        if flags & written[place] and not flags & wants[place]:
            raise ValueError("a gradient is written that is not wanted")
        if flags & written[place] and any(
            offset < start + many and start < offset + length
            for (start, many), want in zip(spans[:place], wants, strict=False)
            if flags & want
        ):
            raise ValueError("a gradient would be written over another one")
    reads = [span for span in spans if span[1]]
    return reads, [span for span, want in zip(spans, wants, strict=True) if flags & want]


LINEAR = Kernel("linear", forward, backward, extents)
