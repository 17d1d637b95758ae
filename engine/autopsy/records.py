"""The record of a training run: what a training loop can hand over, ours or anybody's.

Only `parameters` and `gradients` of a few steps are needed; every further field lets one more
mistake be told. Steps are counted from 0. Arrays may be given as numbers or nested lists.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from engine.autopsy.vectors import Array, Arrays

EVENTS = ("zero_grad", "forward", "loss", "backward", "update")
"""What a training loop does, by the names that `Record.events` is written in."""


@dataclass(frozen=True)
class Step:
    """One step of a training loop.

    `parameters` are those before the update, `gradients` what stood in the parameters' gradients
    after this step's backward pass, both by parameter name and of one shape. `loss` is that of
    `parameters`, over all samples where the gradient is of a batch. `fresh` is the gradient of this
    step's loss alone, as a separate pass from zero gives it. `again` is what a second backward pass
    over the very same graph gives after the parameters' gradients, and only those, were zeroed.
    `outputs` are what the layers gave, (samples, neurons) each, in the order of the forward pass.
    """

    parameters: Arrays
    gradients: Arrays
    loss: float | None = None
    learning_rate: float | None = None
    fresh: Arrays | None = None
    again: Arrays | None = None
    outputs: Arrays = field(default_factory=dict)

    @property
    def slope(self) -> Arrays:
        """The gradient of this step's loss: the fresh one where it is known."""
        return self.gradients if self.fresh is None else self.fresh

    @property
    def finite(self) -> bool:
        """Whether the loss, the parameters and the gradients are finite numbers."""
        loss = self.loss is None or math.isfinite(self.loss)
        arrays = (*self.parameters.values(), *self.gradients.values(), *self.slope.values())
        return loss and all(bool(np.all(np.isfinite(array))) for array in arrays)


@dataclass(frozen=True)
class Task:
    """What is learned: the name of a loss of engine.losses, the targets as it takes them, and the
    name of the output layer's activation ("linear" for none)."""

    loss: str
    targets: Any
    outputs: int
    output_activation: str


@dataclass(frozen=True)
class Curvature:
    """The largest eigenvalue of the loss's Hessian at the parameters of a step, from below. `step`
    counts within the record, from 0."""

    largest: float
    step: int


@dataclass(frozen=True)
class Trial:
    """The same run with another learning rate: its loss after as many steps as the record's."""

    learning_rate: float
    loss: float


@dataclass(frozen=True)
class Overflow:
    """The first value of a forward pass that is not finite: its op, the layer it is in (or "loss"),
    and the largest magnitude that went into it."""

    op: str
    layer: str
    largest_input: float


@dataclass(frozen=True)
class Record:
    """Some steps of a training run in a row, from its start or from anywhere.

    `events` are names of EVENTS in the order they happened. `optimizer` is "sgd" where a step is
    -learning_rate * gradient (with `momentum`, v = momentum * v + gradient in its place), else any
    other name. `activations` gives the activation of each layer that `Step.outputs` names.
    `neuron_axis` is the axis of a weight array along which neurons lie: 0 as here and in torch,
    1 in Keras. `batches` tells that steps see different samples. `planned` is how many steps the
    whole run is meant to have.
    """

    steps: tuple[Step, ...] = ()
    events: tuple[str, ...] = ()
    optimizer: str = "sgd"
    momentum: float = 0.0
    activations: Mapping[str, str] = field(default_factory=dict)
    neuron_axis: int = 0
    batches: bool = False
    planned: int | None = None
    task: Task | None = None
    curvature: Curvature | None = None
    trials: tuple[Trial, ...] = ()
    overflow: Overflow | None = None

    @cached_property
    def sound(self) -> tuple[Step, ...]:
        """The steps before the first that holds a number that is not finite."""
        broken = (k for k, step in enumerate(self.steps) if not step.finite)
        return self.steps[: next(broken, len(self.steps))]

    @property
    def broken(self) -> bool:
        """Whether some step holds a number that is not finite."""
        return len(self.sound) < len(self.steps)

    @property
    def plain(self) -> bool:
        """Whether each step should be -learning_rate * gradient and nothing else."""
        return self.optimizer == "sgd" and self.momentum == 0

    @cached_property
    def losses(self) -> Array:
        """The losses of the sound steps; empty unless every one of them is known."""
        known = [step.loss for step in self.sound if step.loss is not None]
        return np.array(known if len(known) == len(self.sound) else [], dtype=np.float64)

    @cached_property
    def moves(self) -> tuple[Arrays, ...]:
        """By how much each sound step but the last moved each parameter."""
        return tuple(
            {name: after.parameters[name] - array for name, array in before.parameters.items()}
            for before, after in zip(self.sound, self.sound[1:], strict=False)
        )
