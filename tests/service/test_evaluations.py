"""POST /api/v1/evaluations: values and gradients, and what stands where there is no number."""

from __future__ import annotations

import json
import math
import sys

import pytest

URL = "/api/v1/evaluations"


@pytest.fixture
def ask(client):
    """ask(source, **at): the answer's JSON; the request must succeed."""

    def asked(source, **at):
        answer = client.post(URL, json={"source": source, "at": at})
        assert answer.status_code == 200, answer.text
        return answer.json

    return asked


NEURON = "x1w1 = x1*w1\nx2w2 = x2*w2\nn = x1w1 + x2w2 + b\no = tanh(n)"
AT = {"x1": 2, "x2": 0, "w1": -3, "w2": 1, "b": 6.881373587019543}
GRADIENTS = {"x1": -1.5, "x2": 0.5, "w1": 1.0, "w2": 0.0, "b": 0.5}


def test_lecture_neuron_is_answered(ask):
    answer = ask(NEURON, **AT)
    assert math.isclose(answer["value"], math.sqrt(0.5), rel_tol=1e-12)
    assert answer["gradients"] == pytest.approx(GRADIENTS, abs=1e-12)
    assert answer["non_finite"] is None
    assert answer["program"]["output"] == "o"
    assert [entry["name"] for entry in answer["program"]["inputs"]] == ["x1", "w1", "x2", "w2", "b"]


def test_equations_say_what_is_done(ask):
    equations = ask("b = a + a", a=3)["program"]["equations"]
    assert equations == [
        {
            "number": 1,
            "name": "b",
            "op": "add",
            "inputs": ["a", "a"],
            "text": "b = a + a",
            "position": {"line": 1, "column": 5, "length": 5},
        }
    ]


def test_nodes_hold_value_and_gradient(ask):
    nodes = {node["name"]: node for node in ask("c = a*b", a=2, b=-3)["nodes"]}
    assert (nodes["a"]["value"], nodes["a"]["gradient"], nodes["a"]["op"]) == (2, -3, "input")
    assert (nodes["c"]["value"], nodes["c"]["gradient"], nodes["c"]["op"]) == (-6, 1, "mul")


def test_hash_ignores_blanks_only(ask):
    def program_hash(source):
        return ask(source, x=1)["program"]["hash"]

    assert program_hash("y = x*2") == program_hash("y  =  x * 2  # twice")
    assert program_hash("y = x*2") != program_hash("y = x*3")


def test_input_with_a_value_needs_no_point(client):
    answer = client.post(URL, json={"source": "x = 3; y = x*x"})
    assert answer.json["value"] == 9
    assert answer.json["program"]["inputs"][0]["default"] == 3
    answer = client.post(URL, json={"source": "x = 3; y = x*x", "at": {"x": 4}})
    assert answer.json["value"] == 16


def test_arrays_are_nested_lists(ask):
    answer = ask("sum(w * x)", w=[[1, 2], [3, 4]], x=[1, 10])
    assert answer["value"] == 64
    assert answer["gradients"] == {"w": [[1, 10], [1, 10]], "x": [4, 6]}
    assert answer["nodes"][0]["shape"] == [2, 2]


def test_non_finite_value_names_the_node(ask):
    answer = ask("y = 1 / x\nz = y + 1", x=0)
    assert answer["value"] is None
    assert answer["non_finite"]["name"] == "y"
    assert answer["non_finite"]["position"] == {"line": 1, "column": 5, "length": 5}
    assert "x = 0" in answer["non_finite"]["reason"]
    offender = next(node for node in answer["nodes"] if node["name"] == "y")
    assert offender["non_finite"]["value"] == [{"index": None, "is": "inf"}]


def test_non_finite_entries_are_listed(ask):
    answer = ask("y = 1 / x\nsum(y)", x=[1, 0, -0.0])
    node = next(node for node in answer["nodes"] if node["name"] == "y")
    assert node["value"] == [1, None, None]
    where = [{"index": [1], "is": "inf"}, {"index": [2], "is": "-inf"}]
    assert node["non_finite"]["value"] == where


