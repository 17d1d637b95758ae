"""Who lies where: the flat buffer of a tape, handed out while rows are made.

    leaves | results, in the order of the rows | constants | data

How many results there will be shows only in the end. Until then constants are counted from
CONSTANTS and data from DATA, far below zero; `settle` turns their offsets into places.
"""

from __future__ import annotations

import bisect
from dataclasses import replace
from typing import Any

import numpy as np

from engine.machine.tape import Home

Shape = tuple[int, ...]

CONSTANTS, DATA = -(2**41), -(2**40)


class Memory:
    """Leaves and results grow at the front, constants and data behind."""

    def __init__(self) -> None:
        self.top = 0
        self.starts: list[int] = []
        self.constants: list[tuple[Home, Any]] = []
        self._constant, self._data = CONSTANTS, DATA
        self._numbers: dict[str, Home] = {}

    def allocate(self, shape: Shape, transposed: bool = False) -> Home:
        """Room for a leaf or a result."""
        home = Home(self.top, shape, transposed)
        if home.size:
            self.starts.append(self.top)
        self.top += home.size
        return home

    def constant(self, value: Any) -> Home:
        """The home of a number or array that never changes; equal numbers share one."""
        if value.__class__ is float and value.hex() in self._numbers:
            return self._numbers[value.hex()]
        home = Home(self._constant, np.shape(value))
        self._constant += home.size
        self.constants.append((home, value))
        if value.__class__ is float:
            self._numbers[value.hex()] = home
        return home

    def data(self, shape: Shape) -> Home:
        """Room behind all else, without gradients."""
        home = Home(self._data, shape)
        self._data += home.size
        return home

    @property
    def gradients(self) -> int:
        """Numbers that have a gradient."""
        return self.top + self._constant - CONSTANTS

    @property
    def values(self) -> int:
        """Numbers in all."""
        return self.gradients + self._data - DATA

    def settle(self, offsets: Any) -> Any:
        """Offsets, a number or an array, made absolute."""
        shift = np.where(np.less(offsets, DATA), self.top - CONSTANTS, self.gradients - DATA)
        return offsets + np.where(np.less(offsets, 0), shift, 0)

    def settled(self, home: Home) -> Home:
        """The home with its offset made absolute."""
        return home if home.offset >= 0 else replace(home, offset=int(self.settle(home.offset)))

    def room(self, offset: int) -> tuple[int, int]:
        """Start and length of the leaf or result in whose memory `offset` lies."""
        place = bisect.bisect_right(self.starts, offset)
        end = self.starts[place] if place < len(self.starts) else self.top
        return self.starts[place - 1], end - self.starts[place - 1]
