"""Fields of JSON bodies and query strings, as strict as their OpenAPI description says.

Marshmallow's own would take `"12"` or ` 1_0 ` for a number; where the description and the code
disagree, clients are misled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields

from engine.check import TOLERANCES
from service.api.shapes import ref

LOOSEST = 0.5
"""The largest relative tolerance that the engine takes."""

NO_OBJECT = "A JSON object is wanted."

PLAIN_WORDS: dict[str, str | list[Any] | dict[Any, Any]] = {
    "required": "This field is required.",
    "null": "This field may not be null.",
    "type": NO_OBJECT,
}


class Body(Schema):
    """Base of all schemas: refuses what it does not know, in plain words."""

    error_messages = {"type": NO_OBJECT, "unknown": "There is no such field."}

    class Meta:
        unknown = RAISE


class JText(fields.String):
    """A text of a JSON body."""

    default_error_messages = PLAIN_WORDS | {"invalid": "A text is wanted."}


class QueryInt(fields.Integer):
    """An integer of a query string: digits and perhaps a minus, nothing else."""

    default_error_messages = PLAIN_WORDS | {"invalid": "A whole number is wanted."}

    def _validated(self, value: Any) -> Any:
        if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class QueryText(fields.String):
    """A text of a query string."""

    default_error_messages = PLAIN_WORDS


class Point(fields.Field[Mapping[str, Any]]):
    """Numbers or arrays by the names of inputs: `{"x": 2, "w": [[1, 0], [0, 1]]}`."""

    @property
    def openapi(self) -> dict[str, Any]:
        """What it takes, for the description."""
        kind = ["object", "null"] if self.allow_none else "object"
        return {"type": kind, "additionalProperties": ref("Numbers")}

    default_error_messages = {**PLAIN_WORDS}

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self.make_error("type")
        point: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        for name, numbers in value.items():
            try:
                point[name] = as_numbers(numbers)
            except ValidationError as error:
                errors[name] = error.messages
        if errors:
            raise ValidationError(errors)
        return point


class Tolerance(fields.Field[str | float]):
    """The name of a policy, or a relative tolerance."""

    openapi = {
        "anyOf": [
            {"enum": list(TOLERANCES)},
            {"type": "number", "exclusiveMinimum": 0, "maximum": LOOSEST},
        ]
    }

    default_error_messages = PLAIN_WORDS | {
        "invalid": f"Say {' or '.join(TOLERANCES)}, or a number greater than 0, at most {LOOSEST}."
    }

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str | float:
        if isinstance(value, str) and value in TOLERANCES:
            return value
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value <= LOOSEST:
            raise self.make_error("invalid")
        return float(value)


class AnyOut(fields.Raw):
    """Anything that JSON can say."""

    openapi: dict[str, Any] = {}


class NumberOut(fields.Raw):
    """A number, null where not finite."""

    openapi = {"type": ["number", "null"]}


class NumbersOut(fields.Raw):
    """A number or an array, null where not finite."""

    openapi = ref("NumbersOut")


class NonFiniteOut(fields.Raw):
    """What stands behind the nulls."""

    openapi = ref("NonFinite")


class GradientsOut(fields.Raw):
    """Numbers or arrays by the names of inputs."""

    openapi = {"type": "object", "additionalProperties": ref("NumbersOut")}


class PointOut(fields.Raw):
    """Finite numbers or arrays by the names of inputs."""

    openapi = {"type": ["object", "null"], "additionalProperties": ref("Numbers")}


class SlopesOut(fields.Raw):
    """The slopes from both sides, or null."""

    openapi = ref("Slopes")


class ToleranceOut(fields.Raw):
    """The tolerance as it was asked for."""

    openapi = {"type": ["string", "number"]}


class Time(fields.AwareDateTime):
    """An instant in UTC, as RFC 3339 writes it."""

    def _serialize(self, value: datetime | None, *args: Any, **kwargs: Any) -> str | None:
        return instant(value)


def instant(value: datetime | None) -> str | None:
    """An instant in UTC as `Time` shows it: to the millisecond, with Z."""
    if value is None:
        return None
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_numbers(value: Any) -> Any:
    """`value` with every number a float. Raises ValidationError, with the indices of what is
    neither a number nor a list."""
    if isinstance(value, list):
        errors: dict[int, Any] = {}
        numbers = []
        for i, item in enumerate(value):
            try:
                numbers.append(as_numbers(item))
            except ValidationError as error:
                errors[i] = error.messages
        if errors:
            raise ValidationError(errors)
        return numbers
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValidationError("A number or a list of numbers is wanted.")
    return float(value)
