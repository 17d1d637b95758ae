"""Mistakes seen in the arrangement: a transpose, a sum over an axis, another input's gradient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, permutations
from typing import Any

import numpy as np

from engine.check.symptoms.part import Part, Symptom, listed, part_of


def shaped(name: str, claim: Any, reference: Any, rtol: float) -> Iterator[Symptom]:
    """What takes the shape of one input: a transpose, and sums over an axis."""
    part = part_of({name: claim}, {name: reference}, rtol)
    for sentence, code, predicted in _rearranged(name, reference):
        expected = np.ravel(predicted)[part.positions]
        seen = np.isfinite(expected)
        explained = int((part.wrong & seen).sum())
        if explained > 1 and part.agree(expected)[seen].all():
            yield Symptom(code, f"{sentence} ({part.evidence})", explained, name, part.numbers())
            return


def _rearranged(name: str, reference: Any) -> Iterator[tuple[str, str, Any]]:
    shape = reference.shape
    for one, other in combinations(range(len(shape)), 2):
        turned = np.swapaxes(reference, one, other)
        if turned.shape == shape:
            yield f"the gradient of {name} is transposed", "transposed", turned
        elif len(shape) == 2:
            forced = f"the gradient of {name} is transposed, then reshaped to {shape}"
            yield forced, "transposed", turned.reshape(shape)
    for axis in range(len(shape)):
        for word, total in (("sum", np.sum), ("mean", np.mean)):
            along = np.broadcast_to(total(reference, axis=axis, keepdims=True), shape)
            everywhere = f"every entry of {name} holds the {word} along axis {axis}"
            yield everywhere, "summed_over_axis", along
    if len(shape) > 1:
        everywhere = f"every entry of {name} holds the sum over all its entries"
        yield everywhere, "summed_over_axis", np.broadcast_to(np.sum(reference), shape)


def swapped(
    claims: Mapping[str, Any], references: Mapping[str, Any], rtol: float
) -> Iterator[Symptom]:
    """Inputs that were given the gradient of another input."""
    taken: dict[str, tuple[str, Part]] = {}
    for name, other in permutations(claims, 2):
        part = part_of({name: claims[name]}, references, rtol)
        truth = np.asarray(references[other], dtype=float)
        if name in taken or truth.shape != np.shape(claims[name]) or not part.wrong.any():
            continue
        expected = np.ravel(truth)[part.positions]
        if np.isfinite(expected).all() and part.agree(expected).all() and np.any(expected):
            taken[name] = (other, part)
    if not taken:
        return
    said = {
        frozenset((name, other)): f"{name} has the gradient of {other}"
        if taken.get(other, (None,))[0] != name
        else f"{name} and {other} hold each other's gradients"
        for name, (other, _) in reversed(taken.items())
    }
    parts = [part for _, part in taken.values()]
    evidence = ", ".join(part.evidence for part in parts)
    count = sum(int(part.wrong.sum()) for part in parts)
    sentence = f"{listed(list(said.values())[::-1])} ({evidence})"
    yield Symptom("swap_operands", sentence, count, ",".join(taken), parts[0].numbers())
