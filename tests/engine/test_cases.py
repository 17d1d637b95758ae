"""The cases of mistakes are what they say.

Truth is taken by central differences of the plain forward, and mistakes are replayed from forward
values alone, so that nothing here shares a rule with the engine's backward pass.
"""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

import pytest

from engine import ExpressionError, parse
from engine.program import Constant, Equation, Input, Program
from tests.cases import pairs, unlisted

FORWARD: Mapping[str, Callable[..., float]] = MappingProxyType(
    {
        "add": operator.add,
        "sub": operator.sub,
        "mul": operator.mul,
        "div": operator.truediv,
        "pow": operator.pow,
        "neg": operator.neg,
        "exp": math.exp,
        "log": math.log,
        "tanh": math.tanh,
        "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
        "relu": lambda x: max(x, 0.0),
        "sin": math.sin,
        "cos": math.cos,
        "sqrt": math.sqrt,
        "abs": abs,
        "softplus": lambda x: math.log(1 + math.exp(x)),
        "max": max,
        "min": min,
    }
)

KNOWN = {
    "drop_factor", "sign_op", "overwrite", "swap_mul", "swap_operands", "input_not_output",
    "pow_off_by_one", "pow_no_coef", "div_no_square", "factor2", "missing", "sign_component",
    "wrong_variable",
}  # fmt: skip

THROUGH_OUTPUT = {"exp", "tanh", "sigmoid", "sqrt"}
"""Ops whose textbook rule reads the output, so that a slip in it changes their slope as well."""

WRONG = 7e-4
"""A component is wrong beyond this relative error: the tolerance of answers of four digits."""


# -- a small replay: forward values and differences of them ---------------------


def slope(f: Callable[[float], float], x: float) -> float:
    """Central differences with two steps, extrapolated (Richardson 1911)."""
    h = 1e-3 * max(abs(x), 0.1)
    wide, narrow = (f(x + h) - f(x - h)) / 2, f(x + h / 2) - f(x - h / 2)
    return (4 * narrow - wide) / (3 * h)


def forward(
    program: Program, point: Sequence[float], shift: Mapping[int, float] | None = None
) -> list[float]:
    """The value of every node; `shift` is added to the values at its places."""
    left = list(point)
    values: list[float] = []
    for place, node in enumerate(program.nodes):
        if isinstance(node, Input):
            value = left.pop(0)
        elif isinstance(node, Constant):
            value = node.value
        else:
            value = FORWARD[node.op.name](*(values[i] for i in node.args))
        values.append(value + (shift or {}).get(place, 0.0))
    return values


def gradient(f: Callable[[Sequence[float]], float], x: Sequence[float]) -> list[float]:
    return [slope(lambda t, i=i: f([*x[:i], t, *x[i + 1 :]]), x[i]) for i in range(len(x))]


class Case:
    """A program at a point, and what a change of one local derivative would do there."""

    def __init__(self, src: str, names: Sequence[str], x: Sequence[float]) -> None:
        self.program = parse(src)
        self.names, self.x = names, x
        self.values = forward(self.program, x)
        value_at = self.program.value_at
        self.truth = gradient(lambda at: value_at(dict(zip(names, at, strict=True))), x)
        self.upstream = [self._upstream(place) for place in range(len(self.values))]
        self.downstream = [self._downstream(place) for place in range(len(self.values))]

    def places(self, text: str) -> list[int]:
        """The places of the equations that `text` is the source of."""
        lines = self.program.source.splitlines()
        return [
            place
            for place, node in enumerate(self.program.nodes)
            if isinstance(node, Equation)
            and (at := node.position)
            and lines[at.line - 1][at.column - 1 : at.column - 1 + at.length] == text
        ]

    def _upstream(self, place: int) -> float:
        """The slope of the output by the value of a node; nan for a constant, which nobody asks."""
        if isinstance(self.program.nodes[place], Constant):
            return math.nan
        out = self.program.place
        return slope(lambda t: forward(self.program, self.x, {place: t})[out], 0.0)

    def _downstream(self, place: int) -> list[float]:
        """The gradient of a node's value by the inputs."""
        return gradient(lambda at: forward(self.program, at)[place], self.x)

    def local(self, place: int, argument: int) -> float:
        """The slope of one operation by one argument."""
        equation = self.program.nodes[place]
        args = [self.values[i] for i in equation.args]
        rest = args[:argument], args[argument + 1 :]
        return slope(lambda t: FORWARD[equation.op.name](*rest[0], t, *rest[1]), args[argument])

    def changed(self, place: int, argument: int, delta: float) -> list[float]:
        """The gradient if one local derivative were greater by `delta`."""
        rate = delta * self.upstream[place]
        inner = self.downstream[self.program.nodes[place].args[argument]]
        return [t + rate * d for t, d in zip(self.truth, inner, strict=True)]

    def around(self, place: int) -> dict[str, float]:
        """What a rule may speak of: inputs x or a and b, output y, incoming gradient g."""
        args = [self.values[i] for i in self.program.nodes[place].args]
        named = dict(zip("x" if len(args) == 1 else "ab", args, strict=True))
        return named | {"y": self.values[place], "g": self.upstream[place]}

    def backward(self, local: Callable[[int, int], float]) -> list[float]:
        """Backpropagation with `local(place, argument)` for every local derivative."""
        grads = [0.0] * len(self.values)
        grads[self.program.place] = 1.0
        for place, node in reversed(list(enumerate(self.program.nodes))):
            for argument, inner in enumerate(node.args if isinstance(node, Equation) else ()):
                if not isinstance(self.program.nodes[inner], Constant):
                    grads[inner] += grads[place] * local(place, argument)
        nodes = enumerate(self.program.nodes)
        return [grads[place] for place, node in nodes if isinstance(node, Input)]


