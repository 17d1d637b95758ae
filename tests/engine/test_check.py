"""The checker: right claims pass, wrong ones fail, and doubt is called doubt."""

from __future__ import annotations

import math

import pytest

from engine import InputError, check, parse
from engine.ops import OPS


def test_wrong_claim_on_reuse_fails():
    program = parse("b = a + a")
    assert check(program, {"a": 3}, {"a": 1}).verdict == "fail"
    assert check(program, {"a": 3}, {"a": 2}).verdict == "pass"


def test_own_gradients_are_judged_without_claims():
    report = check(parse("o = tanh(x * w + b)"), {"x": 2, "w": -3, "b": 6.88}, tolerance="strict")
    assert report.verdict == "pass"
    assert [c.input for c in report.components] == ["x", "w", "b"]


def test_wrong_rule_of_our_own_is_caught(monkeypatch):
    monkeypatch.setitem(vars(OPS["sin"]), "rules", lambda g, y, x: g * OPS["sin"].forward(x))
    monkeypatch.delitem(vars(OPS["sin"]), "_traced", raising=False)
    program = parse("sum(sin(x))")  # an array: the rule itself runs
    assert check(program, {"x": [0.3, 1.1]}).verdict == "fail"


def test_only_named_components_are_judged():
    report = check(parse("a * b * c"), {"a": 1, "b": 2, "c": 3}, {"b": 3})
    assert [c.input for c in report.components] == ["b"]
    assert report.unclaimed == ("a", "c")


def test_array_component_has_index():
    report = check(parse("sum(x ** 2)"), {"x": [1, 2, 3]}, {"x": [2, 4, 7]})
    assert [(c.index, c.verdict) for c in report.components] == [
        ((0,), "pass"),
        ((1,), "pass"),
        ((2,), "fail"),
    ]
    wrong = report.components[2]
    assert wrong.reference == pytest.approx(6.0, rel=1e-9)
    assert wrong.relative_error == pytest.approx(1 / 6, rel=1e-6)
    assert wrong.error_bound < 1e-6


@pytest.mark.parametrize(
    ("claim", "tolerance", "verdict"),
    [
        (4.0, "strict", "pass"),
        (4.002, "student", "pass"),
        (4.002, "strict", "fail"),
        (4.01, "student", "fail"),
        (4.01, 0.01, "pass"),
        (-4.0, "student", "fail"),
        (0.0, "student", "fail"),
        (math.nan, "student", "fail"),
        (math.inf, "student", "fail"),
    ],
)
def test_tolerance_is_relative(claim, tolerance, verdict):
    assert check(parse("x ** 2"), {"x": 2}, {"x": claim}, tolerance).verdict == verdict


def test_kink_gives_both_slopes():
    report = check(parse("abs(x)"), {"x": 0}, {"x": 0.5})
    assert report.verdict == "not_differentiable"
    assert report.components[0].slopes == pytest.approx((-1.0, 1.0))


def test_kink_nearby_does_not_disturb():
    report = check(parse("relu(x)"), {"x": 1e-9}, {"x": 1}, "strict")
    assert report.verdict == "pass"


def test_edge_of_domain_is_not_differentiable():
    report = check(parse("sqrt(x)"), {"x": 0}, {"x": 1})
    assert report.verdict == "not_differentiable"
    left, right = report.components[0].slopes
    assert math.isnan(left)
    assert right == math.inf


@pytest.mark.parametrize(
    ("source", "x", "slope"),
    [
        ("1 / x", 1e-13, -1e26),
        ("log(x)", 1e-15, 1e15),
        ("sqrt(x)", 1e-15, 0.5 * 1e-15**-0.5),
        ("relu(x)", 1e-13, 1.0),
    ],
)
def test_tiny_input_is_judged_at_its_own_size(source, x, slope):
    assert check(parse(source), {"x": x}, {"x": slope}).verdict == "pass"
    assert check(parse(source), {"x": x}, {"x": 0}).verdict == "fail"


