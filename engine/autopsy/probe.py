"""A probe: the first steps of a configured run, with everything an autopsy wants to see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from engine.autopsy.curvature import largest_curvature
from engine.autopsy.records import EVENTS, Curvature, Overflow, Record, Step, Task, Trial
from engine.autopsy.vectors import Arrays
from engine.datasets import dice
from engine.errors import InputError, OpError
from engine.graph import walk
from engine.limits import Limits
from engine.names import unknown
from engine.registry import Vocabulary
from engine.training import TrainConfig, Trainer
from engine.training.config import Choice, frozen
from engine.value import Value

PROBE_STEPS = 60

SHARE = 100
"""A probe may do this part of the work that a whole training run may."""

KEPT = 5_000_000
"""Numbers that a record may keep: parameters and gradients of each step."""

PASSES = 4
"""Passes over the samples in each step of a probe, and in each product with the Hessian."""

ROUNDS = 40
"""Products with the Hessian that its largest eigenvalue may take."""


class Probe:
    """A trainer under observation. `xs` and `ys` are the samples that it is measured on: all, or
    evenly spaced ones where all would be too much work. `weight` makes the loss of those the loss
    of a batch, where a loss is a sum over samples."""

    def __init__(
        self,
        config: TrainConfig,
        vocabulary: Vocabulary | None,
        steps: int,
        start: Mapping[str, Any] | None,
        limits: Limits,
    ) -> None:
        self.trainer = Trainer(config, vocabulary)
        self.named = self.trainer.model.named_parameters()
        self.layers = [f"layers.{index}" for index in range(len(self.trainer.model.layers))]
        for name, given in (start or {}).items():
            self._place(name, given)
        size, budget = config.model.parameters, limits.work // SHARE
        batches, samples = self.trainer.batches, config.data.count
        one_step = PASSES * batches.size * size
        affordable = min(budget // one_step, KEPT // (PASSES * size))
        self.count = min(config.steps, max(2, min(steps, affordable)))
        seen = min(samples, max(1, budget // (PASSES * size * max(self.count, ROUNDS))))
        chosen = np.linspace(0, samples - 1, seen).astype(np.intp)
        self.xs, self.ys = Value.constant(batches.xs[chosen]), Value.constant(batches.ys[chosen])
        self.weight = batches.size / seen if self._adds_up() else 1.0

    def _adds_up(self) -> bool:
        """Whether the loss of every sample taken twice is twice the loss."""
        predicted, ys = self.trainer.model.forward(self.xs).data, self.ys.data
        once, twice = (
            float(self.trainer.loss.forward(np.concatenate(p), np.concatenate(y)))
            for p, y in (([predicted], [ys]), ([predicted] * 2, [ys] * 2))
        )
        return twice > 1.5 * once

    def _place(self, name: str, given: Any) -> None:
        """Start a parameter from these numbers."""
        if name not in self.named:
            raise InputError(unknown("parameter", name, self.named), code="unknown_parameter")
        parameter = self.named[name]
        array = np.array(given, dtype=np.float64)
        if array.shape != parameter.shape:
            raise InputError(
                f"{name} has shape {parameter.shape}, not {array.shape}", code="wrong_shape"
            )
        parameter.data[...] = array

    def loss(self) -> float:
        """The loss of a step with the parameters as they are, l2 included: over all samples, or
        what a batch has on average over the measured ones."""
        trainer = self.trainer
        whole = trainer.batches.whole
        (xs, ys), weight = (trainer.batches.all, 1) if whole else ((self.xs, self.ys), self.weight)
        objective = weight * trainer.loss(trainer.model.forward(xs), ys).item()
        squares = sum(float(np.vdot(p.data, p.data)) for p in self.named.values())
        return float(objective + trainer.config.l2 * squares)

    def step(self, look: bool) -> Step:
        """Do a step of the run; with `look` keep the layers' outputs and go backward twice."""
        trainer = self.trainer
        parameters = {name: p.data.copy() for name, p in self.named.items()}
        fresh, again = self._passes(trainer.next_step, 2 if look else 1)
        outputs = self.outputs() if look else {}
        loss = None if trainer.batches.whole else self.loss()
        told = trainer.step()
        if trainer.diverged and not outputs:
            outputs = self.outputs()
        return Step(
            parameters,
            {name: p.grad.copy() for name, p in self.named.items()},
            told["loss"] if loss is None or trainer.diverged else loss,
            told["learning_rate"],
            fresh,
            again,
            outputs,
        )

    def _passes(self, k: int, count: int) -> tuple[Arrays, Arrays | None]:
        """The gradients of step k's loss from zero, `count` times over one graph; what the trainer
        has gathered stays as it is."""
        xs, ys = self.trainer.batches.at(k)
        objective = self.trainer.loss(self.trainer.model.forward(xs), ys)
        held = {name: p.grad for name, p in self.named.items()}
        found = []
        for _ in range(count):
            self.trainer.model.zero_grad()
            objective.backward()
            shrink = 2 * self.trainer.config.l2
            found.append({name: p.grad + shrink * p.data for name, p in self.named.items()})
        for name, grad in held.items():
            self.named[name].grad = grad
        return found[0], found[1] if count > 1 else None

    def outputs(self) -> Arrays:
        """What each layer gives for the measured samples, (samples, neurons)."""
        x, found = self.xs, {}
        for name, layer in zip(self.layers, self.trainer.model.layers, strict=True):
            x = layer.forward(x)
            found[name] = x.data
        return found

    def overflow(self) -> Overflow | None:
        """The first value that is not finite in the forward pass of the step done last."""
        model = self.trainer.model
        x, ys = self.trainer.batches.at(self.trainer.next_step - 1)
        for name, layer in zip(self.layers, model.layers, strict=True):
            after = layer.forward(x)
            if found := _overflow(after, name):
                return found
            x = after
        flat = x.reshape(shape=(x.shape[0],)) if x.shape[1] == 1 else x
        return _overflow(self.trainer.loss(flat, ys), "loss")

    def curvature(self, steps: tuple[Step, ...]) -> Curvature | None:
        """The largest curvature where the loss was lowest: where the run should settle. None where
        some op's rules cannot be differentiated again."""
        known = {k: step.loss for k, step in enumerate(steps) if step.loss is not None}
        lowest = min(known, key=lambda k: known[k])
        for name, array in steps[lowest].parameters.items():
            self.named[name].data[...] = array
        config = self.trainer.config
        try:
            objective = self.trainer.loss(self.trainer.model.forward(self.xs), self.ys)
            largest = largest_curvature(
                objective * self.weight,
                [*self.named.values()],
                dice(config.seed),
                ROUNDS,
                config.l2,
            )
        except (OpError, TypeError):
            return None
        return Curvature(largest, lowest) if np.isfinite(largest) else None


