"""Where a value became infinite or not a number, and in which form it would have kept finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.check.report import Diagnosis, Place
from engine.program import Equation, Node, Program

STABLE: Mapping[tuple[str, str], str] = {
    ("log", "sigmoid"): "log(sigmoid(x)) is -softplus(-x)",
    ("log", "softmax"): "log(softmax(x)) is x - logsumexp(x)",
    ("log", "exp"): "log(exp(x)) is x itself",
    ("log", "sub"): "for log(1 - sigmoid(x)) write -softplus(x)",
    ("log", "add"): "for log(1 + exp(x)) write softplus(x), for log(exp(a) + exp(b)) "
    "logaddexp(a, b)",
    ("log", "sum"): "for log(sum(exp(x))) write logsumexp(x), which subtracts the largest first",
    ("div", "exp"): "for exp(x)/(1 + exp(x)) write sigmoid(x), for exp(x)/sum(exp(x)) softmax(x)",
    ("div", "sum"): "for exp(x)/sum(exp(x)) write softmax(x), which subtracts the largest first",
    ("div", "add"): "for exp(x)/(1 + exp(x)) write sigmoid(x), for (exp(2*x) - 1)/(exp(2*x) + 1) "
    "tanh(x)",
    ("div", "sub"): "for (exp(2*x) - 1)/(exp(2*x) + 1) write tanh(x)",
    ("mul", "exp"): "for x*exp(-x) and its like join the exponents before exp",
}
"""Forms that stay finite, by the op that uses a value and the op that made it."""

AROUND = 3
"""How many operations after an overflow are looked at for the form that was meant."""

OVERFLOW = 709.78
"""exp of anything above is larger than float64 can hold."""


def explain_undefined(
    program: Program, values: Sequence[Any], offender: Node
) -> tuple[Diagnosis, ...]:
    """What made the first value that is not finite, and the form that would not have."""
    equation = next((e for e in program.equations if e.name == offender.name), None)
    if equation is None:
        return ()
    numbers = [np.asarray(values[arg], dtype=float) for arg in equation.args]
    mistake, cause = _cause(equation, numbers)
    stable = _stable(program, equation)
    if stable is None and mistake == "overflow":
        stable = "softmax, sigmoid, softplus and logsumexp subtract the largest exponent first"
    sentence = f"{equation.term} is the first value that is not finite: {cause}."
    if stable is not None:
        sentence += f" A stable form: {stable}."
    place = Place(equation.number, equation.text, equation.position, equation.name)
    return (Diagnosis(mistake, place, sentence),)


def _stable(program: Program, equation: Equation) -> str | None:
    """The form that keeps finite, by what made the argument, or by what is done with the value."""
    makers = [program.nodes[arg] for arg in equation.args]
    uses = [(equation, maker) for maker in makers if isinstance(maker, Equation)]
    value = equation
    for _ in range(AROUND):
        place = program.nodes.index(value)
        users = [e for e in program.equations if place in e.args]
        uses += [(user, value) for user in users]
        if not users:
            break
        value = users[-1]
    known = (STABLE.get((user.op.name, maker.op.name)) for user, maker in uses)
    return next((form for form in known if form is not None), None)


def _cause(equation: Equation, numbers: Sequence[Any]) -> tuple[str, str]:
    op, x = equation.op.name, numbers[0]
    last = numbers[-1]
    if op in ("exp", "expm1", "sinh", "cosh") and np.any(np.abs(x) > OVERFLOW):
        return "overflow", (
            f"{op} of {np.max(np.abs(x)):.4g} is larger than float64 can hold, the limit is about "
            "exp(709.78)"
        )
    if op in ("log", "log1p") and np.any(x == (0 if op == "log" else -1)):
        return "log_of_zero", "the logarithm of 0 is minus infinity"
    if op == "div" and np.any(last == 0):
        return "division_by_zero", "the denominator is 0"
    if op == "pow" and np.any(x == 0) and np.any(last < 0):
        return "division_by_zero", "a negative power of 0 divides by 0"
    if np.all(np.isfinite(x)) and np.all(np.isfinite(last)):
        outside = [
            f"{name} = {np.ravel(n)[0]:g}"
            for name, n, domain in zip(equation.inputs, numbers, equation.op.domains, strict=False)
            if any(float(v) not in domain for v in np.ravel(n))
        ]
        if outside:
            return "outside_domain", f"it is not defined at {', '.join(outside)}"
    return "overflow", "the result is larger than float64 can hold"
