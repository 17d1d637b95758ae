"""Detectors of a goal that cannot be reached, or of a network that only guesses."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from engine.autopsy.finding import finding, shown
from engine.autopsy.records import Record, Task
from engine.autopsy.vectors import Array
from engine.check.report import Diagnosis
from engine.losses import BITS, CLASSES, LOSSES, SIGNS, VALUES

RANGES: Mapping[str, tuple[float, float]] = {
    "tanh": (-1.0, 1.0),
    "sigmoid": (0.0, 1.0),
    "relu": (0.0, math.inf),
    "softplus": (0.0, math.inf),
    "exp": (0.0, math.inf),
    "sin": (-1.0, 1.0),
    "cos": (-1.0, 1.0),
    "abs": (0.0, math.inf),
    "square": (0.0, math.inf),
}
"""What an output activation can give, ends included: the lecture's targets of ±1 for tanh are fit
to be learned although never quite reached."""

SURE = 50.0
"""A score as large as scores need be: exp(-50) is nothing beside 1."""

FLOOR = 0.1
"""A loss that cannot fall below this share of guessing's is out of reach; hinge and cross-entropies
fall to nearly zero where scores are free."""

NEAR_CHANCE = 0.005
"""A loss within this share of guessing's is at chance."""

SAME_ANSWER = 0.02
"""Outputs spread less than this share of the targets' spread (or of 1, for scores) are one answer
to all: the network ignores its inputs."""

PATIENCE = 50
"""Steps to wait before a network that guesses is called so, where the length of the run is not
known; many a network leaves its first plateau later …"""

PLATEAU = 0.2
"""… so that of a planned run at least this share is waited for."""


def targets_out_of_range(record: Record) -> Diagnosis | None:
    """The output activation cannot give what the loss asks for, so the loss has a floor."""
    task = record.task
    if task is None or task.output_activation not in RANGES:
        return None
    low, high = RANGES[task.output_activation]
    reach = f"{task.output_activation} gives numbers from {low:g} to {high:g}"
    if high == math.inf:
        reach = f"{task.output_activation} gives no number below {low:g}"
    floor = lowest_loss(task)
    numbers = {"low": low, "floor": floor} | ({"high": high} if high < math.inf else {})
    if LOSSES[task.loss].targets is VALUES:
        outside = int(np.sum((task.targets < low) | (task.targets > high)))
        if not outside:
            return None
        least, most = float(np.min(task.targets)), float(np.max(task.targets))
        return finding(
            "targets_out_of_range",
            f"{outside} of {task.targets.size} targets cannot be reached: {reach}, and the targets "
            f"go from {shown(least)} to {shown(most)}. The loss cannot fall below {shown(floor)}.",
            {**numbers, "outside": outside, "least": least, "most": most},
        )
    guess = chance_loss(task)
    if floor <= FLOOR * guess:
        return None
    return finding(
        "targets_out_of_range",
        f"{reach[0].upper()}{reach[1:]}, but {task.loss} asks for scores on both sides without "
        f"bounds: the loss cannot fall below {shown(floor)} (guessing has {shown(guess)}). Take a "
        f"linear output.",
        {**numbers, "chance": guess},
    )


def lowest_loss(task: Task) -> float:
    """The loss of the best outputs that the output activation can give, sample by sample."""
    low, high = RANGES.get(task.output_activation, (-math.inf, math.inf))
    targets = LOSSES[task.loss].targets
    if targets is VALUES:
        return _loss(task, np.clip(task.targets, low, high))
    low, high = max(low, -SURE), min(high, SURE)
    if targets is CLASSES:
        return _loss(task, np.where(_one_hot(task), high, low))
    return _loss(task, np.where(task.targets > 0, high, low))


def chance_loss(task: Task) -> float:
    """The loss of the best answer that is the same for every sample: what a network that looks at
    no input can reach. For k classes of one size that is log k."""
    return min(_loss(task, np.broadcast_to(guess, _shape(task))) for guess in _guesses(task))


def _guesses(task: Task) -> list[Array]:
    targets, kind = task.targets, LOSSES[task.loss].targets
    if kind is VALUES:
        return [np.mean(targets, axis=0), np.median(targets, axis=0)]
    if kind is SIGNS:
        return [np.array(-1.0), np.array(1.0)]
    shares = np.mean(_one_hot(task), axis=0) if kind is CLASSES else np.mean(targets)
    with np.errstate(divide="ignore"):
        odds = np.log(shares) - (np.log1p(-shares) if kind is BITS else 0.0)
    return [np.clip(odds, -SURE, SURE)]


def _one_hot(task: Task) -> Array:
    return np.asarray(task.targets[:, None] == np.arange(task.outputs), dtype=np.float64)


def _shape(task: Task) -> tuple[int, ...]:
    one = task.outputs == 1
    return (len(task.targets),) if one else (len(task.targets), task.outputs)


def _loss(task: Task, predictions: Array) -> float:
    return float(LOSSES[task.loss].op.forward(predictions, task.targets))


def loss_at_chance(record: Record) -> Diagnosis | None:
    """After some steps the network gives every sample the same answer, and has guessing's loss."""
    told = [k for k, step in enumerate(record.sound) if step.outputs]
    task = record.task
    patience = PATIENCE if record.planned is None else PLATEAU * record.planned
    if task is None or not told or told[-1] < patience:
        return None
    outputs = [list(record.sound[k].outputs.values())[-1] for k in (told[0], told[-1])]
    if outputs[1].size != math.prod(_shape(task)):
        return None
    loss, first = (_loss(task, array.reshape(_shape(task))) for array in reversed(outputs))
    guess = chance_loss(task)
    spread = float(np.max(np.std(outputs[1], axis=0)))
    scale = float(np.std(task.targets)) if LOSSES[task.loss].targets is VALUES else 1.0
    if not abs(loss - guess) <= NEAR_CHANCE * guess or spread > SAME_ANSWER * scale:
        return None
    return finding(
        "loss_at_chance",
        f"After {told[-1]} steps the loss is {shown(loss)}, what guessing has ({shown(guess)}): "
        f"the network gives every sample the same answer, give or take {shown(spread)}. It began "
        f"at {shown(first)}.",
        {"loss": loss, "chance": guess, "spread": spread, "first_loss": first},
    )
