"""Corners in which a checker slips: where digits, kinks or rules are not what they seem."""

from __future__ import annotations

import math
from types import MappingProxyType

import numpy as np
import pytest

from engine import check, parse
from engine.extend import op
from engine.ops import OPS
from engine.registry import Vocabulary
from tests.engine.test_local import each, plugin
from tests.engine.test_rounding import plant, verdict

__all__ = ["plant"]


def judged(source, at, claimed=None, tolerance="student"):
    return str(check(parse(source), at, claimed, tolerance, "exact").verdict)


# -- digits --------------------------------------------------------------------------------------


def test_infinite_scale_excuses_nothing():
    source = "a = x*1e200*1e200\na - a + x"
    assert judged(source, {"x": 1e-300}, {"x": 5}) == "fail"
    assert judged("a = x*1e200*1e200\nsum(a - a + x)", {"x": [1e-300]}, {"x": [5]}) == "fail"


@pytest.mark.parametrize("source", ["(tanh(x) - tanh(y))**2", "(sin(x) - sin(y))**3 + x*0"])
def test_power_of_what_cancels_is_flat(source):
    assert judged(source, {"x": 0.5, "y": 0.5}, {"x": 0}) == "pass"


def test_loss_of_a_perfect_prediction_is_flat():
    source = "mean_squared_error(tanh(x), tanh(y))"
    assert judged(source, {"x": [0.5], "y": [0.5]}, {"x": [0]}) == "pass"


def test_sine_of_a_huge_number_has_a_slope():
    right = parse("sin(x)").evaluate({"x": 1e300}).gradients["x"]
    assert judged("sin(x)", {"x": 1e300}, {"x": right}) == "pass"
    assert judged("sin(x)", {"x": 1e300}, {"x": 0}) == "fail"


@pytest.mark.parametrize(
    ("source", "x", "slope"),
    [
        ("log(x - 1e300 + 1)", 1e300, 1.0),
        ("log(1e300*x + 1)", 0, 1e300),
        ("log(x + 1e-300)", 0, 1e300),
        ("1/(1e300*(x - 1) + 1)", 1, -1e300),
    ],
)
def test_fine_features_are_no_edge(source, x, slope):
    assert judged(source, {"x": x}, {"x": slope}) == "pass"


def test_mirror_at_half_a_step_is_not_flat():
    assert judged("abs(x - c)", {"x": 0, "c": 2.0**-124}, {"x": -1}) == "pass"


@pytest.mark.parametrize("power", [1.5, 1.1])
def test_flat_point_of_a_fractional_power_passes(power):
    assert judged(f"abs(x)**{power}", {"x": 0}, {"x": 0}) == "pass"


def test_placed_number_keeps_its_digits():
    source = "sum(place(a, index=(1,), shape=(3,)))"
    assert judged(source, {"a": 2.0}, {"a": 1.0}, "strict") == "pass"


# -- losses of single numbers, and classes --------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "x", "expected"),
    [
        ("sum_squared_error(x, 1)", 1.0, "pass"),
        ("mean_squared_error(x, 1)", 1.0, "pass"),
        ("hinge(x, 1)", 1.0, "not_differentiable"),
        ("hinge(x, 1)", 1.000000000001, "pass"),
        ("hinge(x, 1)", 2.0, "pass"),
    ],
)
def test_loss_of_single_numbers_is_known_exactly(source, x, expected):
    assert judged(source, {"x": x}, {"x": 0}) == expected


@pytest.mark.parametrize("claimed", [None, {"u": [0]}])
def test_computed_classes_are_not_moved(claimed):
    program = parse("softmax_cross_entropy(p, u + 0)")
    report = check(program, {"p": [[1, 2, 3.0]], "u": [1]}, claimed)
    assert report.verdict == ("pass" if claimed is None else "not_differentiable")


# -- wrong rules of ours are no rounding ----------------------------------------------------------


@pytest.mark.parametrize("x", [3.0, 5.0])
def test_large_error_of_a_rule_is_no_rounding(plant, x):
    plant("exp", lambda g, y, x: 2 * g * y)
    assert verdict("exp(x)", {"x": x}) == "fail"


@pytest.mark.parametrize("source", ["exp(x)", "1e17 * exp(x)"])
def test_wrong_rule_with_a_tiny_slope_is_no_rounding(plant, source):
    plant("exp", lambda g, y, x: 2 * g * y)
    assert verdict(source, {"x": -40.0}) == "fail"


