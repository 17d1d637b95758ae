"""HIPS autograd: numpy with gradients, traced at each call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.runner import Runner
from benchmarks.workloads.checks import Wide
from benchmarks.workloads.networks import CHECKED, Network
from benchmarks.workloads.scalars import Expression, Graph


def _functions() -> dict[str, Any]:
    import autograd.numpy as anp

    return {"tanh": anp.tanh, "exp": anp.exp, "sin": anp.sin}


def scalars(task: Expression | Graph) -> Runner:
    import autograd

    functions = _functions()
    both = autograd.value_and_grad(lambda leaves: task.output(leaves, functions))
    leaves = list(task.leaves)

    def check() -> list[float]:
        value, gradient = both(leaves)
        return [float(value), *map(float, gradient)]

    return Runner(lambda: both(leaves), check)


def network(task: Network) -> Runner:
    import autograd.numpy as anp

    return _trained(task, anp.tanh)


def plugin(task: Network) -> Runner:
    """tanh as a primitive of the user's own."""
    from autograd.extend import defvjp, primitive

    tanh = primitive(lambda x: np.tanh(x))
    defvjp(tanh, lambda y, x: lambda g: g * (1 - y * y))
    return _trained(task, tanh)


def _trained(task: Network, tanh: Callable[[Any], Any]) -> Runner:
    import autograd
    import autograd.numpy as anp

    kinds = {"tanh": tanh, "relu": lambda z: anp.maximum(z, 0), "": lambda z: z}

    def objective(parameters: Any, x: Any, y: Any) -> Any:
        for layer in range(task.depth):
            z = anp.dot(x, parameters[2 * layer]) + parameters[2 * layer + 1]
            x = kinds[task.activation(layer)](z)
        if task.loss == "sse":
            return anp.sum((x - y) ** 2)
        if task.loss == "hinge":
            loss = anp.mean(anp.maximum(1 - y * x, 0))
            for p in parameters:
                loss = loss + task.l2 * anp.sum(p * p)
            return loss
        x = x - anp.max(x, axis=1, keepdims=True)
        return -anp.mean(x[anp.arange(len(y)), y] - anp.log(anp.sum(anp.exp(x), axis=1)))

    both, batches = autograd.value_and_grad(objective), task.batches()

    def train(steps: int) -> list[float]:
        parameters, losses = task.start(), []
        for k in range(steps):
            loss, gradients = both(parameters, *batches[k % len(batches)])
            for p, g in zip(parameters, gradients, strict=True):
                p -= task.rate(k) * g
            losses.append(float(loss))
        return losses

    steps = min(20, task.eager_steps)
    return Runner(lambda: train(steps), lambda: train(CHECKED), units=steps)


def check(task: Graph) -> Runner:
    from autograd.test_util import check_grads

    functions = _functions()
    checked = check_grads(lambda *v: task.output(v, functions), modes=["rev"], order=1)
    return Runner(lambda: checked(*task.leaves), note="one random direction")


def check_wide(task: Wide) -> Runner:
    import autograd.numpy as anp
    from autograd.test_util import check_grads

    def function(x: Any) -> Any:
        h = anp.tanh(anp.dot(x, task.a.T))
        return anp.sum(h * h) + anp.sum(anp.sin(x) * x)

    checked = check_grads(function, modes=["rev"], order=1)
    return Runner(lambda: checked(task.x), note="one random direction")


ADAPTERS = {
    **{workload: [("autograd", scalars)] for workload in ("W1", "W2-300", "W2-1k", "W2-20k")},
    **{workload: [("autograd", network)] for workload in ("W3", "W4", "W5-digits", "W5-wide")},
    "W3-plugin": [("autograd primitive", plugin)],
    "W6-small": [("autograd check_grads", check)],
    "W6-wide": [("autograd check_grads", check_wide)],
}
