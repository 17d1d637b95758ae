"""A small program of scalars as straight-line Python on floats, forward and backward, printed from
the ops' formulas.

It does what Values do, in the same order, so that the numbers are the same to the last bit; but
nothing is recorded, which makes it some ten times faster.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from engine.evaluation import Evaluation, Node
from engine.formula import literal
from engine.functions import FLOATS
from engine.methods import TROUBLE
from engine.program import Constant, Equation, Input, Program

LARGEST = 24
"""Equations up to which straight-line Python was measured to be faster than a visit to the tape."""


def fits(program: Program) -> bool:
    """Whether `program`, at numbers, can be written out: all its equations have formulas, and no
    parameters but defaults that are part of them."""
    equations = program.equations
    return (
        0 < len(equations) <= LARGEST
        and len(program.nodes) <= 3 * LARGEST
        and all(e.op.formula is not None and not e.op.params for e in equations)
        and all(n.value.__class__ is float for n in program.nodes if isinstance(n, Constant))
        and bool(program.inputs)
    )


def straight(program: Program) -> Callable[[Mapping[str, Any] | None], Evaluation | None]:
    """A function like program.evaluate(), for a `program` that fits. It answers None where it is
    not given a float for every input, or where anything is out of the ordinary: an infinity, a nan,
    an exception."""
    source = "\n".join(_lines(program))
    scope: dict[str, Any] = {
        **FLOATS,
        "Evaluation": Evaluation,
        "TROUBLE": (*TROUBLE, KeyError, TypeError),
        "defaults": {node.name: node.default for node in program.inputs},
        "isfinite": math.isfinite,
        "nodes": functools.partial(_nodes, program),
    }
    exec(compile(source, f"<{program.output} written out>", "exec"), scope)
    return scope["evaluate"]  # type: ignore[no-any-return]


def _lines(program: Program) -> Iterator[str]:
    nodes = program.nodes
    names = [
        literal(node.value) if isinstance(node, Constant) else f"x{place}"
        for place, node in enumerate(nodes)
    ]
    inputs = [place for place, node in enumerate(nodes) if isinstance(node, Input)]
    yield "def evaluate(at):"
    yield "  if at is None: at = defaults"
    yield f"  elif len(at) != {len(inputs)}: return None"
    yield "  try:"
    for place in inputs:
        yield f"    {names[place]} = at[{nodes[place].name!r}]"
    classes = " is ".join(f"{names[place]}.__class__" for place in inputs)
    yield f"    if not ({classes} is float): return None"
    for place, node in enumerate(nodes):
        if isinstance(node, Equation):
            assert node.op.formula is not None
            body, [result] = node.op.formula.python([names[i] for i in node.args], f"x{place}t")
            yield from (f"    {line}" for line in body)
            yield f"    {names[place]} = {result}"
    yield from (f"    {line}" for line in _backward(program, names))
    yield "  except TROUBLE: return None"
    computed = [f"x{i}" for i, node in enumerate(nodes) if not isinstance(node, Constant)]
    reached = _reached(program)
    sums = [*computed, *(f"g{i}" for i in sorted(reached))]
    yield f"  if not isfinite({' + '.join(sums)}): return None"
    found = ", ".join(f"{nodes[i].name!r}: {f'g{i}' if i in reached else 0.0}" for i in inputs)
    gradients = (f"g{i}" if i in reached else "0.0" for i in range(len(nodes)))
    yield f"  numbers = ({', '.join(names)},), ({', '.join(gradients)},)"
    yield f"  return Evaluation({names[program.place]}, {{{found}}}, lambda: nodes(*numbers))"


def _nodes(
    program: Program, values: Sequence[float], gradients: Sequence[float]
) -> tuple[Node, ...]:
    """Every node of a program, by its place."""
    return tuple(map(program.node, program.nodes, values, gradients))


def _reached(program: Program) -> set[int]:
    """The places of the nodes that have a gradient which anybody asks for."""
    reached = {program.place}
    for place in range(program.place, -1, -1):
        node = program.nodes[place]
        if place in reached and isinstance(node, Equation):
            reached.update(
                arg
                for i, arg in enumerate(node.args)
                if node.op.differentiates(i) and not isinstance(program.nodes[arg], Constant)
            )
    return reached


def _backward(program: Program, names: Sequence[str]) -> Iterator[str]:
    seen = {program.place}
    reached = _reached(program)
    yield f"g{program.place} = 1.0"
    for place in range(program.place, -1, -1):
        node = program.nodes[place]
        if place not in reached or not isinstance(node, Equation):
            continue
        assert node.op.backward_formula is not None
        wanted = [i for i, arg in enumerate(node.args) if arg in reached]
        wanted = [i for i in wanted if node.op.differentiates(i)]
        operands = [f"g{place}", names[place], *(names[i] for i in node.args)]
        body, results = node.op.backward_formula.only(wanted).python(operands, f"g{place}t")
        yield from body
        for i, result in zip(wanted, results, strict=True):
            arg = node.args[i]
            # Gradients are added to 0.0, as Values do: it makes -0.0 a plain zero.
            yield f"g{arg} = {f'g{arg}' if arg in seen else '0.0'} + {result}"
            seen.add(arg)
