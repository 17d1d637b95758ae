"""check_rule(): backward rules written as text, judged one operation at a time.

    check_rule("tanh", forward="tanh(x)", backward={"x": "g*(1 - y**2)"})

A rule is tried at many points, round ones first and both sides of every kink, each under several
upstream gradients; the truth is the slope of the forward alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.check.rule.diagnosis import diagnose
from engine.check.rule.evidence import Evidence
from engine.check.rule.likeness import slope_text
from engine.check.rule.report import Counterexample, RuleReport, RuleVerdict
from engine.check.rule.subject import Domains, point_of, rules_of, subject_of
from engine.check.rule.trials import Trial, Trials, try_rule
from engine.check.rule.words import explained, named, notes, roundness, warnings, wrong_sentence
from engine.check.rule.work import Work
from engine.check.verdict import Verdict, overall, relative_tolerance
from engine.limits import Limits
from engine.op import Op
from engine.ops import OPS

if TYPE_CHECKING:
    from engine.registry import Vocabulary

__all__ = ["Counterexample", "RuleReport", "RuleVerdict", "check_rule"]


def check_rule(
    name: str | None = None,
    forward: str | None = None,
    backward: Mapping[str, str] | None = None,
    *,
    at: Mapping[str, Any] | None = None,
    domain: Domains = None,
    tolerance: str | float = "strict",
    vocabulary: Vocabulary | None = None,
    limits: Limits | None = None,
) -> RuleReport:
    """Judge backward rules, texts by the names of the inputs they are for.

    A rule may use g (the upstream gradient), y (the output) and the inputs. `forward` is what the
    operation computes; without it, `name` must be an op of `vocabulary` (the built-in ones), whose
    forward is then taken. `at` is a point to try besides; `domain` limits where all are tried, for
    every input or by name. Only inputs with a rule are judged.

    Raises ExpressionError, with `pointer` naming the text (/forward, /backward/x), where one cannot
    be read, and InputError where names, point or tolerance do not fit, or the work is too much.
    """
    rtol = relative_tolerance(tolerance)
    limits = limits or Limits()
    ops = OPS if vocabulary is None else vocabulary.ops
    subject = subject_of(name, forward, domain, vocabulary, limits)
    rules = rules_of(subject, {} if backward is None else backward, vocabulary, limits)
    point = point_of(subject, at)
    work = Work()
    inputs = subject.forward.inputs
    verdicts: list[RuleVerdict] = []
    said: list[str] = []
    for input, (text, rule) in rules.items():
        place = inputs.index(input)
        trials = try_rule(subject.forward, subject.domains, rule, place, rtol, work, point)
        if point is not None and not trials.reached and not said:
            where = named(subject.forward, point)
            said.append(f"the forward has no value at {where}, so nothing was tried there")
        verdicts.append(_judged(trials, text, ops))
        said += warnings(trials)
    verdict = overall(judged.verdict for judged in verdicts)
    return RuleReport(
        name,
        subject.text,
        verdict,
        tuple(verdicts),
        tuple(input for input in inputs if input not in rules),
        rtol,
        explained(verdicts, verdict),
        tuple(said),
    )


def _judged(trials: Trials, text: str, ops: Mapping[str, Op]) -> RuleVerdict:
    """The verdict on the rule `text`, which may be that of one of `ops` instead."""
    if not trials.wrong:
        return RuleVerdict(trials.name, text, *_unrefuted(trials), notes=notes(trials))
    wrong = [trial for trial in [*trials.smooth, *trials.kinks] if trial.wrong]
    shown = min(wrong, key=roundness)
    evidence = Evidence.of(trials)
    diagnosis = diagnose(evidence, text, shown, ops)
    return RuleVerdict(
        trials.name,
        text,
        Verdict.FAIL,
        trials.points,
        wrong_sentence(trials, shown, diagnosis),
        _counterexample(trials, shown),
        diagnosis,
        slope_text(evidence) if diagnosis is not None else None,
        notes(trials),
    )


def _unrefuted(trials: Trials) -> tuple[Verdict, int, str]:
    """Verdict, count of points and sentence where nothing speaks against the rule."""
    name = trials.name
    if trials.smooth:
        return Verdict.PASS, trials.points, f"{name}: right at all {trials.points} points tried."
    if trials.kinks or trials.edges:
        said = f"{name}: the forward has no slope at any point that was tried."
        return Verdict.NOT_DIFFERENTIABLE, 0, said
    if trials.open or trials.holes:
        return Verdict.INCONCLUSIVE, 0, f"{name}: no point that was tried lets the rule be judged."
    return Verdict.NON_FINITE, 0, f"{name}: the forward is finite at no point that was tried."


def _counterexample(trials: Trials, trial: Trial) -> Counterexample:
    inputs = dict(zip(trials.forward.inputs, trial.point, strict=True))
    true = None if trial.slopes is not None else trial.true
    return Counterexample(inputs, trial.g, trial.y, trial.yours, true, trial.slopes)