@cache
def _case(src: str, names: tuple[str, ...], x: tuple[float, ...]) -> Case:
    return Case(src, names, x)


def case(line: Mapping[str, Any]) -> Case:
    return _case(line["src"], tuple(line["vars"]), tuple(line["x"]))


def parted(a: Sequence[float], b: Sequence[float], rtol: float) -> int:
    """In how many components two gradients differ; 1e-9 is what differences may blur."""
    return sum(
        abs(p - q) > rtol * max(abs(p), abs(q)) + 1e-9 * max(1.0, *map(abs, b))
        for p, q in zip(a, b, strict=True)
    )


def agree(line: Mapping[str, Any], found: Sequence[float]) -> bool:
    """Whether a claim is `found`, to as many digits as it was typed with."""
    digits = line["digits"]
    return not parted(line["claim"], found, 1e-7 if digits is None else 0.51 * 10 ** (1 - digits))


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [line for line in unlisted() if line["kind"] in kinds]


def single_rules() -> list[dict[str, Any]]:
    return [line for line in of_kind("rule") if not line["everywhere"]]


def guilty(lines: Sequence[Mapping[str, Any]], sound: Callable[[Any], bool]) -> list[str]:
    return [line["id"] for line in lines if not sound(line)]


# -- both files ----------------------------------------------------------------


@pytest.mark.parametrize("lines", [unlisted, pairs])
def test_case_names_inputs_in_order(lines):
    def sound(line):
        names = [node.name for node in case(line).program.inputs]
        return names == line["vars"] and len(names) == len(line["x"]) == len(line["claim"])

    assert guilty(lines(), sound) == []
    assert len({line["id"] for line in lines()}) == len(lines())


@pytest.mark.parametrize("lines", [unlisted, pairs])
def test_case_has_the_wrong_components_it_counts(lines):
    def sound(line):
        return parted(line["claim"], case(line).truth, WRONG) == line["wrong"] > 0

    assert guilty(lines(), sound) == []


@pytest.mark.parametrize("lines", [unlisted, pairs])
def test_typed_claim_has_no_more_digits(lines):
    def sound(line):
        claims = [c for v, c in zip(line["vars"], line["claim"], strict=True)
                  if v != line.get("variable")]  # fmt: skip
        return all(float(f"{c:.{line['digits'] or 17}g}") == c for c in claims)

    assert guilty(lines(), sound) == []
    typed = sum(line["digits"] is not None for line in lines())
    assert 0.4 < typed / len(lines()) < 0.6


# -- mistakes on no list -------------------------------------------------------


def test_unlisted_cases_are_many_and_varied():
    kinds = Counter(line["kind"] for line in unlisted())
    assert min(kinds[kind] for kind in ("rule", "forward", "factor", "typing", "other")) >= 12
    assert sum(line["wrong"] >= 2 for line in unlisted()) >= 100
    assert {line["op"] for line in of_kind("rule")} == set(FORWARD)
    assert len({line["src"] for line in unlisted()}) >= 60


def test_unlisted_place_is_one_operation():
    def sound(line):
        if line["text"] is None:
            return line["argument"] is None
        places = case(line).places(line["text"])
        return (
            line["src"].count(line["text"]) == len(places) == 1
            and case(line).program.nodes[places[0]].op.name == line["op"]
        )

    assert guilty(unlisted(), sound) == []


def test_wrong_rule_has_true_slope_beside_it():
    def sound(line):
        true = case(line).local(*case(line).places(line["text"]), line["argument"])
        far = abs(line["implied"] - line["true"]) > 1e-3 * abs(line["true"])
        return far and math.isclose(line["true"], true, rel_tol=1e-7, abs_tol=1e-9)

    assert guilty(of_kind("rule"), sound) == []


def test_claim_of_wrong_rule_follows_from_it():
    def sound(line):
        (place,) = case(line).places(line["text"])
        delta = line["implied"] - line["true"]
        return agree(line, case(line).changed(place, line["argument"], delta))

    assert guilty(single_rules(), sound) == []


def test_claim_of_rule_wrong_everywhere_follows_from_it():
    lines = [line for line in of_kind("rule") if line["everywhere"]]

    def sound(line):
        found, rule = case(line), parse(line["fair"][0])
        spots = {(place, line["argument"]) for place, node in enumerate(found.program.nodes)
                 if isinstance(node, Equation) and node.op.name == line["op"]}  # fmt: skip

        def local(place, argument):
            if (place, argument) in spots:
                return rule.value_at(found.around(place))
            return found.local(place, argument)

        return len(spots) >= 2 and agree(line, found.backward(local))

    assert guilty(lines, sound) == []
    assert len(lines) >= 0.3 * len(of_kind("rule"))


