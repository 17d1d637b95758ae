"""What the claims imply where no listed mistake fits: backpropagation is linear in each local
derivative, so that one wrong one is measured by all claims together, and then named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from engine.check.diagnosis.evidence import Evidence
from engine.check.diagnosis.found import Found, number
from engine.check.diagnosis.hypotheses import facts
from engine.check.diagnosis.sentences import behaves, listing, true_slope
from engine.check.diagnosis.slips import BY_OP, value
from engine.check.diagnosis.vocabulary import TEXTS, UNARY, formulas
from engine.check.linear import Edge
from engine.exam.points import worked_out

RIGID = frozenset({"add", "sub", "neg", "stack"})
"""Ops whose local derivatives are plain numbers, which are seldom taken for another formula."""

NEARLY = 5e-3
"""A local derivative that changes by less than this share is no other rule."""


class Words:
    """The vocabulary worked out at every edge: what each formula comes to there."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self.values: dict[int, Any] = {}
        self._derivatives = {
            (edge.user, edge.argument): edge.derivative for edge in evidence.linear.edges
        }
        for count in (1, 2):
            numbers = [
                n
                for n, edge in enumerate(evidence.linear.edges)
                if len(evidence.linear.equation(edge).args) == count
            ]
            if numbers:
                rows = np.array([self._inputs(n) for n in numbers]).T
                _, results = worked_out(formulas(count), list(rows))
                table = np.empty((len(results), len(numbers)))
                for i, result in enumerate(results):
                    table[i] = result
                self.values |= {n: table[:, i] for i, n in enumerate(numbers)}

    def _inputs(self, n: int) -> tuple[float, ...]:
        edge = self._evidence.linear.edges[n]
        _, numbers = facts(self._evidence, edge)
        upstream = self._evidence.linear.adjoints[edge.user]
        if len(numbers) == 3:
            return (*numbers, upstream)
        partner = self._derivatives.get((edge.user, 1 - edge.argument), float("nan"))
        return (*numbers, partner, upstream)

    def texts(self, n: int) -> tuple[str, ...]:
        edge = self._evidence.linear.edges[n]
        return TEXTS[len(self._evidence.linear.equation(edge).args)]

    def name(self, n: int, implied: float, doubt: float) -> tuple[int, str] | None:
        """The simplest formula that comes to `implied`, give or take `doubt`, and its rank."""
        values = self.values.get(n)
        if values is None:
            return None
        fits = np.flatnonzero(np.abs(values - implied) <= doubt)
        return (int(fits[0]), self.texts(n)[fits[0]]) if len(fits) else None


def implied_once(evidence: Evidence, words: Words) -> Iterator[Found]:
    """One local derivative that, changed, makes everything fit."""
    reach, tolerance = evidence.reach, np.maximum(evidence.tolerance, 1e-300)
    residual = (evidence.claims - evidence.truth) / tolerance
    scaled = reach / tolerance
    strength = np.einsum("ij,ij->i", scaled, scaled)
    for n in np.flatnonzero(strength > 0):
        change = float(scaled[n] @ residual / strength[n])
        if not evidence.matches(evidence.truth + change * reach[n]):
            continue
        edge = evidence.linear.edges[n]
        if abs(change) <= NEARLY * abs(edge.derivative):
            continue
        several = int(np.count_nonzero(reach[n][evidence.wrong])) > 1
        implied = edge.derivative + change
        doubt = 2 / float(np.max(np.abs(scaled[n])))
        named = words.name(int(n), implied, doubt)
        if named is None and not several:
            continue
        if not several and not evidence.precise:
            continue  # one number with few digits is met by many formulas
        yield _once(evidence, edge, implied, named, several)


