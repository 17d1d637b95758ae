"""From the parser's findings to a Program: nodes are collected, numbered and named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from engine.arrays import as_text, tidy
from engine.errors import ExpressionError, Position
from engine.limits import Limits
from engine.op import Op
from engine.program import Constant, Equation, Input, Program


class ProgramBuilder:
    """Collects nodes and bindings of names, and numbers and names them in the end.

    The last binding of a name is what the name means; earlier ones are `c@1`, `c@2`. An input keeps
    its name, and later bindings of it are `x@2`, `x@3`. What has no name is `%3`, by its equation.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._nodes: list[Input | Constant | Equation] = []
        self._equations = 0
        self._now: dict[str, int] = {}
        self._bindings: dict[str, list[int]] = {}
        self._inputs: dict[str, int] = {}
        self._constants: dict[str, int] = {}
        self._labels: dict[int, tuple[str, int]] = {}

    def knows(self, name: str) -> bool:
        return name in self._now

    def lookup(self, name: str, position: Position) -> int:
        """The node that `name` means; an input without a value where it means none yet."""
        return self._now[name] if name in self._now else self.input(name, position, None)

    def input(self, name: str, position: Position, default: Any) -> int:
        if len(self._inputs) == self._limits.inputs:
            raise ExpressionError(
                f"there are more than {self._limits.inputs} inputs",
                code="too_many_inputs",
                position=position,
                hint="put numbers that belong together into an array",
            )
        self._check_elements(default, position)
        place = self._add(Input(name, default, position))
        self._inputs[name] = place
        self._bindings.setdefault(name, []).append(place)
        self._now[name] = place
        return place

    def constant(self, value: Any, position: Position) -> int:
        value = tidy(value)
        self._check_elements(value, position)
        key = _constant_name(value, len(self._constants))
        if key not in self._constants:
            self._constants[key] = self._add(Constant(key, value, position))
        return self._constants[key]

    def apply(
        self, op: Op, args: Sequence[int], params: Mapping[str, Any], position: Position
    ) -> int:
        self._equations += 1
        full = {**op.params, **params}
        return self._add(Equation(self._equations, "", op, tuple(args), (), full, position))

    def bind(self, name: str, place: int) -> None:
        bindings = self._bindings.setdefault(name, [])
        bindings.append(place)
        self._now[name] = place
        if isinstance(self._nodes[place], Equation) and place not in self._labels:
            self._labels[place] = (name, len(bindings))

    def _add(self, node: Input | Constant | Equation) -> int:
        if len(self._nodes) == self._limits.nodes:
            raise ExpressionError(
                f"there are more than {self._limits.nodes} inputs, numbers and operations",
                code="too_many_nodes",
                position=node.position,
                hint="use arrays, or split the expression",
            )
        self._nodes.append(node)
        return len(self._nodes) - 1

    def _check_elements(self, value: Any, position: Position) -> None:
        if value is not None and np.size(value) > self._limits.elements:
            raise ExpressionError(
                f"this array holds more than {self._limits.elements} numbers",
                code="too_many_elements",
                position=position,
                hint="use fewer",
            )

    def build(self, source: str, output: int) -> Program:
        nodes: list[Input | Constant | Equation] = []
        for place, node in enumerate(self._nodes):
            if isinstance(node, Equation):
                inputs = tuple(nodes[i].name for i in node.args)
                node = replace(node, name=self._name(place, node.number), inputs=inputs)
            nodes.append(node)
        names = {node.name for node in nodes}
        also = {name: place for name, place in self._now.items() if name not in names}
        return Program(source, tuple(nodes), output, self._limits, MappingProxyType(also))

    def _name(self, place: int, number: int) -> str:
        if place not in self._labels:
            return f"%{number}"
        name, binding = self._labels[place]
        last = binding == len(self._bindings[name]) and name not in self._inputs
        return name if last else f"{name}@{binding}"


def _constant_name(value: Any, number: int) -> str:
    text = as_text(value)
    return text if len(text) <= 40 else f"%array{number + 1}"
