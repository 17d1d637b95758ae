"""Claimed gradients in whatever form they come, as float64 arrays by the name of their input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine.arrays import pointer_part
from engine.check.function.arrays import BEYOND, as_float64, beyond_float64, plain
from engine.check.function.automatic import automatic
from engine.check.function.shapes import aligned, shape_hint
from engine.check.function.subject import Subject, name_of
from engine.errors import InputError
from engine.names import nearest


def read_claims(subject: Subject, gradient: Any) -> dict[str, Any]:
    """The claimed gradients as float64 arrays by name."""
    if gradient is None:
        gradient = automatic(subject)
    elif callable(gradient):
        gradient = _called(subject, gradient)
    claims = {}
    for name, part in _by_name(subject, gradient).items():
        claim, given = plain(part), plain(subject.given[name])
        pointer = f"/gradient/{pointer_part(name)}"
        for what, array in (("", given), ("the gradient of ", claim)):
            if beyond_float64(array):
                raise InputError(
                    f"{what}{name} holds {BEYOND}",
                    code="not_a_number",
                    pointer=pointer,
                    hint="stay below 1.8e308",
                )
            if array.dtype.kind not in "fiu":
                raise InputError(
                    f"{what}{name} is not made of real numbers but of {array.dtype.name}",
                    code="not_a_number",
                    pointer=pointer,
                    hint="give None for the gradient of what is no number",
                )
        if claim.shape != given.shape:
            raise InputError(
                aligned(name, claim.shape, given.shape),
                code="wrong_shape",
                pointer=pointer,
                hint=shape_hint(claim.shape, given.shape),
            )
        claims[name] = as_float64(claim)
    if not sum(claim.size for claim in claims.values()):
        raise InputError(
            "there is not one number to check",
            code="no_gradient",
            pointer="/gradient",
            hint="claim a gradient for an input that holds numbers",
        )
    return claims


def _called(subject: Subject, gradient: Callable[..., Any]) -> Any:
    """What a gradient function returns at the point; a second call must return the same."""
    name = name_of(gradient)
    try:
        returned = subject.apply(subject.copies({}), gradient)
        _require_every_input(subject, name, returned)
        first = _by_name(subject, returned)
        kept = {part: np.array(plain(given)) for part, given in first.items()}
        second = _by_name(subject, subject.apply(subject.copies({}), gradient))
    except InputError:
        raise
    except Exception as error:
        raise subject.failure(name, error) from error
    for part, once in kept.items():
        twice = plain(second[part]) if part in second else None
        if twice is None or twice.shape != once.shape or once.dtype.kind not in "fiu":
            continue
        if not np.array_equal(once, twice, equal_nan=True):
            added = np.allclose(twice, 2 * once, rtol=1e-9, atol=0)
            why = (
                "twice the first, so old gradients are added to" if added else "the first is judged"
            )
            subject.warnings.append(
                f"called again, {name} returns another gradient of {part}: {why}"
            )
    return kept


def _require_every_input(subject: Subject, name: str, returned: Any) -> None:
    """A function that forgets an input must not pass in silence."""
    missing = [
        part for part in subject.given if isinstance(returned, Mapping) and part not in returned
    ]
    if missing:
        raise InputError(
            f"{name} says nothing for {', '.join(missing)}",
            code="wrong_count",
            pointer="/gradient",
            hint="return a gradient for every input, or None for one that has none",
        )


def _by_name(subject: Subject, gradient: Any) -> dict[str, Any]:
    """The parts of a gradient by the name of their input; those that are None left out."""
    inputs = list(subject.given)
    if isinstance(gradient, Mapping):
        for name in gradient:
            if name not in subject.given:
                meant = nearest(name, inputs)
                raise InputError(
                    f"{name} is not an input of {subject.name}",
                    code="unknown_input",
                    pointer=f"/gradient/{pointer_part(str(name))}",
                    hint=f"did you mean {meant}?" if meant else f"known: {', '.join(inputs)}",
                )
        named = {name: gradient[name] for name in inputs if name in gradient}
    else:
        many = isinstance(gradient, tuple) or (isinstance(gradient, list) and len(inputs) > 1)
        parts = gradient if many else [gradient]
        if len(parts) != len(inputs):
            raise InputError(
                f"the gradient has {len(parts)} part{'s' * (len(parts) != 1)} for {len(inputs)} "
                f"input{'s' * (len(inputs) != 1)} ({', '.join(inputs)})",
                code="wrong_count",
                pointer="/gradient",
                hint="give a tuple with one part for each input, in their order",
            )
        named = dict(zip(inputs, parts, strict=True))
    return {name: part for name, part in named.items() if part is not None}
