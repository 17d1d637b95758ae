"""Claims for intermediate results: where they first part from the truth, and what only follows."""

from __future__ import annotations

import pytest

from engine import check, parse, sweep
from engine.errors import InputError

LECTURE = "e = a*b\nd = e + c\nL = d*f"
AT = {"a": 2.0, "b": -3.0, "c": 10.0, "f": -2.0}


def test_right_intermediates_pass():
    report = check(parse(LECTURE), AT, {"d": -2, "e": -2, "a": 6})
    assert report.verdict == "pass"
    assert report.first_wrong is None


def test_one_slip_is_not_punished_twice():
    """The minus of f is lost at L = d*f; all that comes after is carried on consistently."""
    report = check(parse(LECTURE), AT, {"d": 2, "e": 2, "c": 2, "a": -6, "f": 4})
    first = report.first_wrong
    assert (first.name, first.claim, first.expected) == ("d", 2.0, -2.0)
    assert first.place.equation == 3
    assert set(first.follow) == {"e", "c", "a"}
    assert first.others == ()
    assert {c.input for c in report.components if c.follows} == {"e", "c", "a"}
    assert "equation 3" in first.explanation
    assert "no new mistake" in first.explanation


def test_second_slip_is_told_apart():
    report = check(parse(LECTURE), AT, {"d": 2, "e": 2, "a": 5})
    assert report.first_wrong.follow == ("e",)
    assert report.first_wrong.others == ("a",)


def test_slip_after_right_intermediates_is_placed():
    report = check(parse(LECTURE), AT, {"d": -2, "e": -2, "a": 4, "b": -4})
    first = report.first_wrong
    assert (first.name, first.place.equation) == ("a", 1)
    assert "from your -2 for e" in first.explanation


def test_inputs_alone_tell_no_first_equation():
    assert check(parse(LECTURE), AT, {"a": 4}).first_wrong is None


def test_first_of_two_slips_is_diagnosed():
    report = check(parse(LECTURE), AT, {"d": 4, "e": 4, "a": -12, "c": 5})
    assert report.first_wrong.others == ("c",)
    assert [d.mistake for d in report.diagnoses] == ["swap_mul"]


def test_output_does_not_start_with_another_number():
    first = check(parse(LECTURE), AT, {"L": 2, "d": -4}).first_wrong
    assert (first.name, first.expected, first.follow) == ("L", 1.0, ("d",))


def test_parts_of_a_name_used_twice_come_together():
    first = check(parse("u = a*b\nL = u + sin(a)*u"), {"a": 1.0, "b": 2.0}, {"u": 1.3})
    assert "where the parts from equations 3 and 4 come together" in first.first_wrong.explanation


def test_other_branch_does_not_follow():
    """a follows from e, and has nothing to do with g."""
    program = parse("e = a*b\ng = c + d\nL = e*g")
    at = {"a": 3, "b": 16, "c": 2, "d": 1}
    first = check(program, at, {"e": 6, "a": 96, "g": 50}).first_wrong
    assert (first.name, first.follow, first.others) == ("g", (), ("e",))


def test_one_mistake_for_all_claims_is_no_row_of_slips():
    program = parse("e = sqrt(a**2 + b)\nL = log(e)/c")
    report = check(program, {"a": 3, "b": 16, "c": 2}, {"e": 0.1, "a": 0.6, "b": 0.1, "c": -0.4024})
    assert report.diagnoses[0].mistake == "drop_factor"
    assert report.first_wrong is None


def test_name_bound_again_is_claimed_by_its_last_binding():
    program = parse("c = a*2\nc = c + a\nL = c*c")
    report = check(program, {"a": 1.5}, {"c": 9, "c@1": 9, "a": 27})
    assert report.verdict == "pass"


def test_sweep_shows_the_valley():
    rows = sweep(parse("o = tanh(x*w)"), {"x": 0.7, "w": -1.2}, "x")
    assert [row.h for row in rows][:3] == [1.0, 0.1, 0.01]
    best = min(row.central_error for row in rows)
    assert best < 1e-9
    assert rows[0].central_error > 1e-2
    assert rows[-1].central_error > 1e-2
    assert rows[3].forward_error > 100 * rows[3].central_error


def test_sweep_of_an_array_entry():
    rows = sweep(parse("sum(x**3)"), {"x": [1.0, 2.0]}, "x", (1,))
    assert rows[3].central == pytest.approx(12, rel=1e-5)


def test_sweep_takes_the_slope_that_is_known():
    program = parse("sum(x**3)")
    found = sweep(program, {"x": [1.0, 2.0]}, "x", (1,))
    assert sweep(program, {"x": [1.0, 2.0]}, "x", (1,), 12.0) == found
    off = sweep(program, {"x": [1.0, 2.0]}, "x", (1,), 10.0)
    assert off[3].central_error == pytest.approx(0.2, rel=1e-5)


def test_sweep_at_a_kink_is_empty():
    assert sweep(parse("abs(x)"), {"x": 0}, "x") == ()


def test_sweep_of_an_unknown_name_is_refused():
    with pytest.raises(InputError, match="y is not an input"):
        sweep(parse("abs(x)"), {"x": 0}, "y")


@pytest.mark.parametrize(
    ("source", "at", "tolerance", "words"),
    [
        ("relu(x)*3", {"x": -2}, "student", "could hardly fail"),
        ("x**2", {"x": 2}, 0.5, "is loose"),
    ],
)
def test_comparison_that_cannot_fail_says_so(source, at, tolerance, words):
    [warning] = check(parse(source), at, None, tolerance).warnings
    assert words in warning


def test_sound_comparison_has_no_warning():
    assert check(parse(LECTURE), AT).warnings == ()


@pytest.mark.parametrize("index", [(), (5,), (0, 0)])
def test_sweep_of_an_entry_that_is_not_there_is_refused(index):
    with pytest.raises(InputError, match="entry"):
        sweep(parse("sum(x**3)"), {"x": [1.0, 2.0]}, "x", index or None)


def test_sweep_needs_one_number_as_output():
    with pytest.raises(InputError, match="one number"):
        sweep(parse("x*2"), {"x": [1.0, 2.0]}, "x", (0,))
