"""The elementary functions, one row each: how numpy spells it, how Python spells it on floats,
how a formula shows it. A new row serves traces, printed formulas and float methods at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Function:
    """One elementary function of a formula.

    `python` and `text` are templates over the operands, which are names or numbers in the first
    and may be whole terms in the second; `binds` is how tightly the text holds together, as
    Python ranks its operators.
    """

    name: str
    array: Callable[..., Any]
    python: str
    text: str
    binds: int
    answers: bool = False
    """whether the result is a truth, not a number"""

    @property
    def arity(self) -> int:
        return 3 if self.array is np.where else self.array.nin  # type: ignore[attr-defined]


CALL = 100


def _call(name: str, array: Callable[..., Any], python: str | None = None) -> Function:
    operands = ", ".join(f"{{{i}}}" for i in range(3 if array is np.where else array.nin))  # type: ignore[attr-defined]
    text = f"{name}({operands})"
    return Function(name, array, python or text, text, CALL)


def _sign(name: str, array: Callable[..., Any], text: str, binds: int) -> Function:
    return Function(name, array, text, text, binds)


def _truth(array: np.ufunc, sign: str) -> Function:
    text = f"{{0}} {sign} {{1}}"
    return Function(array.__name__, array, text, text, 20, answers=True)


def _logaddexp(a: float, b: float) -> float:
    gap = a - b
    if gap > 0:
        return a + math.log1p(math.exp(-gap))
    if gap <= 0:
        return b + math.log1p(math.exp(gap))
    return a + math.log(2) if a == b else gap  # two equal infinities, or a nan


def _maximum(a: float, b: float) -> float:
    return a if a >= b or a != a else b


def _minimum(a: float, b: float) -> float:
    return a if a <= b or a != a else b


def _sign_of(x: float) -> float:
    return 1.0 if x > 0 else -1.0 if x < 0 else x - x


FUNCTIONS = (
    _sign("add", np.add, "{0} + {1}", 30),
    _sign("sub", np.subtract, "{0} - {1}", 30),
    _sign("mul", np.multiply, "{0} * {1}", 40),
    _sign("div", np.divide, "{0} / {1}", 40),
    _sign("neg", np.negative, "-{0}", 50),
    # Python's own ** leaves the reals: (-8.0) ** (1 / 3) is complex.
    Function("pow", np.power, "pow({0}, {1})", "{0} ** {1}", 60),
    _call("abs", np.absolute),
    _call("sign", np.sign),
    _call("max", np.maximum),
    _call("min", np.minimum),
    _call("exp", np.exp),
    _call("expm1", np.expm1),
    _call("log", np.log),
    _call("log1p", np.log1p),
    _call("logaddexp", np.logaddexp),
    _call("sqrt", np.sqrt),
    _call("sin", np.sin),
    _call("cos", np.cos),
    _call("tan", np.tan),
    _call("atan", np.arctan),
    _call("sinh", np.sinh),
    _call("cosh", np.cosh),
    _call("tanh", np.tanh),
    _call("where", np.where, "({1} if {0} else {2})"),
    _truth(np.greater, ">"),
    _truth(np.greater_equal, ">="),
    _truth(np.less, "<"),
    _truth(np.less_equal, "<="),
    _truth(np.equal, "=="),
    _truth(np.not_equal, "!="),
)

BY_NAME = MappingProxyType({row.name: row for row in FUNCTIONS})
BY_ARRAY = MappingProxyType({row.array: row for row in FUNCTIONS})
"""Rows by the numpy function itself: its identity, not its name, says what a rule called."""

FLOATS = MappingProxyType(
    {
        **{name: getattr(math, name) for name in dir(math) if name in BY_NAME},
        "abs": abs,
        "logaddexp": _logaddexp,
        "max": _maximum,
        "min": _minimum,
        "sign": _sign_of,
    }
)
"""What the names in the `python` templates mean."""
