"""Programs by their hash, and backpropagation through them, step by step."""

from __future__ import annotations

from typing import Any

from flask import url_for
from marshmallow import Schema, fields, validate

from engine.steps import MOST_PASSES, PASSES, SLIPS
from service import programs
from service.api.evaluations import AT, SOURCE
from service.api.fields import (
    PLAIN_WORDS,
    Body,
    GradientsOut,
    JText,
    NonFiniteOut,
    NumbersOut,
    Point,
    PointOut,
    Time,
)
from service.api.schemas import OffenderOut, PositionOut, ProgramOut
from service.api.spec import Resource
from service.context import current

blueprint = Resource("programs", "/programs", "Programs by their hash, played step by step")


class Passes(fields.Field[int]):
    """How many passes a replay has."""

    openapi = {"type": ["integer", "null"], "minimum": 1, "maximum": MOST_PASSES}
    default_error_messages = PLAIN_WORDS | {
        "invalid": f"A whole number from 1 to {MOST_PASSES} is wanted."
    }

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or value != int(value) or not 1 <= value <= MOST_PASSES:
            raise self.make_error("invalid")
        return int(value)


class ProgramIn(Body):
    """An expression."""

    source = JText(required=True, metadata=SOURCE)


class StepsIn(Body):
    """A point, and perhaps a slip to be made on the way back."""

    at = Point(load_default=dict, metadata=AT)
    slip = JText(
        load_default=None,
        allow_none=True,
        validate=validate.OneOf(tuple(SLIPS), error="One of these is wanted: {choices}."),
        metadata={
            "description": " ".join(f"`{slip.code}`: {slip.title}." for slip in SLIPS.values())
            + " Without one, backpropagation as it should be.",
            "example": "overwrite",
        },
    )
    passes = Passes(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "how often backward runs, for the slips that show in later passes: "
            f"{' and '.join(f'`{s.code}`' for s in SLIPS.values() if s.repeats)}; "
            f"{PASSES} if not given"
        },
    )


class StoredWithOut(Schema):
    """What a program was stored with."""

    engine_version = fields.String(required=True)
    op_set = fields.String(required=True)


class VersionsOut(Schema):
    """What is the same of a stored program, and what is not."""

    program_changed = fields.Boolean(
        required=True,
        metadata={"description": "whether today's operations make another program of the source"},
    )
    stored_with = fields.Nested(StoredWithOut, required=True)
    engine_version = fields.String(required=True)
    op_set = fields.String(required=True, metadata={"description": "hash of all ops in use"})


class StoredProgramOut(ProgramOut, VersionsOut):
    """A stored program: its source, and its equations forward and backward."""

    source = fields.String(
        required=True,
        metadata={
            "description": "as it came first; another with this hash may differ in blanks and "
            "comments"
        },
    )
    forward = fields.String(required=True, metadata={"description": "the equations, as text"})
    backward = fields.String(
        required=True, metadata={"description": "backpropagation written out, as text"}
    )
    created_at = Time(required=True)
    last_used_at = Time(required=True, metadata={"description": "to the hour"})


class SlipOut(Schema):
    """A slip that was made on purpose."""

    code = fields.String(required=True)
    title = fields.String(required=True)
    teaches = fields.String(required=True)


class ForwardStepOut(Schema):
    """One equation, computed."""

    equation = fields.Integer(required=True)
    name = fields.String(required=True)
    op = fields.String(required=True)
    text = fields.String(required=True)
    value = NumbersOut(required=True)
    non_finite = NonFiniteOut(required=True)
    position = fields.Nested(PositionOut, required=True)


def of_the_equation(description: str) -> dict[str, Any]:
    """Metadata of what the seed, which has no equation, does not have."""
    return {"description": f"{description}; null for the seed"}


class EventOut(Schema):
    """One gradient on its way back: an equation adds a part to the gradient of one input."""

    index = fields.Integer(required=True, metadata={"description": "from 0, in order"})
    pass_ = fields.Integer(required=True, data_key="pass", metadata={"description": "from 1"})
    equation = fields.Integer(required=True, allow_none=True, metadata=of_the_equation("number"))
    output = fields.String(required=True, metadata={"description": "the equation's result"})
    argument = fields.Integer(
        required=True, allow_none=True, metadata=of_the_equation("which input, from 0")
    )
    variable = fields.String(required=True, metadata={"description": "the input's name"})
    op = fields.String(required=True, metadata={"description": "an op's name, or seed"})
    rule = fields.String(required=True, metadata={"description": "the term that is added"})
    text = fields.String(required=True, metadata={"description": "the whole line"})
    upstream = NumbersOut(required=True, metadata=of_the_equation("gradient of the output"))
    local = NumbersOut(
        required=True,
        metadata={
            "description": "slope of the equation in this input, entry by entry of its output; "
            "null for the seed and for operations that mix entries"
        },
    )
    outgoing = NumbersOut(required=True, metadata={"description": "the part"})
    total = NumbersOut(required=True, metadata={"description": "the input's gradient afterwards"})
    non_finite = NonFiniteOut(required=True)
    position = fields.Nested(PositionOut, required=True)


