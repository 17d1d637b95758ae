"""What becomes a formula, what does not and why, and that shared terms stay shared."""

from __future__ import annotations

import gc
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.errors import OpRefused
from engine.exam import examine
from engine.extend import Op, op
from engine.formula import LIMIT, Formula
from engine.symbol import Symbol, Untraceable
from engine.value import Value

HALF = 0.5


def _square(x: Any) -> Any:
    return x * x


def _scaled(factor: float) -> Callable[[Any], Any]:
    return lambda x: factor * x


FORMULAS = {
    "operators": (lambda x: (x + 1) * (2 - x) / 3 - (-x), "(x + 1) * (2 - x) / 3 - -x"),
    "power": (lambda x: x**3 + 2**x, "x ** 3 + 2 ** x"),
    "negative power": (lambda x: x**-2, "x ** (-2)"),
    "power of a power": (lambda x: (x**2) ** 3, "(x ** 2) ** 3"),
    "subtraction to the right": (lambda x: x - (x - 1), "x - (x - 1)"),
    "negated base": (lambda x: (-x) ** 2, "(-x) ** 2"),
    "listed functions": (lambda x: np.logaddexp(0, np.tanh(x)), "logaddexp(0, tanh(x))"),
    "maximum": (lambda x: np.maximum(x, 0), "max(x, 0)"),
    "where": (lambda x: np.where(x > 0, x, np.expm1(x)), "where(x > 0, x, expm1(x))"),
    "nested where": (
        lambda x: np.where(x > 1, 1, np.where(x < -1, -1, x)),
        "where(x > 1, 1, where(x < -1, -1, x))",
    ),
    "where of a number": (lambda x: np.where(x, 1, 2), "where(x != 0, 1, 2)"),
    "comparison as a number": (lambda x: x * (x >= 0), "x * where(x >= 0, 1, 0)"),
    "comparison of two terms": (
        lambda x: np.where(x * x < 2 * x, 1.0, 0.0),
        "where(x * x < 2 * x, 1, 0)",
    ),
    "abs and plus": (lambda x: abs(+x), "abs(x)"),
    "own function": (lambda x: _square(x) + _square(x + 1), "x * x + (x + 1) * (x + 1)"),
    "closure": (_scaled(0.25), "0.25 * x"),
    "global": (lambda x: x * HALF, "x * 0.5"),
    "numpy number": (lambda x: np.float64(2.5) * x + np.int64(1), "2.5 * x + 1"),
    "identity": (lambda x: x, "x"),
    "constant": (lambda x: 3, "3"),
    "constant folded by Python": (lambda x: x * (math.sqrt(2) ** 2), f"x * {math.sqrt(2) ** 2!r}"),
}

REFUSED = {
    "if": (lambda x: x if x > 0 else 0 * x, "branches on its input; write np.where"),
    "and": (lambda x: np.where((x > 0) and (x < 1), 1, 0), "branches on its input"),
    "chained comparison": (lambda x: x * (0 < x < 1), "branches on its input"),
    "Python's max": (lambda x: max(x, 0), "branches on its input"),
    "bitwise and": (lambda x: x * ((x > 0) & (x < 1)), "nest np.where instead"),
    "math.exp": (lambda x: math.exp(x), "float() of an input"),
    "float": (lambda x: float(x), "float() of an input"),
    "int": (lambda x: int(x), "int() of an input"),
    "astype": (lambda x: x.astype(float), ".astype of an input"),
    "attribute": (lambda x: x.real, ".real of an input"),
    "np.clip": (lambda x: np.clip(x, 0, 1), "np.clip is not known to formulas; known: absolute"),
    "np.heaviside": (lambda x: np.heaviside(x, 0), "np.heaviside is not known"),
    "np.sum": (lambda x: np.sum(x), "np.sum is not known"),
    "keywords": (lambda x: np.exp(x, where=True), "keywords"),
    "reduce": (lambda x: np.add.reduce(x), "reduce"),
    "array": (lambda x: x * np.array([1.0, 2.0]), "a ndarray has no place"),
    "text": (lambda x: x + "1", "a str has no place"),
    "complex": (lambda x: x * 1j, "a complex has no place"),
    "None": (lambda x: None, "a NoneType has no place"),
    "index": (lambda x: x[0], "cannot be indexed"),
    "loop": (lambda x: sum(part for part in x), "one by one"),
    "length": (lambda x: x / len(x), "length"),
    "remainder": (lambda x: x % 2, "% has no place"),
    "matrix product": (lambda x: x @ x, "@ is not elementwise"),
    "known condition": (lambda x: np.where(True, x, 0), "always the same"),
    "one-armed where": (lambda x: np.where(x > 0), "np.where takes 3 arguments"),
}


def traced(rule: Callable[..., Any], *names: str) -> Formula:
    return Formula.trace([rule], names or ("x",))


@pytest.mark.parametrize("case", FORMULAS)
def test_rule_becomes_formula(case: str) -> None:
    rule, text = FORMULAS[case]
    assert traced(rule).texts() == (text,)


@pytest.mark.parametrize("case", FORMULAS)
@pytest.mark.parametrize("x", [-1.75, -0.5, 0.0, 0.25, 3.0])
def test_formula_is_its_rule(case: str, x: float) -> None:
    rule, _ = FORMULAS[case]
    found = op("found", rule, lambda g, y, x: g, inputs=("x",))
    with np.errstate(all="ignore"):
        assert found(Value(x)).data == pytest.approx(float(rule(np.float64(x))), rel=1e-15)


@pytest.mark.parametrize("case", REFUSED)
def test_rule_stays_python_with_a_reason(case: str) -> None:
    rule, reason = REFUSED[case]
    with pytest.raises(Untraceable) as refusal:
        traced(rule)
    assert reason in str(refusal.value)


