"""Two listed mistakes at once, where no single one fits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from engine.check.diagnosis.evidence import Evidence
from engine.check.diagnosis.found import Found, number
from engine.check.diagnosis.hypotheses import Hypothesis, matrix
from engine.check.diagnosis.listed import first_told, told

ALIKE = frozenset({"other_function", "graph_cut", "upstream_ignored"})
"""Hypotheses too many, or too rare, to be paired."""

MOST = 400
"""Hypotheses paired with one another at most."""

PRODUCTS = 10**8
"""Products of changes worked out for one claim at most: pairs of hypotheses x edges they change."""

ALL_PRODUCTS = 4 * 10**8
"""The same for all claims together; where the pairs left are still too many, none is told."""


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
    yield from first_told(_in_the_graph(evidence, chosen, shift[kept]))
    yield from _with_the_vector(evidence, chosen, shift[kept])


def _in_the_graph(evidence: Evidence, tried: Sequence[Hypothesis], shift: Any) -> Iterator[Found]:
    edges, changes = matrix(evidence, tried)
    most = math.isqrt(PRODUCTS // len(edges))
    tried, changes, shift = tried[:most], changes[:most], shift[:most]
    touched = changes != 0
    found = [
        (a, b)
        for a, b in _joint(evidence, edges, changes, shift)
        if not np.any(touched[a] & touched[b])
    ]
    for a, b in sorted(found, key=lambda pair: tried[pair[0]].rank + tried[pair[1]].rank):
        yield _pair(evidence, told(evidence, tried[a]), told(evidence, tried[b]))


def _joint(
    evidence: Evidence, edges: Sequence[int], changes: Any, shift: Any
) -> list[tuple[int, int]]:
    """The pairs of rows that together give every claim: `changes` has a row for each hypothesis, a
    column for each of `edges`.

    Claim by claim, the furthest off first, hypotheses that are in no fitting pair are dropped.
    """
    linear = evidence.linear
    first = _reaching(evidence, edges, changes)
    leaving = evidence.tangents[[linear.edges[n].used for n in edges]]
    rows = np.arange(len(changes))
    fits = np.triu(np.ones((len(rows), len(rows)), dtype=bool), 1)
    gaps = np.abs(evidence.truth - evidence.claims) / np.maximum(evidence.tolerance, 1e-300)
    products = 0
    for i in np.argsort(-gaps, kind="stable").tolist():
        products += len(rows) ** 2 * len(edges)
        if products > ALL_PRODUCTS:
            return []
        # Where a path leads through two changed edges, both changes multiply.
        crossed = first @ (changes * leaving[:, i]).T
        total = shift[:, None, i] + shift[None, :, i] + crossed + crossed.T
        fits &= np.abs(evidence.truth[i] + total - evidence.claims[i]) <= evidence.tolerance[i]
        left = np.any(fits, axis=0) | np.any(fits, axis=1)
        rows, fits = rows[left], fits[np.ix_(left, left)]
        first, changes, shift = first[left], changes[left], shift[left]
    return [(int(rows[a]), int(rows[b])) for a, b in np.argwhere(fits)]


def _reaching(evidence: Evidence, edges: Sequence[int], changes: Any) -> Any:
    """Hypotheses x edges: how far the changes of a hypothesis move the gradient that comes in at
    the user of each edge."""
    linear = evidence.linear
    moved = np.zeros((len(linear.values), len(changes)))
    for column, n in enumerate(edges):
        edge = linear.edges[n]
        moved[edge.used] += linear.adjoints[edge.user] * changes[:, column]
    for edge in reversed(linear.edges):
        moved[edge.used] += moved[edge.user] * edge.derivative
    return np.nan_to_num(moved[[linear.edges[n].user for n in edges]].T)


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
        second = Found(1.0, mistake, None, f"{said[0].upper()}{said[1:]}.", {"factor": factor})
        fits = np.flatnonzero(evidence.matches(factor * predicted)).tolist()
        yield from first_told(_pair(evidence, told(evidence, tried[row]), second) for row in fits)
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
