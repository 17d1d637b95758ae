"""diagnose(): from wrong claims to the mistakes that explain them, the most likely first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from engine.check.diagnosis.evidence import Evidence
from engine.check.diagnosis.forward import forward_slips
from engine.check.diagnosis.found import Found
from engine.check.diagnosis.hypotheses import hypotheses, shifts
from engine.check.diagnosis.implied import Words, implied_everywhere, implied_once
from engine.check.diagnosis.listed import first_told, fitting, overwritten_everywhere
from engine.check.diagnosis.pairs import pairs
from engine.check.diagnosis.recipes import recipes
from engine.check.diagnosis.vector import common_factor, slips_of_the_pen, symptoms, too_few_digits
from engine.check.linear import Linear
from engine.check.report import Component, Diagnosis


def diagnose(linear: Linear, components: Sequence[Component]) -> tuple[Diagnosis, ...]:
    """The mistakes that, made once in backpropagation, give every number that was claimed; if there
    is none, what the claims imply where they part from the truth; if nothing fits, nothing.

    A diagnosis is a hypothesis. Several that fit are all told. Nothing is told where no claim is
    wrong.
    """
    evidence = Evidence(linear, components)
    if not evidence.count or not evidence.finite:
        return ()
    with np.errstate(all="ignore"):
        found = _found(evidence)
    return tuple(it.diagnosis(evidence.count) for it in _best(found))


def _found(evidence: Evidence) -> list[Found]:
    rounded = list(too_few_digits(evidence))
    if rounded and evidence.digits > 2:
        return rounded
    if evidence.matches(evidence.truth):
        return []  # so near the truth that every change too small to see would fit
    tried = hypotheses(evidence)
    shift = shifts(evidence, tried)
    listed = [
        *symptoms(evidence),
        *fitting(evidence, tried, shift),
        *overwritten_everywhere(evidence),
    ]
    if listed or rounded:
        return [*rounded, *listed]  # two digits may be right by accident
    words = Words(evidence)
    measured = [
        *slips_of_the_pen(evidence),
        *common_factor(evidence),
        *recipes(evidence),
        *implied_everywhere(evidence, words),
        *implied_once(evidence, words),
    ]
    if not measured or evidence.precise:
        measured.extend(pairs(evidence, tried, shift))
    return measured or list(forward_slips(evidence))


def _best(found: Iterable[Found]) -> list[Found]:
    """In order of rank, each sentence once."""
    return list(first_told(sorted(found, key=lambda it: it.rank)))