def _once(
    evidence: Evidence, edge: Edge, implied: float, named: tuple[int, str] | None, several: bool
) -> Found:
    rigid = 0.5 if evidence.linear.equation(edge).op.name in RIGID else 0.0
    at, used = evidence.written(edge.user), evidence.written(edge.used)
    true = true_slope(evidence, edge)
    truth = number(edge.derivative)
    shown = f"{true} = {truth}" if true and true != truth else truth
    if named is None:
        rank = 3.6 + rigid
        behaviour = f"it would have to be {number(implied)}, and is {shown}"
    else:
        rank = (3.0 if several else 3.8) + rigid + named[0] / 1000
        behaviour = behaves(evidence, edge, implied, named[1])
    fits = "Everything fits" if several else "It fits"
    sentence = f"{fits} if the local derivative at {at} for {used} is another one: {behaviour}."
    numbers = {"yours": implied, "true": edge.derivative}
    mistake = "local_derivative" if named is None else "wrong_rule"
    place = evidence.place(edge.user, edge.used)
    return Found(rank, mistake, place, sentence, numbers, evidence.count)


def implied_everywhere(evidence: Evidence, words: Words) -> Iterator[Found]:
    """One wrong rule, used wherever an operation occurs."""
    linear = evidence.linear
    live = np.any(evidence.reach != 0, axis=1)
    groups: dict[tuple[str, int], list[int]] = {}
    for n, edge in enumerate(linear.edges):
        groups.setdefault((linear.equation(edge).op.name, edge.argument), []).append(n)
    for (op, argument), members in groups.items():
        if op in RIGID or np.count_nonzero(live[members]) < 2 or members[0] not in words.values:
            continue
        texts = words.texts(members[0])
        claimed = _replayed(evidence, members, words)
        for row in np.flatnonzero(evidence.matches(claimed)):
            yield _everywhere(evidence, op, argument, members, texts[row], words, int(row))
            break


def _replayed(evidence: Evidence, members: Sequence[int], words: Words) -> Any:
    """Backpropagation with each formula at all of these edges: formulas x claimed names."""
    linear = evidence.linear
    count = len(words.values[members[0]])
    found = np.zeros((len(linear.values), count))
    found[evidence.program.place] = 1.0
    chosen = set(members)
    for n in reversed(range(len(linear.edges))):
        edge = linear.edges[n]
        derivative = words.values[n] if n in chosen else edge.derivative
        found[edge.used] += found[edge.user] * derivative
    return found[evidence.places].T


def _everywhere(
    evidence: Evidence,
    op: str,
    argument: int,
    members: Sequence[int],
    text: str,
    words: Words,
    row: int,
) -> Found:
    edges = [evidence.linear.edges[n] for n in members]
    wrong = [float(words.values[n][row]) for n in members]
    true = true_slope(evidence, edges[0])
    places = listing(
        f"{number(w)} for {number(e.derivative)} at {evidence.written(e.user)}"
        for e, w in zip(edges, wrong, strict=True)
    )
    letters = "y is the output, x the input" if text in UNARY else ""
    letters = letters or "y is the output, a and b are the inputs"
    truth = f"; the true one is {true}" if true else ""
    sentence = (
        f"Every {op} has the same wrong rule: the local derivative behaves like {text}{truth} "
        f"({letters}): {places}."
    )
    place = evidence.place(edges[-1].user, edges[-1].used)
    numbers = {"yours": wrong[-1], "true": edges[-1].derivative}
    mistake = _listed(evidence, edges, wrong) or "wrong_rule"
    return Found(2.9 + row / 1000, mistake, place, sentence, numbers, evidence.count)


def _listed(evidence: Evidence, edges: Sequence[Edge], wrong: Sequence[float]) -> str | None:
    """The listed mistake that gives these local derivatives, if one does."""
    if all(w == 1 for w in wrong):
        return "drop_factor"
    if all(w == -edge.derivative for edge, w in zip(edges, wrong, strict=True)):
        return "sign_op"
    op = evidence.linear.equation(edges[0]).op.name
    for slip in BY_OP.get((op, edges[0].argument), ()):
        given = [value(slip.wrong, *facts(evidence, edge)) for edge in edges]
        if None not in given and np.allclose(given, wrong, rtol=1e-9):  # type: ignore[arg-type]
            return slip.mistake
    return None
