"""What an op does to Values: the function that computes and records it (its push), and the function
that later carries its gradient back (its pull).

For scalars both are printed from the op's formulas, so that a Value of one number costs a few
hundred nanoseconds; arrays, edge cases (1/0, overflow) and ops without a formula run the op's own
rules. Both roads give the same numbers.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from engine.arrays import as_numpy, tidy
from engine.errors import EngineError, OpError
from engine.formula import Formula
from engine.functions import FLOATS
from engine.op import REQUIRED, Op, shape_error

making = itertools.count(1)
"""Numbers computed Values in the order of their making: one in which they can be computed."""

PRINTED = 4
"""Inputs of an op whose scalar methods are printed: one pull for each set of inputs is too many."""

TROUBLE = (ArithmeticError, ValueError)
"""What Python's float functions raise where numpy gives an infinity or a nan."""


def on_arrays(op: Op, inputs: Sequence[Any], params: dict[str, Any]) -> Any:
    """`op` by its own rule, as numpy sees it: 1/0 is an infinity, not an error."""
    with np.errstate(all="ignore"):
        try:
            return tidy(op.forward(*map(as_numpy, inputs), **params))
        except (ValueError, IndexError, TypeError) as error:
            if op.elementwise and not any(map(np.ndim, inputs)):
                at = ", ".join(f"{x:g}" for x in inputs)
                name = type(error).__name__
                raise OpError(f"{op.name} failed at {at}: {name}: {error}") from error
            raise shape_error(op, inputs, error) from error


def pull(node: Any) -> None:
    """Carry the gradient of `node` back to its inputs by the op's own rules."""
    parts = gradients_of(node, node.grad)
    for u, part in zip(node.inputs, parts, strict=True):
        if part is not None:
            u.grad = tidy(u.grad + part)


def gradients_of(node: Any, upstream: Any) -> list[Any]:
    """What the rules of a computed Value make of an upstream gradient: a part for each input that
    wants one. Raises OpError, whatever a plugin's rule raises."""
    inputs = [u.data for u in node.inputs]
    wanted = [u.requires_grad for u in node.inputs]
    return parts_of(node.op, upstream, node.data, inputs, node.params, wanted)


def parts_of(
    op: Op,
    g: Any,
    y: Any,
    inputs: Sequence[Any],
    params: Mapping[str, Any],
    wanted: Sequence[bool],
) -> list[Any]:
    """As op.pull(), on numbers as a graph holds them. Raises OpError, whatever a rule raises."""
    with np.errstate(all="ignore"):
        try:
            return op.pull(as_numpy(g), as_numpy(y), [as_numpy(x) for x in inputs], params, wanted)
        except EngineError:
            raise
        except Exception as error:
            name = type(error).__name__
            raise OpError(f"the backward of {op.name} failed: {name}: {error}") from error


def push_of(op: Op, value: type) -> Callable[..., Any]:
    """The function that applies `op` to Values (class `value`) and plain numbers."""
    general = _general_push(op, value)
    if op.formula is None or op.params or len(op.input_names) > PRINTED:
        return general
    return _float_push(op, value, general)


def _general_push(op: Op, value: Any) -> Callable[..., Any]:
    known = set(op.params)
    needed = {name for name, default in op.params.items() if default is REQUIRED}

    def push(*args: Any, **params: Any) -> Any:
        fits = needed <= params.keys() <= known
        if not fits or (op.arity is not None and len(args) != op.arity):
            raise TypeError(f"{op.name} is called as {op.call_text}")
        inputs = tuple(a if a.__class__ is value else value.constant(a) for a in args)
        full = {**op.params, **params}
        node = value.__new__(value)
        node.data = on_arrays(op, [u.data for u in inputs], full)
        node.grad = 0.0
        node.op = op
        node.inputs = inputs
        node.params = full
        node.sources = tuple(
            u for i, u in enumerate(inputs) if u.requires_grad and op.differentiates(i)
        )
        node.requires_grad = bool(node.sources)
        node.pull = pull if node.sources else None
        node.serial = next(making)
        return node

    return push


def _float_push(op: Op, value: type, general: Callable[..., Any]) -> Callable[..., Any]:
    """`general`, with a way of its own for scalars, printed from the formulas of `op`."""
    n = len(op.input_names)
    places = range(n)
    names = [f"x{i}" for i in places]
    args = ", ".join(f"v{i}" for i in places)
    assert op.formula is not None
    assert op.backward_formula is not None
    forward, [y] = op.formula.python(names)
    ways = [p for k in range(n, 0, -1) for p in itertools.combinations(places, k)]
    ways = [way for way in ways if all(map(op.differentiates, way))]
    lines = [f"def push({args}):"]
    lines += [f"  if v{i}.__class__ is not Value: v{i} = Value(v{i}, '', False)" for i in places]
    lines += [f"  x{i} = v{i}.data" for i in places]
    lines += [f"  if not ({' is '.join(f'x{i}.__class__' for i in places)} is float):"]
    lines += [f"    return general({args})", "  try:"]
    lines += [f"    {statement}" for statement in forward] + [f"    y = {y}"]
    lines += [f"  except TROUBLE: y = on_arrays(op, ({', '.join(names)},), EMPTY)"]
    lines += ["  v = new(Value); v.data = y; v.grad = 0.0; v.op = op"]
    lines += [f"  v.inputs = ({args},); v.serial = next(making)"]
    for k, way in enumerate(ways):
        wanted = " and ".join(f"v{i}.requires_grad" for i in way)
        lines += [f"  {'elif' if k else 'if'} {wanted}:"]
        sources = "v.inputs" if len(way) == n else "".join(f"v{i}, " for i in way)
        lines += [f"    v.pull = {_pull_name(way)}; v.sources = {sources}; v.requires_grad = True"]
    lines += ["  else: v.pull = None; v.sources = (); v.requires_grad = False", "  return v"]
    for way in ways:
        lines += _pull_lines(op.backward_formula, way, names)
    scope = {
        **FLOATS,
        "EMPTY": {},
        "TROUBLE": TROUBLE,
        "Value": value,
        "general": general,
        "making": making,
        "new": value.__new__,
        "on_arrays": on_arrays,
        "op": op,
        "pull": pull,
    }
    exec(compile("\n".join(lines), f"<{op.name} on Values>", "exec"), scope)
    return scope["push"]  # type: ignore[no-any-return]


def _pull_name(way: Sequence[int]) -> str:
    return "pull_" + "_".join(map(str, way))


def _pull_lines(backward: Formula, way: Sequence[int], names: Sequence[str]) -> list[str]:
    """A function that adds to the gradients of the inputs in `way`; all of them, or none where
    something goes wrong half-way."""
    body, results = backward.only(way).python(["g", "y", *names])
    known = {"g": "v.grad", "y": "v.data", **{name: f"v{i}.data" for i, name in enumerate(names)}}
    used = set(re.findall(r"\w+", " ".join([*body, *results])))
    lines = [f"def {_pull_name(way)}(v):"]
    lines += [f"  {', '.join(f'v{i}' for i in range(len(names)))}, = v.inputs"]
    lines += [f"  {name} = {source}" for name, source in known.items() if name in used]
    lines += ["  try:"] + [f"    {statement}" for statement in body]
    lines += [f"    d{i} = {result}" for i, result in zip(way, results, strict=True)]
    lines += ["  except TROUBLE: return pull(v)"]
    return lines + [f"  v{i}.grad += d{i}" for i in way]
