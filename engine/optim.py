"""From gradients to better parameters: stochastic gradient descent and Adam.

An optimiser holds the parameters it moves and its own memory, one array per parameter, in plain
sight: ``state()`` copies the memory out and ``load(state)`` puts it back, bit for bit, so a run
can stop and go on. ``step()`` changes ``data`` in place and never touches ``grad``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.ranges import Range
from engine.value import Value

State = dict[str, NDArray[np.float64]]


class Optimizer:
    """What SGD and Adam share. `memory` names the lists of arrays kept, one per parameter."""

    def __init__(
        self, parameters: Sequence[Value], learning_rate: float, memory: Sequence[str]
    ) -> None:
        self.parameters = list(parameters)
        self.learning_rate = learning_rate
        self.memory = tuple(memory)
        self.steps = 0
        for name in self.memory:
            setattr(self, name, [np.zeros(np.shape(p.data)) for p in self.parameters])

    def step(self, learning_rate: float | None = None) -> None:
        """Move every parameter once, against its gradient; a schedule passes its own rate."""
        self.steps += 1
        self._move(self.learning_rate if learning_rate is None else learning_rate)

    def _move(self, rate: float) -> None:
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Forget the gradients gathered so far."""
        for parameter in self.parameters:
            parameter.zero_grad()

    def state(self) -> State:
        """Copies of the memory and the count of steps; arrays only, ready to be stored."""
        state: State = {"steps": np.array(self.steps, dtype=np.float64)}
        for name in self.memory:
            for index, array in enumerate(getattr(self, name)):
                state[f"{name}.{index}"] = array.copy()
        return state

    def load(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """Put back what `state()` gave. Raises KeyError if something is missing."""
        self.steps = int(state["steps"])
        for name in self.memory:
            arrays: list[NDArray[np.float64]] = getattr(self, name)
            for index, array in enumerate(arrays):
                array[...] = state[f"{name}.{index}"]


class SGD(Optimizer):
    """Gradient descent with momentum m (Polyak 1964): v = m v + g, then p = p - rate v.

    With m = 0 this is the lecture's ``p.data += -rate * p.grad``.
    """

    velocity: list[NDArray[np.float64]]

    def __init__(
        self, parameters: Sequence[Value], learning_rate: float = 0.05, momentum: float = 0.0
    ) -> None:
        super().__init__(parameters, learning_rate, ("velocity",) if momentum else ())
        self.momentum = momentum

    def _move(self, rate: float) -> None:
        if self.momentum == 0:
            for p in self.parameters:
                p.data -= rate * p.grad
            return
        for p, v in zip(self.parameters, self.velocity, strict=True):
            v *= self.momentum
            v += p.grad
            p.data -= rate * _like(v, p)


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, algorithm 1), with bias correction at step t = 1, 2, …

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g²;
    p = p - rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)
    """

    mean: list[NDArray[np.float64]]
    square: list[NDArray[np.float64]]

    def __init__(
        self,
        parameters: Sequence[Value],
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(parameters, learning_rate, ("mean", "square"))
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def _move(self, rate: float) -> None:
        mean_weight = 1 - self.beta1**self.steps
        square_weight = 1 - self.beta2**self.steps
        for p, m, v in zip(self.parameters, self.mean, self.square, strict=True):
            m *= self.beta1
            m += (1 - self.beta1) * p.grad
            v *= self.beta2
            v += (1 - self.beta2) * (p.grad * p.grad)
            move = rate * (m / mean_weight) / (np.sqrt(v / square_weight) + self.epsilon)
            p.data -= _like(move, p)


def _like(array: NDArray[np.float64], parameter: Value) -> Any:
    """The 0-dimensional array of a scalar parameter becomes the Python float its data is."""
    return array if isinstance(parameter.data, np.ndarray) else float(array)


@dataclass(frozen=True)
class OptimizerRow:
    """A row of the shelf: the class, and the range and default of each of its parameters."""

    name: str
    make: Callable[..., Optimizer]
    params: Mapping[str, Range]

    @property
    def doc(self) -> str:
        """Its formula and where it comes from."""
        return self.make.__doc__ or ""


def _rate(default: float) -> Range:
    # A negative rate walks uphill: a mistake worth looking at, not one to refuse.
    return Range(default, low=-1e6, high=1e6)


def _share(default: float) -> Range:
    return Range(default, low=0.0, high=1.0, below=True)


OPTIMIZERS: Mapping[str, OptimizerRow] = MappingProxyType(
    {
        row.name: row
        for row in (
            OptimizerRow(
                "sgd",
                SGD,
                {
                    "learning_rate": _rate(0.05),
                    "momentum": _share(0.0),
                },
            ),
            OptimizerRow(
                "adam",
                Adam,
                {
                    "learning_rate": _rate(0.001),
                    "beta1": _share(0.9),
                    "beta2": _share(0.999),
                    "epsilon": Range(1e-8, low=0.0, high=1.0),
                },
            ),
        )
    }
)
