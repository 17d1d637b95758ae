"""What the engine is to reach: one row a goal, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Times = Mapping[str, float]
"""A figure for each system that ran: microseconds a unit, seconds, or requests a second."""


@dataclass(frozen=True)
class Target:
    """`ours` on a workload, against the best of the systems in `against`; `ours` alone is measured
    as it is. Lower is better unless `more`."""

    workload: str
    what: str
    ours: str
    against: tuple[str, ...]
    goal: float
    stretch: float
    more: bool = False

    def best(self, times: Times) -> str | None:
        """The system to beat; None where there is none, or none ran."""
        ran = [system for system in self.against if system in times]
        pick = max if self.more else min
        return pick(ran, key=times.__getitem__) if ran else None

    def figure(self, times: Times) -> float | None:
        """Ours over the best of the others, or ours alone; None where it cannot be told."""
        if self.ours not in times:
            return None
        if not self.against:
            return times[self.ours]
        best = self.best(times)
        return times[self.ours] / times[best] if best else None

    def verdict(self, figure: float | None) -> str:
        """In a word or two: stretch, pass, falls short, or not measured."""
        if figure is None:
            return "not measured"
        sign = -1 if self.more else 1
        if sign * figure <= sign * self.stretch:
            return "stretch"
        return "pass" if sign * figure <= sign * self.goal else "falls short"


CALLED = (
    *("casadi", "micrograd", "torch eager", "torch.compile", "jax jit", "jax jit floats"),
    *("jax jit no fusion", "autograd", "tinygrad"),
)
"""Called from Python for each evaluation."""

FASTEST = (*CALLED, "casadi buffer")

TRAINED = (
    *("micrograd", "torch eager", "torch lean", "torch.compile", "jax jit step", "jax scan"),
    *("autograd", "tinygrad"),
)

BROUGHT = (
    *("micrograd", "torch autograd.Function", "jax callback step", "jax callback scan"),
    "autograd primitive",
)
"""Networks whose tanh is a Python function of the user's."""

WHOLE = ("micrograd loop", "torch gradcheck", "jax vmap by hand")
"""Check every number of the gradient. numpy's differences compute no gradient to check."""

DIRECTION = ("torch gradcheck fast", "jax check_grads jit", "autograd check_grads")
"""Check along one random direction."""

ECHO = "bare Flask"
START = "process start"
WEB = "W7"

TARGETS = (
    Target("W1", "10 nodes, evaluate()", "nudge", CALLED, 0.30, 0.15),
    Target("W1", "10 nodes, made anew of Values", "nudge eager", ("micrograd",), 0.40, 0.35),
    Target("W2-300", "300 nodes, made anew of Values", "nudge eager", ("micrograd",), 0.48, 0.42),
    Target("W2-1k", "1,000 nodes, made anew of Values", "nudge eager", ("micrograd",), 0.48, 0.42),
    Target("W2-300", "300 nodes, preset buffers", "nudge buffer", FASTEST, 1.1, 0.9),
    Target("W2-1k", "1,000 nodes, preset buffers", "nudge buffer", FASTEST, 0.75, 0.6),
    Target("W2-20k", "20,000 nodes, preset buffers", "nudge buffer", FASTEST, 0.9, 0.75),
    Target("W3", "the lecture's MLP, a step", "nudge", TRAINED, 0.40, 0.33),
    Target("W4", "micrograd's moons, a step", "nudge", TRAINED, 0.83, 0.60),
    Target("W5-digits", "64-64-32-10, batch 64, a step", "nudge", TRAINED, 0.80, 0.70),
    Target("W5-wide", "784-128-10, batch 128, a step", "nudge", TRAINED, 1.05, 0.95),
    Target("W6-small", "12 numbers, whole check", "nudge", WHOLE, 0.35, 0.25),
    Target("W6-wide", "1,000 numbers, whole check", "nudge", WHOLE, 0.45, 0.35),
    Target("W6-wide", "1,000 numbers, a direction", "nudge direction", DIRECTION, 0.20, 0.15),
    Target("W3-plugin", "the MLP, tanh in Python", "nudge python op", BROUGHT, 0.07, 0.05),
    Target("W3-plugin", "the MLP, tanh a formula", "nudge formula op", ("nudge",), 1.3, 1.1),
    Target(START, "seconds to a first training result", "nudge", (), 1.2, 0.9),
    Target(WEB, "POST /evaluations, ten nodes", "evaluations", (ECHO,), 0.35, 0.5, more=True),
    Target(WEB, "the same, never seen before", "evaluations, new", (ECHO,), 0.35, 0.5, more=True),
    Target(WEB, "POST /gradchecks, a stored row", "gradchecks", (ECHO,), 0.05, 0.1, more=True),
    Target(WEB, "the same, never seen before", "gradchecks, new", (ECHO,), 0.05, 0.1, more=True),
)
