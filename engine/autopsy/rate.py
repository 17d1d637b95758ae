"""Detectors of a wrong learning rate: beyond the cliff, or so small that nothing happens.

Where a quadratic of curvature c is descended with momentum m, the steps grow without bound from
learning rate 2 (1 + m) / c on (Polyak 1964; 2 / c without momentum). Good runs may hover at that
cliff (Cohen et al. 2021), so a rate is called too large only where the loss rises as well, and
too small only where another rate is known to do better.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from engine.autopsy.finding import finding, shown
from engine.autopsy.records import Curvature, Record, Step, Trial
from engine.autopsy.vectors import joined, norm, rounding
from engine.check.report import Diagnosis

REBOUND = 2.0
"""A loss that ends at this multiple of its lowest …"""

HIGH = 0.1
"""… and above this share of its first rose again: losses of a good run bounce, but come back."""

BETTER = 0.5
"""A smaller rate does clearly better when it ends at this share of the loss or less."""

SLOW = 2
"""A run that would need this many times its planned steps is too slow."""

UNPLANNED = 10_000
"""The steps that a run may need whose planned length is not known."""

BEYOND_ROUNDING = 200
"""A move this many times the rounding of the parameters shows how the gradient changes along it."""

GAIN = 0.1
"""Another rate is worth naming when it takes this share off the loss in as many steps …"""

FASTER = 10
"""… and lowers it this many times as much."""


def step_too_large(record: Record) -> Diagnosis | None:
    """The loss rises beyond its first and a smaller rate does clearly better, or it rises again and
    the rate lies beyond the cliff. Where smaller ones were tried, one of them must do better."""
    if not rises(record) or not (rate := _rate(record) or 0.0) > 0:
        return None
    first, last = float(record.losses[0]), float(record.losses[-1])
    numbers = {"learning_rate": rate, "first_loss": first, "last_loss": last}
    low, end = float(np.min(record.losses)), "no finite number" if record.broken else shown(last)
    way = f"fell to {shown(low)} and ended at" if low < first else f"rose from {shown(first)} to"
    told = f"the loss {way} {end}"
    calmer = _calmer(record, rate, first, last)
    if calmer is not None:
        numbers |= {"better_rate": calmer.learning_rate, "better_loss": calmer.loss}
        told += f"; with {calmer.learning_rate:.3g} it is {shown(calmer.loss)} after as many steps"
    elif record.trials:
        return None
    curvature = _curvature(record)
    if curvature is not None and _rate_at(record, curvature.step) > cliff(record, curvature):
        edge, used = cliff(record, curvature), _rate_at(record, curvature.step)
        numbers |= {"learning_rate": used, "curvature": curvature.largest, "cliff": edge}
        return finding(
            "step_too_large",
            f"Your cliff is {2 * (1 + record.momentum):.3g}/λ = {edge:.3g}, for the curvature λ is "
            f"{curvature.largest:.3g} at step {curvature.step}; you used {used:.3g}, and {told}.",
            numbers,
        )
    if calmer is None or not _fails(record):
        return None
    return finding("step_too_large", f"With a learning rate of {rate:.3g} {told}.", numbers)


def _calmer(record: Record, rate: float, first: float, last: float) -> Trial | None:
    """The best smaller rate that was tried, if it does clearly better."""
    tried = (t for t in record.trials if t.learning_rate < rate and t.loss < first)
    best = min(tried, key=lambda trial: trial.loss, default=None)
    return best if best and (record.broken or best.loss <= BETTER * last) else None


def rises(record: Record) -> bool:
    """Whether the loss ends above where it began, far above its lowest, or at no finite number."""
    if len(record.losses) < 2:
        return False
    low, first = float(np.min(record.losses)), float(record.losses[0])
    return _fails(record) or _late(record) > max(REBOUND * low, HIGH * first)


def _fails(record: Record) -> bool:
    """Whether the run left its first loss for a higher or no finite one."""
    losses = record.losses
    return len(losses) > 1 and (record.broken or _late(record) > float(losses[0]))


def _late(record: Record) -> float:
    """The mean loss over the last quarter; 0 where losses are not known."""
    losses = record.losses
    return float(np.mean(losses[-max(1, len(losses) // 4) :])) if len(losses) > 1 else 0.0


def cliff(record: Record, curvature: Curvature) -> float:
    """The learning rate at which steps start to grow, where the optimiser has such a number."""
    if record.optimizer != "sgd" or curvature.largest <= 0:
        return math.inf
    return 2 * (1 + record.momentum) / curvature.largest


def _curvature(record: Record) -> Curvature | None:
    """The curvature that is known, or the largest along the steps that were taken: the difference
    of two gradients over the move between them. Batches differ, so theirs tell nothing."""
    if record.curvature or record.batches:
        return record.curvature
    steps = record.sound
    stretches = [*pairwise(range(len(steps))), (0, len(steps) - 1)]
    found = [
        Curvature(_bend(steps[here], steps[there]), here)
        for here, there in stretches
        if here < there
    ]
    return max(found, key=lambda curvature: curvature.largest, default=None)


def _bend(here: Step, there: Step) -> float:
    """The mean curvature on the straight way between the parameters of two steps; 0 where it is so
    short that rounding hides it."""
    names = list(here.parameters)
    moved = joined(there.parameters, names) - joined(here.parameters, names)
    length = norm(moved)
    if length <= BEYOND_ROUNDING * rounding(here.parameters, names):
        return 0.0
    change = joined(there.slope, names) - joined(here.slope, names)
    return float(moved / length @ change) / length


def _rate(record: Record) -> float | None:
    """The largest rate of the record: a schedule may warm up from 0."""
    rates = (step.learning_rate for step in record.sound)
    return max((rate for rate in rates if rate is not None), default=None)


def _rate_at(record: Record, step: int) -> float:
    return record.steps[step].learning_rate or 0.0


def step_too_small(record: Record) -> Diagnosis | None:
    """At the pace of the record the loss is not gone within SLOW times the planned steps, while
    another rate, tried or read off the curvature, lowers it FASTER."""
    needed = steps_needed(record)
    if needed is None:
        return None
    rate = _rate(record) or 0.0
    start, end = float(record.losses[0]), float(record.losses[-1])
    if rate == 0:
        return finding(
            "step_too_small",
            f"The learning rate is 0, so the loss stays at {shown(start)} for ever.",
            {"learning_rate": 0.0, "loss": start},
        )
    faster = _faster(record, rate, start, end)
    if faster is None or needed <= (SLOW * record.planned if record.planned else UNPLANNED):
        return None
    count = len(record.losses) - 1
    planned = f", and the run has {record.planned:,}" if record.planned else ""
    return finding(
        "step_too_small",
        f"A step of {rate:.3g} lowers the loss of {shown(start)} by {shown(start / needed)}: at "
        f"this rate it takes {needed:,.0f} steps{planned}. Try {faster.learning_rate:.3g}, which "
        f"brings it to {shown(faster.loss)} where yours is at {shown(end)} after {count} steps.",
        {
            "learning_rate": rate,
            "steps_needed": needed,
            "better_rate": faster.learning_rate,
            "better_loss": faster.loss,
            "last_loss": end,
        },
    )


def steps_needed(record: Record) -> float | None:
    """How many steps bring the loss to zero at the record's pace: the decrease that the gradient
    promises, rate * |g|² / (1 - m), or the one that happened if it is larger. None where the loss
    or the rate is not known or the run broke; infinite where nothing moves."""
    losses = record.losses
    if record.broken or len(losses) < 2 or losses[0] <= 0:
        return None
    rate = _rate(record)
    if rate is None or rate < 0:
        return None
    pace = float(losses[0] - losses[-1]) / (len(losses) - 1)
    if record.optimizer == "sgd":
        slope = record.sound[0].slope
        pace = max(pace, rate * norm(joined(slope, slope)) ** 2 / (1 - record.momentum))
    return float(losses[0]) / pace if pace > 0 else math.inf


def _faster(record: Record, rate: float, start: float, end: float) -> Trial | None:
    """The best larger rate known to be worth naming."""
    known = record.trials or _along_the_line(record, rate, start)
    wanted = min((1 - GAIN) * start, start - FASTER * (start - end))
    worth = (trial for trial in known if trial.learning_rate > rate and trial.loss <= wanted)
    return min(worth, key=lambda trial: trial.loss, default=None)


def _along_the_line(record: Record, rate: float, start: float) -> tuple[Trial, ...]:
    """One step to the bottom of the parabola that two gradients along the first move show."""
    curvature = _curvature(record)
    if curvature is None or curvature.largest <= 0 or not record.plain:
        return ()
    length = norm(joined(record.sound[0].slope, record.sound[0].slope))
    best = 1 / curvature.largest
    bottom = start - length**2 * best / 2
    return (Trial(best, max(bottom, 0.0)),) if best > FASTER * rate else ()
