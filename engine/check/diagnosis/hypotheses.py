"""Every listed mistake that one place of a program allows, as other local derivatives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from engine.check.diagnosis.evidence import Evidence
from engine.check.diagnosis.slips import BY_OP, NAMES, value
from engine.check.linear import Edge, local_derivatives
from engine.methods import TROUBLE
from engine.op import Op
from engine.ops import OPS


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A mistake at a node: `used` gives the local derivatives that were used instead of the true
    ones, each with the number of its edge.

    `rank` puts the more likely first; `edge` is the edge it is about, where it is about one, and
    `words` the formula that was used there. Where `kept` is the number of an edge, all other uses
    of the node have a local derivative of 0, which is not spelt out in `used`.
    """

    mistake: str
    rank: float
    node: int
    edge: Edge | None
    used: tuple[tuple[int, float], ...] = ()
    words: str = ""
    kept: int | None = None


RANKS = {
    "overwrite": 0.0,
    "sign_op": 1.0,
    "pow_no_coef": 1.0,
    "pow_off_by_one": 1.0,
    "div_no_square": 1.0,
    "input_not_output": 1.0,
    "output_not_input": 1.5,
    "sigmoid_factor": 1.0,
    "swap_mul": 1.0,
    "swap_operands": 1.2,
    "max_both": 1.0,
    "max_wrong_branch": 1.0,
    "relu_mask": 1.0,
    "mask_from_gradient": 1.6,
    "drop_factor": 2.0,
    "upstream_ignored": 2.5,
    "other_function": 4.0,
    "graph_cut": 3.5,
}
"""Which of several explanations comes first: what the form of a rule invites before what could
happen anywhere."""

ALIKE = 5e-3
"""Derivatives of two functions that differ by less than this share are not told apart."""

ANYWHERE = 3.0
"""Rank of a sign turned where the rule has none."""

SWAPS = {"mul": "swap_mul"}
BRANCHES = ("max", "min")


def hypotheses(evidence: Evidence) -> list[Hypothesis]:
    """All of them, for the edges on the way from the output to a claimed name."""
    linear = evidence.linear
    live = np.any(evidence.reach != 0, axis=1)
    by_user: dict[int, list[int]] = {}
    for number, edge in enumerate(linear.edges):
        by_user.setdefault(edge.user, []).append(number)
    found: list[Hypothesis] = []
    for number, edge in enumerate(linear.edges):
        if linear.adjoints[edge.user] != 0:
            found.extend(_at_edge(evidence, number, edge, bool(live[number])))
    for user, numbers in by_user.items():
        if linear.adjoints[user] != 0:
            found.extend(_at_op(evidence, user, numbers))
    for used, numbers in _uses(evidence).items():
        if len(numbers) > 1:
            found.extend(_at_uses(evidence, used, numbers))
    return found


def _uses(evidence: Evidence) -> dict[int, list[int]]:
    """The numbers of the edges that use each node, in the order of the nodes."""
    found: dict[int, list[int]] = {}
    for number, edge in enumerate(evidence.linear.edges):
        found.setdefault(edge.used, []).append(number)
    return dict(sorted(found.items()))


def _at_edge(evidence: Evidence, number: int, edge: Edge, live: bool) -> Iterator[Hypothesis]:
    linear = evidence.linear
    op, d = linear.equation(edge).op, edge.derivative

    def instead(mistake: str, wrong: float, words: str, rank: float | None = None) -> Hypothesis:
        order = RANKS[mistake] if rank is None else rank
        return Hypothesis(mistake, order, edge.user, edge, ((number, wrong),), words)

    slips = BY_OP.get((op.name, edge.argument), ())
    names, numbers = facts(evidence, edge)
    for slip in slips:
        wrong = value(slip.wrong, names, numbers)
        if wrong is not None and wrong != d:
            yield instead(slip.mistake, wrong, slip.wrong)
    if not live:
        return
    if d != 1 and op.name not in ("relu", "neg"):
        yield instead("drop_factor", 1.0, "1")
    if d != 0 and not any(slip.mistake == "sign_op" for slip in slips):
        yield instead("sign_op", -d, "", ANYWHERE)
    if op.name in ("relu", *BRANCHES):
        passed = 1.0 if linear.adjoints[edge.user] > 0 else 0.0
        if passed != d:
            yield instead("mask_from_gradient", passed, "1 where the gradient is positive")
    if len(linear.uses[edge.used]) > 2 and d != 0:
        yield instead("graph_cut", 0.0, "0")
    if len(numbers) == 3:  # y, x and d: one input
        for other, wrong in _other_slopes(op, numbers[1]):
            if abs(wrong - d) > ALIKE * abs(d):
                yield instead("other_function", wrong, other)


