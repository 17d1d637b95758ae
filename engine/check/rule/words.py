"""What a check of backward rules has found, in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from engine.check.report import Diagnosis
from engine.check.rule.evidence import Evidence
from engine.check.rule.kinks import Point
from engine.check.rule.report import RuleVerdict
from engine.check.rule.trials import Trial, Trials
from engine.check.verdict import Verdict
from engine.exam.judgement import two
from engine.formula import Formula


def roundness(trial: Trial) -> tuple[float, ...]:
    """What to sort trials by, so that small and round points come first, of different numbers
    and with an upstream gradient other than 0."""
    sizes = [abs(x) for x in trial.point]
    digits = sum(len(repr(x).removesuffix(".0")) for x in (*sizes, abs(trial.g)))
    alike = len(sizes) - len(set(sizes))
    below = sum(x < 0 for x in trial.point)
    return (trial.g == 0, digits + alike, below, sum(sizes), trial.g < 0, abs(trial.g))


def wrong_sentence(trials: Trials, trial: Trial, diagnosis: Diagnosis | None) -> str:
    """What is wrong at the point of `trial`, and why."""
    why = f": {diagnosis.explanation}" if diagnosis is not None else ""
    return f"{_difference(trials, trial)}{why}."


def _difference(trials: Trials, trial: Trial) -> str:
    where = f"{trials.name}: at {named(trials.forward, trial.point)} with g = {trial.g:g}"
    if trial.slopes is not None:
        left, right = sorted(trial.g * slope + 0.0 for slope in trial.slopes)
        return (
            f"{where}, a kink, the rule gives {trial.yours:.6g}, which is not between {left:.6g} "
            f"and {right:.6g}"
        )
    yours, true = two(trial.yours, trial.true)
    given = yours if math.isfinite(trial.yours) else "no finite number"
    return f"{where} the rule gives {given}, true is {true}"


def notes(trials: Trials) -> tuple[str, ...]:
    """What was accepted as a convention, and where the rule alone has no value."""
    name = trials.name
    found = []
    accepted = [trial for trial in trials.kinks if not trial.wrong]
    if accepted:
        trial = min(accepted, key=roundness)
        left, right = trial.slopes or (math.nan, math.nan)
        found.append(
            f"at {named(trials.forward, trial.point)} there is a kink, with slopes {left:g} and "
            f"{right:g}; the rule takes {trial.yours / trial.g + 0.0:g} there: a convention"
        )
    if trials.holes:
        trial = min(trials.holes, key=roundness)
        found.append(
            f"at {named(trials.forward, trial.point)} the rule for {name} gives no finite number, "
            "though the forward does"
        )
    return tuple(found)


def warnings(trials: Trials) -> list[str]:
    """What a reader should know about how much this comparison could show."""
    name = trials.name
    found = []
    if trials.smooth and not any(trial.true for trial in trials.smooth):
        found.append(
            f"{name}: every slope that was measured is 0, so this comparison cannot tell a right "
            "rule from one that is always 0"
        )
    if _hidden_by_ones(trials):
        found.append(f"{name}: a check with an upstream gradient of 1 would have passed this rule")
    return found


def _hidden_by_ones(trials: Trials) -> bool:
    """Whether a wrong rule is right wherever the upstream gradient is 1."""
    evidence = Evidence.of(trials)
    if not any(trial.wrong for trial in trials.smooth) or len(evidence.g) < 2 * trials.points:
        return False
    given = evidence.value(trials.rule, np.ones_like(evidence.y), evidence.y, *evidence.x)
    return evidence.is_true(given)


def explained(verdicts: Sequence[RuleVerdict], verdict: Verdict) -> str:
    """One sentence on all rules: that they are right, or what is wrong with the first."""
    worst = [v for v in verdicts if v.verdict == verdict]
    if verdict == Verdict.PASS and len(verdicts) > 1:
        return f"Right: all {len(verdicts)} rules agree with the slopes of the forward."
    if verdict == Verdict.PASS:
        return f"Right at all {worst[0].points} points tried."
    return worst[0].explanation


def named(forward: Formula, point: Point) -> str:
    """A point in words: "a = 2, b = 3"."""
    return ", ".join(f"{name} = {x:g}" for name, x in zip(forward.inputs, point, strict=True))
