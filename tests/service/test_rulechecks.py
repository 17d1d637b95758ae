"""POST /api/v1/rulechecks and `nudge rule`: backward rules judged, and what each is told."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from serving import environment

from engine.mistakes import MISTAKES
from service import cli

URL = "/api/v1/rulechecks"


@pytest.fixture
def ask(client):
    """ask(backward, **more): the answer's JSON; the request must succeed."""

    def asked(backward, **more):
        answer = client.post(URL, json={"backward": backward, **more})
        assert answer.status_code == 200, answer.text
        return answer.json

    return asked


def test_right_rule_passes(ask):
    answer = ask({"x": "g*(1 - y**2)"}, name="tanh", forward="tanh(x)")
    assert (answer["verdict"], answer["name"], answer["forward"]) == ("pass", "tanh", "tanh(x)")
    (rule,) = answer["rules"]
    assert (rule["input"], rule["rule"], rule["verdict"]) == ("x", "g*(1 - y**2)", "pass")
    assert rule["counterexample"] is rule["diagnosis"] is rule["slope_text"] is None
    assert rule["points"] >= 8


def test_wrong_rule_is_named_with_a_counterexample(ask):
    (rule,) = ask({"x": "g*(1 - x**2)"}, forward="tanh(x)")["rules"]
    assert rule["verdict"] == "fail"
    assert rule["diagnosis"]["mistake"] == "input_not_output"
    shelf = MISTAKES["input_not_output"]
    assert (rule["diagnosis"]["title"], rule["diagnosis"]["mend"]) == (shelf.title, shelf.mend)
    assert rule["diagnosis"]["place"] == {"variable": "x", "text": "g*(1 - x**2)"}
    assert rule["slope_text"] == "yours behaves like 1 - x**2; the true one is 1 - y**2"
    found = rule["counterexample"]
    assert found["yours"] == pytest.approx(found["g"] * (1 - found["inputs"]["x"] ** 2))
    assert found["true"] == pytest.approx(found["g"] * (1 - found["y"] ** 2))


def test_name_of_a_plugin_op_gives_its_forward(ask):
    answer = ask({"x": "s = sigmoid(x); g*(s + y*(1 - s))"}, name="silu")
    assert answer["verdict"] == "pass"


def test_each_input_has_its_own_verdict(ask):
    answer = ask({"a": "g/b", "b": "-g*a/b"}, forward="a/b")
    assert [rule["verdict"] for rule in answer["rules"]] == ["pass", "fail"]
    assert answer["explanation"] == answer["rules"][1]["explanation"]
    assert ask({"b": "g*a"}, forward="a*b")["unjudged"] == ["a"]


def test_kink_gives_both_slopes(ask):
    (rule,) = ask({"x": "g*((x > 0) - (x == 0))"}, name="relu")["rules"]
    assert rule["counterexample"]["slopes"] == {"left": 0, "right": 1}
    assert rule["counterexample"]["true"] is None


def test_answer_is_json_without_nan(client):
    text = client.post(URL, json={"forward": "x**2", "backward": {"x": "2*g*exp(log(x))"}}).text
    answer = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    found = answer["rules"][0]["counterexample"]
    assert found["yours"] is None
    assert found["non_finite"]["yours"] == [{"index": None, "is": "nan"}]
    assert answer["rules"][0]["diagnosis"]["non_finite"]["yours"]


def test_point_and_tolerance_are_heeded(ask):
    rule = {"x": "g*min(y, 1e280)"}
    assert ask(rule, name="exp")["verdict"] == "pass"
    assert ask(rule, name="exp", at={"x": 650})["verdict"] == "fail"
    rule = {"x": "0.4343*g/x"}
    assert ask(rule, forward="log(x)/log(10)", tolerance="student")["verdict"] == "pass"
    assert ask(rule, forward="log(x)/log(10)")["verdict"] == "fail"


def test_vacuous_comparison_is_warned_of(ask):
    assert "cannot tell" in ask({"x": "0*g"}, name="sign")["warnings"][0]


