"""Losses: rows that make one number of predictions and targets.

Each loss of pairs is stated by its term and the slopes of the term; what surrounds them is the
same for all. The cross-entropy of classes leaves softmax - one-hot behind its loss, for the way
back.
"""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from typing import Any

import numpy as np
from numba.extending import register_jitable

from engine.machine.kernels.functions import abs, at, exp, log, log1p, reordered, sign
from engine.machine.kernels.reductions import sum_of
from engine.machine.kernels.softmax import largest
from engine.machine.record import Kernel, Span

WANTED, TARGET_WANTED, WRITTEN = 8, 16, 32


def _summed(term: Callable[[Any, Any], Any]) -> Any:
    """The sum of a term over all pairs of prediction and target."""

    @register_jitable
    def summed(v: Any, r: Any) -> Any:
        prediction, target, whole = at(r, 4), at(r, 5), 0.0
        for i in range(r[6]):
            whole = reordered(whole, term(v[prediction + i], v[target + i]))
        return whole

    return summed


def _pulled(slope: Callable[[Any, Any], Any], target_slope: Callable[[Any, Any], Any]) -> Any:
    """`scale` times the slope of a term by its prediction and by its target, to their gradients."""

    @register_jitable
    def pulled(v: Any, d: Any, r: Any, scale: Any) -> None:
        flags, prediction, target = r[3], at(r, 4), at(r, 5)
        if flags & WANTED and flags & WRITTEN:
            for i in range(r[6]):
                d[prediction + i] = scale * slope(v[prediction + i], v[target + i])
        elif flags & WANTED:
            for i in range(r[6]):
                d[prediction + i] += scale * slope(v[prediction + i], v[target + i])
        if flags & TARGET_WANTED:
            for i in range(r[6]):
                d[target + i] += scale * target_slope(v[prediction + i], v[target + i])

    return pulled


@register_jitable
def _mean(whole: Any, r: Any) -> Any:
    return whole / at(r, 6)


@register_jitable
def _square(x: Any, t: Any) -> Any:
    return (x - t) * (x - t)


@register_jitable
def _square_slope(x: Any, t: Any) -> Any:
    return 2.0 * (x - t)


@register_jitable
def _square_target_slope(x: Any, t: Any) -> Any:
    return 2.0 * (t - x)


@register_jitable
def _distance(x: Any, t: Any) -> Any:
    return abs(x - t)


@register_jitable
def _distance_slope(x: Any, t: Any) -> Any:
    return sign(x - t)


@register_jitable
def _distance_target_slope(x: Any, t: Any) -> Any:
    return sign(t - x)


@register_jitable
def _shortfall(x: Any, t: Any) -> Any:
    gap = 1.0 - x * t
    return 0.0 if gap <= 0.0 else gap  # nan stays nan


@register_jitable
def _shortfall_slope(x: Any, t: Any) -> Any:
    return -t * (1.0 if t * x < 1.0 else 0.0)


@register_jitable
def _shortfall_target_slope(x: Any, t: Any) -> Any:
    return -x * (1.0 if t * x < 1.0 else 0.0)


@register_jitable(forceinline=True)
def _surprise(x: Any, t: Any) -> Any:
    return (0.0 if x <= 0.0 else x) + log1p(exp(-abs(x))) - x * t


@register_jitable
def _surprise_slope(x: Any, t: Any) -> Any:
    shrunk = exp(-abs(x))
    return (1.0 if x >= 0.0 else shrunk) / (1.0 + shrunk) - t


@register_jitable
def _surprise_target_slope(x: Any, t: Any) -> Any:
    return -x


_squares, _pull_squares = _summed(_square), _pulled(_square_slope, _square_target_slope)
_distances, _pull_distances = _summed(_distance), _pulled(_distance_slope, _distance_target_slope)
_shortfalls = _summed(_shortfall)
_pull_shortfalls = _pulled(_shortfall_slope, _shortfall_target_slope)
_surprises, _pull_surprises = _summed(_surprise), _pulled(_surprise_slope, _surprise_target_slope)


def sum_squared_error_forward(v: Any, d: Any, r: Any, p: Any) -> None:
    """The sum of (prediction - target)²."""
    v[at(r, 2)] = _squares(v, r)


def sum_squared_error_backward(v: Any, d: Any, r: Any, p: Any) -> None:
    """2 (prediction - target), and its negative."""
    _pull_squares(v, d, r, d[at(r, 2)])


def mean_squared_error_forward(v: Any, d: Any, r: Any, p: Any) -> None:
    """The mean of (prediction - target)²."""
    v[at(r, 2)] = _mean(_squares(v, r), r)


def mean_squared_error_backward(v: Any, d: Any, r: Any, p: Any) -> None:
    """2 (prediction - target) / count, and its negative."""
    _pull_squares(v, d, r, _mean(d[at(r, 2)], r))


def mean_absolute_error_forward(v: Any, d: Any, r: Any, p: Any) -> None:
    """The mean of |prediction - target|."""
    v[at(r, 2)] = _mean(_distances(v, r), r)


