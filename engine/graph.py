"""The graph behind a Value: what led to it, and in which order gradients go back."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.value import Value

by_making = attrgetter("serial")
"""Sorts values so that each comes after its inputs: leaves have serial number 0."""


def backward_order(output: Value) -> tuple[list[Value], list[tuple[Value, Any]]]:
    """Every computed value that the gradient of `output` goes to, outputs before their inputs,
    without recursion; and the leaves on its way that hold a gradient, each with it. All their
    gradients become zero.

    A value has a higher serial number than its inputs, so sorting by it is a topological order.
    What a leaf holds is added when the pass is over: were it added to step by step, rounding
    would keep a second pass from giving exactly the double.
    """
    mark = float("0")  # a float object of this walk alone: the gradient that says "seen"
    nodes: list[Value] = []
    held: list[tuple[Value, Any]] = []
    reached = [output]
    for u in reached:
        if u.grad is mark:
            continue
        if u.pull is not None:
            nodes.append(u)
            reached += u.sources
        elif u.grad.__class__ is not float or u.grad:
            held.append((u, u.grad))
        u.grad = mark
    nodes.sort(key=by_making, reverse=True)
    return nodes, held


def walk(output: Value) -> list[Value]:
    """All values that `output` was made from, leaves and itself included, outputs first."""
    seen = {id(output): output}
    nodes = [output]
    for node in nodes:
        for u in node.inputs:
            if id(u) not in seen:
                seen[id(u)] = u
                nodes.append(u)
    nodes.sort(key=by_making, reverse=True)
    return nodes
