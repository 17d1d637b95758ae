"""Every elementary function on balls, against mpmath as the second witness."""

from __future__ import annotations

import itertools
import math
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from flint import arb, ctx

from engine.balls import BALLS, BITS, Undecided, evaluate, precision
from engine.formula import Formula
from engine.functions import FUNCTIONS, Function
from engine.ops import OPS

DIGITS = 140  # more than the 115 of a ball, so that the witness is the sharper of the two
COMPARISONS = [row for row in FUNCTIONS if row.answers]
ARITHMETIC = [row for row in FUNCTIONS if not row.answers and row.name != "where"]

mp = mpmath.MPContext()
mp.dps = DIGITS

WITNESS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "pow": mp.power,
    "abs": abs,
    "sign": mp.sign,
    "max": max,
    "min": min,
    "logaddexp": lambda a, b: max(a, b) + mp.log1p(mp.exp(-abs(a - b))),
}
"""How mpmath spells what it does not call by the name of the row."""

GROWING = {"exp", "expm1", "sinh", "cosh", "pow"}
"""Rows that grow too fast for huge arguments."""

EDGES = (
    0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -3.0, 7.25, 40.0, -40.0, -745.0, 709.0, 1e5, 1e22, -1e22,
    1e-16, -1e-16, 1e-300, 5e-324, -5e-324, math.pi, math.pi / 2, 1 - 2.0**-53, -1 + 2.0**-53,
)  # fmt: skip


def points(row: Function) -> list[tuple[float, ...]]:
    rng = np.random.default_rng(len(row.name))
    drawn = rng.uniform(-5, 5, (40, row.arity)).tolist()
    few = EDGES if row.arity == 1 else EDGES[:12] + EDGES[15:19]
    return [*map(tuple, drawn), *itertools.product(few, repeat=row.arity)]


def true_value(row: Function, point: tuple[float, ...]) -> Any:
    """What mpmath gives; None outside the domain, and where its answer would fill the memory."""
    if row.name in GROWING and max(map(abs, point)) > 1e6:
        return None
    try:
        value = WITNESS.get(row.name, getattr(mp, row.name, None))(*map(mp.mpf, point))
    except (ValueError, ZeroDivisionError):
        return None
    return value if isinstance(value, mp.mpf) and mp.isfinite(value) else None


def fraction(x: Any) -> Fraction:
    """A ball's midpoint or radius, or a number of mpmath, as it is."""
    man, exp = map(int, x.man_exp()) if isinstance(x, arb) else (x.man * (-1) ** x._mpf_[0], x.exp)
    return Fraction(man) * Fraction(2) ** exp


@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda row: row.name)
def test_every_row_has_a_ball(row: Function) -> None:
    assert row.name in BALLS
    assert BALLS.keys() == {row.name for row in FUNCTIONS}


@pytest.mark.parametrize("row", ARITHMETIC, ids=lambda row: row.name)
def test_ball_encloses_the_value_of_mpmath(row: Function) -> None:
    compared = 0
    for point in points(row):
        true = true_value(row, point)
        with precision(BITS):
            ball = BALLS[row.name](*map(arb, point))
            if true is None:
                continue
            assert ball.is_finite(), point
            middle, radius = fraction(ball.mid()), fraction(ball.rad())
        size = abs(fraction(true))
        rounded = size * Fraction(10) ** (3 - DIGITS)
        assert abs(fraction(true) - middle) <= radius + rounded, point
        assert radius <= size * Fraction(2) ** -300, point
        compared += 1
    assert compared >= 30


@pytest.mark.parametrize(
    ("name", "point"),
    [
        ("log", (0.0,)), ("log", (-1.0,)), ("log1p", (-1.0,)), ("log1p", (-2.0,)),
        ("sqrt", (-1e-300,)), ("div", (1.0, 0.0)), ("div", (0.0, 0.0)), ("pow", (-2.0, 0.5)),
        ("pow", (0.0, -1.0)), ("pow", (0.0, -0.5)),
    ],
)  # fmt: skip
def test_ball_outside_the_domain_is_not_finite(name: str, point: tuple[float, ...]) -> None:
    with precision(BITS):
        assert not BALLS[name](*map(arb, point)).is_finite()


@pytest.mark.parametrize(
    ("base", "exponent", "power"),
    [(0, 0, 1), (0, 2, 0), (0, 0.5, 0), (-2, 3, -8), (-2, -3, -0.125), (-2, 0, 1), (4, 0.5, 2)],
)
def test_power_at_the_edges_is_exact(base: float, exponent: float, power: float) -> None:
    with precision(BITS):
        ball = BALLS["pow"](arb(base), arb(exponent))
        assert ball.contains(arb(power))
        assert ball.rad() < 1e-100


