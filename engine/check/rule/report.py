"""What a check of backward rules says: one verdict per input, with a point that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.check.report import Diagnosis
from engine.check.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A point at which a rule is wrong: the inputs, the upstream gradient `g`, the output `y`,
    what the rule gives there (nan or inf where it gives no number), and what is true. At a kink
    nothing is true alone: there `true` is None and `slopes` (left, right) are the two bounds,
    before they are multiplied by g."""

    inputs: Mapping[str, float]
    g: float
    y: float
    yours: float
    true: float | None
    slopes: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """The rule for one input, judged at `points` points of the forward.

    A rule that is wrong has a counterexample, the smallest and roundest of those found, and a
    diagnosis where one mistake explains all its values. `slope_text` tells what it behaves like.
    `explanation` is one sentence. `notes` are sentences on what was accepted or left aside.
    """

    input: str
    rule: str
    verdict: Verdict
    points: int
    explanation: str
    counterexample: Counterexample | None = None
    diagnosis: Diagnosis | None = None
    slope_text: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleReport:
    """The backward rules of one operation: the verdict on all of them, each rule judged, and the
    inputs nobody gave a rule for. `forward` is the text of what was differentiated."""

    name: str | None
    forward: str
    verdict: Verdict
    rules: tuple[RuleVerdict, ...]
    unjudged: tuple[str, ...]
    tolerance: float
    explanation: str
    warnings: tuple[str, ...] = ()

    def rule(self, input: str) -> RuleVerdict:
        """The rule for the input of that name. Raises KeyError."""
        return {rule.input: rule for rule in self.rules}[input]
