"""Training: a configuration in, blocks of steps out.

Step k, counted from 0: predict, measure the loss, go backward, then move the parameters. So the
loss of step k is that of the parameters after k updates, and l2 is part of it. The same
configuration and ops give the same bytes on the same kind of CPU with the same BLAS, as long as
BLAS keeps to one number of threads (more threads may add in another order: a worker sets
OPENBLAS_NUM_THREADS=1).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.datasets import Array
from engine.losses import LOSSES
from engine.nn import MLP, activations
from engine.optim import OPTIMIZERS
from engine.registry import Vocabulary
from engine.schedules import SCHEDULES
from engine.training.checkpoint import Checkpoint
from engine.training.config import TrainConfig
from engine.value import Value


@dataclass(frozen=True)
class Block:
    """Some steps of a run. `series` maps a name to float64, one number for each step:

    loss, gradient_norm (of the whole gradient, Euclidean), learning_rate, and for classification
    accuracy (share of the batch, 0 to 1). `checkpoint` is the state after the block. `diverged`
    tells that the last loss is not finite; no block follows.
    """

    first_step: int
    series: dict[str, Array]
    checkpoint: bytes
    diverged: bool

    def __len__(self) -> int:
        return len(self.series["loss"])


class Trainer:
    """One run in progress: the model, its optimiser and the batches. `step()` does one step."""

    def __init__(self, config: TrainConfig, vocabulary: Vocabulary | None = None) -> None:
        self.config = config
        model = config.model
        self.model = MLP(
            model.nin,
            model.nouts,
            model.activation,
            model.output_activation,
            seed=config.seed,
            vocabulary=vocabulary,
        )
        self.parameters = self.model.parameters()
        self.optimizer = OPTIMIZERS[config.optimizer.kind].make(
            self.parameters, **config.optimizer.params
        )
        self.loss = LOSSES[config.loss].op
        self.correct = config.correct
        self.batches = Batches(*config.samples, config.batch_size, config.seed)
        self.next_step = 0
        self.diverged = False
        self.identity = _identity(config, vocabulary)

    @property
    def left(self) -> int:
        """How many steps are left to do."""
        return 0 if self.diverged else self.config.steps - self.next_step

    def step(self) -> dict[str, float]:
        """Do the next step and tell its numbers. A loss that is not finite moves nothing."""
        xs, ys = self.batches.at(self.next_step)
        rate = self.rate(self.next_step)
        if self.config.zero_grad:
            self.model.zero_grad()
        prediction = self.model.forward(xs)
        objective = self.loss(prediction, ys)
        objective.backward()
        loss = objective.item() + self._shrink()
        told = {"loss": loss, "gradient_norm": self._gradient_norm(), "learning_rate": rate}
        if self.correct is not None:
            told["accuracy"] = float(np.mean(self.correct(prediction.data, ys.data)))
        self.diverged = not math.isfinite(loss)
        if not self.diverged:
            self.optimizer.step(rate)
        self.next_step += 1
        return told

    def rate(self, k: int) -> float:
        """The learning rate of step k."""
        schedule = self.config.schedule
        start = self.config.optimizer.params["learning_rate"]
        return float(SCHEDULES[schedule.kind].rate(k, self.config.steps, start, **schedule.params))

    def _shrink(self) -> float:
        """l2 times the sum of squared parameters; its gradient 2 l2 p is added to theirs."""
        l2 = self.config.l2
        if l2 == 0:
            return 0.0
        for p in self.parameters:
            p.grad += 2 * l2 * p.data
        return l2 * sum(float(np.vdot(p.data, p.data)) for p in self.parameters)

    def _gradient_norm(self) -> float:
        return math.sqrt(sum(float(np.vdot(p.grad, p.grad)) for p in self.parameters))

    def checkpoint(self) -> Checkpoint:
        """The state between two steps."""
        arrays: dict[str, Array] = {}
        for name, p in self.model.named_parameters().items():
            arrays[f"parameter.{name}"] = p.data
            if not self.config.zero_grad:
                arrays[f"gradient.{name}"] = p.grad
        for name, array in self.optimizer.state().items():
            arrays[f"optimizer.{name}"] = array
        return Checkpoint(self.identity, self.next_step, self.diverged, arrays)

    def load(self, data: bytes) -> None:
        """Go on from a checkpoint of this very run. Raises InputError for any other."""
        checkpoint = Checkpoint.from_bytes(data, self.identity)
        parameters, gradients = checkpoint.part("parameter"), checkpoint.part("gradient")
        for name, p in self.model.named_parameters().items():
            p.data[...] = parameters[name]
            if gradients:
                p.grad = gradients[name]
        self.optimizer.load(checkpoint.part("optimizer"))
        self.next_step, self.diverged = checkpoint.next_step, checkpoint.diverged


class Batches:
    """Which samples step k sees.

    All of them, or `size` at a time without replacement, in an order drawn anew for each epoch
    from (seed, epoch). What does not fill a batch sits out that epoch, so that all batches weigh
    the same.
    """

    def __init__(self, xs: Array, ys: Array, size: int | None, seed: int) -> None:
        self.xs, self.ys, self.seed = xs, ys, seed
        self.all = Value.constant(xs), Value.constant(ys)
        self.size = len(xs) if size is None else size
        self.per_epoch = len(xs) // self.size
        self.whole = size is None
        self._epoch = -1
        self._order: NDArray[np.intp] = np.arange(len(xs))

    def at(self, k: int) -> tuple[Value, Value]:
        """The samples (size, nin) and targets of step k."""
        if self.whole:
            return self.all
        epoch, place = divmod(k, self.per_epoch)
        if epoch != self._epoch:
            generator = np.random.Generator(np.random.PCG64([self.seed, epoch]))
            self._epoch, self._order = epoch, generator.permutation(len(self.xs))
        chosen = self._order[place * self.size : (place + 1) * self.size]
        return Value.constant(self.xs[chosen]), Value.constant(self.ys[chosen])


def train(
    config: TrainConfig,
    vocabulary: Vocabulary | None = None,
    checkpoint: bytes | None = None,
    block_steps: int = 32,
) -> Iterator[Block]:
    """The run of `config`, from its start or from a checkpoint of it, in blocks of steps.

    However it is cut into blocks and wherever it goes on, the series have the same bytes.
    Raises InputError at once where the checkpoint is not this run's.
    """
    trainer = Trainer(config, vocabulary)
    if checkpoint is not None:
        trainer.load(checkpoint)
    return _blocks(trainer, block_steps)


def _blocks(trainer: Trainer, block_steps: int) -> Iterator[Block]:
    while trainer.left:
        first_step = trainer.next_step
        rows: list[dict[str, float]] = []
        with np.errstate(all="ignore"):
            for _ in range(min(block_steps, trainer.left)):
                rows.append(trainer.step())
                if trainer.diverged:
                    break
        series = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        yield Block(first_step, series, trainer.checkpoint().to_bytes(), trainer.diverged)


def steps(config: TrainConfig, vocabulary: Vocabulary | None = None) -> Iterator[dict[str, Any]]:
    """The run step by step: {"step": 0, "loss": …, "gradient_norm": …, "learning_rate": …}."""
    for block in train(config, vocabulary):
        for index in range(len(block)):
            numbers = {name: float(values[index]) for name, values in block.series.items()}
            yield {"step": block.first_step + index, **numbers}


def trained_model(
    config: TrainConfig, checkpoint: bytes, vocabulary: Vocabulary | None = None
) -> MLP:
    """The network as it was when the checkpoint was made."""
    trainer = Trainer(config, vocabulary)
    trainer.load(checkpoint)
    return trainer.model


def _identity(config: TrainConfig, vocabulary: Vocabulary | None) -> str:
    """sha256 of the configuration and of the ops it computes with."""
    known = activations(vocabulary)
    names = (config.model.activation, config.model.output_activation)
    used = [LOSSES[config.loss].op, *(known[name] for name in names)]
    parts = [config.hash, *("linear" if op is None else op.hash for op in used)]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