UNREADABLE = {
    "forward": ({"forward": "tahn(x)", "backward": {"x": "g"}}, "/forward", "unknown_op", 1),
    "caret": ({"name": "tanh", "backward": {"x": "g*(1-y^2)"}}, "/backward/x", "caret", 7),
    "name": ({"name": "tanh", "backward": {"x": "g*z"}}, "/backward/x", "unknown_name", 3),
    "second": (
        {"forward": "a*b", "backward": {"a": "g*b", "b": "2a"}},
        "/backward/b",
        "missing_operator",
        1,
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_unreadable_text_is_refused_with_its_place(client, case):
    body, pointer, code, column = UNREADABLE[case]
    answer = client.post(URL, json=body)
    assert answer.status_code == 422
    assert answer.json["code"] == code
    assert answer.json["hint"]
    assert answer.json["errors"][0]["pointer"] == pointer
    assert answer.json["position"]["column"] == column


UNFIT = {
    "no rules": ({"name": "tanh", "backward": {}}, "/backward"),
    "no backward": ({"name": "tanh"}, "/backward"),
    "list of rules": ({"name": "tanh", "backward": ["g"]}, "/backward"),
    "rule is a number": ({"name": "tanh", "backward": {"x": 1}}, "/backward/x"),
    "no forward": ({"backward": {"x": "g"}}, "/forward"),
    "unknown name": ({"name": "tahn", "backward": {"x": "g"}}, "/name"),
    "structural op": ({"name": "matmul", "backward": {"a": "g"}}, "/name"),
    "unknown input": ({"name": "tanh", "backward": {"z": "g"}}, "/backward/z"),
    "array": ({"name": "tanh", "backward": {"x": "g"}, "at": {"x": [1, 2]}}, "/at/x"),
    "tolerance": ({"name": "tanh", "backward": {"x": "g"}, "tolerance": 1}, "/tolerance"),
    "unknown field": ({"name": "tanh", "backward": {"x": "g"}, "domain": 1}, "/domain"),
    "too much work": (
        {
            "forward": "t0 = sin(1e300*x); "
            + "; ".join(f"t{i + 1} = sin(t{i})" for i in range(90))
            + "; t90",
            "backward": {"x": "g"},
        },
        "/backward",
    ),
    "long": ({"forward": "+".join(["x*x"] * 150), "backward": {"x": "g"}}, "/forward"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_question_that_does_not_fit_is_refused(client, case):
    body, pointer = UNFIT[case]
    answer = client.post(URL, json=body)
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert answer.json["errors"][0]["pointer"] == pointer


# ---- nudge rule ----


@pytest.fixture
def nudge(monkeypatch, tmp_path):
    """nudge(*words): the result of `nudge rule`, run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name, text in environment(tmp_path / "data").items():
        if name.startswith("NUDGE_"):
            monkeypatch.setenv(name, text)
    return lambda *words: CliRunner().invoke(cli.nudge, ["rule", *words])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["tanh", "tanh(x)", "x=g*(1 - y**2)"], 0, "PASS Right at all"),
        (["tanh", "x=g*(1 - y**2)"], 0, "PASS"),
        (["step", "where(x == 0, 1, exp(x))", "x=g*y"], 0, "PASS"),
        (["tanh", "x = g"], 1, "drop_factor"),
        (["tanh", "x=g*(1 - x**2)"], 1, "yours behaves like 1 - x**2; the true one is 1 - y**2"),
        (["div", "a=g/b", "b=-g*a/b"], 1, "the denominator is not squared"),
        (["div", "a=g/b"], 0, "Not judged, because no rule was given: b."),
        (["relu", "x=g*(x > 0)"], 0, "at x = 0 there is a kink"),
        (["exp", "x=g*min(y, 1e280)", "--at", "x=650"], 1, "x = 650"),
        (["log10", "log(x)/log(10)", "x=0.4343*g/x", "--tolerance", "student"], 0, "PASS"),
        (["none", "log(-abs(x))", "x=g"], 3, "NON FINITE"),
        (["sign", "x=0"], 0, "cannot tell a right rule"),
    ],
)
def test_exit_code_tells_the_verdict(nudge, words, code, said):
    result = nudge(*words)
    assert result.exit_code == code, result.output
    assert said in " ".join(result.output.split())


def test_counterexample_is_a_table(nudge):
    lines = nudge("mul", "a=g", "b=g*a").output.splitlines()
    head = next(line for line in lines if line.split()[:2] == ["rule", "for"])
    assert head.split()[-4:] == ["g", "y", "yours", "true"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tanh", "x=g*(1-y^2)"], "1 | g*(1-y^2)\n          ^"),
        (["tanh", "tanh(z", "x=g"], "1 | tanh(z\n"),
        (["tahn", "x=g"], "did you mean tanh?"),
        (["tanh", "tanh(x)"], "There is no rule to check."),
        (["tanh", "tanh(x)", "g", "x=g"], "g is no rule."),
        (["tanh", "x=g", "x=y"], "x is given two rules."),
        (["tanh", "x=g", "--at", "x"], "x is no value"),
        (["tanh", "x=g", "--at", "x=1", "--at", "x=2"], "x is given twice"),
        (["tanh", "x=g", "--at", "x=a"], "not a number"),
        (["tanh", "x=g", "--tolerance", "lax"], "lax is no tolerance."),
        (["tanh", "x=g", "--tolerance", "2"], "2.0 is not a tolerance"),
    ],
)
def test_unreadable_words_are_refused(nudge, words, said):
    result = nudge(*words)
    assert result.exit_code == 2, result.output
    assert said in result.output


WITHOUT_WEB = """
import sys
from service.cli import nudge
try:
    nudge(["rule", "tanh", "x=g", "--json"])
finally:
    print("flask" in sys.modules, "sqlalchemy" in sys.modules, file=sys.stderr)
"""


def test_json_needs_no_web_layer():
    """Its import would take longer than the check."""
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_WEB], capture_output=True, text=True, check=False
    )
    assert json.loads(told.stdout)["verdict"] == "fail"
    assert told.stderr.strip() == "False False"


def test_json_is_what_the_api_answers(nudge, ask):
    result = nudge("tanh", "tanh(x)", "x=g*x", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == ask({"x": "g*x"}, name="tanh", forward="tanh(x)")
