"""Products of matrices by their kernel, against the op: as plain Python and as machine code."""

from __future__ import annotations

import ctypes
import dataclasses
import itertools

import numpy as np
import pytest

from engine.machine.compiled import compiled
from engine.machine.kernels.linear import (
    A_TRANSPOSED,
    A_WANTED,
    A_WRITTEN,
    B_TRANSPOSED,
    B_WANTED,
    B_WRITTEN,
    BIAS,
    BIAS_WANTED,
    BIAS_WRITTEN,
    LINEAR,
)
from engine.machine.record import WIDTH
from engine.ops.linalg import matmul

LAYOUTS = (0, A_TRANSPOSED, B_TRANSPOSED, A_TRANSPOSED | B_TRANSPOSED)
WANTED = A_WANTED | B_WANTED
WRITTEN = A_WRITTEN | B_WRITTEN
C_LOOP = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)
GUARD = 5


NO_POOL = np.zeros(1, np.uint32)


def plainly(kernel, v, d, row):
    """Forward, then backward, as plain Python."""
    kernel.forward(v, d, row, NO_POOL)
    kernel.backward(v, d, row, NO_POOL)


def by_machine(kernel, v, d, row):
    """Forward, then backward, as machine code."""
    code = compiled(kernel)
    for address in (code.forward, code.backward):
        C_LOOP(address)(*(array.ctypes.data for array in (v, d, row, NO_POOL)))


@pytest.fixture(params=[plainly, by_machine])
def run(request):
    """run(kernel, v, d, row): both ways to carry out a row."""
    return request.param


def matrix(offset, rows, columns, transposed, step=0, batch=1):
    """The strided view of a buffer's numbers that a row's fields describe."""

    def view(buffer):
        shape = (batch, columns, rows) if transposed else (batch, rows, columns)
        strides = (8 * step, 8 * shape[2], 8)
        stored = np.lib.stride_tricks.as_strided(buffer[offset:], shape, strides)
        return stored.swapaxes(1, 2) if transposed else stored

    return view


def carry(run, m, k, n, flags, batch=1, shared=(False, False), seed=1, kernel=LINEAR):
    """Compare one row with the op: the product, each gradient, and that nothing else changes."""
    dice = np.random.default_rng(seed)
    a_step, b_step = (0 if s else size for s, size in zip(shared, (m * k, k * n), strict=True))
    sizes = (1 if shared[0] else batch) * m * k, (1 if shared[1] else batch) * k * n
    a = GUARD
    b, bias = a + sizes[0], a + sum(sizes)
    out = bias + n
    end = out + batch * m * n
    row = np.zeros(WIDTH, np.uint32)
    row[1:13] = batch * m * n, out, flags, a, b, bias, m, k, n, batch, a_step, b_step
    v, d = dice.standard_normal((2, end + GUARD))
    v[out:end] = np.nan
    view_a = matrix(a, m, k, bool(flags & A_TRANSPOSED), a_step, batch)
    view_b = matrix(b, k, n, bool(flags & B_TRANSPOSED), b_step, batch)
    left, right = np.array(view_a(v)), np.array(view_b(v))
    g = d[out:end].reshape(batch, m, n).copy()
    y = matmul(left, right) + (v[bias:out] if flags & BIAS else 0.0)
    pulled = matmul.pull(g, y, (left, right), {}, (True, True))
    expected_v, expected_d = v.copy(), d.copy()
    expected_v[out:end] = y.ravel()
    if flags & A_WANTED:
        add(view_a(expected_d), pulled[0], flags & A_WRITTEN)
    if flags & B_WANTED:
        add(view_b(expected_d), pulled[1], flags & B_WRITTEN)
    if flags & BIAS_WANTED:
        add(expected_d[bias:out], g.sum((0, 1)), flags & BIAS_WRITTEN)
    for (offset, size), written in zip(
        ((a, sizes[0]), (b, sizes[1]), (bias, n)),
        (A_WRITTEN, B_WRITTEN, BIAS_WRITTEN),
        strict=True,
    ):
        if flags & written:
            d[offset : offset + size] = np.nan  # a number that is written is not read
    reads, gradients = kernel.extents(row, None)
    assert all(start >= GUARD and start + size <= out for start, size in [*reads, *gradients])
    run(kernel, v, d, row)
    tolerance = 1e-13 * (10 + m + n + k)
    np.testing.assert_allclose(v, expected_v, rtol=0, atol=tolerance)
    np.testing.assert_allclose(d, expected_d, rtol=0, atol=tolerance * batch)


def add(target, gradient, written):
    """Add to each number, once for each time it is part of the (perhaps shared) target."""
    if written:
        target[...] = 0.0
    if target.ndim == 3 and target.strides[0] == 0:
        target[:1] += gradient.sum(0)
    else:
        target += gradient


