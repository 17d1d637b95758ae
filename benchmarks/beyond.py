"""What the diagnosis makes of mistakes that no list holds, and of two mistakes at once."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.cases import PARTS
from benchmarks.expressions import vocabulary
from benchmarks.mistakes import MEASURED, same
from engine import Position, Program, check, parse
from engine.check.report import Diagnosis, Place
from tests.cases import pairs, unlisted

TOLERANCE = "student"
"""Many of these claims are typed with four to six digits."""

SHOWN = 3
"""So many explanations count; further down nobody reads."""


@dataclass
class Outcomes:
    """Counted outcomes of claims, the longest check in milliseconds, and what to look into."""

    counts: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    misses: list[str] = field(default_factory=list)

    def diagnoses(self, row: Mapping[str, Any]) -> tuple[Program, tuple[Diagnosis, ...]]:
        program = parse(row["src"])
        claimed = dict(zip(row["vars"], row["claim"], strict=True))
        start = time.perf_counter()
        report = check(program, dict(zip(row["vars"], row["x"], strict=True)), claimed, TOLERANCE)
        self.slowest = max(self.slowest, 1e3 * (time.perf_counter() - start))
        return program, getattr(report, "diagnoses", ())

    def miss(self, row: Mapping[str, Any], made: str, found: Iterable[Diagnosis]) -> None:
        offered = "; ".join(f"{d.mistake}: {d.explanation}" for d in found) or "nothing"
        self.misses.append(f"{row['id']} {made}\n     {offered}")


FOUND = frozenset({"wrong_rule", "finite_difference", "other_recipe", "permuted", "typing_slip"})
"""Codes that name a formula, a recipe or a slip as it was found, not an entry of the list."""


def of_part(rows: Iterable[Mapping[str, Any]], part: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if int(row["id"][1:]) % 3 in PARTS[part]]


def beyond_the_list(part: str) -> Outcomes:
    """Claims made with a mistake on no list: is the cause fair, or are place and value right?"""
    outcomes = Outcomes()
    counts = outcomes.counts
    for row in of_part(unlisted(), part):
        program, found = outcomes.diagnoses(row)
        fair = [is_fair(diagnosis, row, program) for diagnosis in found[:SHOWN]]
        counts["claims"] += 1
        counts["nothing"] += not found
        if row["wrong"] > 1:
            counts["shown twice"] += 1
            counts["fair where shown twice"] += any(fair)
            counts[f"{row['kind']} shown twice"] += 1
            counts[f"{row['kind']} fair"] += any(fair)
        unfair = bool(found) and not fair[0]
        stated = unfair and not found[0].parts and found[0].mistake not in MEASURED
        counts["stated cause first"] += stated
        counts["listed cause first"] += stated and found[0].mistake not in FOUND
        counts["wrong cause alone"] += stated and len(found) == 1
        counts["measured elsewhere alone"] += unfair and not stated and len(found) == 1
        if not any(fair):
            outcomes.miss(row, row["made"], found)
    return outcomes


def two_at_once(part: str) -> Outcomes:
    """Claims made with two mistakes: is one blamed alone, or is the pair found?"""
    outcomes = Outcomes()
    counts = outcomes.counts
    for row in of_part(pairs(), part):
        _, found = outcomes.diagnoses(row)
        right = [is_pair(diagnosis, row) for diagnosis in found[:SHOWN]]
        counts["claims"] += 1
        counts["nothing"] += not found
        single = bool(found) and not found[0].parts
        counts["single cause first"] += single and found[0].mistake not in MEASURED
        counts["measured first"] += single and found[0].mistake in MEASURED
        counts["right pair first"] += bool(right) and right[0]
        counts["right pair shown"] += any(right)
        counts["wrong pair first"] += bool(found) and bool(found[0].parts) and not right[0]
        if not any(right):
            outcomes.miss(row, f"{row['first']['kind']} and {row['second']['kind']}", found)
    return outcomes


def is_pair(diagnosis: Diagnosis, row: Mapping[str, Any]) -> bool:
    """Whether the two parts are the two mistakes made, in either order."""
    if len(diagnosis.parts) != 2:
        return False
    one, two = (part.mistake for part in diagnosis.parts)
    first, second = row["first"]["kind"], row["second"]["kind"]
    return (same(one, first) and same(two, second)) or (same(one, second) and same(two, first))


def is_fair(diagnosis: Diagnosis, row: Mapping[str, Any], program: Program) -> bool:
    """Whether a diagnosis says in its sentence what was done, or states the place and the value
    that the claim implies there."""
    if row["kind"] == "typing":
        said = _says(diagnosis, row["fair"]) or diagnosis.mistake in (*MEASURED, "typing_slip")
        return said and _at(diagnosis.place, row, program)
    if row["kind"] == "other":
        return _says(diagnosis, row["fair"])
    if row["kind"] == "factor":
        return _says(diagnosis, row["fair"]) or _states(diagnosis, row, row["implied"])
    if row["everywhere"]:
        return _found_everywhere(diagnosis, row, program)
    said = _says(diagnosis, row["fair"]) or _states(diagnosis, row, row["implied"])
    return said and _at(diagnosis.place, row, program)


def _says(diagnosis: Diagnosis, words: Iterable[str]) -> bool:
    """Whether one of the phrases or formulas stands in the sentence, and not as part of another; a
    bare name or number says nothing."""
    return any(
        re.search(_pattern(phrase), diagnosis.explanation, re.IGNORECASE)
        for phrase in words
        if not re.fullmatch(r"[\w.]+", phrase)
    )


def _pattern(phrase: str) -> str:
    """Finds a phrase whatever the blanks, between the ends of words and of formulas."""
    spaced = r"\s*".join(map(re.escape, re.findall(r"[\w.]+|\*\*|\S", phrase)))
    return rf"(?<![\w.])(?<![*/]\s)(?<![*/]){spaced}(?!\w|\.\d|\s*[*/(])"


def _states(diagnosis: Diagnosis, row: Mapping[str, Any], implied: float) -> bool:
    """Whether the implied value is among the numbers, as closely as the typed digits allow."""
    allowed = (1e-4 if row["digits"] is None else 1e-2) * max(abs(implied), 1e-9)
    allowed = min(allowed, abs(row["implied"] - row["true"]) / 2)
    return any(abs(number - implied) <= allowed for number in diagnosis.numbers.values())


def _at(place: Place | None, row: Mapping[str, Any], program: Program) -> bool:
    """Whether a place is the one where the mistake was made."""
    if place is None:
        return False
    if row["text"] is None:
        return place.variable == row["variable"]
    if place.position is not None and _text(place.position, row["src"]) == row["text"]:
        return True
    made = {e.name for e in program.equations if _text(e.position, row["src"]) == row["text"]}
    return place.variable in made


def _found_everywhere(diagnosis: Diagnosis, row: Mapping[str, Any], program: Program) -> bool:
    """A wrong rule used wherever its op stands is found by its formula, or by the value that the
    formula has at any of these equations."""
    place = diagnosis.place
    if place is None or place.equation is None:
        return _says(diagnosis, row["fair"])
    equation = next(e for e in program.equations if e.number == place.equation)
    if equation.op.name != row["op"]:
        return False
    values = program.run(program.point(dict(zip(row["vars"], row["x"], strict=True))))
    inputs = [values[i].data for i in equation.args]
    output = values[program.nodes.index(equation)].data
    named = {"x": inputs[0], "y": output, "a": inputs[0], "b": inputs[-1]}
    implied = eval(row["fair"][0], FORMULAS | named)  # a formula of our own committed cases
    return _says(diagnosis, row["fair"]) or _states(diagnosis, row, float(implied))


FORMULAS: Mapping[str, Any] = vocabulary("numpy") | {"math": math, "cosh": math.cosh}
"""What the formulas of the cases are made of, beside x and y, or a, b and y."""


def _text(position: Position, source: str) -> str:
    line = source.split("\n")[position.line - 1]
    return line[position.column - 1 : position.column - 1 + position.length]


FIGURES = (
    ("fair cause, or place and value (2+ components)", "fair where shown twice", "shown twice"),
    ("a stated cause first, not fair", "stated cause first", "claims"),
    ("of these on the list of mistakes", "listed cause first", "claims"),
    ("a wrong cause alone", "wrong cause alone", "claims"),
    ("another place measured, alone", "measured elsewhere alone", "claims"),
    ("nothing offered", "nothing", "claims"),
    *(
        (f"fair, kind {kind} (2+ components)", f"{kind} fair", f"{kind} shown twice")
        for kind in ("rule", "forward", "factor", "typing", "other")
    ),
)
PAIR_FIGURES = (
    ("one mistake blamed first", "single cause first", "claims"),
    ("a measurement first", "measured first", "claims"),
    ("the right pair first", "right pair first", "claims"),
    ("the right pair among the first three", "right pair shown", "claims"),
    ("a wrong pair first", "wrong pair first", "claims"),
    ("nothing offered", "nothing", "claims"),
)


SETS = (("unlisted", beyond_the_list, FIGURES), ("pairs", two_at_once, PAIR_FIGURES))
"""Title, measurement, and its figures: name, outcome, out of which outcome."""
