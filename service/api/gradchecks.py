"""Gradient checks, stored."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, url_for
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from engine.check.judges import METHODS
from service import gradchecks
from service.api.evaluations import AT, SOURCE
from service.api.fields import (
    PLAIN_WORDS,
    Body,
    JText,
    NonFiniteOut,
    NumberOut,
    NumbersOut,
    Point,
    PointOut,
    QueryText,
    SlopesOut,
    Time,
    Tolerance,
    ToleranceOut,
    instant,
)
from service.api.once import created, once
from service.api.paging import PageArgs, page, page_schema
from service.api.schemas import (
    DiagnosisOut,
    FirstWrongOut,
    LocalCheckOut,
    OffenderOut,
    SweepOut,
)
from service.api.spec import Resource
from service.context import current
from service.errors import NotFoundError
from service.judging import SWEPT, Question
from service.models import GradCheck
from service.verdicts import VERDICTS

blueprint = Resource("gradchecks", "/gradchecks", "Gradients judged, and the judgements kept")

NAMES = tuple(VERDICTS)


class Flag(fields.Field[bool]):
    """true or false, and nothing that looks like it."""

    openapi = {"type": "boolean"}
    default_error_messages = PLAIN_WORDS | {"invalid": "true or false is wanted."}

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class GradCheckIn(Body):
    """An expression, a point, and the gradients that somebody claims."""

    source = JText(required=True, metadata=SOURCE)
    at = Point(load_default=dict, metadata=AT)
    claimed = Point(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "Gradients to be judged, by the names of inputs and of intermediate "
            "results; what is left out is not judged. Without any, Nudge's own gradients of the "
            "inputs are.",
            "example": {"w1": 1.0, "b": 0.5},
        },
    )
    tolerance = Tolerance(
        load_default="student",
        metadata={
            "description": "Relative, per component: `student` is 7e-4 (four digits), `strict` "
            "is 1e-6."
        },
    )
    method = JText(
        load_default="auto",
        validate=validate.OneOf(METHODS, error="One of these is wanted: {choices}."),
        metadata={
            "description": "How slopes are found: `exact` from the forward formulas, with as many "
            "digits as it takes; `blackbox` from float64 values alone; `auto` is exact where the "
            "expression is small enough."
        },
    )
    sweep = Flag(
        load_default=False,
        metadata={
            "description": "whether to add the error of difference quotients against their step; "
            f"for at most {SWEPT} components"
        },
    )


class ComponentOut(Schema):
    """One number of the gradient, judged."""

    input = fields.String(
        required=True, metadata={"description": "name of an input or an intermediate result"}
    )
    index = fields.List(
        fields.Integer(),
        required=True,
        allow_none=True,
        metadata={"description": "place in the array; null for a scalar"},
    )
    claim = NumberOut(required=True, metadata={"description": "the number that was judged"})
    reference = NumberOut(
        required=True, metadata={"description": "the slope; null where there is none, or not one"}
    )
    error_bound = NumberOut(
        required=True, metadata={"description": "how far the reference may be off"}
    )
    relative_error = NumberOut(
        required=True, metadata={"description": "of the claim, relative to the reference"}
    )
    verdict = fields.String(
        required=True,
        validate=validate.OneOf(NAMES),
        metadata={"description": "on this number alone"},
    )
    slopes = SlopesOut(required=True, metadata={"description": "where the two sides differ"})
    backprop = NumberOut(
        required=True,
        metadata={
            "description": "what backpropagation gives in float64, where the verdict is `rounding`"
        },
    )
    follows = fields.Boolean(
        required=True,
        metadata={
            "description": "whether a wrong claim only follows from wrong claims before it: no new "
            "mistake"
        },
    )
    evaluations = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "runs of the forward; null where nobody counted"},
    )
    non_finite = NonFiniteOut(required=True)


class ProgramRef(Schema):
    """A program by its hash."""

    hash = fields.String(required=True)


class GradCheckOut(Schema):
    """A gradient check. A wrong claim is not an error: it is a verdict."""

    id = fields.String(required=True)
    created_at = Time(required=True)
    expires_at = Time(
        required=True, allow_none=True, metadata={"description": "when it is removed, if ever"}
    )
    source = fields.String(required=True)
    at = PointOut(required=True)
    claimed = PointOut(required=True, allow_none=True)
    tolerance = ToleranceOut(required=True)
    relative_tolerance = fields.Float(
        required=True, metadata={"description": "the number behind `tolerance`"}
    )
    verdict = fields.String(
        required=True,
        validate=validate.OneOf(NAMES),
        metadata={"description": "on the whole: the gravest of the components"},
    )
    method = fields.String(
        required=True,
        validate=validate.OneOf([name for name in METHODS if name != "auto"]),
        metadata={"description": "how the slopes were found"},
    )
    evaluations = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "runs of the forward, of all components together"},
    )
    components = fields.List(
        fields.Nested(ComponentOut),
        required=True,
        metadata={"description": "every number that was judged"},
    )
    unclaimed = fields.List(
        fields.String(), required=True, metadata={"description": "inputs that were not judged"}
    )
    diagnoses = fields.List(
        fields.Nested(DiagnosisOut),
        required=True,
        metadata={
            "description": "what explains the wrong claims, the likeliest first; several are ties "
            "or near ones"
        },
    )
    first_wrong = fields.Nested(
        FirstWrongOut,
        required=True,
        allow_none=True,
        metadata={
            "description": "where it goes wrong first, if intermediate results are claimed as well"
        },
    )
    local = fields.List(
        fields.Nested(LocalCheckOut),
        required=True,
        metadata={"description": "operations without a formula, judged on their own"},
    )
    warnings = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "what a reader should know, in sentences"},
    )
    sweep = fields.List(
        fields.Nested(SweepOut),
        required=True,
        allow_none=True,
        metadata={"description": "one for each component; null where not asked for, and in lists"},
    )
    value = NumbersOut(required=True)
    non_finite = fields.Nested(OffenderOut, required=True, allow_none=True)
    program = fields.Nested(ProgramRef, required=True)
    engine_version = fields.String(required=True)
    op_set = fields.String(required=True, metadata={"description": "hash of all ops in use"})


class ListArgs(PageArgs):
    """Which checks are wanted."""

    verdict = QueryText(
        load_default=None,
        validate=validate.OneOf(NAMES, error="One of these is wanted: {choices}."),
    )


GradCheckPage = page_schema(GradCheckOut, "GradCheckPage")


@blueprint.route("", methods=["POST"])
@blueprint.arguments(GradCheckIn)
@blueprint.response(201, GradCheckOut, headers={"Location": {"schema": {"type": "string"}}})
@blueprint.alt_response(409, "CONFLICT")
@once
def create(question: dict[str, Any]) -> Response:
    """Judge gradients, and keep the judgement.

    Each claimed number is compared with the slope of the expression, which is found from its
    values alone, without any rule of differentiation. A wrong claim comes with what explains it.
    """

    def told(session: Session, row: GradCheck) -> Response:
        return created(session, 201, record(row), url_for(".read", check_id=row.public_id))

    return gradchecks.create(current(), Question(**question), told)


@blueprint.route("", methods=["GET"])
@blueprint.arguments(ListArgs, location="query")
@blueprint.response(200, GradCheckPage)
def index(args: dict[str, Any]) -> Response:
    """The gradient checks that have not expired, newest first, without their sweeps."""
    context = current()
    query = gradchecks.visible(context.clock(), context.settings.retention_days)
    if args["verdict"] is not None:
        query = query.where(GradCheck.verdict == args["verdict"])
    with context.database.read() as session:
        found = page(
            session, query, GradCheck.public_id, gradchecks.PREFIX, args["limit"], args["cursor"]
        )
    return jsonify(items=[record(row) | {"sweep": None} for row in found.items], next=found.next)


@blueprint.route("/<check_id>", methods=["GET"])
@blueprint.response(200, GradCheckOut)
@blueprint.alt_response(404, "NOT_FOUND")
def read(check_id: str) -> Response:
    """One gradient check."""
    context = current()
    with context.database.read() as session:
        row = gradchecks.find(session, check_id, context.clock(), context.settings.retention_days)
    if row is None:
        raise NotFoundError(
            "There is no such gradient check.",
            hint=f"Checks are removed after {context.settings.retention_days} days.",
        )
    return jsonify(record(row))


def record(row: GradCheck) -> dict[str, Any]:
    """A stored check as it is shown: what `GradCheckOut` describes, in its order."""
    whole = {
        **gradchecks.document(row),
        "id": row.public_id,
        "created_at": instant(row.created_at),
        "expires_at": instant(gradchecks.expires_at(row, current().settings.retention_days)),
    }
    return {name: whole[name] for name in SHOWN}


SHOWN = tuple(GradCheckOut().fields)