def test_wrong_rule_of_a_loss_is_no_rounding(plant):
    wrong = (lambda g, y, p, t: g * (p - t), lambda g, y, p, t: g * (t - p))
    plant("mean_squared_error", *wrong)
    assert verdict("mean_squared_error(x, 1)", {"x": 0.5}) == "fail"


def test_wrong_rule_in_one_entry_of_many_is_no_rounding(plant):
    plant("tanh", lambda g, y, x: g * (1 - y * y) * (x < 3))
    assert verdict("sum(tanh(x))", {"x": [*np.linspace(-2, 2, 99), 3.5]}) == "fail"


@pytest.mark.parametrize("x", [17.0, 18.0])
def test_wrong_rule_in_a_tail_is_no_rounding(plant, x):
    plant("tanh", lambda g, y, x: 2 * g * (1 - y * y))
    assert verdict("tanh(x)", {"x": x}) == "fail"
    assert verdict("sum(tanh(x))", {"x": [x]}) == "fail"


# -- plugins that cannot be seen into --------------------------------------------------------------


def opaque():
    """Ops that branch: a relu, a corner that is flat along each axis, and the larger of two."""
    made = [
        plugin(
            "prelu",
            lambda x: each(lambda t: t if t > 0 else 0.0)(x),
            lambda g, y, x: g * (np.asarray(x) > 0),
        ),
        plugin(
            "corner",
            lambda a, b: each(lambda s, t: min(s, t) if s > 0 and t > 0 else 0.0)(a, b),
            lambda g, y, a, b: g * 0,
            lambda g, y, a, b: g * 0,
        ),
        plugin(
            "larger",
            lambda a, b: each(lambda s, t: s if s > t else t)(a, b),
            lambda g, y, a, b: g * (np.asarray(a) > b),
            lambda g, y, a, b: g * (np.asarray(a) <= b),
        ),
    ]
    return Vocabulary(MappingProxyType({**OPS, **{op.name: op for op in made}}))


@pytest.mark.parametrize(
    ("x", "claim", "expected"), [(-1, 0, "pass"), (-1, 1, "fail"), (0, 1, "not_differentiable")]
)
def test_flat_side_of_a_plugin_is_seen(x, claim, expected):
    program = parse("prelu(x)", opaque())
    assert check(program, {"x": x}, {"x": claim}, method="exact").verdict == expected


def test_joint_kink_of_a_plugin_is_not_passed():
    """Along the diagonal the slopes are 1 and 2; along each axis alone they are equal."""
    program = parse("corner(x, x) + x", opaque())
    report = check(program, {"x": 0}, {"x": 1}, method="exact")
    assert report.verdict == "not_differentiable"


def test_joint_tie_of_a_plugin_is_smooth():
    program = parse("larger(x, x) + 5*x", opaque())
    assert check(program, {"x": 1}, {"x": 6}, method="exact").verdict == "pass"


def test_small_mistake_on_arrays_does_not_break_the_diagnosis():
    at, claims = {"a": [1e-20], "b": [3.0]}, {"a": [3], "b": [1.0001e-20]}
    assert check(parse("sum(a*b)"), at, claims, "strict").verdict == "fail"


# -- paths that cancel -----------------------------------------------------------------------------


def test_paths_that_cancel_sixty_times_excuse_nothing():
    """The sum over all paths is 1e16 here, and the slope is 1 all the same."""
    lines = ["t0 = x", *(f"t{i} = t{i - 1} - 0.9*(t{i - 1} - a)" for i in range(1, 61))]
    source, at = "; ".join(lines), {"x": 1, "a": 2}
    assert judged(source, at, {"a": 1}, "strict") == "pass"
    assert judged(source, at, {"a": -50}, "strict") == "fail"
    array = f"{source}; sum(t60*[1.0, 1.0])"
    assert judged(array, at, {"a": -50}, "strict") == "fail"


def test_chaos_does_not_pass_a_wrong_claim():
    lines = ["t0 = x", *(f"t{i} = 3.99*t{i - 1}*(1 - t{i - 1})" for i in range(1, 61))]
    assert judged("; ".join(lines), {"x": 0.3}, {"x": 3}, "strict") == "fail"


def test_other_order_of_the_same_sum_passes():
    source, at = "(a - b)*1e8 + (b - a)*1e8 + a*1e-9", {"a": 1.0, "b": 0.3}
    assert judged(source, at, {"b": 1e-9}, "strict") == "pass"
    assert judged(source, at, {"b": 1e-3}, "strict") == "fail"


