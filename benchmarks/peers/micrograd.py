"""micrograd 0.1: a Python object for each number, and the operations that it lacks."""

from __future__ import annotations

import functools
import math
from typing import Any

from benchmarks.runner import Runner
from benchmarks.workloads.checks import STEP, TOLERANCE
from benchmarks.workloads.networks import CHECKED, Network
from benchmarks.workloads.scalars import Expression, Graph


@functools.cache
def value_class() -> Any:
    """micrograd's Value with tanh, exp and sin, each a closure as its own operations are."""
    from micrograd.engine import Value

    def unary(x: Any, data: float, slope: float, name: str) -> Any:
        out = Value(data, (x,), name)

        def _backward() -> None:
            x.grad += slope * out.grad

        out._backward = _backward
        return out

    def tanh(self: Any) -> Any:
        t = math.tanh(self.data)
        return unary(self, t, 1 - t * t, "tanh")

    def exp(self: Any) -> Any:
        e = math.exp(self.data)
        return unary(self, e, e, "exp")

    def sin(self: Any) -> Any:
        return unary(self, math.sin(self.data), math.cos(self.data), "sin")

    Value.tanh, Value.exp, Value.sin = tanh, exp, sin
    return Value


def _functions(value: Any) -> dict[str, Any]:
    return {"tanh": value.tanh, "exp": value.exp, "sin": value.sin}


def rebuilt(task: Expression | Graph) -> Runner:
    """The graph is made anew each time: micrograd knows no other way."""
    value = value_class()
    functions = _functions(value)

    def step() -> list[float]:
        leaves = [value(x) for x in task.leaves]
        y = task.output(leaves, functions)
        y.backward()
        return [y.data, *(leaf.grad for leaf in leaves)]

    return Runner(step, step, note="graph made anew each time")


def network(task: Network) -> Runner:
    """Scalar training as in its demo, with weights in lists."""
    value = value_class()
    xs, ys = task.x.tolist(), task.y.ravel().tolist()

    def layer(x: list[Any], weight: Any, bias: Any, kind: str) -> list[Any]:
        sums = [
            sum((row[j] * xi for row, xi in zip(weight, x, strict=True)), b)
            for j, b in enumerate(bias)
        ]
        return [getattr(z, kind)() for z in sums] if kind else sums

    def train(steps: int) -> list[float]:
        start = task.start()
        layers = [
            ([[value(v) for v in row] for row in w.tolist()], [value(v) for v in b.tolist()])
            for w, b in zip(start[::2], start[1::2], strict=True)
        ]
        flat = [v for w, b in layers for v in [*(u for row in w for u in row), *b]]
        losses = []
        for k in range(steps):
            outs = []
            for x in xs:
                for index, (w, b) in enumerate(layers):
                    x = layer(x, w, b, task.activation(index))
                outs.append(x[0])
            loss = _loss(task, outs, ys, flat)
            for v in flat:
                v.grad = 0.0
            loss.backward()
            for v in flat:
                v.data -= task.rate(k) * v.grad
            losses.append(loss.data)
        return losses

    steps = 2 if task.loss == "hinge" else 10
    return Runner(lambda: train(steps), lambda: train(CHECKED), units=steps, note="scalar graph")


def _loss(task: Network, outs: list[Any], ys: list[float], parameters: list[Any]) -> Any:
    if task.loss == "sse":
        return sum((out - y) ** 2 for out, y in zip(outs, ys, strict=True))
    mean = sum((1 + -y * out).relu() for out, y in zip(outs, ys, strict=True)) * (1.0 / len(ys))
    return mean + task.l2 * sum(v * v for v in parameters)


def check(task: Graph) -> Runner:
    """Backpropagation against central differences, written as one would."""
    value = value_class()
    functions = _functions(value)

    def output(xs: list[float]) -> float:
        return task.output([value(x) for x in xs], functions).data

    def step() -> None:
        leaves = [value(x) for x in task.leaves]
        task.output(leaves, functions).backward()
        for i, leaf in enumerate(leaves):
            up, down = list(task.leaves), list(task.leaves)
            up[i] += STEP
            down[i] -= STEP
            slope = (output(up) - output(down)) / (2 * STEP)
            assert abs(slope - leaf.grad) <= TOLERANCE * (1 + abs(leaf.grad))

    return Runner(step, note="a loop written by hand")


ADAPTERS = {
    **{workload: [("micrograd", rebuilt)] for workload in ("W1", "W2-300", "W2-1k", "W2-20k")},
    **{workload: [("micrograd", network)] for workload in ("W3", "W3-plugin", "W4")},
    "W6-small": [("micrograd loop", check)],
}
