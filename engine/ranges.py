"""Range: which numbers a parameter may take, and which it takes when nothing is said."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, both included; `below` excludes the upper end; `whole` asks for an int.

    >>> Range(0.9, low=0.0, high=1.0, below=True).mistake(1.0)
    'must be at least 0 and below 1, not 1.0'
    """

    default: float
    low: float = -math.inf
    high: float = math.inf
    below: bool = False
    whole: bool = False

    def mistake(self, value: object) -> str | None:
        """What is wrong with `value`, as the end of a sentence; None if it may be used."""
        kind = "a whole number" if self.whole else "a number"
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return f"must be {kind}, not {shown(value)}"
        if not self.whole and not finite(value):
            return f"must be a finite number, not {shown(value)}"
        if value < self.low or value > self.high or (self.below and value == self.high):
            return f"must be {self.text}, not {shown(value)}"
        return None

    @property
    def text(self) -> str:
        """The range in words: "at least 0 and below 1"."""
        show = "{:,}" if self.whole else "{:g}"
        upper = "below" if self.below else "at most"
        low = f"at least {show.format(self.low)}" if self.low > -math.inf else ""
        high = f"{upper} {show.format(self.high)}" if self.high < math.inf else ""
        return " and ".join(part for part in (low, high) if part)


def finite(value: float) -> bool:
    """Whether `value` is a finite float64; an int of 400 digits is not."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def shown(value: object) -> str:
    """`value` as a message shows it: JSON's own words, cut short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a number of more than 20 digits"
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"