# -- ties that float64 alone sees -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "at"),
    [
        ("max(x*3, y)", {"x": 0.1, "y": 0.1 * 3}),
        ("max(cos(y), z)", {"y": 1e-8, "z": 1}),
        ("relu(1 + x - 1)", {"x": 1e-17}),
    ],
)
def test_tie_of_float64_alone_is_rounding(source, at):
    assert judged(source, at) in ("pass", "rounding")


def test_kink_elsewhere_does_not_cancel_the_excuse():
    source, at = "sum(tanh(x)) + sum(relu(y))", {"x": [22], "y": [0]}
    assert judged(source, at, {"x": [0]}, "strict") == "rounding"


@pytest.mark.parametrize("at", [{"x": 1e12, "y": 1e12 + 1}, {"x": 1e17, "y": 1e17}])
def test_logaddexp_keeps_its_digits(at):
    assert judged("logaddexp(x, y)", at, tolerance="strict") == "pass"


# -- programs with loose ends ---------------------------------------------------------------------


def test_dead_code_beside_arrays_has_slope_zero():
    assert judged("y = x*2\nsum(z)", {"x": [1, 2], "z": [1, 2]}) == "pass"


def test_class_that_does_not_move_leaves_its_input_a_slope():
    source = "c = [sign(x)]\nsoftmax_cross_entropy(p*x, c)"
    assert judged(source, {"x": 2.0, "p": [[1, 2, 3.0]]}) == "pass"


def test_other_name_of_a_result_can_be_claimed():
    assert judged("y = x*2\nz = y\nz*z", {"x": 1.5}, {"z": 6, "x": 12}) == "pass"
    assert judged("x = 2\ny = x\ny*y", {}, {"y": 4}) == "pass"


def raising():
    """A root that raises below 0, and an op that raises anything near its point."""
    made = [
        plugin("root", lambda x: each(math.sqrt)(x), lambda g, y, x: g / (2 * y)),
        plugin("touchy", lambda x: each(touchy)(x), lambda g, y, x: g),
    ]
    return Vocabulary(MappingProxyType({**OPS, **{op.name: op for op in made}}))


def touchy(x):
    if x < 0.9:
        raise RuntimeError("too small")
    return x


@pytest.mark.parametrize("method", ["exact", "blackbox"])
@pytest.mark.parametrize(
    ("source", "x", "claim"), [("root(x)*2", 1e-4, 100), ("touchy(x)*3", 0.9001, 3)]
)
def test_plugin_that_raises_beside_the_point_accuses_nobody(source, x, claim, method):
    program = parse(source, raising())
    right = check(program, {"x": x}, {"x": claim}, method=method)
    assert right.verdict in ("pass", "inconclusive")
    assert check(program, {"x": x}, {"x": 3.3 * claim}, method=method).verdict != "pass"


def test_parameter_that_is_no_number_is_left_alone():
    scaled = op("scaled", lambda x, *, mode=None: x * x, lambda g, y, x, mode: 2 * g * x)
    program = parse("scaled(x)*3", Vocabulary(MappingProxyType({**OPS, "scaled": scaled})))
    assert check(program, {"x": 1.0}, {"x": 6}).verdict == "pass"
    assert check(program, {"x": [1.0]}, {"x": [6]}).verdict == "pass"


def test_slip_that_nothing_leads_to_is_a_slip():
    report = check(
        parse("c = a*b\nd = c*c + c\nL = d*2"),
        {"a": 2, "b": 3},
        {"d": 2, "c": 26 * (1 + 1e-4)},
        "strict",
    )
    assert report.first_wrong.name == "c"


# -- numbers that float64 had to round -------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "x"),
    [
        ("(x - 0.1 - 0.2)**2", 0.3),
        ("(3*x - 0.3)**2", 0.1),
        ("cos(math.pi*x)", 1),
        ("cos(x)", math.pi),
        ("sin(x)", math.pi / 2),
    ],
)
def test_zero_at_an_extremum_is_right_for_the_numbers_as_written(source, x):
    assert judged(source, {"x": x}, {"x": 0}, "strict") in ("pass", "rounding")
    assert judged(source, {"x": x}, {"x": 1e-3}, "strict") == "fail"


@pytest.mark.parametrize(
    ("source", "x"), [("x**2", 2.0**-60), ("x*1e-300", 1), ("exp(x)", -600), ("x**2", 0.1)]
)
def test_small_slope_is_not_zero(source, x):
    assert judged(source, {"x": x}, {"x": 0}, "strict") == "fail"
