"""Any function at all: right gradients pass, wrong ones fail and are explained, doubt is named."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from engine.check.function import check_function
from engine.check.symptoms import symptoms
from engine.errors import InputError

DICE = np.random.default_rng(7)
X = DICE.normal(size=(5, 3))
TARGET = DICE.normal(size=(5, 4))
W = DICE.normal(size=(3, 4))
B = DICE.normal(size=4)
S = DICE.normal(size=(4, 4))


def loss(w, b):
    return np.mean((np.tanh(X @ w + b) - TARGET) ** 2)


def backward(w, b):
    y = np.tanh(X @ w + b)
    d = 2 * (y - TARGET) / TARGET.size * (1 - y * y)
    return X.T @ d, d.sum(axis=0)


def cube(x):
    return np.sum(x**3)


def mistakes(report):
    return [diagnosis.mistake for diagnosis in report.diagnoses]


def test_right_backward_of_a_layer_passes():
    report = check_function(loss, (W, B), backward, "strict")
    assert (report.verdict, report.method, len(report.components)) == ("pass", "blackbox", 16)
    assert (report.components[5].input, report.components[5].index) == ("w", (1, 1))
    assert report.warnings == report.diagnoses == ()
    assert report.value == loss(W, B)


@pytest.mark.parametrize(
    ("fn", "at", "gradient"),
    [
        (lambda x: x**2, 3, 6),
        (lambda x: x**2, 3.0, lambda x: 2 * x),
        (lambda x: math.exp(x) / x, 2.0, math.exp(2) / 4),
        (lambda a, b: a * b, (2.0, 5.0), (5.0, 2.0)),
        (lambda a, b: a * b, {"b": 5.0, "a": 2.0}, {"a": 5.0, "b": 2.0}),
        (lambda p: p["a"] * p["b"], {"a": 2.0, "b": 5.0}, lambda p: {"a": p["b"], "b": p["a"]}),
        (lambda x: sum(x**2), [1, 2, 3], [2, 4, 6]),
        (cube, np.array(2.0), np.array(12.0)),
        (cube, np.arange(1, 4), 3 * np.arange(1, 4) ** 2),
        (lambda x: np.array([cube(x)]), X, 3 * X**2),
    ],
)
def test_arguments_of_any_form_are_judged(fn, at, gradient):
    assert check_function(fn, at, gradient).verdict == "pass"

    def half(*args, **kwargs):
        return 0.5 * float(np.sum(fn(*args, **kwargs)))

    half.__signature__ = __import__("inspect").signature(fn)
    assert check_function(half, at, gradient).verdict == "fail"


def test_unclaimed_inputs_keep_their_form():
    def pick(scores, label):
        assert label.dtype == int
        return -scores[label[0]] + np.log(np.sum(np.exp(scores)))

    def gradient(scores, label):
        share = np.exp(scores) / np.sum(np.exp(scores))
        share[label[0]] -= 1
        return share, None

    report = check_function(pick, (B, np.array([2])), gradient)
    assert (report.verdict, report.unclaimed) == ("pass", ("label",))


def test_names_are_those_of_the_parameters():
    def found(*args):
        return [c.input for c in check_function(*args).components]

    assert found(lambda a, b: a * b, (2.0, 3.0), (3.0, 2.0)) == ["a", "b"]
    assert found(lambda *parts: parts[0] * parts[1], (2.0, 3.0), (3.0, 2.0)) == ["x0", "x1"]
    assert found(lambda a, b: a * b, (2.0, 3.0), (3.0, 2.0), "strict", ["u", "v"]) == ["u", "v"]


PLANTED = {
    "factor 2": (
        lambda w, b: (2 * backward(w, b)[0], 2 * backward(w, b)[1]),
        "common_factor",
        "2 times",
    ),
    "mean over axis": (
        lambda w, b: tuple(g / 3 for g in backward(w, b)),
        "common_factor",
        "axis 0 of w",
    ),
    "mean forgotten": (
        lambda w, b: tuple(g * 60 for g in backward(w, b)),
        "common_factor",
        "over 60",
    ),
    "uphill": (lambda w, b: tuple(-g for g in backward(w, b)), "sign_all", "opposite sign"),
    "detached": (lambda w, b: (backward(w, b)[0], 0 * b), "graph_cut", "gradient of b is 0"),
    "seed": (lambda w, b: (np.ones_like(w), np.ones_like(b)), "ones", "every entry is 1"),
    "forced": (
        lambda w, b: (backward(w, b)[0].T.reshape(3, 4), backward(w, b)[1]),
        "transposed",
        "then reshaped",
    ),
    "summed": (
        lambda w, b: (np.broadcast_to(backward(w, b)[0].sum(0), (3, 4)), backward(w, b)[1]),
        "summed_over_axis",
        "sum along axis 0",
    ),
    "reversed": (lambda w, b: (backward(w, b)[0], backward(w, b)[1][::-1]), "permuted", "reverse"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_mistake_is_named_first(name):
    gradient, code, words = PLANTED[name]
    report = check_function(loss, (W, B), gradient)
    assert report.verdict == "fail"
    assert mistakes(report)[:1] == [code]
    assert words in report.diagnoses[0].explanation
    assert report.diagnoses[0].explains == report.diagnoses[0].of > 1


def test_garbage_is_not_explained():
    dice = np.random.default_rng(3)
    for _ in range(300):
        claims = {"w": dice.normal(size=(3, 4)), "b": dice.normal(size=4)}
        assert symptoms(claims, dict(zip("wb", backward(W, B), strict=True)), 7e-4) == ()


def test_right_gradient_has_no_symptom():
    references = dict(zip("wb", backward(W, B), strict=True))
    rounded = {name: np.array([float(f"{x:.4g}") for x in r.flat]).reshape(r.shape)
               for name, r in references.items()}  # fmt: skip
    assert symptoms(references, references, 1e-6) == ()
    assert symptoms(rounded, references, 7e-4) == ()
    assert symptoms({}, {}, 7e-4) == ()


SINGLE = np.array([3.125, -2.4, 0.75, 8.5])


@pytest.mark.parametrize(
    ("claim", "code", "words"),
    [
        ([3.125, 2.4, 0.75, 8.5], "sign_component", "sign of x[1]"),
        ([31.25, -2.4, 0.75, 8.5], "typing_slip", "decimal point of x[0]"),
        ([3.125, -4.2, 0.75, 8.5], "typing_slip", "two digits of x[1]"),
        ([3.125, -2.4, 0.75, 0.75], "typing_slip", "x[3] holds the number of x[2]"),
        ([8.5, 3.125, -2.4, 0.75], "permuted", "moved on by 1 place"),
        ([-2.4, 3.125, 0.75, 8.5], "permuted", "2 entries hold each other's numbers"),
        ([3.125, 0, 0.75, 0], "graph_cut", "at 2 of 4 entries"),
        ([4.125, -3.4, 1.75, 7.5], "summed_over_axis", "add up to 9.975"),
    ],
)
def test_slip_in_a_vector_is_named(claim, code, words):
    (found, *_) = symptoms({"x": np.array(claim)}, {"x": SINGLE}, 7e-4)
    assert found.mistake == code
    assert words in found.explanation


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_infinite_claim_is_no_typing_slip(number):
    """Beside infinity every slope lies within the tolerance."""
    assert symptoms({"x": np.array([2.0, number])}, {"x": np.array([2.0, 4.0])}, 7e-4) == ()


def test_square_transpose_is_named():
    (found, *others) = symptoms({"s": S.T}, {"s": S}, 7e-4)
    assert (found.mistake, others) == ("transposed", [])
    wanted = {"transposed": np.swapaxes(DICE.normal(size=(2, 3, 3)), 1, 2)}
    for code, truth in wanted.items():
        assert symptoms({"t": np.swapaxes(truth, 1, 2)}, {"t": truth}, 7e-4)[0].mistake == code


def test_swapped_operands_are_named():
    report = check_function(lambda a, b: a * b * b, (2.0, 5.0), (20.0, 25.0))
    assert mistakes(report)[0] == "swap_operands"
    assert "a and b hold each other's gradients" in report.diagnoses[0].explanation
    report = check_function(lambda a, b: np.sum(a * b), (B, SINGLE), (B, B))
    assert "a has the gradient of b" in report.diagnoses[0].explanation


def test_single_number_says_that_it_is_little_evidence():
    (found,) = check_function(lambda x: x**2, 3.0, 3.0).diagnoses
    assert "little evidence" in found.explanation
    assert found.numbers["yours"] == 3.0
    assert check_function(lambda x: x**2, 3.0, 3.3).diagnoses == ()


def test_unknown_slopes_support_no_symptom():
    diagonal = np.where(np.eye(4, dtype=bool), S, np.nan)
    assert symptoms({"s": S.T}, {"s": diagonal}, 7e-4) == ()
    (found,) = symptoms({"x": 2 * SINGLE}, {"x": np.array([3.125, np.nan, 0.75, 8.5])}, 7e-4)
    assert (found.mistake, found.explains, found.of) == ("common_factor", 3, 3)


def test_resemblance_is_not_enough():
    assert symptoms({"s": 1.01 * S.T}, {"s": S}, 7e-4) == ()
    assert symptoms({"x": np.array([3.125, 0, 0.8, 8.5])}, {"x": SINGLE}, 7e-4) == ()
    nearly = SINGLE * np.array([2.02, 2, 2, 2])
    assert symptoms({"x": nearly}, {"x": SINGLE}, 7e-4) == ()


def test_gradient_that_adds_up_is_told():
    total = np.zeros(4)

    def gradient(x):
        total[:] += 3 * x**2
        return total

    report = check_function(cube, B, gradient)
    assert report.verdict == "pass"
    (warning,) = report.warnings
    assert warning.startswith("called again, gradient returns another gradient of x: twice")


def test_function_that_changes_its_input_is_told():
    def rude(x):
        x *= 2
        return np.sum(x)

    at = np.array([1.0, 2.0])
    report = check_function(rude, at, np.array([2.0, 2.0]))
    assert report.verdict == "pass"
    assert report.warnings == ("rude changes its input x; each call was given a copy",)
    assert at.tolist() == [1.0, 2.0]


def test_random_function_is_not_judged():
    dice = np.random.default_rng(1)
    report = check_function(lambda x: x * dice.normal(), 2.0, 1.0)
    assert report.verdict == "nondeterministic"
    assert report.reason.startswith("not deterministic: two calls gave ")
    assert [c.verdict for c in report.components] == ["nondeterministic"]


def test_function_that_is_often_steady_is_found_random():
    dice = np.random.default_rng(5)
    verdicts = [
        check_function(lambda x: x * (dice.random() < 0.5), 2.0, 1.0).verdict for _ in range(200)
    ]
    # Seven calls give one value in 1 of 64 cases, two in 1 of 2.
    assert verdicts.count("nondeterministic") >= 185


@pytest.mark.parametrize(("at", "word"), [(-1.0, "nan"), (0.0, "-inf")])
def test_non_finite_value_comes_first(at, word):
    report = check_function(np.log, at, 1.0)
    assert report.verdict == report.components[0].verdict == "non_finite"
    assert report.reason == f"log is {word} at this point"


def test_kink_and_edge_have_no_slope():
    report = check_function(abs, 0.0, 0.5)
    assert report.verdict == "not_differentiable"
    assert report.components[0].slopes == pytest.approx((-1.0, 1.0))
    assert check_function(math.sqrt, 0.0, 0.5).verdict == "not_differentiable"  # raises below 0
    assert check_function(lambda x: x**0.5, 0.0, 0.5).verdict == "not_differentiable"  # complex


def test_single_precision_is_found_and_told():
    at = B.astype(np.float32)
    assert check_function(lambda x: np.sum(np.sin(x)), at, np.cos(at), 0.01).verdict == "pass"
    assert check_function(lambda x: np.sum(np.sin(x)), at, np.sin(at), 0.01).verdict == "fail"
    report = check_function(lambda x: np.sum(np.sin(x)), at, np.cos(at), "strict")
    assert report.verdict == "inconclusive"
    assert "at this precision (float32): about " in report.reason
    assert "hand in float64" in report.reason


@pytest.mark.parametrize(
    ("kind", "big"), [(np.float32, 6e8), (np.float32, 6e12), (np.float16, 6e4)]
)
def test_slope_below_the_rounding_of_the_value_is_not_refused(kind, big):
    """Beside so large a term, moving the first entry changes nothing at all."""
    at = np.array([1, big], dtype=kind)
    report = check_function(lambda x: np.sum(x * kind(0.5)), at, [0.5, 0.5], 0.05)
    small = report.components[0]
    assert (small.verdict, small.reference) == ("inconclusive", 0.0)
    assert small.error_bound > 0.5
    assert check_function(lambda x: np.sum(x * kind(0.5)), at, [0.5, 9], 0.05).verdict == "fail"


def test_flat_function_of_single_precision_is_told_from_a_slope():
    flat = np.array([-1, -2], dtype=np.float32)

    def relu(x):
        return np.sum(np.maximum(x, 0)) + np.float32(3)

    assert check_function(relu, flat, [0, 0]).verdict == "pass"
    assert check_function(relu, flat, [0.001, 0]).verdict == "fail"


@pytest.mark.filterwarnings("error")
def test_steps_beyond_a_precision_raise_no_warning():
    report = check_function(lambda x: x * np.float16(0.5), np.float16(60000), 0.5, 0.5)
    assert report.verdict in ("pass", "inconclusive")
    wide = np.array(["1e400", "4"], dtype=np.longdouble)
    assert check_function(np.sum, np.ones(2), wide).verdict == "fail"
    assert check_function(np.sum, wide, np.ones(2)).verdict == "non_finite"


def test_whole_number_beyond_int64_is_judged():
    assert check_function(lambda x: 3 * x, 10**30, 3).verdict == "pass"
    assert check_function(lambda x: sum(x) * 1e30, [1, 2], [10**30, 10**30]).verdict == "pass"
    assert check_function(lambda x: x * 10**30, 1, 10**29).verdict == "fail"


@pytest.mark.parametrize(
    ("fn", "code", "words"),
    [
        (lambda x: x, "not_one_number", "the function returns a whole number beyond float64"),
        (lambda x: x * 0.5, "function_failed", "failed at x = a whole number beyond float64"),
        (lambda x: 1.0, "not_a_number", "x holds a whole number beyond float64"),
    ],
)
def test_whole_number_beyond_float64_is_called_that(fn, code, words):
    with pytest.raises(InputError) as caught:
        check_function(fn, 10**400, 1.0)
    assert (caught.value.code, words in str(caught.value)) == (code, True)


def test_comparison_that_cannot_fail_says_so():
    report = check_function(lambda a, b: a + 0 * b, (2.0, 3.0), (1.0, 0.0))
    assert report.verdict == "pass"
    (warning,) = report.warnings
    assert warning.startswith("this comparison cannot fail: no slope for b differs from 0")


BIG = np.random.default_rng(2).normal(size=(100, 100)) + 3


def test_large_array_is_sampled_and_says_so():
    report = check_function(lambda w, b: cube(w) + cube(b), (BIG, B), (3 * BIG**2, 3 * B**2))
    assert report.verdict == "pass"
    assert report.warnings == ("judged 256 of 10,004 entries and two random directions",)
    assert [c.input for c in report.components].count("b") == 4
    assert [c.input for c in report.components][-2:] == ["direction 1", "direction 2"]
    again = check_function(lambda w, b: cube(w) + cube(b), (BIG, B), (3 * BIG**2, 3 * B**2))
    assert again == report


def test_direction_sees_what_the_sample_missed():
    claim = 3 * BIG**2
    claim[:, 60:] *= 1.1
    report = check_function(cube, BIG, claim, max_evaluations=700)
    verdicts = {c.input: c.verdict for c in report.components}
    assert verdicts["direction 1"] == verdicts["direction 2"] == "fail"


def test_rounded_claim_is_right_along_every_direction():
    dice = np.random.default_rng(4)
    for _ in range(12):  # along a direction of mixed signs the slopes would cancel, the slips not
        x = dice.normal(size=(20, 60))
        rounded = np.array([float(f"{g:.4g}") for g in (3 * x**2).flat]).reshape(x.shape)
        x[0, 0], rounded[0, 0] = 1.0, 3.0
        signs = np.where(dice.random(x.shape) < 0.5, -1, 1)
        report = check_function(
            lambda x, s=signs: np.sum(s * x**3), x, signs * rounded, max_evaluations=700
        )
        assert report.verdict in ("pass", "inconclusive")
        assert [c.verdict for c in report.components if "direction" in c.input] == ["pass"] * 2


@pytest.mark.parametrize("most", [608, 1000, 5000])
def test_evaluations_are_capped(most):
    calls = []
    fussy = check_function(
        lambda x: calls.append(1) or float(np.sum(np.sin(1e6 * x) + np.abs(x))),
        BIG,
        BIG,
        max_evaluations=most,
    )
    assert fussy.evaluations == len(calls) <= most


@pytest.mark.parametrize(
    ("shape", "wanted", "words"),
    [
        ((5, 4), (4,), "broadcasting is not undone; sum over axis 0"),
        ((5, 4), (5, 1), "sum over axis 1, keeping the axis"),
        ((4, 3), (3, 4), "looks transposed"),
        ((4,), (3, 4), "summed over axis 0 by mistake"),
        ((), (3, 4), "summed over too many axes"),
        ((12,), (3, 4), "reshape"),
        ((2, 2), (3, 4), "has the shape of its input"),
    ],
)
def test_wrong_shape_is_drawn_and_explained(shape, wanted, words):
    with pytest.raises(InputError) as caught:
        check_function(cube, np.ones(wanted), lambda x: np.ones(shape))
    assert caught.value.code == "wrong_shape"
    assert f"{shape} against {wanted}" in str(caught.value)
    assert words in caught.value.hint


def test_shapes_are_drawn_aligned():
    with pytest.raises(InputError) as caught:
        check_function(cube, np.ones(4), np.ones((13, 4)))
    assert str(caught.value).splitlines()[1:] == ["  gradient  13  4", "  input         4"]


@pytest.mark.parametrize(
    ("fn", "at", "gradient", "code", "words"),
    [
        (cube, B, None, "no_gradient", "no gradient is claimed"),
        (cube, B, {}, "no_gradient", "not one number"),
        (cube, np.ones(0), np.ones(0), "no_gradient", "not one number"),
        (cube, B, (B, B), "wrong_count", "2 parts for 1 input (x)"),
        (loss, (W, B), W, "wrong_count", "1 part for 2 inputs (w, b)"),
        (loss, {"w": W, "b": B}, {"W": W}, "unknown_input", "W is not an input of loss"),
        (cube, B, ["a"] * 4, "not_a_number", "the gradient of x is not made of real numbers"),
        (cube, B, 1j * B, "not_a_number", "complex128"),
        (lambda x: 2.0, "two", 1.0, "not_a_number", "x is not made of real numbers"),
        (lambda x: x, B, B, "not_one_number", "an array of shape (4,)"),
        (lambda x: None, B, B, "not_one_number", "nothing"),
        (lambda x: 1j, B, B, "not_one_number", "complex"),
        (cube, B, [10**400] * 4, "not_a_number", "the gradient of x holds a whole number beyond"),
        (lambda x: x @ W, B, B, "function_failed", "failed at x = an array of shape (4,): Value"),
        (math.log, -1.0, 1.0, "function_failed", "log failed at x = -1: ValueError: "),
        (cube, B, lambda x: x[9], "function_failed", "the function failed at x"),
        (cube, B, lambda: 0, "function_failed", "TypeError"),
    ],
)
def test_what_does_not_fit_is_explained(fn, at, gradient, code, words):
    with pytest.raises(InputError) as caught:
        check_function(fn, at, gradient)
    assert caught.value.code == code
    assert words in str(caught.value)
    assert caught.value.hint


def test_failure_next_to_the_point_is_told():
    def brittle(x):
        return x if x == 1.0 else {}[x]

    with pytest.raises(InputError, match=r"brittle, next to the point, failed at x = 1: KeyError"):
        check_function(brittle, 1.0, 1.0)


def test_names_and_calls_that_do_not_suffice_are_refused():
    with pytest.raises(InputError, match="1 names for 2 inputs"):
        check_function(loss, (W, B), backward, names=["w"])
    with pytest.raises(InputError, match="too few"):
        check_function(cube, B, B, max_evaluations=100)


def test_no_other_library_is_imported():
    code = (
        "import sys; from engine.check.function import check_function; "
        "assert check_function(lambda x: x * x, 3.0, 6.0).verdict == 'pass'; "
        "print(sorted({'torch', 'jax', 'pytest'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


def test_gradient_that_forgets_an_input_does_not_pass_in_silence():
    def gradient(w, b):
        return {"w": 2 * w}

    with pytest.raises(InputError, match="says nothing for b"):
        check_function(lambda w, b: w * w + b, {"w": 2.0, "b": 1.0}, gradient)
