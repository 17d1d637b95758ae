"""A program at many points in one go: every op with one more axis in front.

The inputs that move from point to point carry a leading axis of N points; the others stay as they
are. A rule for each op says how it is written for such operands, as the batching rules of JAX do
(Bradbury et al. 2018). What moves has the axis of points in front; what does not move is computed
once for all points. N appears nowhere, so that one program serves any number of points.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from engine.arrays import as_text, tidy
from engine.errors import EngineError, Position
from engine.methods import on_arrays
from engine.op import Op
from engine.ops import OPS
from engine.program import Constant, Equation, Input, Program

Shape = tuple[int, ...]

SHORT = 8
"""Numbers of a constant that is named by its own text."""

UNLIMITED = sys.maxsize
"""Whoever asks for many points at once chooses how many fit."""


def batched(
    program: Program, shapes: Mapping[str, Shape], moving: Collection[str]
) -> Program | None:
    """`program` for N points at once, or None where that cannot be written.

    In the new program the inputs named in `moving` come first, in that order, with the shape
    (N, *shape) and no default; the others are as before. `shapes` are those of all inputs at one
    point. Its output has shape (N,): the one number of each point, computed as `program` computes
    it up to the order in which sums are added. (An output of several numbers has shape
    (N, *shape).)

    None for an op without a rule (see REFUSED), for an array without numbers among what moves, and
    for a program that does not run with these shapes. Raises ValueError where `moving` names no
    input.
    """
    names = {node.name for node in program.inputs}
    if not moving or not names.issuperset(moving):
        raise ValueError(f"moving names some of the inputs {sorted(names)}, not {sorted(moving)}")
    try:
        values = program.run(_sample(program, shapes), requires_grad=False)
    except EngineError:
        return None
    writer = Writer()
    inputs = {node.name: node for node in program.inputs}
    known = {
        name: writer.input(inputs[name], tuple(shapes[name]), True)
        for name in dict.fromkeys(moving)
    }
    operands: list[Operand] = []
    for node, value in zip(program.nodes, values, strict=True):
        found = known.get(node.name) or _written(writer, node, operands, value.shape)
        if found is None or (found.moving and 0 in found.shape):
            return None
        operands.append(found)
    output = operands[program.place]
    if not output.moving:
        output = writer.along(output, _first_numbers(writer, operands))
    if math.prod(output.shape) == 1:
        output = writer.reshaped(output, ())
    limits = replace(
        program.limits, nodes=UNLIMITED, elements=UNLIMITED, numbers=UNLIMITED, inputs=UNLIMITED
    )
    return Program(program.source, tuple(writer.nodes), writer.place(output), limits)


def _sample(program: Program, shapes: Mapping[str, Shape]) -> dict[str, Any]:
    """A point of the given shapes: what the source has where it fits, else zeros, which are
    classes too."""
    return {
        node.name: node.default
        if node.default is not None and np.shape(node.default) == tuple(shapes[node.name])
        else tidy(np.zeros(shapes[node.name]))
        for node in program.inputs
    }


def _written(
    writer: Writer,
    node: Input | Constant | Equation,
    operands: Sequence[Operand],
    shape: Shape,
) -> Operand | None:
    """What `node` becomes, None where its op has no rule."""
    if isinstance(node, Input):
        return writer.input(node, shape, False)
    if isinstance(node, Constant):
        return writer.constant(node.value)
    writer.position = node.position
    args = [operands[arg] for arg in node.args]
    if not any(arg.moving for arg in args):
        found: Operand | None = writer.apply(node.op, shape, *args, **node.params)
    else:
        rule = rule_of(node.op)
        found = rule(writer, node, args, shape) if rule else None
    if found is not None and not node.name.startswith("%"):
        writer.name(found, node.name)
    return found


def _first_numbers(writer: Writer, operands: Sequence[Operand]) -> Operand:
    """One number for each point: the first one of an input that moves."""
    x = next(operand for operand in operands if operand.moving)
    index = (slice(None), *(0 for _ in x.shape))
    return writer.apply(OPS["getitem"], (), x, index=index) if x.shape else x


@dataclass(frozen=True, slots=True, eq=False)
class Operand:
    """A result in the new program: its shape at one point, and whether it has the axis of points
    in front of that. A constant has a `value`, and a `place` only once an equation needs it."""

    shape: Shape
    moving: bool
    place: int | None = None
    value: Any = None


class Writer:
    """Writes the nodes of the new program, one after another."""

    def __init__(self) -> None:
        self.nodes: list[Input | Constant | Equation] = []
        self.position = Position(1, 1, 0)
        self._equations = 0
        self._constants: dict[str | Operand, int] = {}

    def input(self, node: Input, shape: Shape, moving: bool) -> Operand:
        self.nodes.append(replace(node, default=None) if moving else node)
        return Operand(shape, moving, len(self.nodes) - 1)

    def constant(self, value: Any) -> Operand:
        value = tidy(value)
        return Operand(np.shape(value), False, value=value)

    def place(self, operand: Operand) -> int:
        """Where the operand stands among the nodes."""
        if operand.place is not None:
            return operand.place
        short = 0 < np.size(operand.value) <= SHORT
        key = as_text(operand.value) if short else operand
        if key not in self._constants:
            name = key if isinstance(key, str) else f"%array{len(self._constants) + 1}"
            self.nodes.append(Constant(name, operand.value, self.position))
            self._constants[key] = len(self.nodes) - 1
        return self._constants[key]

    def name(self, operand: Operand, name: str) -> None:
        """Call the equation written last `name`, if the operand is its result and it has none."""
        last = self.nodes[-1]
        here = operand.place == len(self.nodes) - 1
        if here and isinstance(last, Equation) and last.name.startswith("%"):
            self.nodes[-1] = replace(last, name=name)

    def apply(self, op: Op, shape: Shape, /, *operands: Operand, **params: Any) -> Operand:
        """`op` on operands as they lie; `shape` is that of the result at one point. The result of
        constants is a constant."""
        params = {**op.params, **params}
        if all(operand.place is None for operand in operands):
            return self.constant(on_arrays(op, [operand.value for operand in operands], params))
        args = tuple(map(self.place, operands))
        self._equations += 1
        names = tuple(self.nodes[arg].name for arg in args)
        name = f"%{self._equations}"
        self.nodes.append(Equation(self._equations, name, op, args, names, params, self.position))
        return Operand(shape, any(operand.moving for operand in operands), len(self.nodes) - 1)

    def map(self, op: Op, /, *operands: Operand, **params: Any) -> Operand:
        """`op` number by number, the trailing axes of the operands aligned."""
        shape = np.broadcast_shapes(*(operand.shape for operand in operands))
        raised = [self.raised(operand, len(shape)) for operand in operands]
        return self.apply(op, shape, *raised, **params)

    def raised(self, x: Operand, rank: int) -> Operand:
        """`x` with axes of length 1 in front of its own, `rank` in all; what does not move needs
        none."""
        return self.reshaped(x, (1,) * (rank - len(x.shape)) + x.shape) if x.moving else x

    def reshaped(self, x: Operand, shape: Shape) -> Operand:
        if x.shape == shape:
            return x
        return self.apply(OPS["reshape"], shape, x, shape=(-1, *shape) if x.moving else shape)

    def total(self, op: Op, x: Operand) -> Operand:
        """The sum or mean (`op`) of all numbers of each point."""
        return self.apply(op, (), x, axis=_axes(None, len(x.shape))) if x.shape else x

    def along(self, x: Operand, other: Operand) -> Operand:
        """`x` for each point of `other`, which moves."""
        return x if x.moving else self.map(OPS["where"], self.constant(0.0), other, x)


Rule = Callable[[Writer, Equation, Sequence[Operand], Shape], Operand | None]
"""(writer, equation, operands, shape of the result at one point) to the result, where at least one
operand moves; None where this cannot be written."""


def rule_of(op: Op) -> Rule | None:
    """How an op is written for operands that move; None where that is not known."""
    return RULES.get(op) or (_map if op.formula is not None else None)


def _axis(axis: int, rank: int) -> int:
    """An axis at one point, behind the axis of the points."""
    return axis % rank + 1


def _axes(axis: Any, rank: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(1, rank + 1))
    return tuple(_axis(a, rank) for a in (axis if isinstance(axis, tuple) else (axis,)))


def _map(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    return w.map(e.op, *args, **e.params)


def _reduce(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    [x] = args
    if not x.shape:
        return x
    axes = _axes(e.params["axis"], len(x.shape))
    return w.apply(e.op, shape, x, **{**e.params, "axis": axes})


def _logsumexp(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    [x] = args
    x = w.reshaped(x, x.shape or (1,))
    return w.apply(e.op, shape, x, axis=_one_or_all(e.params["axis"], len(x.shape)))


def _softmax(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    [x] = args
    x = w.reshaped(x, x.shape or (1,))
    y = w.apply(e.op, x.shape, x, axis=_one_or_all(e.params["axis"], len(x.shape)))
    return w.reshaped(y, shape)


def _one_or_all(axis: Any, rank: int) -> Any:
    axes = _axes(axis, rank)
    return axes[0] if len(axes) == 1 else axes


def _reshape(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    return w.reshaped(args[0], shape)


def _transpose(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    [x] = args
    rank = len(shape)
    for first in range(rank // 2):
        x = _swapped(w, x, first, rank - 1 - first)
    return x


def _swapaxes(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    rank = len(shape)
    return _swapped(w, args[0], e.params["axis1"] % rank, e.params["axis2"] % rank)


def _swapped(w: Writer, x: Operand, one: int, other: int) -> Operand:
    shape = list(x.shape)
    shape[one], shape[other] = shape[other], shape[one]
    return w.apply(OPS["swapaxes"], tuple(shape), x, axis1=one + 1, axis2=other + 1)


def _broadcast_to(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    [x] = args
    return x if x.shape == shape else w.map(OPS["mul"], x, w.constant(np.ones(shape)))


def _getitem(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand | None:
    given = e.params["index"]
    index = given if isinstance(given, tuple) else (given,)
    if not all(type(part) is int or isinstance(part, (slice, np.integer)) for part in index):
        return None
    return w.apply(e.op, shape, args[0], index=(slice(None), *index))


def _stack(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    moves = next(x for x in args if x.moving)
    rows = w.apply(e.op, shape, *(w.along(x, moves) for x in args))
    return w.apply(OPS["swapaxes"], shape, rows, axis1=0, axis2=1)


def _matmul(w: Writer, e: Equation, args: Sequence[Operand], shape: Shape) -> Operand:
    a, b = args
    if b.moving and not a.moving and len(b.shape) == 1:
        a, b = b, _rows_transposed(w, a)  # A @ x of each point is a row of X @ A.T
    if a.moving and not b.moving and len(b.shape) <= 2:
        width, columns = a.shape[-1:], b.shape[1:]
        rows = w.apply(OPS["reshape"], width, a, shape=(-1, *width)) if a.shape[1:] else a
        y = w.apply(e.op, columns, rows, b)
        return w.apply(OPS["reshape"], shape, y, shape=(-1, *shape)) if shape != columns else y
    if a.moving and b.moving and len(a.shape) == len(b.shape) == 1:
        return w.total(OPS["sum"], w.map(OPS["mul"], a, b))
    a = w.reshaped(a, a.shape if a.shape[1:] else (1, *a.shape))
    b = w.reshaped(b, b.shape if b.shape[1:] else (*b.shape, 1))
    rank = max(len(a.shape), len(b.shape))
    stacked = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    whole = (*stacked, a.shape[-2], b.shape[-1])
    return w.reshaped(w.apply(e.op, whole, w.raised(a, rank), w.raised(b, rank)), shape)


def _rows_transposed(w: Writer, a: Operand) -> Operand:
    """All rows of a fixed array as the columns of one matrix; a vector as it is."""
    if len(a.shape) == 1:
        return a
    rows = w.reshaped(a, (math.prod(a.shape[:-1]), a.shape[-1]))
    return w.apply(OPS["transpose"], rows.shape[::-1], rows)


def _loss(over: str, each: Callable[[Writer, Operand, Operand], Operand]) -> Rule:
    """The rule of a loss that is the sum or mean (`over`) of what `each` pair of numbers gives."""
    return lambda w, e, args, shape: w.total(OPS[over], each(w, *args))


def _gap(w: Writer, prediction: Operand, target: Operand) -> Operand:
    return w.map(OPS["sub"], prediction, target)


def _square(w: Writer, prediction: Operand, target: Operand) -> Operand:
    gap = _gap(w, prediction, target)
    return w.map(OPS["mul"], gap, gap)


def _distance(w: Writer, prediction: Operand, target: Operand) -> Operand:
    return w.map(OPS["abs"], _gap(w, prediction, target))


def _shortfall(w: Writer, prediction: Operand, target: Operand) -> Operand:
    margin = w.map(OPS["mul"], prediction, target)
    return w.map(OPS["max"], w.map(OPS["sub"], w.constant(1.0), margin), w.constant(0.0))


def _surprise(w: Writer, prediction: Operand, target: Operand) -> Operand:
    softplus = w.map(OPS["logaddexp"], w.constant(0.0), prediction)
    return w.map(OPS["sub"], softplus, w.map(OPS["mul"], prediction, target))


def _softmax_cross_entropy(
    w: Writer, e: Equation, args: Sequence[Operand], shape: Shape
) -> Operand | None:
    prediction, target = args
    if target.place is not None:
        return None  # whether these are classes is seen from their values alone
    classes = np.asarray(target.value)[..., np.newaxis] == np.arange(prediction.shape[-1])
    chosen = w.map(OPS["where"], w.constant(classes), prediction, w.constant(0.0))
    rest = prediction.shape[:-1]
    right = w.apply(OPS["sum"], rest, chosen, axis=-1)
    surprise = w.apply(OPS["logsumexp"], rest, prediction, axis=-1)
    return w.total(OPS["mean"], w.map(OPS["sub"], surprise, right))


RULES: Mapping[Op, Rule] = MappingProxyType(
    {
        OPS[name]: rule
        for name, rule in {
            "sum": _reduce,
            "mean": _reduce,
            "logsumexp": _logsumexp,
            "softmax": _softmax,
            "matmul": _matmul,
            "reshape": _reshape,
            "transpose": _transpose,
            "swapaxes": _swapaxes,
            "broadcast_to": _broadcast_to,
            "getitem": _getitem,
            "stack": _stack,
            "sum_squared_error": _loss("sum", _square),
            "mean_squared_error": _loss("mean", _square),
            "mean_absolute_error": _loss("mean", _distance),
            "hinge": _loss("mean", _shortfall),
            "binary_cross_entropy": _loss("mean", _surprise),
            "softmax_cross_entropy": _softmax_cross_entropy,
        }.items()
    }
)
"""Rules of ops that work on whole arrays. Ops with a formula work number by number: _map."""

REFUSED: Mapping[str, str] = MappingProxyType(
    {"place": "its result has the shape it is given, which cannot grow with the number of points"}
)
"""Ops of the table without a rule, and why."""
