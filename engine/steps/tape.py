"""A program that was run at a point, ready to send gradients back one equation at a time."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from engine.arrays import as_numpy
from engine.program import Constant, Equation, Input, Program
from engine.steps.records import ForwardStep
from engine.value import Value

NOTHING = -0.0
"""What a gradient starts from so that adding to it gives what is added, to the sign of a zero."""


class Tape:
    """The values of a program at a point, and what the engine's own rules make of a gradient.

    Nodes are named by their place in the program. Raises InputError where the point does not fit
    or the output is no single number, OpError where an op broke its contract.
    """

    def __init__(self, program: Program, at: Mapping[str, Any] | None) -> None:
        self.program = program
        self.point = program.point(at)
        self.truth = program.evaluate(self.point)
        self.values = program.run(self.point)
        self._alone: dict[int, _Alone] = {}
        self._locals: dict[int, list[Any]] = {}

    @functools.cached_property
    def order(self) -> tuple[int, ...]:
        """The equations that gradients go through, in the order in which the engine runs them
        backward: those that the output depends on, last first."""
        places = [self.program.place]
        seen = set(places)
        for place in places:
            fresh = dict.fromkeys(arg for _, arg in self.targets(place) if arg not in seen)
            seen.update(fresh)
            places += fresh
        return tuple(sorted(filter(self.targets, places), reverse=True))

    def targets(self, place: int) -> list[tuple[int, int]]:
        """The inputs of a node that want a gradient: place among its inputs, place in the program;
        one that is used twice is there twice."""
        node = self.program.nodes[place]
        if not isinstance(node, Equation):
            return []
        return [
            (argument, arg)
            for argument, arg in enumerate(node.args)
            if self.values[arg].requires_grad and node.op.differentiates(argument)
        ]

    def parts(self, place: int, upstream: Any) -> Iterator[tuple[int, int, Any]]:
        """What an equation sends to each of its targets, as (argument, place, part)."""
        if place not in self._alone:
            self._alone[place] = _Alone(self.values[place])
        parts = self._alone[place].pull(upstream)
        return iter([(argument, arg, parts[argument]) for argument, arg in self.targets(place)])

    def local(self, place: int, argument: int) -> Any:
        """The slope of an equation in one of its inputs, entry by entry; None where its operation
        is no elementwise one."""
        if place not in self._locals:
            self._locals[place] = self._slopes(place)
        return self._locals[place][argument]

    def _slopes(self, place: int) -> list[Any]:
        node, equation = self.values[place], self.program.nodes[place]
        assert isinstance(equation, Equation)
        spread = not equation.op.variadic and _broadcast(node) == node.shape
        if not (equation.op.elementwise and spread):
            return [None] * len(node.inputs)
        ones = 1.0 if node.data.__class__ is float else np.ones(node.shape)
        return _Alone(node, node.shape).pull(ones)

    @functools.cached_property
    def terms(self) -> Mapping[tuple[int, int], str]:
        """The rules with names, by place and argument: `c.grad * b`, as the program prints them."""
        found = {}
        for place in self.order:
            equation = self.program.nodes[place]
            assert isinstance(equation, Equation)
            printed = [
                argument
                for argument, arg in enumerate(equation.args)
                if not isinstance(self.program.nodes[arg], Constant)
                and equation.op.differentiates(argument)
            ]
            for argument, line in zip(printed, self.program.backward_lines(equation), strict=True):
                found[place, argument] = line.partition(" += ")[2]
        return found

    def forward(self) -> Iterator[ForwardStep]:
        """Every equation with its value, in order."""
        for node, value in zip(self.program.nodes, self.values, strict=True):
            if isinstance(node, Equation):
                yield ForwardStep(
                    node.number, node.name, node.op.name, node.text, value.data, node.position
                )

    def is_leaf(self, place: int) -> bool:
        """Whether a node is an input of the program."""
        return isinstance(self.program.nodes[place], Input)


class _Alone:
    """A computed value that sends gradients to leaves of its own: the engine's own pull runs, and
    what it adds for each input stays apart, even where two inputs are the same value."""

    def __init__(self, node: Value, shape: tuple[int, ...] | None = None) -> None:
        """With `shape`, inputs are repeated to this shape first, so that nothing is summed."""
        self.node = copy.copy(node)
        self.node.inputs = tuple(copy.copy(u) for u in node.inputs)
        for leaf in self.node.inputs:
            if shape is not None and leaf.shape != shape:
                leaf.data = np.broadcast_to(as_numpy(leaf.data), shape)

    def pull(self, upstream: Any) -> list[Any]:
        """The part of each input."""
        for leaf in self.node.inputs:
            leaf.grad = NOTHING
        self.node.grad = upstream
        with np.errstate(all="ignore"):
            self.node.pull(self.node)
        return [leaf.grad for leaf in self.node.inputs]


def _broadcast(node: Value) -> tuple[int, ...] | None:
    """The shape that the inputs of a computed value have together, if they have one."""
    try:
        return np.broadcast_shapes(*(u.shape for u in node.inputs))
    except ValueError:
        return None