def test_answer_is_json_without_nan(client):
    text = client.post(URL, json={"source": "log(x)", "at": {"x": -1}}).text
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def test_huge_program_is_refused(client):
    source = "y = x + x\n" + "y = y + x\n" * 300 + "mean(y)"
    answer = client.post(URL, json={"source": source, "at": {"x": [0.5] * 5000}})
    assert answer.status_code == 422
    assert answer.json["position"]["line"] > 1


BAD_SOURCES = {
    "caret": ("x ^ 2", 1, 3),
    "juxtaposed": ("2x", 1, 1),
    "misspelt": ("y = tahn(x)", 1, 5),
    "second line": ("y = x*2\nz = y +", 2, 8),
    "eval": ("__import__('os').system('true')", 1, 1),
    "attribute": ("x.__class__", 1, 1),
    "comprehension": ("[x for x in y]", 1, 1),
    "text": ("'a' * 9", 1, 1),
    "empty": ("", 1, 1),
    "wide letters": ("ü = x ^ 2", 1, 7),
}


@pytest.mark.parametrize(("source", "line", "column"), BAD_SOURCES.values(), ids=BAD_SOURCES)
def test_unreadable_source_is_placed(client, source, line, column):
    answer = client.post(URL, json={"source": source, "at": {"x": 1}})
    assert answer.status_code == 422
    assert answer.json["position"]["line"] == line
    assert answer.json["position"]["column"] == column
    assert answer.json["errors"][0]["pointer"] == "/source"
    assert answer.json["code"] not in ("invalid", "internal_error")


HOSTILE = {
    "minus signs": "-" * 4000 + "x",
    "brackets": "(" * 2000 + "x" + ")" * 2000,
    "long": "x" * 5000,
    "lines": "x\n" * 2500,
    "tower": "9**9**9**9**9**9*x",
    "names": "+".join(f"a{i}" for i in range(100)),
    "digits": "1" * 4000 + "*x",
    "nested lists": "[" * 200 + "x" + "]" * 200,
    "calls": "tanh(" * 500 + "x" + ")" * 500,
    "lambda": "(lambda: x)()",
    "f-string": "f'{x}'",
    "walrus": "(y := x)",
    "zero width": "x\u200b + 1",
    "right to left": "x \u202e + 1",
    "star": "f(*x)",
    "shape": "reshape(x, shape=(100000, 100000))",
    "matrix": "y = x @ x",
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE)
def test_hostile_source_is_no_surprise(client, source):
    answer = client.post(URL, json={"source": source, "at": {"x": 1.5}})
    assert answer.status_code in (200, 422), answer.text


BAD_POINTS = {
    "missing": ({}, "/at/x", "missing_input"),
    "unknown": ({"x": 1, "y": 2}, "/at/y", "unknown_input"),
    "text": ({"x": "1"}, "/at/x", "invalid"),
    "boolean": ({"x": True}, "/at/x", "invalid"),
    "null": ({"x": None}, "/at/x", "invalid"),
    "object": ({"x": {}}, "/at/x", "invalid"),
    "text in a list": ({"x": [1, ["2"]]}, "/at/x/1/0", "invalid"),
    "ragged": ({"x": [[1], [1, 2]]}, "/at/x", "not_a_number"),
    "slash": ({"x": 1, "a/b~c": 2}, "/at/a~1b~0c", "unknown_input"),
}


@pytest.mark.parametrize(("at", "pointer", "code"), BAD_POINTS.values(), ids=BAD_POINTS)
def test_wrong_point_is_pointed_at(client, at, pointer, code):
    answer = client.post(URL, json={"source": "x * 2", "at": at})
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json["errors"]]
    assert answer.json["code"] == code


def test_largest_numbers_pass_through(ask):
    largest = sys.float_info.max
    assert ask("x * 1", x=largest)["value"] == largest
    assert ask("x * 1", x=5e-324)["value"] == 5e-324


def test_nothing_is_stored(client, ask):
    ask("x * 2", x=1)
    assert client.get("/api/v1/gradchecks").json["items"] == []
