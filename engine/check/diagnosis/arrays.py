"""Mistakes in the backward pass of a program that holds arrays: backpropagation run again, with one
rule replaced, and compared with the claims."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from engine.check.diagnosis.array_slips import KEPT, SWAPS, Parts, Rule
from engine.check.diagnosis.evidence import COMPUTED, FEW, TYPED, significant
from engine.check.diagnosis.found import Found
from engine.check.diagnosis.hypotheses import RANKS
from engine.check.diagnosis.slips import NAMES, SLIPS
from engine.check.report import Component, Diagnosis, Place
from engine.check.symptoms import symptoms
from engine.check.verdict import Verdict
from engine.exam.points import worked_out
from engine.op import unbroadcast
from engine.program import Constant, Equation, Program
from engine.rule_text import formula

NUMBERS = 20_000
"""Programs that hold more numbers are not run again for every hypothesis."""


def diagnose_arrays(
    program: Program,
    values: Sequence[Any],
    op_pull: Callable[[Equation, int, Any], Parts],
    components: Sequence[Component],
    rtol: float,
) -> tuple[Diagnosis, ...]:
    """As diagnose(), for a program whose nodes hold arrays. `op_pull(equation, place, g)` gives the
    parts that the true rules make of an upstream gradient."""
    claims, references = _whole(program, values, components)
    if not claims:
        return ()
    of = sum(component.verdict is Verdict.FAIL for component in components)
    shown = tuple(_sentence(d) for d in symptoms(claims, references, rtol))
    if sum(int(np.size(value)) for value in values) > NUMBERS:
        return shown
    digits = max(significant(float(x)) for claim in claims.values() for x in np.ravel(claim))
    allowed = COMPUTED if digits > FEW else TYPED
    with np.errstate(all="ignore"):
        tried = _Tried(program, values, op_pull, claims, references, allowed)
        found = sorted(tried.found(of), key=lambda it: it.rank)
    return (*(it.diagnosis(of) for it in found), *shown)[:6]


def _sentence(diagnosis: Diagnosis) -> Diagnosis:
    text = diagnosis.explanation
    return replace(diagnosis, explanation=f"{text[0].upper()}{text[1:]}.")


def _whole(
    program: Program, values: Sequence[Any], components: Sequence[Component]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Claims and slopes as arrays, of those names whose every slope is known."""
    shapes = {node.name: np.shape(v) for node, v in zip(program.nodes, values, strict=True)}
    claims: dict[str, Any] = {}
    references: dict[str, Any] = {}
    for component in components:
        name, index = component.input, component.index or ()
        if name not in claims:
            claims[name] = np.full(shapes[name], np.nan)
            references[name] = np.full(shapes[name], np.nan)
        claims[name][index] = component.claim
        known = component.reference is not None and np.isfinite(component.claim)
        references[name][index] = component.reference if known else np.nan
    known = [name for name in claims if np.all(np.isfinite(references[name]))]
    return {name: claims[name] for name in known}, {name: references[name] for name in known}


class _Tried:
    def __init__(
        self,
        program: Program,
        values: Sequence[Any],
        op_pull: Callable[[Equation, int, Any], Parts],
        claims: Mapping[str, Any],
        references: Mapping[str, Any],
        allowed: float,
    ) -> None:
        self.program = program
        self.values = values
        self.op_pull = op_pull
        self.claims = claims
        self.allowed = allowed
        self.scale = max(float(np.max(np.abs(r), initial=0.0)) for r in references.values())

    def found(self, of: int) -> Iterator[Found]:
        for place, node in enumerate(self.program.nodes):
            if not isinstance(node, Equation):
                continue
            for mistake, rule, says in _swaps(node, [self.values[arg] for arg in node.args]):
                if self._fits(place, rule):
                    rank = RANKS.get(mistake, 1.0)
                    yield Found(rank, mistake, _place(node), f"At {_at(node)} {says}.", {}, of)
        for place, node in enumerate(self.program.nodes):
            uses = [n for n in self.program.equations for arg in n.args if arg == place]
            if len(uses) < 2 or isinstance(node, Constant):
                continue
            for kept in range(len(uses)):
                if self._fits_overwritten(place, kept):
                    says = (
                        f"{node.name} is used {len(uses)} times, and only the part from "
                        f"{uses[kept].text} is there: the parts have to be added (+=, not =)."
                    )
                    where = Place(None, node.name, node.position, node.name)
                    yield Found(RANKS["overwrite"], "overwrite", where, says, {}, of)

    def _fits(self, changed: int, rule: Rule) -> bool:
        try:
            gradients = self._back(changed=changed, rule=rule)
        except (ValueError, TypeError, IndexError):
            return False  # the mistake does not go with these shapes
        return self._claimed(gradients)

    def _fits_overwritten(self, place: int, kept: int) -> bool:
        return self._claimed(self._back(overwritten=place, kept=kept))

    def _claimed(self, gradients: Sequence[Any]) -> bool:
        for place, node in enumerate(self.program.nodes):
            claim = self.claims.get(node.name)
            if claim is None or isinstance(node, Constant):
                continue
            gap = np.abs(gradients[place] - claim)
            near = self.allowed * np.abs(claim) + 1e-12 * self.scale
            if np.shape(gap) != np.shape(claim) or not np.all(gap <= near):
                return False
        return True

    def _back(
        self, changed: int = -1, rule: Rule | None = None, overwritten: int = -1, kept: int = -1
    ) -> list[Any]:
        gradients: list[Any] = [np.zeros(np.shape(value)) for value in self.values]
        gradients[self.program.place] = np.ones(np.shape(self.values[self.program.place]))
        uses = 0
        total = sum(arg == overwritten for n in self.program.equations for arg in n.args)
        for place in reversed(range(len(self.values))):
            node = self.program.nodes[place]
            if not isinstance(node, Equation):
                continue
            g = gradients[place]
            parts = self.op_pull(node, place, g)
            if place == changed and rule is not None:
                inputs = [np.asarray(self.values[arg]) for arg in node.args]
                parts = rule(g, np.asarray(self.values[place]), inputs, parts)
            for arg, part in reversed(list(zip(node.args, parts, strict=True))):
                if arg == overwritten:
                    uses += 1
                    if total - uses != kept:
                        continue
                if part is not None:
                    shape = np.shape(self.values[arg])
                    gradients[arg] = gradients[arg] + unbroadcast(np.asarray(part), shape)
        return gradients


