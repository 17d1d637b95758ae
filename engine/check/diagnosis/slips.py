"""Wrong local derivatives that people write for an operation: the listed ones, as data.

A formula speaks of the output y, the inputs x, or a and b, the true local derivative d, and the
other input's, e.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from engine.check.linear import function_of
from engine.methods import TROUBLE
from engine.rule_text import formula

NAMES: Mapping[int, tuple[str, ...]] = MappingProxyType({1: ("x",), 2: ("a", "b")})
"""What the inputs of an op with one input, or two, are called in a formula."""


@dataclass(frozen=True, slots=True)
class Slip:
    """The local derivative for input number `argument` of the ops named, taken as `wrong`.

    `natural` slips are those that the form of the rule invites.
    """

    mistake: str
    ops: tuple[str, ...]
    argument: int
    wrong: str
    natural: bool = True


SLIPS: tuple[Slip, ...] = (
    Slip("sign_op", ("sub",), 1, "1"),
    Slip("sign_op", ("neg",), 0, "1"),
    Slip("sign_op", ("cos",), 0, "sin(x)"),
    Slip("sign_op", ("div",), 1, "a/b**2"),
    Slip("input_not_output", ("tanh",), 0, "1 - x**2"),
    Slip("input_not_output", ("exp",), 0, "x"),
    Slip("input_not_output", ("sigmoid",), 0, "x*(1 - x)"),
    Slip("input_not_output", ("sqrt",), 0, "1/(2*x)"),
    Slip("input_not_output", ("expm1",), 0, "x"),
    Slip("input_not_output", ("tan",), 0, "1 + x**2"),
    Slip("output_not_input", ("log",), 0, "1/y"),
    Slip("sigmoid_factor", ("sigmoid",), 0, "y"),
    Slip("pow_no_coef", ("pow",), 0, "a**(b - 1)"),
    Slip("pow_off_by_one", ("pow",), 0, "b*a**b"),
    Slip("div_no_square", ("div",), 1, "-a/b"),
    Slip("relu_mask", ("relu",), 0, "1"),
    Slip("relu_mask", ("relu",), 0, "0"),
)
"""One row each; the general ones (sign, factor forgotten, operands swapped) hold for every op."""


@cache
def compiled(texts: tuple[str, ...], inputs: tuple[str, ...]) -> Callable[..., Sequence[float]]:
    """The formulas `texts` as one function of floats."""
    body, results = formula(texts, inputs).python(inputs)
    return function_of("wrong rules", inputs, [*body, f"return {', '.join(results)},"])


def value(text: str, names: tuple[str, ...], numbers: Sequence[float]) -> float | None:
    """What a formula comes to, or None where it is not defined."""
    try:
        return float(compiled((text,), names)(*numbers)[0])
    except TROUBLE:
        return None


BY_OP: Mapping[tuple[str, int], tuple[Slip, ...]] = MappingProxyType(
    {
        (op, argument): tuple(s for s in SLIPS if op in s.ops and s.argument == argument)
        for op in {op for slip in SLIPS for op in slip.ops}
        for argument in (0, 1)
    }
)
