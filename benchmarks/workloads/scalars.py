"""Scalar expressions: a short one (W1), and random graphs of any size (W2, W6).

A task has `leaves`, the numbers it starts from, and `output(leaves, functions)`, which works on any
type that adds and multiplies; `functions` maps tanh, exp and sin to those of the type.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Functions = Mapping[str, Callable[[Any], Any]]

FUNCTIONS: Functions = {"tanh": math.tanh, "exp": math.exp, "sin": math.sin}
"""On Python's floats."""

LARGEST = 2.0
"""No node of a random graph leaves [-2, 2], so that nothing overflows at any size."""

Step = tuple[str, int, int]
"""The name of an operation and the places of its operands; the second is spare with one."""


class Expression:
    """t = tanh((a b + c) f); y = t t + a: four leaves and six operations."""

    leaves = (2.0, -3.0, 10.0, -0.2)

    def output(self, leaves: Sequence[Any], functions: Functions) -> Any:
        a, b, c, f = leaves
        t = functions["tanh"]((a * b + c) * f)
        return t * t + a


EXPRESSION = Expression()


@dataclass(frozen=True)
class Graph:
    """Operations in order; place k is leaf k, then the result of operation k - len(leaves)."""

    leaves: Sequence[float]
    ops: Sequence[Step]

    def output(self, leaves: Sequence[Any], functions: Functions) -> Any:
        """The last result."""
        values = list(leaves)
        for name, i, j in self.ops:
            if name == "add":
                values.append(values[i] + values[j])
            elif name == "mul":
                values.append(values[i] * values[j])
            else:
                values.append(functions[name](values[i]))
        return values[-1]


def random_graph(nodes: int, seed: int = 7, leaves: int = 16, window: int = 60) -> Graph:
    """A graph of `nodes` nodes, leaves included, whose output depends on every one of them.

    Operands are drawn from the last `window` nodes; four in eleven operations each are add and mul,
    the others tanh, exp and sin. The end adds up whatever nothing has used.
    """
    dice = random.Random(seed)
    start = [dice.uniform(-1, 1) for _ in range(leaves)]
    values, ops, unused = list(start), [], dict.fromkeys(range(leaves))

    def append(name: str, i: int, j: int) -> None:
        unused.pop(i, None)
        if name in ("add", "mul"):
            unused.pop(j, None)
        unused[len(values)] = None
        ops.append((name, i, j))
        values.append(_apply(name, values[i], values[j]))

    while len(values) + len(unused) - 1 < nodes:
        low = max(0, len(values) - window)
        i, j = dice.randrange(low, len(values)), dice.randrange(low, len(values))
        name = dice.choices(("add", "mul", "tanh", "exp", "sin"), (4, 4, 1, 1, 1))[0]
        if abs(_apply(name, values[i], values[j])) <= LARGEST:
            append(name, i, j)
    total, *rest = list(unused)
    for place in rest:
        append("add", total, place)
        total = len(values) - 1
    return Graph(start, ops)


def _apply(name: str, a: float, b: float) -> float:
    if name == "add":
        return a + b
    return a * b if name == "mul" else FUNCTIONS[name](a)
