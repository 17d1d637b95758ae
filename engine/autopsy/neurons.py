"""Detectors of what ails a layer: neurons that are copies of each other, dead or saturated."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from engine.autopsy.finding import finding, listed
from engine.autopsy.records import Record
from engine.autopsy.vectors import Array, same
from engine.check.report import Diagnosis

DEAD_SHARE = 0.9
"""From this share of dead neurons on a layer is called so. Two or three of four may die by the luck
of the draw, and the fourth still learn the task."""

SATURATED_SHARE = 0.75
"""From this share of saturated outputs on a hidden layer hardly learns."""

FLAT = 0.01
"""An output is saturated when the activation's slope there is below this share of its steepest."""


SLOPES: Mapping[str, Callable[[Array], Array]] = {
    "tanh": lambda y: 1 - y * y,
    "sigmoid": lambda y: 4 * y * (1 - y),
}
"""Activations between two bounds: the slope at the output y, as a share of the steepest."""


def equal_weights(record: Record) -> Diagnosis | None:
    """All neurons of a layer start with the same weights and get the same gradient, so they stay
    copies of each other for ever."""
    if not record.sound:
        return None
    step = record.sound[0]
    copies = {
        name: len(weights)
        for name, array in step.parameters.items()
        if array.ndim == 2
        and len(weights := np.moveaxis(array, record.neuron_axis, 0)) > 1
        and _copies(weights)
        and _copies(np.moveaxis(step.slope[name], record.neuron_axis, 0))
    }
    if not copies:
        return None
    name, count = next(iter(copies.items()))
    others = [other for other in copies if other != name]
    also = f" (so are those of {listed(others)})" if others else ""
    return finding(
        "equal_weights",
        f"All {count} neurons of {name} start with the same weights and get the same "
        f"gradient{also}: they stay {count} copies of one neuron; start from random numbers.",
        {key: float(number) for key, number in copies.items()},
        name,
    )


def _copies(rows: Array) -> bool:
    return same(rows, np.broadcast_to(rows[:1], rows.shape))


def dead_relu(record: Record) -> Diagnosis | None:
    """Neurons of a relu layer that give 0 for every sample, and so have no gradient."""
    shares = dead_shares(record)
    worst = max(shares, key=lambda layer: shares[layer], default=None)
    if worst is None or shares[worst] < DEAD_SHARE:
        return None
    return finding(
        "dead_relu",
        f"{shares[worst]:.0%} of the relu neurons of {worst} give 0 for every sample, so no "
        f"gradient passes them{_others(shares, worst)}: smaller steps, or another start.",
        shares,
        worst,
    )


def dead_shares(record: Record) -> dict[str, float]:
    """For each relu layer the share of its neurons, 0 to 1, that give 0 for every sample at the
    last step that tells: bars for a chart."""
    told = [step for step in record.sound if step.outputs]
    return {
        layer: float(np.mean(np.all(outputs == 0, axis=0)))
        for layer, outputs in (told[-1].outputs.items() if told else ())
        if outputs.size and "relu" in record.activations.get(layer, "")
    }


def saturated(record: Record) -> Diagnosis | None:
    """A hidden layer whose outputs lie at the ends of tanh or sigmoid, where the slope is next to
    nothing, from the start: later a net that is sure of its answers does so too."""
    shares = saturated_shares(record)
    first = next((step for step in record.sound if step.outputs), None)
    hidden = [layer for layer in list(first.outputs)[:-1] if layer in shares] if first else []
    worst = max(hidden, key=lambda layer: shares[layer], default=None)
    if worst is None or shares[worst] < SATURATED_SHARE:
        return None
    return finding(
        "saturated",
        f"{shares[worst]:.0%} of the outputs of {worst} lie so near the ends of "
        f"{record.activations[worst]} that its slope is below {FLAT:.0%} of its steepest"
        f"{_others(shares, worst)}: scale the inputs, or start with smaller weights.",
        shares,
        worst,
    )


def saturated_shares(record: Record) -> dict[str, float]:
    """For each layer of tanh or sigmoid the share of its outputs, 0 to 1, where the slope is below
    FLAT of the steepest, at the first step that tells: bars for a chart."""
    told = [step for step in record.sound if step.outputs]
    return {
        layer: float(np.mean(SLOPES[record.activations[layer]](outputs) < FLAT))
        for layer, outputs in (told[0].outputs.items() if told else ())
        if outputs.size and record.activations.get(layer) in SLOPES
    }


def _others(shares: Mapping[str, float], worst: str) -> str:
    others = [f"{layer} {share:.0%}" for layer, share in shares.items() if layer != worst]
    return f" ({listed(others)})" if others else ""
