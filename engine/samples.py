"""What a network is called with: one sample or many, from lists, arrays or Values."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.errors import InputError
from engine.ops.shapes import stack
from engine.value import Value


def samples(x: Any, nin: int, taker: str) -> Value:
    """`x` as a Value of shape (nin,) or (n, nin); a list may hold Values among its numbers."""
    value = x if isinstance(x, Value) else _gathered(x)
    shape = np.shape(value.data)
    if len(shape) not in (1, 2):
        raise InputError(
            f"a {taker} takes one sample of {nin} numbers or a list of them, not shape {shape}",
            code="wrong_shape",
        )
    if shape[-1] != nin:
        raise InputError(
            f"this {taker} takes {nin} numbers per sample and was given {shape[-1]}",
            code="wrong_shape",
        )
    return value


def _gathered(x: Any) -> Value:
    """Numbers, or Values and numbers in lists, as one Value."""
    if isinstance(x, (list, tuple)) and _holds_value(x):
        return _stacked([_gathered(item) for item in x])
    if isinstance(x, Value):
        return x
    try:
        return Value(np.array(x, dtype=np.float64), requires_grad=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            "samples are numbers, in rows of one length", code="not_a_number"
        ) from error


def _holds_value(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return any(_holds_value(item) for item in x)
    return isinstance(x, Value)


def _stacked(items: list[Value]) -> Value:
    """Values of one shape as the rows of one Value."""
    shapes = {np.shape(item.data) for item in items}
    if len(shapes) > 1:
        raise InputError(
            f"samples need rows of one length, not {sorted(shapes)}", code="wrong_shape"
        )
    rows: Value = stack(*items)
    return rows
