"""One backward rule against the slopes of its forward: every trial, and what they come to.

The slopes come from the forward alone; the rule itself is worked out on balls, with the exact
output, so that a right formula is right however few digits float64 would keep of it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.balls import evaluate
from engine.check.exact import formula_slope
from engine.check.rule.kinks import Point
from engine.check.rule.points import Places
from engine.check.rule.work import Work, run_cost, slope_cost
from engine.check.slopes import Slope
from engine.domain import Domain
from engine.errors import InputError
from engine.exam.points import worked_out
from engine.formula import Formula

UPSTREAMS = ((2.0, -3.0), (-2.0, 1.5), (3.0, -0.5), (-1.5, 2.5), (0.5, -2.0), (-3.0, 0.75))
"""Pairs of upstream gradients, one of either sign and never of one size: one of ones would hide
every mistake in the use of g."""

LARGE = 1000.0
"""How much larger one more upstream gradient is; besides, one is 0."""

TRIED = 4
"""How many upstream gradients a rule is tried under at one point."""

GRAIN = 2.0**-1074
"""The least number of float64, and the distance between those next to 0."""

BLURRED = 1e-9
"""A rule whose value balls leave open by more than this share of it cannot be judged there."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The rule at one point under one upstream gradient `g`: what it gives, and what is true. At
    a kink that is not known (nan): what it gives for g = 1 then belongs between the two
    one-sided `slopes`."""

    point: Point
    g: float
    y: float
    yours: float
    true: float
    wrong: bool
    slopes: tuple[float, float] | None = None


@dataclass(slots=True)
class Trials:
    """All trials of the rule for the input at `place`, a formula of (g, y, *inputs)."""

    forward: Formula
    domains: Sequence[Domain | None]
    rule: Formula
    place: int
    rtol: float
    work: Work
    smooth: list[Trial] = field(default_factory=list)
    kinks: list[Trial] = field(default_factory=list)
    holes: list[Trial] = field(default_factory=list)
    """where the rule gives no number though there is a slope, and only there"""
    open: int = 0
    """points at which slope or rule cannot be told well enough"""
    edges: int = 0
    """points at which there is no slope"""
    reached: bool = False
    """whether the point that was asked for is among those tried"""

    @property
    def points(self) -> int:
        """How many points were judged."""
        return len({trial.point for trial in self.smooth})

    @property
    def name(self) -> str:
        """The input whose rule this is."""
        return self.forward.inputs[self.place]

    def would_be_right(self, rule: Formula) -> bool:
        """Whether another rule in the place of this one is right, at points chosen for it. What
        there is no work left to find out is taken for wrong."""
        try:
            tried = try_rule(self.forward, self.domains, rule, self.place, self.rtol, self.work)
        except InputError:
            return False
        return not tried.wrong

    @property
    def wrong(self) -> bool:
        return any(t.wrong for t in self.smooth) or any(t.wrong for t in self.kinks)


def try_rule(
    forward: Formula,
    domains: Sequence[Domain | None],
    rule: Formula,
    place: int,
    rtol: float,
    work: Work,
    at: Point | None = None,
) -> Trials:
    """The rule for the input at `place`, tried at many points, and `at` first, under several
    upstream gradients each. The same forward and rule get the same. Raises InputError where this
    is more than is left of `work`."""
    word = f"{forward.hash} {rule.hash} {place}"
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(word.encode()).digest()[:8]))
    places = Places(forward, domains, at)
    points = places.draw(rule, rng)
    trials = Trials(forward, domains, rule, place, rtol, work, reached=at in points)
    deals = rng.integers(len(UPSTREAMS), size=len(points))
    first_look = slope_cost(forward)
    work.spend(len(points) * (first_look + run_cost(forward) + TRIED * run_cost(rule)))
    for point, deal in zip(points, deals, strict=True):
        slope = formula_slope(forward, point, place)
        work.spend(slope_cost(forward, slope.evaluations) - first_look)
        if slope.kind == "edge":
            trials.edges += 1
        elif slope.kind == "kink":
            _try_kink(trials, point, slope, UPSTREAMS[deal])
        elif not slope.both.bound <= rtol * abs(slope.both.slope) / 3 + BLURRED * rtol:
            trials.open += 1
        else:
            first, second = UPSTREAMS[deal]
            _try_smooth(trials, point, slope, (first, second, 0.0, LARGE * first))
    if all(trial.point not in places.generic for trial in trials.holes):
        gone = {trial.point for trial in trials.holes}
        trials.smooth = [trial for trial in trials.smooth if trial.point not in gone]
    else:
        trials.holes = []
    return trials


def _try_smooth(trials: Trials, point: Point, slope: Slope, upstreams: Sequence[float]) -> None:
    rtol = trials.rtol
    y = evaluate(trials.forward, point)[0]
    found = []
    for g in upstreams:
        ball = evaluate(trials.rule, [g, y, *point])[0]
        yours, radius = float(ball.mid()) + 0.0, float(ball.rad())
        true = g * slope.both.slope + 0.0  # no -0
        if not ball.is_finite():
            value = _plain(trials.rule, [g, float(y), *point])
            if math.isfinite(value):  # floats know a number where balls do not: 0 * inf, say
                trials.open += 1
                return
            hole = Trial(point, g, float(y), value, true, True)
            trials.holes.append(hole)
            found.append(hole)
            continue
        if radius > BLURRED * abs(yours) + BLURRED * rtol * abs(true):
            trials.open += 1
            return
        gap = abs(yours - true)
        bound = abs(g) * (slope.both.bound + GRAIN) + radius + GRAIN
        wrong = gap > rtol * abs(true) + 2 * bound
        found.append(Trial(point, g, float(y), yours, true, wrong))
    trials.smooth += found


def _try_kink(trials: Trials, point: Point, slope: Slope, upstreams: Sequence[float]) -> None:
    y = evaluate(trials.forward, point)[0]
    sides = slope.left.slope, slope.right.slope
    room = trials.rtol * max(map(abs, sides))
    for g in upstreams:
        yours = float(evaluate(trials.rule, [g, y, *point])[0]) + 0.0
        within = min(sides) - room <= yours / g <= max(sides) + room
        if not math.isfinite(yours):
            trials.holes.append(Trial(point, g, float(y), yours, math.nan, True))
            return
        trials.kinks.append(Trial(point, g, float(y), yours, math.nan, not within, sides))


def _plain(rule: Formula, inputs: Sequence[float]) -> float:
    """The rule in float64."""
    with np.errstate(all="ignore"):
        return float(worked_out(rule, inputs)[1][0])