@pytest.mark.parametrize(
    ("source", "x"), [("sin(exp(x))", 30), ("sin(x)", 1e16), ("sin(10000000000000 * x)", 1)]
)
def test_wild_function_needs_its_formula(source, x):
    program = parse(source)
    assert check(program, {"x": x}, tolerance="strict").verdict in ("pass", "rounding")
    assert check(program, {"x": x}, {"x": 1}).verdict == "fail"
    assert check(program, {"x": x}, method="blackbox").verdict == "inconclusive"


def test_empty_array_is_nothing_to_check():
    with pytest.raises(InputError, match="not one number"):
        check(parse("sum(x)"), {"x": []})


def test_vertical_tangent_accuses_nobody():
    report = check(parse("max(x, 0) ** 0.5 - max(-x, 0) ** 0.5"), {"x": 0}, {"x": math.inf})
    assert report.verdict in ("inconclusive", "not_differentiable")


def test_non_finite_value_comes_first():
    report = check(parse("y = log(x)"), {"x": -1}, {"x": 3})
    assert report.verdict == "non_finite"
    assert report.non_finite.name == "y"
    assert report.reason == "log(x) at x = -1: defined for x > 0"


def test_zero_gradient_can_pass_and_fail():
    program = parse("tanh(x1*w1 + x2*w2)")
    at = {"x1": 2, "x2": 0, "w1": -3, "w2": 1}
    assert check(program, at, {"w2": 0}, "strict").verdict == "pass"
    assert check(program, at, {"w2": 1e-3}).verdict == "fail"


def test_lecture_neuron_passes_at_every_input():
    program = parse("o = tanh(x1*w1 + x2*w2 + b)")
    at = {"x1": 2, "x2": 0, "w1": -3, "w2": 1, "b": 6.881373587019543}
    assert {c.verdict for c in check(program, at, tolerance="strict").components} == {"pass"}


def test_dead_relu_has_slope_zero():
    assert check(parse("relu(x)"), {"x": -3}, {"x": 0}, "strict").verdict == "pass"
    assert check(parse("relu(x)"), {"x": -3}, {"x": 1}).verdict == "fail"


@pytest.mark.parametrize(
    ("at", "claimed", "tolerance", "code", "pointer"),
    [
        ({"x": 1}, {"z": 1}, "student", "unknown_input", "/claimed/z"),
        ({"x": 1}, {"x": "1"}, "student", "not_a_number", "/claimed/x"),
        ({"x": 1}, {"x": [1]}, "student", "wrong_shape", "/claimed/x"),
        ({"x": 1}, {"x": None}, "student", "not_a_number", "/claimed/x"),
        ({"x": 1}, {"x": 1}, "lenient", "invalid_tolerance", "/tolerance"),
        ({"x": 1}, {"x": 1}, 0, "invalid_tolerance", "/tolerance"),
        ({"x": 1}, {"x": 1}, True, "invalid_tolerance", "/tolerance"),
        ({"x": 1}, {"x": 1}, math.nan, "invalid_tolerance", "/tolerance"),
        ({}, {"x": 1}, "student", "missing_input", "/at/x"),
    ],
)
def test_claim_that_does_not_fit_is_explained(at, claimed, tolerance, code, pointer):
    with pytest.raises(InputError) as caught:
        check(parse("x * 2"), at, claimed, tolerance)
    assert (caught.value.code, caught.value.pointer) == (code, pointer)


def test_too_many_components_are_refused():
    program = parse("sum(" + "tanh(" * 9 + "x" + ")" * 10)
    with pytest.raises(InputError) as caught:
        check(program, {"x": [0.1] * 10_000})
    assert caught.value.code == "too_many_components"


def test_check_without_inputs_is_refused():
    with pytest.raises(InputError, match="no inputs"):
        check(parse("1 + 2"))


def test_same_check_gives_same_report():
    def once():
        return check(parse("sin(x) * exp(y)"), {"x": 0.3, "y": -2}, {"x": 0.1})

    assert once() == once()
