"""tinygrad on the processor, each step replayed by TinyJit; it compiles with clang."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np

from benchmarks.runner import Runner
from benchmarks.workloads.networks import CHECKED, Network
from benchmarks.workloads.scalars import Expression

TRACED = 3
"""Calls after which TinyJit replays."""


def _tinygrad() -> Any:
    if shutil.which("clang") is None:
        raise RuntimeError("tinygrad compiles with clang, which is not on the PATH")
    import tinygrad

    tinygrad.helpers.DEV.value = "CPU"
    return tinygrad


def expression(task: Expression) -> Runner:
    tg = _tinygrad()
    leaves = [_tensor(tg, [x]) for x in task.leaves]

    @tg.TinyJit
    def both(*v: Any) -> Any:
        y = task.output(v, {"tanh": tg.Tensor.tanh}).sum()
        results = [t.contiguous() for t in (y, *y.gradient(*v))]
        tg.Tensor.realize(*results)
        return results

    def step() -> list[float]:
        return [t.item() for t in both(*leaves)]

    for _ in range(TRACED):
        step()
    return Runner(step, step, note="results read back")


def network(task: Network) -> Runner:
    tg = _tinygrad()
    start = [_tensor(tg, p) for p in task.start()]
    parameters = [_tensor(tg, p) for p in task.start()]
    rates = [_tensor(tg, [rate]) for rate in task.lr]
    batches = [(_tensor(tg, x), _tensor(tg, _target(task, y))) for x, y in task.batches()]
    kinds = {"tanh": tg.Tensor.tanh, "relu": tg.Tensor.relu, "": lambda z: z}

    @tg.TinyJit
    def step(x: Any, y: Any, rate: Any) -> Any:
        for layer in range(task.depth):
            z = x @ parameters[2 * layer] + parameters[2 * layer + 1]
            x = kinds[task.activation(layer)](z)
        loss = _loss(task, x, y, parameters)
        gradients = loss.gradient(*parameters)
        moved = [(p - rate * g).contiguous() for p, g in zip(parameters, gradients, strict=True)]
        loss = loss.contiguous()
        tg.Tensor.realize(loss, *moved)
        for p, new in zip(parameters, moved, strict=True):
            p.assign(new)
        tg.Tensor.realize(*parameters)
        return loss

    def train(steps: int) -> list[float]:
        for p, s in zip(parameters, start, strict=True):
            p.assign(s).realize()
        return [
            step(*batches[k % len(batches)], rates[k % len(rates)]).item() for k in range(steps)
        ]

    train(TRACED)
    return Runner(lambda: train(10), lambda: train(CHECKED), units=10, note="loss read back")


def _tensor(tg: Any, numbers: Any) -> Any:
    return tg.Tensor(np.array(numbers, dtype=np.float64)).contiguous().realize()


def _target(task: Network, y: Any) -> Any:
    return np.eye(task.sizes[-1])[y] if task.loss == "xent" else y


def _loss(task: Network, out: Any, y: Any, parameters: list[Any]) -> Any:
    if task.loss == "sse":
        return ((out - y) ** 2).sum()
    if task.loss == "hinge":
        loss = (1 - y * out).relu().mean()
        for p in parameters:
            loss = loss + task.l2 * (p * p).sum()
        return loss
    return -(out.log_softmax() * y).sum() / len(out)


ADAPTERS = {
    "W1": [("tinygrad", expression)],
    **{workload: [("tinygrad", network)] for workload in ("W3", "W4", "W5-digits", "W5-wide")},
}
