"""Networks to train (W3 to W5): data, start values and learning rates, the same for all systems."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CHECKED = 20
"""Systems agree if the losses of this many first steps do."""


@dataclass(frozen=True)
class Network:
    """A multi-layer perceptron and how it is trained, by plain gradient descent.

    `act` is the activation of the hidden layers and `last` that of the output ("" for none).
    `loss` is "sse" (sum of squared errors), "hinge" (mean) or "xent" (mean softmax cross-entropy).
    `y` is a column of targets, or a row of whole class numbers for "xent". `lr` holds the learning
    rate of each step, from its beginning again when it ends. `batch` 0 takes all samples, else
    minibatches in order, without what does not fill one. `l2` times the sum of all squared
    parameters is part of the loss. `loop_steps` are done by one call of a system that loops by
    itself, `eager_steps` by one that is called for each.
    """

    sizes: tuple[int, ...]
    act: str
    last: str
    loss: str
    x: Array
    y: NDArray[np.generic]
    lr: Array = field(default_factory=lambda: np.array([0.1]))
    batch: int = 0
    l2: float = 0.0
    eager_steps: int = 20
    loop_steps: int = 1000

    @property
    def depth(self) -> int:
        """How many layers have weights."""
        return len(self.sizes) - 1

    def activation(self, layer: int) -> str:
        """The name of that layer's activation, or ""."""
        return self.act if layer < self.depth - 1 else self.last

    def rate(self, k: int) -> float:
        """The learning rate of step k."""
        return float(self.lr[k % len(self.lr)])

    def start(self) -> list[Array]:
        """Weight (nin, nout) and bias (nout,) of each layer in turn, fresh copies."""
        dice = np.random.default_rng(1)
        arrays = []
        for nin, nout in pairwise(self.sizes):
            scale = 1 / np.sqrt(nin) if self.loss == "xent" else 1.0
            arrays += [dice.uniform(-1, 1, (nin, nout)) * scale, np.zeros(nout)]
        return arrays

    def batches(self) -> list[tuple[Array, NDArray[np.generic]]]:
        """Samples and targets of one epoch's steps."""
        size = self.batch or len(self.x)
        starts = range(0, len(self.x) - size + 1, size)
        return [(self.x[at : at + size], self.y[at : at + size]) for at in starts]


def lecture() -> Network:
    """The four points and the network of Karpathy's lecture on micrograd."""
    x = np.array([[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]])
    y = np.array([[1.0], [-1.0], [-1.0], [1.0]])
    return Network((3, 4, 4, 1), "tanh", "tanh", "sse", x, y, np.array([0.05]))


def moons() -> Network:
    """micrograd's demo: two moons, hinge loss with L2, the rate falling from 1 over 100 steps."""
    dice = np.random.default_rng(1337)
    t = np.linspace(0, np.pi, 50)
    upper = np.column_stack([np.cos(t), np.sin(t)])
    lower = np.column_stack([1 - np.cos(t), 0.5 - np.sin(t)])
    x = np.concatenate([upper, lower]) + dice.normal(0, 0.1, (100, 2))
    y = np.repeat([[-1.0], [1.0]], 50, axis=0)
    falling = 1.0 - 0.9 * np.arange(100) / 100
    return Network(
        (2, 16, 16, 1), "relu", "", "hinge", x, y, falling, l2=1e-4, eager_steps=100, loop_steps=100
    )


def digits() -> Network:
    """As large as the handwritten digits of scikit-learn: 1,797 images of 8 by 8."""
    x, y = _noise(3, 1797, 64)
    return Network(
        (64, 64, 32, 10), "relu", "", "xent", x, y, batch=64, eager_steps=28, loop_steps=280
    )


def wide() -> Network:
    """Ten batches of images as large as MNIST's."""
    x, y = _noise(4, 1280, 784)
    return Network(
        (784, 128, 10), "relu", "", "xent", x, y, batch=128, eager_steps=10, loop_steps=50
    )


def _noise(seed: int, count: int, features: int) -> tuple[Array, NDArray[np.int64]]:
    dice = np.random.default_rng(seed)
    return dice.uniform(0, 1, (count, features)), dice.integers(0, 10, count)
