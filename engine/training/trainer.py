"""Training by the ops' own rules, one step at a time: what the compiled loop has to agree with, and
what looks into a run as it goes (engine.autopsy)."""

from __future__ import annotations

import hashlib
import math

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


class Trainer:
    """One run in progress: the model, its optimiser and the batches. `step()` does one step."""

    def __init__(self, config: TrainConfig, vocabulary: Vocabulary | None = None) -> None:
        vocabulary = vocabulary or config.vocabulary
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
        self.batches = Batches(*config.samples, config.batch_size, config.seed, config.shuffle)
        self.next_step = 0
        self.diverged = False
        self.identity = identity(config, vocabulary)

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
        return float(rates(self.config, k, 1)[0])

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

    All of them, or `size` at a time without replacement: in an order drawn anew for each epoch from
    (seed, epoch), or as they stand if `shuffle` is false. What does not fill a batch sits out that
    epoch, so that all batches weigh the same.
    """

    def __init__(
        self, xs: Array, ys: Array, size: int | None, seed: int, shuffle: bool = True
    ) -> None:
        self.xs, self.ys, self.seed = xs, ys, seed
        self.all = Value.constant(xs), Value.constant(ys)
        self.size = len(xs) if size is None else size
        self.per_epoch = len(xs) // self.size
        self.whole = size is None
        self.shuffled = shuffle and not self.whole
        self._drawn: tuple[int, NDArray[np.intp]] = (-1, np.arange(len(xs)))

    def at(self, k: int) -> tuple[Value, Value]:
        """The samples (size, nin) and targets of step k."""
        if self.whole:
            return self.all
        chosen = self.order(k, 1)
        return Value.constant(self.xs[chosen]), Value.constant(self.ys[chosen])

    def order(self, first: int, count: int) -> NDArray[np.intp]:
        """The samples that `count` steps from step `first` on see, by their numbers, one batch
        after the other."""
        parts, k = [], first
        while k < first + count:
            epoch, place = divmod(k, self.per_epoch)
            taken = min(self.per_epoch - place, first + count - k)
            parts.append(self._epoch(epoch)[place * self.size : (place + taken) * self.size])
            k += taken
        return np.concatenate(parts)

    def _epoch(self, epoch: int) -> NDArray[np.intp]:
        drawn = self._drawn  # once: another run of this configuration may draw meanwhile
        if self.shuffled and drawn[0] != epoch:
            generator = np.random.Generator(np.random.PCG64([self.seed, epoch]))
            self._drawn = drawn = epoch, generator.permutation(len(self.xs))
        return drawn[1]


def rates(config: TrainConfig, first: int, count: int) -> Array:
    """The learning rates of `count` steps from step `first` on."""
    schedule, start = config.schedule, config.optimizer.params["learning_rate"]
    steps = np.arange(first, first + count)
    rate = SCHEDULES[schedule.kind].rate(steps, config.steps, start, **schedule.params)
    return np.broadcast_to(np.asarray(rate, np.float64), count).copy()


def identity(config: TrainConfig, vocabulary: Vocabulary | None) -> str:
    """sha256 of the configuration and of the ops it computes with."""
    known = activations(vocabulary)
    names = (config.model.activation, config.model.output_activation)
    used = [LOSSES[config.loss].op, *(known[name] for name in names)]
    parts = [config.hash, *("linear" if op is None else op.hash for op in used)]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
