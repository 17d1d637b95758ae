"""Backward rules as text: right ones pass however they are written, wrong ones are named."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine import InputError, Verdict
from engine.check.exact import formula_slope
from engine.check.rule.kinks import kinks_between
from engine.check.rule.vocabulary import ALIKE, FUNCTIONS, LOCAL, local
from engine.check.rules import check_rule
from engine.domain import above, between
from engine.errors import ExpressionError
from engine.exam.points import worked_out
from engine.ops import OPS
from engine.rule_text import formula

RIGHT = [
    ("tanh(x)", {"x": "g*(1 - y**2)"}),
    ("tanh(x)", {"x": "g - g*y*y"}),
    ("tanh(x)", {"x": "g*(1 - y)*(1 + y)"}),
    ("tanh(x)", {"x": "g*(1 - tanh(x)**2)"}),
    ("tanh(x)", {"x": "g/cosh(x)**2"}),
    ("tanh(x)", {"x": "4*g/(exp(x) + exp(-x))**2"}),
    ("tanh(x)", {"x": "g*(1 - ((exp(2*x) - 1)/(exp(2*x) + 1))**2)"}),
    ("(exp(x) - exp(-x))/(exp(x) + exp(-x))", {"x": "g*(1 - y**2)"}),
    ("sigmoid(x)", {"x": "g*y*(1 - y)"}),
    ("sigmoid(x)", {"x": "g*sigmoid(x)*sigmoid(-x)"}),
    ("sigmoid(x)", {"x": "g*exp(-x)/(1 + exp(-x))**2"}),
    ("sigmoid(x)", {"x": "g*(exp(x)/(1 + exp(x)) - (exp(x)/(1 + exp(x)))**2)"}),
    ("1/(1 + exp(-x))", {"x": "g*(y - y**2)"}),
    ("exp(x)", {"x": "g*y"}),
    ("exp(x)", {"x": "g*exp(x)"}),
    ("exp(x)", {"x": "g/exp(-x)"}),
    ("log(x)", {"x": "g/x"}),
    ("log(x)", {"x": "g*exp(-y)"}),
    ("sqrt(x)", {"x": "g/(2*y)"}),
    ("sqrt(x)", {"x": "0.5*g*x**-0.5"}),
    ("sqrt(x)", {"x": "g*y/(2*x)"}),
    ("sin(x)", {"x": "g*cos(x)"}),
    ("cos(x)", {"x": "-g*sin(x)"}),
    ("tan(x)", {"x": "g*(1 + y**2)"}),
    ("tan(x)", {"x": "g/cos(x)**2"}),
    ("atan(x)", {"x": "g/(1 + x**2)"}),
    ("softplus(x)", {"x": "g*sigmoid(x)"}),
    ("softplus(x)", {"x": "g*(1 - exp(-y))"}),
    ("log(1 + exp(x))", {"x": "g*exp(x)/(1 + exp(x))"}),
    ("relu(x)", {"x": "g*(x > 0)"}),
    ("relu(x)", {"x": "g*(x >= 0)"}),
    ("relu(x)", {"x": "where(x > 0, g, 0)"}),
    ("relu(x)", {"x": "g*(y > 0)"}),
    ("relu(x)", {"x": "g*0.5*(sign(x) + 1)"}),
    ("relu(x)", {"x": "g*y/x"}),
    ("max(x, 0)", {"x": "g*(y == x)"}),
    ("abs(x)", {"x": "g*sign(x)"}),
    ("abs(x)", {"x": "where(x < 0, -g, g)"}),
    ("abs(x)", {"x": "g*x/y"}),
    ("x**3", {"x": "3*g*x**2"}),
    ("x**3", {"x": "3*g*y/x"}),
    ("x*x", {"x": "2*g*x"}),
    ("1/x", {"x": "-g*y**2"}),
    ("1/x", {"x": "-g/x**2"}),
    ("a*b", {"a": "g*b", "b": "g*a"}),
    ("a*b", {"a": "g*y/a"}),
    ("a/b", {"a": "g/b", "b": "-g*a/b**2"}),
    ("a/b", {"a": "g/b", "b": "-g*y/b"}),
    ("a - b", {"a": "g", "b": "-g"}),
    ("a**b", {"a": "g*b*a**(b - 1)", "b": "g*y*log(a)"}),
    ("a**b", {"a": "g*y*b/a", "b": "g*log(a)*exp(b*log(a))"}),
    ("max(a, b)", {"a": "g*(a > b)", "b": "g*(a <= b)"}),
    ("max(a, b)", {"a": "g*((a > b) + 0.5*(a == b))", "b": "where(b > a, g, 0)"}),
    ("min(a, b)", {"a": "g*(y == a)", "b": "g*(y == b)"}),
    ("logaddexp(a, b)", {"a": "g*exp(a)/(exp(a) + exp(b))", "b": "g*exp(b - y)"}),
    ("x*sigmoid(x)", {"x": "s = sigmoid(x)\ng*(s + y*(1 - s))"}),
    ("exp(-x**2)", {"x": "-2*g*x*y"}),
    ("max(-1, min(1, x))", {"x": "g*(x > -1)*(x < 1)"}),
    ("where(x > 0, x, 0.1*x)", {"x": "where(x > 0, g, 0.1*g)"}),
    ("sqrt(1 - x**2)", {"x": "-g*x/y"}),
    ("a*b + c", {"a": "g*b", "b": "g*a", "c": "g"}),
]


@pytest.mark.parametrize(("forward", "backward"), RIGHT, ids=str)
def test_right_rule_passes_however_it_is_written(forward, backward):
    report = check_rule(forward=forward, backward=backward)
    assert report.verdict == "pass", report.explanation
    assert all(rule.points >= 8 for rule in report.rules)
    assert all(rule.diagnosis is None and rule.counterexample is None for rule in report.rules)


WRONG = [
    # the use of the upstream gradient
    ("tanh(x)", "x", "1 - y**2", "upstream_ignored"),
    ("a*b", "a", "b", "upstream_ignored"),
    ("sin(x)", "x", "2*cos(x)", "upstream_ignored"),
    ("relu(x)", "x", "g*(g > 0)", "mask_from_gradient"),
    ("relu(x)", "x", "g*(g > 0)*(x > 0)", "mask_from_gradient"),
    ("relu(x)", "x", "max(g, 0)", "mask_from_gradient"),
    ("tanh(x)", "x", "g**2*(1 - y**2)", "upstream_not_linear"),
    ("exp(x)", "x", "abs(g)*y", "upstream_not_linear"),
    ("sin(x)", "x", "g*cos(x) + 1", "upstream_not_linear"),
    ("exp(x)", "x", "max(-10, min(10, g))*y", "upstream_not_linear"),
    ("exp(x)", "x", "sign(g)*y", "upstream_not_linear"),
    ("exp(x)", "x", "g**2/g*y", "upstream_not_linear"),
    # the local derivative
    ("tanh(x)", "x", "g", "drop_factor"),
    ("a*b", "b", "g", "drop_factor"),
    ("sin(x**2)", "x", "g*cos(x**2)", "drop_factor"),
    ("exp(sin(x))", "x", "g*cos(x)", "drop_factor"),
    ("tanh(x)", "x", "0*g", "missing"),
    ("a - b", "b", "g", "sign_op"),
    ("cos(x)", "x", "g*sin(x)", "sign_op"),
    ("-x", "x", "g", "sign_op"),
    ("x**2", "x", "g*x", "pow_no_coef"),
    ("x**3", "x", "3*g*x**3", "pow_off_by_one"),
    ("a**b", "a", "g*a**(b - 1)", "pow_no_coef"),
    ("a**b", "a", "g*b*a", "unlisted_rule"),
    ("a**b", "b", "g*b*a**(b - 1)", "swap_operands"),
    ("a**b", "b", "g*y*log(b)", "wrong_variable"),
    ("a/b", "b", "-g*a/b", "div_no_square"),
    ("1/x", "x", "-g/x", "div_no_square"),
    ("a/b", "b", "g*a/b**2", "sign_op"),
    ("a/b", "a", "-g*a/b**2", "swap_operands"),
    ("a*b", "a", "g*a", "swap_operands"),
    ("tanh(x)", "x", "g*(1 - x**2)", "input_not_output"),
    ("exp(x)", "x", "g*x", "input_not_output"),
    ("sigmoid(x)", "x", "g*x*(1 - x)", "input_not_output"),
    ("sigmoid(x)", "x", "g*y*(1 - x)", "input_not_output"),
    ("log(x)", "x", "g/y", "output_not_input"),
    ("sin(x)", "x", "g*cos(y)", "output_not_input"),
    ("sqrt(x)", "x", "g/y", "common_factor"),
    ("tanh(2*x)", "x", "g*(1 - y**2)", "common_factor"),
    ("log(x)/log(10)", "x", "g/x", "common_factor"),
    ("tanh(x)", "x", "g*(1 - y**2)**2", "rule_twice"),
    ("log(x)", "x", "g*x", "reciprocal"),
    ("tanh(x)", "x", "g/cosh(x)", "unlisted_rule"),
    ("exp(x)", "x", "g*x*exp(x - 1)", "unlisted_rule"),
    ("tanh(x)", "x", "g*y*(1 - y)", "other_function"),
    ("tanh(x)", "x", "g*(1 - y)", "unlisted_rule"),
    ("softplus(x)", "x", "g*(x > 0)", "other_function"),
    ("relu(x)", "x", "g*sigmoid(x)", "other_function"),
    (
        "x*sigmoid(1.702*x)",
        "x",
        (
            "k = sqrt(2/pi); t = tanh(k*(x + 0.044715*x**3)); "
            "g*(1 + t + x*k*(1 - t**2)*(1 + 0.134145*x**2))/2"
        ),
        "other_function",
    ),
    ("sin(x)", "x", "g*sin(x)", "wrong_function"),
    ("relu(x)", "x", "g*(x > 0.004)", "wrong_constant"),
    ("exp(x)", "x", "g*y*(abs(x - 0.4321) > 0.001)", "wrong_rule"),
    ("x**2", "x", "g*where((x > 1.9)*(x < 2.2), 0, 2*x)", "wrong_rule"),
    ("x**2", "x", "g*2*exp(log(x))", "no_value"),
    ("exp(3*x)*x", "x", "g*(exp(3*x) + 2*y)", "wrong_constant"),
    # kinks
    ("relu(x)", "x", "g", "mask_missing"),
    ("relu(x)", "x", "g*(x < 0)", "mask_inverted"),
    ("max(a, b)", "a", "g", "max_both"),
    ("max(a, b)", "a", "g*(a < b)", "max_wrong_branch"),
    ("where(x > 0, x, 0.1*x)", "x", "g", "one_sided"),
    ("where(x > 0, x, exp(x) - 1)", "x", "g*(x > 0)", "one_sided"),
    ("max(-1, min(1, x))", "x", "g*(x < 1)", "one_sided"),
    ("min(max(x, 0), 6)", "x", "g*(x > 0)", "one_sided"),
    ("log(min(x, 50))", "x", "g/min(x, 50)", "mask_missing"),
]


@pytest.mark.parametrize(("forward", "name", "rule", "mistake"), WRONG, ids=str)
def test_wrong_rule_is_caught_and_named(forward, name, rule, mistake):
    report = check_rule(forward=forward, backward={name: rule})
    (judged,) = report.rules
    assert report.verdict == judged.verdict == "fail"
    assert judged.diagnosis is not None, judged.explanation
    assert judged.diagnosis.mistake == mistake, judged.diagnosis.explanation
    assert judged.diagnosis.place.variable == name


UNNAMED = [
    ("tanh(x)", "x", "g*(1.1 - x*y + y**3)"),
    ("exp(x)", "x", "g*(1 + x + x**2/2 + x**3/6 + x**4/24 + x**5/120)"),
    ("a*b", "a", "g*b*(1.00001 + 0.00002*a)"),
    ("abs(x)", "x", "where(x == 0, 7*g, g*sign(x))"),
    ("x**2", "x", "g*(sqrt(x) + x**3)"),
    ("relu(x - 0.7)", "x", "g*((x > 0.7) + 5*(x == 0.7))"),
    ("max(a, b)", "a", "g*((a > b) + 3*(a == b))"),
]


@pytest.mark.parametrize(("forward", "name", "rule"), UNNAMED, ids=str)
def test_wrong_rule_without_a_name_is_caught(forward, name, rule):
    (judged,) = check_rule(forward=forward, backward={name: rule}).rules
    assert judged.verdict == "fail"
    assert judged.diagnosis is None
    assert judged.counterexample is not None


@pytest.mark.parametrize(("forward", "name", "rule", "mistake"), WRONG, ids=str)
def test_counterexample_can_be_worked_out_by_hand(forward, name, rule, mistake):
    """What the report says of its point is what float64 gives there."""
    found = check_rule(forward=forward, backward={name: rule}).rules[0].counterexample
    inputs, point = tuple(found.inputs), tuple(found.inputs.values())
    place = inputs.index(name)
    stated = formula(rule, ("g", "y", *inputs))
    ours = eval_float(stated, (found.g, found.y, *point))
    assert ours == pytest.approx(found.yours, rel=1e-9, abs=1e-12, nan_ok=True)
    slope = formula_slope(formula(forward, inputs), point, place).both.slope
    assert found.true == pytest.approx(found.g * slope)
    assert found.yours != pytest.approx(found.true, rel=1e-6)


def eval_float(stated, known):
    with np.errstate(all="ignore"):
        return float(worked_out(stated, known)[1][0])


def test_input_used_for_output_is_told_in_both_forms():
    report = check_rule("tanh", backward={"x": "g*(1 - x**2)"})
    assert report.rule("x").slope_text == ("yours behaves like 1 - x**2; the true one is 1 - y**2")


def test_name_alone_takes_the_forward_of_the_op():
    assert check_rule("div", backward={"a": "g/b", "b": "-g*y/b"}).verdict == "pass"
    assert check_rule("softplus", backward={"x": "g*y"}).verdict == "fail"


def test_counterexample_is_small_and_round():
    found = check_rule(forward="a/b", backward={"a": "g"}).rules[0].counterexample
    assert {abs(x) for x in found.inputs.values()} <= {0.5, 1, 2, 3}
    assert abs(found.g) in (2, 3)


def test_one_verdict_for_each_input():
    report = check_rule(forward="a*b", backward={"a": "g*b", "b": "g*b"})
    assert [(rule.input, rule.verdict) for rule in report.rules] == [("a", "pass"), ("b", "fail")]
    assert report.verdict == "fail"


def test_input_without_a_rule_is_listed():
    assert check_rule(forward="a*b", backward={"b": "g*a"}).unjudged == ("a",)


def test_value_at_a_kink_is_a_convention_that_is_mentioned():
    for rule in ("g*(x > 0)", "g*(x >= 0)", "g*where(x == 0, 0.5, x > 0)"):
        (judged,) = check_rule("relu", backward={"x": rule}).rules
        assert judged.verdict == "pass"
        assert "at x = 0 there is a kink" in judged.notes[0]


def test_tie_that_goes_to_nobody_is_a_convention_too():
    (judged,) = check_rule("max", backward={"a": "g*(a > b)"}).rules
    assert judged.verdict == "pass"
    assert "at a = 1, b = 1 there is a kink" in judged.notes[0]


def test_value_outside_the_slopes_at_a_kink_is_wrong():
    found = check_rule("relu", backward={"x": "g*((x > 0) - (x == 0))"}).rules[0].counterexample
    assert found.inputs == {"x": 0.0}
    assert found.true is None
    assert found.slopes == (0.0, 1.0)
    assert found.yours == -found.g


def test_gap_in_a_right_rule_is_noted():
    (judged,) = check_rule("relu", backward={"x": "g*y/x"}).rules
    assert judged.verdict == "pass"
    assert "at x = 0 the rule for x gives no finite number" in judged.notes[0]


def test_points_outside_the_domain_are_replaced():
    (judged,) = check_rule(forward="log(x - 100)", backward={"x": "g/(x - 100)"}).rules
    assert judged.verdict == "pass"
    assert judged.points >= 8


def test_rule_is_tried_only_in_the_domain_given():
    backward = {"x": "g"}
    assert check_rule("abs", backward=backward, domain=above(0)).verdict == "pass"
    assert check_rule("abs", backward=backward, domain={"x": between(0, 3)}).verdict == "pass"
    assert check_rule("abs", backward=backward).verdict == "fail"


def test_point_of_ones_own_is_tried_too():
    backward = {"x": "g*min(y, 1e280)"}
    assert check_rule("exp", backward=backward).verdict == "pass"
    report = check_rule("exp", backward=backward, at={"x": 650})
    assert report.rules[0].counterexample.inputs == {"x": 650}


def test_point_outside_the_domain_is_mentioned():
    report = check_rule("log", backward={"x": "g/x"}, at={"x": -1})
    assert report.verdict == "pass"
    assert "no value at x = -1" in report.warnings[0]


def test_tolerance_decides_about_four_digits():
    backward = {"x": "0.4343*g/x"}
    forward = "log(x)/log(10)"
    assert check_rule(forward=forward, backward=backward, tolerance="student").verdict == "pass"
    assert check_rule(forward=forward, backward=backward, tolerance="strict").verdict == "fail"


def test_digits_beyond_those_of_the_diagnosis_have_no_mistake():
    (judged,) = check_rule("exp", backward={"x": "1.00000001*g*y"}, tolerance=1e-10).rules
    assert judged.verdict == "fail"
    assert judged.diagnosis is None


def test_comparison_that_cannot_fail_says_so():
    report = check_rule("sign", backward={"x": "0*g"})
    assert report.verdict == "pass"
    assert "cannot tell a right rule from one that is always 0" in report.warnings[0]
    assert not check_rule("sin", backward={"x": "g*cos(x)"}).warnings


@pytest.mark.parametrize("rule", ["y*g**2", "abs(g)*y", "y", "y*max(g, 0)", "max(-5, min(5, g))*y"])
def test_rule_that_ones_would_pass_says_so(rule):
    (warning,) = check_rule("exp", backward={"x": rule}).warnings
    assert "an upstream gradient of 1 would have passed" in warning


def test_mended_rule_is_itself_checked_before_it_is_told():
    (judged,) = check_rule("relu", backward={"x": "g*(x > 0.004)"}).rules
    assert judged.diagnosis.explanation == "it is right with 0 for 0.004 in x > 0.004"


def test_rule_without_values_is_not_said_to_pass_under_ones():
    assert not check_rule(forward="x**2", backward={"x": "2*g*exp(log(x))"}).warnings


def test_forward_without_slopes_is_not_judged():
    report = check_rule(forward="where(x == x, 1, 0) * log(-abs(x))", backward={"x": "g"})
    assert report.verdict == "non_finite"
    assert report.rules[0].points == 0


BANDS = [
    ("x**2", "g*where((x > 1.2345)*(x < 1.2355), 0, 2*x)"),
    ("x**2", "g*2*x*(1 - (x > -7.7001)*(x < -7.7))"),
    ("x**2", "g*(2*x + (x >= 100.5)*(x <= 100.50001))"),
    ("x**2", "g*(2*x + (max(x, 0.31) < 0.3101)*(x > 0.31))"),
    ("relu(x - 2.001)*(x < 2.002) + 0*x", "g*(x > 1)*(x < 2.001)"),
    ("x*b", "g*b*(1 - (x > 1.2345)*(x < 1.2346))"),
    ("x**2", "g*where((x > 1)*(x < 1.0005), 0, 2*x)"),
    ("x*b", "g*b*(1 - (x > 1)*(x < 1.0005))"),
    ("x*b", "g*b*(1 - (x >= 0.9999)*(x < 1))"),
    ("relu(x)", "g*(relu(x) > 0.001)"),
]


@pytest.mark.parametrize(("forward", "rule"), BANDS, ids=str)
def test_narrow_band_between_two_comparisons_is_tried(forward, rule):
    assert check_rule(forward=forward, backward={"x": rule}).verdict == "fail"


def test_many_kinks_of_the_forward_do_not_hide_those_of_the_rule():
    forward = " + ".join(f"abs(x - {i}/7)" for i in range(-14, 14))
    right = " + ".join(f"sign(x - {i}/7)" for i in range(-14, 14))
    rule = f"g*({right} + (x > 1.2345)*(x < 1.2355))"
    assert check_rule(forward=forward, backward={"x": f"g*({right})"}).verdict == "pass"
    assert check_rule(forward=forward, backward={"x": rule}).verdict == "fail"


@pytest.mark.parametrize("x", [27.2, 27.3, 27.379])
def test_right_rule_is_right_to_the_last_grain_of_float64(x):
    backward = {"x": "-2*g*x*y"}
    report = check_rule(forward="exp(-x**2)", backward=backward, at={"x": x})
    assert report.verdict == "pass", report.explanation
    backward = {"x": "-2*g*x*y*(y > 0)"}
    report = check_rule(forward="max(exp(-x**2), 0)", backward=backward)
    assert report.verdict == "pass", report.explanation


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("g*where((x > 1.9)*(x < 2.2), 0, 2*x)", "0 for x > 1.9"),
        ("g*2*x*(1 - (x > 1.9)*(x < 2.2))", "0 for x > 1.9"),
        ("g*2*x*(abs(x - 1.9) > 0.02)", "1 for abs(x - 1.9) > 0.02"),
    ],
)
def test_band_is_told_by_its_condition(rule, said):
    (judged,) = check_rule(forward="x**2", backward={"x": rule}).rules
    assert judged.diagnosis.explanation == f"it is right with {said}"


def chain(fn, by, condition, end):
    lines = [
        f"t{i + 1} = where(t{i} > {i}/10 + {condition}, t{i}*{by}, {fn}(t{i}))" for i in range(18)
    ]
    return "\n".join(["t0 = a + b + c + d", *lines, end])


FORWARD, RULE = chain("sin", "a", "c", "t18"), chain("cos", "b", "d", "g*t18")


def test_work_is_limited_and_the_hint_helps():
    """One of these rules takes a quarter of a second, four would take a whole one."""
    with pytest.raises(InputError) as refused:
        check_rule(forward=FORWARD, backward=dict.fromkeys("abcd", RULE))
    assert (refused.value.code, refused.value.pointer) == ("too_much_work", "/backward")
    assert "one rule at a time" in refused.value.hint
    assert check_rule(forward=FORWARD, backward={"a": RULE}).verdict == "fail"


def test_digits_are_counted_as_work():
    """Slopes of what changes over 1e-300 take thousands of digits at each point."""
    lines = [f"t{i + 1} = sin(t{i})" for i in range(90)]
    forward = "\n".join(["t0 = sin(1e300*x)", *lines, "t90"])
    with pytest.raises(InputError) as refused:
        check_rule(forward=forward, backward={"x": "g"})
    assert refused.value.code == "too_much_work"


def test_all_kinks_are_narrowed_down_together():
    looks = []

    def signs(table):
        looks.append(len(table))
        return np.sign(table.T - np.array([[0.3], [1.7], [1.71]]))

    kinks = kinks_between(signs, np.array([[0.0], [1.0], [2.0]]))
    assert sorted(kink.point for kink in kinks) == [(0.3,), (1.7,), (1.71,)]
    assert len(looks) <= 15


STEEP = [
    ("g*1e40", "drop_factor"),
    ("g*1e40*exp(-x*x)", None),
    ("g*(1 - y)", None),
    ("g*(1 - y**2)", None),
]


@pytest.mark.parametrize(("rule", "mistake"), STEEP, ids=str)
def test_steep_function_without_a_kink_needs_no_mask(rule, mistake):
    (judged,) = check_rule(forward="tanh(1e40*x)", backward={"x": rule}).rules
    assert judged.verdict == "fail"
    assert (judged.diagnosis and judged.diagnosis.mistake) == mistake, judged.explanation


SLOPES = [
    ("where(x > 0, x, 0.1*x)", "x", "g", "1", "where(x > 0, 1, 0.1)"),
    ("a/b", "b", "-g*a/b", "-a/b", "-a/b**2"),
    ("a/b", "b", "-g*y", "-y", "-y/b"),
    ("1/x", "x", "-g/x", "-1/x", "-y**2"),
    ("tanh(2*x)", "x", "g*(1 - y**2)", "1 - y**2", "2 * (1 - y**2)"),
]


@pytest.mark.parametrize(("forward", "name", "rule", "yours", "true"), SLOPES, ids=str)
def test_slope_is_told_as_people_write_it(forward, name, rule, yours, true):
    (judged,) = check_rule(forward=forward, backward={name: rule}).rules
    assert judged.slope_text == f"yours behaves like {yours}; the true one is {true}"


def test_slope_that_no_short_formula_gives_is_not_told():
    (judged,) = check_rule(forward="where(x > 0, x, 0.3*x)", backward={"x": "g"}).rules
    assert judged.diagnosis.mistake == "one_sided"
    assert judged.slope_text is None


def test_same_question_gets_the_same_answer():
    first, second = (check_rule("tanh", backward={"x": "g*(1 - x)"}) for _ in range(2))
    assert first == second


def test_digits_that_float64_loses_are_not_called_wrong():
    report = check_rule("tanh", backward={"x": "g*(1 - y*y)"}, domain=between(12, 17))
    assert report.verdict == "pass"


@pytest.mark.parametrize(
    ("asked", "code", "pointer"),
    [
        ({"backward": {"x": "g"}}, "missing_forward", "/forward"),
        ({"name": "tahn", "backward": {"x": "g"}}, "unknown_op", "/name"),
        ({"name": "matmul", "backward": {"a": "g"}}, "not_elementwise", "/name"),
        ({"name": "tanh"}, "no_rules", "/backward"),
        ({"name": "tanh", "backward": {"z": "g"}}, "unknown_input", "/backward/z"),
        ({"forward": "2*g", "backward": {"g": "g"}}, "reserved_name", "/forward"),
        ({"forward": "2", "backward": {"x": "g"}}, "no_inputs", "/forward"),
        ({"forward": "a+b+c+d+e1", "backward": {"a": "g"}}, "too_many_inputs", "/forward"),
        ({"name": "tanh", "backward": {"x": "g"}, "at": {"z": 1}}, "unknown_input", "/at/z"),
        ({"name": "mul", "backward": {"a": "g"}, "at": {"a": 1}}, "missing_input", "/at"),
        ({"name": "exp", "backward": {"x": "g"}, "at": {"x": math.inf}}, "not_a_number", "/at/x"),
        ({"name": "exp", "backward": {"x": "g"}, "at": {"x": 10**400}}, "not_a_number", "/at/x"),
        ({"name": "exp", "backward": {"x": "g"}, "at": 3}, "invalid_input", "/at"),
        ({"name": "exp", "backward": {"x": 3}}, "invalid_input", "/backward/x"),
        ({"name": "exp", "backward": {"x": None}}, "invalid_input", "/backward/x"),
        ({"name": "exp", "backward": "g"}, "invalid_input", "/backward"),
        ({"name": "exp", "backward": {1: "g"}}, "unknown_input", "/backward/1"),
        ({"forward": 3, "backward": {"x": "g"}}, "invalid_input", "/forward"),
        (
            {"name": "exp", "backward": {"x": "g"}, "tolerance": 2},
            "invalid_tolerance",
            "/tolerance",
        ),
    ],
    ids=lambda asked: asked if isinstance(asked, str) else f"{asked!s:.60}",
)
def test_question_that_does_not_fit_is_refused(asked, code, pointer):
    with pytest.raises(InputError) as refused:
        check_rule(**asked)
    assert (refused.value.code, refused.value.pointer) == (code, pointer)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("forward", "rule", "pointer", "column"),
    [("tanh(x", "g", "/forward", 5), ("tanh(x)", "g*(1 - z)", "/backward/x", 8)],
)
def test_unreadable_text_is_named_by_its_pointer(forward, rule, pointer, column):
    with pytest.raises(ExpressionError) as refused:
        check_rule(forward=forward, backward={"x": rule})
    assert refused.value.pointer == pointer
    assert refused.value.position.column == column


@pytest.mark.parametrize(("name", "forward", "slope"), FUNCTIONS, ids=lambda text: text[:20])
def test_function_of_the_vocabulary_has_its_own_slope(name, forward, slope):
    *parts, last = slope.split("; ")
    rule = "; ".join([*parts, f"g*({last})"])
    assert check_rule(forward=forward, backward={"x": rule}).verdict == "pass"


def test_rule_of_the_vocabulary_belongs_to_its_op():
    for text, name in ALIKE:
        assert check_rule(name, backward={"x": f"g*({text})"}).verdict == "pass"


def test_formula_of_the_vocabulary_can_be_read():
    for count, texts in LOCAL.items():
        assert all(local(text, count).results for text in texts)
        assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("name", ["sin", "mul", "relu", "pow"])
def test_backward_of_an_op_is_right_for_the_op(name):
    op = OPS[name]
    texts = op.backward_formula.texts()
    rules = dict(zip(op.input_names, texts, strict=True))
    assert check_rule(name, backward=rules).verdict == Verdict.PASS
