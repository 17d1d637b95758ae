"""A program at many points at once: one batched program, run in blocks that stay in the cache."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import machine
from engine.arrays import number_or_array, pointer_part, tidy
from engine.errors import InputError
from engine.points.batch import batched
from engine.program import Program

Array = NDArray[np.float64]
Shape = tuple[int, ...]

BLOCK = 256
"""Points that are computed together, at most."""

_KEEPING = threading.Lock()

KEPT = 8
"""Kinds of question (which inputs move, in which shapes, at how many points) that a program
remembers its answer to."""


def evaluate_many(
    program: Program, arrays: Mapping[str, Any], at: Mapping[str, Any] | None, gradients: bool
) -> Any:
    """See Program.evaluate_many()."""
    moving = {name: _points(program, name, given) for name, given in arrays.items()}
    count = _count(moving)
    fixed = {}
    if len(moving) < len(program.inputs) or not moving.keys() <= _names(program):
        one = {name: np.zeros(array.shape[1:]) for name, array in moving.items()}
        point = program.point({**(at or {}), **one})
        fixed = {name: x for name, x in point.items() if name not in moving}
    if 0 < count <= BLOCK:
        return _run(program, fixed, moving, gradients)
    parts = [slice(k, min(k + BLOCK, count)) for k in range(0, count, BLOCK)]
    found = []
    for part in parts:
        given = {name: array[part] for name, array in moving.items()}
        found.append(_run(program, fixed, given, gradients))
    if not gradients:
        return np.concatenate([np.empty(0), *found])
    slopes = {
        name: np.concatenate([np.empty((0, *array.shape[1:])), *(g[name] for _, g in found)])
        for name, array in moving.items()
    }
    return np.concatenate([np.empty(0), *(values for values, _ in found)]), slopes


def _run(
    program: Program, fixed: Mapping[str, Any], moving: Mapping[str, Array], gradients: bool
) -> Any:
    count = len(next(iter(moving.values())))
    found = _block(program, fixed, moving, count).run(fixed, moving, gradients)
    outputs = found[0] if gradients else found
    if outputs.size != count:  # several numbers for each point, which evaluating one refuses
        program.evaluate_slowly({**fixed, **{name: tidy(a[0]) for name, a in moving.items()}})
    return found


def _names(program: Program) -> frozenset[str]:
    return frozenset(node.name for node in program.inputs)


def _points(program: Program, name: str, given: Any) -> Array:
    if given.__class__ is np.ndarray and given.dtype == np.float64 and given.ndim:
        return given
    pointer = f"/arrays/{pointer_part(name)}"
    array = number_or_array(given, pointer, name, program.limits.numbers, finite=False)
    if not np.ndim(array):
        raise InputError(
            f"{name} is one number, not one for each point",
            code="wrong_shape",
            pointer=pointer,
            hint="give what is the same at all points in `at`",
        )
    return np.asarray(array)


def _count(moving: Mapping[str, Array]) -> int:
    if not moving:
        raise InputError(
            "there is no array of points",
            code="no_inputs",
            pointer="/arrays",
            hint="give an input one number, or one array, for each point",
        )
    counts = {name: len(array) for name, array in moving.items()}
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InputError(
            f"the inputs have different numbers of points: {shown}",
            code="wrong_shape",
            pointer="/arrays",
        )
    return next(iter(counts.values()))


# -- one block ---------------------------------------------------------------------------------


def _block(
    program: Program, fixed: Mapping[str, Any], moving: Mapping[str, Array], count: int
) -> Any:
    """What computes `count` points with these inputs moving; made once."""
    shapes = {name: np.shape(x) for name, x in fixed.items()}
    shapes |= {name: array.shape[1:] for name, array in moving.items()}
    key = (count, tuple(moving), tuple(shapes.items()), machine.ready())
    known = program.blocks
    block = known.get(key)
    if block is None:
        block = _made(program, shapes, moving, count)
        with _KEEPING:
            if len(known) >= KEPT:
                del known[next(iter(known))]
            known[key] = block
    return block


def _made(
    program: Program, shapes: Mapping[str, Shape], moving: Mapping[str, Array], count: int
) -> Any:
    together = batched(program, shapes, moving.keys())
    if together is None:
        return _OneByOne(program)
    if not machine.ready():
        return _ByRules(together)
    from engine.machine.block import Block

    return Block(together, {n: (count, *s) if n in moving else s for n, s in shapes.items()})


class _ByRules:
    """The batched program by the ops' own rules."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def run(self, fixed: Mapping[str, Any], moving: Mapping[str, Array], gradients: bool) -> Any:
        values = self._program.run({**fixed, **moving}, requires_grad=gradients)
        output = values[self._program.place]
        count = len(next(iter(moving.values())))
        outputs = np.ravel(output.data)
        if outputs.size not in (1, count):
            return (outputs, {}) if gradients else outputs  # too many, which the caller refuses
        outputs = np.broadcast_to(outputs, count).copy()
        if not gradients:
            return outputs
        with np.errstate(all="ignore"):
            output.backward(np.ones(output.shape))
        leaves = {node.name: values[i] for i, node in enumerate(self._program.nodes)}
        return outputs, {name: np.array(leaves[name].grad) for name in moving}


class _OneByOne:
    """A program that cannot be batched, point after point."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def run(self, fixed: Mapping[str, Any], moving: Mapping[str, Array], gradients: bool) -> Any:
        program, count = self._program, len(next(iter(moving.values())))
        points = [{**fixed, **{n: tidy(a[k]) for n, a in moving.items()}} for k in range(count)]
        if not gradients:
            program.require_scalar(program.run(points[0], requires_grad=False)[program.place])
            return np.array([program.value_at(point) for point in points])
        found = [program.evaluate_slowly(point) for point in points]
        values = np.array([float(np.reshape(each.value, ())) for each in found])
        return values, {n: np.array([each.gradients[n] for each in found]) for n in moving}
