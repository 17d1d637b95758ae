"""JAX in float64 on the processor: a compiled step, and the whole loop compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.runner import Runner
from benchmarks.workloads.networks import CHECKED, Network
from benchmarks.workloads.scalars import Expression, Graph

LOOP = 10_000
"""Evaluations of a scalar expression in one compiled loop."""


def jax64() -> Any:
    """The library, in float64."""
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


def functions_of(jax: Any) -> dict[str, Any]:
    """What a scalar expression calls."""
    return {"tanh": jax.numpy.tanh, "exp": jax.numpy.exp, "sin": jax.numpy.sin}


# -- scalars -------------------------------------------------------------------


def _both(jax: Any, task: Expression | Graph) -> Callable[[Any], Any]:
    """Value and gradient as a function of the leaves, a tuple of numbers or a vector."""
    functions, count = functions_of(jax), len(task.leaves)
    return jax.value_and_grad(lambda v: task.output([v[i] for i in range(count)], functions))


def jit(task: Expression | Graph) -> Runner:
    return _jitted(task, {})


def jit_unfused(task: Graph) -> Runner:
    """XLA's fusion computes shared scalar nodes over and over: 2 s a call at 1,000 nodes."""
    return _jitted(task, {"xla_disable_hlo_passes": "fusion"})


def _jitted(task: Expression | Graph, options: dict[str, str]) -> Runner:
    jax = jax64()
    leaves = jax.numpy.asarray(task.leaves)
    if isinstance(task, Expression):
        leaves = tuple(leaves)
    function = jax.jit(_both(jax, task)).lower(leaves).compile(compiler_options=options)

    def check() -> list[float]:
        value, gradient = function(leaves)
        return [float(value), *map(float, gradient)]

    return Runner(
        lambda: jax.block_until_ready(function(leaves)), check, note="numbers kept in jax"
    )


def jit_floats(task: Expression) -> Runner:
    """Python's floats in and out."""
    jax = jax64()
    function = jax.jit(_both(jax, task))

    def step() -> list[float]:
        value, gradient = function(task.leaves)
        return [float(value), *map(float, gradient)]

    return Runner(step, step, note="Python's floats in and out")


def scan(task: Expression) -> Runner:
    """A loop of evaluations without Python, each from where the last one led."""
    jax = jax64()
    both = _both(jax, task)

    def body(v: Any, _: Any) -> Any:
        y, g = both(v)
        return tuple(p - 1e-9 * q for p, q in zip(v, g, strict=True)), y

    loop = jax.jit(lambda v: jax.lax.scan(body, v, None, length=LOOP))
    leaves = tuple(jax.numpy.asarray(task.leaves))
    return Runner(
        lambda: jax.block_until_ready(loop(leaves)), units=LOOP, note="no call from Python"
    )


# -- training ------------------------------------------------------------------


def _step(jax: Any, task: Network, tanh: Callable[[Any], Any]) -> Callable[..., Any]:
    """(parameters, x, y, rate) -> moved parameters and the loss."""
    jnp = jax.numpy
    kinds = {"tanh": tanh, "relu": lambda z: jnp.maximum(z, 0), "": lambda z: z}

    def objective(parameters: Any, x: Any, y: Any) -> Any:
        for layer in range(task.depth):
            z = x @ parameters[2 * layer] + parameters[2 * layer + 1]
            x = kinds[task.activation(layer)](z)
        if task.loss == "sse":
            return jnp.sum((x - y) ** 2)
        if task.loss == "hinge":
            penalty = sum(jnp.sum(p * p) for p in parameters)
            return jnp.mean(jnp.maximum(1 - y * x, 0)) + task.l2 * penalty
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1))

    def step(parameters: Any, x: Any, y: Any, rate: Any) -> Any:
        loss, gradients = jax.value_and_grad(objective)(parameters, x, y)
        return [p - rate * g for p, g in zip(parameters, gradients, strict=True)], loss

    return step


