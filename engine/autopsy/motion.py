"""Detectors of how the parameters moved: uphill, or not at all."""

from __future__ import annotations

import numpy as np

from engine.autopsy.finding import finding, listed, shown
from engine.autopsy.records import Record
from engine.autopsy.vectors import cosine, joined, norm, rounding, same
from engine.check.report import Diagnosis

ALONG = 0.9
"""A plain step has a cosine of exactly -1 with its gradient, or +1 uphill; weight decay bends it a
little. With a memory (momentum, Adam) the sign alone tells."""


def ascent(record: Record) -> Diagnosis | None:
    """The parameters moved along their gradient instead of against it, or the gradient that was
    used is the opposite of the fresh one. With a memory (momentum, Adam) some steps of a good run
    go uphill, but not the first and not most."""
    return _uphill(record) or _opposite(record)


def _uphill(record: Record) -> Diagnosis | None:
    cosines = []
    for step, move in zip(record.sound, record.moves, strict=False):
        names = list(step.gradients)
        moved, gradient = joined(move, names), joined(step.gradients, names)
        if norm(moved) > 10 * rounding(step.parameters, names):
            cosines.append(cosine(moved, gradient))
    bar = ALONG if record.plain else 0.0
    uphill = [value for value in cosines if value > bar]
    if 2 * len(uphill) <= len(cosines) or (not record.plain and cosines[0] <= bar):
        return None
    rate = record.sound[0].learning_rate
    mend = (
        f"the learning rate is {rate:g}, make it positive"
        if rate is not None and rate < 0
        else "subtract learning rate times gradient"
    )
    numbers = {"cosine": uphill[0]}
    return finding(
        "ascent",
        f"{len(uphill)} of {len(cosines)} steps went along the gradient, uphill (cosine of the "
        f"angle {uphill[0]:.2f}; downhill is -1){_rise(record, numbers)}: {mend}.",
        numbers,
        shown_by=len(uphill),
        of=len(cosines),
    )


def _opposite(record: Record) -> Diagnosis | None:
    """The step subtracts, but the gradient has the wrong sign."""
    pairs = [
        (joined(step.gradients, step.parameters), joined(step.fresh, step.parameters))
        for step in record.sound
        if step.fresh is not None
    ]
    opposite = [(used, fresh) for used, fresh in pairs if np.any(fresh) and same(used, -fresh)]
    if not opposite or 2 * len(opposite) <= len(pairs):
        return None
    numbers = {"cosine": cosine(*opposite[0])}
    return finding(
        "ascent",
        f"In {len(opposite)} of {len(pairs)} steps the gradient that was used is minus the "
        f"gradient of the loss (cosine {numbers['cosine']:.2f}), so every step goes "
        f"uphill{_rise(record, numbers)}.",
        numbers,
        shown_by=len(opposite),
        of=len(pairs),
    )


def _rise(record: Record, numbers: dict[str, float]) -> str:
    """How the loss rose, in words, and into `numbers`."""
    losses = record.losses
    if len(losses) < 2 or losses[-1] <= losses[0]:
        return ""
    numbers |= {"first_loss": float(losses[0]), "last_loss": float(losses[-1])}
    return f", and the loss rose from {shown(losses[0])} to {shown(losses[-1])}"


def never_updated(record: Record) -> Diagnosis | None:
    """A parameter keeps its value to the bit while its gradient would have moved it. Needs steps
    that have a learning rate other than 0; that the rate is so small that float64 swallows the move
    is another mistake."""
    steps = record.sound[: len(record.moves)]
    rates = [abs(step.learning_rate or 0.0) for step in steps]
    if len(steps) < 2 or not any(rates):
        return None
    still = {}
    for name in steps[0].parameters:
        due = sum(
            rate * np.abs(step.gradients[name]) > 2 * rounding(step.parameters, [name])
            for rate, step in zip(rates, steps, strict=True)
        )
        if np.any(due) and not any(np.any(move[name]) for move in record.moves):
            still[name] = norm(steps[0].gradients[name])
    if not still:
        return None
    total = len(steps[0].parameters)
    first = next(iter(still))
    lengths = listed(f"{name} {shown(length)}" for name, length in still.items())
    return finding(
        "never_updated",
        f"{len(still)} of {total} parameters never changed in {len(steps)} steps although their "
        f"gradients do not vanish (lengths at the first step: {lengths}); give them to the "
        f"optimiser.",
        {"parameters": len(still), "steps": len(steps), **still},
        first,
        len(steps),
        len(steps),
    )
