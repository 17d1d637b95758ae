"""An explanation that fits, on its way to becoming a Diagnosis, and how a sentence shows numbers
and equations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.check.report import Diagnosis, Place
from engine.program import Equation, Program

LONGEST = 40
"""Source text above this length is told by the number of its equation."""


@dataclass(frozen=True, slots=True)
class Found:
    """A mistake that explains `explains` wrong claims; the lowest rank is told first."""

    rank: float
    mistake: str
    place: Place | None
    explanation: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    explains: int = 0
    parts: tuple[Found, ...] = ()

    def diagnosis(self, of: int) -> Diagnosis:
        """As it is reported, among `of` wrong claims."""
        return Diagnosis(
            self.mistake,
            self.place,
            self.explanation,
            dict(self.numbers),
            self.explains,
            of,
            tuple(part.diagnosis(of) for part in self.parts),
        )


def number(x: float) -> str:
    """A number as a sentence shows it: four digits, or fewer where fewer say it all."""
    return f"{float(x):.4g}"


def written(program: Program, place: int) -> str:
    """A node as a reader finds it in the source: its name, or what it computes."""
    node = program.nodes[place]
    if isinstance(node, Equation) and node.name.startswith("%"):
        return _source(program, node) or f"equation {node.number}"
    return node.name


def stated(program: Program, place: int) -> str:
    """An equation as the source states it: `y = x*x` where it has a name, else `x*x`."""
    node = program.nodes[place]
    text = _source(program, node) if isinstance(node, Equation) else ""
    if not text or node.name.startswith("%"):
        return written(program, place)
    augmented = text.startswith(node.name) and "=" in text.partition("(")[0]
    return text if augmented else f"{node.name} = {text}"


def _source(program: Program, node: Equation) -> str:
    """The source text of an equation on one line; empty where there is none, or it is long."""
    at = node.position
    lines = program.source.split("\n")[at.line - 1 :]
    text = "\n".join([lines[0][at.column - 1 :], *lines[1:]]) if lines else ""
    shown = " ".join(text[: at.length].split())
    return shown if len(shown) <= LONGEST else ""
