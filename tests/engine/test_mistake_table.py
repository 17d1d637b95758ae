"""The table of mistakes, row by row: each is planted somewhere, and each has its sentence."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine import Value, check, check_function, check_rule, parse, replay
from engine.errors import ExpressionError, OpRefused
from engine.exam import examine
from engine.extend import Trial, op
from engine.mistakes import MISTAKES
from tests.engine.test_autopsy import PLANTED as TRAINING
from tests.engine.test_diagnosis import PLANTED as CLAIMS

X = np.array([0.4, -1.1, 0.7])
W = np.array([[0.5, -0.3, 0.8], [1.2, 0.1, -0.6], [-0.9, 0.7, 0.2]])
TARGET = np.array([1.0, 0.3, -0.2])


def said(source, at, claims, tolerance="strict"):
    report = check(parse(source), at, claims, tolerance)
    assert report.verdict in ("fail", "non_finite")
    return {d.mistake: d.explanation for d in report.diagnoses}


def softmax():
    y = np.exp(W @ X)
    return y / y.sum()


def no_topological_order():
    found = replay(parse("b = a*a\nc = b*2\nd = b*c\nL = d + c"), {"a": 1.5}, "no_order")
    assert found.diamond is not None
    [wrong] = [d for d in found.differences if d.name == "a"]
    assert abs(wrong.wrong) > abs(wrong.right)
    return {"no_order": found.slip.title}


def broadcasting_not_undone():
    """The bias is added to both rows, and only one row comes back."""
    at = {"x": np.stack([X, 2 * X]), "b": [0.1, 0.2, 0.3]}
    y = np.tanh(at["x"] + np.array(at["b"]))
    return said("y = tanh(x + b)\nL = sum(y)", at, {"b": (1 - y * y)[0]})


def matmul_transpose():
    at = {"w": W, "x": X, "t": TARGET}
    return said("L = sum((w @ x) * t)", at, {"x": W @ TARGET})


def mean_without_its_division():
    at = {"w": W, "x": X, "t": TARGET}
    gap = 2 * (W @ X - TARGET)
    return said("L = mean_squared_error(w @ x, t)", at, {"x": W.T @ gap, "w": np.outer(gap, X)})


def softmax_diagonal():
    y = softmax()
    at = {"w": W, "x": X, "t": TARGET}
    return said("L = sum(softmax(w @ x) * t)", at, {"x": W.T @ (TARGET * y * (1 - y))})


def max_tie_to_every_winner():
    """Both inputs are equal, and their parts meet again: the kink is only apparent."""
    at = {"a": 2, "b": 2, "c": 3}
    return said("m = max(a, b) + min(a, b)\nL = m*c", at, {"a": 4.5, "b": 4.5})


def overflow():
    return said("exp(x)/(1 + exp(x))", {"x": 800}, {"x": 0})


def log_of_zero():
    return said("log(sigmoid(x))", {"x": -800}, {"x": 1})


def another_gelu():
    """The backward of the tanh form under the forward of the other one."""
    report = check_rule("swish", forward="x*sigmoid(x)", backward={"x": "g*(1 - tanh(x)**2)"})
    diagnosis = report.rule("x").diagnosis
    return {diagnosis.mistake: diagnosis.explanation}


def refused(forward, backward, **more):
    with pytest.raises(OpRefused) as caught:
        examine(op("planted", forward, backward, inputs=("x",), elementwise=False, **more))
    return {"refused": str(caught.value)}


def changes_its_input():
    def forward(x):
        x *= 2
        return x

    return refused(forward, lambda g, y, x: 2 * g, trials=[Trial(((4,),))])


def wrong_count():
    return refused(lambda x: x * 2, lambda g, y, x: (2 * g, g), trials=[Trial(((4,),))])


def caret():
    with pytest.raises(ExpressionError) as caught:
        parse("x^2")
    return {"caret": f"{caught.value}; {caught.value.hint}"}


def single_precision():
    def f(x):
        return float(np.tanh(np.float32(x)) * np.float32(1000))

    report = check_function(f, 0.3, 1000 / math.cosh(0.3) ** 2, "strict")
    assert report.verdict == "inconclusive"
    return {"inconclusive": report.reason or " ".join(report.warnings)}


def dice():
    rng = np.random.default_rng(1)
    report = check_function(lambda x: float(np.sum(x)) + rng.normal(), X, np.ones(3))
    assert report.verdict == "nondeterministic"
    return {"nondeterministic": report.reason}


def digits_lost():
    source = "(-b + sqrt(b**2 - 4*a*c))/(2*a)"
    at = {"a": 1.0, "b": 3e7, "c": 2.5}
    own = parse(source).evaluate(at).gradients
    report = check(parse(source), at, own)
    assert report.verdict == "rounding"
    part = next(c for c in report.components if c.verdict == "rounding")
    return {"rounding": f"float64 gives {part.backprop:.3g}, the slope is {part.reference:.3g}"}


HERE = {
    4: (no_topological_order, "no_order", "order"),
    11: (mean_without_its_division, "mean_factor", "division by n"),
    12: (broadcasting_not_undone, "summed_over_axis", "sum over axis 0"),
    13: (matmul_transpose, "matmul_transpose", "not by its transpose"),
    15: (max_tie_to_every_winner, "max_both", "both arguments"),
    16: (softmax_diagonal, "softmax_diagonal", "coupled"),
    17: (overflow, "overflow", "write sigmoid(x)"),
    18: (another_gelu, "other_function", "tanh"),
    19: (changes_its_input, "refused", "changes what it is given"),
    21: (wrong_count, "refused", "2 gradients for its 1 inputs"),
    30: (caret, "caret", "write x**2"),
    31: (single_precision, "inconclusive", "at this precision"),
    32: (dice, "nondeterministic", "not deterministic"),
    33: (digits_lost, "rounding", "float64 gives"),
}
"""Rows that need more than a vector: how the mistake is made, its code, words of its sentence."""

BY_CODE = {
    1: ("overwrite", "overwrite_all"),
    2: ("forgotten_zero_grad",),
    3: ("stale_graph",),
    5: ("upstream_ignored",),
    6: ("drop_factor",),
    7: ("input_not_output", "sigmoid_factor"),
    8: ("swap_mul", "swap_operands"),
    9: ("sign_op", "sign_all", "sign_component"),
    10: ("pow_off_by_one", "pow_no_coef"),
    14: ("relu_mask", "mask_from_gradient"),
    22: ("missing",),
    23: ("ascent",),
    24: ("step_too_large",),
    25: ("step_too_small",),
    26: ("update_before_backward",),
    27: ("never_updated",),
    28: ("equal_weights", "dead_relu", "saturated"),
    29: ("targets_out_of_range", "loss_at_chance"),
}
"""Rows whose mistakes are planted in test_diagnosis and test_autopsy, with their sentences."""


def test_every_row_has_a_planted_mistake():
    # 20, a backward that gives back a view, is a warning of the exam of ops, not a claim's mistake.
    assert set(range(1, 34)) - HERE.keys() - BY_CODE.keys() == {20}
    planted = {case[3] for case in CLAIMS.values()} | TRAINING.keys()
    assert {code for codes in BY_CODE.values() for code in codes} <= planted
    assert {code for codes in BY_CODE.values() for code in codes} <= MISTAKES.keys()


@pytest.mark.parametrize("row", HERE)
def test_row_is_told_in_words(row):
    plant, code, words = HERE[row]
    told = plant()
    assert code in told
    assert words in told[code]


def test_value_that_underflows_has_a_stable_form():
    assert "-softplus(-x)" in log_of_zero()["log_of_zero"]


def test_gradient_that_is_a_view_does_no_harm():
    """Row 20: an op whose backward hands out its upstream gradient itself shares memory with it;
    the engine adds into arrays of its own, so that nothing is changed behind a caller's back."""
    x = Value([1.0, 2.0, 3.0])
    y = x + 0.0
    seed = np.array([1.0, 1.0, 1.0])
    y.backward(seed)
    x.grad += 5
    assert seed.tolist() == [1.0, 1.0, 1.0]
