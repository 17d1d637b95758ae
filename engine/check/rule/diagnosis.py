"""Which one mistake explains all that a wrong backward rule gives.

Each finder tries one kind of mistake on the evidence; the first that fits every point is told, so
the more specific ones come first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from engine.check.report import Diagnosis, Place
from engine.check.rule.edits import edits, renamed
from engine.check.rule.evidence import Evidence, Found, same
from engine.check.rule.kinks import compared, comparison_text, vanishing
from engine.check.rule.likeness import behaves_like, factor_name, wordings
from engine.check.rule.trials import Trial
from engine.check.rule.upstream import misuse
from engine.check.rule.vocabulary import ALIKE, FUNCTIONS, local
from engine.check.rule.work import array_cost
from engine.formula import Formula, Line, Ref
from engine.op import Op

PARTS = 12
"""A forward of more operations is not searched for a forgotten inner derivative."""

Finder = Callable[[Evidence], Found | None]


def diagnose(
    evidence: Evidence, rule: str, shown: Trial, ops: Mapping[str, Op]
) -> Diagnosis | None:
    """The mistake that explains every value of the rule, or None. `rule` is its text, `shown` the
    trial whose numbers are told; `ops` are those whose backward it may be instead."""
    wrong = {trial.point for trial in evidence.trials.smooth if trial.wrong}
    if not evidence.tells or not wrong:
        return None
    found = _found(evidence, ops) if evidence.linear else misuse(evidence)
    if found is None:
        return None
    numbers = {"g": shown.g, "yours": shown.yours, "true": shown.true}
    if found.factor is not None:
        numbers["factor"] = found.factor
    place = Place(None, rule, None, evidence.name)
    return Diagnosis(found.mistake, place, found.explanation, numbers, len(wrong), len(wrong))


def _found(e: Evidence, ops: Mapping[str, Op]) -> Found | None:
    """The first mistake that fits. What is right to as many digits as can be told apart here was
    refused by a tolerance tighter than that, and has no mistake to find."""
    gap = _no_value(e)
    if gap is not None or e.is_local(e.slope):
        return gap
    return (
        next(filter(None, (finder(e) for finder in FINDERS)), None)
        or _other_function(e, ops)
        or _edited(e)
        or _other_rule(e)
        or _unlisted(e)
    )


# -- one finder per mistake ---------------------------------------------------------------------


def _missing(e: Evidence) -> Found | None:
    if e.local.any():
        return None
    return Found("missing", "it gives 0 everywhere: no gradient reaches this input")


def _no_value(e: Evidence) -> Found | None:
    """Right wherever it gives a number, which is not everywhere."""
    gaps = any(not math.isfinite(trial.yours) for trial in e.trials.smooth)
    if not gaps or not e.is_local(e.slope):
        return None
    return Found("no_value", "elsewhere it is right, but here the forward has a slope, too")


def _mask(e: Evidence) -> Found | None:
    """Of operations that pass some of their inputs on and not others, as relu and max do."""
    off = e.slope == 0
    if not off.any() or off.all() or not compared(e.trials.forward):
        return None
    last = e.last
    winner = last is not None and last.function.name in ("max", "min") and e.count > 1
    if same(e.local[~off], e.slope[~off]) and e.local[off].all():
        if winner:
            return Found(
                "max_both", f"{e.name} gets the gradient even where the other input is chosen"
            )
        said = "mask it by a comparison of the input, as g * (x > 0) does for relu"
        return Found("mask_missing", f"it passes the gradient on where the slope is 0, too: {said}")
    if not e.local[~off].any() and e.local[off].all():
        if winner:
            return Found(
                "max_wrong_branch", f"{e.name} gets the gradient where the other input is chosen"
            )
        said = "it passes the gradient on exactly where it should not: turn the comparison round"
        return Found("mask_inverted", said)
    return None


def _sign(e: Evidence) -> Found | None:
    if not e.is_local(-e.slope):
        return None
    return Found("sign_op", "its sign is turned around everywhere")


def _dropped(e: Evidence) -> Found | None:
    if not e.is_local(np.ones_like(e.slope)):
        return None
    return Found(
        "drop_factor",
        "it passes the upstream gradient on as it is: multiply g by the local derivative",
    )


def _power_rule(e: Evidence) -> Found | None:
    last = e.last
    if last is None or last.function.name != "pow" or last.args[0] != Ref(~e.trials.place):
        return None
    x, n = e.own, e.forward_value(last.args[1])
    with np.errstate(all="ignore"):
        slips = (
            ("pow_off_by_one", n * x**n, "the exponent is not lowered by 1"),
            ("pow_off_by_one", n * x ** (n - 2), "the exponent is lowered by 2"),
            ("pow_off_by_one", n * x ** (n + 1), "the exponent is raised by 1, not lowered"),
            ("pow_no_coef", x ** (n - 1), "the exponent does not come down as a factor"),
            ("pow_no_coef", (n - 1) * x ** (n - 1), "the factor is the lowered exponent"),
        )
    for code, predicted, said in slips:
        if e.is_local(predicted):
            return Found(code, f"power rule: {said}; n * {e.name}**(n - 1) is wanted")
    return None


def _quotient(e: Evidence) -> Found | None:
    last = e.last
    if last is None or last.function.name != "div":
        return None
    denominator = e.forward_value(last.args[1])
    if np.all(denominator == denominator[0]) or not e.is_local(e.slope * denominator):
        return None
    return Found("div_no_square", "the denominator is not squared where it is differentiated")


def _swapped(e: Evidence) -> Found | None:
    forward, place = e.trials.forward, e.trials.place
    for k, other in enumerate(forward.inputs):
        if k != place and e.is_slope_of(forward, k):
            said = f"{e.name} was given the gradient of {other}: change them round"
            return Found("swap_operands", said)
    return None


def _input_for_output(e: Evidence) -> Found | None:
    """The same rule with the output for the input, or the input for the output, is right."""
    own = 2 + e.trials.place
    ways = (
        ("input_not_output", {own: 1}, f"it uses {e.name} where the output y belongs"),
        ("output_not_input", {1: own}, f"it uses the output y where {e.name} belongs"),
        ("output_not_input", {1: own, own: 1}, f"y and {e.name} are mixed up"),
    )
    for code, names, said in ways:
        if e.is_mended_by(renamed(e.trials.rule, names)):
            return Found(code, said)
    return None


def _factor(e: Evidence) -> Found | None:
    some = e.slope != 0
    if not some.any() or not same(e.local[~some], e.slope[~some]):
        return None
    with np.errstate(all="ignore"):
        factor = float(np.median(e.local[some] / e.slope[some]))
    if factor == 0 or not e.is_local(factor * e.slope):
        return None
    return Found("common_factor", f"it is {factor_name(factor)} times what it should be", factor)


def _chain(e: Evidence) -> Found | None:
    """Of a forward of several operations: the derivative of the inner or the outer is missing."""
    forward, place = e.trials.forward, e.trials.place
    for i in range(len(forward.lines) if len(forward.lines) <= PARTS else 0):
        inner = Formula(forward.inputs, forward.lines[: i + 1], (Ref(i),))
        used = {arg for line in inner.only([0]).lines for arg in line.args}
        ends = forward.results[0] == Ref(i) or forward.lines[i].function.answers
        if ends or Ref(~place) not in used:
            continue
        text = inner.texts()[0]
        if e.is_slope_of(inner, place):
            return Found("drop_factor", f"chain rule: only {text} is differentiated")
        known = [*e.x, e.value(inner, *e.x)]
        if e.is_slope_of(_cut(forward, i), len(forward.inputs), known):
            return Found("drop_factor", f"chain rule: the derivative of {text} is missing")
    return None


def _cut(formula: Formula, line: int) -> Formula:
    """`formula` with one of its lines as a further input."""
    free = Ref(~len(formula.inputs))

    def freed(arg: Ref | float) -> Ref | float:
        return free if arg == Ref(line) else arg

    lines = tuple(Line(one.function, tuple(map(freed, one.args))) for one in formula.lines)
    return Formula((*formula.inputs, "u"), lines, tuple(map(freed, formula.results)))


def _transformed(e: Evidence) -> Found | None:
    with np.errstate(all="ignore"):
        ways = (
            ("rule_twice", e.slope**2, "the local derivative is multiplied in twice"),
            ("reciprocal", 1 / e.slope, "the local derivative is upside down: 1 over it is wanted"),
            ("reciprocal", -1 / e.slope, "the local derivative is upside down, and its sign lost"),
        )
    return next((Found(code, said) for code, way, said in ways if e.is_local(way)), None)


def _one_sided(e: Evidence) -> Found | None:
    """Right on one side of a kink and wrong on the other."""
    forward = e.trials.forward
    right = np.abs(e.local - e.slope) <= 1e-6 * np.abs(e.slope)
    for pair, values in zip(compared(forward), vanishing(forward, list(e.x)), strict=True):
        above = np.broadcast_to(values, right.shape) > 0
        for there, sign, other in ((above, ">", "<"), (~above, "<", ">")):
            if there.any() and not there.all() and np.array_equal(there, right):
                text = comparison_text(forward, pair)
                said = f"it is right where {text.format(sign)} and wrong where {text.format(other)}"
                return Found("one_sided", said)
    return None


FINDERS: tuple[Finder, ...] = (
    _missing,
    _mask,
    _sign,
    _one_sided,
    _dropped,
    _power_rule,
    _quotient,
    _swapped,
    _input_for_output,
    _factor,
    _chain,
    _transformed,
)
"""From the specific to the general."""


def _other_function(e: Evidence, ops: Mapping[str, Op]) -> Found | None:
    for name, slope in _slopes_of_others(e, ops):
        if e.is_local(slope) and not e.is_true(slope):
            return Found("other_function", f"it is the right rule for {name}")
    return None


def _other_rule(e: Evidence) -> Found | None:
    """What is written with y in the rule of another function, with this one's y."""
    for text, name in ALIKE if e.count == 1 and e.output_tells else ():
        if e.is_local(e.value(local(text, 1), e.y, e.own)):
            return Found("other_function", f"g * ({text}) is the rule of {name}")
    return None


