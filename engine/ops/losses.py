"""How wrong a prediction is, in one number. Predictions and targets have the same shape, except for
softmax_cross_entropy, whose targets are the numbers of the right classes."""

from __future__ import annotations

import numpy as np

from engine.extend import Trial, op
from engine.ops.activations import sigmoid
from engine.ops.reductions import logsumexp, softmax


def _same(prediction, target):
    """Both, or ValueError where broadcasting would compare every prediction with every target."""
    if np.shape(prediction) != np.shape(target):
        raise ValueError("prediction and target differ in shape")
    return prediction, target


def _gap(prediction, target):
    return np.subtract(*_same(prediction, target))


PAIRS = [Trial(((4,), (4,))), Trial(((2, 3), (2, 3))), Trial(((), ()))]

sum_squared_error = op(
    "sum_squared_error",
    lambda prediction, target: np.sum(_gap(prediction, target) ** 2),
    (
        lambda g, y, prediction, target: g * 2 * (prediction - target),
        lambda g, y, prediction, target: g * 2 * (target - prediction),
    ),
    elementwise=False,
    trials=PAIRS,
    doc="The sum of (prediction - target)², the lecture's loss.",
)

mean_squared_error = op(
    "mean_squared_error",
    lambda prediction, target: np.mean(_gap(prediction, target) ** 2),
    (
        lambda g, y, prediction, target: g * 2 * (prediction - target) / np.size(prediction),
        lambda g, y, prediction, target: g * 2 * (target - prediction) / np.size(prediction),
    ),
    elementwise=False,
    trials=PAIRS,
    doc="The mean of (prediction - target)².",
)

mean_absolute_error = op(
    "mean_absolute_error",
    lambda prediction, target: np.mean(np.abs(_gap(prediction, target))),
    (
        lambda g, y, prediction, target: g * np.sign(prediction - target) / np.size(prediction),
        lambda g, y, prediction, target: g * np.sign(target - prediction) / np.size(prediction),
    ),
    elementwise=False,
    kinks=lambda prediction, target: (prediction - target,),
    trials=PAIRS,
    doc="The mean of |prediction - target|.",
)


def _hinge_slope(g, prediction, target):
    return g * (target * prediction < 1) / np.size(prediction)


hinge = op(
    "hinge",
    lambda prediction, target: np.mean(np.maximum(1 - np.multiply(*_same(prediction, target)), 0)),
    (
        lambda g, y, prediction, target: -target * _hinge_slope(g, prediction, target),
        lambda g, y, prediction, target: -prediction * _hinge_slope(g, prediction, target),
    ),
    elementwise=False,
    kinks=lambda prediction, target: (1 - target * prediction,),
    trials=PAIRS,
    doc="The mean of max(0, 1 - target * prediction), for targets -1 and 1.",
)

binary_cross_entropy = op(
    "binary_cross_entropy",
    lambda prediction, target: np.mean(
        np.logaddexp(0, prediction) - np.multiply(*_same(prediction, target))
    ),
    (
        lambda g, y, prediction, target: g * (sigmoid(prediction) - target) / np.size(prediction),
        lambda g, y, prediction, target: -g * prediction / np.size(prediction),
    ),
    elementwise=False,
    trials=PAIRS,
    doc="The mean surprise at targets 0 and 1 where sigmoid(prediction) is the chance of 1.",
)


def _one_hot(prediction, target):
    return np.asarray(target)[..., np.newaxis] == np.arange(np.shape(prediction)[-1])


def _classes(prediction, target):
    """`target`, or ValueError where it does not name one class for each row."""
    if np.shape(target) != np.shape(prediction)[:-1]:
        raise ValueError("the target is one class for each row of the prediction")
    known = np.shape(prediction)[-1]
    if not np.all((target >= 0) & (target < known) & (np.floor(target) == target)):
        raise ValueError(f"the classes are the whole numbers from 0 to {known - 1}")
    return target


def _surprise(prediction, target):
    target = _classes(prediction, target)
    right = np.sum(np.where(_one_hot(prediction, target), prediction, 0.0), axis=-1)
    return np.mean(logsumexp(prediction) - right)


softmax_cross_entropy = op(
    "softmax_cross_entropy",
    _surprise,
    (
        lambda g, y, prediction, target: (
            g * (softmax(prediction) - _one_hot(prediction, target)) / np.size(target)
        ),
        None,
    ),
    elementwise=False,
    trials=[Trial(((4, 3), (4,)), inputs=(None, (0, 2, 1, 2)))],
    doc="The mean surprise at the right classes (0, 1, …) where softmax of each row of the "
    "prediction gives the chances.",
)
