"""How much one check of backward rules may cost, counted in operations and not in seconds, so that
the same question gets the same answer on every machine."""

from __future__ import annotations

from engine.check.extrapolation import ROUNDS, STEPS
from engine.errors import InputError
from engine.formula import Formula

BUDGET = 500_000
"""Additions of two balls, or what takes as long, that one check may come to: about half a
second."""

PLAIN = frozenset({"add", "sub", "mul", "div", "neg", "abs", "sign", "max", "min", "sqrt", "where"})
"""Functions that take about as long as an addition; so do comparisons."""

PLAIN_COST = (1, 2, 4)
OTHER_COST = (3, 40, 160)
"""What one function costs at each of the precisions in which slopes are looked for: measured."""

ARRAY_COST = 3
"""What one line costs on arrays of a few hundred float64."""

EVALUATIONS = 1 + 2 * STEPS
"""Runs of the forward that a slope takes at one precision."""


class Work:
    """What is left of the budget."""

    def __init__(self, left: int = BUDGET) -> None:
        self.left = left

    def affords(self, units: int) -> bool:
        """Whether so much is left; if it is, it is spent."""
        if units > self.left:
            return False
        self.left -= units
        return True

    def spend(self, units: int) -> None:
        """Raises InputError where so much is not left."""
        if not self.affords(units):
            raise InputError(
                "to check these rules takes more operations than one check may",
                code="too_much_work",
                pointer="/backward",
                hint="check one rule at a time, or the operation part by part",
            )


def run_cost(formula: Formula, attempt: int = 0) -> int:
    """What one run of `formula` on balls costs, at the precision of that attempt at a slope."""
    plain = sum(line.function.answers or line.function.name in PLAIN for line in formula.lines)
    return plain * PLAIN_COST[attempt] + (len(formula.lines) - plain) * OTHER_COST[attempt]


def slope_cost(formula: Formula, evaluations: int = EVALUATIONS) -> int:
    """What a slope that took so many runs has cost; the later ones carry more digits."""
    attempts = range(min(-(-evaluations // EVALUATIONS), len(ROUNDS)))
    return EVALUATIONS * sum(run_cost(formula, attempt) for attempt in attempts)


def array_cost(formula: Formula) -> int:
    """What it costs to work out `formula` once, on arrays."""
    return ARRAY_COST * len(formula.lines)
