"""symptoms(): what explains wrong gradients that are known as arrays only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from engine.check.report import Diagnosis
from engine.check.symptoms.flat import FLAT, GENERAL, Hypothesis
from engine.check.symptoms.part import Part, Symptom, part_of
from engine.check.symptoms.shaped import shaped, swapped


def symptoms(
    claims: Mapping[str, Any], references: Mapping[str, Any], rtol: float
) -> tuple[Diagnosis, ...]:
    """What explains the wrong entries of claimed gradients, the most telling first.

    `claims` and `references` map names of inputs to arrays of one shape (scalars: shape ()). A
    reference that is nan is not known, and nothing is concluded from it. An entry is wrong where
    claim and reference differ by more than `rtol` of the reference. Nothing is returned where no
    entry is wrong, nor where no hypothesis fits. What rests on a single number says so.
    """
    parts = {name: part_of({name: claims[name]}, references, rtol) for name in claims}
    wrong = {name: part for name, part in parts.items() if part.wrong.any()}
    if not wrong:
        return ()
    whole = part_of(claims, references, rtol)
    total = int(whole.wrong.sum())
    found = [*_first(whole, FLAT), *swapped(claims, references, rtol)]
    for name, part in wrong.items():
        reference = np.asarray(references[name], dtype=float)
        found += shaped(name, np.asarray(claims[name], dtype=float), reference, rtol)
        if len(parts) > 1:
            found += _first(part, FLAT)
    if not any(symptom.count == total for symptom in found):
        found += [symptom for part in wrong.values() for symptom in _first(part, GENERAL)]
        found += _first(whole, GENERAL)
    return tuple(_ordered(_distinct(found), total))


def _first(part: Part, hypotheses: Iterable[Hypothesis]) -> Iterator[Symptom]:
    """All that fits, each hypothesis speaking at most once: its first reading is the plainest."""
    for hypothesis in hypotheses:
        yield from list(hypothesis(part))[:1]


def _distinct(found: Iterable[Symptom]) -> list[Symptom]:
    """One for each mistake: said of all inputs together it need not be said of each."""
    kept: dict[tuple[str, str], Symptom] = {}
    for symptom in found:
        same = kept.setdefault((symptom.code, symptom.key), symptom)
        if symptom.count > same.count:
            kept[symptom.code, symptom.key] = symptom
    return list(kept.values())


def _ordered(found: list[Symptom], total: int) -> Iterator[Diagnosis]:
    """Those that explain the most first; among equals the order they were found in, which is that
    of the hypotheses, from the most specific to the most general."""
    for symptom in sorted(found, key=lambda symptom: -symptom.count):
        doubt = "" if symptom.count > 1 else "; but one number is little evidence"
        yield Diagnosis(
            symptom.code,
            None,
            symptom.sentence + doubt,
            symptom.numbers,
            symptom.count,
            total,
        )
