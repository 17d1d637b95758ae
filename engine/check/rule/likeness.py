"""What the values of a rule look like: the simplest formula or factor that gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.check.rule.edits import without_upstream
from engine.check.rule.evidence import Evidence, same
from engine.check.rule.vocabulary import FACTORS, LOCAL, local


def factor_name(factor: float) -> str:
    for number, name in FACTORS:
        if abs(abs(factor) / number - 1) < 1e-6:
            return name if factor > 0 else f"-{name}"
    return f"{factor:.6g}"


def behaves_like(e: Evidence, values: Any) -> str | None:
    """The simplest formula of the vocabulary that gives `values` at every point, perhaps times a
    constant."""
    names = dict(zip(("x",) if e.count == 1 else ("a", "b"), e.trials.forward.inputs, strict=False))
    some = values != 0
    for text in LOCAL.get(e.count, ()):
        found = e.value(local(text, e.count), e.y, *e.x)
        if same(values, found):
            return _named(text, names)
    for text in LOCAL.get(e.count, ()):
        found = e.value(local(text, e.count), e.y, *e.x)
        if some.any() and np.all(np.isfinite(found)) and found[some].all():
            with np.errstate(all="ignore"):
                factor = float(np.median(values[some] / found[some]))
            if same(values, factor * found):
                return _times(factor_name(factor), _named(text, names))
    return None


def _named(text: str, names: Mapping[str, str]) -> str:
    return re.sub(r"\b[abx]\b", lambda word: names.get(word[0], word[0]), text)


def _times(factor: str, text: str) -> str:
    if factor in ("1", "-1"):
        return text if factor == "1" else f"-({text})"
    return factor if text == "1" else f"{factor} * ({text})"


def slope_text(e: Evidence) -> str | None:
    """What the rule behaves like, and what is wanted, where short formulas say both."""
    if not len(e.g) or not e.linear:
        return None
    wanted = behaves_like(e, e.slope)
    yours = behaves_like(e, e.local) or without_upstream(e.trials.rule)
    if yours is None or wanted is None or yours == wanted:
        return None
    return f"yours behaves like {yours}; the true one is {wanted}"
