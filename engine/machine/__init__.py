"""The machine: programs and training loops on compiled tapes.

    lower.py      a Program becomes a Tape: rows over one flat buffer (emit, schedule, memory …)
    validate.py   a tape is checked before it runs
    drive.py      a tape with memory of its own, run; foreign.py, what Python does in between
    interpreter/  walks rows forward and backward, and descends gradients
    kernels/      what rows do, written by hand; printed.py, the others, from the ops' formulas
    compiled.py   kernels as machine code, kept on disk (cache.py)
    hot.py, block.py, buffers.py   the three ways in: one point, many, buffers of one's own

This package imports numba only where something is compiled or run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.op import Op

_HELD = threading.Event()


def hold() -> None:
    """Do without the machine until release(): nothing imports numba or compiles meanwhile, and
    programs are evaluated by the ops' own rules."""
    _HELD.set()


def release() -> None:
    """End a hold()."""
    _HELD.clear()


def ready() -> bool:
    """Whether the machine may be used now."""
    return not _HELD.is_set()


@dataclass(frozen=True, slots=True)
class Warmth:
    """What warm() did: how many kernels there are, how many of them had to be compiled, the folder
    in which they are, and whether that outlasts this process."""

    kernels: int
    compiled: int
    folder: str
    lasts: bool


def warm(
    ops: Iterable[Op] | None = None, report: Callable[[str, int, int], None] | None = None
) -> Warmth:
    """Compile and load the kernels of `ops` (the built-in ones by default) and all others now.

    Half a minute where nothing has been compiled yet, else about a second. `report` is told the
    name of each kernel, how many are done and how many there are.
    """
    from engine.machine.warm import warm as everything
    from engine.ops import OPS

    return everything(OPS.values() if ops is None else ops, report)
