"""autopsy() and examine_record(): the shelf of detectors, walked over a record."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from engine.autopsy.finite import non_finite_training
from engine.autopsy.goals import loss_at_chance, targets_out_of_range
from engine.autopsy.intake import checked
from engine.autopsy.motion import ascent, never_updated
from engine.autopsy.neurons import dead_relu, equal_weights, saturated
from engine.autopsy.order import forgotten_zero_grad, stale_graph, update_before_backward
from engine.autopsy.probe import PROBE_STEPS, record, trial
from engine.autopsy.rate import SLOW, cliff, rises, step_too_large, step_too_small, steps_needed
from engine.autopsy.records import Record, Trial
from engine.check.report import Diagnosis
from engine.limits import Limits
from engine.registry import Vocabulary
from engine.training import TrainConfig

Detector = Callable[[Record], Diagnosis | None]

DETECTORS: tuple[Detector, ...] = (
    forgotten_zero_grad,
    stale_graph,
    update_before_backward,
    ascent,
    never_updated,
    equal_weights,
    targets_out_of_range,
    step_too_large,
    step_too_small,
    dead_relu,
    saturated,
    loss_at_chance,
    non_finite_training,
)
"""One for each mistake of engine.mistakes.TRAINING and named like it; causes before what they may
lead to."""

TENFOLD = 4
"""How many times ten a rate is tried larger or smaller where no curvature tells the right one."""


def examine_record(record: Record) -> tuple[Diagnosis, ...]:
    """What a record shows to be wrong, most basic mistake first; nothing is run.

    Raises InputError (`invalid_record`) where the record does not hold together.
    """
    return _examined(checked(record))


def autopsy(
    config: TrainConfig,
    vocabulary: Vocabulary | None = None,
    probe_steps: int = PROBE_STEPS,
    start: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
) -> tuple[Diagnosis, ...]:
    """What goes wrong in the first steps of a configured run, most basic mistake first.

    Runs `probe_steps` steps, and, where the loss rises or hardly falls, as many with a few other
    learning rates. `start` gives other starting values for parameters, by name.
    """
    found = record(config, vocabulary, probe_steps, start, limits)
    count = len(found.steps) - 1
    rates = _rates_to_try(found) if config.zero_grad else ()
    tried = (trial(config, rate, count, vocabulary, start, limits) for rate in rates)
    return _examined(replace(found, trials=tuple(_until_worse(tried))))


def _examined(record: Record) -> tuple[Diagnosis, ...]:
    with np.errstate(all="ignore"):
        return tuple(found for detector in DETECTORS if (found := detector(record)))


def _rates_to_try(found: Record) -> Iterator[float]:
    """Rates worth trying: a half and a twentieth of the cliff where it is known and lies on the
    right side, else tens."""
    if not found.sound:
        return
    rate = found.sound[0].learning_rate or 0.0
    needed = steps_needed(found) or 0.0
    slow = needed > SLOW * (found.planned or math.inf) and not rises(found)
    if rate <= 0 or not (slow or rises(found)):
        return
    edge = cliff(found, found.curvature) if found.curvature else math.inf
    known = [_round(edge / 2), _round(edge / 20)] if edge < math.inf else []
    tens = [_round(rate * 10.0 ** (power if slow else -power)) for power in range(1, TENFOLD + 1)]
    fitting = [other for other in known if (other > rate) == slow]
    yield from fitting or tens


def _until_worse(trials: Iterator[Trial]) -> Iterator[Trial]:
    """Trials up to the first that does worse than the one before."""
    last = math.inf
    for tried in trials:
        yield tried
        if tried.loss > last:
            return
        last = tried.loss


def _round(rate: float) -> float:
    """One significant digit, as people write learning rates."""
    return float(f"{rate:.0e}")
