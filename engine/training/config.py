"""TrainConfig: everything one training run depends on, as JSON says it.

    {"model": {"kind": "mlp", "nin": 3, "nouts": [4, 4, 1], "activation": "tanh",
               "output_activation": "tanh"},
     "data": {"dataset": "moons", "n": 100, "noise": 0.1, "seed": 1},  or {"xs": [[…]], "ys": […]}
     "loss": "sum_squared_error",
     "optimizer": {"kind": "sgd", "learning_rate": 0.05, "momentum": 0},
     "schedule": {"kind": "constant"},
     "steps": 200, "batch_size": null, "shuffle": true, "l2": 0, "seed": 1337, "zero_grad": true}

Every key may be left out; without any, the run is the lecture's. ``engine.training.reader`` reads
it and holds the defaults that depend on other keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.datasets import DATASETS, Array
from engine.limits import Limits
from engine.losses import LOSSES, Correct
from engine.ranges import Range

if TYPE_CHECKING:
    from engine.registry import Vocabulary

SEED = Range(1337, low=0, high=2**53 - 1, whole=True)
"""Seeds stay below 2**53, so that JavaScript can hold them too."""

NOUTS = (4, 4, 1)
STEPS = 200


@dataclass(frozen=True)
class ModelConfig:
    """An MLP: sizes and the names of its activations."""

    nin: int
    nouts: tuple[int, ...]
    activation: str
    output_activation: str

    @property
    def parameters(self) -> int:
        """Weights and biases together: (inputs + 1) * neurons for each layer."""
        return sum((size + 1) * nout for size, nout in pairwise([self.nin, *self.nouts]))

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kind": "mlp",
            "nin": self.nin,
            "nouts": list(self.nouts),
            "activation": self.activation,
            "output_activation": self.output_activation,
        }


@dataclass(frozen=True)
class Inline:
    """Samples written into the configuration; ys are targets, taken as they stand."""

    xs: tuple[tuple[float, ...], ...]
    ys: tuple[Any, ...]

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(self.xs)

    @property
    def features(self) -> int:
        """Numbers in each sample."""
        return len(self.xs[0])

    def samples(self, loss: str) -> tuple[Array, Array]:
        """xs (n, nin) and targets (n,) or (n, outputs)."""
        return np.array(self.xs, dtype=np.float64), np.array(self.ys, dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        rows = [list(y) if isinstance(y, tuple) else y for y in self.ys]
        return {"xs": [list(x) for x in self.xs], "ys": rows}


@dataclass(frozen=True)
class Generated:
    """Samples from the shelf of data sets."""

    dataset: str
    n: int
    noise: float
    seed: int
    params: Mapping[str, Any]

    @property
    def count(self) -> int:
        """How many samples there are."""
        return self.n

    @property
    def features(self) -> int:
        """Numbers in each sample."""
        return DATASETS[self.dataset].features

    def samples(self, loss: str) -> tuple[Array, Array]:
        """xs (n, nin) and targets (n,); class numbers become what the loss takes."""
        row = DATASETS[self.dataset]
        xs, ys = row.make(self.seed, self.n, self.noise, **self.params)
        if row.task == "classification":
            ys = LOSSES[loss].targets.encode(ys)
        return xs, ys

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        known = {"dataset": self.dataset, "n": self.n, "noise": self.noise, "seed": self.seed}
        return {**known, **self.params}


@dataclass(frozen=True)
class Choice:
    """A row of a shelf, an optimiser or a schedule, with all its parameters."""

    kind: str
    params: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"kind": self.kind, **self.params}


@dataclass(frozen=True)
class TrainConfig:
    """A checked configuration: every field is filled in and fits the others."""

    model: ModelConfig
    data: Inline | Generated
    loss: str
    optimizer: Choice
    schedule: Choice
    steps: int
    batch_size: int | None
    shuffle: bool
    l2: float
    seed: int
    zero_grad: bool
    vocabulary: Vocabulary | None = field(default=None, compare=False, repr=False)
    """what its operations are, where they are not the built-in ones alone"""

    @staticmethod
    def from_dict(
        data: Any, vocabulary: Vocabulary | None = None, limits: Limits | None = None
    ) -> TrainConfig:
        """Read JSON. Raises ConfigError naming everything that is wrong, each with its pointer."""
        from engine.training.reader import read

        return read(data, vocabulary, limits or Limits())

    def to_dict(self) -> dict[str, Any]:
        """The canonical form: every key, in one order, defaults filled in."""
        return {
            "model": self.model.to_dict(),
            "data": self.data.to_dict(),
            "loss": self.loss,
            "optimizer": self.optimizer.to_dict(),
            "schedule": self.schedule.to_dict(),
            "steps": self.steps,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "l2": self.l2,
            "seed": self.seed,
            "zero_grad": self.zero_grad,
        }

    @cached_property
    def hash(self) -> str:
        """SHA-256, in hex, of the canonical form with sorted keys and no spaces."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def samples(self) -> tuple[Array, Array]:
        """xs (n, nin) and the targets as the loss takes them."""
        return self.data.samples(self.loss)

    @cached_property
    def prepared(self) -> dict[Any, Any]:
        """What training has worked out for this configuration, by vocabulary."""
        return {}

    @property
    def correct(self) -> Correct | None:
        """When a prediction counts as right; None where the targets are not classes."""
        return LOSSES[self.loss].targets.rule(self.samples[1])


def frozen(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """A copy that nobody can change."""
    return MappingProxyType(dict(params))
