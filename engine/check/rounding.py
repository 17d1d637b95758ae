"""Where float64 backpropagation itself loses the digits, though its rules are right."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

from flint import arb

from engine.balls import parameters
from engine.check.exact import Exact, formula_slope
from engine.check.linear import Edge, Linear, value_of
from engine.check.local import argument_slope, check_locally
from engine.check.verdict import BLURRED, CANCELLING, Verdict
from engine.program import Equation, Program

REPRODUCED = 1e-6
"""A claim this close, relatively, to what float64 backpropagation gives was computed that way."""

ENTRIES = 100
"""How many entries of each array the rules are tried at."""

SHARE = 0.1
"""A rule that reaches this share of the gap between claim and slope may be what made it."""


class Textbook:
    """Forward and local derivative of an op as textbooks write them, on floats."""

    def __init__(
        self, forward: Callable[[float], float], slope: Callable[[float, float], float]
    ) -> None:
        self.forward = forward
        self.slope = slope


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


TEXTBOOK: Mapping[str, Textbook] = MappingProxyType(
    {"sigmoid": Textbook(_logistic, lambda y, x: y * (1 - y))}
)
"""Ops that the engine computes in a form which keeps more digits."""


class Rounding:
    """Tells a claim that comes out of right rules in float64 from a wrong one."""

    def __init__(self, linear: Linear, exact: Exact) -> None:
        self._linear = linear
        self._exact = exact

    def excuses(
        self,
        claim: float,
        truth: float,
        place: int,
        index: tuple[int, ...] | None = None,
        rtol: float = REPRODUCED,
    ) -> bool:
        """Whether `claim`, for the node at `place`, is right but for rounding: within `rtol` it is
        what float64 backpropagation gives."""
        gap = abs(claim - truth)
        if claim == 0 and abs(truth) <= self._blurred[place]:
            return True
        computed = [self._linear.adjoints[place], self._textbook[place]]
        if not any(abs(claim - number) <= rtol * abs(number) for number in computed):
            return False
        return self._unsound[place] < SHARE * gap

    @cached_property
    def _blurred(self) -> list[float]:
        """How far a local derivative that has lost all its digits reaches, saturated as it is."""
        linear = self._linear

        def saturated(edge: Edge) -> bool:
            near_one = abs(linear.values[edge.user]) > 0.5
            cancels = near_one and linear.equation(edge).op.name in CANCELLING
            return cancels and abs(edge.derivative) <= BLURRED

        lost = [saturated(edge) for edge in linear.edges]
        kept = [edge.derivative for edge in linear.edges]
        full = linear.back([BLURRED if s else d for s, d in zip(lost, kept, strict=True)])
        none = linear.back([0.0 if s else d for s, d in zip(lost, kept, strict=True)])
        return [abs(f - n) for f, n in zip(full, none, strict=True)]

    @cached_property
    def _unsound(self) -> list[float]:
        """How far those rules reach that are not the slope of their forward: at a kink, where they
        choose a side, or because they are wrong. That is no rounding."""
        return self._linear.through(self._error)

    def _error(self, edge: Edge) -> float | None:
        """By how much a rule differs from the slope of its forward, or None where it does not."""
        equation = self._linear.equation(edge)
        inputs = [self._linear.values[arg] for arg in equation.args]
        slope = argument_slope(equation, inputs, edge.argument)
        if slope.kind != "smooth" and self._apart(edge, inputs):
            return None  # the tie is one of float64 alone, which cannot tell the arguments apart
        if slope.kind != "smooth":
            sides = (slope.left.slope, slope.right.slope)
            return max((abs(edge.derivative - d) for d in sides if math.isfinite(d)), default=1.0)
        gap = abs(edge.derivative - slope.both.slope)
        blurred = BLURRED if equation.op.name in CANCELLING else 0.0
        doubt = slope.both.bound + blurred
        return gap if gap > REPRODUCED * abs(slope.both.slope) + doubt else None

    def _apart(self, edge: Edge, inputs: Sequence[float]) -> bool:
        """Whether an operation has a slope at its arguments as they are, before float64 rounds
        them."""
        equation = self._linear.equation(edge)
        if equation.op.formula is None:
            return False
        more = parameters(equation)

        def balls() -> list[Any]:
            return [*self._exact.arguments(edge.user), *map(arb, more)]

        formula = equation.op.formula
        return formula_slope(formula, [*inputs, *more], edge.argument, balls).kind == "smooth"

    @cached_property
    def _textbook(self) -> list[float]:
        """The gradient of every node where sigmoid is computed as textbooks write it."""
        program = self._linear.program
        if not any(equation.op.name in TEXTBOOK for equation in program.equations):
            return self._linear.adjoints
        values = list(self._linear.values)
        for place, node in enumerate(program.nodes):
            if isinstance(node, Equation):
                inputs = [values[arg] for arg in node.args]
                rule = TEXTBOOK.get(node.op.name)
                if rule is not None:
                    values[place] = rule.forward(*inputs)
                else:
                    values[place] = value_of(node.op, inputs, node.params)
        linear = Linear(program, values)
        return linear.back([_textbook_slope(linear, edge) for edge in linear.edges])


def _textbook_slope(linear: Linear, edge: Edge) -> float:
    rule = TEXTBOOK.get(linear.equation(edge).op.name)
    if rule is None:
        return edge.derivative
    return rule.slope(linear.values[edge.user], linear.values[edge.used])


class ArrayRounding:
    """The same for programs that hold arrays, more coarsely: every rule is tried in its place."""

    def __init__(self, program: Program, values: Sequence[Any], backprop: Sequence[Any]) -> None:
        self._program = program
        self._values = values
        self._backprop = backprop
        self._sound: dict[int, bool] = {}

    def excuses(
        self,
        claim: float,
        truth: float,
        place: int,
        index: tuple[int, ...] | None = None,
        rtol: float = REPRODUCED,
    ) -> bool:
        """Whether `claim`, for the node at `place` or its entry at `index`, is right but for
        rounding: float64 backpropagation gives it, and no rule on the way is wrong."""
        number = self._backprop[place] if index is None else self._backprop[place][index]
        if abs(claim - number) > rtol * abs(number):
            return False
        if place not in self._sound:
            after = self._program.after(place)
            checks = check_locally(self._program, self._values, False, ENTRIES, after)
            right = (Verdict.PASS, Verdict.ROUNDING)
            self._sound[place] = all(check.verdict in right for check in checks)
        return self._sound[place]
