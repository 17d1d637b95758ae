"""Value and gradients of an expression."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from marshmallow import Schema, fields

from service import programs, records
from service.api.fields import (
    Body,
    GradientsOut,
    JText,
    NonFiniteOut,
    NumbersOut,
    Point,
)
from service.api.schemas import OffenderOut, PositionOut, ProgramOut
from service.api.spec import Resource
from service.context import current
from service.reading import read

blueprint = Resource("evaluations", "/evaluations", "Value and gradients of an expression")

SOURCE = {
    "description": "Assignments, one per line or separated by `;`, and expressions; the last is "
    "the output. At most 4096 bytes.",
    "example": "x1w1 = x1*w1\nx2w2 = x2*w2\nn = x1w1 + x2w2 + b\no = tanh(n)",
    "maxLength": 4096,
}
AT = {
    "description": "The inputs' values; one that has a value in the source may be left out.",
    "example": {"x1": 2, "x2": 0, "w1": -3, "w2": 1, "b": 6.881373587019543},
}


class EvaluationIn(Body):
    """An expression and a point."""

    source = JText(required=True, metadata=SOURCE)
    at = Point(load_default=dict, metadata=AT)


class NodeOut(Schema):
    """One node of the program at the point."""

    name = fields.String(required=True)
    op = fields.String(required=True, metadata={"description": "input, constant, or an op's name"})
    inputs = fields.List(fields.String(), required=True)
    shape = fields.List(fields.Integer(), required=True)
    value = NumbersOut(required=True)
    gradient = NumbersOut(required=True, metadata={"description": "null for a constant"})
    non_finite = NonFiniteOut(required=True)
    position = fields.Nested(PositionOut, required=True)


class EvaluationOut(Schema):
    """What the expression comes to."""

    program = fields.Nested(ProgramOut, required=True)
    value = NumbersOut(required=True)
    gradients = GradientsOut(required=True)
    nodes = fields.List(fields.Nested(NodeOut), required=True)
    non_finite = fields.Nested(OffenderOut, required=True, allow_none=True)


@blueprint.route("", methods=["POST"])
@blueprint.arguments(EvaluationIn)
@blueprint.response(200, EvaluationOut)
def evaluate(question: dict[str, Any]) -> Response:
    """Evaluate an expression and all its gradients.

    The program is kept under its hash, the point is not. Where a number is not finite, its place
    holds null and `non_finite` names the node at which it began.
    """
    context = current()
    program = read(question["source"], context.vocabulary, context.limits)
    evaluation = program.evaluate(question["at"])
    programs.remember(context, program)
    return jsonify(records.evaluation_record(program, evaluation))
