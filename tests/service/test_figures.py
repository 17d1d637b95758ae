"""Numbers as people read and type them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.figures import apart, figure, figures, plain, typed


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (2.0, "2.0000"),
        (-1.4999999999999998, "-1.5000"),
        (0.0, "0.0000"),
        (1e-9, "1.000e-09"),
        (1234567.0, "1.235e+06"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_figure_never_hides_the_size(number, shown):
    assert figure(number) == shown


def test_small_array_is_listed():
    assert figures(np.array([[1.0, 2.0], [3.0, math.inf]])) == "[[1.0000, 2.0000], [3.0000, inf]]"


@given(st.floats() | st.lists(st.floats(), min_size=1, max_size=4))
def test_plain_text_reads_back(value):
    text = plain(value)
    if "nan" in text or "inf" in text:
        return
    assert np.array_equal(np.asarray(typed(text)), np.asarray(value))


@pytest.mark.parametrize(
    ("a", "b", "shown"),
    [
        (1.2, 0.9999999999999998, ("1.2", "1.0000")),
        (1.0, 1.0003, ("1", "1.0003")),
        (1.0, 1.00003, ("1", "1.000030")),
        (1.0, 1.0000000000000002, ("1", "1.0000000000000002")),
        (2.0, 2.0, ("2", "2")),
        (1.5, -0.25, ("1.5", "-0.25")),
    ],
)
def test_two_numbers_are_told_apart(a, b, shown):
    assert apart(a, b) == shown


@pytest.mark.parametrize(
    ("text", "value"),
    [(" 2 ", 2.0), ("-1.5e3", -1500.0), ("−3", -3.0), ("[1, [2, 3]]", [1, [2, 3]])],
)
def test_typed_number_is_read(text, value):
    assert typed(text) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,5", "with a point: 1.5"),
        ("two", "“two” is not a number"),
        ("", "is not a number"),
        ("[1, 2", "list cannot be read"),
        ('["a"]', "only numbers"),
        ("[true]", "only numbers"),
        ("[" * 100_000, "list cannot be read"),
        ("x" * 500, "…"),
    ],
)
def test_typed_text_is_refused_kindly(text, said):
    with pytest.raises(ValueError) as caught:
        typed(text)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 120
