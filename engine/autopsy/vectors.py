"""Parameter arrays seen as one vector, and when two such vectors are the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Arrays = Mapping[str, Array]

CLOSE = 1e-4
"""Two gradients are the same when they differ by less than this share of the larger one. What
float32 computes twice in another order agrees to some 1e-5; gradients of different steps differ
by percents."""


def joined(arrays: Arrays, names: Iterable[str]) -> Array:
    """The named arrays as one vector; empty without names."""
    return np.concatenate([np.empty(0), *(np.ravel(arrays[name]) for name in names)])


def norm(vector: Array) -> float:
    """The Euclidean length, without overflow."""
    largest = float(np.max(np.abs(vector), initial=0.0))
    return largest * float(np.linalg.norm(vector / largest)) if largest else 0.0


def cosine(a: Array, b: Array) -> float:
    """The cosine of the angle between two vectors; 0 where one of them is zero."""
    lengths = norm(a), norm(b)
    return float((a / lengths[0]) @ (b / lengths[1])) if all(lengths) else 0.0


def same(a: Array, b: Array, noise: float = 0.0) -> bool:
    """Whether two arrays are equal to CLOSE of the larger, or to `noise` of each number."""
    largest = max(float(np.max(np.abs(a), initial=0.0)), float(np.max(np.abs(b), initial=0.0)))
    return float(np.max(np.abs(a - b), initial=0.0)) <= CLOSE * largest + noise


def rounding(arrays: Arrays, names: Iterable[str]) -> float:
    """By how much a difference of two such vectors may be off, for each was rounded when stored:
    numbers that float32 can hold were most likely computed in it."""
    vector = joined(arrays, names)
    single = bool(np.all(vector == vector.astype(np.float32)))
    unit = float(np.finfo(np.float32 if single else np.float64).eps)
    return unit * float(np.max(np.abs(vector), initial=0.0))
