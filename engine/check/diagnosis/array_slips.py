"""Wrong backward rules of operations on arrays: those listed, as data, and those that follow from
the shapes of an equation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.check.diagnosis.slips import NAMES, SLIPS
from engine.exam.points import worked_out
from engine.program import Equation
from engine.rule_text import formula

Parts = list[Any]
Rule = Callable[[Any, Any, Sequence[Any], Parts], Parts]
"""From upstream gradient, output, inputs and the true parts to what was computed instead."""


@dataclass(frozen=True, slots=True)
class Swap:
    """A mistake in the rule of the ops named (empty: of every op), with the sentence for it."""

    mistake: str
    ops: tuple[str, ...]
    rule: Rule
    says: str


def _first(part: Callable[[Any, Any, Sequence[Any]], Any]) -> Rule:
    """A wrong gradient for the first input alone."""
    return lambda g, y, xs, parts: [part(g, y, xs), *parts[1:]]


def _left(g: Any, y: Any, xs: Sequence[Any], parts: Parts) -> Parts:
    return [np.matmul(g, xs[1]), parts[1]]


def _right(g: Any, y: Any, xs: Sequence[Any], parts: Parts) -> Parts:
    return [parts[0], np.matmul(xs[0], g)]


def _scaled(factor: Callable[[Sequence[Any]], float]) -> Rule:
    return lambda g, y, xs, parts: [None if p is None else p * factor(xs) for p in parts]


SWAPS: tuple[Swap, ...] = (
    Swap(
        "softmax_diagonal",
        ("softmax",),
        _first(lambda g, y, xs: g * y * (1 - y)),
        "only the diagonal of its Jacobian was used, g*y*(1 - y): the outputs are coupled, because "
        "each is divided by the sum of all",
    ),
    Swap(
        "matmul_transpose",
        ("matmul",),
        _left,
        "the gradient of the left factor was multiplied by {1}, not by its transpose",
    ),
    Swap(
        "matmul_transpose",
        ("matmul",),
        _right,
        "the gradient of the right factor was multiplied by {0}, not by its transpose",
    ),
    Swap(
        "mean_factor",
        ("mean", "mean_squared_error", "mean_absolute_error", "hinge", "binary_cross_entropy"),
        _scaled(lambda xs: float(np.size(xs[0]))),
        "the division by n, the number of entries, is missing",
    ),
    Swap(
        "mean_factor",
        ("softmax_cross_entropy",),
        _scaled(lambda xs: float(np.size(xs[-1]))),
        "the division by n, the number of samples, is missing",
    ),
    Swap(
        "square_factor",
        ("sum_squared_error", "mean_squared_error"),
        _scaled(lambda xs: 0.5),
        "the 2 of the square is missing",
    ),
    Swap("relu_mask", ("relu",), _first(lambda g, y, xs: g), "the mask is missing: the gradient "
         "passes only where the input is positive"),
    Swap("mask_from_gradient", ("relu",), _first(lambda g, y, xs: np.where(g > 0, g, 0.0)),
         "the mask was taken from the gradient; it depends on the input"),
    Swap("max_both", ("max", "min"), lambda g, y, xs, parts: [g, g],
         "the gradient went to both arguments; only the one that was chosen moves the result"),
    Swap("max_wrong_branch", ("max", "min"), lambda g, y, xs, parts: parts[::-1],
         "the gradient went to the argument that was not chosen"),
    Swap("drop_factor", (), lambda g, y, xs, parts: [g for _ in parts],
         "the local derivative was forgotten: the incoming gradient was passed on as it is"),
    Swap("sign_op", (), lambda g, y, xs, parts: [None if p is None else -p for p in parts],
         "the sign is turned around"),
    Swap("swap_operands", (), lambda g, y, xs, parts: parts[::-1],
         "the two operands got each other's gradient"),
    Swap("graph_cut", (), lambda g, y, xs, parts: [None for _ in parts],
         "the gradient is cut off: nothing passes to its inputs"),
)  # fmt: skip


KEPT: Mapping[str, Callable[[Any, int], Any]] = {
    "only the first part": lambda g, axis: np.take(g, 0, axis),
    "only the last part": lambda g, axis: np.take(g, -1, axis),
    "the mean": lambda g, axis: np.mean(g, axis),
}
"""What is done to a gradient of a repeated input where it should be summed."""


def wrong_rules(
    node: Equation, names: Sequence[str], inputs: Sequence[Any]
) -> Iterator[tuple[str, Rule, str]]:
    """Wrong rules for an equation whose inputs, called `names`, have these values: the code of the
    mistake, the rule, and what a sentence says of it."""
    op = node.op.name
    for swap in SWAPS:
        if op in swap.ops or (not swap.ops and not _trivial(swap.mistake, node)):
            yield swap.mistake, swap.rule, swap.says.format(*names)
    if not node.op.elementwise:
        return
    yield from _unsummed(node, names, inputs)
    known = NAMES.get(len(inputs))
    if known is None:
        return
    for slip in SLIPS:
        if op in slip.ops and "d" not in slip.wrong:
            says = f"the local derivative was taken as {slip.wrong}"
            yield slip.mistake, _local(slip.argument, slip.wrong, ("y", *known)), says


def _trivial(mistake: str, node: Equation) -> bool:
    """Mistakes that the op does not allow, or that change nothing."""
    if mistake == "swap_operands":
        return len(node.args) != 2 or node.op.name in ("add", "max", "min")
    if mistake == "drop_factor":
        return node.op.name in ("add", "sum", "reshape", "transpose", "relu", "stack", "getitem")
    return False


def _unsummed(
    node: Equation, names: Sequence[str], inputs: Sequence[Any]
) -> Iterator[tuple[str, Rule, str]]:
    """Broadcasting undone wrongly: one slice of the gradient is kept, or the mean is taken."""
    shape = np.broadcast_shapes(*(np.shape(x) for x in inputs))
    for argument, name in enumerate(names):
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


_formula = functools.cache(formula)


def _local(argument: int, text: str, names: tuple[str, ...]) -> Rule:
    def rule(g: Any, y: Any, xs: Sequence[Any], parts: Parts) -> Parts:
        _, [slope] = worked_out(_formula(text, names), [y, *xs])
        return [g * slope if i == argument else part for i, part in enumerate(parts)]

    return rule