def facts(evidence: Evidence, edge: Edge) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The names that a formula for a local derivative may use, and their numbers at an edge."""
    equation = evidence.linear.equation(edge)
    values = evidence.linear.values
    inputs = [values[arg] for arg in equation.args]
    names = NAMES.get(len(inputs), tuple(f"x{i}" for i in range(len(inputs))))
    return ("y", *names, "d"), (values[edge.user], *inputs, edge.derivative)


def _other_slopes(op: Op, x: float) -> Iterator[tuple[str, float]]:
    """The derivatives at x of the other functions of one number."""
    for other in _elementary():
        if other is op:
            continue
        try:
            y = other(x)
            [d] = local_derivatives(other, y, [x])
        except TROUBLE:
            continue
        if d is not None and d not in (0.0, 1.0) and np.isfinite(d):
            yield other.name, d


@cache
def _elementary() -> tuple[Op, ...]:
    return tuple(op for op in OPS.values() if op.formula is not None and op.arity == 1)


def _at_op(evidence: Evidence, user: int, numbers: Sequence[int]) -> Iterator[Hypothesis]:
    linear = evidence.linear
    edges = [linear.edges[n] for n in numbers]
    op = linear.equation(edges[0]).op
    upstream = linear.adjoints[user]

    def instead(mistake: str, wrong: Sequence[float], rank: float | None = None) -> Hypothesis:
        order = RANKS[mistake] if rank is None else rank
        return Hypothesis(mistake, order, user, None, tuple(zip(numbers, wrong, strict=True)))

    derivatives = [e.derivative for e in edges]
    if upstream != 1:
        yield instead("upstream_ignored", [d / upstream for d in derivatives])
    if len(edges) != 2:
        return
    yield instead("sign_op", [-d for d in derivatives], ANYWHERE)
    if op.name in BRANCHES:
        yield instead("max_both", [1.0, 1.0])
        yield instead("max_wrong_branch", derivatives[::-1])
    elif op.name != "add":
        yield instead(SWAPS.get(op.name, "swap_operands"), derivatives[::-1])


def _at_uses(evidence: Evidence, used: int, numbers: Sequence[int]) -> Iterator[Hypothesis]:
    """`=` for `+=`: of all uses of a node only one is kept."""
    for kept in numbers:
        edge = evidence.linear.edges[kept]
        yield Hypothesis("overwrite", RANKS["overwrite"], used, edge, kept=kept)


def shifts(evidence: Evidence, found: Sequence[Hypothesis]) -> Any:
    """How far each hypothesis moves the gradients (hypotheses x claimed names)."""
    rows = [row for row, it in enumerate(found) for _ in it.used]
    edges = [number for it in found for number, _ in it.used]
    wrong = np.array([slope for it in found for _, slope in it.used])
    derivatives = np.array([edge.derivative for edge in evidence.linear.edges])
    moved = np.zeros((len(found), len(evidence.places)))
    if rows:
        np.add.at(moved, rows, (wrong - derivatives[edges])[:, None] * evidence.reach[edges])
    uses = _uses(evidence)
    parts = derivatives[:, None] * evidence.reach
    whole = {node: parts[uses[node]].sum(axis=0) for node in _kept_at(found)}
    for row, it in enumerate(found):
        if it.kept is not None:
            moved[row] = parts[it.kept] - whole[it.node]
    return moved


def _kept_at(found: Sequence[Hypothesis]) -> set[int]:
    """The nodes of which, by some hypothesis, one use is kept."""
    return {it.node for it in found if it.kept is not None}


def matrix(evidence: Evidence, found: Sequence[Hypothesis]) -> tuple[list[int], Any]:
    """The numbers of the edges that some hypothesis changes; and the changes, one row for each
    hypothesis, one column for each of those edges."""
    uses = _uses(evidence)
    edges = evidence.linear.edges
    numbers = {number for it in found for number, _ in it.used}
    columns = sorted(numbers.union(*(uses[node] for node in _kept_at(found))))
    column = {number: i for i, number in enumerate(columns)}
    rows = np.zeros((len(found), len(columns)))
    for row, it in enumerate(found):
        for number, slope in it.used:
            rows[row, column[number]] = slope - edges[number].derivative
        if it.kept is not None:
            others = [number for number in uses[it.node] if number != it.kept]
            rows[row, [column[n] for n in others]] = [-edges[n].derivative for n in others]
    return columns, rows


def replayed(evidence: Evidence, it: Hypothesis) -> Any:
    """The gradient at every claimed name, by backpropagation with the mistake in it: what `shifts`
    adds to the truth, without what cancels there."""
    edges = evidence.linear.edges
    slopes = [edge.derivative for edge in edges]
    if it.kept is not None:
        slopes = [
            0.0 if edge.used == it.node and number != it.kept else edge.derivative
            for number, edge in enumerate(edges)
        ]
    for number, slope in it.used:
        slopes[number] = slope
    found = evidence.linear.back(slopes)
    return np.array([found[place] for place in evidence.places])
