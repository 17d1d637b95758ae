"""Claims laid beside slopes, entry by entry, and what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

NEGLIGIBLE = 1e-9
"""A slope below this share of the largest of its kind is as good as 0."""


@dataclass(frozen=True)
class Part:
    """Claims and slopes of one input, or of all inputs in a row, where the slopes are known.

    `claim` and `truth` are flat; `owners` and `positions` say which input and which entry of it
    each number belongs to; `shapes` are the shapes of the inputs.
    """

    claim: Any
    truth: Any
    owners: Any
    positions: Any
    shapes: Mapping[str, tuple[int, ...]]
    rtol: float

    @cached_property
    def wrong(self) -> Any:
        gap = np.abs(self.claim - self.truth)
        return ~(gap <= self.rtol * np.abs(self.truth) + self._negligible)

    @property
    def known(self) -> Any:
        """Where the slope is not 0: only there a factor can be seen."""
        return np.abs(self.truth) > self._negligible

    def agree(self, predicted: Any) -> Any:
        """Entry by entry, whether the claim is what was predicted: to `rtol`, and what is
        negligible beside slopes and predictions of its input (if wrong, beside its own slope)."""
        floor = np.minimum(self._floor, NEGLIGIBLE * self._largest(predicted))
        return np.abs(self.claim - predicted) <= self.rtol * np.abs(predicted) + floor

    @cached_property
    def _floor(self) -> Any:
        own = np.where(self.wrong, NEGLIGIBLE * np.abs(self.truth), np.inf)
        return np.minimum(self._negligible, own)

    @cached_property
    def _negligible(self) -> Any:
        return NEGLIGIBLE * self._largest(self.truth)

    def _largest(self, numbers: Any) -> Any:
        """For each entry (or for all, where there is one input), the largest of its input."""
        sizes = np.abs(numbers)
        if len(self.shapes) == 1:
            return np.fmax.reduce(sizes, initial=0.0)
        largest = np.zeros(len(self.shapes))
        np.fmax.at(largest, self.owners, sizes)
        return largest[self.owners]

    def name(self, entry: int) -> str:
        """The entry as a reader writes it: w[0, 2], or b for a scalar."""
        owner, shape = list(self.shapes.items())[int(self.owners[entry])]
        if not shape:
            return owner
        index = np.unravel_index(self.positions[entry], shape)
        return f"{owner}[{', '.join(map(str, index))}]"

    @property
    def worst(self) -> int:
        """The wrong entry with the largest slope: the one to show."""
        return int(np.argmax(np.where(self.wrong, np.abs(self.truth), -1.0)))

    def numbers(self, **more: float) -> dict[str, float]:
        return {
            "yours": float(self.claim[self.worst]),
            "true": float(self.truth[self.worst]),
            **more,
        }

    @property
    def evidence(self) -> str:
        """The worst entry in words: "6 against 3 at w[0]"."""
        yours, true = self.claim[self.worst], self.truth[self.worst]
        return f"{yours:.6g} against {true:.6g} at {self.name(self.worst)}"


@dataclass(frozen=True, slots=True)
class Symptom:
    """A mistake that would give these claims, `key` telling apart what has the same code."""

    code: str
    sentence: str
    count: int
    key: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)


def part_of(claims: Mapping[str, Any], references: Mapping[str, Any], rtol: float) -> Part:
    columns = []
    for owner, name in enumerate(claims):
        claim, truth = np.ravel(claims[name]), np.ravel(references[name]).astype(float)
        kept = np.flatnonzero(np.isfinite(truth))
        columns.append((claim.astype(float)[kept], truth[kept], np.full(kept.size, owner), kept))
    claim, truth, owners, positions = map(np.concatenate, zip(*columns, strict=True))
    shapes = {name: np.shape(claims[name]) for name in claims}
    return Part(claim, truth, owners, positions, shapes, rtol)


def listed(words: list[str]) -> str:
    """ "a", "a and b", "a, b and c", and no more than a handful."""
    if not words:
        return ""
    if len(words) > 6:
        words = [*words[:5], f"{len(words) - 5} more"]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
