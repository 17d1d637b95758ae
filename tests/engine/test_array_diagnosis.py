"""What is said of wrong claims on arrays, of values that are not finite, and beside a verdict."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest

from engine import check, parse
from engine.check.diagnosis import diagnose_arrays
from engine.check.diagnosis.arrays import WORK
from engine.check.local import true_parts
from engine.check.symptoms import symptoms
from engine.ops import OPS
from engine.registry import Vocabulary
from tests.engine.test_local import each, plugin

PAIR = {"x": [0.3, 0.5]}


def nested(count):
    return "\n".join(["a = sin(x)", *["a = sin(a)"] * (count - 1), "sum(a)"])


def said(source, at, claims, tolerance="strict"):
    report = check(parse(source), at, claims, tolerance)
    assert report.verdict == "fail"
    return [d.explanation for d in report.diagnoses]


def gradient(source):
    return parse(source).evaluate(PAIR).gradients["x"]


def pulls(source, claims):
    """How many rules are run to explain wrong claims on x."""
    program = parse(source)
    values = [node.value for node in program.evaluate(PAIR).nodes]
    components = check(program, PAIR, {"x": claims}).components
    count = 0

    def pull(*args):
        nonlocal count
        count += 1
        return true_parts(values, *args)

    diagnose_arrays(program, values, pull, components, 7e-4)
    return count


# -- the work it takes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        f"sum({'+'.join(['x'] * 400)})",
        f"sum({'*'.join(['x'] * 400)})",
        nested(100),
        nested(200),
        "a = x\n" + "a = a + a\n" * 100 + "sum(a)",
    ],
    ids=["sum", "product", "100 sines", "200 sines", "doubled"],
)
def test_work_of_a_long_program_is_bounded(source):
    assert pulls(source, [5, 7]) <= WORK + len(parse(source).equations)


def test_only_what_lies_behind_a_mistake_runs_again():
    """30 branches side by side: to run all again for each hypothesis would take over 50,000."""
    source = " + ".join(f"sum(sin({i}*x))" for i in range(1, 31))
    assert pulls(source, [5, 7]) < 5_000
    cut = gradient(source) - 30 * np.cos(30 * np.array(PAIR["x"]))
    assert "At sin(30*x) the gradient is cut off: nothing passes to its inputs." in said(
        source, PAIR, {"x": cut}
    )


def test_beyond_the_work_only_symptoms_are_told():
    first, *_ = said(nested(20), PAIR, {"x": -gradient(nested(20))})
    assert first.startswith("At ")
    [only] = said(nested(200), PAIR, {"x": -gradient(nested(200))})
    assert only.startswith("Every entry has the opposite sign")


# -- who is accused --------------------------------------------------------------------------------


def test_garbage_beside_a_large_gradient_stays_unexplained():
    at = {"a": [1e13, 1], "x": [1, 1], "b": [0.3, 0.5]}
    claims = {"a": [1, 1], "x": [1e13, 1], "b": [0.123, 0.4567]}
    assert said("sum(a*x) + sum(tanh(b))", at, claims) == []


def test_garbage_beside_a_large_entry_stays_unexplained():
    at = {"a": [1e13, 1, 2], "b": [0.3, 0.5, 0.7]}
    assert said("sum(a*tanh(b))", at, {"b": [5, 0.123, 0.4567]}) == []


def test_small_garbage_for_a_huge_gradient_stays_unexplained():
    source = "a = x\n" + "a = a + a\n" * 90 + "sum(a)"
    assert said(source, PAIR, {"x": [0.123, -0.4567]}) == []


def test_mistake_beside_a_large_gradient_is_named():
    at = {"a": [1e13, 1], "x": [1, 1], "b": [0.3, 0.5]}
    claims = {"a": [1, 1], "x": [1e13, 1], "b": 1 - np.array(at["b"]) ** 2}
    first = said("sum(a*x) + sum(tanh(b))", at, claims)[0]
    assert first == "At tanh(b) the local derivative was taken as 1 - x**2."


@pytest.mark.parametrize("claimed", [["b"], ["b", "y"]])
def test_op_that_moves_no_wrong_claim_is_not_accused(claimed):
    """Four digits are too few for this tolerance, and that is no mistake of any rule."""
    slopes = np.round(1 - np.tanh([0.3, 0.5]) ** 2, 4)
    claims = {name: {"b": slopes, "y": [1, 1]}[name] for name in claimed}
    assert said("sum(relu(y)) + sum(tanh(b))", {"y": [1, 2], "b": [0.3, 0.5]}, claims) == []


def test_mistake_on_shared_arrays_is_named_with_all_it_explains():
    rng = np.random.default_rng(3)
    w, x, b = rng.normal(size=(3, 2)), rng.normal(size=2), rng.normal(size=3)
    before = w @ x + b
    g = (2 * np.tanh(before) + 1) * (1 - before**2)
    claims = {"w": np.outer(g, x), "x": w.T @ g, "b": g}
    program = parse("h = tanh(w @ x + b)\nL = sum(h*h) + sum(h)")
    first = check(program, {"w": w, "x": x, "b": b}, claims).diagnoses[0]
    assert (first.mistake, first.explains, first.of) == ("input_not_output", 11, 11)
    assert first.explanation.startswith("At h = tanh(w @ x + b), the local derivative was taken")


def test_claim_for_a_second_name_of_an_input_is_explained():
    [*_, last] = said("h = x\nsum(h*h)", PAIR, {"h": [0.3, 0.5]})
    assert "1/2" in last


# -- words -----------------------------------------------------------------------------------------


def test_sentences_show_the_source_and_no_numbered_results():
    at = {"w": [[1, 2], [3, 5]], "x": [0.3, 0.5], "v": [0.7, 0.2]}
    g = np.array(at["v"])
    told = said(
        "sum((w + w) @ (x * x) * v)", at, {"x": 2 * np.array(at["x"]) * (2 * np.array(at["w"]) @ g)}
    )
    assert told[0] == (
        "At (w + w) @ (x * x) the gradient of the right factor was multiplied by w + w, not by its "
        "transpose."
    )
    one_use = said("sum(exp(x) * exp(x) + tanh(x))", PAIR, {"x": 1 - np.tanh(PAIR["x"]) ** 2})
    assert "only the part from tanh(x) is there" in one_use[0]
    assert not any("%" in sentence for sentence in told + one_use)


def test_name_at_the_start_of_a_sentence_keeps_its_case():
    told = said("sum(w*x)", {"w": [3, 4], "x": [0.5, 0.25]}, {"w": [0.5, 0.5]})
    assert any(sentence.startswith("w[1] holds the number of w[0]") for sentence in told)


# -- symptoms --------------------------------------------------------------------------------------


def test_factor_seen_in_large_entries_alone_is_no_factor():
    truth = np.array([1e12, 2e12, 3, 5])
    assert symptoms({"x": np.array([-340, -680, 7, 9.0])}, {"x": truth}, 1e-3) == ()


def test_factor_that_a_small_wrong_entry_denies_is_no_factor():
    truth, claim = np.array([1e12, 2e12, 5e3]), np.array([2e12, 4e12, 9e3])
    assert not any("every" in d.explanation for d in symptoms({"x": claim}, {"x": truth}, 1e-3))


def test_entries_of_a_small_input_are_wrong_beside_a_large_one():
    large, small = np.array([1e13, 2e13]), np.array([0.3, 0.5])
    found = symptoms({"a": large, "b": -small}, {"a": large, "b": small}, 1e-3)
    assert found[0].mistake.startswith("sign_") and (found[0].explains, found[0].of) == (2, 2)


# -- values that are not finite --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "at", "mistake", "cause"),
    [
        ("sum(log(x))", {"x": [1, -1, 2]}, "outside_domain", "at x[1] = -1."),
        (
            "mean(log(x + b))", {"x": [[1, 2], [3, -4]], "b": [0, 1]},
            "outside_domain", "at (x + b)[1, 1] = -3.",
        ),
        ("sum(exp(x))", {"x": [1, 800, -900]}, "overflow", "exp of x[1] = 800 is"),
        ("sum(expm1(x))", {"x": [-900, 750]}, "overflow", "expm1 of x[1] = 750 is"),
        ("sum(sinh(x))", {"x": [1, -800]}, "overflow", "sinh of x[1] = -800 is"),
        ("sum(log(x))", {"x": [1, 0]}, "log_of_zero", "(here x[1] = 0)"),
        ("1/(x-x)", {"x": 1}, "division_by_zero", "not finite: the denominator x-x is 0."),
        ("sum(x/b)", {"x": [[1, 2], [3, 4]], "b": [[1], [0]]}, "division_by_zero", "b[1, 0] is 0."),
        ("exp(x)/0", {"x": 1}, "division_by_zero", "the denominator is 0."),
        (
            "sum(x**y)", {"x": [[2], [0]], "y": [1, -1]},
            "division_by_zero", "here x[1, 0] = 0, to the y[1] = -1",
        ),
        ("x**1001", {"x": -10}, "overflow", "the result is larger than float64 can hold."),
        ("x**0.5", {"x": -1}, "outside_domain", "at x = -1."),
    ],
)  # fmt: skip
def test_guilty_entry_is_named(source, at, mistake, cause):
    [told] = check(parse(source), at).diagnoses
    assert told.mistake == mistake
    assert cause in told.explanation
    assert "stable" not in told.explanation and "%" not in told.explanation


@pytest.mark.parametrize(
    ("source", "at", "form"),
    [
        ("1/(1 + exp(-x))", {"x": -800}, "for 1/(1 + exp(-x)) write sigmoid(x)."),
        ("e = exp(x)\ne/(e + 1)", {"x": 800}, "write sigmoid(x)."),
        ("sum(log(1 + exp(x)))", {"x": [1, 800]}, "for log(1 + exp(x)) write softplus(x)."),
        ("log(exp(x) + exp(y))", {"x": 800, "y": 1}, "write logaddexp(a, b)."),
        ("log(sum(exp(x)))", {"x": [-800, -900]}, "write logsumexp(x)."),
        ("sum(exp(x)/sum(exp(x)))", {"x": [-800, -900]}, "write softmax(x)."),
        ("s = exp(x)/sum(exp(x))\nsum(log(s))", {"x": [1, 800]}, "write x - logsumexp(x)."),
        ("(exp(x*2) - 1)/(exp(2*x) + 1)", {"x": 800}, "write tanh(x)."),
        ("log(1 - sigmoid(x))", {"x": 800}, "write -softplus(x)."),
        ("log(exp(x))", {"x": -800}, "for log(exp(x)) write x."),
        ("exp(x)*exp(-x)", {"x": 800}, "write exp(a + b)."),
    ],
)
def test_form_that_was_meant_is_offered(source, at, form):
    [told] = check(parse(source), at).diagnoses
    assert told.explanation.endswith(form)


@pytest.mark.parametrize(
    ("source", "at"),
    [
        ("exp(x)", {"x": 800}),
        ("sum(exp(x))", {"x": [800, 1]}),
        ("exp(x)*exp(x)", {"x": 800}),
        ("log(1 + exp(y)) + exp(x)", {"x": 800, "y": 1}),
        ("log(exp(exp(x)))", {"x": 800}),
        ("exp(x)/(1 + exp(y))", {"x": 1e3, "y": 1}),
        ("exp(x)/(2 + exp(x))", {"x": 800}),
        ("exp(tanh(exp(x)))*exp(y)", {"x": 800, "y": 1}),
        ("x**1000", {"x": 10}),
        ("1/(x - x)", {"x": 1}),
        ("log(x - x + 0*exp(y))", {"x": 1, "y": 1}),
    ],
)
def test_form_that_does_not_help_is_not_offered(source, at):
    [told] = check(parse(source), at).diagnoses
    assert "stable" not in told.explanation


def test_logarithm_of_zero_without_a_form_says_so():
    [told] = check(parse("log(x)*z"), {"x": 0, "z": 2}).diagnoses
    assert told.explanation.endswith(
        "No other form is finite there: keep above 0 what the logarithm is taken of."
    )


# -- warnings --------------------------------------------------------------------------------------


def test_flat_slope_beside_one_that_does_not_exist_is_no_flat_comparison():
    report = check(parse("abs(x) + 0*y"), {"x": 0, "y": 1}, {"x": 0, "y": 0})
    assert report.verdict == "not_differentiable"
    assert not any("every slope is 0" in warning for warning in report.warnings)
    flat = check(parse("x**2 + 0*y"), {"x": 0, "y": 1}, {"x": 0, "y": 0})
    assert any("every slope is 0" in warning for warning in flat.warnings)


def test_wrong_rule_in_many_places_is_told_once():
    doubled = plugin("doubled", lambda x: each(lambda t: t * t)(x), lambda g, y, x: g * x)
    vocabulary = Vocabulary(MappingProxyType({**OPS, "doubled": doubled}))
    source = "sum(doubled(x) + doubled(2*x) + doubled(3*x))"
    report = check(parse(source, vocabulary), {"x": [0.3, 0.5, 0.7, 0.9]}, {"x": [1, 1, 1, 1]})
    [told] = [w for w in report.warnings if "wrong backward rule" in w]
    assert "for x: at equation " in told
    assert told.endswith("It is wrong at 12 of 12 places tried.")
    assert "upstream" not in told
