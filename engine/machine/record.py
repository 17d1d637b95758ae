"""Kernel: what one kind of row does, forward and backward, as two plain functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH = 16
"""Fields of a row: 64 bytes, a line of the cache."""

ADD, SUB, MUL, NEG = range(4)
"""Codes of the operations that the interpreter does in place: runs of scalars, indexed by the
pool."""

INLINE = 4
"""The first code of a tape's own kernels."""

Span = tuple[int, int]
"""An offset into the buffer of values, and how many numbers from there on."""

Loop = Callable[[Any, Any, Any, Any], None]
"""forward or backward: (v, d, r, p), the values, the gradients, one row and the pool of indices."""

Extents = Callable[[Any, Any], tuple[Sequence[Span], Sequence[Span]]]
"""(r, p) to the spans of v that a row reads, and those of them whose gradients it touches. Raises
ValueError where a field makes no sense."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """One kind of row. `forward` fills v[out : out + n] with out = r[2], n = r[1]; `backward` adds
    to the gradients of what was read. Both run as they are on arrays, and compiled on pointers."""

    name: str
    forward: Loop
    backward: Loop
    extents: Extents
