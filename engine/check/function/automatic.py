"""What torch or jax makes of a function's gradient, where the inputs are arrays of theirs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from engine.check.function.arrays import library
from engine.check.function.subject import Subject
from engine.errors import InputError


def automatic(subject: Subject) -> Mapping[str, Any]:
    """What the library of the inputs makes of the function's gradient."""
    libraries = {name: library(value) for name, value in subject.given.items()}
    known = {"torch": _by_torch, "jax": _by_jax}
    for kind, differentiate in known.items():
        names = [name for name, found in libraries.items() if found == kind]
        floats = [name for name in names if "float" in str(subject.given[name].dtype)]
        if floats:
            try:
                return differentiate(subject, floats)
            except Exception as error:
                raise subject.failure(f"{kind}'s gradient of {subject.name}", error) from error
    raise InputError(
        "no gradient is claimed",
        code="no_gradient",
        pointer="/gradient",
        hint="hand in gradient=…: an array, or a function of the same arguments that returns it",
    )


def _by_torch(subject: Subject, names: Sequence[str]) -> Mapping[str, Any]:
    torch = sys.modules["torch"]
    leaves = [subject.given[name].detach().clone().requires_grad_() for name in names]
    copies = {name: leaf.clone() for name, leaf in zip(names, leaves, strict=True)}
    result = subject.apply(subject.copies({}) | copies)
    parts: Sequence[Any] = [None] * len(names)
    if getattr(result, "requires_grad", False):
        parts = torch.autograd.grad(result.sum(), leaves, allow_unused=True)
    for name, part in zip(names, parts, strict=True):
        if part is None:
            subject.warnings.append(f"torch finds no path from {name} to the result: judged as 0")
    pairs = zip(names, leaves, parts, strict=True)
    return {name: torch.zeros_like(leaf) if part is None else part for name, leaf, part in pairs}


def _by_jax(subject: Subject, names: Sequence[str]) -> Mapping[str, Any]:
    jax = sys.modules["jax"]

    def scalar(parts: Mapping[str, Any]) -> Any:
        return jax.numpy.reshape(subject.apply(subject.copies({}) | dict(parts)), ())

    parts: Mapping[str, Any] = jax.grad(scalar)({name: subject.given[name] for name in names})
    return parts
