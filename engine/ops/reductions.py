"""Many numbers into few."""

from __future__ import annotations

import numpy as np

from engine.extend import Op, Trial, op


def _spread(g, x, axis, keepdims):
    """`g`, one number for each slice of `x` along `axis`, over the whole slice again."""
    shape = np.shape(x)
    if shape and axis is not None and not keepdims:
        axes = {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))}
        g = np.reshape(g, tuple(1 if i in axes else n for i, n in enumerate(shape)))
    return np.broadcast_to(g, shape)


TRIALS = [
    Trial(((2, 3),)),
    Trial(((2, 3),), {"axis": 0}),
    Trial(((2, 3, 2),), {"axis": (0, 2)}),
    Trial(((2, 3),), {"axis": -1, "keepdims": True}),
]

sum = op(
    "sum",
    np.sum,
    lambda g, y, x, axis, keepdims: _spread(g, x, axis, keepdims),
    inputs=("x",),
    params={"axis": None, "keepdims": False},
    elementwise=False,
    trials=TRIALS,
    doc="The sum of all numbers, or along an axis.",
)

mean = op(
    "mean",
    np.mean,
    lambda g, y, x, axis, keepdims: (
        _spread(g, x, axis, keepdims) * (np.size(y) / np.size(x) if np.size(x) else 0.0)
    ),
    inputs=("x",),
    params={"axis": None, "keepdims": False},
    elementwise=False,
    trials=TRIALS,
    doc="The mean of all numbers, or along an axis.",
)


def _logsumexp(x, *, axis=-1):
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    return np.squeeze(top + np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)), axis)


logsumexp = op(
    "logsumexp",
    _logsumexp,
    lambda g, y, x, axis: _spread(g, x, axis, False) * softmax(x, axis=axis),
    elementwise=False,
    trials=[Trial(((4,),)), Trial(((2, 3),)), Trial(((2, 3),), {"axis": 0})],
    doc="log(sum(exp(x))) along an axis, without overflow.",
)


def _softmax(x, *, axis=-1):
    shifted = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return shifted / np.sum(shifted, axis=axis, keepdims=True)


softmax: Op = op(
    "softmax",
    _softmax,
    lambda g, y, x, axis: y * (g - np.sum(g * y, axis=axis, keepdims=True)),
    elementwise=False,
    trials=[Trial(((4,),)), Trial(((2, 3),)), Trial(((2, 3),), {"axis": 0})],
    doc="exp(x) along an axis, scaled so that it sums to 1.",
)
