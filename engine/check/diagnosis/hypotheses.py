"""Every listed mistake that one place of a program allows, as changes of local derivatives."""

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
    """A mistake at a node: `changes` adds to the local derivative of each edge, by its number.

    `rank` puts the more likely first; `words` is the formula that was used instead, or which use
    was kept; `edge` the edge it is about.
    """

    mistake: str
    rank: float
    node: int
    edge: Edge | None
    changes: tuple[tuple[int, float], ...]
    words: str = ""


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
    for used, uses in enumerate(linear.uses):
        if len(uses) > 1:
            found.extend(_at_uses(evidence, used))
    return found


def _at_edge(evidence: Evidence, number: int, edge: Edge, live: bool) -> Iterator[Hypothesis]:
    linear = evidence.linear
    op, d = linear.equation(edge).op, edge.derivative

    def instead(mistake: str, wrong: float, words: str, rank: float | None = None) -> Hypothesis:
        order = RANKS[mistake] if rank is None else rank
        return Hypothesis(mistake, order, edge.user, edge, ((number, wrong - d),), words)

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
        changes = tuple(
            (n, w - e.derivative) for n, e, w in zip(numbers, edges, wrong, strict=True)
        )
        order = RANKS[mistake] if rank is None else rank
        return Hypothesis(mistake, order, user, None, changes)

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


def _at_uses(evidence: Evidence, used: int) -> Iterator[Hypothesis]:
    """`=` for `+=`: of all uses of a node only one is kept."""
    linear = evidence.linear
    numbers = [n for n, edge in enumerate(linear.edges) if edge.used == used]
    for kept in numbers:
        changes = tuple((n, -linear.edges[n].derivative) for n in numbers if n != kept)
        edge = linear.edges[kept]
        yield Hypothesis("overwrite", RANKS["overwrite"], used, edge, changes)


def shifts(evidence: Evidence, found: Sequence[Hypothesis]) -> Any:
    """How far each hypothesis moves the gradients (hypotheses x claimed names)."""
    rows = [row for row, it in enumerate(found) for _ in it.changes]
    edges = [number for it in found for number, _ in it.changes]
    changes = np.array([change for it in found for _, change in it.changes])
    moved = np.zeros((len(found), len(evidence.places)))
    if rows:
        np.add.at(moved, rows, changes[:, None] * evidence.reach[edges])
    return moved


def matrix(evidence: Evidence, found: Sequence[Hypothesis]) -> Any:
    """The changes of hypotheses, one row each, one column for each edge."""
    rows = np.zeros((len(found), len(evidence.linear.edges)))
    for row, hypothesis in enumerate(found):
        for number, change in hypothesis.changes:
            rows[row, number] = change
    return rows
