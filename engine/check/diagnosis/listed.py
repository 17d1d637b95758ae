"""Listed mistakes that, made once or everywhere, give exactly what was claimed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from engine.check.diagnosis.evidence import Evidence
from engine.check.diagnosis.found import Found
from engine.check.diagnosis.hypotheses import Hypothesis, replayed
from engine.check.diagnosis.sentences import sentence

ROUNDING = 1e-14
"""What rounding may take from a difference, as a share of what is subtracted."""

REPLAYS = 100
"""Hypotheses that are worked out once more, where rounding hides whether they fit, at most."""

SHOWN = 6
"""Explanations told at most."""


def first_told(found: Iterable[Found]) -> Iterator[Found]:
    """The first of many explanations, each sentence once; no more are looked at than it takes."""
    seen: set[str] = set()
    for it in found:
        if it.explanation not in seen:
            seen.add(it.explanation)
            yield it
        if len(seen) == SHOWN:
            return


def fitting(evidence: Evidence, tried: Sequence[Hypothesis], shift: Any) -> Iterator[Found]:
    """The hypotheses whose `shift` (hypotheses x names) of the true gradient is the claim, the most
    likely first."""
    predicted = evidence.truth + shift
    fits = evidence.matches(predicted)
    # A small claim may be lost where the mistake takes most of a large gradient away.
    lost = ROUNDING * (np.abs(evidence.truth) + np.abs(shift))
    near = np.all(np.abs(predicted - evidence.claims) <= evidence.tolerance + lost, axis=1)
    rows = sorted(np.flatnonzero(near).tolist(), key=lambda row: tried[row].rank)
    again = set([row for row in rows if not fits[row]][:REPLAYS])
    yield from first_told(
        told(evidence, tried[row])
        for row in rows
        if fits[row] or (row in again and evidence.matches(replayed(evidence, tried[row])))
    )


def told(evidence: Evidence, it: Hypothesis) -> Found:
    """A hypothesis as it is reported."""
    numbers: dict[str, float] = {"upstream": evidence.linear.adjoints[it.node]}
    variable = None
    if it.mistake == "overwrite":
        assert it.edge is not None
        kept = evidence.linear.adjoints[it.edge.user] * it.edge.derivative
        numbers = {"yours": kept, "true": evidence.linear.adjoints[it.node]}
    elif it.edge is not None:
        [(_, wrong)] = it.used
        numbers |= {"yours": wrong, "true": it.edge.derivative}
        variable = it.edge.used
    place = evidence.place(it.node, variable)
    return Found(it.rank, it.mistake, place, sentence(evidence, it), numbers, evidence.count)


def overwritten_everywhere(evidence: Evidence) -> Iterator[Found]:
    """`=` for `+=` in every place: of each node only the use that is visited last is left."""
    linear = evidence.linear
    if sum(len(uses) > 1 for uses in linear.uses) < 1:
        return
    for last in (True, False):
        found = [0.0] * len(linear.values)
        found[evidence.program.place] = 1.0
        written: set[int] = set()
        for edge in reversed(linear.edges):
            if last or edge.used not in written:
                found[edge.used] = found[edge.user] * edge.derivative
                written.add(edge.used)
        claimed = np.array([found[place] for place in evidence.places])
        if evidence.matches(claimed):
            kept = "last" if last else "first"
            yield Found(
                0.4,
                "overwrite_all",
                None,
                "Everywhere a gradient was assigned instead of added (= for +=): of each name that "
                f"is used more than once only the part that came {kept} is left.",
                {},
                evidence.count,
            )
            return
