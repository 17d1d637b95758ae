"""Where an input of an op may lie, and where an op has a kink."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Domain:
    """An interval of reals, ends and `holes` excluded, and the part of it worth sampling."""

    text: str
    low: float = -math.inf
    high: float = math.inf
    holes: tuple[float, ...] = ()

    def of(self, name: str) -> str:
        """The domain in words, of an input with this name: "b != 0"."""
        return re.sub(r"\bx\b", name, self.text)

    def __contains__(self, x: float) -> bool:
        return self.low < x < self.high and x not in self.holes

    def sample(self, rng: Any, shape: tuple[int, ...]) -> Any:
        """Numbers of ordinary size well inside the domain, shape `shape`, from numpy's `rng`:
        one in each of as many equal parts of it, in random order."""
        low, high = max(self.low, -2.5), min(self.high, 2.5)
        if self.low > -2.5:
            low, high = self.low, min(self.high, self.low + 5.0)
        elif self.high < 2.5:
            low, high = max(self.low, self.high - 5.0), self.high
        margin = 0.05 * (high - low)
        n = math.prod(shape)
        share = (rng.permutation(n).reshape(shape) + rng.uniform(size=shape)) / max(n, 1)
        x = low + margin + share * (high - low - 2 * margin)
        for hole in self.holes:
            x = x + (abs(x - hole) < margin) * margin * (2 * (x >= hole) - 1)
        return x


real = Domain("any real number")
positive = Domain("x > 0", low=0.0)
nonzero = Domain("x != 0", holes=(0.0,))


def between(low: float, high: float) -> Domain:
    """The open interval from `low` to `high`."""
    return Domain(f"{low:g} < x < {high:g}", low, high)


def above(low: float) -> Domain:
    """Everything greater than `low`."""
    return Domain(f"x > {low:g}", low)


def at(*points: float) -> Callable[..., tuple[Any, ...]]:
    """Kinks of an op of one input at fixed points: functions that vanish there."""

    def kinks(x: Any, **params: Any) -> tuple[Any, ...]:
        return tuple(x - point for point in points)

    return kinks
