"""The graph behind a Value: in which order gradients go back, and gradients that are Values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

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
        for u in node.inputs:
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


def gradients(output: Value, inputs: Sequence[Value]) -> list[Value]:
    """The gradient of the sum of `output` with respect to each of `inputs`, as Values that can be
    differentiated again (a Hessian-vector product is a gradient of such a gradient's product).

    Fills no `grad`. The rules run on Values: their own functions are ops too.
    """
    from engine.value import Value

    adjoint: dict[int, Any] = {id(output): Value.constant(np.ones(output.shape))}
    kept = {id(node): node for node in inputs}
    for node in walk(output):
        if not node.inputs or not node.requires_grad or id(node) not in adjoint:
            continue
        g = adjoint[id(node)] if id(node) in kept else adjoint.pop(id(node))
        wanted = [u.requires_grad for u in node.inputs]
        assert node.op is not None
        parts = node.op.pull(g, node, node.inputs, node.params, wanted)
        for u, part in zip(node.inputs, parts, strict=True):
            if part is not None:
                adjoint[id(u)] = adjoint[id(u)] + part if id(u) in adjoint else part
    zero = [np.zeros(node.shape) for node in inputs]
    found = [adjoint.get(id(node), z) for node, z in zip(inputs, zero, strict=True)]
    return [g if isinstance(g, Value) else Value.constant(g) for g in found]


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
