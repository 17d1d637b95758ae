"""Operations one by one, in programs: every op on the shelf, ops of plugins that no formula is
known of, and claims on what lies between them."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from engine import InputError, Op, Program, Report, Value, Verdict, check, parse
from engine.check.local import check_locally
from engine.op import Trial, op
from engine.ops import OPS
from engine.registry import Vocabulary

# -- every op on the shelf ------------------------------------------------------------------


def trials(op: Op) -> tuple[Trial, ...]:
    return op.trials or (Trial(((2, 3),) * len(op.input_names)), Trial(((),) * len(op.input_names)))


CALLS = {f"{op.name} {i}": (op, trial) for op in OPS.values() for i, trial in enumerate(trials(op))}


def program_around(op: Op, trial: Trial) -> tuple[Program, dict[str, Any]]:
    """sum(sin(op(a, b, ...)) * w), and a point with w."""
    rng = np.random.default_rng(5)
    given = [*trial.inputs, *[None] * len(trial.shapes)]
    domains = op.domains * len(trial.shapes) if op.variadic else op.domains
    arrays = [
        np.asarray(domain.sample(rng, shape) if fixed is None else fixed, float)
        for domain, shape, fixed in zip(domains, trial.shapes, given, strict=False)
    ]
    params = [f"{name}={value!r}" for name, value in trial.params.items()]
    call = f"{op.name}({', '.join([*'abc'[: len(arrays)], *params])})"
    shape = op(*map(Value, arrays), **trial.params).shape
    at = {**dict(zip("abc", arrays, strict=False)), "w": rng.uniform(0.5, 2, shape)}
    return parse(f"y = {call}\nsum(sin(y) * w)"), at


@pytest.mark.parametrize("call", CALLS)
def test_every_op_is_right_and_one_per_cent_off_is_seen(call: str) -> None:
    program, at = program_around(*CALLS[call])
    report = check(program, at, tolerance="strict", method="exact")
    assert report.method == "exact"
    assert {c.verdict for c in report.components} == {Verdict.PASS}
    for name, right in program.evaluate(at).gradients.items():
        if not np.any(right):
            continue
        wrong = np.array(right)
        entry = np.unravel_index(np.argmax(np.abs(wrong)), wrong.shape)
        wrong[entry] *= 1.01
        found = check(program, at, {name: wrong}, tolerance="strict", method="exact").components
        index = tuple(map(int, entry)) if wrong.ndim else None
        assert [c.index for c in found if c.verdict is Verdict.FAIL] == [index]
        assert {c.verdict for c in found if c.index != index} <= {Verdict.PASS}


@pytest.mark.parametrize("call", CALLS)
def test_every_op_is_right_under_a_random_upstream(call: str) -> None:
    program, at = program_around(*CALLS[call])
    values = [node.value for node in program.evaluate(at).nodes]
    found = list(check_locally(program, values, opaque=False))
    steps = {"sign"}  # from a step nearby the black box cannot tell noise
    assert {result.verdict for result in found if result.op not in steps} <= {Verdict.PASS}
    assert {result.verdict for result in found} <= {Verdict.PASS, Verdict.INCONCLUSIVE}
    assert {result.place.equation for result in found} == {e.number for e in program.equations}
    assert found == list(check_locally(program, values, opaque=False))


# -- ops of plugins whose rules are Python alone ---------------------------------------------


def each(function: Callable[..., float]) -> Callable[..., Any]:
    """A function of floats, on arrays."""
    return lambda *arrays: np.vectorize(function, otypes=[float])(*arrays)[()]


def plugin(name: str, forward: Callable[..., Any], *rules: Any, **more: Any) -> Op:
    made: Op = op(name, forward, rules, **more)
    made.origin = "a test"
    assert made.python_only
    return made


PLUGINS = (
    plugin("waves", lambda x: each(math.sin)(x), lambda g, y, x: g * each(math.cos)(x)),
    plugin("wrongwaves", lambda x: each(math.sin)(x), lambda g, y, x: g * each(math.sin)(x)),
    plugin(
        "leaky",
        lambda x: each(lambda t: t if t > 0 else 0.1 * t)(x),
        lambda g, y, x: g * np.where(np.asarray(x) > 0, 1.0, 0.1),
    ),
    plugin(
        "product",
        lambda a, b: each(lambda s, t: math.fsum([s * t]))(a, b),
        lambda g, y, a, b: g * b,
        lambda g, y, a, b: g * a,
    ),
    plugin(
        "running",
        lambda x: np.cumsum(x),
        lambda g, y, x: np.cumsum(g[::-1])[::-1],
        elementwise=False,
        trials=[Trial(((3,),))],
    ),
)

VOCABULARY = Vocabulary(MappingProxyType({**OPS, **{made.name: made for made in PLUGINS}}))


def judged(source: str, at: dict[str, Any], claimed: Any = None, method: Any = "exact") -> Report:
    return check(parse(source, VOCABULARY), at, claimed, "strict", method)


INSIDE: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "first": ("exp(waves(x))", {"x": 0.7}, {"x": math.exp(math.sin(0.7)) * math.cos(0.7)}),
    "last": ("waves(x**3)", {"x": 1.2}, {"x": math.cos(1.2**3) * 3 * 1.2**2}),
    "between": (
        "tanh(waves(x*y)**2)", {"x": 0.7, "y": 2},
        {
            "x": 2 * math.sin(1.4) * math.cos(1.4) * 2 / math.cosh(math.sin(1.4) ** 2) ** 2,
            "y": 2 * math.sin(1.4) * math.cos(1.4) * 0.7 / math.cosh(math.sin(1.4) ** 2) ** 2,
        },
    ),
    "in itself": ("waves(waves(x))", {"x": 2}, {"x": math.cos(math.sin(2)) * math.cos(2)}),
    "reused": ("w = waves(x)\nw*w*x", {"x": 2}, {"x": math.sin(2)**2 + 2*math.sin(4)}),
    "both arguments": ("product(x, x) * 0.5", {"x": 1.5}, {"x": 1.5}),
    "away from its kink": ("leaky(x) + leaky(y)", {"x": -3, "y": 1e-6}, {"x": 0.1, "y": 1}),
    "beside it": ("waves(x) * y", {"x": 0.5, "y": 3}, {"y": math.sin(0.5)}),
    "on a constant": ("waves(0.5) * y", {"y": 3}, {"y": math.sin(0.5)}),
    "on arrays": (
        "sum(waves(x) * w)", {"x": [0.1, 0.2, 3], "w": [1, 2, 3]},
        {"x": [math.cos(0.1), 2 * math.cos(0.2), 3 * math.cos(3)]},
    ),
    "broadcast": (
        "sum(product(a, b))", {"a": [[1, 2], [3, 4]], "b": [0.5, 0.25]}, {"b": [4, 6]}
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", INSIDE)
def test_plugin_op_inside_a_program_is_judged_exactly_around_it(case: str) -> None:
    source, at, right = INSIDE[case]
    report = judged(source, at, right)
    assert (report.method, report.verdict) == ("exact", Verdict.PASS)
    for factor in (1.001, -1, 0, 2):
        wrong = {name: np.multiply(claim, factor) for name, claim in right.items()}
        components = judged(source, at, wrong).components
        assert {c.verdict for c in components} == {Verdict.FAIL}


def test_kink_of_a_plugin_op_is_not_differentiable() -> None:
    report = judged("exp(leaky(x * y)) * x", {"x": 2, "y": 0})
    assert [c.verdict for c in report.components] == [Verdict.PASS, Verdict.NOT_DIFFERENTIABLE]
    assert report.components[1].slopes == pytest.approx((0.4, 4.0))
    assert [found.verdict for found in report.local] == [Verdict.NOT_DIFFERENTIABLE]


def test_kink_of_a_plugin_op_in_one_entry_is_no_matter_of_the_others() -> None:
    report = judged("sum(leaky(x))", {"x": [-2, 0, 3]}, {"x": [0.1, 1, 1]})
    verdicts = [c.verdict for c in report.components]
    assert verdicts == [Verdict.PASS, Verdict.NOT_DIFFERENTIABLE, Verdict.PASS]


def test_right_claim_is_not_refused_for_a_wrong_backward_of_a_plugin() -> None:
    right = 2 * math.sin(0.7) * math.cos(0.7) / math.cosh(math.sin(0.7) ** 2) ** 2
    report = judged("tanh(wrongwaves(x)**2)", {"x": 0.7}, {"x": right})
    assert report.verdict == Verdict.PASS
    (found,) = report.local
    assert (found.op, found.argument, found.verdict) == ("wrongwaves", "x", Verdict.FAIL)
    assert found.given / found.upstream == pytest.approx(math.sin(0.7))
    assert found.reference is not None
    assert found.reference / found.upstream == pytest.approx(math.cos(0.7))
    assert (found.place.equation, found.place.variable) == (1, "x")


def test_wrong_backward_of_a_plugin_fails_as_our_own_gradient() -> None:
    assert judged("tanh(wrongwaves(x)**2)", {"x": 0.7}).verdict == Verdict.FAIL
    assert judged("sum(wrongwaves(x))", {"x": [0.7, 0.1]}).verdict == Verdict.FAIL


def test_only_plugin_ops_are_tried_locally_in_a_report() -> None:
    report = judged("exp(waves(x)) + sum(waves(y)) + tanh(x)", {"x": 0.3, "y": [1, 2]})
    assert [found.op for found in report.local] == ["waves"] * 3
    assert judged("exp(x) * sum(y)", {"x": 0.3, "y": [1, 2]}).local == ()


def test_plugin_op_that_mixes_entries_falls_back_to_the_black_box() -> None:
    x = np.array([0.1, 0.2, 3])
    right = 2 * np.cumsum(np.cumsum(x)[::-1])[::-1]
    for method in ("auto", "exact"):
        report = judged("sum(running(x)**2)", {"x": x}, {"x": right}, method)
        assert (report.method, report.verdict) == ("blackbox", Verdict.PASS)
        wrong = judged("sum(running(x)**2)", {"x": x}, {"x": right * [1, 1, 1.01]}, method)
        assert [c.verdict for c in wrong.components] == ["pass", "pass", "fail"]


def test_plugin_op_that_cannot_be_measured_accuses_nobody() -> None:
    report = judged("waves(1e9 * x)", {"x": 1}, {"x": 1e9 * math.cos(1e9)})
    assert report.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE)


def test_same_dice_are_thrown_at_the_same_place() -> None:
    first = judged("waves(x) + waves(y)", {"x": 0.3, "y": 0.3})
    again = judged("waves(x)+waves(y)  # blanks are no part of it", {"x": 0.3, "y": 0.3})
    assert [found.upstream for found in first.local] == [found.upstream for found in again.local]
    assert first.local[0].upstream != first.local[1].upstream


# -- claims on what is not an input ------------------------------------------------------------


def test_intermediate_names_are_claimed_like_inputs() -> None:
    source, at = "e = a * b\nd = e + c\nL = d * f", {"a": 2, "b": -3, "c": 10, "f": -2}
    right = {"d": -2, "e": -2, "c": -2, "L": 1, "a": 6, "b": -4, "f": 4}
    report = judged(source, at, right)
    assert report.verdict == Verdict.PASS
    assert [c.input for c in report.components] == list(right)
    for name in right:
        found = judged(source, at, {**right, name: 5}).components
        assert [c.input for c in found if c.verdict is Verdict.FAIL] == [name]


def test_intermediate_array_is_claimed_entry_by_entry() -> None:
    source, at = "h = tanh(x * w)\nsum(h ** 2)", {"x": [0.5, -1, 2], "w": 0.7}
    h = np.tanh(0.7 * np.array([0.5, -1, 2]))
    report = judged(source, at, {"h": 2 * h * [1, 1, 1.01]})
    assert [(c.index, c.verdict) for c in report.components] == [
        ((0,), "pass"), ((1,), "pass"), ((2,), "fail"),
    ]  # fmt: skip
    assert set(report.unclaimed) == {"x", "w"}


def test_name_bound_twice_means_its_last_binding() -> None:
    report = judged("c = x * 2\nc = c * x\nc * 5", {"x": 3}, {"c": 5, "x": 60})
    assert report.verdict == Verdict.PASS
    assert judged("c = x * 2\nc = c * x\nc * 5", {"x": 3}, {"c@1": 15}).verdict == Verdict.PASS


@pytest.mark.parametrize(
    ("claimed", "code", "pointer"),
    [
        ({"hh": 1}, "unknown_input", "/claimed/hh"),
        ({"7": 1}, "unknown_input", "/claimed/7"),
        ({"h": 1}, "wrong_shape", "/claimed/h"),
        ({"h": [1, 2, 3]}, "wrong_shape", "/claimed/h"),
        ({"h": [[1, 2]]}, "wrong_shape", "/claimed/h"),
        ({"x": [1, "2"]}, "not_a_number", "/claimed/x"),
    ],
)
def test_claim_that_does_not_fit_an_array_is_explained(claimed, code: str, pointer: str) -> None:
    with pytest.raises(InputError) as caught:
        judged("h = x * 7\nsum(h)", {"x": [1, 2]}, claimed)
    assert (caught.value.code, caught.value.pointer) == (code, pointer)
    assert caught.value.hint


@pytest.mark.parametrize("method", ["exact", "blackbox", "auto"])
def test_classes_of_a_loss_are_not_moved(method: str) -> None:
    source, at = "softmax_cross_entropy(p, c)", {"p": [[1, 2, 3], [0, 1, 0]], "c": [2, 1]}
    own = judged(source, at, None, method)
    assert {c.input for c in own.components} == {"p"}
    assert own.verdict == Verdict.PASS
    claimed = judged(source, at, {"c": [0, 0]}, method)
    assert [c.verdict for c in claimed.components] == [Verdict.NOT_DIFFERENTIABLE] * 2
    assert all(c.reference is None for c in claimed.components)
