"""The curves of a run, whole or sampled, as JSON or CSV."""

from __future__ import annotations

import math
from typing import Any

from flask import Response, jsonify, request
from marshmallow import Schema, fields, validate

from service import curves, runs
from service.api.fields import NumberOut, QueryInt
from service.api.schemas import collection
from service.api.spec import Resource
from service.context import current
from service.curves import Sample
from service.errors import NotFoundError
from service.records import WORDS

blueprint = Resource("series", "/runs/<run_id>/series", "The curves of a training run")

POINTS = 1000
"""Points of a JSON answer if nothing is said; a CSV file then has all of them."""

JSON, CSV = "application/json", "text/csv"
FORMATS = {"json": JSON, "csv": CSV}


class SeriesItem(Schema):
    """A series by its name."""

    name = fields.String(required=True)
    n = fields.Integer(required=True, metadata={"description": "how many values it has so far"})


class NonFinitePointOut(Schema):
    """What stands behind a null."""

    step = fields.Integer(required=True)
    value = fields.String(required=True, validate=validate.OneOf(["nan", "inf", "-inf"]))


class SeriesOut(Schema):
    """Points of a curve. Where `sampled` is true some are left out, but never the first, the
    last, the least, the greatest, or one that is not finite."""

    name = fields.String(required=True)
    steps = fields.List(fields.Integer(), required=True, metadata={"description": "from 0"})
    values = fields.List(
        NumberOut(), required=True, metadata={"description": "null where not finite"}
    )
    sampled = fields.Boolean(required=True)
    n_total = fields.Integer(required=True)
    non_finite = fields.List(fields.Nested(NonFinitePointOut), required=True)


class SeriesArgs(Schema):
    """How much of the series is wanted, and as what."""

    max_points = QueryInt(
        load_default=None,
        validate=validate.Range(2, 10_000, error="A number from 2 to 10000 is wanted."),
        metadata={
            "description": "How many points at most, those that are never left out besides. By "
            f"default {POINTS} as JSON, and all as CSV."
        },
    )
    format = fields.String(
        load_default=None,
        validate=validate.OneOf(list(FORMATS), error="One of these is wanted: {choices}."),
        metadata={"description": "Without it the Accept header decides."},
    )


@blueprint.route("", methods=["GET"])
@blueprint.response(200, collection(SeriesItem, "SeriesList"))
@blueprint.alt_response(404, "NOT_FOUND")
def index(run_id: str) -> dict[str, Any]:
    """The names of the run's series; none before its first heartbeat."""
    context = current()
    with context.database.read() as session:
        run = runs.find(session, context, run_id)
        return {"items": [{"name": m.name, "n": m.n} for m in run.metrics]}


@blueprint.route("/<name>", methods=["GET"])
@blueprint.arguments(SeriesArgs, location="query")
@blueprint.response(200, SeriesOut)
@blueprint.alt_response(404, "NOT_FOUND")
def read(args: dict[str, Any], run_id: str, name: str) -> Response:
    """One series, for instance `loss`, over the steps of the run.

    A long one is sampled by buckets of steps, of which the least, the greatest and the last value
    are shown. The edges of the buckets stay where they are while the run goes on.
    """
    context = current()
    kind = FORMATS.get(args["format"]) or request.accept_mimetypes.best_match((JSON, CSV), JSON)
    most = args["max_points"] or (POINTS if kind == JSON else None)
    with context.database.read() as session:
        run = runs.find(session, context, run_id)
        found = curves.read(session, run.id, name, most)
    if found is None:
        known = ", ".join(metric.name for metric in run.metrics)
        raise NotFoundError(
            f"This run has no series {name[:80]!r}.",
            code="unknown_series",
            hint=f"It has: {known}." if known else "It has none before its first heartbeat.",
        )
    response = jsonify(record(found)) if kind == JSON else _download(found, run.public_id)
    response.vary.add("Accept")
    return response


def record(found: Sample) -> dict[str, Any]:
    """Points as JSON."""
    odd = [(s, v) for s, v in zip(found.steps, found.values, strict=True) if not math.isfinite(v)]
    return {
        "name": found.name,
        "steps": found.steps,
        "values": [value if math.isfinite(value) else None for value in found.values],
        "sampled": found.sampled,
        "n_total": found.n_total,
        "non_finite": [{"step": step, "value": WORDS.get(value, "nan")} for step, value in odd],
    }


def _download(found: Sample, run_id: str) -> Response:
    """Points as CSV (RFC 4180): a line each, numbers to the last bit, nan and inf as words."""
    points = zip(found.steps, found.values, strict=True)
    lines = [f"step,{found.name}", *(f"{step},{value!r}" for step, value in points)]
    name = f"{run_id}-{found.name}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response("\r\n".join([*lines, ""]), 200, headers, mimetype=CSV)
