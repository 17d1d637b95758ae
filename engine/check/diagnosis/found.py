"""An explanation that fits, on its way to becoming a Diagnosis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.check.report import Diagnosis, Place


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
