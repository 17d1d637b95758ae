"""A program of scalars as one list of elementary steps on balls."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from flint import arb, ctx

from engine.balls import BALLS, parameters
from engine.formula import Formula, Ref
from engine.program import Constant, Equation, Input, Program

Step = tuple[int, Callable[..., Any], tuple[int, ...]]
"""A register to fill, a function of balls, and the registers it is given."""


class BallTape:
    """The program at a point, ready to be run with one of its nodes moved.

    Every node has a register, and so has every line of an op's formula. `values` are the float64
    values of the nodes. An op without a formula is stood in for by what `stand_in` makes of its
    place in the program: a function of balls.
    """

    def __init__(
        self,
        program: Program,
        values: Sequence[float],
        stand_in: Callable[[int], Callable[..., Any]],
    ) -> None:
        self.program = program
        self._given: dict[int, float] = {}
        self._steps: list[Step] = []
        self._size = len(program.nodes)
        self._numbers: dict[float, int] = {}
        self._paths: dict[int, list[Step]] = {}
        self._base: tuple[int, list[Any]] | None = None
        for place, node in enumerate(program.nodes):
            if isinstance(node, Input | Constant):
                self._given[place] = values[place]
            elif node.op.formula is None:
                self._steps.append((place, stand_in(place), node.args))
            else:
                params = [self._number(x) for x in parameters(node)]
                self._inline(node.op.formula, [*node.args, *params], place)

    def _number(self, x: float) -> int:
        if x not in self._numbers:
            self._numbers[x] = self._size
            self._given[self._size] = x
            self._size += 1
        return self._numbers[x]

    def _inline(self, formula: Formula, inputs: Sequence[int], place: int) -> None:
        registers: list[int] = []
        result = formula.results[0]
        last = result.index if isinstance(result, Ref) else None

        def register(arg: Ref | float) -> int:
            if isinstance(arg, float):
                return self._number(arg)
            return inputs[~arg.index] if arg.index < 0 else registers[arg.index]

        for i, line in enumerate(formula.lines):
            args = tuple(map(register, line.args))
            if i == last:
                registers.append(place)
            else:
                registers.append(self._size)
                self._size += 1
            self._steps.append((registers[-1], BALLS[line.function.name], args))
        if last is None or last < 0:  # the op gives back an input, or a number
            self._steps.append((place, operator.pos, (register(result),)))

    def moved(self, place: int, index: tuple[int, ...] | None = None) -> Callable[[Any], Any]:
        """The output as a function of a step of the node at `place` away from the point, while
        everything that does not depend on it is held fixed. Where nothing changes, and for None,
        it is the output at the point itself, the same object. A scalar has no `index`."""
        path = self._path(place)
        output = self.program.place

        def function(step: Any) -> Any:
            base = self._registers()
            if step is None:
                return base[output]
            registers = base.copy()
            registers[place] = base[place] + step
            for target, run, args in path:
                for arg in args:
                    if registers[arg] is not base[arg]:
                        break
                else:
                    continue
                found = run(*[registers[arg] for arg in args])
                if found == base[target]:  # and both are exact, or balls would not be equal
                    continue
                registers[target] = found
            return registers[output]

        return function

    def arguments(self, place: int) -> list[Any]:
        """The balls of what the equation at `place` is given, in flint's present precision."""
        node = self.program.nodes[place]
        assert isinstance(node, Equation)
        return [self._registers()[arg] for arg in node.args]

    def _path(self, place: int) -> list[Step]:
        """The steps that depend on the node at `place`."""
        if place not in self._paths:
            reached = {place}
            path = []
            for step in self._steps:
                if step[0] != place and not reached.isdisjoint(step[2]):
                    reached.add(step[0])
                    path.append(step)
            self._paths[place] = path
        return self._paths[place]

    def _registers(self) -> list[Any]:
        """All registers at the point, in flint's present precision."""
        if self._base is None or self._base[0] != ctx.prec:
            registers: list[Any] = [None] * self._size
            for place, x in self._given.items():
                registers[place] = arb(x)
            for target, step, args in self._steps:
                registers[target] = step(*[registers[arg] for arg in args])
            self._base = ctx.prec, registers
        return self._base[1]
