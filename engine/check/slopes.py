"""What a measurement of slopes comes to, whichever way it was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["smooth", "kink", "edge"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A slope and a bound on its error. What does not settle has slope nan and bound inf; a slope
    known to be infinite (a vertical tangent) is inf or -inf, with bound 0."""

    slope: float
    bound: float


@dataclass(frozen=True, slots=True)
class Slope:
    """The slope of a function at a point, seen from both sides.

    `kind`: "smooth"; "kink" (the slopes from the left and from the right differ); "edge" (there is
    no finite slope on one side or on either, however near one looks).
    `evaluations`: how many times the function was called.
    """

    kind: Kind
    both: Estimate
    left: Estimate
    right: Estimate
    evaluations: int = 0


UNKNOWN = Estimate(float("nan"), float("inf"))
