"""Evaluation: a program at a point. Details of the nodes are worked out when somebody looks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import Position


@dataclass(frozen=True, slots=True)
class Node:
    """What one node of a program came to. `op` is "input", "constant" or the name of an op;
    `gradient` is None for a constant, and where no gradients were computed."""

    name: str
    op: str
    inputs: tuple[str, ...]
    value: Any
    gradient: Any
    position: Position


Nodes = tuple[Node, ...]


class Evaluation:
    """A program at a point: its value, the gradient of each input and every node.

    `value` is the output (a float, or an array of one number), `gradients` map each input to an
    array of its shape, or a float. `non_finite` is the first node whose value or gradient is
    infinite or not a number, and `reason` says in words what happened there.
    """

    non_finite: Node | None = None
    reason: str | None = None

    def __init__(
        self, value: Any, gradients: Mapping[str, Any], nodes: Callable[[], Nodes]
    ) -> None:
        self.value = value
        self.gradients = gradients
        self._nodes = nodes

    @functools.cached_property
    def nodes(self) -> Nodes:
        """Every node, in the order of the program. They are computed when first asked for."""
        return self._nodes()

    def __repr__(self) -> str:
        return f"Evaluation(value={self.value!r}, gradients={dict(self.gradients)!r})"
