"""Slopes of known expressions, from forward definitions alone, against mpmath's numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import mpmath
import pytest
from flint import arb
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine import parse
from engine.check.exact import Exact
from engine.check.extrapolation import slope_of
from engine.check.slopes import Slope

mp = mpmath.MPContext()
mp.dps = 50
HUGE = mp.mpf(1e300)
EPS = mp.mpf(2) ** -50


def slope(source: str, at: Mapping[str, float], name: str = "x") -> Slope:
    """The exact slope of the output along the node `name`."""
    program = parse(source)
    values = [node.value for node in program.evaluate(at).nodes]
    place = next(i for i, node in enumerate(program.nodes) if node.name == name)

    def no_stand_in(place: int) -> Callable[..., Any]:
        raise AssertionError(f"{program.nodes[place].name} has no formula")

    return Exact(program, values, no_stand_in).slope(place)


def assert_encloses(found: Slope, true: Any) -> None:
    """The stated bound holds, and is a tight one."""
    assert found.kind == "smooth"
    assert abs(mp.mpf(found.both.slope) - true) <= mp.mpf(found.both.bound) * (1 + EPS)
    assert found.both.bound <= 2e-15 * abs(true)


SMOOTH: dict[str, tuple[str, float, Callable[[Any], Any]]] = {
    "saturated tanh": ("tanh(x)", 40.0, lambda x: mp.sech(x) ** 2),
    "tanh far out": ("tanh(x**3)", -6.7, lambda x: 3 * x**2 * mp.sech(x**3) ** 2),
    "sigmoid far out": ("sigmoid(x)", -300.0, lambda x: mp.exp(x) / (1 + mp.exp(x)) ** 2),
    "sigmoid on top": ("sigmoid(x)", 45.0, lambda x: mp.exp(-x) / (1 + mp.exp(-x)) ** 2),
    "softplus far out": ("softplus(x)", -700.0, lambda x: 1 / (1 + mp.exp(-x))),
    "tower of exp": ("exp(exp(exp(x)))", 1.5, lambda x: mp.exp(x + mp.exp(x) + mp.exp(mp.exp(x)))),
    "oscillation": ("sin(10000000000000 * x)", 1.0, lambda x: 10**13 * mp.cos(10**13 * x)),
    "sine of a large number": ("sin(x)", 1e22, mp.cos),
    "cancelling cosine": (
        "(1 - cos(x)) / x**2", 1e-8,
        lambda x: mp.sin(x) / x**2 - 2 * (1 - mp.cos(x)) / x**3,
    ),
    "cancelling root": (
        "(-1e8 + sqrt(1e8*1e8 - 4*x)) / 2", 1.0, lambda x: -1 / mp.sqrt(mp.mpf(10)**16 - 4 * x)
    ),
    "just inside the domain": ("log(x + 1e-30)", 0.0, lambda x: 1 / (x + mp.mpf(1e-30))),
    "pole": ("1 / x", 1e-13, lambda x: -1 / x**2),
    "logarithm near 0": ("log(x)", 1e-300, lambda x: 1 / x),
    "root near 0": ("sqrt(x)", 1e-15, lambda x: 1 / (2 * mp.sqrt(x))),
    "power near 0": ("x**1.5", 1e-15, lambda x: mp.mpf(3) / 2 * mp.sqrt(x)),
    "tiny input": ("exp(x) - 1", 1e-300, mp.exp),
    "huge input": ("log(x)", 1e300, lambda x: 1 / x),
    "huge factor": ("atan(1e300 * x)", 1e-300, lambda x: HUGE / (1 + (HUGE * x) ** 2)),
    "negative base": ("x**3", -2.0, lambda x: 3 * x**2),
    "negative base, negative exponent": ("x**-3", -2.0, lambda x: -3 * x**-4),
    "reused": ("x*x*x + x/x - x", 3.7, lambda x: 3 * x**2 - 1),
    "base 2": ("2**x", -3.3, lambda x: mp.log(2) * mp.mpf(2) ** x),
    "both base and exponent": ("x**x", 2.5, lambda x: x**x * (mp.log(x) + 1)),
    "right of a kink": ("relu(x) * 3", 5e-324, lambda x: mp.mpf(3)),
    "near a kink": ("abs(x - 1)", 1 + 2.0**-52, lambda x: mp.mpf(1)),
}  # fmt: skip


@pytest.mark.parametrize("case", SMOOTH)
def test_smooth_slope_is_enclosed(case: str) -> None:
    source, x, derivative = SMOOTH[case]
    assert_encloses(slope(source, {"x": x}), derivative(mp.mpf(x)))


@pytest.mark.parametrize(
    ("source", "at"),
    [
        ("relu(x) * y", {"x": -3, "y": 2}),
        ("relu(-exp(x))", {"x": 5}),
        ("x * y", {"x": 2, "y": 0}),
        ("(x - x) * exp(x)", {"x": 1}),
        ("0**x", {"x": 2}),
        ("x**0", {"x": 0}),
        ("x**2", {"x": 0}),
        ("max(x, 5)", {"x": 4}),
        ("where(y, x, 3)", {"x": 1, "y": 0}),
        ("sign(x)", {"x": 0.1}),
    ],
)
def test_slope_of_zero_is_exactly_zero(source: str, at: dict[str, float]) -> None:
    found = slope(source, at)
    assert (found.kind, found.both.slope, found.both.bound) == ("smooth", 0.0, 0.0)


@pytest.mark.parametrize(
    ("source", "at", "left", "right"),
    [
        ("abs(x)", {"x": 0}, -1, 1),
        ("relu(x)", {"x": 0}, 0, 1),
        ("max(x, y)", {"x": 2, "y": 2}, 0, 1),
        ("min(x, y)", {"x": 2, "y": 2}, 1, 0),
        ("max(x, 2*x)", {"x": 0}, 1, 2),
        ("relu(x) * exp(x) + 3*x", {"x": 0}, 3, 4),
        ("abs(x - 1e-17)", {"x": 1e-17}, -1, 1),
        ("abs(x*x - 4)", {"x": -2}, -4, 4),
        ("x + 1e-9 * abs(x)", {"x": 0}, 1 - 1e-9, 1 + 1e-9),
        ("relu(abs(x) - 0.0)", {"x": 0}, -1, 1),
        ("sqrt(x*x)", {"x": 0}, -1, 1),
    ],
)
def test_kink_gives_both_slopes(source: str, at: dict[str, float], left: float, right: float):
    found = slope(source, at)
    assert found.kind == "kink"
    assert (found.left.slope, found.right.slope) == pytest.approx((left, right), rel=1e-15)


@pytest.mark.parametrize(
    ("source", "x", "true"),
    [
        ("relu(x) - relu(-x)", 0, 1),
        ("max(x, 1) + min(x, 1)", 1, 1),
        ("abs(x) * x", 0, 0),
        ("max(x, x)", 3, 1),
        ("abs(x)**3", 0, 0),
        ("relu(x)**2", 0, 0),
        ("abs(x) - sqrt(x*x) + x", 0, 1),
    ],
)
def test_removable_kink_is_smooth(source: str, x: float, true: float) -> None:
    found = slope(source, {"x": x})
    assert found.kind == "smooth"
    assert abs(found.both.slope - true) <= found.both.bound
    assert found.both.bound <= 2e-15


@pytest.mark.parametrize(
    ("source", "at"),
    [
        ("sqrt(x)", {"x": 0}),
        ("x**0.5", {"x": 0}),
        ("x**1.5", {"x": 0}),
        ("abs(x)**0.5", {"x": 0}),
        ("max(x, 0)**0.5 - max(-x, 0)**0.5", {"x": 0}),
        ("sign(x)", {"x": 0}),
        ("where(x, 1, 2)", {"x": 0}),
        ("y**x", {"x": 3, "y": -2}),
    ],
)
def test_edge_has_no_slope(source: str, at: dict[str, float]) -> None:
    assert slope(source, at).kind == "edge"


def test_slope_along_an_intermediate_name_holds_the_rest() -> None:
    source = "s = x * x\nt = s * x\nsin(t) + s"
    x = mp.mpf(1.25)
    assert_encloses(slope(source, {"x": 1.25}, "t"), mp.cos(x**3))
    assert_encloses(slope(source, {"x": 1.25}, "s"), x * mp.cos(x**3) + 1)
    assert slope("s = x * x\ny * 2", {"x": 3, "y": 1}, "s").both.slope == 0
    assert slope("x * 2\n", {"x": 3}, "%1").both.slope == 1


def test_slope_costs_seven_runs_where_nothing_is_wrong() -> None:
    assert slope("sin(x) * exp(x)", {"x": 0.3}).evaluations == 7
    assert slope("tanh(x)", {"x": 80.0}).evaluations == 14


def test_slope_that_never_settles_is_unknown() -> None:
    found = slope_of(lambda step: arb(0) if step is None else step * (1 / step).sin(), 0.0)
    assert not math.isfinite(found.both.slope)


# -- expressions drawn at random ----------------------------------------------------------

Dual = tuple[Any, Any]
"""A value and its slope in some direction (Clifford 1873)."""

SMOOTH_RULES: dict[str, Callable[..., Dual]] = {
    "{} + {}": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "{} - {}": lambda a, b: (a[0] - b[0], a[1] - b[1]),
    "{} * {}": lambda a, b: (a[0] * b[0], a[1] * b[0] + a[0] * b[1]),
    "{} / (3 + cos({}))": lambda a, b: (
        a[0] / (3 + mp.cos(b[0])),
        a[1] / (3 + mp.cos(b[0])) + a[0] * mp.sin(b[0]) * b[1] / (3 + mp.cos(b[0])) ** 2,
    ),
    "sin({})": lambda a: (mp.sin(a[0]), mp.cos(a[0]) * a[1]),
    "tanh({})": lambda a: (mp.tanh(a[0]), mp.sech(a[0]) ** 2 * a[1]),
    "atan({})": lambda a: (mp.atan(a[0]), a[1] / (1 + a[0] ** 2)),
    "exp(sin({}))": lambda a: (mp.exp(mp.sin(a[0])), mp.exp(mp.sin(a[0])) * mp.cos(a[0]) * a[1]),
    "sigmoid({})": lambda a: (
        1 / (1 + mp.exp(-a[0])), a[1] / ((1 + mp.exp(-a[0])) * (1 + mp.exp(a[0])))
    ),
    "softplus({})": lambda a: (mp.log1p(mp.exp(a[0])), a[1] / (1 + mp.exp(-a[0]))),
    "({})**3": lambda a: (a[0] ** 3, 3 * a[0] ** 2 * a[1]),
    "sqrt(1 + ({})**2)": lambda a: (mp.sqrt(1 + a[0] ** 2), a[0] * a[1] / mp.sqrt(1 + a[0] ** 2)),
    "(2 + sin({}))**({})": lambda a, b: (
        (2 + mp.sin(a[0])) ** b[0],
        (2 + mp.sin(a[0])) ** b[0]
        * (b[1] * mp.log(2 + mp.sin(a[0])) + b[0] * mp.cos(a[0]) * a[1] / (2 + mp.sin(a[0]))),
    ),
}  # fmt: skip

KINKED_RULES: dict[str, Callable[..., Dual]] = {
    **{sign: SMOOTH_RULES[sign] for sign in ("{} + {}", "{} - {}", "{} * {}")},
    "max({}, {})": max,  # a pair compares its slopes where its values tie: a step to one side
    "min({}, {})": min,
    "relu({})": lambda a: max(a, (0, 0)),
    "abs({})": lambda a: max(a, (-a[0], -a[1])),
}


def trees(rules: Mapping[str, Any], leaves: list[str], depth: int = 4) -> st.SearchStrategy[Any]:
    """Expressions as nested tuples: a rule and its operands, down to names and numbers."""
    leaf = st.sampled_from(leaves)
    if depth == 0:
        return leaf
    below = trees(rules, leaves, depth - 1)
    return st.sampled_from(list(rules)).flatmap(
        lambda rule: st.tuples(st.just(rule), *[below] * rule.count("{}"))
    )


def text(tree: Any) -> str:
    if isinstance(tree, str):
        return tree
    return "(" + tree[0].format(*map(text, tree[1:])) + ")"


def dual(tree: Any, rules: Mapping[str, Any], leaves: Mapping[str, Dual]) -> Dual:
    """The value of a tree and its slope, by the dual numbers of `rules`."""
    if isinstance(tree, str):
        return leaves[tree]
    return rules[tree[0]](*(dual(part, rules, leaves) for part in tree[1:]))


coordinates = st.floats(-3, 3, allow_subnormal=False)


@settings(max_examples=150, deadline=None)
@given(tree=trees(SMOOTH_RULES, ["x", "y", "0.7"]), x=coordinates, y=coordinates)
def test_random_smooth_expression_has_the_slope_of_dual_numbers(tree, x, y) -> None:
    leaves = {"x": (mp.mpf(x), 1), "y": (mp.mpf(y), 0), "0.7": (mp.mpf(0.7), 0)}
    value, true = dual(tree, SMOOTH_RULES, leaves)
    assume(abs(value) < 1e100)
    found = slope(f"0*x + 0*y + {text(tree)}", {"x": x, "y": y})
    assert found.kind == "smooth"
    # mpmath's own rounding, in parts that may cancel, is far below the 50 digits of mp
    slack = mp.mpf(10) ** -40
    assert abs(mp.mpf(found.both.slope) - true) <= mp.mpf(found.both.bound) * (1 + EPS) + slack
    assert found.both.bound <= 1e-12 * abs(true) + 1e-40


@settings(max_examples=200, deadline=None)
@given(tree=trees(KINKED_RULES, ["x", "y", "1"]), x=st.integers(-2, 2), y=st.integers(-2, 2))
def test_random_kinks_have_the_two_slopes_of_dual_numbers(tree, x, y) -> None:
    """Whole numbers, so that most of these lie exactly on a kink."""

    def seen(direction: int) -> Fraction:
        leaves = {"x": (Fraction(x), direction), "y": (Fraction(y), 0), "1": (Fraction(1), 0)}
        return direction * dual(tree, KINKED_RULES, leaves)[1]

    left, right = seen(-1), seen(1)
    found = slope(f"0*x + 0*y + {text(tree)}", {"x": x, "y": y})
    assert found.kind == ("smooth" if left == right else "kink")
    assert abs(Fraction(found.left.slope) - left) <= Fraction(found.left.bound)
    assert abs(Fraction(found.right.slope) - right) <= Fraction(found.right.bound)