@pytest.mark.parametrize("layout", LAYOUTS)
def test_products_of_every_small_shape_equal_the_op(run, layout):
    sizes = (1, 2, 4, 9)
    for m, k, n in itertools.product(sizes, sizes, sizes):
        carry(run, m, k, n, layout | WANTED)
        carry(run, m, k, n, layout | WANTED | WRITTEN)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_products_of_random_shapes_equal_the_op(run, layout):
    dice = np.random.default_rng(layout)
    for seed in range(25):
        m, k, n = dice.integers(1, 41, 3)
        bias = int(dice.choice([0, BIAS, BIAS | BIAS_WANTED, BIAS | BIAS_WANTED | BIAS_WRITTEN]))
        wanted = int(dice.choice([0, A_WANTED, B_WANTED, WANTED, WANTED | WRITTEN]))
        carry(run, m, k, n, layout | bias | wanted, seed=seed)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_product_in_several_panels_equals_the_op(run, layout):
    everything = layout | WANTED | BIAS | BIAS_WANTED
    carry(run, 40, 300, 21, everything)
    carry(run, 300, 21, 40, everything | WRITTEN)
    carry(run, 21, 40, 300, everything)


@pytest.mark.parametrize("empty", [(0, 3, 2), (3, 0, 2), (3, 2, 0), (0, 0, 0), (0, 0, 2)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_product_without_numbers_gives_zeros(run, layout, empty):
    carry(run, *empty, layout | WANTED)
    carry(run, *empty, layout | WANTED | WRITTEN | BIAS | BIAS_WANTED | BIAS_WRITTEN)


@pytest.mark.parametrize("shared", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_batch_equals_the_op_and_shares_a_matrix(run, layout, shared):
    everything = layout | WANTED | BIAS | BIAS_WANTED
    for batch in (0, 1, 3):
        carry(run, 4, 3, 5, everything | BIAS_WRITTEN, batch, shared)
    if not any(shared):
        carry(run, 4, 3, 5, everything | WRITTEN, 3, shared)


def test_a_matrix_times_itself_gets_both_gradients(run):
    dice = np.random.default_rng(3)
    for flags in (WANTED, WANTED | A_WRITTEN):
        row = np.zeros(WIDTH, np.uint32)
        row[1:13] = 25, 25, flags, 0, 0, 0, 5, 5, 5, 1, 0, 0
        v, d = dice.standard_normal((2, 50))
        a, g = v[:25].reshape(5, 5).copy(), d[25:].reshape(5, 5).copy()
        before = d[:25].copy() if flags == WANTED else np.zeros(25)
        LINEAR.extents(row, None)
        run(LINEAR, v, d, row)
        np.testing.assert_allclose(v[25:], (a @ a).ravel(), atol=1e-12)
        np.testing.assert_allclose(d[:25], before + (g @ a.T + a.T @ g).ravel(), atol=1e-12)


def test_a_network_layer_keeps_infinities_where_they_belong(run):
    row = np.zeros(WIDTH, np.uint32)
    row[1:13] = 16, 32, 0, 0, 16, 0, 4, 4, 4, 1, 0, 0
    v = np.ones(48)
    v[5] = np.inf
    run(LINEAR, v, np.zeros(48), row)
    assert np.array_equal(np.flatnonzero(np.isinf(v[32:])), [4, 5, 6, 7])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({3: 512}, "flags"),
        ({1: 7}, "length"),
        ({3: BIAS_WANTED}, "bias"),
        ({3: A_WRITTEN}, "not wanted"),
        ({3: WANTED | B_WRITTEN, 5: 1}, "over another"),
        ({1: 24, 3: A_WANTED | A_WRITTEN, 10: 2}, "shared"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(fields, reason):
    row = np.zeros(WIDTH, np.uint32)
    row[1:13] = 12, 100, WANTED, 0, 12, 0, 3, 4, 4, 1, 0, 0
    LINEAR.extents(row, None)
    for field, value in fields.items():
        row[field] = value
    with pytest.raises(ValueError, match=reason):
        LINEAR.extents(row, None)


def test_a_forgotten_transpose_is_caught():
    def forward(v, d, r, p):
        plain = r.copy()
        plain[3] &= ~np.uint32(B_TRANSPOSED)
        LINEAR.forward(v, d, plain, p)

    wrong = dataclasses.replace(LINEAR, forward=forward)
    carry(plainly, 3, 4, 5, WANTED | B_TRANSPOSED)
    with pytest.raises(AssertionError):
        carry(plainly, 3, 4, 5, WANTED | B_TRANSPOSED, kernel=wrong)
