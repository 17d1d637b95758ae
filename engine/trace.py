"""trace(): an ordinary Python function, run once on Values, becomes a Program.

>>> program = trace(lambda x, w: (x * w).tanh(), 0.5, w=-1.0)
>>> print(program.forward_text())
  1  %1 = x * w
  2  %2 = tanh(%1)

What is kept is what was computed: a loop is written out as often as it ran, an `if` as it was
decided.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from engine.builder import ProgramBuilder
from engine.errors import InputError, Position
from engine.graph import walk
from engine.limits import Limits
from engine.program import Program
from engine.value import Value

GENEROUS = replace(
    Limits(), nodes=10**7, inputs=10**7, elements=10**8, numbers=10**9, check_work=10**9
)
"""The limits of a traced program unless others are given: it has been computed once already."""

NAME = re.compile(r"[^\W\d]\w*(\.\w+)*")
"""Labels that can be names: `loss`, and `layers.0.weight` as a model names its parameters."""

UNLABELLED = "parameter"
"""The name of an input that the function brought along without a label."""

BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def trace(
    function: Callable[..., Any], /, *args: Any, limits: Limits | None = None, **named: Any
) -> Program:
    """The program that `function` computes at these numbers and arrays.

    Each argument becomes an input, with the value given as its default: under its keyword, or its
    name in the signature of `function`, or as x0, x1 … where that says `*args`. It stays an input
    even where the output does not depend on it. A Value that the function brought along and that
    wants a gradient is an input too, called as in `function.named_parameters()` where the function
    is a model, else by its label (weight, weight_2 …); other numbers are constants. Equations come
    in the order in which they were computed, one a line of the program's source.

    Raises InputError where an argument is not made of numbers, or what comes back is not one Value;
    ExpressionError where the program is larger than `limits` allow; and what `function` raises.
    """
    writer = _Writer(_model_names(function), limits or GENEROUS)
    by_place = [writer.argument(name, x) for name, x in _named(function, args)]
    by_name = {name: writer.argument(name, x) for name, x in named.items()}
    output = function(*by_place, **by_name)
    if not isinstance(output, Value):
        raise InputError(
            f"a traced function gives one Value, not a {type(output).__name__}",
            code="not_a_value",
            hint="return what was computed from the arguments; np.stack([a, b]) makes one of two",
        )
    for value in reversed(walk(output)):
        if value.op is not None:
            writer.equation(value)
    return writer.program(output)


def _named(function: Callable[..., Any], args: tuple[Any, ...]) -> list[tuple[str, Any]]:
    """Arguments given by their place, after their names in the signature of `function`."""
    try:
        parameters: Iterable[inspect.Parameter] = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a function written in C that does not say
        parameters = ()
    names = [p.name for p in parameters if p.kind in BY_PLACE][: len(args)]
    names += [f"x{i}" for i in range(len(args) - len(names))]
    return list(zip(names, args, strict=True))


def _model_names(function: Any) -> Mapping[int, str]:
    """What a model, or the model whose method `function` is, calls its parameters: by their ids."""
    model = getattr(function, "__self__", function)
    parameters = model.named_parameters() if hasattr(model, "named_parameters") else {}
    return {id(value): name for name, value in parameters.items()}


class _Writer:
    """Writes Values down as the nodes of a program, one line for each equation."""

    def __init__(self, model_names: Mapping[int, str], limits: Limits) -> None:
        self._builder = ProgramBuilder(limits)
        self._model_names = model_names
        self._places: dict[int, int] = {}
        self._names: Counter[str] = Counter()
        self._position = Position(1, 1, 1)

    def argument(self, name: str, x: Any) -> Value:
        """A leaf with the numbers of `x`, and its input."""
        leaf = Value(x)
        self._input(leaf, name)
        return leaf

    def equation(self, value: Value) -> None:
        """The equation of a computed Value whose inputs that are computed have theirs already."""
        assert value.op is not None
        for u in value.inputs:
            if id(u) not in self._places:
                self._leaf(u)
        inputs = [self._places[id(u)] for u in value.inputs]
        place = self._builder.apply(value.op, inputs, value.params, self._position)
        self._places[id(value)] = place
        label = value.label
        if label and NAME.fullmatch(label) and label not in self._names:
            self._builder.bind(self._unique(label), place)
        self._position = Position(self._position.line + 1, 1, 1)

    def program(self, output: Value) -> Program:
        """The program with this output, which is a leaf or has its equation."""
        if id(output) not in self._places:
            self._leaf(output)
        program = self._builder.build("", self._places[id(output)])
        lines = [equation.text for equation in program.equations]
        return replace(program, source="\n".join(lines or [program.output]))

    def _leaf(self, leaf: Value) -> None:
        """The input or constant of a leaf that the function brought along."""
        if leaf.requires_grad:
            label = leaf.label if NAME.fullmatch(leaf.label) else UNLABELLED
            self._input(leaf, self._model_names.get(id(leaf), label))
        else:
            place = self._builder.constant(_kept(leaf.data), self._position)
            self._places[id(leaf)] = place

    def _input(self, leaf: Value, name: str) -> None:
        unique = self._unique(name)
        self._places[id(leaf)] = self._builder.input(unique, self._position, _kept(leaf.data))

    def _unique(self, name: str) -> str:
        """`name`, or name_2, name_3 … where it is taken."""
        self._names[name] += 1
        if self._names[name] == 1:
            return name
        return self._unique(f"{name}_{self._names[name]}")


def _kept(data: Any) -> Any:
    """A number, or a copy of an array: an optimiser may change the original in place."""
    return data if data.__class__ is float else np.copy(data)
