"""Systems side by side on one workload: interleaved in one process, held to one core.

    python -m benchmarks.contest W3 --rounds 15 --only nudge,jax

prints one JSON line a system. A system enters with an adapter, `make(task) -> Runner`, listed under
its workload in the `ADAPTERS` of a module. What `make` does (imports, tracing, compilation) is not
part of the timed unit, and neither is the first run.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.runner import Adapter, Runner
from benchmarks.workloads import WORKLOADS

SYSTEMS = (
    *("by_hand", "casadi", "micrograd", "torch", "jax", "jax_checks", "autograd", "tinygrad"),
    "nudge",
)
"""Modules with ADAPTERS; the first system that tells its numbers is the reference for all."""

AGREED = 1e-9
"""Largest relative difference from the reference at which two systems did the same work."""

ONE_THREAD: Mapping[str, str] = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
}
"""To be set before a process starts: libraries read it as they load."""

Clock = Callable[[], float]

CLOCKS: Mapping[str, Clock] = {"wall": time.perf_counter, "processor": time.process_time}
"""The second does not count what other processes take of the core, all threads of ours together."""

DEPTH = 1_000_000
"""micrograd orders its graph by recursion."""


@dataclass
class Entry:
    """What became of a system on a workload; times in microseconds a unit."""

    workload: str
    system: str
    median: float | None = None
    least: float | None = None
    build_seconds: float | None = None
    first_seconds: float | None = None
    difference: float | None = None
    note: str = ""
    error: str = ""
    samples: list[float] = field(default_factory=list, repr=False)

    @property
    def ran(self) -> bool:
        return not self.error


def adapters(workload: str) -> list[Adapter]:
    """Everybody who takes part in a workload."""
    found: list[Adapter] = []
    for name in SYSTEMS:
        module = "benchmarks.adapters" if name == "nudge" else f"benchmarks.peers.{name}"
        found += import_module(module).ADAPTERS.get(workload, [])
    return found


def contest(
    workload: str, wanted: Iterable[Adapter], rounds: int, least: float, clock: Clock
) -> list[Entry]:
    """Time all adapters in rounds of samples that last at least `least` seconds each."""
    _, make_task = WORKLOADS[workload]
    task = make_task()
    entries, ready, reference = [], [], None
    for system, make in wanted:
        entry = Entry(workload, system)
        entries.append(entry)
        try:
            start = time.perf_counter()
            runner = make(task)
            built = time.perf_counter()
            runner.run()
            entry.build_seconds = built - start
            entry.first_seconds = time.perf_counter() - built
            entry.note = runner.note
            if runner.check:
                numbers = np.array(runner.check(), dtype=float).ravel()
                reference = numbers if reference is None else reference
                entry.difference = _difference(numbers, reference)
                if not entry.difference <= AGREED:
                    raise ArithmeticError(f"differs from the reference by {entry.difference:.1e}")
            ready.append((entry, runner, _calls(runner.run, least, clock)))
        except Exception as error:  # a peer that cannot do it is a result too
            entry.error = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    _interleave(ready, rounds, clock)
    return entries


def _interleave(ready: Sequence[tuple[Entry, Runner, int]], rounds: int, clock: Clock) -> None:
    """Each round samples every system once and starts with the next one."""
    gc.collect()
    gc.freeze()
    for turn in range(rounds):
        for i in range(len(ready)):
            entry, runner, calls = ready[(i + turn) % len(ready)]
            taken = _sample(runner.run, calls, clock)
            entry.samples.append(taken / calls / runner.units * 1e6)
    for entry, _, _ in ready:
        entry.median, entry.least = statistics.median(entry.samples), min(entry.samples)


def _sample(run: Callable[[], object], calls: int, clock: Clock) -> float:
    start = clock()
    for _ in range(calls):
        run()
    return clock() - start


def _calls(run: Callable[[], object], least: float, clock: Clock) -> int:
    """How many calls last `least` seconds."""
    calls = 1
    while (took := _sample(run, calls, clock)) < least:
        calls = max(calls + 1, int(calls * min(10.0, 1.3 * least / max(took, 1e-7))))
    return calls


def _difference(numbers: Any, reference: Any) -> float:
    """The largest relative difference; infinite between arrays of different sizes."""
    if numbers.shape != reference.shape:
        return float("inf")
    scale = np.maximum(np.maximum(np.abs(numbers), np.abs(reference)), 1e-8)
    return float(np.max(np.abs(numbers - reference) / scale))


def one_core() -> None:
    """Stay on the last core that this process may use. XLA heeds nothing but this."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contest", description=__doc__)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--milliseconds", type=float, default=20.0, help="least time of a sample")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--only", default="", help="systems whose name has one of these in it")
    asked = parser.parse_args()
    one_core()
    sys.setrecursionlimit(DEPTH)
    parts = asked.only.split(",")
    wanted = [a for a in adapters(asked.workload) if any(part in a[0] for part in parts)]
    clock, least = CLOCKS[asked.clock], asked.milliseconds / 1e3
    for entry in contest(asked.workload, wanted, asked.rounds, least, clock):
        line = asdict(entry)
        del line["samples"]
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
