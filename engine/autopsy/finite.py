"""Detector of the first number of a run that is not finite, and where it arose."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from engine.autopsy.finding import finding, listed, shown
from engine.autopsy.records import Record, Step
from engine.autopsy.vectors import Arrays, joined
from engine.check.report import Diagnosis

STABLE: Mapping[str, str] = {
    "exp": "exp overflows from 709.8 on: subtract the largest input first, as logsumexp does",
    "softmax": "subtract the largest score of each row before exp",
    "log": "log of 0: use log1p, or a cross-entropy that takes scores",
    "log_softmax": "write scores - logsumexp(scores), not log(softmax(scores))",
    "div": "division by 0: add a small number to the divisor or rewrite the quotient",
    "sqrt": "a root of a negative number",
    "sigmoid": "write exp(-logaddexp(0, -x))",
    "cross_entropy": "log of 0: take scores, not chances: logsumexp(scores) - the right one",
}
"""The stable form, by what the op or the layer is called."""


def non_finite_training(record: Record) -> Diagnosis | None:
    """The first step with a number that is not finite, and the first place in it."""
    if not record.broken:
        return None
    k = len(record.sound)
    variable, where = _source(record, record.steps[k])
    before = record.sound[-1] if record.sound else None
    numbers: dict[str, float] = {"step": k}
    history = ""
    if before is not None:
        size = float(np.max(np.abs(joined(before.parameters, before.parameters)), initial=0.0))
        numbers["largest_parameter"] = size
        history = f"; a step before, the largest parameter was {shown(size)}"
        if before.loss is not None:
            numbers["loss_before"] = before.loss
            history += f" and the loss {shown(before.loss)}"
    return finding(
        "non_finite_training",
        f"Step {k} is the first with a number that is not finite: {where}{history}.",
        numbers,
        variable,
    )


def _source(record: Record, step: Step) -> tuple[str | None, str]:
    """What broke first: parameters go in before outputs come out, the loss follows, and gradients
    come last."""
    if names := _broken(step.parameters):
        return names[0], f"parameters {listed(names)}"
    if record.overflow:
        op, layer = record.overflow.op, record.overflow.layer
        largest = f"its largest input is {shown(record.overflow.largest_input)}"
        return layer, f"{op} in {layer}, where {largest}{_mend(op)}"
    if names := _broken(step.outputs):
        return names[0], f"the output of {names[0]}{_mend(names[0])}"
    if step.loss is not None and not math.isfinite(step.loss):
        return "loss", "the loss"
    names = _broken({**step.slope}) or _broken(step.gradients)
    return names[0], f"the gradient of {listed(names)}"


def _broken(arrays: Arrays) -> list[str]:
    return [name for name, array in arrays.items() if not np.all(np.isfinite(array))]


def _mend(name: str) -> str:
    return f" ({STABLE[name]})" if name in STABLE else ""
