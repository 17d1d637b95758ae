"""A record as it was handed over, checked: every array float64, of one shape at every step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from engine.arrays import pointer_part
from engine.autopsy.records import EVENTS, Record, Step, Task
from engine.autopsy.vectors import Array, Arrays
from engine.errors import InputError
from engine.losses import CLASSES, LOSSES
from engine.names import unknown


def checked(record: Record) -> Record:
    """The record with arrays in place of lists. Raises InputError (`invalid_record`) naming what
    does not fit by its JSON pointer."""
    if not record.steps and not record.events:
        raise _refusal("", "is empty", "hand over steps, events, or both")
    for index, event in enumerate(record.events):
        if event not in EVENTS:
            raise _refusal(f"/events/{index}", _stranger("event", event, EVENTS))
    if record.neuron_axis not in (0, 1):
        raise _refusal("/neuron_axis", f"is {record.neuron_axis!r}, not 0 or 1")
    steps = tuple(_step(step, f"/steps/{k}") for k, step in enumerate(record.steps))
    for k, step in enumerate(steps):
        _require_alike(step.parameters, steps[0].parameters, f"/steps/{k}/parameters")
    return replace(record, steps=steps, task=record.task and _task(record.task))


def _step(step: Step, pointer: str) -> Step:
    parameters = _arrays(step.parameters, f"{pointer}/parameters")
    taken: dict[str, Any] = {"parameters": parameters}
    for kind in ("gradients", "fresh", "again"):
        given = getattr(step, kind)
        if given is not None:
            taken[kind] = _arrays(given, f"{pointer}/{kind}")
            _require_alike(taken[kind], parameters, f"{pointer}/{kind}")
    outputs = _arrays(step.outputs, f"{pointer}/outputs")
    taken["outputs"] = {name: _rows(array) for name, array in outputs.items()}
    for kind in ("loss", "learning_rate"):
        taken[kind] = _number(getattr(step, kind), f"{pointer}/{kind}")
    return replace(step, **taken)


def _arrays(given: Mapping[str, Any], pointer: str) -> dict[str, Array]:
    if not isinstance(given, Mapping):
        raise _refusal(pointer, "is no mapping", "write {name: array}")
    return {str(name): _array(x, f"{pointer}/{pointer_part(name)}") for name, x in given.items()}


def _array(given: Any, pointer: str) -> Array:
    try:
        return np.array(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise _refusal(
            pointer, "holds something that is no number, or rows of unequal length"
        ) from (error)


def _rows(outputs: Array) -> Array:
    """(n, neurons) of one neuron's outputs (n,) too."""
    return outputs.reshape(len(outputs) if outputs.ndim else 1, -1)


def _number(given: Any, pointer: str) -> float | None:
    if given is None:
        return None
    try:
        return float(given)
    except (TypeError, ValueError) as error:
        raise _refusal(pointer, f"is {given!r}, not a number") from error


def _require_alike(arrays: Arrays, parameters: Arrays, pointer: str) -> None:
    """Every parameter, by its name and with its shape."""
    if arrays.keys() != parameters.keys():
        names = ", ".join(sorted(arrays.keys() ^ parameters.keys()))
        raise _refusal(pointer, f"does not hold the same names as the parameters: {names}")
    for name, array in arrays.items():
        if array.shape != parameters[name].shape:
            raise _refusal(
                f"{pointer}/{pointer_part(name)}",
                f"has shape {array.shape}, but {name} has shape {parameters[name].shape}",
            )


def _task(task: Task) -> Task:
    if task.loss not in LOSSES:
        raise _refusal("/task/loss", _stranger("loss", task.loss, LOSSES))
    targets = _array(task.targets, "/task/targets")
    loss = LOSSES[task.loss]
    flat = task.outputs == 1 or loss.targets is CLASSES
    if targets.size == 0 or targets.ndim != (1 if flat else 2):
        raise _refusal("/task/targets", f"has shape {targets.shape}", "give one target per sample")
    if not np.all(loss.targets.allowed(targets, task.outputs)):
        raise _refusal("/task/targets", f"must be {loss.targets.doc} for {task.loss}")
    return replace(task, targets=targets)


def _stranger(kind: str, name: object, known: Iterable[str]) -> str:
    return f"is not known: {unknown(kind, name, known)}"


def _refusal(pointer: str, what: str, hint: str | None = None) -> InputError:
    return InputError(
        f"the record{' at ' + pointer if pointer else ''} {what}",
        code="invalid_record",
        pointer=pointer,
        hint=hint,
    )
