"""The one door into compiled code: a header of addresses, and what is to be done with them.

A call with one number costs a third of a microsecond; one with a dozen arrays would cost several.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import numpy as np
from numba import carray, njit, types
from numba.extending import intrinsic

from engine.machine.compiled import mended
from engine.machine.interpreter import descent, walk
from engine.machine.record import WIDTH

FORWARD, BACKWARD, PASS, BEGIN, FINISH, TRAIN = range(6)
"""What to do: rows start … stop - 1 forward or backward; a whole pass, from clearing the gradients
to the backward pass; what a step of training does before and after its pass; steps of training."""


class Header(IntEnum):
    """Fields of the header, 64-bit whole numbers."""

    MODE = 0
    START = 1
    STOP = 2
    """rows, or steps"""
    ROWS = 3
    ROWS_LENGTH = 4
    POOL = 5
    POOL_LENGTH = 6
    VALUES = 7
    VALUES_LENGTH = 8
    GRADIENTS = 9
    GRADIENTS_LENGTH = 10
    FORWARDS = 11
    BACKWARDS = 12
    TABLE_LENGTH = 13
    ZEROED = 14
    ZEROED_LENGTH = 15
    OUTPUT = 16
    """where the gradients start from 1"""
    OUTPUT_LENGTH = 17
    RESULTS_END = 18
    PLAN = 19
    DIALS = 20
    PATCHES = 21
    PATCHES_LENGTH = 22
    ORDER = 23
    ORDER_LENGTH = 24
    STORE_XS = 25
    STORE_XS_LENGTH = 26
    STORE_YS = 27
    STORE_YS_LENGTH = 28
    RATES = 29
    SERIES = 30
    MEMORY = 31
    MEMORY_LENGTH = 32
    COUNT = 33
    """updates made before the first step"""
    TARGETS = 34
    """where BEGIN found the targets of the step"""


DIALS = 4
"""Dials in all: l2, and those of the optimiser."""


@intrinsic
def _at(typing: Any, address: Any, kind: Any) -> Any:
    """An address as a pointer to numbers of the type of `kind`."""
    pointer = types.CPointer(kind)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(pointer))

    return pointer(types.int64, kind), generate


_UINT32, _FLOAT64, _INT64 = np.uint32(0), np.float64(0), np.int64(0)


def enter(address: int) -> int:
    """Do what the header at `address` says. PASS answers 1 if every input, result and gradient is
    finite, TRAIN how many steps were done, the one whose loss was not finite included, and FINISH 1
    if the loss was finite."""
    h = carray(_at(address, _INT64), 35)
    mode, start, stop = h[Header.MODE], h[Header.START], h[Header.STOP]
    rows = carray(_at(h[Header.ROWS], _UINT32), (h[Header.ROWS_LENGTH], WIDTH))
    p = carray(_at(h[Header.POOL], _UINT32), h[Header.POOL_LENGTH])
    v = carray(_at(h[Header.VALUES], _FLOAT64), h[Header.VALUES_LENGTH])
    d = carray(_at(h[Header.GRADIENTS], _FLOAT64), h[Header.GRADIENTS_LENGTH])
    forwards = carray(_at(h[Header.FORWARDS], _INT64), h[Header.TABLE_LENGTH])
    backwards = carray(_at(h[Header.BACKWARDS], _INT64), h[Header.TABLE_LENGTH])
    zeroed = carray(_at(h[Header.ZEROED], _INT64), (h[Header.ZEROED_LENGTH], 2))
    output, outputs = h[Header.OUTPUT], h[Header.OUTPUT_LENGTH]
    if mode == FORWARD:
        walk.forward(rows, start, stop, p, v, d, forwards)
        return 0
    if mode == BACKWARD:
        walk.backward(rows, start, stop, p, v, d, backwards)
        return 0
    count = len(rows)
    if mode == PASS:
        walk.clear(zeroed, d)
        walk.forward(rows, 0, count, p, v, d, forwards)
        walk.fill(d, output, outputs, 1.0)
        walk.backward(rows, 0, count, p, v, d, backwards)
        end = h[Header.RESULTS_END]
        return walk.finite(v, 0, end) and walk.finite(d, 0, end)
    plan = carray(_at(h[Header.PLAN], _INT64), descent.FIELDS)
    dials = carray(_at(h[Header.DIALS], _FLOAT64), DIALS)
    patches = carray(_at(h[Header.PATCHES], _INT64), (h[Header.PATCHES_LENGTH], 3))
    order = carray(_at(h[Header.ORDER], _UINT32), h[Header.ORDER_LENGTH])
    xs = carray(_at(h[Header.STORE_XS], _FLOAT64), h[Header.STORE_XS_LENGTH])
    ys = carray(_at(h[Header.STORE_YS], _FLOAT64), h[Header.STORE_YS_LENGTH])
    rates = carray(_at(h[Header.RATES], _FLOAT64), stop)
    series = carray(_at(h[Header.SERIES], _FLOAT64), (stop, 3))
    memory = carray(_at(h[Header.MEMORY], _FLOAT64), h[Header.MEMORY_LENGTH])
    done = h[Header.COUNT]
    for step in range(start, stop):
        targets = h[Header.TARGETS]
        if mode != FINISH:
            targets = descent.begin(step, plan, patches, order, rows, v, xs, ys)
            walk.clear(zeroed, d)
        if mode == TRAIN:
            walk.forward(rows, 0, count, p, v, d, forwards)
            walk.fill(d, output, outputs, 1.0)
            walk.backward(rows, 0, count, p, v, d, backwards)
        if mode == BEGIN:
            h[Header.TARGETS] = targets
            return 0
        if not descent.finish(
            step, targets, done, plan, dials[1:], dials[0], rates, v, d, memory, series
        ):
            return 0 if mode == FINISH else step + 1 - start
    return 1 if mode == FINISH else stop - start


@functools.cache
def door() -> Callable[[int], int]:
    """`enter`, compiled, or found on disk."""
    return mended(
        lambda: njit(
            types.int64(types.int64), cache=True, error_model="numpy", fastmath={"contract"}
        )(enter)
    )
