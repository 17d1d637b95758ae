"""Schemas that several resources share."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from service.api.fields import GradientsOut, NonFiniteOut, NumberOut, NumbersOut
from service.verdicts import VERDICTS


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


class PlaceOut(Schema):
    """Where a mistake sits. `line`, `column` and `length` are null where the source has no such
    stretch."""

    equation = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "number of the equation; null for an input"},
    )
    text = fields.String(required=True, metadata={"description": "as people write it"})
    line = fields.Integer(required=True, allow_none=True, metadata={"description": "from 1"})
    column = fields.Integer(
        required=True, allow_none=True, metadata={"description": "from 1, in characters"}
    )
    length = fields.Integer(
        required=True, allow_none=True, metadata={"description": "in characters"}
    )
    variable = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "whose gradient goes wrong there"},
    )


class MistakeOut(Schema):
    """A mistake that fits what was claimed, as a hypothesis."""

    mistake = fields.String(required=True, metadata={"description": "stable, for programs"})
    title = fields.String(required=True, metadata={"description": "what it is called"})
    mend = fields.String(
        required=True, allow_none=True, metadata={"description": "what to do about it"}
    )
    place = fields.Nested(
        PlaceOut,
        required=True,
        allow_none=True,
        metadata={"description": "where it is made; null where that is no single place"},
    )
    explanation = fields.String(
        required=True, metadata={"description": "one sentence, with the numbers"}
    )
    numbers = GradientsOut(
        required=True, metadata={"description": "those numbers by name, such as `yours` and `true`"}
    )
    non_finite = NonFiniteOut(required=True)
    explains = fields.Integer(
        required=True, metadata={"description": "wrong components that come out as claimed"}
    )
    of = fields.Integer(required=True, metadata={"description": "wrong components in all"})


class DiagnosisOut(MistakeOut):
    """A mistake that explains the wrong claims, or two that do so together."""

    parts = fields.List(
        fields.Nested(MistakeOut),
        required=True,
        metadata={"description": "the two mistakes, where it takes two; else empty"},
    )


class FirstWrongOut(Schema):
    """The equation at which the claims first part from the truth, on the way back from the
    output."""

    place = fields.Nested(
        PlaceOut, required=True, metadata={"description": "the equation, in the source"}
    )
    name = fields.String(required=True, metadata={"description": "whose claim is wrong first"})
    claim = NumberOut(required=True, metadata={"description": "the gradient as claimed"})
    expected = NumberOut(
        required=True, metadata={"description": "what follows from the claims before it"}
    )
    follow = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "names whose wrong gradients only follow from it"},
    )
    others = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "names whose wrong gradients are mistakes of their own"},
    )
    explanation = fields.String(
        required=True, metadata={"description": "the same in a sentence or two"}
    )
    non_finite = NonFiniteOut(required=True)


class LocalCheckOut(Schema):
    """An operation that cannot be seen into, judged alone at its own arguments."""

    place = fields.Nested(
        PlaceOut, required=True, metadata={"description": "where it stands in the source"}
    )
    op = fields.String(required=True, metadata={"description": "name of the operation"})
    argument = fields.String(required=True, metadata={"description": "which of its inputs"})
    verdict = fields.String(
        required=True,
        validate=validate.OneOf(tuple(VERDICTS)),
        metadata={"description": "on its backward rule at this place"},
    )
    given = NumberOut(required=True, metadata={"description": "what its backward rule gives"})
    reference = NumberOut(
        required=True, metadata={"description": "slope of its forward, times `upstream`"}
    )
    error_bound = NumberOut(
        required=True, metadata={"description": "how far the reference may be off"}
    )
    upstream = NumberOut(required=True, metadata={"description": "the gradient that came in"})
    non_finite = NonFiniteOut(required=True)


class SweepRowOut(Schema):
    """Difference quotients with one step."""

    h = fields.Float(required=True, metadata={"description": "the step"})
    forward = NumberOut(required=True, metadata={"description": "(f(x+h) - f(x)) / h"})
    central = NumberOut(required=True, metadata={"description": "(f(x+h) - f(x-h)) / 2h"})
    forward_error = NumberOut(
        required=True, metadata={"description": "relative to the slope; to 1 where that is 0"}
    )
    central_error = NumberOut(required=True, metadata={"description": "likewise"})
    non_finite = NonFiniteOut(required=True)


class SweepOut(Schema):
    """How far difference quotients are off, for one component."""

    input = fields.String(required=True, metadata={"description": "as in the component"})
    index = fields.List(
        fields.Integer(),
        required=True,
        allow_none=True,
        metadata={"description": "as in the component"},
    )
    rows = fields.List(
        fields.Nested(SweepRowOut),
        required=True,
        metadata={"description": "from h = 1 down; empty where there is no one exact slope"},
    )


def collection(item: type[Schema], name: str) -> type[Schema]:
    """The schema of a short collection that is always given whole."""
    return Schema.from_dict({"items": fields.List(fields.Nested(item), required=True)}, name=name)
