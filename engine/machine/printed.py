"""The kernel of an elementwise op, printed from its formulas: of x0 * x1 it begins

    def forward(v, d, r, p):
        n = at(r, 1)
        o = at(r, 2)
        a0 = at(r, 4)
        a1 = at(r, 6)
        if n == 0:
            return
        if r[3] == 1:
            for i in range(n):
                j0 = at(p, a0 + i)
                j1 = at(p, a1 + i)
                x0 = v[j0]
                x1 = v[j1]
                v[o + i] = x0 * x1

and goes on with a loop for each combination of strides, so that LLVM vectorises them. The text is
ours alone: of an author's rule nothing but the formula traced from it gets here.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from engine.formula import Formula, Line, Ref
from engine.functions import BY_NAME, CALL
from engine.machine.cache import imported
from engine.machine.record import Kernel, Span
from engine.op import Op

OPERANDS = 6
"""Inputs and parameters that a row has room for."""

VARIED = 2
"""Up to so many inputs, each combination of strides has a loop of its own."""

POWERS = {
    0.0: "1.0",
    1.0: "{0}",
    2.0: "{0} * {0}",
    3.0: "{0} * {0} * {0}",
    -1.0: "1.0 / {0}",
    0.5: "sqrt({0})",
}
"""Powers by a known exponent, in plain arithmetic, as numpy has them for one exponent."""

NEAR = {"sin": "near_sin", "cos": "near_cos"}
"""Functions of an angle, and what they are in a loop without angles beyond REACH: the general ones
ask at each number, and that loop does not vectorise."""

LIGHT = {"abs", "sign", "max", "min", "sqrt", "where"}
"""Functions of a few instructions, not worth a loop of their own."""

INDEXED, SINGLE, RUN, STRIDED, RESULT = "j{0}", "a{0}", "a{0} + i", "a{0} + i * s{0}", "o + i"
"""Where number i of an operand lies: where the pool says; at one place for all i (stride 0); one
after another (stride 1); by a stride that is not known; where the result will be."""

PROVIDED = {*BY_NAME, *NEAR.values(), "REACH", "at", "reordered"}
"""What the text may import from engine.machine.kernels.functions."""

Ways = Mapping[int, str]
"""Operands by place, each with one of these."""


def printed(op: Op, known: Mapping[int, float] | None = None) -> Kernel:
    """The kernel of `op`, whose operands (inputs, then parameters) at the places in `known` are
    constants: their fields of a row are not read, and they have no gradient. What would read the
    same is one kernel.

    Raises ValueError where `op` has no formula, or more operands than a row has room for.
    """
    known = known or {}
    key = tuple((place, known[place].hex()) for place in sorted(known))
    with _LOCK:
        kernels = _PRINTED.setdefault(op, {})
        if key not in kernels:
            kernels[key] = _print(op, known)
        return kernels[key]


_LOCK = threading.Lock()
_PRINTED: WeakKeyDictionary[Op, dict[tuple[tuple[int, str], ...], Kernel]] = WeakKeyDictionary()
_KERNELS: dict[tuple[str, _Extents], Kernel] = {}


def _print(op: Op, known: Mapping[int, float]) -> Kernel:
    if op.formula is None or op.backward_formula is None:
        raise ValueError(f"{op.name} has no formula: {op.python_only}")
    operands, inputs = len(op.formula.inputs), len(op.input_names)
    if operands > OPERANDS:
        raise ValueError(f"{op.name} has {operands} inputs and parameters, a row {OPERANDS}")
    wanted = tuple(i for i in range(inputs) if op.differentiates(i) and i not in known)
    shifted = {place + 2: number for place, number in known.items()}
    forward = _Pass("forward", op.formula.given(known).only([0]), inputs)
    backward = _Pass("backward", op.backward_formula.given(shifted).only(wanted), inputs, wanted)
    touched = tuple(sorted({*forward.touched, *backward.touched}))
    extents = _Extents(touched, wanted, inputs)
    name = op.name if op.name.isascii() and op.name.isidentifier() else "op"
    text = _module(name, forward, backward)
    if (text, extents) not in _KERNELS:
        module = imported(name, text)
        _KERNELS[text, extents] = Kernel(name, module.forward, module.backward, extents)
    return _KERNELS[text, extents]


def _module(name: str, *passes: _Pass) -> str:
    functions = "\n\n\n".join("\n".join(each.text()) for each in passes)
    words = {*re.findall(r"[a-zA-Z]\w*", functions)}
    called = sorted(words & PROVIDED)
    constants = sorted(words & {"inf", "nan"})
    head = [f'"""{name}, as engine.machine.printed prints it."""', ""]
    head += [f"from math import {', '.join(constants)}", ""] if constants else []
    head += [f"from engine.machine.kernels.functions import {', '.join(called)}", "", ""]
    return "\n".join([*head, functions, ""])


@dataclass(frozen=True)
class _Pass:
    """One function of a kernel: forward, or backward with gradients for the inputs `wanted`.
    Operands from place `inputs` on are parameters."""

    name: str
    formula: Formula
    inputs: int
    wanted: tuple[int, ...] = ()

    @property
    def _before(self) -> tuple[str, ...]:
        """Inputs of the formula ahead of the operands."""
        return ("g", "y") if self.name == "backward" else ()

    def _names(self, formula: Formula) -> list[str]:
        """What `formula` needs of g, y and the operands x0, x1 …"""
        args = [*formula.results, *(a for line in formula.lines for a in line.args)]
        places = {~a.index for a in args if isinstance(a, Ref) and a.index < 0}
        return [self._name(place) for place in sorted(places)]

    def _name(self, place: int) -> str:
        first = len(self._before)
        return self._before[place] if place < first else f"x{place - first}"

    @property
    def loaded(self) -> list[int]:
        """The operands whose values are needed."""
        return [int(name[1:]) for name in self._names(self.formula) if name[0] == "x"]

    @property
    def touched(self) -> list[int]:
        return sorted({*self.loaded, *self.wanted})

    @property
    def _varied(self) -> list[int]:
        return [i for i in self.touched if i < self.inputs]

    def text(self) -> Iterator[str]:
        yield f"def {self.name}(v, d, r, p):"
        if self._before and not self.wanted:
            yield "    return"
            return
        yield "    n = at(r, 1)"
        yield "    o = at(r, 2)"
        yield from (f"    a{i} = at(r, {4 + 2 * i})" for i in self.touched)
        yield from (f"    s{i} = at(r, {5 + 2 * i})" for i in self._varied)
        yield "    if n == 0:"
        yield "        return"
        yield "    if r[3] == 1:"
        yield from _indented(self._indexed(), 2)
        for condition, ways, same in self._strided():
            yield f"    elif {condition}:" if condition else "    else:"
            yield from _indented(self._loop(ways, same), 2)

    def _indexed(self) -> Iterator[str]:
        slow = any(
            line.function.binds == CALL and line.function.name not in LIGHT
            for line in self.formula.lines
        )
        if self._before or len(self.loaded) != 1 or not slow:
            yield from self._loop(dict.fromkeys(self.touched, INDEXED), same=False)
            return
        # Gathered first where the results go, which lets the loop over them vectorise.
        [i] = self.loaded
        yield "for i in range(n):"
        yield f"    v[o + i] = v[at(p, a{i} + i)]"
        yield from self._loop({i: RESULT}, same=False)

    def _strided(self) -> Iterator[tuple[str, Ways, bool]]:
        """The ways in which operands of a strided row may lie, each with its condition (the last
        has none) and whether two inputs that want a gradient are then the same numbers."""
        varied = self._varied
        params = {i: SINGLE for i in self.touched if i >= self.inputs}
        runs = {**params, **dict.fromkeys(varied, RUN)}
        everywhere = " and ".join(["n > 1", *(f"s{i} == 1" for i in varied)])
        if len(varied) > VARIED:
            yield everywhere, runs, False
            yield "", {**params, **dict.fromkeys(varied, STRIDED)}, False
            return
        if len(varied) == 2:
            one, other = varied
            if len(self.wanted) == 2:
                yield f"{everywhere} and a{one} == a{other}", runs, True
            yield everywhere, runs, False
            yield f"n > 1 and s{one} == 1", {**runs, other: SINGLE}, False
            yield f"n > 1 and s{other} == 1", {**runs, one: SINGLE}, False
        elif varied:
            yield everywhere, runs, False
        yield "", dict.fromkeys(self.touched, SINGLE), False

    def _loop(self, ways: Ways, same: bool) -> Iterator[str]:
        """Numbers 0 … n - 1, with the operands where `ways` says; `same` where both inputs are the
        same numbers, as in x * x."""
        alone = [i for i, way in ways.items() if way is SINGLE]
        yield from (f"x{i} = v[a{i}]" for i in alone if i in self.loaded)
        yield from (f"h{i} = 0.0" for i in alone if i in self.wanted)
        angles = [a for line in self.formula.lines if line.function.name in NEAR for a in line.args]
        if angles and {RUN, RESULT} & {*ways.values()}:
            yield from self._scan(angles, ways)
            yield "if far == 0:"
            yield from _indented(self._each(ways, same, near=True), 1)
            yield "else:"
            yield from _indented(self._each(ways, same), 1)
        else:
            yield from self._each(ways, same)
        yield from (f"d[a{i}] += h{i}" for i in alone if i in self.wanted)

    def _scan(self, angles: Sequence[Ref | float], ways: Ways) -> Iterator[str]:
        """Counts the angles that are too large for the functions that vectorise."""
        asked = Formula(self.formula.inputs, self.formula.lines, tuple(angles))
        statements, results = self._worked_out(asked.only(range(len(angles))), ways, near=True)
        yield "far = 0"
        yield "for i in range(n):"
        yield from _indented(statements, 1)
        yield from (f"    far += abs({result}) > REACH" for result in results)

    def _each(self, ways: Ways, same: bool, near: bool = False) -> Iterator[str]:
        statements, results = self._worked_out(self.formula, ways, near)
        yield "for i in range(n):"
        yield from (f"    j{i} = at(p, a{i} + i)" for i, way in ways.items() if way is INDEXED)
        yield from _indented(statements, 1)
        if not self._before:
            yield f"    v[o + i] = {results[0]}"
        elif same:
            place = RUN.format(self.wanted[0])
            yield f"    d[{place}] = d[{place}] + {' + '.join(results)}"
        else:
            for i, result in zip(self.wanted, results, strict=True):
                if ways[i] is SINGLE:
                    yield f"    h{i} = reordered(h{i}, {result})"
                else:
                    yield f"    d[{ways[i].format(i)}] += {result}"

    def _worked_out(self, formula: Formula, ways: Ways, near: bool) -> tuple[list[str], list[str]]:
        """Statements that load what `formula` needs and work out its lines, and the terms of its
        results."""

        def term(arg: Ref | float) -> str:
            if isinstance(arg, float):
                return repr(arg)
            return f"t{arg.index}" if arg.index >= 0 else self._name(~arg.index)

        places = {f"x{i}": f"v[{way.format(i)}]" for i, way in ways.items() if way is not SINGLE}
        places |= {"g": "d[o + i]", "y": "v[o + i]"}
        loads = [f"{x} = {places[x]}" for x in self._names(formula) if x in places]
        lines = [
            f"t{i} = {_shown(line, [*map(term, line.args)], near)}"
            for i, line in enumerate(formula.lines)
        ]
        return loads + lines, [*map(term, formula.results)]


def _shown(line: Line, terms: Sequence[str], near: bool) -> str:
    function = line.function
    if function.name == "pow" and line.args[1] in POWERS:
        return POWERS[line.args[1]].format(terms[0])
    if function.binds == CALL or function.name == "pow":
        name = NEAR.get(function.name, function.name) if near else function.name
        return f"{name}({', '.join(terms)})"
    return function.python.format(*terms)


def _indented(lines: Iterable[str], by: int) -> Iterator[str]:
    return (f"{'    ' * by}{line}" for line in lines)


@dataclass(frozen=True)
class _Extents:
    """What an elementwise row touches: its operands at the places `touched`, and gradients of the
    `wanted` among them. Operands from place `inputs` on are parameters."""

    touched: tuple[int, ...]
    wanted: tuple[int, ...]
    inputs: int

    def __call__(self, r: Sequence[int], p: Sequence[int]) -> tuple[list[Span], list[Span]]:
        n, indexed = int(r[1]), int(r[3])
        if indexed not in (0, 1):
            raise ValueError(f"a row is strided (0) or indexed (1), not {indexed}")
        read = self._indexed if indexed else self._strided
        spans = {i: read(i, n, r, p) for i in self.touched} if n else {}
        return (
            [span for own in spans.values() for span in own],
            [span for i, own in spans.items() if i in self.wanted for span in own],
        )

    def _strided(self, i: int, n: int, r: Sequence[int], p: Sequence[int]) -> list[Span]:
        stride = int(r[5 + 2 * i])
        if stride > 1 or (stride and n > 1 and i >= self.inputs):
            raise ValueError(f"operand {i} of {n} numbers has stride {stride}")
        return [(int(r[4 + 2 * i]), n if stride else 1)]

    def _indexed(self, i: int, n: int, r: Sequence[int], p: Sequence[int]) -> list[Span]:
        start = int(r[4 + 2 * i])
        if start + n > len(p):
            raise ValueError(
                f"operand {i} takes {n} indices from {start} on, but the pool ends at {len(p)}"
            )
        return [(int(offset), 1) for offset in p[start : start + n]]
