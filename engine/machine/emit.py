"""The rows of one equation: a rule for each op that the machine has a kernel for.

Elementwise ops with a formula need no rule: their kernels are printed from it. What has neither a
rule nor a formula, or is asked something that its rule does not cover, is a call of the op in
Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.machine.kernels import linear, losses
from engine.machine.memory import Shape
from engine.machine.tape import Home
from engine.program import Constant, Equation, Program

if TYPE_CHECKING:
    from engine.machine.lower import Lowering

RANK = 5
"""Axes that a spread can tell apart."""

Rule = Callable[["Lowering", int, Equation], bool]
"""Emit the rows for the equation at a place; False where the rule does not cover it."""


def is_transpose(equation: Equation, shape: Shape) -> bool:
    """Whether an equation turns a matrix of this shape, and does nothing else."""
    if len(shape) != 2 or equation.op.origin != "built-in":
        return False
    if equation.op.name == "transpose":
        return True
    axes = (equation.params.get("axis1"), equation.params.get("axis2"))
    return equation.op.name == "swapaxes" and {a % 2 for a in axes if a is not None} == {0, 1}


class Uncovered(Exception):
    """A row has no room for what an equation asks."""


def elementwise(low: Lowering, place: int, equation: Equation) -> bool:
    """A row of a kernel printed from the op's formula."""
    shape = low.shapes[place]
    homes = [low.aligned(arg, shape) for arg in equation.args]
    homes += [low.constant(float(value)) for value in equation.params.values()]
    out = low.result(place)
    one = out.size == 1
    operands = [x for home in homes for x in (home.offset, int(home.size != 1 or one))]
    low.row(low.kernel_of(equation), out.size, out, 0, *operands)
    return True


# -- moving numbers ----------------------------------------------------------------------


def _reshape(low: Lowering, place: int, equation: Equation) -> bool:
    low.homes[place] = Home(low.plain(equation.args[0]).offset, low.shapes[place])
    return True


def _transpose(low: Lowering, place: int, equation: Equation) -> bool:
    [arg] = equation.args
    if is_transpose(equation, low.shapes[arg]):
        home = low.home(arg)
        low.homes[place] = Home(home.offset, low.shapes[place], not home.transposed)
        return True
    x = low.plain(arg)
    order = np.arange(len(x.shape))
    if equation.op.name == "transpose":
        order = order[::-1]
    else:
        first, second = equation.params["axis1"], equation.params["axis2"]
        order[[first, second]] = order[[second, first]]
    strides = _strides(x.shape)
    return _spread(low, place, x, [strides[i] for i in order])


def _broadcast_to(low: Lowering, place: int, equation: Equation) -> bool:
    x = low.plain(equation.args[0])
    return _spread(low, place, x, stretched(x.shape, low.shapes[place]))


def _spread(low: Lowering, place: int, x: Home, strides: list[int]) -> bool:
    low.spread(x, low.shapes[place], strides, place)
    return True


def _getitem(low: Lowering, place: int, equation: Equation) -> bool:
    x = low.plain(equation.args[0])
    given = equation.params["index"]
    index = given if isinstance(given, tuple) else (given,)
    skipped, strides = 0, []
    for i, n, step in zip(index, x.shape, _strides(x.shape), strict=False):
        if isinstance(i, bool):
            return False
        if isinstance(i, slice):
            taken = range(n)[i]
            if taken.step < 0:
                return False
            skipped += taken.start * step
            strides.append(taken.step * step)
        elif isinstance(i, int):
            skipped += i % n * step
        else:
            return False
    if not strides:  # one row, or one number: it lies there as it is
        low.homes[place] = x.part(skipped, low.shapes[place])
        return True
    rest = x.part(skipped, (max(0, x.size - skipped),))
    return _spread(low, place, rest, [*strides, *_strides(x.shape)[len(index) :]])


def _stack(low: Lowering, place: int, equation: Equation) -> bool:
    parts = [low.plain(arg) for arg in equation.args]
    out = low.result(place)
    for i, part in enumerate(parts):
        low.row("copy", part.size, out.part(i * part.size, part.shape), 0, part.offset)
    return True


# -- many numbers into few ----------------------------------------------------------------


def _sum(low: Lowering, place: int, equation: Equation) -> bool:
    [arg] = equation.args
    shape, axis = low.shapes[arg], equation.params["axis"]
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    groups = _neighbours(sorted({a % len(shape) for a in axes} if shape else ()))
    if equation.op.name == "mean" and not size(shape):
        return False
    count = math.prod(shape[a] for group in groups for a in group)
    factor = 1.0 / count if equation.op.name == "mean" else 1.0
    x, left = low.plain(arg), list(shape)
    if not groups:
        low.homes[place] = Home(x.offset, low.shapes[place])
        return True
    for group in reversed(groups):  # from behind, so that the axes before keep their numbers
        first, last = group[0], group[-1] + 1
        outer, inner = math.prod(left[:first]), math.prod(left[last:])
        many = math.prod(left[first:last])
        left[first:last] = []
        final = group is groups[0]
        out = low.result(place) if final else low.allocate(tuple(left))
        scale = low.constant(factor if final else 1.0)
        low.row("sum", outer * inner, out, scale.offset, x.offset, outer, many, inner)
        x = out
    return True


def _along_axis(low: Lowering, place: int, equation: Equation) -> bool:
    [arg] = equation.args
    shape, axis = low.shapes[arg], equation.params["axis"]
    if not isinstance(axis, int) or not shape or not size(shape):
        return False
    axis %= len(shape)
    sizes = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
    x, out = low.plain(arg), low.result(place)
    low.row(equation.op.name, out.size, out, 0, x.offset, *sizes)
    return True


