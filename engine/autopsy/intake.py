"""A record as it was handed over, checked: every array float64, of one shape at every step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from engine.arrays import pointer_part
from engine.autopsy.records import EVENTS, Curvature, Overflow, Record, Step, Task, Trial
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
    planned, task, overflow = record.planned, record.task, record.overflow
    curvature = record.curvature
    return replace(
        record,
        steps=steps,
        momentum=_momentum(record.momentum),
        planned=None if planned is None else _planned(planned),
        task=None if task is None else _task(task),
        curvature=None if curvature is None else _curvature(curvature, len(steps)),
        overflow=None if overflow is None else _overflow(overflow),
        trials=tuple(_trial(trial, f"/trials/{k}") for k, trial in enumerate(record.trials)),
    )


def _step(step: Step, pointer: str) -> Step:
    _require_kind(step, Step, pointer)
    parameters = _arrays(step.parameters, f"{pointer}/parameters")
    taken: dict[str, Any] = {"parameters": parameters}
    for kind in ("gradients", "fresh", "again"):
        given = getattr(step, kind)
        if given is not None:
            taken[kind] = _arrays(given, f"{pointer}/{kind}")
            _require_alike(taken[kind], parameters, f"{pointer}/{kind}")
    outputs = _arrays(step.outputs, f"{pointer}/outputs")
    taken["outputs"] = {
        name: _rows(array, f"{pointer}/outputs/{pointer_part(name)}")
        for name, array in outputs.items()
    }
    for kind in ("loss", "learning_rate"):
        given = getattr(step, kind)
        taken[kind] = None if given is None else _number(given, f"{pointer}/{kind}")
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
        ) from error
    except OverflowError as error:
        raise _refusal(pointer, "holds a whole number beyond float64") from error


def _rows(outputs: Array, pointer: str) -> Array:
    """(n, neurons) of one neuron's outputs (n,) too."""
    if not outputs.size:
        raise _refusal(pointer, "is empty", "give what the layer gave for each sample, or leave it")
    return outputs.reshape(len(outputs) if outputs.ndim else 1, -1)


def _number(given: Any, pointer: str) -> float:
    try:
        return float(given)
    except (TypeError, ValueError) as error:
        raise _refusal(pointer, f"is {given!r}, not a number") from error
    except OverflowError as error:
        raise _refusal(pointer, "is a whole number beyond float64") from error


def _momentum(given: Any) -> float:
    momentum = _number(given, "/momentum")
    if not 0 <= momentum < 1:
        raise _refusal("/momentum", f"is {momentum:g}", "give a number from 0 to below 1")
    return momentum


def _curvature(curvature: Curvature, count: int) -> Curvature:
    _require_kind(curvature, Curvature, "/curvature")
    if curvature.step not in range(count):
        known = f"give a step from 0 to {count - 1}" if count else "hand over its step as well"
        raise _refusal("/curvature/step", f"is {curvature.step!r}", known)
    largest = _number(curvature.largest, "/curvature/largest")
    if not math.isfinite(largest):
        raise _refusal("/curvature/largest", f"is {largest}", "give a number, or no curvature")
    return Curvature(largest, int(curvature.step))


def _trial(trial: Trial, pointer: str) -> Trial:
    _require_kind(trial, Trial, pointer)
    return Trial(
        _number(trial.learning_rate, f"{pointer}/learning_rate"),
        _number(trial.loss, f"{pointer}/loss"),
    )


def _overflow(overflow: Overflow) -> Overflow:
    _require_kind(overflow, Overflow, "/overflow")
    largest = _number(overflow.largest_input, "/overflow/largest_input")
    return replace(overflow, largest_input=largest)


def _planned(given: Any) -> int:
    steps = _number(given, "/planned")
    if not (steps >= 0 and steps.is_integer()):
        raise _refusal("/planned", f"is {steps:g}", "give the number of steps, or leave it out")
    return int(steps)


def _require_kind(given: object, kind: type, pointer: str) -> None:
    if not isinstance(given, kind):
        name = kind.__name__
        raise _refusal(pointer, f"is a {type(given).__name__}", f"build a {name}: {name}(…)")


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
    _require_kind(task, Task, "/task")
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
