"""The error of difference quotients against their step: a curve on two logarithmic axes, and the
same as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from engine.check.sweep import SweepRow
from service.figures import figure, rough

WIDTH, HEIGHT = 440, 280
LEFT, RIGHT, TOP, BOTTOM = 66, 12, 12, 54
"""The picture and the room around its axes, in user units."""

FLOOR = -17
"""log10 of the smallest error drawn; an error of 0 lies there, too."""

CEILING = 4
"""log10 of the largest error drawn; what is larger lies at the edge."""

TICKS = 4
"""Decades from one number at an axis to the next."""

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Tick:
    """A number at an axis: where, and what."""

    at: float
    text: str


@dataclass(frozen=True)
class Curve:
    """A curve in pieces, each a list of points as SVG writes them; gaps are where nothing finite
    is known."""

    kind: str
    label: str
    pieces: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Sweep:
    """What the page shows of the sweep of one component."""

    name: str
    rows: Sequence[SweepRow]

    width, height = WIDTH, HEIGHT
    left, right, top, bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM

    @cached_property
    def summary(self) -> str:
        """The curve in a sentence."""
        best = min(
            (row for row in self.rows if math.isfinite(row.central_error)),
            key=lambda row: row.central_error,
            default=None,
        )
        if best is None:
            return "No difference quotient is finite here."
        off = f"off by {rough(best.central_error)}" if best.central_error else "exact"
        bends = "" if best is self.rows[0] else "larger ones see the curve bend, "
        return (
            f"The central difference is best at h = {best.h:g}, where it is {off}. Of other steps, "
            f"{bends}smaller ones lose the digits of float64."
        )

    @property
    def curves(self) -> tuple[Curve, ...]:
        """Both curves, the forward one first."""
        return (
            self._curve("forward", "forward, (f(x+h) − f(x)) / h"),
            self._curve("central", "central, (f(x+h) − f(x−h)) / 2h"),
        )

    @property
    def x_ticks(self) -> list[Tick]:
        """Numbers at the axis of steps."""
        low, high = self._steps
        return [Tick(self._x(k), _power(k)) for k in range(high, low - 1, -TICKS)]

    @property
    def y_ticks(self) -> list[Tick]:
        """Numbers at the axis of errors."""
        return [Tick(self._y(k), _power(k)) for k in range(0, FLOOR, -TICKS)]

    @property
    def table(self) -> list[dict[str, str]]:
        """The rows in figures."""
        return [
            {
                "h": f"{row.h:g}",
                "forward": figure(row.forward, 8),
                "forward_error": _error(row.forward_error),
                "central": figure(row.central, 8),
                "central_error": _error(row.central_error),
            }
            for row in self.rows
        ]

    @property
    def _steps(self) -> tuple[int, int]:
        exponents = [round(math.log10(row.h)) for row in self.rows]
        return min(exponents), max(exponents)

    @cached_property
    def _ceiling(self) -> float:
        errors = [e for row in self.rows for e in (row.forward_error, row.central_error)]
        return max((_height(e) for e in errors if math.isfinite(e)), default=0.0)

    def _x(self, exponent: float) -> float:
        low, high = self._steps
        share = (exponent - low) / max(high - low, 1)
        return round(self.left + share * (self.right - self.left), 1)

    def _y(self, exponent: float) -> float:
        top = max(math.ceil(self._ceiling), 0) + 0.5
        share = (exponent - FLOOR) / (top - FLOOR)
        return round(self.bottom - share * (self.bottom - self.top), 1)

    def _curve(self, kind: str, label: str) -> Curve:
        pieces: list[list[tuple[float, float]]] = [[]]
        for row in self.rows:
            error = getattr(row, f"{kind}_error")
            if math.isfinite(error):
                pieces[-1].append((self._x(math.log10(row.h)), self._y(_height(error))))
            elif pieces[-1]:
                pieces.append([])
        lines = tuple(" ".join(f"{x},{y}" for x, y in piece) for piece in pieces if piece)
        return Curve(kind, label, lines, tuple(point for piece in pieces for point in piece))


def _height(error: float) -> float:
    return min(max(math.log10(error), FLOOR), CEILING) if error > 0 else FLOOR


def _power(exponent: int) -> str:
    return "1" if exponent == 0 else f"10{str(exponent).translate(RAISED)}"


def _error(error: float) -> str:
    return rough(error) if math.isfinite(error) else "–"
