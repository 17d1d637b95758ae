"""Matrix products."""

from __future__ import annotations

import numpy as np

from engine.extend import Trial, op, unbroadcast


def _matrices(g, a, b):
    """`g`, `a` and `b` as matrices: a vector on the left is a row, on the right a column."""
    left, right = np.shape(a), np.shape(b)
    if len(left) == 1:
        a = np.reshape(a, (1, *left))
    if len(right) == 1:
        b = np.reshape(b, (*right, 1))
    if len(left) == 1 or len(right) == 1:
        rows, columns = np.shape(a)[-2], np.shape(b)[-1]
        stacked = np.broadcast_shapes(np.shape(a)[:-2], np.shape(b)[:-2])
        g = np.reshape(g, (*stacked, rows, columns))
    return g, a, b


def _left(g, y, a, b):
    g, matrix, b = _matrices(g, a, b)
    d = np.matmul(g, np.swapaxes(b, axis1=-1, axis2=-2))
    return np.reshape(unbroadcast(d, np.shape(matrix)), np.shape(a))


def _right(g, y, a, b):
    g, a, matrix = _matrices(g, a, b)
    d = np.matmul(np.swapaxes(a, axis1=-1, axis2=-2), g)
    return np.reshape(unbroadcast(d, np.shape(matrix)), np.shape(b))


matmul = op(
    "matmul",
    np.matmul,
    (_left, _right),
    inputs=("a", "b"),
    elementwise=False,
    trials=[
        Trial(((2, 3), (3, 4))),
        Trial(((3,), (3, 4))),
        Trial(((2, 3), (3,))),
        Trial(((3,), (3,))),
        Trial(((5, 2, 3), (3, 4))),
        Trial(((3,), (5, 3, 4))),
        Trial(((5, 2, 3), (3,))),
    ],
    doc="The matrix product a @ b.",
)
