"""How a claimed number is judged: with the forward known, or from its float64 values alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np

from engine.check import blackbox
from engine.check.array_tape import work
from engine.check.claims import Claim
from engine.check.exact import Exact, of_scalars
from engine.check.linear import Linear
from engine.check.local import Unmeasured, stand_in
from engine.check.report import Component
from engine.check.rounding import ArrayRounding, Rounding
from engine.check.slopes import UNKNOWN, Slope
from engine.check.verdict import Verdict, judge
from engine.errors import InputError
from engine.methods import gradients_of
from engine.program import Equation, Evaluation, Program

Method = Literal["auto", "exact", "blackbox"]
METHODS = ("auto", "exact", "blackbox")

ARRAY = 9
"""How many scalar nodes' work an array node costs more, whatever its size."""

BALL_WORK = 1_000_000
"""Operations on balls that one exact check may take: about a second."""

RUNS = 7
"""Runs of the forward that an exact slope takes, as a rule."""


class Judge(Protocol):
    """Makes a component of a claim; `method` says how, `linear` is the linearised program where
    that was needed."""

    method: str
    linear: Linear | None

    def __call__(self, claim: Claim) -> Component: ...


class ExactJudge:
    """By the forward formulas, with as many digits as it takes."""

    method = "exact"

    def __init__(self, program: Program, evaluation: Evaluation, rtol: float) -> None:
        values = [node.value for node in evaluation.nodes]
        self._rtol = rtol
        self._exact = Exact(program, values, _stand_ins(program, values))
        self._backprop = [node.gradient for node in evaluation.nodes]
        self._rounding: Rounding | ArrayRounding
        self.linear: Linear | None = None
        if of_scalars(program, values):
            self.linear = Linear(program, values)
            self._scales: Sequence[Any] = self.linear.scales
            self._rounding = Rounding(self.linear)
        else:
            self._scales = path_scales(program, evaluation)
            self._rounding = ArrayRounding(program, values, self._backprop)

    def __call__(self, claim: Claim) -> Component:
        slope = _slope(self._exact, claim.place, claim.index)
        backprop = _entry(self._backprop[claim.place], claim.index)
        scale = _entry(self._scales[claim.place], claim.index)

        def excused(number: float, truth: float) -> bool:
            return self._rounding.excuses(number, truth, claim.place, claim.index)

        verdict = judge(claim.value, slope, self._rtol, scale, backprop, excused)
        return component(claim, slope, verdict, backprop)


class BlackBoxJudge:
    """By values of the program in float64, which nothing else is asked for."""

    method = "blackbox"
    linear: Linear | None = None

    def __init__(
        self, program: Program, evaluation: Evaluation, point: Mapping[str, Any], rtol: float
    ) -> None:
        self._program = program
        self._values = [node.value for node in evaluation.nodes]
        self._point = point
        self._rtol = rtol

    def __call__(self, claim: Claim) -> Component:
        held = self._values[claim.place]

        def forward(x: float) -> float:
            moved: Any = x
            if claim.index is not None:
                moved = held.copy()
                moved[claim.index] = x
            return self._program.value_at(self._point, {claim.place: moved})

        x = _entry(held, claim.index)
        slope = blackbox.measure(forward, x, claim.value, self._rtol)
        return component(claim, slope, blackbox.judge(claim.value, slope, self._rtol))


def judge_for(
    program: Program,
    evaluation: Evaluation,
    point: Mapping[str, Any],
    claims: Sequence[Claim],
    rtol: float,
    method: Method,
) -> Judge:
    """The judge that `method` asks for. Raises InputError where the claims are too many for it."""
    values = [node.value for node in evaluation.nodes]
    affordable = BALL_WORK // max(1, RUNS * work(program, values))
    if method == "exact" and len(claims) > affordable:
        raise _too_many(len(claims), affordable, "leave the method to Nudge, or ")
    if method != "blackbox" and len(claims) <= affordable and exactly_known(program, values):
        return ExactJudge(program, evaluation, rtol)
    arrays = [np.size(value) for value in values if np.ndim(value)]
    nodes = len(values) + ARRAY * len(arrays) + sum(arrays) // 50
    affordable = program.limits.check_work // nodes
    if len(claims) > affordable:
        raise _too_many(len(claims), affordable)
    return BlackBoxJudge(program, evaluation, point, rtol)


