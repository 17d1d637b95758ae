"""Whole gradients made by another recipe: a difference quotient, elasticities, another order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from engine.check.diagnosis.evidence import Evidence
from engine.check.diagnosis.found import Found, number
from engine.check.linear import Linear
from engine.program import Input

STEPS = (1.0, 0.5, 0.1, 0.01, 1e-3, 1e-4, 1e-5)
"""Steps that people take in a difference quotient."""


SMALL = 0.1
"""Larger steps are told only where the quotient goes forward, as those do that people work out by
hand: central ones of several functions meet by accident."""

KINDS = ("forward", "central", "backward")


def recipes(evidence: Evidence) -> Iterator[Found]:
    """What was computed instead of the gradient, where two or more claims show it."""
    if evidence.count < 2:
        return
    values = np.array([evidence.linear.values[place] for place in evidence.places])
    truth = evidence.truth
    if evidence.matches(values * truth):
        yield _told(
            evidence, "each gradient is multiplied by the value of its input: x·df/dx, a relative "
            "sensitivity",
        )  # fmt: skip
    output = evidence.linear.values[evidence.program.place]
    if output and evidence.matches(values * truth / output):
        yield _told(
            evidence, "each gradient is multiplied by its input and divided by the output: an "
            "elasticity",
        )  # fmt: skip
    if evidence.matches(np.full(len(truth), np.sum(truth))):
        yield _told(evidence, f"each claim is the sum of all gradients, {number(np.sum(truth))}")
    if evidence.matches(values):
        yield _told(evidence, "the claims are the values of the inputs, not gradients")
    if evidence.matches(np.abs(truth)):
        yield _told(evidence, "every gradient lost its sign: the claims are absolute values")
    if evidence.matches(truth**2):
        yield _told(evidence, "every gradient is squared")
    yield from _reordered(evidence)
    yield from _quotient(evidence)


def _reordered(evidence: Evidence) -> Iterator[Found]:
    if evidence.count < 3:
        return
    claims, truth = np.sort(evidence.claims), np.sort(evidence.truth)
    order = np.argsort(evidence.claims)
    if np.all(np.abs(claims - truth) <= evidence.tolerance[order]):
        wrong = [name for name, bad in zip(evidence.names, evidence.wrong, strict=True) if bad]
        yield Found(
            1.9, "permuted", None,
            f"The right numbers stand in another order: those of {', '.join(wrong)} are mixed up.",
            {}, evidence.count,
        )  # fmt: skip


def _quotient(evidence: Evidence) -> Iterator[Found]:
    if not all(isinstance(evidence.program.nodes[place], Input) for place in evidence.places):
        return
    fits = [(kind, h) for h in STEPS for kind in _kinds(evidence, h)]
    for kind in KINDS:
        steps = [h for fitting, h in fits if fitting == kind]
        if len(steps) == 1:  # where several fit, as at a kink, the claims show none of them
            [h] = steps
            sentence = (
                f"The claims are {kind} difference quotients with a step of {h:g}, not derivatives."
            )
            yield Found(2.0, "finite_difference", None, sentence, {"step": h}, evidence.count)
            return


def _kinds(evidence: Evidence, h: float) -> Sequence[str]:
    """The kinds of quotient with a step of h that are every claim."""
    kinds: Sequence[str] = KINDS if h <= SMALL else KINDS[:1]
    for i in np.argsort(~evidence.wrong):
        claim, near = evidence.claims[i], evidence.tolerance[i]
        quotients = _quotients(evidence.linear, evidence.places[i], h)
        kinds = [kind for kind in kinds if abs(quotients[kind] - claim) <= near]
        if not kinds:
            break
    return kinds


def _quotients(linear: Linear, place: int, h: float) -> dict[str, float]:
    """The quotients of each kind at a node; nan where the program cannot be run a step away."""
    after, output = linear.after(place), linear.program.place
    here, x = linear.values[output], linear.values[place]
    try:
        up, down = (linear.values_with(place, x + step, after)[output] for step in (h, -h))
    except Exception:  # a plugin may raise anything where it was not asked before
        return dict.fromkeys(KINDS, math.nan)
    return dict(
        zip(KINDS, ((up - here) / h, (up - down) / (2 * h), (here - down) / h), strict=True)
    )


def _told(evidence: Evidence, what: str) -> Found:
    sentence = f"{what[0].upper()}{what[1:]}."
    return Found(2.0, "other_recipe", None, sentence, {}, evidence.count)
