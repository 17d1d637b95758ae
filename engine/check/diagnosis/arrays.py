"""Mistakes in the backward pass of a program that holds arrays: backpropagation run again, with one
rule replaced, and compared with the claims."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.check.claims import place_of
from engine.check.diagnosis.array_slips import Parts, Rule, wrong_rules
from engine.check.diagnosis.evidence import COMPUTED, FEW, TYPED, significant
from engine.check.diagnosis.found import Found, stated, written
from engine.check.diagnosis.hypotheses import RANKS
from engine.check.report import Component, Diagnosis, Place
from engine.check.symptoms import symptoms
from engine.check.verdict import Verdict
from engine.errors import EngineError
from engine.op import unbroadcast
from engine.program import Equation, Program

Pull = Callable[[Equation, int, Any], Parts]
"""What the true rules of an equation, at its place, make of an upstream gradient."""

WORK = 30_000
"""Equations that all hypotheses together may run again, large arrays counting more: about half a
second. Of a program that would take more only symptoms are told."""

BATCH = 1_000
"""Numbers that cost as much as one more equation."""

SHOWN = 6
"""Explanations told at most."""

ROUNDED = 1e-14
"""What rounding may add to a right entry, as a share of the largest slope of its name."""

CANCELLED = 1e-13
"""What rounding may leave of a prediction where 0 is claimed, as a share of the slope."""

UNFIT = (ValueError, TypeError, IndexError, EngineError)
"""What is raised where a mistake does not go with the shapes of an equation."""

Change = dict[int, Any]
"""How far the gradient of a node, by its place, is moved by a mistake."""


def diagnose_arrays(
    program: Program,
    values: Sequence[Any],
    op_pull: Pull,
    components: Sequence[Component],
    rtol: float,
) -> tuple[Diagnosis, ...]:
    """As diagnose(), for a program whose nodes hold arrays. `op_pull(equation, place, g)` gives the
    parts that the true rules make of an upstream gradient."""
    claims = _whole(program, values, components)
    if not claims:
        return ()
    by_name = {it.name: it.claim for it in claims}
    shown = [
        _sentence(d, by_name) for d in symptoms(by_name, {it.name: it.truth for it in claims}, rtol)
    ]
    of = sum(component.verdict is Verdict.FAIL for component in components)
    with np.errstate(all="ignore"):
        found = _Backward(program, values, op_pull, claims).explanations()
        told: dict[str, Diagnosis] = {}
        for it in sorted(found, key=lambda it: it.rank):
            told.setdefault(it.explanation, it.diagnosis(of))
    return (*told.values(), *shown)[:SHOWN]


def _sentence(diagnosis: Diagnosis, names: Mapping[str, Any]) -> Diagnosis:
    text = diagnosis.explanation
    if re.split(r"\W", text, maxsplit=1)[0] not in names:  # the name w is not W
        text = text[0].upper() + text[1:]
    return replace(diagnosis, explanation=f"{text}.")


@dataclass(frozen=True, slots=True)
class _Claimed:
    """What is claimed for one name, beside its slopes; `near` is how closely, entry by entry, a
    prediction has to meet the claim, and `wrong` are the entries that a mistake has to explain."""

    name: str
    place: int
    claim: Any
    truth: Any
    wrong: Any
    near: Any


def _whole(
    program: Program, values: Sequence[Any], components: Sequence[Component]
) -> list[_Claimed]:
    """The claims as arrays, of those names whose every slope is known."""
    by_name: dict[str, list[Component]] = {}
    for component in components:
        by_name.setdefault(component.input, []).append(component)
    known = {
        name: judged
        for name, judged in by_name.items()
        if all(c.reference is not None and np.isfinite(c.claim) for c in judged)
    }
    digits = max((significant(c.claim) for judged in known.values() for c in judged), default=0)
    allowed = COMPUTED if digits > FEW else TYPED
    found = []
    for name, judged in known.items():
        place = place_of(program, name)
        shape = np.shape(values[place])
        claim = np.reshape([c.claim for c in judged], shape)
        truth = np.reshape(np.array([c.reference for c in judged], dtype=float), shape)
        wrong = np.reshape([c.verdict is Verdict.FAIL for c in judged], shape)
        size = np.abs(truth)
        vanished = np.where(claim == 0, CANCELLED * size, 0.0)
        floor = np.where(wrong, vanished, ROUNDED * np.max(size, initial=0.0))
        found.append(_Claimed(name, place, claim, truth, wrong, allowed * np.abs(claim) + floor))
    return found


@dataclass(frozen=True, slots=True)
class _Hypothesis:
    """A mistake that moves the gradients of some nodes as `start` says; from there the equations at
    the places in `path` are run again. `start` raises one of UNFIT where shapes do not allow it."""

    mistake: str
    start: Callable[[], Change]
    path: Sequence[int]
    where: Place
    says: str


class _Backward:
    """The true gradients of a program, as far as they lead to a claimed name, and what becomes of
    the claims if one thing is done wrongly: only what lies behind it is run again."""

    def __init__(
        self, program: Program, values: Sequence[Any], op_pull: Pull, claims: Sequence[_Claimed]
    ) -> None:
        self.program = program
        self.values = values
        self.op_pull = op_pull
        self.claims = claims
        self.live = {it.place for it in claims}
        for place, node in enumerate(program.nodes):
            if isinstance(node, Equation) and not self.live.isdisjoint(node.args):
                self.live.add(place)
        self.gradients: list[Any] = [np.zeros(np.shape(value)) for value in values]
        self.gradients[program.place] = np.ones(np.shape(values[program.place]))
        self.parts: dict[int, Parts] = {}
        self.uses: dict[int, list[tuple[int, Any]]] = {place: [] for place in self.live}
        for place in self._behind(program.place):
            self._true_rules(place)

    def _true_rules(self, place: int) -> None:
        node = self._equation(place)
        self.parts[place] = self.op_pull(node, place, self.gradients[place])
        for arg, part in zip(node.args, self.parts[place], strict=True):
            if part is not None and arg in self.live:
                self.gradients[arg] = self.gradients[arg] + part
                if np.any(part):
                    self.uses[arg].append((place, part))

    def explanations(self) -> list[Found]:
        """The hypotheses that give what is claimed; none where they are too many to try."""
        work, tried = 0, []
        for hypothesis in itertools.chain(self._wrong_rules(), self._overwritten()):
            work += 1 + sum(map(self._worth, hypothesis.path))
            if work > WORK:
                return []
            tried.append(hypothesis)
        found = [(it, self._explained(it)) for it in tried]
        return [
            Found(RANKS.get(it.mistake, 1.0), it.mistake, it.where, it.says, explains=count)
            for it, count in found
            if count
        ]

    # -- hypotheses ------------------------------------------------------------------------------

    def _wrong_rules(self) -> Iterator[_Hypothesis]:
        for place in sorted(self.parts):
            node = self._equation(place)
            names = [written(self.program, arg) for arg in node.args]
            inputs = [np.asarray(self.values[arg]) for arg in node.args]
            where = Place(node.number, node.text, node.position, node.name)
            at = stated(self.program, place) + ("" if node.name.startswith("%") else ",")
            path = self._behind(place)[1:]
            for mistake, rule, says in wrong_rules(node, names, inputs):
                start = functools.partial(self._by_rule, place, rule)
                yield _Hypothesis(mistake, start, path, where, f"At {at} {says}.")

    def _by_rule(self, place: int, rule: Rule) -> Change:
        node, right = self._equation(place), self.parts[place]
        inputs = [np.asarray(self.values[arg]) for arg in node.args]
        wrong = rule(self.gradients[place], np.asarray(self.values[place]), inputs, right)
        shapes = [np.shape(x) for x in inputs]
        parts = [
            0.0 if part is None else unbroadcast(np.asarray(part), shape)
            for part, shape in zip(wrong, shapes, strict=True)
        ]
        return self._moved(node, parts, right, {})

    def _overwritten(self) -> Iterator[_Hypothesis]:
        for place in sorted(self.live):
            uses = self.uses[place][::-1]
            node = self.program.nodes[place]
            path = self._behind(place)
            where = Place(None, node.name, node.position, node.name)
            for user, part in uses if len(uses) > 1 else ():
                says = (
                    f"{written(self.program, place)} is used {len(uses)} times, and only the part "
                    f"from {stated(self.program, user)} is there: the parts have to be added (+=, "
                    "not =)."
                )
                change = {place: part - self.gradients[place]}
                yield _Hypothesis("overwrite", functools.partial(dict, change), path, where, says)

    # -- tried -----------------------------------------------------------------------------------

    def _explained(self, hypothesis: _Hypothesis) -> int:
        """How many wrong entries come out as claimed; 0 where any entry does not."""
        try:
            change = hypothesis.start()
            for place in hypothesis.path:
                if np.any(change.get(place, 0.0)):
                    node = self._equation(place)
                    wrong = self.op_pull(node, place, self.gradients[place] + change[place])
                    self._moved(node, wrong, self.parts[place], change)
        except UNFIT:
            return 0
        count = 0
        for it in self.claims:
            moved = change.get(it.place, 0.0)
            gap = np.abs(self.gradients[it.place] + moved - it.claim)
            if not np.all(gap <= it.near):
                return 0
            count += int(np.count_nonzero(it.wrong & (np.abs(moved) > it.near)))
        return count

    def _moved(self, node: Equation, wrong: Parts, right: Parts, change: Change) -> Change:
        """`change`, and what parts that are wrong add to it."""
        for arg, part, true in zip(node.args, wrong, right, strict=True):
            if true is not None and arg in self.live:
                change[arg] = change.get(arg, 0.0) + (part - true)
        return change

    def _behind(self, place: int) -> list[int]:
        """The equations that the gradient of a node goes through on its way to the claims, its own
        first, from the output on."""
        found: set[int] = set()
        left = [place]
        while left:
            here = left.pop()
            node = self.program.nodes[here]
            if here in self.live and here not in found and isinstance(node, Equation):
                found.add(here)
                left.extend(node.args)
        return sorted(found, reverse=True)

    def _worth(self, place: int) -> int:
        node = self._equation(place)
        return 1 + sum(int(np.size(self.values[at])) for at in (place, *node.args)) // BATCH

    def _equation(self, place: int) -> Equation:
        node = self.program.nodes[place]
        assert isinstance(node, Equation)
        return node
