"""How a claimed number is judged: with the forward known, or from its float64 values alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np

from engine.check import blackbox
from engine.check.array_tape import known_on_balls, work
from engine.check.claims import Claim
from engine.check.exact import Exact, of_scalars
from engine.check.floors import array_floors
from engine.check.linear import DRAWS, Linear
from engine.check.local import Unmeasured, guarded, stand_in
from engine.check.report import Component
from engine.check.rounding import REPRODUCED, ArrayRounding, Rounding
from engine.check.scan import CAP
from engine.check.slopes import UNKNOWN, Slope
from engine.check.verdict import Verdict, judge
from engine.errors import InputError
from engine.evaluation import Evaluation
from engine.program import Constant, Equation, Input, Program

Method = Literal["auto", "exact", "blackbox"]
METHODS = ("auto", "exact", "blackbox")

ARRAY = 9
"""How many scalar nodes' work an array node costs more, whatever its size."""

BALL_WORK = 500_000
"""Operations on balls that one exact check may take: about a second, at ordinary inputs."""

RUNS = 7
"""Runs of the forward that an exact slope takes, as a rule."""

PROBES = 200_000
"""Calls of operations without a formula that one exact check may take."""

ENTRIES = 50
"""Arrays with more entries are not looked at again for claims of 0."""

SHORT = 2.0**20
"""A number that is whole after twenty doublings was written exactly."""

TYPED = 1e-3
"""How closely, at most, a claim typed by hand has to be what float64 backpropagation gives."""

MOVED = 2.0**-30
"""By how much, relatively, numbers are moved that float64 had to round."""

LAST_DIGITS = 4 * 2.0**-53 / MOVED
"""The share of what that does to a slope which their last digits can do."""


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
        self._values = values = [node.value for node in evaluation.nodes]
        self._program = program
        self._evaluation = evaluation
        self._rtol = rtol
        self._exact = Exact(program, values, _stand_ins(program, values))
        self._backprop = [node.gradient for node in evaluation.nodes]
        self._rounding: Rounding | ArrayRounding
        self.linear: Linear | None = None
        if of_scalars(program, values):
            self.linear = Linear(program, values)
            self._rounding = Rounding(self.linear, self._exact)
        else:
            self._rounding = ArrayRounding(program, values, self._backprop)

    def __call__(self, claim: Claim) -> Component:
        slope = _slope(self._exact, claim.place, claim.index)
        backprop = _entry(self._backprop[claim.place], claim.index)

        def floor() -> float:
            return _entry(self._floors[claim.place], claim.index)

        closeness = max(REPRODUCED, min(self._rtol, TYPED))

        def excused(number: float, truth: float) -> bool:
            if number == 0 and self._vanishes(truth, claim):
                return True
            return self._rounding.excuses(number, truth, claim.place, claim.index, closeness)

        verdict = judge(claim.value, slope, self._rtol, backprop, floor, excused)
        return component(claim, slope, verdict, backprop)

    def _vanishes(self, truth: float, claim: Claim) -> bool:
        """Whether a slope may be 0 for the numbers as they were written: those that float64 had to
        round, such as 0.1 or math.pi, are moved a little, and the slope with them."""
        if claim.index is not None and np.size(self._values[claim.place]) > ENTRIES:
            return False
        slopes = (_slope(exact, claim.place, claim.index).both.slope for exact in self._nearby)
        gaps = (abs(slope - truth) for slope in slopes if math.isfinite(slope))
        return any(abs(truth) <= LAST_DIGITS * gap for gap in gaps)

    @cached_property
    def _nearby(self) -> list[Exact]:
        """The program with its rounded numbers moved, a few times over."""
        dice = np.random.default_rng(0)
        found = []
        for _ in range(DRAWS):
            moved = [
                _moved(value, dice) if isinstance(node, Input | Constant) else value
                for node, value in zip(self._program.nodes, self._values, strict=True)
            ]
            stand_ins = _stand_ins(self._program, self._values)
            found.append(Exact(self._program, moved, stand_ins))
        return found

    @cached_property
    def _floors(self) -> Sequence[Any]:
        if self.linear is not None:
            return self.linear.floors
        return array_floors(self._program, self._evaluation)


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

        @guarded
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
    if probes(program, values) > PROBES:
        affordable = 0
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


def probes(program: Program, values: Sequence[Any]) -> int:
    """How often operations without a formula may be called to be stood in for."""
    return CAP * sum(
        int(np.size(values[place]))
        for place, node in enumerate(program.nodes)
        if isinstance(node, Equation) and not known_on_balls(node)
    )


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


def _stand_ins(program: Program, values: Sequence[Any]) -> Any:
    def of(place: int) -> Any:
        equation = program.nodes[place]
        assert isinstance(equation, Equation)
        return stand_in(equation, values[place], [values[arg] for arg in equation.args])

    return of


def _moved(value: Any, dice: np.random.Generator) -> Any:
    """The numbers moved that have too many binary digits to have been written exactly."""
    array = np.asarray(value)
    rounded = np.mod(array * SHORT, 1) != 0
    found = array * (1 + MOVED * rounded * dice.standard_normal(array.shape))
    return float(found) if value.__class__ is float else found


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
