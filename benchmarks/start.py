"""A fresh process up to its first training result: Nudge and who else trains.

    python -m benchmarks.start

The clock runs from before the interpreter starts until the process has ended.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from benchmarks.contest import ONE_THREAD, one_core
from benchmarks.targets import START

ROUNDS = 7

NUDGE = """
import engine
config = engine.TrainConfig.from_dict({"steps": 1000})
print(next(engine.train(config)).series["loss"][-1])
"""

TORCH = """
import torch
x, y = torch.randn(4, 3), torch.ones(4, 1)
net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
loss = ((net(x) - y) ** 2).sum()
loss.backward()
print(loss.item())
"""

JAX = """
import jax, jax.numpy as np
def loss(w, b, v): return np.sum((np.tanh(np.ones((4, 3)) @ w + b) @ v - 1) ** 2)
print(jax.jit(jax.value_and_grad(loss))(np.ones((3, 4)), np.ones(4), np.ones((4, 1)))[0])
"""

SCRIPTS = {"nudge": NUDGE, "torch eager": TORCH, "jax jit": JAX}


def measure() -> tuple[dict[str, list[float]], list[str]]:
    """Seconds of each start, and what else is worth a line. One start warms the disk first."""
    seconds: dict[str, list[float]] = {}
    for system, script in SCRIPTS.items():
        try:
            _start(script)
            seconds[system] = [_start(script) for _ in range(ROUNDS)]
        except subprocess.CalledProcessError as error:
            print(f"{START}: {system} failed: {error.stderr.strip().splitlines()[-1]}")
    if "nudge" not in seconds:
        return seconds, []
    with tempfile.TemporaryDirectory() as empty:
        cold = _start(NUDGE, NUDGE_CACHE_DIR=empty)
    return seconds, [f"The very first start, which compiles all it needs, took {cold:.1f} s."]


def _start(script: str, **environment: str) -> float:
    """Seconds of one process."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | ONE_THREAD | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return time.perf_counter() - start


def _lines() -> Iterator[str]:
    seconds, notes = measure()
    for system, taken in seconds.items():
        yield f"{system}: {statistics.median(taken):.2f} s, at least {min(taken):.2f}"
    yield from notes


if __name__ == "__main__":
    one_core()
    print("\n".join(_lines()))
