"""A curve in the terminal, in braille: two by four points in each character."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from service.figures import figure

DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bit of each point of a braille character, by column and row from the top."""

DECADES = 1.5
"""A positive curve that spans more powers of ten than this is drawn on a logarithmic scale."""


def drawn(values: NDArray[np.float64], width: int = 60, height: int = 10) -> list[str]:
    """The lines of a picture of `values` (one per step), `width` characters without the scale.

    Each column shows the least and the greatest value of its steps, so that no spike is lost;
    values that are not finite leave a gap.
    """
    known = np.where(np.isfinite(values), values, np.nan)
    finite = known[np.isfinite(known)]
    if finite.size == 0 or width < 2 or height < 2:
        return ["(no finite value to draw)"]
    least, greatest = float(finite.min()), float(finite.max())
    logarithmic = least > 0 and math.log10(greatest) - math.log10(least) > DECADES
    # Divided first: the span of very large values would not be finite.
    scale = max(abs(least), abs(greatest)) or 1.0
    scaled = np.log10(known) if logarithmic else known / scale
    low, high = _span(scaled)
    grid = np.zeros((height, width), dtype=np.uint8)
    last = None
    for column, part in enumerate(_columns(scaled, width * 2)):
        if part is None:
            last = None
            continue
        rows = [round((high - v) / (high - low) * (height * 4 - 1)) for v in part]
        top, bottom = min(rows), max(rows)
        if last is not None:  # join the columns
            top, bottom = min(top, last[1]), max(bottom, last[0])
        last = (min(rows), max(rows))
        for row in range(top, bottom + 1):
            grid[row // 4, column // 2] |= DOTS[column % 2][row % 4]
    return _framed(grid, least, greatest, len(values), logarithmic)


def _span(scaled: NDArray[np.float64]) -> tuple[float, float]:
    finite = scaled[np.isfinite(scaled)]
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _columns(scaled: NDArray[np.float64], count: int) -> list[tuple[float, float] | None]:
    """Least and greatest per column; a curve of few steps is drawn with straight lines."""
    n = len(scaled)
    if n < count:
        steps = np.linspace(0, n - 1, count)
        lines = np.interp(steps, np.arange(n), scaled)
        # A point between two gaps has no line to it, and still is a point.
        nearest = np.rint(steps).astype(int)
        points = np.where(abs(steps - nearest) <= n / count / 2, scaled[nearest], np.nan)
        joined = np.where(np.isfinite(lines), lines, points)
        return [(float(v), float(v)) if math.isfinite(v) else None for v in joined]
    found: list[tuple[float, float] | None] = []
    for part in np.array_split(scaled, count):
        good = part[np.isfinite(part)]
        found.append((float(good.min()), float(good.max())) if good.size else None)
    return found


def _framed(
    grid: NDArray[np.uint8], least: float, greatest: float, n: int, logarithmic: bool
) -> list[str]:
    labels = {0: figure(greatest), len(grid) - 1: figure(least)}
    if least == greatest:
        labels = {len(grid) // 2: figure(least)}
    margin = max(len(label) for label in labels.values())
    lines = []
    for number, row in enumerate(grid):
        label = labels.get(number, "")
        tick = "┤" if label else "│"
        lines.append(f"{label:>{margin}} {tick}{''.join(chr(0x2800 + int(c)) for c in row)}")
    width = grid.shape[1]
    lines.append(f"{'':>{margin}} └{'─' * width}")
    end = f"step {n - 1}"
    lines.append(f"{'':>{margin}}  0{end:>{width - 1}}")
    if logarithmic:
        lines.append(f"{'':>{margin}}  (logarithmic scale)")
    return lines
