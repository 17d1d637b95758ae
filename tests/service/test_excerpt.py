"""The place of a mistake, marked in its line."""

from __future__ import annotations

import pytest

from engine import Position
from service.excerpt import WIDTH, excerpt


def lines(source: str, line: int, column: int, length: int) -> tuple[str, str]:
    place = excerpt(source, Position(line, column, length))
    return place.text, place.carets


def test_carets_stand_below_the_mistake():
    assert lines("a = 1\ny = x^2", 2, 6, 1) == ("y = x^2", "     ^")


def test_end_of_line_is_marked():
    assert lines("y = (x", 1, 7, 1) == ("y = (x ", "      ^")


def test_tabs_keep_carets_below():
    assert lines("\ty ^ 2", 1, 4, 1) == ("\ty ^ 2", "\t  ^")


def test_wide_characters_count_double():
    assert lines("重 ^ 2", 1, 3, 1) == ("重 ^ 2", "   ^")


@pytest.mark.parametrize("place", [(0, 0, 0), (99, 99, 99), (1, 1, 10_000)])
def test_place_outside_is_harmless(place):
    text, carets = lines("x", *place)
    assert carets.strip("^ ") == ""
    assert text.strip() == "x"


def test_long_line_shows_the_place():
    source = "a + " * 500 + "x ^ 2" + " + b" * 500
    place = excerpt(source, Position(1, 2003, 1))
    assert place.marked == "^"
    assert len(place.text) < 2 * WIDTH
