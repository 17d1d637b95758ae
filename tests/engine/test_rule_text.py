"""Formulas from text: what is read, and with which words the rest is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import registry
from engine.errors import ExpressionError
from engine.exam.points import worked_out
from engine.limits import Limits
from engine.ops import OPS
from engine.rule_text import formula, free_names

NAMES = ("g", "y", "x")
X = np.array([-2.0, -0.5, 0.0, 0.25, 3.0])


def value(text, x=X, g=2.0, y=0.5):
    with np.errstate(all="ignore"):
        return np.broadcast_to(worked_out(formula(text, NAMES), [g, y, x])[1][0], x.shape)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("g*(1 - y**2)", lambda x: 1.5 + 0 * x),
        ("-g * -x", lambda x: 2 * x),
        ("+x - 1", lambda x: x - 1),
        ("2*x**3/4", lambda x: x**3 / 2),
        ("-x**2", lambda x: -(x**2)),
        ("2**-1*x", lambda x: x / 2),
        ("g*(x > 0)", lambda x: 2.0 * (x > 0)),
        ("g*(x >= 0)", lambda x: 2.0 * (x >= 0)),
        ("(x < 0) - (x <= 0)", lambda x: -1.0 * (x == 0)),
        ("(x == 0) + 2*(x != 0)", lambda x: 2.0 - (x == 0)),
        ("where(x > 0, g, x)", lambda x: np.where(x > 0, 2.0, x)),
        ("where(x, 1, y)", lambda x: np.where(x != 0, 1, 0.5)),
        ("math.sin(x) + np.cos(x)", lambda x: np.sin(x) + np.cos(x)),
        ("np.maximum(x, 0) + min(x, 0)", lambda x: x),
        ("arctan(x)", np.arctan),
        ("pi*x + math.pi + np.e", lambda x: math.pi * x + math.pi + math.e),
        ("sigmoid(x)", lambda x: 1 / (1 + np.exp(-x))),
        ("softplus(x) - relu(x)", lambda x: np.log1p(np.exp(-np.abs(x)))),
        ("relu(2)*x", lambda x: 2 * x),
        ("add(x, mul(x, x))", lambda x: x + x * x),
        ("s = sigmoid(x)\ns*(1 - s)", lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2),
        ("t = x*x; t = t + 1; t", lambda x: x * x + 1),
        ("  x * 2  # twice", lambda x: 2 * x),
    ],
)
def test_text_means_what_it_says(text, meant):
    assert value(text) == pytest.approx(meant(X))


def test_several_texts_share_one_formula():
    both = formula(["g*b", "g*a"], ("g", "y", "a", "b"))
    assert both.texts() == ("g * b", "g * a")
    assert both.inputs == ("g", "y", "a", "b")


def test_text_gives_the_formula_that_python_gives():
    assert formula("g*(1 - y*y)", NAMES) == OPS["tanh"].backward_formula
    assert formula("np.exp(-np.logaddexp(0, -x))", ("x",)).hash == OPS["sigmoid"].formula.hash


def test_op_of_a_plugin_is_known_to_its_vocabulary():
    vocabulary = registry.load(entry_points=False)
    assert formula("silu(x)", ("x",), vocabulary=vocabulary).lines
    with pytest.raises(ExpressionError, match="no operation silu"):
        formula("silu(x)", ("x",))


def test_names_are_listed_as_they_first_occur():
    assert free_names("b*tanh(a) + math.sin(b)*pi") == ("b", "a")
    assert free_names("s = a*c; s + d") == ("a", "c", "d")
    assert free_names("a = a + 1; a*b") == ("a", "b")
    assert free_names("2 + math.pi") == ()


REFUSED = [
    ("g*z", "unknown_name", 3, "it may use g, y, x"),
    ("g*(1-y^2)", "caret", 7, "write 1-y**2"),
    ("e^x", "caret", 2, "write exp(x)"),
    ("g*e**x", "unknown_name", 3, "write exp(x)"),
    ("2x", "missing_operator", 1, "write 2*x"),
    ("g x", "missing_operator", 1, "write g*x"),
    ("g(1 - y)", "missing_operator", 1, "write g*("),
    ("g*(1−y)", "syntax", 5, "write -"),
    ("g*(1-y", "syntax", 3, ""),
    ("", "empty", 1, "write one"),
    ("x.real", "unsupported", 1, "leave it out"),
    ("x.tanh()", "unsupported", 1, "write tanh("),
    ("g*().__class__", "unsupported", 3, "leave it out"),
    ("__import__('os')", "unknown_op", 1, "nudge ops"),
    ("x > 0 and y > 0", "unsupported", 1, "multiply"),
    ("not x", "unsupported", 1, "turn the comparison"),
    ("0 < x < 1", "unsupported", 1, "(0 < x) * (x < 1)"),
    ("g if x > 0 else 0", "unsupported", 1, "where("),
    ("x in y", "unsupported", 1, ""),
    ("x @ y", "unsupported", 1, "use +"),
    ("x % 2", "unsupported", 1, "use +"),
    ("x[0]", "unsupported", 1, "one number"),
    ("[x, y]", "unsupported", 1, "one number"),
    ("lambda: x", "unsupported", 1, ""),
    ("return g*x", "unsupported", 1, "expression alone"),
    ("x = 3", "unsupported", 1, "another name"),
    ("sum(x)", "unsupported", 1, "one number"),
    ("g*sigmoid", "op_without_call", 3, "write sigmoid("),
    ("ln(x)", "unknown_op", 1, "write log("),
    ("tahn(x)", "unknown_op", 1, "write tanh("),
    ("tanh(x, y)", "argument_count", 1, "tanh(x)"),
    ("where(1 > 0, x, y)", "unsupported", 1, ""),
    ("tanh(x, k=2)", "unknown_parameter", 11, "tanh(x)"),
    ("1e999*x", "number", 1, ""),
    ("10**400*x", "number", 1, ""),
    ("x/(1 - 1) + 1/0", "number", 13, ""),
    ("log(-1)*x", "number", 1, ""),
    ("True*x", "not_a_number", 1, ""),
    ("2j*x", "not_a_number", 1, ""),
    ("(" * 101 + "x" + ")" * 101, "too_deep", 101, "give parts a name"),
    ("-" * 101 + "x", "too_deep", 1, "give parts a name"),
    ("x*" * 600 + "x", "too_long", 1, ""),
    ("x+" * 3000 + "x", "too_long", 1, ""),
]


@pytest.mark.parametrize(("text", "code", "column", "hint"), REFUSED, ids=lambda x: str(x)[:20])
def test_what_is_no_formula_is_refused(text, code, column, hint):
    with pytest.raises(ExpressionError) as refused:
        formula(text, NAMES)
    error = refused.value
    assert (error.code, error.position.line, error.position.column) == (code, 1, column), error
    assert hint in error.hint


def test_second_line_is_where_its_mistake_is():
    with pytest.raises(ExpressionError) as refused:
        formula("s = sigmoid(x)\ng*(s + q)", NAMES)
    assert (refused.value.position.line, refused.value.position.column) == (2, 8)
    assert refused.value.hint == "it may use g, y, x, s"


def test_depth_is_a_limit_that_can_be_set():
    assert formula("exp(exp(exp(x)))", NAMES, Limits(depth=4))
    with pytest.raises(ExpressionError, match="more than 3"):
        formula("exp(exp(exp(x)))", NAMES, Limits(depth=3))


def test_long_sum_is_read_without_recursion():
    assert len(formula("+".join(["x*y"] * 400), NAMES, Limits(depth=5)).lines) == 400


@given(st.text("gyx019.+-*/()<>=, \n;:^%&|~#'\"_eπ²", max_size=40))
def test_any_text_is_read_or_refused_with_its_place(text):
    try:
        found = formula(text, NAMES)
    except ExpressionError as error:
        assert error.position.line >= 1
        assert error.hint
    else:
        assert len(found.results) == 1
