"""The function under examination: called with copies, counted, its failures put in words."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from engine.check.function.arrays import BEYOND, alike, beyond_float64, copied, plain, shown
from engine.errors import InputError

OUTSIDE = (ArithmeticError, AssertionError, ValueError)
"""What functions raise where their domain has ended."""


class Subject:
    """The function under examination: called with copies, counted, its failures put in words."""

    def __init__(
        self, fn: Callable[..., Any], given: Mapping[str, Any], hand: Callable[..., Any]
    ) -> None:
        self.name = name_of(fn)
        self.given = given
        self.evaluations = 0
        self.dtype = "float64"
        self.warnings: list[str] = []
        self._fn, self._hand = fn, hand

    def apply(self, values: Mapping[str, Any], call: Callable[..., Any] | None = None) -> Any:
        """What the function, or `call`, returns for these values by name. Numpy's warnings on the
        way are silenced: the numbers are looked at."""
        with np.errstate(all="ignore"):
            return self._hand(call or self._fn, values)

    def copies(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Copies of all inputs, those in `point` with the float64 numbers given there."""
        return {
            name: alike(value, point[name]) if name in point else copied(value)
            for name, value in self.given.items()
        }

    def probe(self, point: Mapping[str, Any]) -> float:
        """The value at the point itself, where nothing may go wrong."""
        values = self.copies(point)
        self.evaluations += 1
        try:
            result = self.apply(values)
        except Exception as error:
            raise self.failure(self.name, error) from error
        for name, value in values.items():
            before, after = plain(self.given[name]), plain(value)
            if before.dtype.kind in "fiu" and not np.array_equal(before, after, equal_nan=True):
                self.warnings.append(
                    f"{self.name} changes its input {name}; each call was given a copy"
                )
        self.dtype = str(getattr(result, "dtype", "float64")).removeprefix("torch.")
        return self._number(result)

    def nearby(self, point: Mapping[str, Any]) -> float:
        """The value next to the point; nan where the function refuses to give a real number."""
        self.evaluations += 1
        try:
            result = self.apply(self.copies(point))
        except OUTSIDE:
            return math.nan
        except Exception as error:
            raise self.failure(f"{self.name}, next to the point,", error) from error
        return math.nan if isinstance(result, complex) else self._number(result)

    def failure(self, what: str, error: Exception) -> InputError:
        where = ", ".join(f"{name} = {shown(value)}" for name, value in self.given.items())
        return InputError(
            f"{what} failed at {where}: {type(error).__name__}: {error}",
            code="function_failed",
            pointer="/at",
            hint="it is called with the inputs in the form of `at`, and must return a number",
        )

    def _number(self, result: Any) -> float:
        array = plain(result)
        if array.dtype.kind in "fiu" and array.size == 1:
            return float(array.reshape(()))
        found, hint = type(result).__name__, "return a single real number"
        if result is None:
            found, hint = "nothing", "is a return missing?"
        elif beyond_float64(array):
            found, hint = BEYOND, "check at a point where all numbers stay below 1.8e308"
        elif array.dtype.kind in "fiu":
            found = f"an array of shape {array.shape}"
            hint = "a gradient is that of one number: sum the entries, each times a random weight"
        raise InputError(
            f"{self.name} returns {found}, not one real number", code="not_one_number", hint=hint
        )


def name_of(fn: Callable[..., Any]) -> str:
    name: str = getattr(fn, "__name__", type(fn).__name__)
    return "the function" if name == "<lambda>" else name


def read(
    fn: Callable[..., Any], at: Any, names: Sequence[str] | None
) -> tuple[dict[str, Any], Callable[..., Any]]:
    """The inputs by name, and how a function is called with values by name."""
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        signature = None
    if isinstance(at, Mapping):
        given = {name: _array_of(value) for name, value in at.items()}
        if signature and not _binds(signature, **given) and _binds(signature, given):
            return given, lambda call, values: call(dict(values))
        return given, lambda call, values: call(**values)
    parts = at if isinstance(at, tuple) else (at,)
    if names is None:
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        known = (
            [p.name for p in signature.parameters.values() if p.kind in kinds] if signature else []
        )
        counted = [f"x{place}" for place in range(len(parts))] if len(parts) > 1 else ["x"]
        names = known[: len(parts)] if len(known) >= len(parts) else counted
    if len(names) != len(parts) or len(set(names)) != len(names):
        raise InputError(
            f"{len(names)} names for {len(parts)} inputs: {', '.join(names)}",
            code="wrong_count",
            pointer="/names",
            hint="name each input once",
        )
    given = dict(zip(names, map(_array_of, parts), strict=True))
    return given, lambda call, values: call(*values.values())


def _array_of(value: Any) -> Any:
    return plain(value) if isinstance(value, list) else value


def _binds(signature: inspect.Signature, *args: Any, **kwargs: Any) -> bool:
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True