def _slopes_of_others(e: Evidence, ops: Mapping[str, Op]) -> Iterator[tuple[str, Any]]:
    one = np.ones_like(e.y)
    for name, op in ops.items():
        if op.formula is None or op.backward_formula is None:
            continue
        if op.arity != e.count or len(op.formula.inputs) != e.count:
            continue
        y = e.value(op.formula, *e.x)
        yield name, e.value(op.backward_formula.only([e.trials.place]), one, y, *e.x)
    if e.count == 1:
        for name, _, slope in FUNCTIONS:
            yield name, e.value(local(slope, 1), e.y, e.own)


def _edited(e: Evidence) -> Found | None:
    """One slip of the pen: with one name, number or sign changed, the rule is right. A change
    that only makes a condition always hold, or never, is no mend of that condition."""
    for edit in edits(e.trials.rule, 2 + e.trials.place):
        if not e.trials.work.affords(array_cost(edit.formula)):
            return None
        slip = edit.mistake != "wrong_rule"
        if e.is_mended_by(edit.formula) and not (slip and e.decides(edit.formula)):
            return Found(edit.mistake, f"it is right with {edit.put} for {edit.instead}")
    return None


def _unlisted(e: Evidence) -> Found | None:
    text = behaves_like(e, e.local, wordings(e))
    if text is None:
        return None
    return Found("unlisted_rule", f"the local derivative behaves like {text}")
