"""PyTorch on the processor: eager, eager with the fewest calls, and compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.runner import Runner
from benchmarks.workloads.checks import Wide
from benchmarks.workloads.networks import CHECKED, Network
from benchmarks.workloads.scalars import Expression, Graph


def _torch() -> Any:
    import torch

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    return torch


def _functions(torch: Any) -> dict[str, Any]:
    return {"tanh": torch.tanh, "exp": torch.exp, "sin": torch.sin}


def eager(task: Expression | Graph) -> Runner:
    return _scalars(task, lambda torch, function: function)


def compiled(task: Expression | Graph) -> Runner:
    return _scalars(task, lambda torch, function: torch.compile(function))


def _scalars(task: Expression | Graph, prepared: Callable[[Any, Any], Any]) -> Runner:
    torch = _torch()
    functions = _functions(torch)
    leaves = [torch.tensor(x, requires_grad=True) for x in task.leaves]
    function = prepared(torch, lambda *v: task.output(v, functions))

    def step() -> tuple[Any, Any]:
        y = function(*leaves)
        return y, torch.autograd.grad(y, leaves)

    def check() -> list[float]:
        y, gradients = step()
        return [y.item(), *(g.item() for g in gradients)]

    return Runner(step, check, note="leaves kept, gradients not accumulated")


# -- training ------------------------------------------------------------------


def network(task: Network) -> Runner:
    return _modules(task, lambda torch, objective: objective)


def network_compiled(task: Network) -> Runner:
    return _modules(task, lambda torch, objective: torch.compile(objective))


def _modules(task: Network, prepared: Callable[[Any, Any], Any]) -> Runner:
    """As the tutorials do: nn.Sequential and optim.SGD."""
    torch = _torch()
    kinds = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}
    modules: list[Any] = []
    for layer in range(task.depth):
        modules.append(torch.nn.Linear(*task.sizes[layer : layer + 2]))
        if kind := task.activation(layer):
            modules.append(kinds[kind]())
    net = torch.nn.Sequential(*modules)
    parameters = list(net.parameters())
    start = [torch.tensor(p.T.copy()) for p in task.start()]
    batches = [(torch.tensor(x), torch.tensor(y)) for x, y in task.batches()]
    sgd = torch.optim.SGD(parameters, lr=task.rate(0))
    objective = prepared(torch, lambda x, y: _loss(torch, task, net(x), y, parameters))

    def train(steps: int) -> list[Any]:
        _restore(torch, parameters, start)
        losses = []
        for k in range(steps):
            if len(task.lr) > 1:
                sgd.param_groups[0]["lr"] = task.rate(k)
            loss = objective(*batches[k % len(batches)])
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            losses.append(loss.detach())
        return losses

    return _training(task, train)


def network_lean(task: Network) -> Runner:
    """No module and no optimiser: the fewest Python calls that eager torch allows."""
    return _lean(task, _torch().tanh)


def plugin(task: Network) -> Runner:
    """tanh as an autograd.Function of the user's own, by numpy."""
    torch = _torch()

    class Tanh(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = torch.from_numpy(np.tanh(x.numpy()))
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (y,) = ctx.saved_tensors
            y = y.numpy()
            return torch.from_numpy(g.numpy() * (1 - y * y))

    return _lean(task, Tanh.apply)


def _lean(task: Network, tanh: Callable[[Any], Any]) -> Runner:
    torch = _torch()
    kinds = {"tanh": tanh, "relu": torch.relu, "": lambda z: z}
    parameters = [torch.tensor(p, requires_grad=True) for p in task.start()]
    start = [torch.tensor(p) for p in task.start()]
    batches = [(torch.tensor(x), torch.tensor(y)) for x, y in task.batches()]

    def train(steps: int) -> list[Any]:
        _restore(torch, parameters, start)
        losses = []
        for k in range(steps):
            h, y = batches[k % len(batches)]
            for layer in range(task.depth):
                z = torch.addmm(parameters[2 * layer + 1], h, parameters[2 * layer])
                h = kinds[task.activation(layer)](z)
            loss = _loss(torch, task, h, y, parameters)
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                torch._foreach_sub_(parameters, gradients, alpha=task.rate(k))
            losses.append(loss.detach())
        return losses

    return _training(task, train)


def _training(task: Network, train: Callable[[int], list[Any]]) -> Runner:
    steps = task.eager_steps
    return Runner(
        lambda: train(steps), lambda: [loss.item() for loss in train(CHECKED)], units=steps
    )


def _restore(torch: Any, parameters: Sequence[Any], start: Sequence[Any]) -> None:
    with torch.no_grad():
        for p, s in zip(parameters, start, strict=True):
            p.copy_(s)


def _loss(torch: Any, task: Network, out: Any, y: Any, parameters: Sequence[Any]) -> Any:
    if task.loss == "sse":
        return ((out - y) ** 2).sum()
    if task.loss == "hinge":
        penalty = sum((p * p).sum() for p in parameters)
        return torch.relu(1 - y * out).mean() + task.l2 * penalty
    return torch.nn.functional.cross_entropy(out, y)


# -- checks --------------------------------------------------------------------


def check(task: Graph) -> Runner:
    return _check(task)


def check_fast(task: Graph) -> Runner:
    return _check(task, fast_mode=True)


def _check(task: Graph, **options: bool) -> Runner:
    torch = _torch()
    functions = _functions(torch)
    leaves = tuple(torch.tensor(x, requires_grad=True) for x in task.leaves)

    def function(*v: Any) -> Any:
        return task.output(v, functions)

    return Runner(lambda: torch.autograd.gradcheck(function, leaves, **options))


def check_wide(task: Wide) -> Runner:
    return _check_wide(task)


def check_wide_fast(task: Wide) -> Runner:
    return _check_wide(task, fast_mode=True)


def _check_wide(task: Wide, **options: bool) -> Runner:
    torch = _torch()
    a, x = torch.tensor(task.a), torch.tensor(task.x, requires_grad=True)

    def function(v: Any) -> Any:
        h = torch.tanh(v @ a.T)
        return (h * h).sum() + (torch.sin(v) * v).sum()

    return Runner(lambda: torch.autograd.gradcheck(function, (x,), **options))


TRAINING = [
    ("torch eager", network),
    ("torch lean", network_lean),
    ("torch.compile", network_compiled),
]
ADAPTERS = {
    "W1": [("torch eager", eager), ("torch.compile", compiled)],
    **{workload: [("torch eager", eager)] for workload in ("W2-300", "W2-1k", "W2-20k")},
    **dict.fromkeys(("W3", "W4", "W5-digits", "W5-wide"), TRAINING),
    "W3-plugin": [("torch autograd.Function", plugin)],
    "W6-small": [("torch gradcheck", check), ("torch gradcheck fast", check_fast)],
    "W6-wide": [("torch gradcheck", check_wide), ("torch gradcheck fast", check_wide_fast)],
}