def _overflow(output: Value, layer: str) -> Overflow | None:
    for node in reversed(walk(output)):
        if node.op is not None and not np.all(np.isfinite(node.data)):
            largest = max(float(np.max(np.abs(u.data), initial=0.0)) for u in node.inputs)
            return Overflow(node.op.name, layer, largest)
    return None


def record(
    config: TrainConfig,
    vocabulary: Vocabulary | None = None,
    steps: int = PROBE_STEPS,
    start: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
) -> Record:
    """The record of the first `steps` steps of a run, fewer where the network or the batch is so
    large that they would exceed a SHARE of what a whole run may cost.

    `start` gives other starting values for parameters, by name. Raises InputError where they do
    not fit. The same arguments give the same record.
    """
    with np.errstate(all="ignore"):
        probe = Probe(config, vocabulary, steps, start, limits or Limits())
        kept: list[Step] = []
        while len(kept) < probe.count and not probe.trainer.diverged:
            kept.append(probe.step(look=len(kept) in (0, probe.count - 1)))
        params, model = config.optimizer.params, config.model
        hidden = [model.activation] * (len(probe.layers) - 1)
        happened = EVENTS if config.zero_grad else EVENTS[1:]
        found = Record(
            steps=tuple(kept),
            events=happened * len(kept),
            optimizer=config.optimizer.kind,
            momentum=params.get("momentum", 0.0),
            activations=dict(zip(probe.layers, [*hidden, model.output_activation], strict=True)),
            batches=not probe.trainer.batches.whole,
            planned=config.steps,
            task=Task(config.loss, probe.ys.data, model.nouts[-1], model.output_activation),
            overflow=probe.overflow() if probe.trainer.diverged else None,
        )
        curved = found.sound and found.optimizer == "sgd"
        return replace(found, curvature=probe.curvature(found.sound)) if curved else found


def trial(
    config: TrainConfig,
    rate: float,
    steps: int,
    vocabulary: Vocabulary | None = None,
    start: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
) -> Trial:
    """The run of a configuration with another learning rate: its loss after `steps` updates."""
    params = frozen({**config.optimizer.params, "learning_rate": rate})
    other = replace(config, optimizer=Choice(config.optimizer.kind, params))
    with np.errstate(all="ignore"):
        probe = Probe(other, vocabulary, steps, start, limits or Limits())
        for _ in range(steps):
            probe.trainer.step()
            if probe.trainer.diverged:
                return Trial(rate, float("inf"))
        return Trial(rate, probe.loss())
