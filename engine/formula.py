"""A rule run once on symbols becomes a formula; every generated use is printed from it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.functions import CALL, Function
from engine.symbol import Symbol, Untraceable, number

LIMIT = 500
"""lines that one formula may have"""

TEXT_LIMIT = 300
"""characters of a formula shown as one term; a longer one is shown as numbered lines"""


@dataclass(frozen=True, slots=True)
class Ref:
    """An earlier line of a formula, or one of its inputs where `index` is negative (~0, ~1 …)."""

    index: int


@dataclass(frozen=True, slots=True)
class Line:
    function: Function
    args: tuple[Ref | float, ...]


@dataclass(frozen=True, slots=True)
class Formula:
    """Straight-line elementwise arithmetic: `inputs` to `results` (each a line, an input or a
    number), sharing lines."""

    inputs: tuple[str, ...]
    lines: tuple[Line, ...]
    results: tuple[Ref | float, ...]

    @classmethod
    def trace(cls, rules: Sequence[Callable[..., Any]], inputs: Sequence[str]) -> Formula:
        """What `rules`, each called with one symbol per input, compute.

        Raises Untraceable where a rule leaves elementwise arithmetic or answers differently
        when it is called again.
        """
        first = cls._traced_once(rules, inputs)
        if first != cls._traced_once(rules, inputs):
            raise Untraceable("the rule gives another formula each time it is called")
        return first

    @classmethod
    def _traced_once(cls, rules: Sequence[Callable[..., Any]], inputs: Sequence[str]) -> Formula:
        symbols = [Symbol.input(name) for name in inputs]
        numbering = _Numbering(symbols)
        results: list[Ref | float] = []
        for rule in rules:
            returned = rule(*symbols)
            parts = returned if isinstance(returned, tuple) else (returned,)
            results += [numbering.ref(number(part)) for part in parts]
        return cls(tuple(inputs), tuple(numbering.lines), tuple(results))

    def only(self, wanted: Iterable[int]) -> Formula:
        """The same formula with only the results at `wanted` and the lines that they need."""
        results = [self.results[i] for i in wanted]
        needed = {r.index for r in results if isinstance(r, Ref)}
        for i in reversed(range(len(self.lines))):
            if i in needed:
                needed.update(a.index for a in self.lines[i].args if isinstance(a, Ref))
        kept = [i for i in range(len(self.lines)) if i in needed]
        moved = {old: Ref(new) for new, old in enumerate(kept)}

        def move(arg: Ref | float) -> Ref | float:
            return moved.get(arg.index, arg) if isinstance(arg, Ref) else arg

        lines = tuple(
            Line(self.lines[i].function, tuple(map(move, self.lines[i].args))) for i in kept
        )
        return Formula(self.inputs, lines, tuple(map(move, results)))

    def given(self, numbers: Mapping[int, float]) -> Formula:
        """The same formula with the inputs at these places known: lines of numbers alone are
        worked out, and a choice between two terms whose condition is known is made."""
        moved: dict[int, Ref | float] = {~place: number for place, number in numbers.items()}
        lines: list[Line] = []

        def move(arg: Ref | float) -> Ref | float:
            return moved.get(arg.index, arg) if isinstance(arg, Ref) else arg

        for i, line in enumerate(self.lines):
            args = tuple(map(move, line.args))
            if all(isinstance(arg, float) for arg in args):
                with np.errstate(all="ignore"):
                    moved[i] = float(line.function.array(*args))
            elif line.function.name == "where" and isinstance(args[0], float):
                moved[i] = args[1] if args[0] else args[2]
            else:
                moved[i] = Ref(len(lines))
                lines.append(Line(line.function, args))
        return Formula(self.inputs, tuple(lines), tuple(map(move, self.results)))

    def python(self, names: Sequence[str], prefix: str = "t") -> tuple[list[str], list[str]]:
        """Python statements on floats, one per line, and the terms of the results."""

        def term(arg: Ref | float) -> str:
            if isinstance(arg, float):
                return literal(arg)
            return names[~arg.index] if arg.index < 0 else f"{prefix}{arg.index}"

        statements = [
            f"{prefix}{i} = {line.function.python.format(*map(term, line.args))}"
            for i, line in enumerate(self.lines)
        ]
        return statements, [term(result) for result in self.results]

    def texts(self, names: Sequence[str] | None = None) -> tuple[str, ...]:
        """The results as people write them, with `names` for the inputs."""
        shown = tuple(names or self.inputs)
        if self._length() > TEXT_LIMIT:
            return self._numbered(shown)
        return tuple(self._text(result, shown)[0] for result in self.results)

    def _text(
        self, arg: Ref | float, names: Sequence[str], exponent: bool = False
    ) -> tuple[str, int]:
        if isinstance(arg, float):
            text = _plain(arg)
            return text, 50 if arg < 0 else CALL
        if arg.index < 0:
            return names[~arg.index], CALL
        line = self.lines[arg.index]
        return _show(line, [self._text(a, names) for a in line.args])

    def _numbered(self, names: Sequence[str]) -> tuple[str, ...]:
        def term(arg: Ref | float) -> tuple[str, int]:
            if isinstance(arg, Ref) and arg.index >= 0:
                return f"t{arg.index}", CALL
            return self._text(arg, names)

        body = [
            f"t{i} = {_show(line, [term(a) for a in line.args])[0]}"
            for i, line in enumerate(self.lines)
        ]
        return tuple("; ".join([*body, term(result)[0]]) for result in self.results)

    def _length(self) -> int:
        lengths: list[int] = []

        def length(arg: Ref | float) -> int:
            return lengths[arg.index] if isinstance(arg, Ref) and arg.index >= 0 else 2

        for line in self.lines:
            lengths += [len(line.function.text) + sum(map(length, line.args))]
        return max(map(length, self.results), default=0)

    @property
    def hash(self) -> str:
        """sha256 of the arithmetic alone: names of inputs do not count."""

        def word(arg: Ref | float) -> str:
            return f"%{arg.index}" if isinstance(arg, Ref) else arg.hex()

        rows = [" ".join([line.function.name, *map(word, line.args)]) for line in self.lines]
        text = "\n".join([str(len(self.inputs)), *rows, "=> " + " ".join(map(word, self.results))])
        return hashlib.sha256(text.encode()).hexdigest()


class _Numbering:
    """Lines out of symbols, one for each distinct operation, however often it is used."""

    def __init__(self, inputs: Sequence[Symbol]) -> None:
        self.lines: list[Line] = []
        self._refs: dict[Symbol | Line, Ref] = {}
        self._seen: dict[int, Ref] = {id(s): Ref(~i) for i, s in enumerate(inputs)}
        self._alive: list[Symbol | float] = list(
            inputs
        )  # an id means nothing once its symbol is gone

    def ref(self, root: Symbol | float) -> Ref | float:
        self._alive.append(root)
        stack: list[Symbol | float] = [root]
        while stack:
            symbol = stack[-1]
            waiting = [
                a for a in _args(symbol) if isinstance(a, Symbol) and id(a) not in self._seen
            ]
            if waiting:
                stack += reversed(waiting)  # the first is worked out first
                continue
            stack.pop()
            if isinstance(symbol, Symbol) and id(symbol) not in self._seen:
                self._seen[id(symbol)] = self._line(symbol)
        return self._known(root)

    def _known(self, arg: Symbol | float) -> Ref | float:
        return self._seen[id(arg)] if isinstance(arg, Symbol) else arg

    def _line(self, symbol: Symbol) -> Ref:
        if symbol.function is None:
            raise Untraceable("the rule keeps an input of another call")
        line = Line(symbol.function, tuple(self._known(a) for a in symbol.args))
        if line not in self._refs:
            if len(self.lines) == LIMIT:
                raise Untraceable(f"the formula has more than {LIMIT} lines")
            self._refs[line] = Ref(len(self.lines))
            self.lines.append(line)
        return self._refs[line]


def _args(symbol: Symbol | float) -> tuple[Symbol | float, ...]:
    return symbol.args if isinstance(symbol, Symbol) else ()


def _show(line: Line, terms: Sequence[tuple[str, int]]) -> tuple[str, int]:
    binds = line.function.binds
    if binds == CALL:
        return line.function.text.format(*(text for text, _ in terms)), CALL
    shown = []
    for place, (text, held) in enumerate(terms):
        # a - (b - c) and (a ** b) ** c need their brackets, a - b - c and -a * b do not
        tighter = place == (0 if line.function.name == "pow" else 1)
        shown.append(text if held > binds or (held == binds and not tighter) else f"({text})")
    return line.function.text.format(*shown), binds


def _plain(x: float) -> str:
    return str(int(x)) if x.is_integer() and abs(x) < 1e15 else repr(x)


def literal(x: float) -> str:
    """A number as Python reads it."""
    return repr(x) if math.isfinite(x) else f'float("{x}")'
