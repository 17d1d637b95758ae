"""Schemas that several resources share."""

from __future__ import annotations

from marshmallow import Schema, fields

from service.api.fields import NonFiniteOut, NumbersOut


class PositionOut(Schema):
    """A stretch of source."""

    line = fields.Integer(required=True, metadata={"description": "from 1"})
    column = fields.Integer(required=True, metadata={"description": "from 1, in characters"})
    length = fields.Integer(required=True)


class FaultOut(Schema):
    """One thing wrong with a request."""

    pointer = fields.String(metadata={"description": "JSON pointer into the body"})
    parameter = fields.String(metadata={"description": "name of a query parameter or header"})
    message = fields.String(required=True)


class Problem(Schema):
    """What went wrong, as RFC 9457 has it."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    instance = fields.String(metadata={"description": "id of the request, as in the log"})
    code = fields.String(required=True, metadata={"description": "stable, for programs"})
    hint = fields.String(metadata={"description": "how to mend it"})
    position = fields.Nested(PositionOut, metadata={"description": "where in the source"})
    errors = fields.List(fields.Nested(FaultOut))


class InputOut(Schema):
    """An input of a program; `default` is the value that the source gives it."""

    name = fields.String(required=True)
    default = NumbersOut(required=True)
    position = fields.Nested(PositionOut, required=True)


class EquationOut(Schema):
    """One operation of a program."""

    number = fields.Integer(required=True, metadata={"description": "from 1, in order"})
    name = fields.String(required=True, metadata={"description": "what its result is called"})
    op = fields.String(required=True)
    inputs = fields.List(fields.String(), required=True)
    text = fields.String(required=True, metadata={"description": "as people write it"})
    position = fields.Nested(PositionOut, required=True)


class ProgramOut(Schema):
    """An expression as numbered equations."""

    hash = fields.String(required=True)
    inputs = fields.List(fields.Nested(InputOut), required=True)
    output = fields.String(required=True, metadata={"description": "the name of the output"})
    equations = fields.List(fields.Nested(EquationOut), required=True)


class OffenderOut(Schema):
    """The node at which numbers stop being finite."""

    name = fields.String(required=True)
    op = fields.String(required=True)
    reason = fields.String(required=True, allow_none=True)
    position = fields.Nested(PositionOut, required=True, allow_none=True)
    values = NonFiniteOut(required=True)


def collection(item: type[Schema], name: str) -> type[Schema]:
    """The schema of a short collection that is always given whole."""
    return Schema.from_dict({"items": fields.List(fields.Nested(item), required=True)}, name=name)
