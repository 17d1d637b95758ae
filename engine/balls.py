"""The elementary functions on balls: real numbers as a midpoint with as many digits as it takes and
a radius that bounds the error (Johansson 2017). A result always encloses the true one.

A comparison that the balls leave open is Undecided, and a choice that hangs on it becomes the hull
of both outcomes. Outside a domain the ball is not finite.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from flint import arb, ctx

from engine.formula import Formula, Ref

BITS = 384
"""Binary digits of a first attempt: 115 decimal ones."""

_LOCK = threading.RLock()


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Balls with `bits` binary digits. One thread at a time, for flint's precision is global."""
    with _LOCK:
        before = ctx.prec
        ctx.prec = bits
        try:
            yield
        finally:
            ctx.prec = before


def _pow(a: arb, b: arb) -> arb:
    a, b = arb(a), arb(b)
    if a.is_zero() and b > 0:
        return a
    power = a**b
    if b.is_integer() and b > 0 and not power.is_finite() and a.is_finite():
        return arb(0, abs(a).upper() ** b)  # flint gives up on a base around 0
    return power


def _logaddexp(a: arb, b: arb) -> arb:
    gap = a - b  # either form holds for either sign; the better one keeps the exponential small
    return a + (-gap).exp().log1p() if gap.mid() > 0 else b + gap.exp().log1p()


class Undecided:
    """A comparison that the balls leave open; each is equal to itself alone."""


def _where(condition: bool | Undecided, a: arb, b: arb) -> arb:
    if condition.__class__ is Undecided:
        return a.union(b)
    return a if condition else b


def _compared(holds: Callable[[Any, Any], bool], fails: Callable[[Any, Any], bool]) -> Any:
    def compare(a: arb, b: arb) -> bool | Undecided:
        return True if holds(a, b) else False if fails(a, b) else Undecided()

    return compare


BALLS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "add": operator.add,
        "sub": operator.sub,
        "mul": operator.mul,
        "div": operator.truediv,
        "neg": operator.neg,
        "pow": _pow,
        "abs": abs,
        "sign": arb.sgn,
        "max": arb.max,
        "min": arb.min,
        "exp": arb.exp,
        "expm1": arb.expm1,
        "log": arb.log,
        "log1p": arb.log1p,
        "logaddexp": _logaddexp,
        "sqrt": arb.sqrt,
        "sin": arb.sin,
        "cos": arb.cos,
        "tan": arb.tan,
        "atan": arb.atan,
        "sinh": arb.sinh,
        "cosh": arb.cosh,
        "tanh": arb.tanh,
        "where": _where,
        "greater": _compared(operator.gt, operator.le),
        "greater_equal": _compared(operator.ge, operator.lt),
        "less": _compared(operator.lt, operator.ge),
        "less_equal": _compared(operator.le, operator.gt),
        "equal": _compared(operator.eq, operator.ne),
        "not_equal": _compared(operator.ne, operator.eq),
    }
)
"""Each row of engine.functions by name, on balls; comparisons give True, False or Undecided."""


def parameters(node: Any) -> list[float]:
    """The parameters of an equation as numbers for the formula of its op; what the formula does not
    speak of may be anything, and is 0."""
    formula = node.op.formula
    parts = [arg for line in formula.lines for arg in line.args] + list(formula.results)
    used = {~part.index for part in parts if isinstance(part, Ref) and part.index < 0}
    first = len(node.op.input_names)
    return [
        float(value) if first + i in used else 0.0 for i, value in enumerate(node.params.values())
    ]


def run(
    formula: Formula, balls: Sequence[Any], call: Callable[..., Any] | None = None
) -> list[Any]:
    """The results of `formula` at `balls`, in flint's present precision. `call` applies a row of
    BALLS, by its name, to operands; by default as it is."""
    lines: list[Any] = []

    def ball(arg: Ref | float) -> Any:
        if isinstance(arg, float):
            return arb(arg)
        return balls[~arg.index] if arg.index < 0 else lines[arg.index]

    for line in formula.lines:
        args = map(ball, line.args)
        name = line.function.name
        lines.append(BALLS[name](*args) if call is None else call(name, *args))
    return [ball(result) for result in formula.results]


def evaluate(formula: Formula, inputs: Sequence[Any], bits: int = BITS) -> list[Any]:
    """The results of `formula` at `inputs`, balls or floats, as balls with `bits` digits."""
    with precision(bits):
        return run(formula, [x if isinstance(x, arb) else arb(x) for x in inputs])
