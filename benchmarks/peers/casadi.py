"""CasADi's SX machine: value and gradient of a scalar program, the fastest peer there."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.runner import Runner
from benchmarks.workloads.scalars import Expression, Graph


def _function(task: Expression | Graph) -> Any:
    """CasADi's function of the leaves, as one vector, to the output and its gradient."""
    import casadi

    functions = {"tanh": casadi.tanh, "exp": casadi.exp, "sin": casadi.sin}
    x = casadi.SX.sym("x", len(task.leaves))
    y = task.output([x[i] for i in range(len(task.leaves))], functions)
    return casadi.Function("f", [x], [y, casadi.gradient(y, x)])


def called(task: Expression | Graph) -> Runner:
    """As users call it: a matrix in, matrices out."""
    import casadi

    function = _function(task)
    point = casadi.DM(np.array(task.leaves))

    def check() -> list[float]:
        value, gradient = function(point)
        return [float(value), *map(float, gradient.full().ravel())]

    return Runner(lambda: function(point), check, note="called through Python")


def buffered(task: Expression | Graph) -> Runner:
    """Reading and writing arrays that were named once, so that a call carries nothing."""
    function = _function(task)
    point = np.array(task.leaves)
    value, gradient = np.zeros(1), np.zeros(len(point))
    buffer, trigger = function.buffer()
    buffer.set_arg(0, memoryview(point))
    buffer.set_res(0, memoryview(value))
    buffer.set_res(1, memoryview(gradient))
    held = (buffer, function, point)  # the trigger does not keep them alive

    def step(held: Any = held) -> None:
        trigger()

    def check() -> list[float]:
        step()
        return [value[0], *gradient]

    return Runner(step, check, note="preset buffers")


ADAPTERS = {
    workload: [("casadi", called), ("casadi buffer", buffered)]
    for workload in ("W1", "W2-300", "W2-1k", "W2-20k")
}
