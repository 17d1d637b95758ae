"""What a diagnosis goes by: claims, truth, how closely a claim was typed, and how the gradient at
every claimed name would move if a local derivative were another one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from engine.check.diagnosis.found import written
from engine.check.linear import Linear
from engine.check.report import Component, Place
from engine.check.verdict import Verdict
from engine.program import Equation, Program

COMPUTED = 1e-6
"""How closely, relatively, a claim with many digits has to be met."""

TYPED = 6e-4
"""The same at most, for a claim typed with a few digits: half a unit of the last one."""

FEW = 6
"""So many significant digits are typed by hand; more come from a program."""

JUDGED = (Verdict.PASS, Verdict.ROUNDING, Verdict.FAIL)
"""Claims that say something about the rules used."""


class Evidence:
    """The claims on a program of scalars, and its linearisation. Rows of numbers run over the
    claimed names."""

    def __init__(self, linear: Linear, components: Sequence[Component]) -> None:
        self.linear = linear
        self.program: Program = linear.program
        judged = [
            c
            for c in components
            if c.verdict in JUDGED and c.index is None and math.isfinite(c.claim)
        ]
        places = {node.name: place for place, node in enumerate(self.program.nodes)}
        self.names = [c.input for c in judged]
        self.places = [places[name] for name in self.names]
        claims = [c.claim for c in judged]
        self.claims = np.array(claims)
        self.truth = np.array(
            [
                linear.adjoints[place] if c.reference is None else c.reference
                for place, c in zip(self.places, judged, strict=True)
            ]
        )
        self.wrong = np.array([c.verdict is Verdict.FAIL for c in judged], dtype=bool)
        self.count = int(np.count_nonzero(self.wrong))
        self.digits = max(map(significant, claims), default=0)
        floors = np.array([linear.floors[place] for place in self.places])
        self.tolerance = self._closeness(floors)
        self.finite = bool(np.all(np.isfinite(self.truth)))

    def _closeness(self, floors: Any) -> Any:
        size = np.abs(self.claims)
        if self.digits > FEW:
            allowed = COMPUTED * size
        else:
            unit = np.array([10.0 ** -decimals(float(c)) for c in self.claims])
            allowed = np.minimum(0.51 * unit, TYPED * size)
        # What rounding adds may not swallow a small claim where the truth is large.
        return allowed + np.where(self.claims == 0, floors, np.minimum(floors, TYPED * size))

    @property
    def precise(self) -> bool:
        """Whether the claims come with all their digits."""
        return self.digits > FEW

    # -- along the edges of the graph --------------------------------------------------------

    @cached_property
    def tangents(self) -> Any:
        """Nodes x names: the derivative of each node with respect to each claimed name."""
        found = np.zeros((len(self.linear.values), len(self.places)))
        found[self.places, range(len(self.places))] = 1.0
        for edge in self.linear.edges:
            found[edge.user] += edge.derivative * found[edge.used]
        return found

    @cached_property
    def reach(self) -> Any:
        """Edges x names: how far a change of 1 in a local derivative moves each gradient."""
        edges = self.linear.edges
        upstream = np.array([self.linear.adjoints[edge.user] for edge in edges])
        used = [edge.used for edge in edges]
        return np.nan_to_num(upstream[:, None] * self.tangents[used])

    def matches(self, predicted: Any) -> Any:
        """Which rows of predicted gradients are what was claimed, in every name."""
        return np.all(np.abs(predicted - self.claims) <= self.tolerance, axis=-1)

    # -- words ---------------------------------------------------------------------------------

    def place(self, node: int, variable: int | None = None) -> Place:
        """The place of the equation at a node; `variable` is the node whose gradient it feeds."""
        equation = self.program.nodes[node]
        name = self.name(variable) if variable is not None else self.name(node)
        if isinstance(equation, Equation):
            return Place(equation.number, equation.text, equation.position, name)
        return Place(None, equation.name, equation.position, name)

    def name(self, node: int) -> str:
        """What a node is called."""
        return self.program.nodes[node].name

    def written(self, node: int) -> str:
        """A node as a reader finds it in the source."""
        return written(self.program, node)


def significant(x: float) -> int:
    """How many significant digits a float shows when it is written as short as it can be."""
    mantissa = repr(abs(x)).partition("e")[0].replace(".", "").strip("0")
    return len(mantissa)


def decimals(x: float) -> int:
    """The decimal place of the last digit that a float shows: 2 for 0.25, -1 for 250."""
    mantissa, _, exponent = repr(abs(x)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = fraction.rstrip("0")
    if fraction:
        return len(fraction) - int(exponent or 0)
    return len(whole.rstrip("0")) - len(whole) - int(exponent or 0)
