"""Numbers and arrays as they come in from outside and go out as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.errors import InputError

FLOAT64 = np.dtype(np.float64)

DEEPEST = 32
"""Lists inside one another that an array may be given as."""


def tidy(x: Any) -> Any:
    """A float for a single number, else an array of float64."""
    if x.__class__ is np.ndarray and x.ndim and x.dtype is FLOAT64:
        return x
    return float(x) if np.ndim(x) == 0 else np.asarray(x, dtype=np.float64)


def all_finite(x: Any) -> bool:
    """Whether a number, or every number of an array, is finite."""
    return math.isfinite(x) if x.__class__ is float else bool(np.all(np.isfinite(x)))


def as_numpy(x: Any) -> Any:
    """A float as numpy's own, whose 1/0 is an infinity; an array as it is."""
    return np.float64(x) if x.__class__ is float else x


def number_or_array(
    given: Any, pointer: str, name: str, limit: int, *, what: str = "value of", finite: bool = True
) -> Any:
    """`given` as a float, or an array of float64 of at most `limit` numbers.

    Raises InputError, with `pointer`, where it is not made of real numbers (finite ones, unless
    `finite` is false); `what` and `name` say in its message what is wrong.
    """
    if given.__class__ is float and math.isfinite(given):
        return given
    if isinstance(given, (bool, str, bytes)) or _holds_other_than_numbers(given):
        raise InputError(
            f"the {what} {name} is not a number",
            code="not_a_number",
            pointer=pointer,
            hint="give a number such as 0.5, or a list of numbers",
        )
    try:
        value = tidy(np.array(given, dtype=np.float64))
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"the {what} {name} is not a number or an array of numbers",
            code="not_a_number",
            pointer=pointer,
            hint="give a number such as 0.5, or a list whose rows have the same length",
        ) from None
    if np.size(value) > limit:
        raise InputError(
            f"{name} holds {np.size(value)} numbers; at most {limit} are read",
            code="too_many_elements",
            pointer=pointer,
        )
    if finite and not np.all(np.isfinite(value)):
        raise InputError(
            f"the {what} {name} is not finite",
            code="not_finite",
            pointer=pointer,
            hint="give a number of ordinary size",
        )
    return value


def _holds_other_than_numbers(given: Any, depth: int = 0) -> bool:
    if isinstance(given, (list, tuple)):
        return depth > DEEPEST or any(
            isinstance(g, (bool, str, bytes)) or _holds_other_than_numbers(g, depth + 1)
            for g in given
        )
    return given is None or isinstance(given, Mapping)


def as_text(value: Any) -> str:
    """As short as it can be read back: 2, 0.5, [1, 2.5]."""
    if isinstance(value, float):
        whole = math.isfinite(value) and value.is_integer() and abs(value) < 1e15
        return str(int(value)) if whole and str(value) != "-0.0" else repr(value)
    return f"[{', '.join(map(as_text, value.tolist() if value.ndim == 1 else value))}]"


def digits(value: Any) -> Any:
    """A number or array of any shape, to the last bit, as JSON."""
    if value is None:
        return None
    array = np.asarray(value)
    return [list(array.shape), [float(x).hex() for x in array.ravel()]]


def pointer_part(name: str) -> str:
    """A name as one part of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")
