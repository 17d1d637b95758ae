"""What the values of a rule look like: the simplest formula or factor that gives them."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.check.rule.edits import SHORT, uses_output, without_upstream
from engine.check.rule.evidence import Evidence, same
from engine.check.rule.kinks import compared
from engine.check.rule.vocabulary import FACTORS, FUNCTIONS, LOCAL, local

CHANCE = ("y/x", "x/y")
"""What fits the slope of every function that is straight on both sides of a kink at 0, and says
nothing."""


def factor_name(factor: float) -> str:
    """A factor as people write it."""
    for number, name in FACTORS:
        if abs(abs(factor) / number - 1) < 1e-6:
            return name if factor > 0 else f"-{name}"
    return f"{factor:.6g}"


def behaves_like(e: Evidence, values: Any, texts: Sequence[str]) -> str | None:
    """The first of `texts`, in the names of the vocabulary, that gives `values` at every point,
    perhaps times a constant."""
    names = dict(zip(("x",) if e.count == 1 else ("a", "b"), e.trials.forward.inputs, strict=False))
    some = values != 0
    known = []
    for text in texts:
        found = e.value(local(text, e.count), e.y, *e.x)
        if same(values, found):
            return _named(text, names)
        known.append((text, found))
    for text, found in known:
        if some.any() and np.all(np.isfinite(found)) and found[some].all():
            with np.errstate(all="ignore"):
                factor = float(np.median(values[some] / found[some]))
            if same(values, factor * found):
                return _times(factor_name(factor), _named(text, names))
    return None


def wordings(e: Evidence, *, of_slope: bool = False) -> Sequence[str]:
    """The formulas of the vocabulary that may tell what a rule gives, or the slope, in the order of
    preference: a rule without y is told without y, and so is a slope where two inputs leave
    the choice."""
    texts = LOCAL.get(e.count, ())
    if of_slope and compared(e.trials.forward):
        texts = tuple(text for text in texts if text not in CHANCE)
    with_y = tuple(text for text in texts if "y" in text)
    without = tuple(text for text in texts if "y" not in text)
    if not e.output_tells:
        return without
    if uses_output(e.trials.rule) or (of_slope and e.count == 1):
        return texts
    return without + with_y


def _named(text: str, names: Mapping[str, str]) -> str:
    return re.sub(r"\b[abx]\b", lambda word: names.get(word[0], word[0]), text)


def _times(factor: str, text: str) -> str:
    if text == "1":
        return factor
    top = ast.parse(text, mode="eval").body
    loose = isinstance(top, ast.Compare) or (
        isinstance(top, ast.BinOp) and isinstance(top.op, ast.Add | ast.Sub)
    )
    held = f"({text})" if loose else text
    return {"1": text, "-1": f"-{held}"}.get(factor, f"{factor} * {held}")


def slope_text(e: Evidence) -> str | None:
    """What the rule behaves like, and what is wanted, where short formulas say both."""
    if not e.tells or not e.linear:
        return None
    wanted = behaves_like(e, e.slope, wordings(e, of_slope=True)) or _of_function(e)
    yours = behaves_like(e, e.local, wordings(e)) or without_upstream(e.trials.rule)
    if yours is None or wanted is None or yours == wanted:
        return None
    return f"yours behaves like {yours}; the true one is {wanted}"


def _of_function(e: Evidence) -> str | None:
    """The slope of a function of one input that is listed, where it is short."""
    for _, _, slope in FUNCTIONS if e.count == 1 else ():
        if len(slope) <= SHORT and e.is_true(e.value(local(slope, 1), e.y, e.own)):
            return _named(slope, {"x": e.trials.forward.inputs[0]})
    return None
