"""Where a value became infinite or not a number, and in which form it would have kept finite."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from engine.arrays import digits
from engine.check.diagnosis.found import written
from engine.check.report import Diagnosis, Place
from engine.errors import InputError
from engine.evaluation import Node
from engine.expression import parse
from engine.program import Constant, Equation, Input, Program

STABLE: tuple[tuple[str, str], ...] = (
    ("log(1 + exp(x))", "softplus(x)"),
    ("log(exp(a) + exp(b))", "logaddexp(a, b)"),
    ("log(sum(exp(x)))", "logsumexp(x)"),
    ("log(exp(x)/sum(exp(x)))", "x - logsumexp(x)"),
    ("log(softmax(x))", "x - logsumexp(x)"),
    ("log(exp(x)/(1 + exp(x)))", "-softplus(-x)"),
    ("log(1/(1 + exp(-x)))", "-softplus(-x)"),
    ("log(sigmoid(x))", "-softplus(-x)"),
    ("log(1 - sigmoid(x))", "-softplus(x)"),
    ("exp(x)/sum(exp(x))", "softmax(x)"),
    ("exp(x)/(1 + exp(x))", "sigmoid(x)"),
    ("1/(1 + exp(-x))", "sigmoid(x)"),
    ("1/(1 + exp(x))", "sigmoid(-x)"),
    ("(exp(2*x) - 1)/(exp(2*x) + 1)", "tanh(x)"),
    ("(1 - exp(-2*x))/(1 + exp(-2*x))", "tanh(x)"),
    ("(exp(x) - exp(-x))/(exp(x) + exp(-x))", "tanh(x)"),
    ("sinh(x)/cosh(x)", "tanh(x)"),
    ("log(exp(x))", "x"),
    ("exp(a)*exp(b)", "exp(a + b)"),
    ("exp(a)/exp(b)", "exp(a - b)"),
)
"""Forms that overflow or underflow on the way, and what to write for them; the longer first."""

AROUND = 3
"""How many operations after a value that is not finite are looked at for such a form."""

LIMIT = 709.78
"""exp of anything above is larger than float64 can hold."""


def explain_undefined(
    program: Program, values: Sequence[Any], offender: Node
) -> tuple[Diagnosis, ...]:
    """What made the first value that is not finite, and the form that would not have."""
    for place, node in enumerate(program.nodes):
        if isinstance(node, Equation) and node.name == offender.name:
            mistake, cause = _cause(program, values, place)
            sentence = f"{written(program, place)} is the first value that is not finite: {cause}."
            form = None if mistake == "outside_domain" else _stable(program, values, place)
            if form is not None:
                sentence += f" A stable form: for {form[0]} write {form[1]}."
            elif mistake == "log_of_zero":
                sentence += (
                    " No other form is finite there: keep above 0 what the logarithm is taken of."
                )
            where = Place(node.number, node.text, node.position, node.name)
            return (Diagnosis(mistake, where, sentence),)
    return ()


# -- the cause -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Entry:
    """One number among an argument's: `x[1]` is -1."""

    text: str
    value: float
    literal: bool

    def __str__(self) -> str:
        return f"{self.value:.4g}" if self.literal else f"{self.text} = {self.value:.4g}"


def _cause(program: Program, values: Sequence[Any], place: int) -> tuple[str, str]:
    """The code of a mistake, and in words what happened at the first entry that is not finite."""
    node = program.nodes[place]
    assert isinstance(node, Equation)
    entries, y = _guilty(program, values, place)
    x, last, op = entries[0], entries[-1], node.op.name
    if op in ("exp", "expm1", "sinh", "cosh") and abs(x.value) > LIMIT:
        return "overflow", (
            f"{op} of {x} is beyond what float64 can hold, the limit is about exp({LIMIT})"
        )
    if op in ("log", "log1p") and x.value == (0 if op == "log" else -1):
        at = "" if op == "log" and x.text.isidentifier() else f" (here {x})"
        return "log_of_zero", f"the logarithm of 0 is minus infinity{at}"
    if op == "div" and last.value == 0:
        called = "" if last.literal else f" {last.text}"
        return "division_by_zero", f"the denominator{called} is 0"
    if op == "pow" and x.value == 0 and last.value < 0:
        return "division_by_zero", f"a negative power of 0 divides by 0 (here {x}, to the {last})"
    outside = [
        str(entry)
        for entry, domain in zip(entries, node.op.domains, strict=False)
        if entry.value not in domain
    ]
    if outside and not (op == "pow" and np.isinf(y)):
        return "outside_domain", f"it is not defined at {', '.join(outside)}"
    return "overflow", "the result is larger than float64 can hold"