def mean_absolute_error_backward(v: Any, d: Any, r: Any, p: Any) -> None:
    """The sign of prediction - target over the count, 0 where they are equal, and its negative."""
    _pull_distances(v, d, r, _mean(d[at(r, 2)], r))


def hinge_forward(v: Any, d: Any, r: Any, p: Any) -> None:
    """The mean of max(0, 1 - target * prediction)."""
    v[at(r, 2)] = _mean(_shortfalls(v, r), r)


def hinge_backward(v: Any, d: Any, r: Any, p: Any) -> None:
    """-target and -prediction over the count, where target * prediction < 1."""
    _pull_shortfalls(v, d, r, _mean(d[at(r, 2)], r))


def binary_cross_entropy_forward(v: Any, d: Any, r: Any, p: Any) -> None:
    """The mean of log(1 + exp(prediction)) - prediction * target."""
    v[at(r, 2)] = _mean(_surprises(v, r), r)


def binary_cross_entropy_backward(v: Any, d: Any, r: Any, p: Any) -> None:
    """sigmoid(prediction) - target, and -prediction, over the count."""
    _pull_surprises(v, d, r, _mean(d[at(r, 2)], r))


def pairs_extents(r: Any, p: Any) -> tuple[list[Span], list[Span]]:
    """Predictions and targets."""
    n, flags, prediction, target, count = int(r[1]), *map(int, r[3:7])
    if n != 1:
        raise ValueError("a loss is one number")
    if flags & ~(WANTED | TARGET_WANTED | WRITTEN) or (flags & WRITTEN and not flags & WANTED):
        raise ValueError(f"flags {flags} are none of a loss")
    spans = [(prediction, count), (target, count)]
    wanted = [flags & WANTED, flags & TARGET_WANTED]
    return spans, [span for span, want in zip(spans, wanted, strict=True) if want]


# -- softmax_cross_entropy ---------------------------------------------------------------


@register_jitable
def _class(named: Any, classes: Any) -> Any:
    """The class that a target names; -1 where it names none."""
    if not 0.0 <= named < classes:
        return np.int64(-1)
    right = np.int64(named)
    return right if right == named else np.int64(-1)


def softmax_cross_entropy_forward(v: Any, d: Any, r: Any, p: Any) -> None:
    """The mean of logsumexp(row) - row[class], and behind it softmax - one-hot of each row.

    A target that is not the number of a class makes the loss and its row nan.
    """
    out, prediction, target, rows, classes = at(r, 2), at(r, 4), at(r, 5), at(r, 6), at(r, 7)
    behind, whole_loss = out + 1, 0.0
    for row in range(rows):
        x, y = prediction + row * classes, behind + row * classes
        top, right = largest(v, x, classes, 1), _class(v[target + row], classes)
        whole_loss += top - v[x + right] if right >= 0 else nan
        top = top if right >= 0 else nan
        for c in range(classes):
            v[y + c] = v[x + c] - top
    for i in range(rows * classes):  # in one go: this is what takes the time
        v[behind + i] = exp(v[behind + i])
    for row in range(rows):
        y, right = behind + row * classes, _class(v[target + row], classes)
        whole = sum_of(v, y, classes)
        if whole == whole:  # else an infinity is in the loss already
            whole_loss += log(whole)
        for c in range(classes):
            v[y + c] /= whole
        if right >= 0:
            v[y + right] -= 1.0
    v[out] = whole_loss / rows


def softmax_cross_entropy_backward(v: Any, d: Any, r: Any, p: Any) -> None:
    """(softmax - one-hot) / rows."""
    flags, out, prediction, n = r[3], at(r, 2), at(r, 4), at(r, 6) * at(r, 7)
    scale = d[out] / at(r, 6)
    if flags & WANTED and flags & WRITTEN:
        for i in range(n):
            d[prediction + i] = scale * v[out + 1 + i]
    elif flags & WANTED:
        for i in range(n):
            d[prediction + i] += scale * v[out + 1 + i]


def classes_extents(r: Any, p: Any) -> tuple[list[Span], list[Span]]:
    """Predictions and targets, which have no gradient."""
    n, flags, prediction, target, rows, classes = int(r[1]), *map(int, r[3:8])
    if n != 1 + rows * classes:
        raise ValueError("the length is not that of a loss and its softmax")
    if flags not in (0, WANTED, WANTED | WRITTEN):
        raise ValueError(f"flags {flags} are none of a loss of classes")
    spans = [(prediction, rows * classes), (target, rows)]
    return spans, spans[:1] if flags & WANTED else []


PAIRS = (
    ("sum_squared_error", sum_squared_error_forward, sum_squared_error_backward),
    ("mean_squared_error", mean_squared_error_forward, mean_squared_error_backward),
    ("mean_absolute_error", mean_absolute_error_forward, mean_absolute_error_backward),
    ("hinge", hinge_forward, hinge_backward),
    ("binary_cross_entropy", binary_cross_entropy_forward, binary_cross_entropy_backward),
)
LOSSES = (
    *(Kernel(name, forward, backward, pairs_extents) for name, forward, backward in PAIRS),
    Kernel(
        "softmax_cross_entropy",
        softmax_cross_entropy_forward,
        softmax_cross_entropy_backward,
        classes_extents,
    ),
)
