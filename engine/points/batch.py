"""A program at many points in one go: every op with one more axis in front.

The inputs that move from point to point carry a leading axis of N points; the others stay as they
are. N appears nowhere, so that one program serves any number of points.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from engine.arrays import tidy
from engine.errors import EngineError
from engine.ops import OPS
from engine.points.rules import rule_of
from engine.points.writer import Operand, Shape, Writer
from engine.program import Constant, Equation, Input, Program

UNLIMITED = sys.maxsize
"""Whoever asks for many points at once chooses how many fit."""


def batched(
    program: Program, shapes: Mapping[str, Shape], moving: Collection[str]
) -> Program | None:
    """`program` for N points at once, or None where that cannot be written.

    In the new program the inputs named in `moving` come first, in that order, with the shape
    (N, *shape) and no default; the others are as before. `shapes` are those of all inputs at one
    point. Its output has shape (N,): the one number of each point, computed as `program` computes
    it up to the order in which sums are added. (An output of several numbers has shape
    (N, *shape).)

    None for an op without a rule (see REFUSED in engine.points.rules), for an array without
    numbers among what moves, and for a program that does not run with these shapes. Raises
    ValueError where `moving` names no input.
    """
    names = {node.name for node in program.inputs}
    if not moving or not names.issuperset(moving):
        raise ValueError(f"moving names some of the inputs {sorted(names)}, not {sorted(moving)}")
    try:
        values = program.run(_sample(program, shapes), requires_grad=False)
    except EngineError:
        return None
    writer = Writer()
    inputs = {node.name: node for node in program.inputs}
    known = {
        name: writer.input(inputs[name], tuple(shapes[name]), True)
        for name in dict.fromkeys(moving)
    }
    operands: list[Operand] = []
    for node, value in zip(program.nodes, values, strict=True):
        found = known.get(node.name) or _written(writer, node, operands, value.shape)
        if found is None or (found.moving and 0 in found.shape):
            return None
        operands.append(found)
    output = operands[program.place]
    if not output.moving:
        output = writer.along(output, _first_numbers(writer, operands))
    if math.prod(output.shape) == 1:
        output = writer.reshaped(output, ())
    limits = replace(
        program.limits, nodes=UNLIMITED, elements=UNLIMITED, numbers=UNLIMITED, inputs=UNLIMITED
    )
    return Program(program.source, tuple(writer.nodes), writer.place(output), limits)


def _sample(program: Program, shapes: Mapping[str, Shape]) -> dict[str, Any]:
    """A point of the given shapes: what the source has where it fits, else zeros, which are
    classes too."""
    return {
        node.name: node.default
        if node.default is not None and np.shape(node.default) == tuple(shapes[node.name])
        else tidy(np.zeros(shapes[node.name]))
        for node in program.inputs
    }


def _written(
    writer: Writer,
    node: Input | Constant | Equation,
    operands: Sequence[Operand],
    shape: Shape,
) -> Operand | None:
    """What `node` becomes, None where its op has no rule."""
    if isinstance(node, Input):
        return writer.input(node, shape, False)
    if isinstance(node, Constant):
        return writer.constant(node.value)
    writer.position = node.position
    args = [operands[arg] for arg in node.args]
    if not any(arg.moving for arg in args):
        found: Operand | None = writer.apply(node.op, shape, *args, **node.params)
    else:
        rule = rule_of(node.op)
        found = rule(writer, node, args, shape) if rule else None
    if found is not None and not node.name.startswith("%"):
        writer.name(found, node.name)
    return found


def _first_numbers(writer: Writer, operands: Sequence[Operand]) -> Operand:
    """One number for each point: the first one of an input that moves."""
    x = next(operand for operand in operands if operand.moving)
    index = (slice(None), *(0 for _ in x.shape))
    return writer.apply(OPS["getitem"], (), x, index=index) if x.shape else x