def _guilty(program: Program, values: Sequence[Any], place: int) -> tuple[list[_Entry], float]:
    """For each argument of an equation the entry that made the first entry of its result that is
    not finite, and this. Where entries are mixed: the first outside its domain, if one is."""
    node = program.nodes[place]
    assert isinstance(node, Equation)
    y = np.asarray(values[place])
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(y))[0])
    entries = []
    for argument, arg in enumerate(node.args):
        x = np.asarray(values[arg], dtype=float)
        if node.op.elementwise:
            here = tuple(
                0 if n == 1 else i
                for i, n in zip(index[len(index) - x.ndim :], x.shape, strict=True)
            )
        else:
            domain = node.op.domains[0 if node.op.variadic else argument]
            odd = (at for at in np.ndindex(x.shape) if float(x[at]) not in domain)
            here = next(odd, (0,) * x.ndim)
        text = written(program, arg)
        if here:
            text = f"{text if text.isidentifier() else f'({text})'}[{', '.join(map(str, here))}]"
        literal = isinstance(program.nodes[arg], Constant)
        entries.append(_Entry(text, float(x[here]), literal))
    return entries, float(y[index])


# -- the form that was meant ---------------------------------------------------------------------

Bound = Mapping[str, int]
"""The places that the inputs of a form stand for."""


def _stable(program: Program, values: Sequence[Any], place: int) -> tuple[str, str] | None:
    """What is written and what to write for it, where the value at `place` is part of a form that
    is known and the other form is finite."""
    alike = _alike(program)
    roots = _users(program, place)
    for form, better in STABLE:
        for root in roots:
            for bound, covered in _matches(_read(form), program, alike, root):
                if place in covered and _finite(_read(better), values, bound):
                    return form, better
    return None


_read = functools.cache(parse)


def _users(program: Program, place: int) -> list[int]:
    """The equation at `place`, and those that use it through at most AROUND operations."""
    distance = {place: 0}
    for user, node in enumerate(program.nodes):
        if isinstance(node, Equation):
            steps = [distance[arg] for arg in node.args if arg in distance]
            if steps and min(steps) < AROUND:
                distance[user] = min(steps) + 1
    return list(distance)


def _alike(program: Program) -> list[int]:
    """A number for each node, the same for nodes that are computed in the same way."""
    seen: dict[Any, int] = {}
    found: list[int] = []
    for node in program.nodes:
        if isinstance(node, Equation):
            params = sorted((name, repr(value)) for name, value in node.params.items())
            key: Any = (node.op.name, *(found[arg] for arg in node.args), *params)
        elif isinstance(node, Constant):
            key = repr(digits(node.value))
        else:
            key = (node.name,)
        found.append(seen.setdefault(key, len(seen)))
    return found


def _matches(
    form: Program, program: Program, alike: Sequence[int], root: int
) -> Iterator[tuple[Bound, frozenset[int]]]:
    """The ways to read the node at `root` as `form`: what its inputs stand for, and the equations
    that it covers."""

    def read(at: int, place: int, bound: Bound) -> Iterator[tuple[Bound, frozenset[int]]]:
        part, node = form.nodes[at], program.nodes[place]
        if isinstance(part, Input):
            if alike[bound.get(part.name, place)] == alike[place]:
                yield {part.name: place, **bound}, frozenset()
        elif isinstance(part, Constant):
            if isinstance(node, Constant) and np.array_equal(node.value, part.value):
                yield bound, frozenset()
        elif isinstance(node, Equation) and node.op.name == part.op.name:
            orders = permutations(part.args) if part.op.name in ("add", "mul") else [part.args]
            for order in orders:
                yield from read_all(list(zip(order, node.args, strict=True)), place, bound)

    def read_all(
        pairs: Sequence[tuple[int, int]], place: int, bound: Bound
    ) -> Iterator[tuple[Bound, frozenset[int]]]:
        if not pairs:
            yield bound, frozenset({place})
            return
        for found, covered in read(*pairs[0], bound):
            for rest, more in read_all(pairs[1:], place, found):
                yield rest, covered | more

    yield from read(form.place, root, {})


def _finite(form: Program, values: Sequence[Any], bound: Bound) -> bool:
    """Whether a form is finite where its inputs have the values of the nodes they stand for."""
    point = {node.name: values[bound[node.name]] for node in form.inputs}
    if not all(np.all(np.isfinite(value)) for value in point.values()):
        return False
    try:
        found = form.run(point, requires_grad=False)
    except InputError:  # what was written works along an axis, and the arrays are too large
        return False
    return bool(np.all(np.isfinite(found[form.place].data)))
