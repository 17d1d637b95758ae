"""Checkpoint: the state of a training run between two steps, as bytes and back, bit for bit.

The bytes are numpy's npz without pickle: float64 arrays, and the next step and the run's identity
as text. The order of the samples needs no state: it follows from the seed and the epoch.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError

Arrays = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Checkpoint:
    """The next step to do, whether the run has diverged, and every array it goes on from.

    `arrays` names are "parameter.…", "gradient.…" and "optimizer.…".
    """

    identity: str
    next_step: int
    diverged: bool
    arrays: Arrays

    def to_bytes(self) -> bytes:
        """The same state gives the same bytes."""
        buffer = io.BytesIO()
        about = np.array([self.identity, str(self.next_step), str(int(self.diverged))])
        np.savez(buffer, allow_pickle=False, about=about, **self.arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, identity: str) -> Checkpoint:
        """Raises InputError where `data` is no checkpoint, or not one of the run `identity`."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            owner, next_step, diverged = arrays.pop("about").tolist()
            checkpoint = cls(owner, int(next_step), diverged == "1", arrays)
        except (
            BadZipFile, OSError, ValueError, KeyError, EOFError, TypeError, NotImplementedError
        ) as error:  # fmt: skip
            raise InputError("these bytes are no checkpoint", code="bad_checkpoint") from error
        if owner != identity:
            raise InputError(
                "this checkpoint belongs to another configuration or to other ops",
                code="wrong_checkpoint",
                hint="start the run anew, or pass the configuration it was made with",
            )
        return checkpoint

    def part(self, prefix: str) -> dict[str, NDArray[np.float64]]:
        """The arrays whose name starts with `prefix` and a dot, by the rest of their names."""
        start = prefix + "."
        return {
            name.removeprefix(start): array
            for name, array in self.arrays.items()
            if name.startswith(start)
        }
