"""Slopes of a known expression, from its forward alone, with as many digits as they take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flint import arb

from engine.balls import run
from engine.check.array_tape import ArrayTape, work
from engine.check.extrapolation import ROUNDS, slope_of
from engine.check.slopes import Slope
from engine.check.tape import BallTape
from engine.formula import Formula
from engine.program import Program

EVERY_ROUND = 10_000
"""Programs of at most so many operations on balls get the last, costly attempt as well."""

StandIn = Callable[[int], Callable[..., Any]]
"""From the place of an equation whose op has no formula to a function of balls in its stead."""


class Exact:
    """The slopes of the output of `program` at the point where its nodes have `values` (float64,
    all finite). Inputs, constants and values are taken as exact; every operation is carried out
    on balls by its forward formula."""

    def __init__(
        self,
        program: Program,
        values: Sequence[Any],
        stand_in: StandIn,
    ) -> None:
        tape = BallTape if of_scalars(program, values) else ArrayTape
        self._tape: BallTape | ArrayTape = tape(program, values, stand_in)
        self._values = values
        self._attempts = len(ROUNDS) if work(program, values) <= EVERY_ROUND else 2

    def slope(self, place: int, index: tuple[int, ...] | None = None) -> Slope:
        """With respect to the node at `place`, or to its entry at `index`."""
        x = self._values[place] if index is None else self._values[place][index]
        return slope_of(self._tape.moved(place, index), float(x), self._attempts)

    def arguments(self, place: int) -> list[Any]:
        """The balls of what an equation of a program of scalars is given, in flint's present
        precision."""
        assert isinstance(self._tape, BallTape)
        return self._tape.arguments(place)


def of_scalars(program: Program, values: Sequence[Any]) -> bool:
    """Whether a program holds single numbers only, and no operation made for arrays."""
    return all(value.__class__ is float for value in values) and not any(
        equation.op.formula is None and equation.op.origin == "built-in"
        for equation in program.equations
    )


def formula_slope(
    formula: Formula,
    inputs: Sequence[float],
    place: int,
    balls: Callable[[], Sequence[Any]] | None = None,
) -> Slope:
    """The slope of the first result of `formula` with respect to its input at `place`. With `balls`
    the inputs are these, about where `inputs` lie, in flint's present precision."""

    def function(step: Any) -> Any:
        known = [arb(float(x)) for x in inputs] if balls is None else [*balls()]
        if step is not None:
            known[place] = known[place] + step
        return run(formula, known)[0]

    return slope_of(function, float(inputs[place]))
