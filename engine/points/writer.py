"""Writes the nodes of a program for many points: operands, and the ops on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.arrays import as_text, tidy
from engine.errors import Position
from engine.methods import on_arrays
from engine.op import Op
from engine.ops import OPS
from engine.program import Constant, Equation, Input

Shape = tuple[int, ...]

SHORT = 8
"""Numbers of a constant that is named by its own text."""


@dataclass(frozen=True, slots=True, eq=False)
class Operand:
    """A result in the new program: its shape at one point, and whether it has the axis of points
    in front of that. A constant has a `value`, and a `place` only once an equation needs it."""

    shape: Shape
    moving: bool
    place: int | None = None
    value: Any = None


class Writer:
    """Writes the nodes of the new program, one after another."""

    def __init__(self) -> None:
        self.nodes: list[Input | Constant | Equation] = []
        self.position = Position(1, 1, 0)
        self._equations = 0
        self._constants: dict[str | Operand, int] = {}

    def input(self, node: Input, shape: Shape, moving: bool) -> Operand:
        self.nodes.append(replace(node, default=None) if moving else node)
        return Operand(shape, moving, len(self.nodes) - 1)

    def constant(self, value: Any) -> Operand:
        value = tidy(value)
        return Operand(np.shape(value), False, value=value)

    def place(self, operand: Operand) -> int:
        """Where the operand stands among the nodes."""
        if operand.place is not None:
            return operand.place
        short = 0 < np.size(operand.value) <= SHORT
        key = as_text(operand.value) if short else operand
        if key not in self._constants:
            name = key if isinstance(key, str) else f"%array{len(self._constants) + 1}"
            self.nodes.append(Constant(name, operand.value, self.position))
            self._constants[key] = len(self.nodes) - 1
        return self._constants[key]

    def name(self, operand: Operand, name: str) -> None:
        """Call the equation written last `name`, if the operand is its result and it has none."""
        last = self.nodes[-1]
        here = operand.place == len(self.nodes) - 1
        if here and isinstance(last, Equation) and last.name.startswith("%"):
            self.nodes[-1] = replace(last, name=name)

    def apply(self, op: Op, shape: Shape, /, *operands: Operand, **params: Any) -> Operand:
        """`op` on operands as they lie; `shape` is that of the result at one point. The result of
        constants is a constant."""
        params = {**op.params, **params}
        if all(operand.place is None for operand in operands):
            return self.constant(on_arrays(op, [operand.value for operand in operands], params))
        args = tuple(map(self.place, operands))
        self._equations += 1
        names = tuple(self.nodes[arg].name for arg in args)
        name = f"%{self._equations}"
        self.nodes.append(Equation(self._equations, name, op, args, names, params, self.position))
        return Operand(shape, any(operand.moving for operand in operands), len(self.nodes) - 1)

    def map(self, op: Op, /, *operands: Operand, **params: Any) -> Operand:
        """`op` number by number, the trailing axes of the operands aligned."""
        shape = np.broadcast_shapes(*(operand.shape for operand in operands))
        raised = [self.raised(operand, len(shape)) for operand in operands]
        return self.apply(op, shape, *raised, **params)

    def raised(self, x: Operand, rank: int) -> Operand:
        """`x` with axes of length 1 in front of its own, `rank` in all; what does not move needs
        none."""
        return self.reshaped(x, (1,) * (rank - len(x.shape)) + x.shape) if x.moving else x

    def reshaped(self, x: Operand, shape: Shape) -> Operand:
        if x.shape == shape:
            return x
        return self.apply(OPS["reshape"], shape, x, shape=(-1, *shape) if x.moving else shape)

    def total(self, op: Op, x: Operand) -> Operand:
        """The sum or mean (`op`) of all numbers of each point."""
        return self.apply(op, (), x, axis=tuple(range(1, len(x.shape) + 1))) if x.shape else x

    def along(self, x: Operand, other: Operand) -> Operand:
        """`x` for each point of `other`, which moves."""
        return x if x.moving else self.map(OPS["where"], self.constant(0.0), other, x)
