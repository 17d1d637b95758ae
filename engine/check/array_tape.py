"""A program that holds arrays, run on arrays of balls."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from flint import arb, ctx

from engine.balls import BALLS, parameters, run
from engine.functions import BY_ARRAY
from engine.program import Equation, Program

FINITE = np.frompyfunc(arb.is_finite, 1, 1)
LIFTED = np.frompyfunc(lambda x: x if isinstance(x, arb) else arb(float(x)), 1, 1)


LEVEL = frozenset({"sign"})
"""Ops that give the same number all around a point."""

SUMS = frozenset({np.add, np.multiply})
"""Ufuncs that numpy itself carries out on balls, so that they can be reduced along several axes."""


class BallArray(np.ndarray):
    """An array of balls: numpy's functions on it are those of BALLS, entry by entry; what only
    moves or adds numbers is numpy's own."""

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        plain = [_plain(arg) for arg in args]
        if ufunc is np.isfinite:
            return FINITE(*plain).astype(bool)
        row = BY_ARRAY.get(ufunc)
        known = ufunc if row is None or ufunc in SUMS else _entrywise(row.name)
        if method == "reduce":
            return _view(_reduced(known, *plain, **kwargs))
        if kwargs.get("out") is not None:  # an in-place step of numpy's own, such as in mean
            kwargs = {key: kwargs[key] for key in kwargs.keys() - {"out", "casting", "subok"}}
        return _view(getattr(known, method)(*plain, **kwargs))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func is np.where:
            return _view(_entrywise("where")(*map(_plain, args)))
        return super().__array_function__(func, types, args, kwargs)


class ArrayTape:
    """As BallTape, node by node: each node's value is a ball or an array of balls.

    An input that can have no gradient (the classes of a loss) keeps its plain numbers.
    """

    def __init__(
        self,
        program: Program,
        values: Sequence[Any],
        stand_in: Callable[[int], Callable[..., Any]],
    ) -> None:
        self.program = program
        self._values = values
        self._stand_in = functools.cache(stand_in)
        self._base: tuple[int, list[Any]] | None = None
        self._plain = labels(program)

    def moved(self, place: int, index: tuple[int, ...] | None = None) -> Callable[[Any], Any]:
        """The output as a function of a step of the node at `place`, or of its entry at `index`,
        away from the point; for None it is the output at the point itself."""
        after = self.program.after(place).items()
        path = [(i, node) for i, node in after if i not in self._plain]

        def function(step: Any) -> Any:
            base = self._registers()
            if step is None or (not path and place != self.program.place):
                return _number(base[self.program.place])
            held = base[place]
            if index is None:
                moved = held + step
            else:
                moved = held.copy()
                moved[index] = held[index] + step
            registers = {place: moved}
            for i, node in path:
                registers[i] = self._apply(i, node, [registers.get(j, base[j]) for j in node.args])
            output = self.program.place
            return _number(registers.get(output, base[output]))

        return function

    def _registers(self) -> list[Any]:
        if self._base is None or self._base[0] != ctx.prec:
            registers: list[Any] = []
            for place, (node, value) in enumerate(
                zip(self.program.nodes, self._values, strict=True)
            ):
                if place in self._plain:
                    registers.append(value)
                elif isinstance(node, Equation):
                    args = [registers[i] for i in node.args]
                    registers.append(self._apply(place, node, args))
                else:
                    registers.append(balls_of(value))
            self._base = ctx.prec, registers
        return self._base[1]

    def _apply(self, place: int, node: Equation, args: Sequence[Any]) -> Any:
        if known_on_balls(node):
            return on_balls(node, args, np.shape(self._values[place]))
        return _register(self._stand_in(place)(*args))


def known_on_balls(node: Equation) -> bool:
    """Whether the forward of an equation can be carried out on balls."""
    return node.op.formula is not None or node.op.origin == "built-in"


def on_balls(node: Equation, args: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """The forward of an equation on balls or arrays of them; its result has this shape."""
    if node.op.formula is None:
        return _register(node.op.forward(*map(_array, args), **node.params))
    params = [arb(x) for x in parameters(node)]
    [result] = run(node.op.formula, [*map(_array, args), *params], _call)
    if np.shape(result) != shape:
        result = np.broadcast_to(np.array(_register(result), dtype=object), shape)
    return _register(result)


def _call(name: str, *args: Any) -> Any:
    return _entrywise(name)(*map(_plain, args))


def _reduced(ufunc: Any, x: Any, axis: Any = 0, keepdims: bool = False, **kwargs: Any) -> Any:
    """As ufunc.reduce, axis by axis: one made of a Python function takes only one at a time."""
    every = range(np.ndim(x)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    for one in sorted((a % np.ndim(x) for a in every), reverse=True):
        x = ufunc.reduce(x, axis=one, keepdims=keepdims)
    return x


@functools.cache
def _entrywise(name: str) -> Any:
    function = BALLS[name]
    arity = 3 if name == "where" else next(r.arity for r in BY_ARRAY.values() if r.name == name)
    return np.frompyfunc(function, arity, 1)


def balls_of(value: Any) -> Any:
    """A number as a ball, an array as an array of balls."""
    if isinstance(value, float | arb):
        return arb(value)
    return LIFTED(np.asarray(value)).view(BallArray)


def _array(x: Any) -> Any:
    """A ball as an array without axes, so that numpy's functions on it are those of balls."""
    return np.array(x, dtype=object).view(BallArray) if isinstance(x, arb) else x


def _register(x: Any) -> Any:
    """A result as it is kept: a ball, or an array of nothing but balls."""
    if not isinstance(x, np.ndarray):
        return x if isinstance(x, arb) else arb(float(x))
    lifted = LIFTED(x)
    return (
        lifted.view(BallArray)
        if isinstance(lifted, np.ndarray) and lifted.ndim
        else _number(lifted)
    )


def _view(x: Any) -> Any:
    """What one of numpy's functions gave, as an array of balls again."""
    if isinstance(x, arb):
        return _array(x)
    return x.view(BallArray) if isinstance(x, np.ndarray) and x.dtype == object else x


def _plain(x: Any) -> Any:
    return x.view(np.ndarray) if isinstance(x, BallArray) else x


def _number(x: Any) -> Any:
    """The one ball of the output."""
    return x.ravel()[0] if isinstance(x, np.ndarray) else x


def labels(program: Program) -> set[int]:
    """The places of nodes that an op takes as names rather than numbers, such as the classes of
    a loss, and of all that these are made from: they cannot be moved, and have no gradient."""
    found: set[int] = set()
    for place, node in reversed(list(enumerate(program.nodes))):
        if not isinstance(node, Equation):
            continue
        if place in found and node.op.name not in LEVEL:
            found.update(node.args)
        elif not node.op.elementwise:
            found.update(node.args[i] for i in node.op.blind if i < len(node.args))
    return found


def work(program: Program, values: Sequence[Any]) -> int:
    """About how many operations on balls one run of the program takes."""
    total = 0
    for place, node in enumerate(program.nodes):
        if isinstance(node, Equation):
            lines = len(node.op.formula.lines) if node.op.formula is not None else 1
            if values[place].__class__ is float and node.op.formula is not None:
                total += lines
                continue
            sizes = [int(np.size(values[arg])) for arg in (*node.args, place)]
            inner = np.shape(values[node.args[0]])[-1:] if node.op.name == "matmul" else ()
            total += max(sizes) * lines if not inner else sizes[-1] * inner[0]
    return total
