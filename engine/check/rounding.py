"""Where float64 backpropagation itself loses the digits, though its rules are right."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

from engine.check.exact import formula_slope
from engine.check.linear import Edge, Linear, value_of
from engine.check.local import check_locally
from engine.check.verdict import Verdict
from engine.program import Equation, Program

REPRODUCED = 1e-6
"""A claim this close, relatively, to what float64 backpropagation gives was computed that way."""

UNIT = 2.0**-53

CANCELLING = frozenset({"tanh", "sigmoid"})
"""Ops whose local derivative is a small difference of numbers near 1, once they saturate."""

BLURRED = 4 * UNIT
"""How far off such a difference may be."""

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

    def __init__(self, linear: Linear) -> None:
        self._linear = linear

    def excuses(
        self, claim: float, truth: float, place: int, index: tuple[int, ...] | None = None
    ) -> bool:
        """Whether `claim`, for the node at `place`, is right but for rounding."""
        gap = abs(claim - truth)
        if claim == 0 and abs(truth) <= BLURRED * self._blurred[place]:
            return True
        computed = [self._linear.adjoints[place], self._textbook[place]]
        if not any(abs(claim - number) <= REPRODUCED * abs(number) for number in computed):
            return False
        return self._unsound[place] < SHARE * gap

    @cached_property
    def _blurred(self) -> list[float]:
        linear = self._linear

        def saturated(edge: Edge) -> bool:
            near_one = abs(linear.values[edge.user]) > 0.5
            cancels = near_one and linear.equation(edge).op.name in CANCELLING
            return cancels and abs(edge.derivative) <= BLURRED

        return linear.through(saturated)

    @cached_property
    def _unsound(self) -> list[float]:
        """How far those rules reach that are not the slope of their forward: at a kink, where they
        choose a side, or because they are wrong. That is no rounding."""
        return self._linear.through(lambda edge: not self._sound(edge))

    def _sound(self, edge: Edge) -> bool:
        equation = self._linear.equation(edge)
        inputs = [self._linear.values[arg] for arg in equation.args]
        if equation.op.formula is None:
            return equation.op.origin == "built-in"
        params = [float(x) for x in equation.params.values()]
        slope = formula_slope(equation.op.formula, [*inputs, *params], edge.argument)
        gap = abs(edge.derivative - slope.both.slope)
        return slope.kind == "smooth" and gap <= REPRODUCED * abs(slope.both.slope) + BLURRED

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
        found = [0.0] * len(values)
        found[program.place] = 1.0
        for edge in reversed(linear.edges):
            rule = TEXTBOOK.get(linear.equation(edge).op.name)
            derivative = edge.derivative
            if rule is not None:
                derivative = rule.slope(values[edge.user], values[edge.used])
            found[edge.used] += found[edge.user] * derivative
        return found


class ArrayRounding:
    """The same for programs that hold arrays, more coarsely: every rule is tried in its place."""

    def __init__(self, program: Program, values: Sequence[Any], backprop: Sequence[Any]) -> None:
        self._program = program
        self._values = values
        self._backprop = backprop

    def excuses(
        self, claim: float, truth: float, place: int, index: tuple[int, ...] | None
    ) -> bool:
        """Whether `claim`, for the node at `place` or its entry at `index`, is right but for
        rounding: float64 backpropagation gives it, and no rule on the way is wrong."""
        number = self._backprop[place] if index is None else self._backprop[place][index]
        return abs(claim - number) <= REPRODUCED * abs(number) and self._sound

    @cached_property
    def _sound(self) -> bool:
        checks = check_locally(self._program, self._values, opaque=False)
        return all(check.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE) for check in checks)
