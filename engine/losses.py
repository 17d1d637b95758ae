"""The losses a network can be trained with, and what each expects of the targets.

The formulas are ops (``engine.ops.losses``); a row here adds what training needs to know: which
targets the loss takes, how class numbers become such targets, and when a prediction counts as
right. With n samples and one output a prediction has shape (n,), else (n, outputs).

| targets | numbers allowed      | class c becomes | a prediction p is right when        |
|---------|----------------------|-----------------|-------------------------------------|
| values  | any                  | 2c - 1          | sign agrees, if all targets are ±1  |
| signs   | -1, +1               | 2c - 1          | p > 0 exactly where the target is   |
| bits    | 0, 1                 | c               | p > 0 exactly where the target is 1 |
| classes | 0 … outputs - 1      | c               | the largest output is the class's   |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.datasets import Array
from engine.op import Op
from engine.ops import losses as ops

Numbers = NDArray[Any]
Correct = Callable[[Array, Array], NDArray[np.bool_]]


def same_sign(prediction: Array, target: Array) -> NDArray[np.bool_]:
    """Where prediction and target lie on the same side of 0; a prediction of 0 counts as below."""
    return np.asarray((prediction > 0) == (target > 0))


def largest(prediction: Array, target: Array) -> NDArray[np.bool_]:
    """Where the largest of a sample's outputs, the first on a tie, is its class's."""
    return np.asarray(prediction.argmax(axis=-1) == target)


def all_signs(ys: Numbers) -> bool:
    """Whether every target is -1 or +1."""
    return bool(np.all(np.abs(ys) == 1))


@dataclass(frozen=True)
class Targets:
    """What a loss expects of its targets."""

    name: Literal["values", "signs", "bits", "classes"]
    doc: str
    allowed: Callable[[Numbers, int], NDArray[np.bool_]]
    encode: Callable[[Numbers], Array]
    correct: Correct

    def rule(self, ys: Numbers) -> Correct | None:
        """When a prediction is right; None where the targets are not classes."""
        if self.name == "values" and not (ys.ndim == 1 and all_signs(ys)):
            return None
        return self.correct


def _signs(classes: Numbers) -> Array:
    return 2.0 * classes - 1.0


def _floats(classes: Numbers) -> Array:
    return classes.astype(np.float64)


VALUES = Targets("values", "any numbers", lambda ys, outputs: np.isfinite(ys), _signs, same_sign)
SIGNS = Targets("signs", "-1 or +1", lambda ys, outputs: np.abs(ys) == 1, _signs, same_sign)
BITS = Targets("bits", "0 or 1", lambda ys, outputs: (ys == 0) | (ys == 1), _floats, same_sign)
CLASSES = Targets(
    "classes",
    "class numbers from 0 to one less than the number of outputs",
    lambda ys, outputs: (ys == np.floor(ys)) & (ys >= 0) & (ys < outputs),
    _floats,
    largest,
)


@dataclass(frozen=True)
class Loss:
    """A row of the shelf: the op, the targets it takes, and whether predictions are scores.

    With `scores` the loss squashes the prediction itself or asks for more than ±1; the output
    layer is then linear unless the configuration says otherwise.
    """

    op: Op
    targets: Targets
    scores: bool = False

    @property
    def name(self) -> str:
        """The op's name."""
        return self.op.name

    @property
    def doc(self) -> str:
        """The op's formula in words."""
        return self.op.doc

    @property
    def task(self) -> str:
        """What it is for: "regression" (which serves two classes as ±1 too) or classification."""
        return "regression" if self.targets is VALUES else "classification"


LOSSES: Mapping[str, Loss] = MappingProxyType(
    {
        row.name: row
        for row in (
            Loss(ops.sum_squared_error, VALUES),
            Loss(ops.mean_squared_error, VALUES),
            Loss(ops.mean_absolute_error, VALUES),
            Loss(ops.hinge, SIGNS, scores=True),
            Loss(ops.binary_cross_entropy, BITS, scores=True),
            Loss(ops.softmax_cross_entropy, CLASSES, scores=True),
        )
    }
)
