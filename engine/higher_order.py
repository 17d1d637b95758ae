"""Gradients that are Values, and can be differentiated again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.graph import walk
from engine.value import Value


def gradients(output: Value, inputs: Sequence[Value]) -> list[Value]:
    """The gradient of the sum of `output` with respect to each of `inputs`, as Values that can be
    differentiated again (a Hessian-vector product is a gradient of such a gradient's product).

    Fills no `grad`. The rules run on Values: their own functions are ops too.
    """
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
