"""Random calls of every op on the shelf: shapes that fit together, broadcast or not, empty or not,
the same input twice, and numbers on both sides of kinks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine.op import REQUIRED, Op

Case = tuple[list[Any], dict[str, Any], list[int]]
"""Inputs, parameters, and which inputs are one and the same: [0, 0] for op(x, x)."""

SIZES = (0, 1, 1, 2, 3, 4, 5, 9, 17)


def shape(rng, least=0, most=3, sizes=SIZES):
    return tuple(int(rng.choice(sizes)) for _ in range(rng.integers(least, most + 1)))


def numbers(op: Op, place: int, rng, wanted):
    """Numbers of the input's domain, sometimes exactly on a kink or a tie."""
    domain = op.domains[0] if op.variadic else op.domains[place]
    x = np.asarray(domain.sample(rng, wanted), dtype=np.float64)
    if rng.random() < 0.2 and 0.0 in domain:
        x = np.where(rng.random(x.shape) < 0.3, 0.0, x)
    if rng.random() < 0.2 and 1.0 in domain:
        x = np.where(rng.random(x.shape) < 0.3, 1.0, x)
    return x if x.ndim else float(x)


def smaller(rng, wanted):
    """A shape that broadcasts to `wanted`."""
    kept = wanted[rng.integers(0, len(wanted) + 1) :]
    return tuple(1 if rng.random() < 0.3 else n for n in kept)


def elementwise(op: Op, rng) -> Case:
    wanted = shape(rng)
    count = len(op.input_names)
    shapes = [smaller(rng, wanted) if rng.random() < 0.5 else wanted for _ in range(count)]
    shared = [*range(count)]
    if count > 1 and rng.random() < 0.15:
        shared[1], shapes[1] = 0, shapes[0]
    inputs = [numbers(op, shared[i], rng, shapes[i]) for i in range(count)]
    for i, first in enumerate(shared):
        inputs[i] = inputs[first]
    params = {name: 0.7 if value is REQUIRED else value for name, value in op.params.items()}
    return inputs, params, shared


def one(op: Op, rng, params: dict[str, Any], wanted) -> Case:
    return [numbers(op, 0, rng, wanted)], params, [0]


def axes(rng, rank, several=True):
    if rank == 0 or rng.random() < 0.3:
        return None
    if several and rng.random() < 0.4:
        taken = rng.permutation(rank)[: rng.integers(1, rank + 1)]
        return tuple(int(a) for a in taken)
    return int(rng.integers(-rank, rank))


def reduction(op: Op, rng) -> Case:
    wanted = shape(rng, most=4)
    params = {"axis": axes(rng, len(wanted)), "keepdims": bool(rng.random() < 0.5)}
    return one(op, rng, params, wanted)


def along(op: Op, rng) -> Case:
    wanted = shape(rng, least=1, most=3, sizes=SIZES[1:])
    return one(op, rng, {"axis": int(rng.integers(-len(wanted), len(wanted)))}, wanted)


def reshape(op: Op, rng) -> Case:
    wanted = shape(rng, sizes=SIZES[1:])
    new = (int(np.prod(wanted)),) if rng.random() < 0.5 else wanted[::-1]
    return one(op, rng, {"shape": new}, wanted)


def transpose(op: Op, rng) -> Case:
    return one(op, rng, {}, shape(rng, least=1, most=4))


def swapaxes(op: Op, rng) -> Case:
    wanted = shape(rng, least=2, most=4)
    first, second = (int(a) for a in rng.integers(-len(wanted), len(wanted), 2))
    return one(op, rng, {"axis1": first, "axis2": second}, wanted)


def broadcast_to(op: Op, rng) -> Case:
    wanted = shape(rng)
    return one(op, rng, {"shape": wanted}, smaller(rng, wanted))


def getitem(op: Op, rng) -> Case:
    wanted = shape(rng, least=1, sizes=SIZES[1:])
    depth = rng.integers(1, len(wanted) + 1)
    index: tuple[Any, ...] = tuple(int(rng.integers(-n, n)) for n in wanted[:depth])
    if rng.random() < 0.4:
        parts = (slice(None), slice(1, None), slice(None, -1), slice(None, None, 2))
        index = tuple(parts[rng.integers(4)] if rng.random() < 0.6 else i for i in index)
    return one(op, rng, {"index": index[0] if rng.random() < 0.5 else index}, wanted)


def place(op: Op, rng) -> Case:
    whole = shape(rng, least=1, sizes=SIZES[1:])
    index = (int(rng.integers(0, whole[0])),)
    return one(op, rng, {"index": index, "shape": whole}, whole[1:])


def stack(op: Op, rng) -> Case:
    wanted, count = shape(rng), int(rng.integers(1, 5))
    inputs = [numbers(op, 0, rng, wanted) for _ in range(count)]
    shared = [*range(count)]
    if count > 1 and rng.random() < 0.3:
        shared[-1], inputs[-1] = 0, inputs[0]
    return inputs, {}, shared


def matmul(op: Op, rng) -> Case:
    m, k, n = (int(rng.choice((*SIZES, 33))) for _ in range(3))
    batch = shape(rng, most=2, sizes=(1, 2, 3))
    left: Any = (*(batch if rng.random() < 0.4 else ()), m, k)
    right: Any = (*(smaller(rng, batch) if rng.random() < 0.4 else ()), k, n)
    if rng.random() < 0.15:
        left = (k,)
    if rng.random() < 0.15:
        right = (k,)
    if rng.random() < 0.05:
        x = numbers(op, 0, rng, (k, k))
        return [x, x], {}, [0, 0]
    return [numbers(op, 0, rng, left), numbers(op, 1, rng, right)], {}, [0, 1]


def loss(op: Op, rng) -> Case:
    wanted = shape(rng, most=2)
    prediction, target = (rng.normal(size=wanted) for _ in range(2))
    if rng.random() < 0.6:
        target = np.sign(target)
    if rng.random() < 0.3:
        prediction = np.where(rng.random(wanted) < 0.3, target, prediction)
    return [np.asarray(prediction)[()], np.asarray(target)[()]], {}, [0, 1]


def classes(op: Op, rng) -> Case:
    rows, count = shape(rng, least=1, most=2, sizes=SIZES[1:]), int(rng.integers(1, 9))
    scores = 5 * rng.normal(size=(*rows, count))
    return [scores, rng.integers(0, count, rows).astype(float)], {}, [0, 1]


STRUCTURAL: Mapping[str, Callable[[Op, Any], Case]] = {
    "sum": reduction,
    "mean": reduction,
    "softmax": along,
    "logsumexp": along,
    "reshape": reshape,
    "transpose": transpose,
    "swapaxes": swapaxes,
    "broadcast_to": broadcast_to,
    "getitem": getitem,
    "place": place,
    "stack": stack,
    "matmul": matmul,
    "sum_squared_error": loss,
    "mean_squared_error": loss,
    "mean_absolute_error": loss,
    "hinge": loss,
    "binary_cross_entropy": loss,
    "softmax_cross_entropy": classes,
}


def case(op: Op, rng) -> Case:
    """One random call of `op`."""
    if op.elementwise:
        return elementwise(op, rng)
    return STRUCTURAL[op.name](op, rng)
