"""The verdict on each entry of a claimed gradient, or on a sample where there are too many."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count, islice
from typing import Any

import numpy as np

from engine.check.blackbox import Measured, judge, measure
from engine.check.function.subject import Subject
from engine.check.report import Component
from engine.check.scan import all_steps

COSTLIEST = 200
"""Calls that one slope takes at most."""

SAMPLE = 256
"""Entries judged at most where there are more than can be afforded."""

DIRECTIONS = 2
"""Random directions measured where not every entry is judged."""

SPACING: Mapping[str, float] = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23}
"""How far apart neighbouring numbers are, as a share of them, where that is more than float64's."""

Entry = tuple[str, tuple[int, ...]]


def judge_entries(
    subject: Subject,
    point: Mapping[str, Any],
    claims: Mapping[str, Any],
    value: float,
    rtol: float,
    most: int,
) -> list[Component]:
    """The verdict on every entry, or on as many as can be afforded and on random directions.
    `value` is that of the function at the point."""
    unseen = SPACING.get(subject.dtype, 0.0) * abs(value)
    total = sum(array.size for array in point.values())
    entries, last = sample(point), most
    if subject.evaluations + total * COSTLIEST > most:
        entries, last = islice(entries, SAMPLE), most - DIRECTIONS * COSTLIEST
    judged: dict[Entry, Component] = {}
    for name, index in entries:
        if subject.evaluations + COSTLIEST > last:
            break

        def moved(x: float, name: str = name, index: tuple[int, ...] = index) -> float:
            array = point[name].copy()
            array[index] = x
            return subject.nearby({**point, name: array})

        x, claim = float(point[name][index]), float(claims[name][index])
        judged[name, index] = _component(name, index or None, moved, x, claim, unseen, rtol)
    components = [judged[entry] for entry in ordered(judged, point)]
    if len(judged) < total:
        components += _directions(subject, point, claims, unseen, rtol)
        subject.warnings.append(
            f"judged {len(judged):,} of {total:,} entries and two random directions"
        )
    return components


def _component(
    name: str,
    index: tuple[int, ...] | None,
    function: Callable[[float], float],
    x: float,
    claim: float,
    unseen: float,
    rtol: float,
) -> Component:
    slope = measure(function, x, claim, rtol)
    if claim != 0:  # zeros are judged beside the function's own scale instead
        slope = _as_far_as_seen(slope, x, unseen)
    verdict = judge(claim, slope, rtol)
    if slope.kind != "smooth":
        sides = (slope.left.slope, slope.right.slope)
        return Component(
            name, index, claim, None, None, None, verdict, sides, evaluations=slope.evaluations
        )
    reference, bound = slope.both.slope, slope.both.bound
    if not math.isfinite(reference):
        return Component(
            name, index, claim, None, None, None, verdict, evaluations=slope.evaluations
        )
    gap = abs(claim - reference)
    relative = gap / abs(reference) if reference else (math.inf if gap else 0.0)
    return Component(
        name, index, claim, reference, bound, relative, verdict, evaluations=slope.evaluations
    )


def _as_far_as_seen(slope: Measured, x: float, unseen: float) -> Measured:
    """A slope of 0 with the bound that it has where a change of the value below `unseen` is lost
    in rounding: a function that never moves may still rise by that over the largest step."""
    if slope.both.slope != 0 or not unseen:
        return slope
    bound = max(slope.both.bound, unseen / all_steps(x)[-1])
    return replace(slope, both=replace(slope.both, bound=bound))


def _directions(
    subject: Subject,
    point: Mapping[str, Any],
    claims: Mapping[str, Any],
    unseen: float,
    rtol: float,
) -> Iterator[Component]:
    """Slopes along random directions through all claimed entries at once.

    Each goes up where the claim is positive and down where it is negative. Parts of a right claim
    then never cancel, so that claims right to `rtol` each are right to `rtol` along it: what fails
    here is wrong somewhere. Steps are counted from 1, not 0, so that the smallest are not lost in
    the rounding of the entries.
    """
    dice = _dice(point)
    total = sum(array.size for array in point.values())
    for number in range(1, DIRECTIONS + 1):
        ways = {}
        for name, claim in claims.items():
            way = dice.standard_normal(claim.shape) / math.sqrt(total)
            ways[name] = np.where(claim == 0, way, np.copysign(way, claim))

        def moved(t: float, ways: Mapping[str, Any] = ways) -> float:
            return subject.nearby(
                {name: array + (t - 1) * ways[name] for name, array in point.items()}
            )

        claim = sum(float(np.sum(claims[name] * way)) for name, way in ways.items())
        yield _component(f"direction {number}", None, moved, 1.0, claim, unseen, rtol)


def sample(point: Mapping[str, Any]) -> Iterator[Entry]:
    """All entries in a random order, each input having its turn, so that a short row of biases is
    not lost beside a large matrix."""
    dice = _dice(point)
    orders = {name: dice.permutation(array.size) for name, array in point.items()}
    for turn in count():
        left = {name: order for name, order in orders.items() if turn < order.size}
        if not left:
            return
        for name, order in left.items():
            index = np.unravel_index(order[turn], point[name].shape)
            yield name, tuple(map(int, index))


def ordered(entries: Iterable[Entry], point: Mapping[str, Any]) -> list[Entry]:
    """Entries in the order of the inputs, and row by row in each."""
    order = {name: place for place, name in enumerate(point)}
    return sorted(entries, key=lambda entry: (order[entry[0]], entry[1]))


def label(component: Component) -> str:
    """The entry as a reader writes it: w[0, 2], or b for a number."""
    index = component.index
    return component.input + (f"[{', '.join(map(str, index))}]" if index else "")


def _dice(point: Mapping[str, Any]) -> np.random.Generator:
    """Dice that fall alike for the same names, shapes and values."""
    content = hashlib.sha256()
    for name, array in point.items():
        content.update(repr((name, array.shape)).encode())
        content.update(np.ascontiguousarray(array).tobytes())
    return np.random.default_rng(int.from_bytes(content.digest()[:8], "big"))
