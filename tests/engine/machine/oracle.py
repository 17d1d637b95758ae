"""The interpreter as plain Python, on arrays whose every access numpy checks."""

from __future__ import annotations

import numpy as np

from engine.machine.drive import Drive
from engine.machine.interpreter import walk
from engine.machine.record import INLINE
from engine.machine.tape import Tape

GUARD = 64
"""Numbers around each buffer of a compiled run that nobody may touch."""

MARK = 1234.5


def plain(tape: Tape, leaves: np.ndarray, data: np.ndarray | None = None):
    """Values and gradients after one pass of a tape without calls, by the interpreter and the
    kernels as they stand in the sources. Gradients start from nan: what is not cleared has to be
    written."""
    v, d = np.zeros(tape.values), np.full(tape.gradients, np.nan)
    _fill(tape, v, leaves, data)
    forwards = [None] * INLINE + [k.forward for k in tape.kernels]
    backwards = [None] * INLINE + [k.backward for k in tape.kernels]
    with np.errstate(all="ignore"):
        walk.clear(tape.zeroed, d)
        walk.forward(tape.rows, 0, len(tape.rows), tape.pool, v, d, forwards)
        tape.output.view(d)[...] = 1.0
        walk.backward(tape.rows, 0, len(tape.rows), tape.pool, v, d, backwards)
    return v, d


def compiled(tape: Tape, leaves: np.ndarray, data: np.ndarray | None = None):
    """The same by compiled code, between guards that must be as they were."""
    guarded = [np.full(size + 2 * GUARD, MARK) for size in (tape.values, tape.gradients)]
    values, gradients = (whole[GUARD : len(whole) - GUARD] for whole in guarded)
    values[:], gradients[:] = 0.0, np.nan
    drive = Drive(tape, values, gradients)
    _fill(tape, values, leaves, data)
    drive.run()
    for whole in guarded:
        assert np.all(whole[:GUARD] == MARK)
        assert np.all(whole[-GUARD:] == MARK)
    return drive.values, drive.gradients


def _fill(tape, v, leaves, data):
    for home, value in tape.constants:
        home.view(v)[...] = value
    v[: tape.results[0]] = leaves
    if data is not None:
        v[tape.gradients :] = data
