"""The curves of `scaling.py`, and how a point of one is measured.

    python -m benchmarks.curves nodes 1000

measures it in this process, and prints it as JSON.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import engine
from benchmarks.adapters import ENDLESS, LIMITS, buffered, network
from benchmarks.contest import CLOCKS, one_core
from benchmarks.runner import Runner
from benchmarks.workloads.networks import wide as wide_task
from benchmarks.workloads.scalars import random_graph

clock = CLOCKS["processor"]

SAMPLES, LEAST = 9, 0.02
"""Samples of a point, and the seconds that each lasts at least."""

ROWS, BLOCK = 64, 50
"""Samples of the network whose width varies, and steps that are timed at once."""


@dataclass(frozen=True)
class Point:
    """One size: seconds of a unit, seconds to make it, and the megabytes that this took beyond what
    the process held before; `peak` is the most that the process ever held."""

    size: int
    seconds: float
    made: float
    held: float
    peak: float


@dataclass(frozen=True)
class Curve:
    """What is timed at each of some sizes. `small` is made first, so that the loading of compiled
    kernels counts for no point."""

    name: str
    what: str
    small: int
    sizes: tuple[int, ...]
    ready: Callable[[int], Runner]


def nodes(size: int) -> Runner:
    """A random scalar graph: forward and backward on its tape."""
    return buffered(random_graph(size, leaves=min(16, size // 4)))


def batch(size: int) -> Runner:
    """Steps of a 2-16-16-1 network on two moons of `size` points."""
    return _steps([16, 16, 1], {"dataset": "moons", "n": size}, "hinge")


def width(size: int) -> Runner:
    """Steps of a 64-size-10 network."""
    dice = np.random.default_rng(6)
    xs, ys = dice.uniform(0, 1, (ROWS, 64)), dice.integers(0, 10, ROWS)
    return _steps([size, 10], {"xs": xs.tolist(), "ys": ys.tolist()}, "softmax_cross_entropy")


def steps(size: int) -> Runner:
    """The whole of `train()`, `size` steps of the lecture's network, from making its tape."""
    config = engine.TrainConfig.from_dict({"steps": size}, limits=LIMITS)
    return Runner(lambda: deque(engine.train(config), maxlen=0))


def wide(size: int) -> Runner:
    """Steps of 784-128-10 on batches of `size`."""
    return network(replace(wide_task(), batch=size))


def _steps(nouts: list[int], data: dict[str, Any], loss: str) -> Runner:
    """Blocks of steps of a run without an end."""
    config = engine.TrainConfig.from_dict(
        {
            "model": {"nouts": nouts, "activation": "relu"},
            "data": data,
            "loss": loss,
            "optimizer": {"kind": "sgd", "learning_rate": 0.01},
            "steps": ENDLESS,
        },
        limits=LIMITS,
    )
    blocks = engine.train(config, block_steps=BLOCK)
    return Runner(lambda: next(blocks), units=BLOCK)


CURVES: Mapping[str, Curve] = {
    curve.name: curve
    for curve in (
        Curve(
            "nodes",
            "One evaluation of a random scalar graph, forward and backward.",
            10,
            (10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000),
            nodes,
        ),
        Curve(
            "batch",
            "One step of 2-16-16-1, relu, hinge loss, all points at once.",
            1,
            (1, 4, 16, 64, 256, 1_024, 4_096),
            batch,
        ),
        Curve(
            "width",
            "One step of 64-width-10, relu, cross-entropy, a batch of 64.",
            2,
            (4, 16, 64, 256, 1_024, 4_096),
            width,
        ),
        Curve(
            "steps",
            "All of train() for the lecture's network, from making its tape to the last step.",
            1,
            (10, 100, 1_000, 10_000, 100_000, 1_000_000),
            steps,
        ),
    )
}

LARGE = (
    Curve("nodes", "a graph of 100,000 scalar nodes, one evaluation", 10, (100_000,), nodes),
    Curve("wide", "784-128-10, batch of 128, one step", 8, (128,), wide),
)
"""Whose peak of memory is told."""

KNOWN = {curve.name: curve for curve in (*LARGE, *CURVES.values())}


def point(curve: Curve, size: int) -> Point:
    """Measure here, in a process that has done nothing else."""
    curve.ready(curve.small).run()
    before = _held()
    start = clock()
    runner = curve.ready(size)
    runner.run()
    made = clock() - start
    held = _held() - before
    calls = max(1, round(LEAST / max(_timed(runner.run, 1), 1e-9)))
    taken = statistics.median(_timed(runner.run, calls) for _ in range(SAMPLES))
    return Point(size, taken / runner.units, made, held, _peak())


def _timed(run: Callable[[], object], calls: int) -> float:
    """Seconds a call."""
    start = clock()
    for _ in range(calls):
        run()
    return (clock() - start) / calls


def _held() -> float:
    """Megabytes that the process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def _peak() -> float:
    """The most megabytes that the process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    one_core()
    name, size = sys.argv[1:]
    print(json.dumps(asdict(point(KNOWN[name], int(size)))))