def test_python_only_op_says_why() -> None:
    clip = op("clip", lambda x: np.clip(x, 0, 1), lambda g, y, x: g * (x > 0) * (x < 1))
    assert clip.formula is None
    assert clip.python_only is not None
    assert "np.clip is not known to formulas" in clip.python_only
    assert clip(Value(0.5)).data == 0.5


def test_rule_that_raises_stays_python() -> None:
    strange = op("strange", np.sin, lambda g, y, x: g * {}["cos"])
    assert strange.python_only == "KeyError while it was traced: 'cos'"


def test_sharing_does_not_explode() -> None:
    """Written out, n reuses are 2 ** n terms."""
    for reuses in (15, 200):

        def doubled(x: Any, reuses: int = reuses) -> Any:
            for _ in range(reuses):
                x = x + x
            return x

        formula = traced(doubled)
        assert len(formula.lines) == reuses
        statements, _ = formula.python(["x"])
        assert sum(map(len, statements)) < 20 * reuses
        assert len(formula.texts()[0]) < 20 * reuses
        many = op("many", doubled, lambda g, y, x, n=float(2**reuses): g * n, inputs=("x",))
        a = Value(1.5)
        b = many(a)
        b.backward()
        assert (b.data, a.grad) == (1.5 * 2.0**reuses, 2.0**reuses)


def test_equal_terms_become_one_line() -> None:
    assert len(traced(lambda x: np.exp(x) * np.exp(x) + np.exp(x)).lines) == 3


def test_formula_has_a_limit() -> None:
    def long(x: Any) -> Any:
        for n in range(LIMIT + 1):
            x = x + n
        return x

    with pytest.raises(Untraceable, match=f"more than {LIMIT} lines"):
        traced(long)


def test_deep_formula_needs_no_recursion() -> None:
    def deep(x: Any) -> Any:
        for _ in range(100_000):
            x = np.sin(x)
        return x

    with pytest.raises(Untraceable, match="lines"):
        traced(deep)


def test_tracing_twice_finds_dice() -> None:
    dice = np.random.default_rng(0)
    with pytest.raises(Untraceable, match="another formula each time"):
        traced(lambda x: x * dice.normal())


def test_tracing_twice_finds_a_counter() -> None:
    counter = itertools.count()
    with pytest.raises(Untraceable, match="another formula each time"):
        traced(lambda x: x + next(counter))


def test_exam_finds_a_kind_that_was_frozen() -> None:
    by_kind = op(
        "by_kind", lambda x: x * (1 if isinstance(x, Symbol) else 2), lambda g, y, x: 2 * g
    )
    assert by_kind.formula is not None
    with pytest.raises(OpRefused, match="its formula gives"):
        examine(by_kind)


def test_input_of_another_call_is_refused() -> None:
    kept: list[Any] = []

    def keeping(x: Any) -> Any:
        kept.append(x)
        return kept[0] * x

    with pytest.raises(Untraceable, match="another call"):
        traced(keeping)


def test_reused_ids_do_not_mix_terms() -> None:
    """Terms that only the trace holds are freed and their ids taken by new ones."""

    def wasteful(x: Any) -> tuple[Any, ...]:
        parts = []
        for n in range(50):
            parts.append(x * float(n))
            del parts[:-1]
            gc.collect(0)
        return tuple(x + float(n) for n in range(50)) + tuple(parts)

    formula = Formula.trace([wasteful, lambda x: x * 7.0, lambda x: x - 7.0], ["x"])
    statements, names = formula.python(["x"])
    meaning = dict(statement.split(" = ") for statement in statements)
    wanted = [f"x + {float(n)}" for n in range(50)] + ["x * 49.0", "x * 7.0", "x - 7.0"]
    assert [meaning[name] for name in names] == wanted


def test_hash_is_of_the_arithmetic() -> None:
    assert traced(lambda x: x * x + 1).hash == traced(lambda u: u * u + 1.0, "u").hash
    assert traced(lambda x: x * x + 1).hash != traced(lambda x: x * x + 2).hash
    assert traced(lambda x: 1 - x).hash != traced(lambda x: x - 1).hash


def test_long_formula_is_shown_in_lines() -> None:
    formula = traced(lambda x: np.exp(np.sin(x) + _square(np.cos(_square(x) + 1))) ** 2)
    assert ";" not in formula.texts()[0]

    def long(x: Any) -> Any:
        for _ in range(9):
            x = np.sin(x) * np.cos(x)
        return x

    assert traced(long).texts()[0].startswith("t0 = sin(x); t1 = cos(x); t2 = t0 * t1; ")


def test_parameters_are_inputs_of_the_formula() -> None:
    leaky: Op = op(
        "leaky",
        lambda x, *, slope=0.1: np.where(x > 0, x, slope * x),
        lambda g, y, x, slope: g * np.where(x > 0, 1.0, slope),
    )
    assert leaky.formula is not None
    assert leaky.formula.inputs == ("x", "slope")
    assert leaky(Value(-2.0)).data == -0.2
    assert leaky(Value(-2.0), slope=0.5).data == -1.0
    assert Value(-2.0).data == -2.0


@pytest.mark.parametrize("x", [math.inf, -math.inf, math.nan, 1e308, -1e308, 0.0, -0.0])
def test_infinite_constants_can_be_printed(x: float) -> None:
    bounded = op("bounded", lambda x: np.minimum(np.maximum(x, -np.inf), np.inf), lambda g, y, x: g)
    assert bounded(Value(x)).data == pytest.approx(x, nan_ok=True)
