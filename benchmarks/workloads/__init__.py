"""What is timed: one record a workload, the same for every system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.workloads.checks import wide_function
from benchmarks.workloads.networks import digits, lecture, moons, wide
from benchmarks.workloads.scalars import EXPRESSION, random_graph

WORKLOADS: Mapping[str, tuple[str, Callable[[], Any]]] = {
    "W1": ("ten scalar nodes, forward and backward", lambda: EXPRESSION),
    "W2-300": ("a scalar graph of 300 nodes", lambda: random_graph(300)),
    "W2-1k": ("a scalar graph of 1,000 nodes", lambda: random_graph(1_000)),
    "W2-20k": ("a scalar graph of 20,000 nodes", lambda: random_graph(20_000)),
    "W3": ("training step, the lecture's MLP(3, [4, 4, 1]), 4 points", lecture),
    "W3-plugin": ("the same with a tanh that the user brings", lecture),
    "W4": ("training step, micrograd's moons, 2-16-16-1, 100 points", moons),
    "W5-digits": ("training step, 64-64-32-10, batch of 64", digits),
    "W5-wide": ("training step, 784-128-10, batch of 128", wide),
    "W6-small": (
        "gradient check, 12 numbers, 60 nodes",
        lambda: random_graph(60, seed=11, leaves=12, window=25),
    ),
    "W6-wide": ("gradient check, an array of 1,000 numbers", wide_function),
}
"""What it is, and how its task is made. One unit is one evaluation, training step or check."""
