"""Gradient checks with JAX: its own check_grads, and what an expert would write by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.peers.jax import functions_of, jax64
from benchmarks.runner import Runner
from benchmarks.workloads.checks import STEP, TOLERANCE, Wide
from benchmarks.workloads.scalars import Graph


def check(task: Graph) -> Runner:
    return _check_grads(lambda f: f, task)


def check_jit(task: Graph) -> Runner:
    return _check_grads(jax64().jit, task)


def _check_grads(prepared: Callable[[Any], Any], task: Graph) -> Runner:
    jax = jax64()
    from jax.test_util import check_grads

    functions = functions_of(jax)
    function = prepared(lambda *v: task.output(v, functions))
    leaves = tuple(jax.numpy.asarray(x) for x in task.leaves)
    return Runner(
        lambda: check_grads(function, leaves, order=1, modes=["rev"]), note="one random direction"
    )


def check_by_hand(task: Graph) -> Runner:
    jax = jax64()
    functions, count = functions_of(jax), len(task.leaves)
    return _vmapped(
        jax, lambda x: task.output([x[i] for i in range(count)], functions), task.leaves
    )


def check_wide(task: Wide) -> Runner:
    jax = jax64()
    from jax.test_util import check_grads

    function, x = jax.jit(_wide(jax, task)), jax.numpy.asarray(task.x)
    return Runner(
        lambda: check_grads(function, (x,), order=1, modes=["rev"]), note="one random direction"
    )


def check_wide_by_hand(task: Wide) -> Runner:
    jax = jax64()
    return _vmapped(jax, _wide(jax, task), task.x)


def _wide(jax: Any, task: Wide) -> Callable[[Any], Any]:
    jnp = jax.numpy

    def function(x: Any) -> Any:
        h = jnp.tanh(x @ jnp.asarray(task.a).T)
        return (h * h).sum(-1) + (jnp.sin(x) * x).sum(-1)

    return function


def _vmapped(jax: Any, function: Callable[[Any], Any], at: Any) -> Runner:
    """What an expert would write: all central differences and the gradient in one compiled call."""
    jnp = jax.numpy

    @jax.jit
    def worst(x: Any) -> Any:
        nudges = STEP * jnp.eye(len(x))
        rise = jax.vmap(function)(x + nudges) - jax.vmap(function)(x - nudges)
        return jnp.max(jnp.abs(rise / (2 * STEP) - jax.grad(function)(x)))

    x = jnp.asarray(at)

    def step() -> None:
        assert float(worst(x)) < TOLERANCE

    return Runner(step, note="written by hand")


ADAPTERS = {
    "W6-small": [
        ("jax check_grads", check),
        ("jax check_grads jit", check_jit),
        ("jax vmap by hand", check_by_hand),
    ],
    "W6-wide": [("jax check_grads jit", check_wide), ("jax vmap by hand", check_wide_by_hand)],
}
