"""The two records of a check by differences: inputs that are nudged in one go, and the result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Differences:
    """Central differences beside backpropagation's gradient.

    `numeric` and `gradients` map the name of each input to a number, or an array of its shape;
    along one direction they are one number each. `worst` is the largest gap between the two,
    |numeric - gradient| / max(1, |numeric|, |gradient|), and `where` the name and index of the
    number it belongs to: ("x", (2,)), ("b", ()) for a single number, None along a direction.
    `evaluations` counts the nudged points.
    """

    numeric: Any
    gradients: Any
    worst: float
    where: tuple[str, tuple[int, ...]] | None
    evaluations: int


class Group(NamedTuple):
    """Inputs that are nudged in one go: single numbers (`shape` is ()), or one array, so that
    what depends on the other inputs alone is computed once."""

    names: tuple[str, ...]
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape) if self.shape else len(self.names)

    def flat(self, values: Mapping[str, Any]) -> Numbers:
        """All numbers of the group in one row."""
        if self.shape:
            return np.ravel(values[self.names[0]])
        return np.array([values[name] for name in self.names])

    def named(self, numbers: Numbers) -> dict[str, Any]:
        """The opposite: numbers in one row as the inputs have them."""
        if self.shape:
            return {self.names[0]: numbers.reshape(self.shape)}
        return dict(zip(self.names, numbers.tolist(), strict=True))

    def points(self, rows: Numbers) -> dict[str, Numbers]:
        """The inputs at many points, each of which is a row of numbers."""
        if self.shape:
            return {self.names[0]: rows.reshape(-1, *self.shape)}
        return dict(zip(self.names, rows.T, strict=True))

    def entry(self, place: int) -> tuple[str, tuple[int, ...]]:
        """Name and index of the number at a place of the row."""
        if self.shape:
            return self.names[0], tuple(map(int, np.unravel_index(place, self.shape)))
        return self.names[place], ()


Groups = tuple[Group, ...]
