"""Claimed gradients against measured slopes, and the words in which a mistake is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.exam.points import ORDINARY
from engine.exam.slopes import Slopes, ranked
from engine.exam.subject import Subject
from engine.op import Op

TOLERANCE = 1e-6
"""relative, beside ten times the bound on the error of the measured slope"""

SAME = 1e-9
"""relative; what two ways to compute one thing may differ by"""


class Tally:
    """How many entries were compared, how many could not be, and the largest relative error."""

    def __init__(self) -> None:
        self.points = self.unmeasured = 0
        self.worst = 0.0

    def count(self, gap: Any, slope: Any, measured: Any) -> None:
        size = np.maximum(np.abs(slope), ranked(np.abs(slope)))
        relative = np.divide(gap, size, out=np.zeros_like(gap), where=measured & (size > 0))
        self.points += int(np.count_nonzero(measured))
        self.unmeasured += int(np.count_nonzero(~measured))
        self.worst = max(self.worst, float(relative.max(initial=0.0)))


class Places:
    """Names a place of an elementwise op: "a = 1.3, b = -0.4"."""

    def __init__(self, op: Op, xs: Sequence[Any], params: Mapping[str, Any]) -> None:
        self.inputs = dict(zip(op.input_names, xs, strict=True))
        self.params = {n: v for n, v in params.items() if op.params[n] is not v}

    def __call__(self, i: int) -> str:
        given = {name: x[i] for name, x in self.inputs.items()} | self.params
        return ", ".join(f"{name} = {_short(x)}" for name, x in given.items())


class Entries:
    """Names an entry of one input: "a[0, 2] = 1.3 (shapes (2, 3) and (3, 4))"."""

    def __init__(self, op: Op, place: int, inputs: Sequence[Any]) -> None:
        self.name = input_name(op, place)
        self.x = np.asarray(inputs[place])
        self.shapes = shapes_of(inputs)

    def __call__(self, i: int) -> str:
        index = ", ".join(str(k) for k in np.unravel_index(i, self.x.shape))
        entry = f"{self.name}[{index}]" if index else self.name
        return f"{entry} = {_short(self.x.reshape(-1)[i])} ({self.shapes})"


def judge(
    subject: Subject,
    tally: Tally,
    place: int,
    claims: Any,
    slopes: Slopes,
    g: Any,
    where: Places | Entries,
) -> None:
    """Compare the gradient that a backward claims for the input at `place`, shape (m,) or None for
    no gradient, with the slopes times the upstream gradients `g` (None: they are in the slopes).

    Raises OpRefused with a place and both numbers where they differ.
    """
    name = input_name(subject.op, place)
    factor = 1.0 if g is None else g
    truth, error, measured = slopes.value * factor, slopes.error * np.abs(factor), slopes.measured
    said = np.zeros(len(truth)) if claims is None else claims
    if not np.isfinite(said).all():
        i = int(np.argmin(np.isfinite(said)))
        subject.refuse(f"its backward gives {said[i]:g} for {name} at {where(i)}")
    if measured[:ORDINARY].mean() < 0.5:
        i = int(np.argmin(measured))
        subject.refuse(
            f"the slope of its forward for {name} cannot be measured, for instance at {where(i)}",
            "state its domain and its kinks; what jumps everywhere has no gradient",
        )
    gap = np.abs(said - truth)
    wrong = measured & (gap > TOLERANCE * np.abs(truth) + 10 * error)
    if wrong.any():
        i = int(np.argmax(wrong))
        claim, slope = two(said[i], truth[i])
        claim = "nothing" if claims is None else claim
        times = " times a random upstream gradient" if g is None else f" times g = {g[i]:.4g}"
        subject.refuse(
            f"the backward says {claim} for {name} at {where(i)}, "
            f"the slope of its forward{times} is {slope}",
            explained(said[measured], truth[measured], None if g is None else g[measured]),
        )
    tally.count(gap, truth, measured)


def explained(said: Any, truth: Any, g: Any) -> str | None:
    """What would make a wrong gradient right, where one sentence fits every place."""
    if g is not None and np.allclose(said * g, truth, rtol=1e-4, atol=1e-9):
        return "it leaves the upstream gradient out: multiply by g"
    if g is not None and np.allclose(said, g, rtol=1e-4):
        return "it gives the upstream gradient alone: multiply it by the slope"
    if not said.any():
        return None
    some = np.abs(truth) > 1e-9 * np.max(np.abs(truth), initial=0.0)
    ratio = said[some] / truth[some]
    if not ratio.size or not np.allclose(ratio, ratio[0], rtol=1e-4):
        return None
    if np.isclose(ratio[0], -1.0):
        return "its sign is turned around"
    return f"everywhere it is {ratio[0]:.4g} times what it should be"


def agrees(a: Any, b: Any) -> Any:
    """Where two ways to one result agree, given the size of the results around."""
    size = np.max(np.abs(b), initial=0.0, where=np.isfinite(b))
    return (a == b) | ((a != a) & (b != b)) | (np.abs(a - b) <= SAME * np.abs(b) + 1e-12 * size)


def two(a: Any, b: Any) -> tuple[str, str]:
    """Two numbers with as many digits as tell them apart."""
    for digits in (4, 7, 10, 17):
        texts = f"{float(a):.{digits}g}", f"{float(b):.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts


def input_name(op: Op, place: int) -> str:
    return f"{op.input_names[0]}[{place}]" if op.variadic else op.input_names[place]


def shapes_of(inputs: Sequence[Any]) -> str:
    shapes = " and ".join(str(np.shape(x)) for x in inputs)
    return f"shape {shapes}" if len(inputs) == 1 else f"shapes {shapes}"


def _short(x: Any) -> str:
    return f"{x:.4g}" if isinstance(x, float) else repr(x)
