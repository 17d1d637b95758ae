"""micrograd's demo, by micrograd and by Nudge in four ways: `./run bench moons`.

Two moons of 100 points, a network of 337 parameters (2-16-16-1, relu), hinge loss and L2, 100 steps
of gradient descent with a falling rate. Every way starts from the same numbers; their curves must
agree. Each does a stretch of steps in turn, in one process on one core; processor time.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

import engine
from benchmarks.contest import CLOCKS, DEPTH, one_core
from benchmarks.peers.micrograd import value_class
from benchmarks.results import SECTIONS, circumstances, put, short, table
from engine.nn import MLP
from engine.ops.losses import hinge

clock = CLOCKS["processor"]

STEPS = 100
SIZES = (2, 16, 16, 1)
L2 = 1e-4
SEED = 1337
AGREED = 1e-9
"""Largest difference between the curves."""

CONFIG = engine.TrainConfig.from_dict(
    {
        "model": {"nin": 2, "nouts": list(SIZES[1:]), "activation": "relu"},
        "data": {"dataset": "moons", "n": 100, "noise": 0.1, "seed": 1},
        "loss": "hinge",
        "optimizer": {"kind": "sgd", "learning_rate": 1.0},
        "schedule": {"kind": "linear", "end": 0.1},
        "steps": STEPS,
        "l2": L2,
        "seed": SEED,
    }
)

Losses = Iterator[float]


def rate(k: int) -> float:
    """1 at first, a little above 0.1 at last."""
    return 1.0 - 0.9 * k / STEPS


def network() -> MLP:
    """The start values, the same for all."""
    return MLP(SIZES[0], list(SIZES[1:]), "relu", "linear", seed=SEED)


def start() -> list[float]:
    """The parameters one by one: for each neuron its weights and its bias."""
    rows = (np.column_stack([layer.weight.data, layer.bias.data]) for layer in network().layers)
    return [number for row in rows for number in row.ravel().tolist()]


def objective(parameters: Sequence[Any]) -> Any:
    """The loss of all points as the demo computes it, on one Value for each number."""
    left = iter(parameters)
    layers = [
        [([next(left) for _ in range(nin)], next(left)) for _ in range(nout)]
        for nin, nout in pairwise(SIZES)
    ]
    losses = []
    for x, y in zip(*(array.tolist() for array in CONFIG.samples), strict=True):
        for layer in layers:
            x = [sum((wi * xi for wi, xi in zip(w, x, strict=True)), b) for w, b in layer]
            if layer is not layers[-1]:
                x = [z.relu() for z in x]
        losses.append((1 + -y * x[0]).relu())
    return sum(losses) * (1.0 / len(losses)) + L2 * sum(p * p for p in parameters)


def scalars(value: Any) -> Losses:
    """The demo as it stands in micrograd; serves both."""
    parameters = [value(number) for number in start()]
    for k in range(STEPS):
        loss = objective(parameters)
        for p in parameters:
            p.grad = 0.0
        loss.backward()
        for p in parameters:
            p.data -= rate(k) * p.grad
        yield loss.data


def traced() -> Losses:
    """The same scalars, traced once into a program, which then runs compiled."""
    tape = engine.trace(lambda *parameters: objective(parameters), *start()).compile()
    for k in range(STEPS):
        tape.run()
        yield tape.value
        tape.point -= rate(k) * tape.gradient


def arrays() -> Losses:
    """By `MLP`: a Value for each array."""
    model = network()
    xs, ys = CONFIG.samples
    for k in range(STEPS):
        loss = hinge(model(xs), ys)
        for p in model.parameters():
            loss = loss + L2 * (p * p).sum()
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= rate(k) * p.grad
        yield loss.item()


def trained() -> Losses:
    """By `train()`: the loop itself is compiled."""
    for block in engine.train(CONFIG):
        yield from block.series["loss"].tolist()


WAYS: Mapping[str, Callable[[], Losses]] = {
    "micrograd, scalars": lambda: scalars(value_class()),
    "nudge, scalars": lambda: scalars(engine.Value),
    "nudge, scalars traced": traced,
    "nudge, MLP": arrays,
    "nudge, train()": trained,
}


def measure(steps: int) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Seconds and losses of each way; a tenth of the steps is done before the next has its turn."""
    deque(trained(), maxlen=0)  # loads what is compiled, which is kept on disk
    runs = {way: make() for way, make in WAYS.items()}
    seconds, losses = dict.fromkeys(WAYS, 0.0), {way: [] for way in WAYS}
    stretch = max(1, steps // 10)
    for done in range(0, steps, stretch):
        print(f"  {done} of {steps} steps", flush=True)
        for way, run in runs.items():
            gc.collect()
            gc.freeze()  # one way's graph is not another's to look through
            began = clock()
            for _ in range(min(stretch, steps - done)):
                losses[way].append(next(run))
            seconds[way] += clock() - began
    return seconds, losses


def document(seconds: Mapping[str, float], losses: Mapping[str, Sequence[float]]) -> str:
    first = next(iter(seconds))
    head = ("written with", "seconds", "times micrograd's", "last loss", "curve differs by")
    rows = [
        [
            way,
            short(taken),
            short(taken / seconds[first]),
            f"{losses[way][-1]:.12f}",
            f"{difference(losses[way], losses[first]):.0e}",
        ]
        for way, taken in seconds.items()
    ]
    return f"{circumstances()}\n{' '.join((__doc__ or '').split())}\n\n{table(head, rows)}"


def difference(curve: Sequence[float], other: Sequence[float]) -> float:
    """The largest, over all steps."""
    return float(np.max(np.abs(np.subtract(curve, other))))


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench moons", description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS, help="the first STEPS only")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    asked = parser.parse_args()
    one_core()
    sys.setrecursionlimit(DEPTH)  # micrograd orders its graph by recursion
    seconds, losses = measure(asked.steps)
    text = document(seconds, losses)
    print(text)
    apart = [
        way for way in WAYS if not difference(losses[way], losses["micrograd, scalars"]) <= AGREED
    ]
    if apart:
        sys.exit(f"The curves differ: {', '.join(apart)}")
    if asked.write and asked.steps == STEPS:
        put(SECTIONS[2], text)


if __name__ == "__main__":
    main()
