"""Numbers as people read and type them, for the pages and the command line."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

SHOWN = 8
"""An array with more entries than this is described, not listed."""

LARGE, SMALL = 1e6, 5e-4
"""Outside this range fixed decimals would show too many digits or none."""


def figure(x: float, decimals: int = 4) -> str:
    """The number `x` with a fixed count of decimals, or in powers of ten where those mislead."""
    x = float(x)
    if math.isnan(x):
        return "nan"
    if math.isinf(x):
        return "inf" if x > 0 else "-inf"
    if x == 0:
        return f"{0.0:.{decimals}f}"
    if SMALL <= abs(x) < LARGE:
        return f"{x:.{decimals}f}"
    return f"{x:.{max(decimals - 1, 2)}e}"


def figures(value: Any, decimals: int = 4) -> str:
    """A number or an array of any shape, in one line; a long array by its shape only."""
    array = np.asarray(value, dtype=float)
    if array.ndim == 0:
        return figure(float(array), decimals)
    if array.size > SHOWN:
        return f"array {'×'.join(str(n) for n in array.shape)}"
    return _listed(array.tolist(), decimals)


def _listed(value: Any, decimals: int) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_listed(item, decimals) for item in value) + "]"
    return figure(value, decimals)


def plain(value: Any) -> str:
    """The shortest text that reads back as exactly this number or array: `3`, not `3.0`."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(plain(item) for item in value) + "]"
    text = repr(float(value))
    return text.removesuffix(".0")


def rough(x: float | None) -> str:
    """Two digits in powers of ten, for errors and bounds; a dash for what is not known."""
    if x is None:
        return "–"
    return f"{x:.1e}" if x else "0"


def brief(x: float, decimals: int = 4) -> str:
    """All digits where they are few, so that 2 is not 2.0000; else a `figure`."""
    text = plain(x)
    return text if len(text.lstrip("-")) <= decimals + 2 else figure(x, decimals)


def apart(a: float, b: float, decimals: int = 4) -> tuple[str, str]:
    """`a` as it was typed and `b` in brief, with more digits where rounding would hide that
    they differ."""
    typed, short = plain(a), brief(b, decimals)
    if short == plain(b):
        return typed, short
    for shown in (decimals, decimals + 2, decimals + 4):
        text = figure(b, shown)
        if float(text) != float(typed) or a == b:
            return typed, text
    return typed, plain(b)


def typed(text: str) -> Any:
    """The number, or list of numbers, in `text`: `2`, `-1.5e3`, `[[1, 2], [3, 4]]`.

    Raises ValueError with a sentence for the person who typed it. `nan` and `inf` are read,
    because refusing them is for whoever asked for the number.
    """
    text = text.strip()
    if text.startswith("["):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError(
                "This list cannot be read. Write it like [1, 2] or [[1, 2], [3, 4]]."
            ) from None
        if not _numbers_only(value):
            raise ValueError("A list may hold only numbers, like [1, 2] or [[1, 2], [3, 4]].")
        return value
    try:
        return float(text.replace("−", "-"))
    except ValueError:
        pass
    if text.count(",") == 1 and _is_number(text.replace(",", ".")):
        raise ValueError(f"Write decimals with a point: {text.replace(',', '.')}.")
    raise ValueError(f"“{_short(text)}” is not a number. Write it like 2, -1.5 or 1e-3.")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers_only(value: Any) -> bool:
    if isinstance(value, list):
        return all(_numbers_only(item) for item in value)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "…"