def exactly_known(program: Program, values: Sequence[Any]) -> bool:
    """Whether every operation has a formula, or can be stood in for."""
    return all(
        equation.op.formula is not None
        or equation.op.origin == "built-in"
        or equation.op.elementwise
        or all(np.ndim(values[place]) == 0 for place in equation.args)
        for equation in program.equations
    )


def slope_at(
    program: Program, values: Sequence[Any], place: int, index: tuple[int, ...] | None
) -> Slope:
    """The exact slope with respect to a node, or its entry at `index`, where the nodes have
    `values`; an unknown one where it cannot be told exactly."""
    if not exactly_known(program, values) or RUNS * work(program, values) > BALL_WORK:
        return Slope("smooth", UNKNOWN, UNKNOWN, UNKNOWN)
    return _slope(Exact(program, values, _stand_ins(program, values)), place, index)


def _slope(exact: Exact, place: int, index: tuple[int, ...] | None) -> Slope:
    try:
        return exact.slope(place, index)
    except Unmeasured:
        return Slope("smooth", UNKNOWN, UNKNOWN, UNKNOWN)


def component(
    claim: Claim, slope: Slope, verdict: Verdict, backprop: float | None = None
) -> Component:
    """A claim beside the slope that it was judged by."""
    known = slope.kind == "smooth" and math.isfinite(slope.both.slope)
    reference = slope.both.slope + 0.0 if known else None  # no -0.0
    relative = None
    if reference is not None:
        gap = abs(claim.value - reference)
        relative = gap / abs(reference) if reference else (0.0 if gap == 0 else math.inf)
    return Component(
        input=claim.name,
        index=claim.index,
        claim=claim.value,
        reference=reference,
        error_bound=slope.both.bound if known else None,
        relative_error=relative,
        verdict=verdict,
        slopes=None if slope.kind == "smooth" else (slope.left.slope, slope.right.slope),
        backprop=backprop if verdict is Verdict.ROUNDING else None,
        evaluations=slope.evaluations,
    )


def label(claim: Claim) -> Component:
    """A claim on what is a name rather than a number, such as the class of a sample."""
    none = Slope("edge", UNKNOWN, UNKNOWN, UNKNOWN)
    return component(claim, none, Verdict.NOT_DIFFERENTIABLE)


def unjudged(claim: Claim) -> Component:
    """A claim on a program that has no finite value."""
    return Component(claim.name, claim.index, claim.value, None, None, None, Verdict.NON_FINITE)


def path_scales(program: Program, evaluation: Evaluation) -> list[Any]:
    """For each node, the sum over all paths to the output of |product of local derivatives|: what
    its gradient would be if nothing cancelled (a running error analysis, Wilkinson 1963)."""
    point = {node.name: node.value for node in evaluation.nodes if node.op == "input"}
    values = program.run(point)
    scales: list[Any] = [0.0] * len(values)
    scales[program.place] = np.ones(values[program.place].shape)
    for place in reversed(range(len(values))):
        node, value = program.nodes[place], values[place]
        if not isinstance(node, Equation) or not value.requires_grad:
            continue
        parts = gradients_of(value, np.broadcast_to(scales[place], value.shape)[()])
        for arg, part in zip(node.args, parts, strict=True):
            if part is not None:
                scales[arg] = scales[arg] + np.abs(
                    np.nan_to_num(part, posinf=np.inf, neginf=np.inf)
                )
    return [
        np.broadcast_to(scale, value.shape) for scale, value in zip(scales, values, strict=True)
    ]


def _stand_ins(program: Program, values: Sequence[Any]) -> Any:
    def of(place: int) -> Any:
        equation = program.nodes[place]
        assert isinstance(equation, Equation)
        return stand_in(equation, values[place], [values[arg] for arg in equation.args])

    return of


def _entry(x: Any, index: tuple[int, ...] | None) -> float:
    return float(x if index is None else x[index])


def _too_many(count: int, affordable: int, before: str = "") -> InputError:
    return InputError(
        f"to check {count} numbers at once is too much for an expression of this size",
        code="too_many_components",
        pointer="/claimed",
        hint=f"{before}claim at most about {max(1, affordable)} numbers at a time, or use "
        "smaller arrays",
    )
