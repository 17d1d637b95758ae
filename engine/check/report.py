"""What a gradient check says: the verdict, the numbers it rests on, and what explains a mistake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.check.verdict import Verdict
from engine.errors import Position
from engine.evaluation import Node


@dataclass(frozen=True, slots=True)
class Component:
    """One number of a gradient, judged.

    `input` is the name that was claimed (an input, or an intermediate name of the program) and
    `index` its place in an array (None for a scalar). `reference` is the slope, `error_bound`
    bounds its error, `relative_error` is |claim - reference| / |reference|. `slopes` (left, right)
    is given where they differ or one does not exist (nan). `backprop` is what float64
    backpropagation gives, where that is what was claimed and it differs from the slope.
    `follows` tells that a wrong claim is what the claims before it lead to: no new mistake.
    """

    input: str
    index: tuple[int, ...] | None
    claim: float
    reference: float | None
    error_bound: float | None
    relative_error: float | None
    verdict: Verdict
    slopes: tuple[float, float] | None = None
    backprop: float | None = None
    follows: bool = False
    evaluations: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mistake sits: an equation by its number, its text, its position in the source, and
    the variable whose gradient goes wrong there. What has no single place has None."""

    equation: int | None
    text: str
    position: Position | None
    variable: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A mistake that explains the wrong claims, as a hypothesis.

    `mistake` is a code of engine.mistakes.MISTAKES. `explanation` is one sentence in plain words
    with the numbers. `numbers` holds those by name ("yours", "true", …). `explains` of `of` wrong
    components come out as claimed if this mistake is made; what it predicts for the others is what
    they claim. `parts` are the two mistakes where it takes two.
    """

    mistake: str
    place: Place | None
    explanation: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    explains: int = 0
    of: int = 0
    parts: tuple[Diagnosis, ...] = ()


@dataclass(frozen=True, slots=True)
class FirstWrong:
    """The equation at which the claims first part from the truth, going backward from the output,
    with the claimed names whose wrong gradients only follow from it, and those that are mistakes
    of their own."""

    place: Place
    name: str
    claim: float
    expected: float
    follow: tuple[str, ...]
    others: tuple[str, ...]
    explanation: str


@dataclass(frozen=True, slots=True)
class LocalCheck:
    """One operation alone at its own arguments, under a random upstream gradient: what its
    backward rule gives for the input `argument`, against the slope of its forward."""

    place: Place
    op: str
    argument: str
    verdict: Verdict
    given: float
    reference: float | None
    error_bound: float | None
    upstream: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """A gradient check: the verdict, how it was reached, each judged component, and the inputs
    nobody claimed.

    `method` is "exact" or "blackbox". `evaluations` counts runs of the program's forward.
    `local` judges each operation whose forward cannot be seen into. `warnings` are sentences on
    what a reader should know, such as that a comparison could not have failed.
    """

    verdict: Verdict
    components: tuple[Component, ...]
    unclaimed: tuple[str, ...]
    tolerance: float
    value: Any
    non_finite: Node | None = None
    reason: str | None = None
    method: str = "exact"
    evaluations: int = 0
    diagnoses: tuple[Diagnosis, ...] = ()
    first_wrong: FirstWrong | None = None
    local: tuple[LocalCheck, ...] = ()
    warnings: tuple[str, ...] = ()