def test_power_of_zero_is_zero_for_any_positive_exponent() -> None:
    with precision(BITS):
        assert BALLS["pow"](arb(0), arb(2).sqrt()) == 0
        assert not BALLS["pow"](arb(0), arb(-2).exp() - 1).is_finite()


@pytest.mark.parametrize("row", COMPARISONS, ids=lambda row: row.name)
def test_comparison_of_sharp_numbers_is_numpys(row: Function) -> None:
    for a, b in itertools.product((-2.0, 0.0, 5e-324, 3.0), repeat=2):
        assert BALLS[row.name](arb(a), arb(b)) is bool(row.array(a, b))


@pytest.mark.parametrize("row", COMPARISONS, ids=lambda row: row.name)
def test_comparison_of_overlapping_balls_is_undecided(row: Function) -> None:
    wide = arb(1, 0.5)
    answer = BALLS[row.name](wide, arb(1.25))
    assert isinstance(answer, Undecided)
    assert answer != Undecided()


@pytest.mark.parametrize("row", COMPARISONS, ids=lambda row: row.name)
def test_comparison_of_separate_balls_is_decided(row: Function) -> None:
    for a, b in ((1.0, 5.0), (5.0, 1.0)):
        assert BALLS[row.name](arb(a, 0.5), arb(b, 0.5)) is bool(row.array(a, b))


def test_touching_balls_decide_only_what_holds_for_all() -> None:
    below, above = arb(1, 0.5), arb(2, 0.5)  # they share 1.5, up to what the radius is rounded to
    assert isinstance(BALLS["less"](below, above), Undecided)
    assert isinstance(BALLS["equal"](below, above), Undecided)


@pytest.mark.parametrize(
    ("condition", "low", "high"), [(True, 2, 2), (False, 5, 5), (Undecided(), 2, 5)]
)
def test_choice_that_is_open_is_the_hull(condition: Any, low: float, high: float) -> None:
    chosen = BALLS["where"](condition, arb(2), arb(5))
    assert chosen.contains(arb(low))
    assert chosen.contains(arb(high))
    assert float(chosen.lower()) == pytest.approx(low)
    assert float(chosen.upper()) == pytest.approx(high)


@pytest.mark.parametrize("name", ["max", "min"])
def test_greatest_and_least_of_overlapping_balls_enclose_both_answers(name: str) -> None:
    a, b = arb(1, 0.5), arb(1.25, 0.5)
    found = BALLS[name](a, b)
    choose = {"max": max, "min": min}[name]
    for x, y in itertools.product((0.6, 1.0, 1.4), (0.8, 1.25, 1.7)):
        assert found.contains(arb(choose(x, y)))


def test_sign_of_a_ball_around_zero_is_open() -> None:
    assert BALLS["sign"](arb(0, 1)).contains(arb(-1))
    assert BALLS["sign"](arb(0, 1)).contains(arb(1))
    assert BALLS["sign"](arb(0)) == 0


def test_formula_at_floats_gives_balls() -> None:
    formula = OPS["sigmoid"].formula
    assert formula is not None
    (ball,) = evaluate(formula, [-700.0])
    assert fraction(ball.rad()) < fraction(ball.mid()) / 10**100
    expected = mp.exp(-700) / (1 + mp.exp(-700))
    assert abs(fraction(ball.mid()) / fraction(expected) - 1) < Fraction(1, 10**55)


def test_formula_may_give_back_an_input_or_a_number() -> None:
    formula = Formula.trace([lambda x, y: y, lambda x, y: 2.5], ("x", "y"))
    first, second = evaluate(formula, [1.0, 7.0])
    assert (first, second) == (7, 2.5)


def test_precision_is_set_back_after_a_failure() -> None:
    before = ctx.prec
    with pytest.raises(ZeroDivisionError), precision(1000):
        assert ctx.prec == 1000
        with precision(77):
            assert ctx.prec == 77
        assert ctx.prec == 1000
        raise ZeroDivisionError
    assert ctx.prec == before


def test_threads_with_two_precisions_do_not_disturb_each_other() -> None:
    wrong: list[tuple[int, float]] = []
    interval = sys.getswitchinterval()
    third = Formula.trace([lambda x: x / 3.0], ("x",))

    def work(bits: int) -> None:
        for _ in range(300):
            (ball,) = evaluate(third, [1.0], bits)
            found = -math.frexp(float(ball.rad()))[1]
            if abs(found - bits) > 4:
                wrong.append((bits, found))

    threads = [threading.Thread(target=work, args=(bits,)) for bits in (64, 400, 900)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong
