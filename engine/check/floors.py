"""How far rounding may throw off backpropagation through arrays, tried out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.check.linear import DRAWS, FLOOR, NUDGE
from engine.evaluation import Evaluation
from engine.methods import gradients_of
from engine.program import Equation, Program
from engine.value import Value


def array_floors(program: Program, evaluation: Evaluation) -> list[Any]:
    """As Linear.floors, for a program that holds arrays."""
    point = {node.name: node.value for node in evaluation.nodes if node.op == "input"}
    values = program.run(point)
    dice = np.random.default_rng(0)
    plain = _disturbed(program, values, None)
    found = [np.zeros(value.shape) for value in values]
    for _ in range(DRAWS):
        moved = _disturbed(program, values, dice)
        found = [
            np.maximum(f, np.nan_to_num(np.abs(m - p), posinf=0.0))
            for f, m, p in zip(found, moved, plain, strict=True)
        ]
    return [FLOOR / NUDGE * f for f in found]


def _disturbed(
    program: Program, values: Sequence[Value], dice: np.random.Generator | None
) -> list[Any]:
    """Backpropagation with a random relative error in every upstream gradient, or with none."""
    found: list[Any] = [np.zeros(value.shape) for value in values]
    found[program.place] = np.ones(values[program.place].shape)
    for place in reversed(range(len(values))):
        node, value = program.nodes[place], values[place]
        if not isinstance(node, Equation) or not value.requires_grad:
            continue
        upstream = found[place]
        if dice is not None:
            upstream = upstream * (1 + NUDGE * dice.choice((-1.0, 1.0), upstream.shape))
        for arg, part in zip(node.args, gradients_of(value, upstream[()]), strict=True):
            if part is not None:
                found[arg] = found[arg] + part
    return found
