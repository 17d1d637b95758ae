"""Backward rules changed in one place: the slips of the pen that a right rule may have suffered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from engine.formula import Formula, Line, Ref
from engine.functions import BY_NAME

LINES = 40
"""A longer rule is not searched for slips."""

SHORT = 40
"""A longer formula is not shown in a sentence."""

PARTNERS: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "add": (("sub", "sign_op"),),
        "sub": (("add", "sign_op"),),
        "mul": (("div", "reciprocal"),),
        "div": (("mul", "reciprocal"),),
        "sin": (("cos", "wrong_function"),),
        "cos": (("sin", "wrong_function"),),
        "sinh": (("cosh", "wrong_function"),),
        "cosh": (("sinh", "wrong_function"), ("cos", "wrong_function")),
        "tan": (("tanh", "wrong_function"),),
        "tanh": (("tan", "wrong_function"), ("atan", "wrong_function")),
        "exp": (("log", "wrong_function"),),
        "log": (("exp", "wrong_function"), ("log1p", "wrong_function")),
        "greater": (("less", "mask_inverted"),),
        "less": (("greater", "mask_inverted"),),
        "greater_equal": (("less", "mask_inverted"),),
        "less_equal": (("greater", "mask_inverted"),),
        "max": (("min", "max_wrong_branch"),),
        "min": (("max", "max_wrong_branch"),),
    }
)
"""What an operation is taken for by mistake, and the code of that mistake."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A rule with one place changed: what was put there, and instead of what."""

    formula: Formula
    mistake: str
    put: str
    instead: str


def edits(rule: Formula, own: int) -> Iterator[Edit]:
    """`rule`, a formula of (g, y, *inputs), with one thing changed; its own input is at `own`.
    Slips of the pen come first, then conditions that should not be there."""
    if len(rule.lines) > LINES:
        return
    for i, line in enumerate(rule.lines):
        shown = _shown(rule, i)
        masks = any(_is_mask(rule, arg) for arg in line.args)
        for name, code in PARTNERS.get(line.function.name, ()):
            if masks and code == "reciprocal":
                continue  # nobody divides by a mask
            changed = _with(rule, i, Line(BY_NAME[name], line.args))
            yield Edit(changed, code, _shown(changed, i), shown)
        for k, arg in enumerate(line.args):
            for other, code, put, instead in _replacements(rule, arg, own):
                args = (*line.args[:k], other, *line.args[k + 1 :])
                yield Edit(
                    _with(rule, i, Line(line.function, args)),
                    code,
                    put,
                    f"{instead} in {shown}",
                )
    for i, line in enumerate(rule.lines):
        for arg in line.args[1:] if line.function.name == "where" else ():
            changed = _instead_of_line(rule, i, arg)
            yield Edit(changed, "wrong_rule", _text(rule, arg), _shown(rule, i))


def _replacements(
    rule: Formula, arg: Ref | float, own: int
) -> Iterator[tuple[Ref | float, str, str, str]]:
    if isinstance(arg, float):
        for number in dict.fromkeys((0.0, arg + 1, arg - 1, -arg, 2 * arg, arg / 2)):
            yield number, "wrong_constant", f"{number:g}", f"{arg:g}"
    elif arg.index < -1:  # an input other than g
        for place in range(1, len(rule.inputs)):
            if place != ~arg.index:
                code = "wrong_variable"
                if {place, ~arg.index} == {1, own}:
                    code = "input_not_output" if place == 1 else "output_not_input"
                yield Ref(~place), code, rule.inputs[place], rule.inputs[~arg.index]


def renamed(rule: Formula, names: Mapping[int, int]) -> Formula:
    """`rule` with the inputs at some places read at others instead."""

    def read(arg: Ref | float) -> Ref | float:
        if isinstance(arg, float) or arg.index >= 0:
            return arg
        return Ref(~names.get(~arg.index, ~arg.index))

    lines = tuple(Line(line.function, tuple(map(read, line.args))) for line in rule.lines)
    return Formula(rule.inputs, lines, tuple(map(read, rule.results)))


def _with(rule: Formula, place: int, line: Line) -> Formula:
    return Formula(rule.inputs, (*rule.lines[:place], line, *rule.lines[place + 1 :]), rule.results)


def _instead_of_line(rule: Formula, line: int, arg: Ref | float) -> Formula:
    """`rule` with `arg` wherever it reads `line`, which stays behind unused: it is still known to
    vanish at a kink, so that its sides are tried."""

    def read(other: Ref | float) -> Ref | float:
        return arg if other == Ref(line) else other

    lines = tuple(Line(one.function, tuple(map(read, one.args))) for one in rule.lines)
    return Formula(rule.inputs, lines, tuple(map(read, rule.results)))


def _shown(rule: Formula, line: int) -> str:
    """A line as text; where a comparison stands for a number, the comparison alone."""
    return _text(rule, rule.lines[line].args[0] if _is_truth(rule, Ref(line)) else Ref(line))


def _is_truth(rule: Formula, arg: Ref | float) -> bool:
    """Whether `arg` is a comparison that stands for a number, 1 or 0."""
    if isinstance(arg, float) or arg.index < 0:
        return False
    line = rule.lines[arg.index]
    return line.function.name == "where" and line.args[1:] == (1.0, 0.0)


def _is_mask(rule: Formula, arg: Ref | float) -> bool:
    """Whether `arg` is 1 or 0 because of comparisons: one, several multiplied, or none of them."""
    waiting, masked = [arg], False
    while waiting:
        part = waiting.pop()
        if part in (0.0, 1.0) or _is_truth(rule, part):
            masked = masked or isinstance(part, Ref)
            continue
        if isinstance(part, float) or part.index < 0:
            return False
        line = rule.lines[part.index]
        if line.function.name != "mul" and not (
            line.function.name == "sub" and line.args[0] == 1.0
        ):
            return False
        waiting += line.args
    return masked


def _text(rule: Formula, arg: Ref | float) -> str:
    return Formula(rule.inputs, rule.lines, (arg,)).texts()[0]


def uses_output(rule: Formula) -> bool:
    """Whether a rule, a formula of (g, y, *inputs), reads y."""
    args = (arg for line in rule.lines for arg in line.args)
    return Ref(~1) in (*args, *rule.results)


def without_upstream(rule: Formula) -> str | None:
    """The local derivative that a rule multiplies g by, as text; None for a long one."""
    given = rule.given({0: 1.0})
    alias: dict[int, Ref | float] = {}
    lines = list(given.lines)

    def real(arg: Ref | float) -> Ref | float:
        return alias.get(arg.index, arg) if isinstance(arg, Ref) else arg

    for i, line in enumerate(lines):
        args = tuple(map(real, line.args))
        lines[i] = Line(line.function, args)
        if line.function.name == "mul" and 1.0 in args:
            alias[i] = args[1] if args[0] == 1.0 else args[0]
        elif line.function.name == "div" and args[1] == 1.0:
            alias[i] = args[0]
    text = Formula(given.inputs, tuple(lines), (real(given.results[0]),)).texts()[0]
    return text if len(text) <= SHORT else None
