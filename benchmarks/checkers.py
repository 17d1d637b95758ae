"""Each checker of gradients as its own documentation says to call it: one record, one function.

A checker is handed a case and its claims, and says of each claim what it makes of it. What a peer
cannot say stays unsaid: a peer accepts or refuses.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from benchmarks.cases import Case, Claim
from benchmarks.expressions import Function, function
from engine import check
from engine.check import TOLERANCES

ACCEPTED, REFUSED = "pass", "fail"


@dataclass(frozen=True, slots=True)
class Judged:
    """What a checker said of one claim: the verdict in our words, how long it took, and how often
    it evaluated the function."""

    verdict: str
    milliseconds: float
    evaluations: int


Judge = Callable[[Case, Claim, str], Judged]


@dataclass(frozen=True, slots=True)
class Checker:
    """A checker by name, and how it is called in one sentence. `told` says that it is told the
    tolerance, so that it has to be asked once for each."""

    name: str
    how: str
    judge: Judge
    told: bool = False


class Counted:
    """A function that counts how often it is called."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.calls = 0

    def __call__(self, *args: Any) -> Any:
        self.calls += 1
        return self.function(*args)


@cache
def stated(source: str, names: tuple[str, ...], library: str) -> Function:
    """The function of a case; compiling it is no part of the time measured."""
    return function(source, names, library)


def accepting(call: Callable[[Counted], bool], case: Case, library: str) -> Judged:
    """What `call` makes of the function of the case."""
    counted = Counted(stated(case.source, tuple(case.at), library))
    start = time.perf_counter()
    try:
        accepted = call(counted)
    except AssertionError:  # how jax refuses
        accepted = False
    spent = 1e3 * (time.perf_counter() - start)
    return Judged(ACCEPTED if accepted else REFUSED, spent, counted.calls)


# -- torch and jax -----------------------------------------------------------------------------


def torch_gradcheck(case: Case, claim: Claim, tolerance: str) -> Judged:
    import torch

    claims = tuple(claim.gradient.values())
    counted: Counted

    class Claimed(torch.autograd.Function):
        """The function of the case, whose backward is the claim."""

        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            return counted(*inputs)

        @staticmethod
        def backward(ctx: Any, upstream: Any) -> Any:
            return tuple(upstream * number for number in claims)

    def call(function: Counted) -> bool:
        nonlocal counted
        counted = function
        return bool(torch.autograd.gradcheck(Claimed.apply, inputs, raise_exception=False))

    inputs = tuple(
        torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in case.at.values()
    )
    return accepting(call, case, "torch")


def jax_check_grads(case: Case, claim: Claim, tolerance: str) -> Judged:
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)
    claims = tuple(claim.gradient.values())

    def call(function: Counted) -> bool:
        claimed = jax.custom_vjp(function)
        claimed.defvjp(
            lambda *inputs: (function(*inputs), None),
            lambda _, upstream: tuple(upstream * number for number in claims),
        )
        check_grads(claimed, inputs, order=1, modes=["rev"])
        return True

    inputs = tuple(jax.numpy.asarray(x, dtype=jax.numpy.float64) for x in case.at.values())
    return accepting(call, case, "jax")


# -- differences of numpy ----------------------------------------------------------------------


def central(f: Function, x: list[float], i: int) -> float:
    h = 1e-5
    return (f(*_nudged(x, i, h)) - f(*_nudged(x, i, -h))) / (2 * h)


def forward(f: Function, x: list[float], i: int) -> float:
    h = 0.001
    return (f(*_nudged(x, i, h)) - f(*x)) / h


def _nudged(x: list[float], i: int, h: float) -> list[float]:
    return [*x[:i], x[i] + h, *x[i + 1 :]]


def by_difference(difference: Callable[..., float], limit: float) -> Judge:
    """Accept where |claim - slope| / max(|claim|, |slope|) is below `limit` for every input."""

    def judge(case: Case, claim: Claim, tolerance: str) -> Judged:
        x = [np.float64(number) for number in case.at.values()]

        def call(function: Counted) -> bool:
            slopes = [difference(function, x, i) for i in range(len(x))]
            return all(
                abs(given - slope) < limit * max(abs(given), abs(slope)) or given == slope
                for given, slope in zip(claim.gradient.values(), slopes, strict=True)
            )

        return accepting(call, case, "numpy")

    return judge


def numdifftools_gradient(case: Case, claim: Claim, tolerance: str) -> Judged:
    import numdifftools

    x = np.array(list(case.at.values()))
    given = np.array(list(claim.gradient.values()))

    def call(function: Counted) -> bool:
        gradient = numdifftools.Gradient(lambda point: function(*point), full_output=True)
        found = gradient(x)
        allowed = TOLERANCES[tolerance] * np.abs(found.estimate) + found.error_estimate
        return bool(np.all(np.abs(given - found.estimate) <= allowed))

    return accepting(call, case, "numpy")


# -- ours --------------------------------------------------------------------------------------


def nudge(method: Literal["exact", "blackbox"]) -> Judge:
    def judge(case: Case, claim: Claim, tolerance: str) -> Judged:
        start = time.perf_counter()
        report = check(case.program, case.at, claim.gradient, tolerance, method=method)
        spent = 1e3 * (time.perf_counter() - start)
        return Judged(str(report.verdict), spent, report.evaluations)

    return judge


PEERS: tuple[Checker, ...] = (
    Checker(
        "torch `gradcheck`",
        "`torch.autograd.gradcheck` with its defaults (central differences with h = 1e-6, "
        "atol 1e-5, rtol 1e-3) on float64 scalars; the claim is what the `backward` of a "
        "`torch.autograd.Function` returns, times the upstream gradient.",
        torch_gradcheck,
    ),
    Checker(
        "jax `check_grads`",
        '`jax.test_util.check_grads(f, inputs, order=1, modes=["rev"])` with its defaults (one '
        "random direction, h = 1e-4, atol and rtol 1e-5) and x64 enabled, without jit; the claim "
        "is the backward rule of a `jax.custom_vjp`.",
        jax_check_grads,
    ),
    Checker(
        "central, h = 1e-5",
        "central differences with h = 1e-5 on float64, accepted where the error relative to the "
        "larger of both is below 1e-4 for every input: the advice of the CS231n notes.",
        by_difference(central, 1e-4),
    ),
    Checker(
        "forward, h = 0.001",
        "the nudge of the lecture: (f(x + h) - f(x)) / h with h = 0.001, accepted where the error "
        "relative to the larger of both is below 1e-2 for every input.",
        by_difference(forward, 1e-2),
    ),
    Checker(
        "numdifftools",
        "`numdifftools.Gradient(f, full_output=True)` with its defaults (central, adaptive steps, "
        "Richardson extrapolation), accepted where |claim - slope| is at most the tolerance times "
        "|slope| plus the error estimate that it gives, for every input.",
        numdifftools_gradient,
        told=True,
    ),
)

OURS: tuple[Checker, ...] = (
    Checker(
        "**Nudge, expression known**",
        '`engine.check(program, at, claimed, tolerance, method="exact")`; the time includes the '
        "diagnosis of what is wrong.",
        nudge("exact"),
        told=True,
    ),
    Checker(
        "**Nudge, black box**",
        '`engine.check(program, at, claimed, tolerance, method="blackbox")`: the float64 values '
        "of the function alone; the time includes the diagnosis.",
        nudge("blackbox"),
        told=True,
    ),
)
