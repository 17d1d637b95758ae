"""Two listed mistakes at once, where no single one fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from engine.check.diagnosis.evidence import Evidence
from engine.check.diagnosis.found import Found, number
from engine.check.diagnosis.hypotheses import Hypothesis, matrix
from engine.check.diagnosis.listed import told

ALIKE = frozenset({"other_function", "graph_cut", "upstream_ignored"})
"""Hypotheses too many, or too rare, to be paired."""

MOST = 400
"""Hypotheses paired with one another at most."""


def pairs(evidence: Evidence, tried: Sequence[Hypothesis], shift: Any) -> Iterator[Found]:
    """Pairs of hypotheses at different edges that together give every claim."""
    if evidence.count < 2:
        return
    size = np.maximum(evidence.tolerance, 1e-300)
    moves = np.any(np.abs(shift) > size, axis=1) & np.all(np.isfinite(shift), axis=1)
    kept = [i for i in np.flatnonzero(moves).tolist() if tried[i].mistake not in ALIKE]
    kept = sorted(kept, key=lambda i: tried[i].rank)[:MOST]
    if not kept:
        return
    chosen = [tried[i] for i in kept]
    yield from _in_the_graph(evidence, chosen, matrix(evidence, chosen), shift[kept])
    yield from _with_the_vector(evidence, chosen, shift[kept])


def _in_the_graph(
    evidence: Evidence, tried: Sequence[Hypothesis], changes: Any, shift: Any
) -> Iterator[Found]:
    linear = evidence.linear
    users = [edge.user for edge in linear.edges]
    used = [edge.used for edge in linear.edges]
    upstream = np.array([linear.adjoints[user] for user in users])
    # Where a path leads through two changed edges, both changes multiply.
    joined = upstream[:, None] * evidence.tangents[np.ix_(used, users)]
    leaving = evidence.tangents[used][:, evidence.places]
    first = np.nan_to_num(changes @ np.nan_to_num(joined))
    fits = np.ones((len(tried), len(tried)), dtype=bool)
    for i in range(len(evidence.places)):
        crossed = first @ (changes * leaving[:, i]).T
        total = shift[:, None, i] + shift[None, :, i] + crossed + crossed.T
        gap = np.abs(evidence.truth[i] + total - evidence.claims[i])
        fits &= gap <= evidence.tolerance[i]
        if not fits.any():
            return
    touched = changes != 0
    for a, b in np.argwhere(np.triu(fits, 1)).tolist():
        if not np.any(touched[a] & touched[b]):
            yield _pair(evidence, told(evidence, tried[a]), told(evidence, tried[b]))


def _with_the_vector(
    evidence: Evidence, tried: Sequence[Hypothesis], shift: Any
) -> Iterator[Found]:
    """One mistake in the graph, and one in what was written down of it."""
    predicted = evidence.truth + shift
    near = np.abs(predicted - evidence.claims) <= evidence.tolerance
    misses = np.count_nonzero(~near, axis=1)
    met = np.count_nonzero(near & evidence.wrong, axis=1)
    for factor, mistake, said in (
        (2.0, "factor2", "everything is twice what that gives"),
        (0.5, "factor2", "everything is half of what that gives"),
        (-1.0, "sign_all", "every sign is turned around after that"),
    ):
        for row in np.flatnonzero(evidence.matches(factor * predicted)).tolist():
            second = Found(1.0, mistake, None, f"{said[0].upper()}{said[1:]}.", {"factor": factor})
            yield _pair(evidence, told(evidence, tried[row]), second)
    for row in np.flatnonzero((misses == 1) & (met >= 1)).tolist():
        i = int(np.flatnonzero(~near[row])[0])
        written = _written(evidence, predicted[row], i)
        if written is not None:
            yield _pair(evidence, told(evidence, tried[row]), written)
    for row in np.flatnonzero((misses == 2) & ((met >= 1) | evidence.precise)).tolist():
        i, j = (int(k) for k in np.flatnonzero(~near[row]))
        there = predicted[row][[j, i]]
        if np.all(np.abs(there - evidence.claims[[i, j]]) <= evidence.tolerance[[i, j]]):
            one, two = evidence.names[i], evidence.names[j]
            sentence = f"The gradients of {one} and {two} are exchanged."
            place = evidence.place(evidence.places[i])
            second = Found(1.5, "wrong_variable", place, sentence)
            yield _pair(evidence, told(evidence, tried[row]), second)


def _written(evidence: Evidence, predicted: Any, i: int) -> Found | None:
    claim, meant, name = evidence.claims[i], predicted[i], evidence.names[i]
    place = evidence.place(evidence.places[i])
    if claim == 0:
        return Found(1.3, "missing", place, f"{name} got no gradient.")
    if abs(claim + meant) <= evidence.tolerance[i]:
        sentence = f"The sign of {name} is turned around: {number(claim)} for {number(meant)}."
        return Found(1.4, "sign_component", place, sentence)
    return None


def _pair(evidence: Evidence, first: Found, second: Found) -> Found:
    sentence = f"Two mistakes together: {first.explanation} And: {second.explanation}"
    rank = 5.0 + first.rank + second.rank
    return Found(rank, "pair", first.place, sentence, {}, evidence.count, (first, second))
