"""Gradient descent in the interpreter: what a training step does before its forward pass and after
its backward pass. The formulas are those of engine.optim, over all parameters as one vector.

`plan` says in whole numbers what is where (see Plan), `dials` are the numbers of the optimiser.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any

from numba.extending import register_jitable

SGD, MOMENTUM, ADAM = range(3)
"""Optimisers, by dials: (), (momentum,), (beta1, beta2, epsilon). Their memory is 0, 1 or 2 numbers
for each parameter."""

NOTHING, SIGNS, LARGEST = range(3)
"""When a prediction counts as right: never asked, on the target's side of 0, the largest output."""

LOSS, NORM, ACCURACY = range(3)
"""Columns of the series."""


class Plan(IntEnum):
    """Fields of the plan."""

    PARAMETERS = 0
    """numbers at the front of the values that training moves"""
    OUTPUT = 1
    OPTIMIZER = 2
    RIGHT = 3
    PREDICTION = 4
    """where the prediction lies, whose rows are `SAMPLES` times `OUTPUTS` numbers"""
    SAMPLES = 5
    OUTPUTS = 6
    TARGETS = 7
    """where the targets of a batch lie"""
    TARGET = 8
    """numbers in one target"""
    INPUTS = 9
    """where the samples of a batch lie"""
    INPUT = 10
    """numbers in one sample"""
    PER_EPOCH = 11
    """batches in an epoch, where batches follow each other in the data; 0 where they do not move"""
    FIRST = 12
    """the number of the first step"""
    STORE_INPUTS = 13
    """where all samples lie, in their order"""
    STORE_TARGETS = 14


FIELDS = len(Plan)


@register_jitable
def begin(
    step: int, plan: Any, patches: Any, order: Any, rows: Any, v: Any, xs: Any, ys: Any
) -> int:
    """Put the batch of a step (counted from the block's first) in place; where its targets lie.

    With an `order`, samples are copied one by one; else rows are pointed at the next stretch of
    the data: patches are (row, field, whether it is the targets')."""
    samples, target, size = plan[Plan.SAMPLES], plan[Plan.TARGET], plan[Plan.INPUT]
    if len(order) > 0:
        for j in range(samples):
            chosen = order[step * samples + j]
            for i in range(size):
                v[plan[Plan.INPUTS] + j * size + i] = xs[chosen * size + i]
            for i in range(target):
                v[plan[Plan.TARGETS] + j * target + i] = ys[chosen * target + i]
        return plan[Plan.TARGETS]
    if plan[Plan.PER_EPOCH] == 0:
        return plan[Plan.TARGETS]
    first = (plan[Plan.FIRST] + step) % plan[Plan.PER_EPOCH] * samples
    inputs = plan[Plan.STORE_INPUTS] + first * size
    targets = plan[Plan.STORE_TARGETS] + first * target
    for k in range(len(patches)):
        rows[patches[k, 0], patches[k, 1]] = targets if patches[k, 2] else inputs
    return targets


@register_jitable
def right(plan: Any, targets: int, v: Any) -> float:
    """The share of the batch that is predicted right."""
    count, start = 0, plan[Plan.PREDICTION]
    samples, outputs = plan[Plan.SAMPLES], plan[Plan.OUTPUTS]
    for j in range(samples):
        if plan[Plan.RIGHT] == SIGNS:
            count += (v[start + j] > 0.0) == (v[targets + j] > 0.0)
        else:
            best, top = 0, v[start + j * outputs]
            for i in range(1, outputs):
                x = v[start + j * outputs + i]
                if x > top:
                    best, top = i, x
            count += best == v[targets + j]
    return count / samples


@register_jitable
def squares(x: Any, n: int) -> float:
    """The sum of the squares of the first n numbers, in eight sums side by side."""
    a = b = c = e = f = g = h = k = 0.0
    i = 0
    while i + 8 <= n:
        a += x[i] * x[i]
        b += x[i + 1] * x[i + 1]
        c += x[i + 2] * x[i + 2]
        e += x[i + 3] * x[i + 3]
        f += x[i + 4] * x[i + 4]
        g += x[i + 5] * x[i + 5]
        h += x[i + 6] * x[i + 6]
        k += x[i + 7] * x[i + 7]
        i += 8
    while i < n:
        a += x[i] * x[i]
        i += 1
    return ((a + b) + (c + e)) + ((f + g) + (h + k))


@register_jitable
def move(plan: Any, dials: Any, rate: float, count: int, v: Any, d: Any, memory: Any) -> None:
    """Move the parameters once; `count` is the number of this update, from 1."""
    n = plan[Plan.PARAMETERS]
    if plan[Plan.OPTIMIZER] == SGD:
        for i in range(n):
            v[i] -= rate * d[i]
    elif plan[Plan.OPTIMIZER] == MOMENTUM:
        for i in range(n):
            memory[i] = dials[0] * memory[i] + d[i]
            v[i] -= rate * memory[i]
    else:
        beta1, beta2, epsilon = dials[0], dials[1], dials[2]
        mean_weight = 1.0 - math.pow(beta1, count)
        square_weight = 1.0 - math.pow(beta2, count)
        for i in range(n):
            g = d[i]
            m = beta1 * memory[i] + (1.0 - beta1) * g
            s = beta2 * memory[n + i] + (1.0 - beta2) * (g * g)
            memory[i], memory[n + i] = m, s
            v[i] -= rate * (m / mean_weight) / (math.sqrt(s / square_weight) + epsilon)


@register_jitable
def finish(
    step: int,
    targets: int,
    count: int,
    plan: Any,
    dials: Any,
    l2: float,
    rates: Any,
    v: Any,
    d: Any,
    memory: Any,
    series: Any,
) -> bool:
    """Note the step's numbers and move the parameters; False, and nothing is moved, where the loss
    is not finite. `count` updates were made before this block."""
    n = plan[Plan.PARAMETERS]
    loss = v[plan[Plan.OUTPUT]]
    if l2 != 0.0:
        loss += l2 * squares(v, n)
        for i in range(n):
            d[i] += 2.0 * l2 * v[i]
    series[step, LOSS] = loss
    series[step, NORM] = math.sqrt(squares(d, n))
    if plan[Plan.RIGHT] != NOTHING:
        series[step, ACCURACY] = right(plan, targets, v)
    if not math.isfinite(loss):
        return False
    move(plan, dials, rates[step], count + step + 1, v, d, memory)
    return True
