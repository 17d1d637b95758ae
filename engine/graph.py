"""The graph behind a Value: what led to it, and in which order gradients go back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.value import Value


def backward_order(output: Value) -> tuple[list[Value], list[tuple[Value, Any]]]:
    """Every computed value that `output` was made from, outputs before their inputs, without
    recursion; and the leaves that hold a gradient, each with it. All their gradients become zero.

    A value has a higher serial number than its inputs, so sorting by it is a topological order.
    What a leaf holds is added when the pass is over: were it added to step by step, rounding
    would keep a second pass from giving exactly the double.
    """
    mark = float("0")  # a float object of this walk alone: the gradient that says "seen"
    output.grad = mark
    nodes = [output]
    held: list[tuple[Value, Any]] = []
    for node in nodes:
        inputs: Iterable[Value] = node.inputs
        if node.op is not None and node.op.blind:
            inputs = (u for i, u in enumerate(inputs) if i not in node.op.blind)
        for u in inputs:
            if u.grad is mark:
                continue
            if u.pull is not None:
                u.grad = mark
                nodes.append(u)
            elif u.requires_grad:
                if u.grad.__class__ is not float or u.grad:
                    held.append((u, u.grad))
                u.grad = mark
    nodes.sort(key=_serial, reverse=True)
    return nodes, held


def _serial(node: Value) -> int:
    return node.serial


def walk(output: Value) -> list[Value]:
    """All values that `output` was made from, leaves and itself included, outputs first."""
    seen = {id(output): output}
    nodes = [output]
    for node in nodes:
        for u in node.inputs:
            if id(u) not in seen:
                seen[id(u)] = u
                nodes.append(u)
    nodes.sort(key=_serial, reverse=True)
    return nodes
