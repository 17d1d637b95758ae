"""A program of scalars, linearised at a point: local derivatives, and what follows from them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from engine.functions import FLOATS
from engine.methods import TROUBLE, on_arrays
from engine.op import Op
from engine.program import Constant, Equation, Program

DRAWS, NUDGE = 4, 2.0**-20
"""How often, and with which relative error in each product, a backward pass is disturbed."""

FLOOR = 8 * 2.0**-53
"""The relative error that a product of float64 backpropagation is granted: some units in the last
place, for another order of the same operations."""

Local = Callable[..., Sequence[float | None]]


@dataclass(frozen=True, slots=True)
class Edge:
    """One use of an input or a result: the equation at place `user` takes the node at place `used`
    as its argument number `argument`; `derivative` is the local derivative there."""

    user: int
    argument: int
    used: int
    derivative: float


class Linear:
    """`values` are the float64 values of the nodes of `program`, all scalars and finite."""

    def __init__(self, program: Program, values: Sequence[float]) -> None:
        self.program = program
        self.values = values
        self.edges: list[Edge] = []
        self.uses: list[list[Edge]] = [[] for _ in program.nodes]
        for place, node in enumerate(program.nodes):
            if not isinstance(node, Equation):
                continue
            inputs = [values[arg] for arg in node.args]
            locals_ = local_derivatives(node.op, values[place], inputs, node.params)
            for argument, (arg, d) in enumerate(zip(node.args, locals_, strict=True)):
                if d is not None and not isinstance(program.nodes[arg], Constant):
                    edge = Edge(place, argument, arg, d)
                    self.edges.append(edge)
                    self.uses[arg].append(edge)

    def equation(self, edge: Edge) -> Equation:
        """The equation that uses the node."""
        equation = self.program.nodes[edge.user]
        assert isinstance(equation, Equation)
        return equation

    @cached_property
    def adjoints(self) -> list[float]:
        """The gradient of the output with respect to each node, by plain backpropagation."""
        return self.back([edge.derivative for edge in self.edges])

    @cached_property
    def floors(self) -> list[float]:
        """How far float64 backpropagation itself may be off at each node: what random errors in
        every product on the way do to it (stochastic arithmetic, Vignes 1978)."""
        sides = np.random.default_rng(0).integers(0, 2, (DRAWS, len(self.edges)))
        found = [0.0] * len(self.values)
        for errors in (NUDGE * (2.0 * sides - 1)).tolist():
            moved = self.back(
                [e.derivative * (1 + r) for e, r in zip(self.edges, errors, strict=True)]
            )
            gaps = (abs(m - a) for m, a in zip(moved, self.adjoints, strict=True))
            found = [max(f, gap) for f, gap in zip(found, gaps, strict=True)]
        return [FLOOR / NUDGE * f if math.isfinite(f) else 0.0 for f in found]

    def after(self, place: int) -> list[tuple[int, Equation]]:
        """The equations that depend on the node at `place`, with their places, in order."""
        return list(self.program.after(place).items())

    def values_with(
        self, place: int, value: float, after: Sequence[tuple[int, Equation]]
    ) -> list[float]:
        """The values of all nodes where that at `place` is another one; `after` is after(place)."""
        values = list(self.values)
        values[place] = value
        for i, node in after:
            values[i] = value_of(node.op, [values[arg] for arg in node.args], node.params)
        return values

    def through(self, size: Callable[[Edge], float | None]) -> list[float]:
        """The sum, over the paths from each node to the output that lead through an edge to which
        `size` gives a number, of |product of derivatives|, with that number for the edge's own:
        how far an error of that size in those derivatives could reach."""
        errors = [size(edge) for edge in self.edges]
        sizes = [abs(edge.derivative) for edge in self.edges]
        reached = self.back([d if e is None else e for e, d in zip(errors, sizes, strict=True)])
        around = self.back([d if e is None else 0.0 for e, d in zip(errors, sizes, strict=True)])
        return [a - b for a, b in zip(reached, around, strict=True)]

    def back(self, derivatives: Sequence[float]) -> list[float]:
        """The gradient of every node with other local derivatives, one for each edge."""
        found = [0.0] * len(self.values)
        found[self.program.place] = 1.0
        for edge, derivative in zip(reversed(self.edges), reversed(derivatives), strict=True):
            found[edge.used] += found[edge.user] * derivative
        return found


def local_derivatives(
    op: Op, y: float, inputs: Sequence[float], params: Mapping[str, Any] = MappingProxyType({})
) -> Sequence[float | None]:
    """What the rules of `op` give for an upstream gradient of 1, one for each input; None where an
    input has no gradient."""
    try:
        if op.backward_formula is not None and not op.params:
            return _printed(op)(y, *inputs)
    except TROUBLE:
        pass
    wanted = [op.differentiates(i) for i in range(len(inputs))]
    numbers = [np.float64(x) for x in inputs]
    with np.errstate(all="ignore"):
        parts = op.pull(np.float64(1.0), np.float64(y), numbers, params, wanted)
    return [None if part is None else float(part) for part in parts]


def value_of(op: Op, inputs: Sequence[float], params: Mapping[str, Any]) -> float:
    """The forward of `op` on floats; infinite or nan where it is not defined."""
    try:
        if op.formula is not None and not op.params:
            return float(_printed_forward(op)(*inputs))
    except TROUBLE:
        pass
    return float(on_arrays(op, inputs, dict(params)))


@functools.lru_cache(maxsize=4096)
def _printed_forward(op: Op) -> Callable[..., float]:
    assert op.formula is not None
    names = [f"x{i}" for i in range(len(op.input_names))]
    body, [result] = op.formula.python(names)
    return function_of(f"value of {op.name}", names, [*body, f"return {result}"])


@functools.lru_cache(maxsize=4096)
def _printed(op: Op) -> Local:
    """The rules of `op` for an upstream gradient of 1, as one function of floats (y, *inputs)."""
    assert op.backward_formula is not None
    names = [f"x{i}" for i in range(len(op.input_names))]
    body, results = op.backward_formula.given({0: 1.0}).python(["g", "y", *names])
    shown = [r if op.differentiates(i) else "None" for i, r in enumerate(results)]
    last = f"return {', '.join(shown)},"
    return function_of(f"local derivatives of {op.name}", ["y", *names], [*body, last])


def function_of(title: str, names: Sequence[str], lines: Sequence[str]) -> Callable[..., Any]:
    """A function of floats out of the statements that a formula printed."""
    source = "\n".join([f"def function({', '.join(names)}):", *(f"  {line}" for line in lines)])
    scope: dict[str, Any] = dict(FLOATS)
    exec(compile(source, f"<{title}>", "exec"), scope)
    return scope["function"]  # type: ignore[no-any-return]
