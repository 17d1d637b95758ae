"""Where an elementwise op is tried: ordinary places, small and wide ones, and both sides of each
kink, whether the op declares it or its formulas let one be expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.domain import Domain
from engine.formula import Formula, Ref
from engine.op import Op

ORDINARY = 8
SCALES = (1 / 32, 4.0)
FAR = 64.0
"""How far a kink is looked for that lies on one side of every other place."""

NEAR = (0.03, 0.003)
"""How far from a kink its two sides are tried."""

CROSSINGS = 8
"""Kinks that are tried on both sides, at most."""

BISECTIONS = 14
SLOPE_CHANGES = frozenset({"abs", "sign"})
SIDE_CHANGES = frozenset({"max", "min"})


def ordinary(domain: Domain, rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Numbers inside `domain` with four digits, which read well in a message. The last is a 3:
    on round numbers many functions have a kink or a jump."""
    x = np.asarray(domain.sample(rng, shape))
    digits = 10.0 ** (2 - np.floor(np.log10(np.maximum(np.abs(x), 1e-300))))
    rounded = (np.floor(x * digits) + 0.3) / digits
    return np.where(inside(domain, rounded), rounded, x)


def inside(domain: Domain, x: Any) -> Any:
    """Which of the numbers `x` lie in the domain."""
    within = (domain.low < x) & (x < domain.high)
    for hole in domain.holes:
        within = within & (x != hole)
    return within


def room(domain: Domain, x: Any) -> Any:
    """How far each of `x` is from leaving its domain."""
    edges = [domain.low, domain.high, *domain.holes]
    return np.min([np.abs(x - edge) for edge in edges], axis=0)


def places(op: Op, params: Mapping[str, Any], rng: np.random.Generator) -> Any:
    """Places to try `op` at, shape (places, inputs); the first ORDINARY of them are ordinary."""
    plain = np.column_stack([ordinary(domain, rng, (ORDINARY,)) for domain in op.domains])
    scaled = [plain[i::2] * scale for i, scale in enumerate(SCALES)]
    rows = _allowed(op, np.concatenate([plain, *scaled]))
    far = _allowed(op, np.concatenate([plain, -plain]) * FAR)
    return np.concatenate([rows, _sides(op, params, rows, far)])


def _allowed(op: Op, rows: Any) -> Any:
    within = [inside(domain, rows[:, i]) for i, domain in enumerate(op.domains)]
    return rows[np.all(within, axis=0)]


def _sides(op: Op, params: Mapping[str, Any], rows: Any, far: Any) -> Any:
    """Both sides of the kinks that lie between some of `rows`, or between those and `far`."""
    rows = _in_line(rows)
    signs = _signs(op, params, rows)
    if any(np.all(s == s[0]) for s in signs):
        rows = _in_line(np.concatenate([rows, far]))
        signs = _signs(op, params, rows)
    distinct = {sign.tobytes(): kink for kink, sign in enumerate(signs)}
    found = [
        (kink, start)
        for kink in distinct.values()
        for start in np.flatnonzero(signs[kink][1:] != signs[kink][:-1])[:CROSSINGS]
    ]
    if not found:
        return rows[:0]
    kinks, starts = np.array(found[:CROSSINGS]).T
    low, high, each = rows[starts], rows[starts + 1], np.arange(len(starts))
    way = high - low
    before = _sign_at(op, params, low, kinks, each)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        same = (_sign_at(op, params, middle, kinks, each) == before)[:, np.newaxis]
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    way /= np.max(np.abs(way), axis=1, keepdims=True)
    size = np.maximum(np.max(np.abs(low), axis=1, keepdims=True), 1.0)
    beside = [low + side * way * size for near in NEAR for side in (-near, near)]
    return _allowed(op, np.concatenate(beside))


def _in_line(rows: Any) -> Any:
    """Places on a line in their order; others as they are."""
    return np.sort(rows, axis=0) if rows.shape[1] == 1 else rows


def _sign_at(op: Op, params: Mapping[str, Any], rows: Any, kinks: Any, each: Any) -> Any:
    return np.array(_signs(op, params, rows))[kinks, each]


def _signs(op: Op, params: Mapping[str, Any], rows: Any) -> list[Any]:
    """The signs, at `rows`, of the functions that vanish at a kink: the declared ones, and what
    the formulas of the op compare, or take the abs, sign, max or min of. 0 counts as above."""
    inputs = list(rows.T)
    declared = op.kinks(*inputs, **params) if op.kinks else ()
    values = list(declared if isinstance(declared, tuple) else (declared,))
    if op.formula is not None and op.backward_formula is not None:
        known = [*inputs, *params.values()]
        lines, (y,) = worked_out(op.formula, known)
        values += _candidates(op.formula, known, lines)
        known = [1.0, y, *known]
        values += _candidates(op.backward_formula, known, worked_out(op.backward_formula, known)[0])
    return [np.where(v < 0, -1, 1) for v in values if np.shape(v) == (len(rows),)]


def worked_out(formula: Formula, inputs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Every line of a formula, and its results, on arrays."""
    lines: list[Any] = []
    for line in formula.lines:
        lines += [line.function.array(*(_known(arg, inputs, lines) for arg in line.args))]
    return lines, [_known(result, inputs, lines) for result in formula.results]


def _known(arg: Ref | float, inputs: Sequence[Any], lines: Sequence[Any]) -> Any:
    if isinstance(arg, float):
        return arg
    return inputs[~arg.index] if arg.index < 0 else lines[arg.index]


def _candidates(formula: Formula, inputs: Sequence[Any], lines: Sequence[Any]) -> list[Any]:
    found = []
    for line in formula.lines:
        if line.function.name in SLOPE_CHANGES:
            found += [_known(line.args[0], inputs, lines)]
        elif line.function.answers or line.function.name in SIDE_CHANGES:
            first, second = (_known(arg, inputs, lines) for arg in line.args)
            found += [first - second]
    return found
