"""The adversarial cases of tests/cases as the benchmarks read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine import ExpressionError, Program, parse
from tests.cases import gradients

PARTS: Mapping[str, tuple[int, ...]] = {"heldout": (0,), "tuned": (1, 2), "all": (0, 1, 2)}
"""A case belongs to a part by its number modulo 3. No method was tuned on the held-out third."""

UNSCORED = ("skip", "approx")
"""Labels of claims that nothing is asked about."""

ROUNDED: Mapping[str, str] = {"strict": "fail", "student": "pass"}
"""What a claim that is right to four digits should get at each tolerance."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed gradient: its kind, the numbers by name, how far they are off relative to the truth
    (None where there is none), where the mistake is, and the verdicts that count as right (`fine`,
    the first being the `wanted` one)."""

    kind: str
    gradient: Mapping[str, float]
    error: float | None
    loc: Any
    fine: tuple[str, ...]

    @property
    def wanted(self) -> str:
        return self.fine[0]


@dataclass(frozen=True, slots=True)
class Case:
    """An expression at a point, with claims about its gradient there."""

    id: str
    category: str
    program: Program
    names: Sequence[str]
    at: Mapping[str, float]
    claims: Sequence[Claim]

    @property
    def source(self) -> str:
        return self.program.source

    @property
    def held_out(self) -> bool:
        return int(self.id[1:]) % 3 in PARTS["heldout"]

    @property
    def ordinary(self) -> bool:
        """Neither badly scaled nor near a place where something happens."""
        return self.category in ("well", "program", "reuse")


def cases(tolerance: str, part: str = "all", step: int = 1) -> Iterator[Case]:
    """Every `step`-th case of `part` with the claims that are scored at `tolerance`."""
    chosen = [row for row in gradients() if int(row["id"][1:]) % 3 in PARTS[part]]
    for row in chosen[::step]:
        program = read(row["src"])
        read_names = {node.name for node in program.inputs}
        at = {k: x for k, x in zip(row["vars"], row["x"], strict=True) if k in read_names}
        if at:
            claims = tuple(_claims(row, at, tolerance))
            yield Case(row["id"], row["cat"], program, tuple(row["vars"]), at, claims)


def read(source: str) -> Program:
    """The program of a case; a case that cannot be read is a defect of the case."""
    try:
        return parse(source)
    except ExpressionError as error:
        raise ValueError(f"{source!r}: {error}") from error


def _claims(row: Mapping[str, Any], at: Mapping[str, float], tolerance: str) -> Iterator[Claim]:
    for claim in row["claims"]:
        label = claim[tolerance]
        if label in UNSCORED:
            continue
        wanted = ROUNDED[tolerance] if label == "rounded" else label.replace("-", "_")
        others = [verdict.replace("-", "_") for verdict in claim.get("accept") or ()]
        numbers = zip(row["vars"], claim["g"], strict=True)
        gradient = {name: float(number) for name, number in numbers if name in at}
        fine = tuple(dict.fromkeys([wanted, *others]))
        yield Claim(claim["k"], gradient, claim.get("e"), claim.get("loc"), fine)