class RowOut(Schema):
    """A line of the program, what it does backward, and the events that did it. Read down for
    the values and up for the gradients; the last row is the seed."""

    equation = fields.Integer(required=True, allow_none=True)
    forward = fields.String(required=True)
    backward = fields.List(fields.String(), required=True)
    events = fields.List(fields.Integer(), required=True)


class DifferenceOut(Schema):
    """A gradient that came out otherwise than it should."""

    name = fields.String(required=True)
    wrong = NumbersOut(required=True)
    right = NumbersOut(required=True)
    non_finite = NonFiniteOut(required=True)


class UseOut(Schema):
    """One use of a value, and the part of its gradient from there."""

    event = fields.Integer(required=True)
    equation = fields.Integer(required=True)
    part = NumbersOut(required=True)
    non_finite = NonFiniteOut(required=True)


class ReuseOut(Schema):
    """A value used more than once: the parts, their sum, and the one that was kept."""

    name = fields.String(required=True)
    uses = fields.List(fields.Nested(UseOut), required=True)
    sum = NumbersOut(required=True)
    kept = NumbersOut(required=True)
    non_finite = NonFiniteOut(required=True)


class VisitOut(Schema):
    """A node sends on the gradient it has so far."""

    name = fields.String(required=True)
    gradient = NumbersOut(required=True)
    event = fields.Integer(required=True, metadata={"description": "the first that follows"})
    non_finite = NonFiniteOut(required=True)


class DiamondOut(Schema):
    """Two ways from `top` down to `shared`, and in which order their nodes sent gradients on."""

    top = fields.String(required=True)
    shared = fields.String(required=True)
    users = fields.List(fields.String(), required=True)
    nodes = fields.List(fields.String(), required=True)
    visits = fields.List(fields.Nested(VisitOut), required=True)


class StepsOut(VersionsOut):
    """Backpropagation as a list of events, to be played, paused and rewound."""

    program = fields.Nested(ProgramOut, required=True)
    at = PointOut(required=True)
    slip = fields.Nested(SlipOut, required=True, allow_none=True)
    passes = fields.Integer(required=True)
    value = NumbersOut(required=True)
    forward = fields.List(fields.Nested(ForwardStepOut), required=True)
    events = fields.List(fields.Nested(EventOut), required=True)
    gradients = GradientsOut(required=True, metadata={"description": "as they are in the end"})
    listing = fields.List(fields.Nested(RowOut), required=True)
    differences = fields.List(fields.Nested(DifferenceOut), required=True)
    reuses = fields.List(
        fields.Nested(ReuseOut), required=True, metadata={"description": "with `overwrite`"}
    )
    diamond = fields.Nested(
        DiamondOut,
        required=True,
        allow_none=True,
        metadata={"description": "with `no_order`, where a computed value is used twice"},
    )
    non_finite = fields.Nested(OffenderOut, required=True, allow_none=True)


@blueprint.route("", methods=["POST"])
@blueprint.arguments(ProgramIn)
@blueprint.response(201, StoredProgramOut, headers={"Location": {"schema": {"type": "string"}}})
@blueprint.alt_response(200, schema=StoredProgramOut, description="It was stored before.")
def create(question: dict[str, Any]) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Store a program under its hash.

    201 where it is new, 200 where it is known. Evaluations and gradient checks store theirs, too.
    """
    context = current()
    found, new = programs.create(context, question["source"])
    location = {"Location": url_for(".read", program_hash=found.row.hash)}
    return programs.record(context, found), 201 if new else 200, location


@blueprint.route("/<program_hash>", methods=["GET"])
@blueprint.response(200, StoredProgramOut)
@blueprint.alt_response(404, "NOT_FOUND")
@blueprint.alt_response(409, "CONFLICT")
def read(program_hash: str) -> dict[str, Any]:
    """One program."""
    context = current()
    return programs.record(context, programs.find(context, program_hash))


@blueprint.route("/<program_hash>/steps", methods=["POST"])
@blueprint.arguments(StepsIn)
@blueprint.response(200, StepsOut)
@blueprint.alt_response(404, "NOT_FOUND")
@blueprint.alt_response(409, "CONFLICT")
def steps(question: dict[str, Any], program_hash: str) -> dict[str, Any]:
    """Play backpropagation step by step, as it should be or with a slip.

    Each event is one part of one gradient, with what came in, the local slope, what went out and
    the sum so far. With a slip, `differences` says what comes out wrong.
    """
    context = current()
    found, played = programs.play(context, program_hash, **question)
    return programs.steps_record(context, found, played)