def _swaps(node: Equation, inputs: Sequence[Any]) -> Iterator[tuple[str, Rule, str]]:
    op = node.op.name
    for swap in SWAPS:
        if op in swap.ops or (not swap.ops and not _trivial(swap.mistake, node)):
            yield swap.mistake, swap.rule, swap.says.format(*node.inputs)
    if not node.op.elementwise:
        return
    yield from _unsummed(node, inputs)
    names = NAMES.get(len(inputs))
    if names is None:
        return
    for slip in SLIPS:
        if op in slip.ops and "d" not in slip.wrong:
            says = f"the local derivative was taken as {slip.wrong}"
            yield slip.mistake, _local(slip.argument, slip.wrong, ("y", *names)), says


def _unsummed(node: Equation, inputs: Sequence[Any]) -> Iterator[tuple[str, Rule, str]]:
    """Broadcasting undone wrongly: one slice of the gradient is kept, or the mean is taken."""
    shape = np.broadcast_shapes(*(np.shape(x) for x in inputs))
    for argument, name in enumerate(node.inputs):
        own = np.shape(inputs[argument])
        if own == shape:
            continue
        axes = tuple(range(len(shape) - len(own)))
        axes += tuple(
            len(axes) + i for i, n in enumerate(own) if n == 1 and shape[len(axes) + i] != 1
        )
        for kept, pick in KEPT.items():
            says = (
                f"{kept} of the gradient for {name} was kept: it was repeated from shape {own} to "
                f"{shape}, so its gradient is the sum over axis {', '.join(map(str, axes))}"
            )
            yield "summed_over_axis", _picked(node, argument, axes, pick), says


def _picked(
    node: Equation, argument: int, axes: tuple[int, ...], pick: Callable[[Any, int], Any]
) -> Rule:
    def rule(g: Any, y: Any, xs: Sequence[Any], parts: Parts) -> Parts:
        wanted = [i == argument for i in range(len(xs))]
        raw = node.op.run_rules(g, y, xs, node.params, wanted)[argument]
        raw = np.broadcast_to(raw, np.shape(y))
        for axis in reversed(axes):
            raw = pick(raw, axis)
        wrong = np.reshape(raw, np.shape(xs[argument]))
        return [wrong if i == argument else part for i, part in enumerate(parts)]

    return rule


def _trivial(mistake: str, node: Equation) -> bool:
    """Mistakes that the op does not allow, or that change nothing."""
    if mistake == "swap_operands":
        return len(node.args) != 2 or node.op.name in ("add", "max", "min")
    if mistake == "drop_factor":
        return node.op.name in ("add", "sum", "reshape", "transpose", "relu", "stack", "getitem")
    return False


def _local(argument: int, text: str, names: tuple[str, ...]) -> Rule:
    def rule(g: Any, y: Any, xs: Sequence[Any], parts: Parts) -> Parts:
        _, [slope] = worked_out(formula(text, names), [y, *xs])
        return [g * slope if i == argument else part for i, part in enumerate(parts)]

    return rule


def _place(node: Equation) -> Place:
    return Place(node.number, node.text, node.position, node.name)


def _at(node: Equation) -> str:
    return node.term if node.name.startswith("%") else f"{node.text},"
