"""The loss curve in the terminal."""

from __future__ import annotations

import math

import numpy as np
import pytest

from service.commands.curve import drawn


def dots(lines: list[str]) -> list[list[bool]]:
    """Rows of points, from the braille between the frame and the end of the line."""
    rows: list[list[bool]] = []
    for line in lines:
        cells = [ord(c) - 0x2800 for c in line if "\u2800" <= c <= "\u28ff"]
        if cells:
            for bits in ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80)):
                rows.append([bool(cell & bit) for cell in cells for bit in bits])
    return rows


def heights(lines: list[str]) -> list[int | None]:
    """The row of the first point in each column."""
    columns = zip(*dots(lines), strict=True)
    return [next((i for i, on in enumerate(column) if on), None) for column in columns]


def test_falling_curve_falls():
    tops = heights(drawn(np.linspace(5, 1, 200), 40, 8))
    assert tops[0] == 0
    assert tops[-1] == 31
    assert tops == sorted(tops)


def test_axis_names_extremes_and_steps():
    lines = drawn(np.linspace(5, 1, 200), 40, 8)
    assert lines[0].startswith("5.0000 ┤")
    assert lines[7].startswith("1.0000 ┤")
    assert lines[9].endswith("step 199")


def test_wide_range_is_logarithmic():
    tops = heights(lines := drawn(10.0 ** -np.linspace(0, 6, 120), 60, 10))
    assert lines[-1].strip() == "(logarithmic scale)"
    middle = tops[len(tops) // 2]
    assert middle is not None
    assert abs(middle - 20) <= 2


def test_spike_is_never_lost():
    values = np.ones(10_000)
    values[7777] = 9.0
    tops = heights(drawn(values, 30, 6))
    assert tops.count(0) >= 1


def test_non_finite_values_leave_a_gap():
    values = np.ones(60)
    values[20:40] = np.nan
    tops = heights(drawn(values, 30, 6))
    assert tops[0] is not None
    assert tops[30] is None
    assert tops[-1] is not None


def test_lone_point_is_drawn():
    tops = heights(drawn(np.array([1.0, math.nan, 2.0, math.nan, 3.0]), 30, 6))
    assert sum(top is not None for top in tops) >= 3


@pytest.mark.parametrize(
    "values", [[math.nan], [], [1.0], [1e308, -1e308], [5e-324, 1e308], [0.0, 0.0], [math.inf, 1.0]]
)
def test_any_values_are_drawn(values):
    lines = drawn(np.array(values, dtype=float), 30, 6)
    assert all(len(line) < 60 for line in lines)
    assert lines
