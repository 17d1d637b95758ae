"""Backward rules judged, one operation at a time; nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from engine.check.rules import check_rule
from service.api.fields import (
    NO_OBJECT,
    PLAIN_WORDS,
    Body,
    GradientsOut,
    JText,
    NonFiniteOut,
    NumberOut,
    Point,
    SlopesOut,
    Tolerance,
)
from service.api.spec import Resource
from service.context import current
from service.rule_records import rule_report_record
from service.verdicts import VERDICTS

blueprint = Resource("rulechecks", "/rulechecks", "Backward rules judged, written as text")

NAMES = tuple(VERDICTS)
LONGEST = 4096


class Texts(fields.Field[Mapping[str, str]]):
    """Texts by the names of inputs: `{"x": "g*(1 - y**2)"}`."""

    openapi = {
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": LONGEST},
        "minProperties": 1,
    }

    default_error_messages = {**PLAIN_WORDS}

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Mapping[str, str]:
        if not isinstance(value, dict):
            raise ValidationError(NO_OBJECT)
        errors = {
            name: ["A text is wanted."] for name, text in value.items() if type(text) is not str
        }
        if errors:
            raise ValidationError(errors)
        return value


class RuleCheckIn(Body):
    """An operation, by what it computes or by its name, and somebody's backward rules for it."""

    name = JText(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "What the operation is called. Without `forward` it must be an op of "
            "Nudge's, whose forward is then taken.",
            "example": "tanh",
        },
    )
    forward = JText(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "What the operation computes, elementwise; comparisons and "
            "`where(condition, a, b)` may stand in it. At most 4096 bytes.",
            "example": "tanh(x)",
            "maxLength": LONGEST,
        },
    )
    backward = Texts(
        required=True,
        metadata={
            "description": "The rule for each input, in g (the upstream gradient), y (the output) "
            "and the inputs. Inputs left out are not judged.",
            "example": {"x": "g * (1 - y**2)"},
        },
    )
    at = Point(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "A point at which the rules are tried besides: a number for each input.",
            "example": {"x": 0.5},
        },
    )
    tolerance = Tolerance(
        load_default="strict",
        metadata={"description": "Relative: `strict` is 1e-6, `student` is 7e-4 (four digits)."},
    )


class CounterexampleOut(Schema):
    """A point at which a rule is wrong."""

    inputs = GradientsOut(required=True)
    g = NumberOut(required=True, metadata={"description": "the upstream gradient"})
    y = NumberOut(required=True, metadata={"description": "the output"})
    yours = NumberOut(required=True, metadata={"description": "what the rule gives"})
    true = NumberOut(
        required=True, metadata={"description": "the slope times g; null at a kink, see `slopes`"}
    )
    slopes = SlopesOut(required=True, metadata={"description": "at a kink, before times g"})
    non_finite = NonFiniteOut(required=True)


class RulePlaceOut(Schema):
    """Which rule it is."""

    variable = fields.String(required=True)
    text = fields.String(required=True)


class RuleDiagnosisOut(Schema):
    """The one mistake that explains all that a rule gives."""

    mistake = fields.String(required=True, metadata={"description": "stable, for programs"})
    title = fields.String(required=True, metadata={"description": "what it is called"})
    mend = fields.String(
        required=True, allow_none=True, metadata={"description": "how it is put right"}
    )
    explanation = fields.String(required=True)
    place = fields.Nested(RulePlaceOut, required=True)
    numbers = GradientsOut(required=True)
    non_finite = NonFiniteOut(required=True)
    explains = fields.Integer(required=True, metadata={"description": "points that it explains"})
    of = fields.Integer(required=True, metadata={"description": "points at which it is wrong"})


class RuleVerdictOut(Schema):
    """One rule, judged."""

    input = fields.String(required=True)
    rule = fields.String(required=True)
    verdict = fields.String(required=True, validate=validate.OneOf(NAMES))
    points = fields.Integer(required=True, metadata={"description": "how many were judged"})
    explanation = fields.String(required=True)
    counterexample = fields.Nested(
        CounterexampleOut,
        required=True,
        allow_none=True,
        metadata={"description": "the smallest and roundest point at which it is wrong"},
    )
    diagnosis = fields.Nested(RuleDiagnosisOut, required=True, allow_none=True)
    slope_text = fields.String(
        required=True, allow_none=True, metadata={"description": "what it behaves like"}
    )
    notes = fields.List(fields.String(), required=True)


class RuleCheckOut(Schema):
    """Backward rules, judged. A wrong rule is not an error: it is a verdict."""

    name = fields.String(required=True, allow_none=True)
    forward = fields.String(required=True)
    verdict = fields.String(required=True, validate=validate.OneOf(NAMES))
    explanation = fields.String(required=True)
    rules = fields.List(fields.Nested(RuleVerdictOut), required=True)
    unjudged = fields.List(fields.String(), required=True)
    relative_tolerance = fields.Float(required=True)
    warnings = fields.List(fields.String(), required=True)


@blueprint.route("", methods=["POST"])
@blueprint.arguments(RuleCheckIn)
@blueprint.response(200, RuleCheckOut)
def check(question: dict[str, Any]) -> dict[str, Any]:
    """Judge backward rules written as text.

    Each rule is tried at many points, on both sides of every kink and under upstream gradients of
    either sign, against the slope of the forward. Nothing is stored.
    """
    context = current()
    report = check_rule(**question, vocabulary=context.vocabulary, limits=context.limits)
    return rule_report_record(report)
