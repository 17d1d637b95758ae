"""Numbers and arrays of any library: recognised, read as numpy's, copied in their own kind.

torch and jax are looked up among the modules that the caller has imported, and never imported.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from engine.arrays import as_text

LIBRARIES = {"torch": "Tensor", "jax": "Array"}
"""Libraries whose arrays are handed over as their own, and what these are called there."""

BEYOND = "a whole number beyond float64"


def library(value: Any) -> str | None:
    """ "torch" or "jax" for an array of theirs."""
    for name, kind in LIBRARIES.items():
        if isinstance(value, getattr(sys.modules.get(name), kind, ())):
            return name
    return None


def plain(value: Any) -> Any:
    """Any number or array as numpy's; what is neither comes out with a dtype of another kind."""
    if library(value) == "torch":
        value = value.detach().cpu()
        value = value.double().numpy() if value.is_floating_point() else value.numpy()
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        return np.asarray(None)
    if array.dtype.name == "bfloat16" or (_of_whole_numbers(array) and not beyond_float64(array)):
        return as_float64(array)
    return array


def as_float64(array: Any) -> Any:
    """A numpy array of numbers as float64; infinite where they are beyond it."""
    with np.errstate(all="ignore"):
        return array.astype(np.float64)


def beyond_float64(array: Any) -> bool:
    """Whether an array holds whole numbers of Python's that are too large for float64."""
    if not _of_whole_numbers(array):
        return False
    try:
        array.astype(np.float64)
    except OverflowError:
        return True
    return False


def _of_whole_numbers(array: Any) -> bool:
    """Whether numpy left Python's whole numbers as they are, because int64 cannot hold them."""
    return array.dtype.kind == "O" and all(type(x) is int for x in array.flat)


def copied(value: Any) -> Any:
    """An array of its own with the same numbers; what is no array, as it is."""
    if library(value) == "torch":
        return value.detach().clone().requires_grad_(value.requires_grad)
    return value.copy() if isinstance(value, np.ndarray) else value


def alike(value: Any, array: Any) -> Any:
    """A float64 array in the kind, precision and place of `value`, infinite where that precision
    ends; whole numbers become float64."""
    with np.errstate(all="ignore"):
        return _alike(value, array)


def _alike(value: Any, array: Any) -> Any:
    kind = library(value)
    if kind == "torch":
        torch = sys.modules["torch"]
        dtype = value.dtype if value.is_floating_point() else torch.float64
        return torch.tensor(array, dtype=dtype, device=value.device)
    floating = getattr(value, "dtype", np.dtype(int)).kind not in "biu"
    dtype = value.dtype if floating else np.dtype(np.float64)
    if kind == "jax":
        return sys.modules["jax"].numpy.asarray(array.astype(dtype))
    if isinstance(value, np.ndarray):
        return array.astype(dtype)
    return dtype.type(array) if isinstance(value, np.generic) else float(array)


def shown(value: Any) -> str:
    """A number as it is, an array by its shape."""
    array = plain(value)
    if beyond_float64(array):
        return BEYOND
    if array.dtype.kind not in "fiu":
        return type(value).__name__
    return as_text(float(array)) if array.ndim == 0 else f"an array of shape {array.shape}"
