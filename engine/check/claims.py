"""Claimed gradients, read: names against the program, shapes against the values."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.arrays import number_or_array, pointer_part
from engine.errors import InputError
from engine.names import nearest
from engine.program import Constant, Input, Program


@dataclass(frozen=True, slots=True)
class Claim:
    """One claimed number: the gradient of the output with respect to the node at `place`, or to
    its entry at `index` where that is an array."""

    name: str
    place: int
    index: tuple[int, ...] | None
    value: float


def read_claims(
    program: Program, values: Sequence[Any], claimed: Mapping[str, Any]
) -> tuple[Claim, ...]:
    """Every claimed number. Names of inputs and of equations are known; `values` are those of the
    nodes. Raises InputError for a name that is unknown and a claim that does not fit."""
    found: list[Claim] = []
    for name, given in claimed.items():
        pointer = f"/claimed/{pointer_part(name)}"
        place = place_of(program, name, pointer)
        claim = number_or_array(
            given, pointer, name, program.limits.elements, what="claim for", finite=False
        )
        if np.shape(claim) != np.shape(values[place]):
            raise InputError(
                f"the claim for {name} has shape {np.shape(claim)}, but {name} has shape "
                f"{np.shape(values[place])}",
                code="wrong_shape",
                pointer=pointer,
                hint=_shape_hint(np.shape(claim), np.shape(values[place])),
            )
        found.extend(_entries(name, place, claim))
    return tuple(found)


def place_of(program: Program, name: str, pointer: str | None = None) -> int:
    """The place of the input or result called `name`. Raises InputError, with `pointer`, where
    there is none."""
    places = {
        node.name: place
        for place, node in enumerate(program.nodes)
        if not isinstance(node, Constant)
    }
    places |= {name: place for name, place in program.aliases.items() if place in places.values()}
    if name in places:
        return places[name]
    meant = nearest(name, places)
    inputs = ", ".join(node.name for node in program.inputs)
    raise InputError(
        f"{name} is not an input of this expression, nor a name in it",
        code="unknown_input",
        pointer=pointer,
        hint=f"did you mean {meant}?" if meant else f"the inputs are {inputs}",
    )


def own_claims(
    program: Program, gradients: Mapping[str, Any], without: Container[int]
) -> tuple[Claim, ...]:
    """The engine's own gradients of the inputs, as claims, but for those at places `without`."""
    return tuple(
        claim
        for place, node in enumerate(program.nodes)
        if isinstance(node, Input) and place not in without
        for claim in _entries(node.name, place, gradients[node.name])
    )


def _entries(name: str, place: int, claim: Any) -> Iterator[Claim]:
    if np.ndim(claim) == 0:
        yield Claim(name, place, None, float(claim))
        return
    for index in np.ndindex(claim.shape):
        yield Claim(name, place, index, float(claim[index]))


def _shape_hint(claimed: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """What a shape tells: of a gradient that was not summed back, or summed too far."""
    if len(claimed) > len(wanted) and claimed[len(claimed) - len(wanted) :] == wanted:
        axes = len(claimed) - len(wanted)
        return (
            f"a gradient has the shape of its input: {claimed} is what broadcasting made of "
            f"{wanted}; sum over the first {'axis' if axes == 1 else f'{axes} axes'}"
        )
    if claimed == tuple(reversed(wanted)):
        return "a gradient has the shape of its input: this one looks transposed"
    return "a gradient has the shape of its input"
