"""A block of points on a tape: what Program.evaluate_many() runs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.machine.drive import Array, Drive
from engine.machine.lower import lower
from engine.program import Program


class Block:
    """A batched program (engine.points.batch) on a tape of its own, at inputs of these shapes."""

    def __init__(self, program: Program, shapes: Mapping[str, tuple[int, ...]]) -> None:
        values = program.run({n: np.zeros(s) for n, s in shapes.items()}, requires_grad=False)
        self._drive = Drive(lower(program, [value.shape for value in values], turn=False))
        tape = self._drive.tape
        self._values = {n: home.view(self._drive.values) for n, home in tape.leaves.items()}
        self._gradients = {n: home.view(self._drive.gradients) for n, home in tape.leaves.items()}
        self._output = tape.output.view(self._drive.values)
        self._free = threading.Lock()

    def run(self, fixed: Mapping[str, Any], moving: Mapping[str, Array], gradients: bool) -> Any:
        """The outputs (points,), with `gradients` also those of the moving inputs."""
        with self._free:
            for given in (fixed, moving):
                for name, x in given.items():
                    self._values[name][...] = x
            if not gradients:
                self._drive.forward()
                return self._output.copy()
            self._drive.run()
            return self._output.copy(), {n: self._gradients[n].copy() for n in moving}
