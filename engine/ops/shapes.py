"""Ops that move numbers without changing them."""

from __future__ import annotations

import operator

import numpy as np

from engine.extend import Op, Trial, op

reshape = op(
    "reshape",
    np.reshape,
    lambda g, y, x, shape: np.reshape(g, np.shape(x)),
    inputs=("x",),
    params={"shape": (-1,)},
    elementwise=False,
    trials=[Trial(((2, 3),), {"shape": (3, 2)}), Trial(((4,),), {"shape": (2, 2)})],
    doc="The same numbers in another shape, row by row.",
)

transpose = op(
    "transpose",
    np.transpose,
    lambda g, y, x: np.transpose(g),
    inputs=("x",),
    params={},
    elementwise=False,
    trials=[Trial(((2, 3),)), Trial(((2, 3, 4),))],
    doc="The axes in reverse order: rows become columns.",
)

swapaxes = op(
    "swapaxes",
    np.swapaxes,
    lambda g, y, x, axis1, axis2: np.swapaxes(g, axis1=axis1, axis2=axis2),
    inputs=("x",),
    params={"axis1": -1, "axis2": -2},
    elementwise=False,
    trials=[Trial(((2, 3, 4),), {"axis1": 0, "axis2": 2})],
    doc="Two axes exchanged.",
)

broadcast_to = op(
    "broadcast_to",
    np.broadcast_to,
    lambda g, y, x, shape: g,
    inputs=("x",),
    params={"shape": ()},
    elementwise=False,
    trials=[Trial(((3,),), {"shape": (2, 3)}), Trial(((2, 1),), {"shape": (2, 3)})],
    doc="x repeated along new axes and axes of length 1. Its backward is a sum over them.",
)


def _place(x, *, index, shape):
    out = np.zeros(shape, dtype=np.asarray(x).dtype)
    np.add.at(out, index, x)
    return out


place = op(
    "place",
    _place,
    lambda g, y, x, index, shape: getitem(g, index=index),
    elementwise=False,
    trials=[Trial(((3,),), {"index": (1,), "shape": (2, 3)})],
    doc="An array of zeros of the given shape with x added at an index: the backward of x[index].",
)

getitem: Op = op(
    "getitem",
    lambda x, *, index: operator.getitem(x, index),
    lambda g, y, x, index: place(g, index=index, shape=np.shape(x)),
    elementwise=False,
    trials=[Trial(((2, 3),), {"index": (1,)}), Trial(((4,),), {"index": 2})],
    doc="x[index]: one element or row of an array, counted from 0.",
)


def _parts(g, y, *xs):
    return tuple(g[i] for i in range(len(xs)))


stack = op(
    "stack",
    lambda *xs: np.stack(xs),
    _parts,
    elementwise=False,
    trials=[Trial(((3,), (3,))), Trial(((), (), ()))],
    doc="Numbers or arrays of one shape as the rows of a new array: [a, b, c].",
)
