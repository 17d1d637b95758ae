"""Tape: a program as rows over one flat buffer of numbers, ready to be checked and run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.machine.record import Kernel
from engine.program import Equation

Rows = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Home:
    """Where a node's numbers lie: from `offset` on, row by row; column by column (of a matrix) if
    `transposed`. What only looks at another node's numbers in another way shares their memory."""

    offset: int
    shape: tuple[int, ...]
    transposed: bool = False

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def part(self, skipped: int, shape: tuple[int, ...]) -> Home:
        """An array of `shape` that begins `skipped` numbers further on."""
        return Home(self.offset + skipped, shape)

    def view(self, buffer: NDArray[np.float64]) -> NDArray[np.float64]:
        """The node's array, as a view of the buffer."""
        span = buffer[self.offset : self.offset + self.size]
        return span.reshape(self.shape[::-1]).T if self.transposed else span.reshape(self.shape)


@dataclass(frozen=True, slots=True)
class Call:
    """An equation that Python carries out by the op's own rules, before row `before` is reached."""

    before: int
    equation: Equation
    args: tuple[Home, ...]
    out: Home
    wanted: tuple[bool, ...]
    """whether the gradient of each argument is asked for"""


@dataclass(frozen=True)
class Tape:
    """Rows of 16 fields, the pool of indices of its scalar runs, and the kernels that its codes
    (from INLINE on) mean.

    The buffer holds leaves, constants, results in the order of the rows, and then data, which have
    no gradient: `values` numbers, and `gradients` of them with one. `zeroed` are the spans of the
    gradients to clear before each backward pass: what is left out is written before it is read.
    """

    rows: Rows
    pool: Rows
    kernels: tuple[Kernel, ...]
    values: int
    gradients: int
    results: tuple[int, int]
    """where results begin, behind the leaves, and end"""
    output: Home
    leaves: Mapping[str, Home]
    constants: tuple[tuple[Home, Any], ...]
    homes: tuple[Home | None, ...]
    """by the place of a program's node; None where the output does not depend on it, or where two
    equations became one row"""
    zeroed: NDArray[np.int64]
    calls: tuple[Call, ...] = ()

    def segments(self) -> Iterator[tuple[int, int, Call | None]]:
        """Stretches of rows, each with the call that comes after it."""
        start = 0
        for call in self.calls:
            yield start, call.before, call
            start = call.before
        yield start, len(self.rows), None