def formula_values(line: Mapping[str, Any]) -> list[float]:
    """What those names of the cause that are formulas come to."""
    at, prefix = dict(zip(line["vars"], line["x"], strict=True)), line["src"] + "\n"
    if line["names"] == "op":
        at, prefix = case(line).around(*case(line).places(line["text"])), ""
    found = []
    for name in line["fair"]:
        try:
            found.append(parse(prefix + name).value_at(at))
        except ExpressionError:  # plain words
            continue
    return found


def test_fair_formulas_come_to_the_implied_value():
    named = [(line, formula_values(line)) for line in of_kind("rule", "forward")]

    def sound(pair):
        line, found = pair
        return all(math.isclose(v, line["implied"], rel_tol=1e-5) for v in found)

    assert [line["id"] for line, found in named if not sound((line, found))] == []
    assert sum(bool(found) for line, found in named if line["kind"] == "rule") >= 150


def test_claim_of_forward_slip_follows_from_it():
    def sound(line):
        program, x, out = case(line).program, list(line["x"]), case(line).program.place
        if line["variable"]:
            x[line["vars"].index(line["variable"])] = line["implied"]
            return agree(line, gradient(lambda at: forward(program, at)[out], x))
        (place,) = case(line).places(line["text"])
        shift = {place: line["implied"] - line["true"]}
        return math.isclose(case(line).values[place], line["true"], rel_tol=1e-12) and agree(
            line, gradient(lambda at: forward(program, at, shift)[out], x)
        )

    lines = [line for line in of_kind("forward") if line["op"] not in THROUGH_OUTPUT]
    assert guilty(lines, sound) == []
    assert len(lines) >= 25


def test_factor_is_common_to_all_components():
    def sound(line):
        return agree(line, [line["implied"] * t for t in case(line).truth])

    assert guilty(of_kind("factor"), sound) == []


def test_typing_slip_touches_one_component():
    def sound(line):
        place = line["vars"].index(line["variable"])
        mended = [*line["claim"][:place], line["true"], *line["claim"][place + 1 :]]
        return line["claim"][place] == line["implied"] and not parted(
            mended, case(line).truth, WRONG
        )

    assert guilty(of_kind("typing"), sound) == []


def test_unlisted_claim_is_no_listed_mistake():
    def listed(line):
        found = case(line)
        truth, n = found.truth, len(found.truth)
        yield from ([f * t for t in truth] for f in (2, 0.5, -1))
        for i in range(n):
            yield from ([*truth[:i], c, *truth[i + 1 :]] for c in (-truth[i], 0.0))
            for j in range(i):
                swapped = list(truth)
                swapped[i], swapped[j] = truth[j], truth[i]
                yield swapped
        for place, node in enumerate(found.program.nodes):
            for argument in range(len(node.args) if isinstance(node, Equation) else 0):
                if isinstance(found.program.nodes[node.args[argument]], Constant):
                    continue
                true = found.local(place, argument)
                for local in (1.0, 0.0, -true):
                    yield found.changed(place, argument, local - true)

    def sound(line):
        return all(parted(line["claim"], other, WRONG) for other in listed(line))

    assert guilty(unlisted(), sound) == []


# -- two mistakes at once ------------------------------------------------------


def test_pairs_are_many_and_varied():
    kinds = Counter(line[which]["kind"] for line in pairs() for which in ("first", "second"))
    assert set(kinds) == KNOWN
    assert min(kinds.values()) >= 10
    assert len({line["src"] for line in pairs()}) >= 40


def test_each_mistake_of_a_pair_has_its_own_effect():
    def sound(line):
        alone = [line["first"]["claim"], line["second"]["claim"]]
        return all(
            parted(claim, case(line).truth, 1e-3) and parted(claim, line["claim"], 1e-3)
            for claim in alone
        )

    assert guilty(pairs(), sound) == []


def test_pair_is_at_two_places():
    def sound(line):
        texts = [line[which]["text"] for which in ("first", "second")]
        places = [case(line).places(text) for text in texts if text is not None]
        return (
            texts[0] != texts[1]
            and all(len(found) == 1 for found in places)
            and all(text is None or line["src"].count(text) == 1 for text in texts)
        )

    assert guilty(pairs(), sound) == []


def test_dropped_factor_of_a_pair_is_replayed():
    lines = [
        (line, line[which])
        for line in pairs()
        for which in ("first", "second")
        if line[which]["kind"] == "drop_factor"
    ]

    def sound(line, mistake):
        (place,) = case(line).places(mistake["text"])
        true = case(line).local(place, mistake["argument"])
        alone = case(line).changed(place, mistake["argument"], 1 - true)
        return not parted(mistake["claim"], alone, 1e-7)

    assert [line["id"] for line, mistake in lines if not sound(line, mistake)] == []
    assert len(lines) >= 10