# -- products and losses -----------------------------------------------------------------


def _matmul(low: Lowering, place: int, equation: Equation) -> bool:
    left, right = (low.shapes[arg] for arg in equation.args)
    a, b = (_matrix(low, arg, len(low.shapes[arg])) for arg in equation.args)
    m, k = (1, left[0]) if len(left) == 1 else left[-2:]
    n = 1 if len(right) == 1 else right[-1]
    stacked = np.broadcast_shapes(left[:-2], right[:-2])
    if len(stacked) > RANK - 2:
        return False
    a, a_step = _stack_of(low, a, left, (*stacked, *left[-2:]), m * k)
    b, b_step = _stack_of(low, b, right, (*stacked, *right[-2:]), k * n)
    bias, target = low.bias_of(place)
    flags = linear.A_TRANSPOSED * a.transposed | linear.B_TRANSPOSED * b.transposed
    flags |= linear.A_WANTED * low.wanted(equation.args[0])
    flags |= linear.B_WANTED * low.wanted(equation.args[1])
    if bias is not None:
        flags |= linear.BIAS | linear.BIAS_WANTED
    batch = math.prod(stacked)
    out = low.result(target)
    start = bias.offset if bias is not None else 0
    low.row(
        "linear", batch * m * n, out, flags, a.offset, b.offset, start, m, k, n, batch,
        a_step, b_step,
    )  # fmt: skip
    return True


def _matrix(low: Lowering, place: int, rank: int) -> Home:
    return low.home(place) if rank == 2 else low.plain(place)


def _stack_of(
    low: Lowering, home: Home, shape: Shape, wanted: Shape, step: int
) -> tuple[Home, int]:
    """The matrices of a stack, and how far they are apart: 0 where all are the same one."""
    if size(shape[:-2]) == size(wanted[:-2]) and len(shape) > 2:
        return home, step
    if size(shape[:-2]) == 1:
        return home, 0
    return low.spread(home, wanted, stretched(shape, wanted)), step


def _loss(low: Lowering, place: int, equation: Equation) -> bool:
    prediction, target = equation.args
    wanted = losses.WANTED * low.wanted(prediction) | losses.TARGET_WANTED * low.wanted(target)
    homes = low.plain(prediction), low.plain(target)
    count = homes[0].size
    if not count and equation.op.name != "sum_squared_error":
        return False
    low.row(equation.op.name, 1, low.result(place), wanted, homes[0].offset, homes[1].offset, count)
    return True


def _softmax_cross_entropy(low: Lowering, place: int, equation: Equation) -> bool:
    prediction, target = equation.args
    *rows, classes = low.shapes[prediction]
    if not size(low.shapes[prediction]):
        return False
    homes = low.plain(prediction), low.plain(target)
    room = low.allocate((1 + math.prod(rows) * classes,))  # the loss, and behind it the softmax
    low.homes[place] = Home(room.offset, ())
    low.row(
        "softmax_cross_entropy", room.size, room, losses.WANTED * low.wanted(prediction),
        homes[0].offset, homes[1].offset, math.prod(rows), classes,
    )  # fmt: skip
    return True


RULES: Mapping[str, Rule] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "swapaxes": _transpose,
    "broadcast_to": _broadcast_to,
    "getitem": _getitem,
    "stack": _stack,
    "sum": _sum,
    "mean": _sum,
    "softmax": _along_axis,
    "logsumexp": _along_axis,
    "matmul": _matmul,
    "sum_squared_error": _loss,
    "mean_squared_error": _loss,
    "mean_absolute_error": _loss,
    "hinge": _loss,
    "binary_cross_entropy": _loss,
    "softmax_cross_entropy": _softmax_cross_entropy,
}
"""Built-in ops that work on whole arrays."""


def _strides(shape: Shape) -> list[int]:
    """How far apart, in numbers, neighbours along each axis are."""
    return [math.prod(shape[i + 1 :]) for i in range(len(shape))]


def joined(shape: Shape, strides: Sequence[int]) -> list[tuple[int, int]]:
    """Axes as (size, stride), without those of one number, and as one where they are read on and
    on."""
    axes: list[tuple[int, int]] = []
    for n, step in zip(shape, strides, strict=True):
        if axes and axes[-1][1] == n * step and n != 1:
            axes[-1] = axes[-1][0] * n, step
        elif n != 1:
            axes.append((n, step))
    return axes


def size(shape: Shape) -> int:
    """Numbers in an array of this shape."""
    return math.prod(shape)


def stretched(shape: Shape, wanted: Shape) -> list[int]:
    """The strides by which an array of `shape` is read as one of the shape `wanted`."""
    steps = [0 if n == 1 else step for n, step in zip(shape, _strides(shape), strict=True)]
    return [0] * (len(wanted) - len(shape)) + steps


def _neighbours(axes: list[int]) -> list[list[int]]:
    """Axes in groups that follow one another: [0, 1, 3] as [0, 1] and [3]."""
    groups: list[list[int]] = []
    for axis in axes:
        if groups and groups[-1][-1] == axis - 1:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    return groups


def constant_exponent(program: Program, equation: Equation) -> float | None:
    """The exponent of a power, where it is a number written in the program."""
    if equation.op.name != "pow" or equation.op.origin != "built-in":
        return None
    node: Any = program.nodes[equation.args[1]]
    return node.value if isinstance(node, Constant) and node.value.__class__ is float else None
