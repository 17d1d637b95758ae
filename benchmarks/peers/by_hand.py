"""Python and numpy with the derivatives worked out by hand: references and floors, no peers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.runner import Runner
from benchmarks.workloads.checks import STEP, Wide
from benchmarks.workloads.networks import CHECKED, Network
from benchmarks.workloads.scalars import FUNCTIONS, Expression, Graph

ARRAYS = {"tanh": np.tanh, "exp": np.exp, "sin": np.sin}


def expression(task: Expression) -> Runner:
    """The reference of W1."""

    def step() -> list[float]:
        a, b, c, f = task.leaves
        d = a * b + c
        t = math.tanh(d * f)
        inner = 2 * t * (1 - t * t)
        outer = inner * f
        return [t * t + a, outer * b + 1.0, outer * a, outer, inner * d]

    return Runner(step, step, note="floor, not a peer")


def network(task: Network) -> Runner:
    """The reference of W3 to W5: a dozen numpy calls a layer."""
    batches = task.batches()

    def train(steps: int) -> list[float]:
        parameters = task.start()
        return [_step(task, parameters, k, *batches[k % len(batches)]) for k in range(steps)]

    steps = min(task.loop_steps, 100)
    return Runner(
        lambda: train(steps), lambda: train(CHECKED), units=steps, note="reference, not a peer"
    )


def _step(task: Network, parameters: list[Any], k: int, x: Any, y: Any) -> float:
    """Step k of gradient descent; moves the parameters in place."""
    weights, biases = parameters[::2], parameters[1::2]
    outputs = [x]
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        z = outputs[-1] @ w + b
        kind = task.activation(layer)
        outputs.append(np.tanh(z) if kind == "tanh" else np.maximum(z, 0) if kind else z)
    loss, g = _loss(task, outputs[-1], y)
    loss += task.l2 * sum(np.sum(p * p) for p in parameters)
    for layer in reversed(range(task.depth)):
        out, kind = outputs[layer + 1], task.activation(layer)
        if kind:
            g = g * (1 - out * out) if kind == "tanh" else g * (out > 0)
        w, b = weights[layer], biases[layer]
        gw, gb = outputs[layer].T @ g, g.sum(0)
        if layer:
            g = g @ w.T
        w -= task.rate(k) * (gw + 2 * task.l2 * w)
        b -= task.rate(k) * (gb + 2 * task.l2 * b)
    return float(loss)


def _loss(task: Network, out: Any, y: Any) -> tuple[Any, Any]:
    """The loss of the outputs, and its gradient."""
    if task.loss == "sse":
        return np.sum((out - y) ** 2), 2 * (out - y)
    if task.loss == "hinge":
        margin = 1 - y * out
        return np.mean(np.maximum(margin, 0)), -y * (margin > 0) / len(y)
    e = np.exp(out - out.max(axis=1, keepdims=True))
    share = e / e.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    loss = -np.mean(np.log(share[rows, y]))
    share[rows, y] -= 1
    return loss, share / len(y)


def differences_at_once(task: Graph) -> Runner:
    """All nudged points as one batch: each node is a numpy call on 24 numbers."""
    x = np.array(task.leaves)
    n = len(x)
    nudges = STEP * np.eye(n)
    points = np.concatenate([x + nudges, x - nudges]).T.copy()

    def step() -> Any:
        f = task.output(points, ARRAYS)
        return (f[:n] - f[n:]) / (2 * STEP)

    return Runner(step, note="the numeric side only")


def differences_in_turn(task: Graph) -> Runner:
    """One nudged point after the other, on Python's floats."""

    def step() -> list[float]:
        slopes = []
        for i in range(len(task.leaves)):
            up, down = list(task.leaves), list(task.leaves)
            up[i] += STEP
            down[i] -= STEP
            rise = task.output(up, FUNCTIONS) - task.output(down, FUNCTIONS)
            slopes.append(rise / (2 * STEP))
        return slopes

    return Runner(step, note="the numeric side only")


def _wide(task: Wide, x: Any) -> Any:
    h = np.tanh(x @ task.a.T)
    return (h * h).sum(-1) + (np.sin(x) * x).sum(-1)


def wide_at_once(task: Wide) -> Runner:
    """All 2,000 nudged points as the rows of one matrix."""
    n = len(task.x)
    places, points = np.arange(n), np.empty((2 * n, n))

    def step() -> Any:
        points[:] = task.x
        points[places, places] += STEP
        points[n + places, places] -= STEP
        f = _wide(task, points)
        return (f[:n] - f[n:]) / (2 * STEP)

    return Runner(step, note="the numeric side only")


def wide_in_turn(task: Wide) -> Runner:
    """One nudged point after the other."""
    x = task.x.copy()

    def step() -> list[Any]:
        slopes = []
        for i, middle in enumerate(task.x):
            x[i] = middle + STEP
            up = _wide(task, x)
            x[i] = middle - STEP
            slopes.append((up - _wide(task, x)) / (2 * STEP))
            x[i] = middle
        return slopes

    return Runner(step, note="the numeric side only")


ADAPTERS = {
    "W1": [("python by hand", expression)],
    **{
        workload: [("numpy by hand", network)]
        for workload in ("W3", "W3-plugin", "W4", "W5-digits", "W5-wide")
    },
    "W6-small": [
        ("numpy differences at once", differences_at_once),
        ("python differences in turn", differences_in_turn),
    ],
    "W6-wide": [
        ("numpy differences at once", wide_at_once),
        ("numpy differences in turn", wide_in_turn),
    ],
}
