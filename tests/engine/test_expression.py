"""What students write, read; and what cannot be read, said."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import EngineError, ExpressionError, Limits, parse
from tests.cases import lecture

NOTEBOOK = """
    import math
    a = Value(2.0, label='a'); b = Value(-3.0, label='b')
    c = Value(10.0, label='c')
    e = a*b; e.label = 'e'
    d = e + c; d.label = 'd'
    f = Value(-2.0, label='f')
    L = d * f; L.label = 'L'
    L.backward()
    draw_dot(L)
"""


@pytest.mark.parametrize("case", lecture()["expressions"], ids=lambda case: case["id"])
def test_lecture_expressions_give_their_figures(case):
    found = parse(case["source"]).evaluate(case["at"])
    assert found.value == pytest.approx(case["value"], rel=1e-12)
    assert found.gradients == pytest.approx(case["gradients"], rel=1e-12, abs=1e-12)


def test_pasted_notebook_code_works():
    found = parse(NOTEBOOK).evaluate()
    assert found.value == -8.0
    assert found.gradients == {"a": 6.0, "b": -4.0, "c": -2.0, "f": 4.0}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("math.exp(0.5)", np.exp(0.5)),
        ("np.tanh(0.5)", np.tanh(0.5)),
        ("torch.tanh(0.5)", np.tanh(0.5)),
        ("np.maximum(2, 3)", 3.0),
        ("(2*0.25).exp()", np.exp(0.5)),
        ("n = 0.5; n.tanh()", np.tanh(0.5)),
        ("math.pi * 2", 2 * np.pi),
        ("x = 1.0\nx += 2\nx *= 4\nx", 12.0),
        ("a = b = 3; a * b", 9.0),
        ("2 ** 3 ** 2", 512.0),
        ("-2 ** 2", -4.0),
        ("10 - 4 - 3", 3.0),
        ("sum([1, 2, 3])", 6.0),
        ("x = [1, 2, 3]; mean(x * x)", 14 / 3),
        ("a = 1; sum([a, 2*a, 3] * [1, 10, 100])", 321.0),
        ("x = [[1, 2], [3, 4]]; sum(x @ x)", 54.0),
        ("x = [[1, 2], [3, 4]]; sum(x, axis=0)[1]", 6.0),
        ("x = [[1, 2], [3, 4]]; x[0, 1] + x.T[0, 1]", 5.0),
        ("x = [1, 2, 3, 4]; sum(reshape(x, [2, 2])[1])", 7.0),
        ("x = 5 # the start\n(x +\n  1)", 6.0),
        ("x = 1_000; x", 1000.0),
        ("x = 2  # about 3in wide\nx", 2.0),
    ],
)
def test_expression_has_this_value(source, value):
    assert parse(source).evaluate().value == pytest.approx(value, rel=1e-15)


def test_lecture_torch_cell_works():
    source = "x1 = torch.Tensor([2.0]).double(); x1.requires_grad = True\no = torch.tanh(x1 * 0.5)"
    program = parse(source + "\no.grad = 1.0\no._backward()")
    assert [node.name for node in program.inputs] == ["x1"]
    assert program.evaluate().value == pytest.approx(np.tanh(1.0))


def test_number_first_assigned_is_input():
    program = parse("a = 2\nb = a * 3\na = 4\nc = a * b")
    assert [(i.name, i.default) for i in program.inputs] == [("a", 2.0)]
    assert program.evaluate().value == 24.0
    assert program.evaluate({"a": 5}).value == 60.0


def test_name_means_last_binding():
    program = parse("c = a + b\nc = c + 1\nc = c * 2\nd = c")
    assert [e.name for e in program.equations] == ["c@1", "c@2", "c"]
    assert program.output == "c"


def test_input_keeps_its_name_when_rebound():
    program = parse("x = 2\nx = x * x\nx = x + 1")
    assert [e.name for e in program.equations] == ["x@2", "x@3"]
    assert program.evaluate({"x": 3}).gradients == {"x": 6.0}


def test_identifiers_are_compared_as_written():
    assert [i.name for i in parse("ﬁ + fi").inputs] == ["ﬁ", "fi"]


@pytest.mark.parametrize(
    ("source", "code", "where", "hint"),
    [
        ("x^2", "caret", (1, 2, 1), "x**2"),
        ("e^x", "caret", (1, 2, 1), "exp(x)"),
        ("y = (a +\n b)^(2)", "caret", (2, 4, 1), "**"),
        ("y = 2a", "missing_operator", (1, 5, 2), "2*a"),
        ("e^(2x)", "missing_operator", (1, 4, 2), "2*x"),
        ("2(x)", "missing_operator", (1, 1, 4), "*"),
        ("x1 x2", "missing_operator", (1, 1, 5), "x1*x2"),
        ("tanh x", "missing_operator", (1, 1, 6), "tanh(x)"),
        ("y = 1\ntanj(y)", "unknown_op", (2, 1, 4), "tan"),
        ("sigmod(y)", "unknown_op", (1, 1, 6), "sigmoid("),
        ("ln(x)", "unknown_op", (1, 1, 2), "log("),
        ("__import__('os')", "unknown_op", (1, 1, 10), None),
        ("tanh(x, y)", "argument_count", (1, 1, 10), "tanh(x)"),
        ("max(a)", "argument_count", (1, 1, 6), "max(a, b)"),
        ("tanh * 2", "op_without_call", (1, 1, 4), "tanh("),
        ("sum(x, axes=1)", "unknown_parameter", (1, 13, 1), "axis"),
        ("sum(x, axis=y)", "argument", (1, 13, 1), None),
        ("sum(x, 0, axis=0)", "unknown_parameter", (1, 16, 1), "once"),
        ("reshape(x, (2, (3,)))", "argument", (1, 16, 4), None),
        ("(a + b)^2", "caret", (1, 8, 1), "**"),
        ("e^x + 1", "caret", (1, 2, 1), "exp("),
        ("x.array(3) * x", "unknown_op", (1, 1, 7), None),
        ("x[y]", "argument", (1, 3, 1), "x[0]"),
        ("x[0:1]", "argument", (1, 3, 3), "x[0]"),
        ("[[1, 2], [3]]", "argument", (1, 1, 13), "row"),
        ("1e999 * x", "number", (1, 1, 5), None),
        ("2j * x", "not_a_number", (1, 1, 2), None),
        ("'a' * x", "not_a_number", (1, 1, 3), None),
        ("True * x", "not_a_number", (1, 1, 4), None),
        ("x.real", "unsupported", (1, 1, 6), None),
        ("x.tanh", "unsupported", (1, 1, 6), ".tanh()"),
        ("x < y", "unsupported", (1, 1, 5), "relu"),
        ("[x for x in y]", "unsupported", (1, 1, 14), None),
        ("lambda x: x", "unsupported", (1, 1, 11), None),
        ("f'{x}'", "unsupported", (1, 1, 6), None),
        ("(x := 2)", "unsupported", (1, 2, 6), None),
        ("1if x else 2", "syntax", (1, 1, 3), None),
        ("def f(): pass", "unsupported", (1, 1, 13), None),
        ("a, b = 1, 2", "unsupported", (1, 1, 4), None),
        ("x % 2", "unsupported", (1, 1, 5), None),
        ("", "empty", (1, 1, 1), "tanh"),
        ("# nothing", "empty", (1, 1, 1), "tanh"),
        ("x +", "syntax", (1, 4, 1), None),
        ("(x", "syntax", (1, 1, 1), None),
        ("−x", "syntax", (1, 1, 1), "write -"),
        ("x²", "syntax", (1, 2, 1), "**2"),
        ("é = 2; é * x^2", "caret", (1, 13, 1), "**"),
        ("  x = 1\n  x^2", "caret", (2, 4, 1), "**"),
        ("x\x00y", "syntax", (1, 2, 1), None),
        ("-" * 4000 + "x", "too_deep", (1, 1, 1), None),
        ("(" * 2000 + "x" + ")" * 2000, "too_deep", (1, 101, 1), None),
        ("x" + ".tanh()" * 300, "too_deep", (1, 1, 1), None),
        ("x" + "**x" * 900, "too_deep", None, None),
        ("not " * 900 + "x", "unsupported", None, None),
        ("x + " * 2000, "too_long", (1, 1, 1), None),
    ],
    ids=lambda x: x[:20] if isinstance(x, str) else "",
)
def test_unreadable_source_is_explained(source, code, where, hint):
    with pytest.raises(ExpressionError) as caught:
        parse(source)
    error = caught.value
    assert error.code == code
    assert error.position is not None
    if where is not None:
        assert dataclasses.astuple(error.position) == where
    if hint is not None:
        assert hint in (error.hint or "")


def test_long_list_is_not_deep():
    assert parse("sum([" + "1," * 2000 + "])").evaluate().value == 2000.0


def test_long_sum_is_not_deep():
    program = parse("+".join(["x"] * 999))
    assert program.evaluate({"x": 1}).gradients == {"x": 999.0}


@pytest.mark.parametrize(
    ("source", "limits", "code"),
    [
        ("a + b + c", Limits(inputs=2), "too_many_inputs"),
        ("a + b + c", Limits(nodes=4), "too_many_nodes"),
        ("((a))", Limits(depth=1), "too_deep"),
        ("a + b", Limits(source_bytes=4), "too_long"),
        ("[1, 2, 3]", Limits(elements=2), "too_many_elements"),
    ],
)
def test_limit_is_an_error_with_position(source, limits, code):
    with pytest.raises(ExpressionError) as caught:
        parse(source, limits=limits)
    assert caught.value.code == code
    assert caught.value.position is not None
    parse(source)


@given(st.text(alphabet="xyab012.+-*/@^()[]=,;:'\"# \n\t_\\%<>!éﬁ²−tanhsumvle", max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_or_explained(text):
    try:
        parse(text)
    except ExpressionError as error:
        assert error.position is not None
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        assert 1 <= error.position.line <= len(lines)
        assert error.position.column >= 1


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_unicode_ends_in_a_verdict(text):
    try:
        parse(text).evaluate()
    except EngineError as error:
        assert error.code


@pytest.mark.parametrize("source", ["lambda*x", "L = lambda + 2", "del = 3"])
def test_word_of_python_is_no_name(source):
    with pytest.raises(ExpressionError, match="is a word of Python") as caught:
        parse(source)
    assert caught.value.position.length in (3, 6)
    assert "use another name" in caught.value.hint