def network_step(task: Network) -> Runner:
    return _stepped(task, jax64().numpy.tanh)


def network_scan(task: Network) -> Runner:
    return _scanned(task, jax64().numpy.tanh)


def plugin_step(task: Network) -> Runner:
    return _stepped(task, _called_back(jax64()))


def plugin_scan(task: Network) -> Runner:
    return _scanned(task, _called_back(jax64()))


def _called_back(jax: Any) -> Callable[[Any], Any]:
    """tanh as a function of the user's own, by numpy, with its own derivative."""

    def call(function: Callable[..., Any], *arrays: Any) -> Any:
        like = jax.ShapeDtypeStruct(arrays[0].shape, arrays[0].dtype)
        return jax.pure_callback(function, like, *arrays)

    @jax.custom_vjp
    def tanh(x: Any) -> Any:
        return call(lambda x: np.tanh(x), x)

    def forward(x: Any) -> Any:
        y = tanh(x)
        return y, y

    def backward(y: Any, g: Any) -> Any:
        return (call(lambda g, y: np.asarray(g) * (1 - np.asarray(y) ** 2), g, y),)

    tanh.defvjp(forward, backward)
    return tanh


def _stepped(task: Network, tanh: Callable[[Any], Any]) -> Runner:
    """A compiled step, called in a loop of Python."""
    jax = jax64()
    step = jax.jit(_step(jax, task, tanh))
    start = [jax.numpy.asarray(p) for p in task.start()]
    batches = [(jax.numpy.asarray(x), jax.numpy.asarray(y)) for x, y in task.batches()]
    rates = [jax.numpy.asarray(rate) for rate in task.lr]

    def train(steps: int) -> list[Any]:
        parameters, losses = start, []
        for k in range(steps):
            parameters, loss = step(parameters, *batches[k % len(batches)], rates[k % len(rates)])
            losses.append(loss)
        jax.block_until_ready(parameters)
        return losses

    steps = max(100, task.eager_steps) if task.loop_steps >= 100 else task.eager_steps
    return Runner(
        lambda: train(steps), lambda: [float(loss) for loss in train(CHECKED)], units=steps
    )


def _scanned(task: Network, tanh: Callable[[Any], Any]) -> Runner:
    """The whole loop compiled."""
    jax = jax64()
    step = _step(jax, task, tanh)
    start = [jax.numpy.asarray(p) for p in task.start()]
    batches = task.batches()
    xs, ys = (jax.numpy.asarray(np.stack(part)) for part in zip(*batches, strict=True))
    rates = jax.numpy.asarray(task.lr)

    def loop(parameters: Any, xs: Any, ys: Any, steps: int) -> Any:
        def body(parameters: Any, k: Any) -> Any:
            x, y = (
                (xs[0], ys[0])
                if len(batches) == 1
                else (
                    jax.lax.dynamic_index_in_dim(a, k % len(batches), keepdims=False)
                    for a in (xs, ys)
                )
            )
            return step(parameters, x, y, rates[k % len(rates)])

        return jax.lax.scan(body, parameters, jax.numpy.arange(steps))

    jitted = jax.jit(loop, static_argnums=3)

    def train(steps: int) -> Any:
        return jax.block_until_ready(jitted(start, xs, ys, steps))[1]

    steps = task.loop_steps
    return Runner(
        lambda: train(steps),
        lambda: np.asarray(train(CHECKED)),
        units=steps,
        note="the whole loop compiled",
    )


ADAPTERS = {
    "W1": [("jax jit", jit), ("jax jit floats", jit_floats), ("jax scan", scan)],
    "W2-300": [("jax jit", jit), ("jax jit no fusion", jit_unfused)],
    "W2-1k": [("jax jit no fusion", jit_unfused)],
    **{
        workload: [("jax jit step", network_step), ("jax scan", network_scan)]
        for workload in ("W3", "W4", "W5-digits", "W5-wide")
    },
    "W3-plugin": [("jax callback step", plugin_step), ("jax callback scan", plugin_scan)],
}
