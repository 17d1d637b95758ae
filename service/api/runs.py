"""Training runs: submitted here, carried out by a worker."""

from __future__ import annotations

from typing import Any

from flask import Response, url_for
from marshmallow import INCLUDE, Schema, fields, validate
from sqlalchemy.orm import Session, defer

from service import runs
from service.api.fields import NumberOut, Time
from service.api.once import created, once
from service.api.paging import Page, PageArgs, page, page_schema
from service.api.spec import Resource
from service.api.train_config import TrainConfigIn
from service.context import current
from service.models import Run, RunMetric
from service.models.runs import STATES

blueprint = Resource("runs", "/runs", "Training runs, carried out by a worker")

POLL_SECONDS = 1
"""How soon it is worth while to ask again after a run that has not ended."""

LATER = {
    "Location": {"description": "where the run is", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "seconds after which to look at it",
        "schema": {"type": "integer"},
    },
}


class ExtremeOut(Schema):
    """A value and the first step that has it."""

    step = fields.Integer(required=True)
    value = fields.Float(required=True)


class MetricOut(Schema):
    """A series in a line. `first` and `last` are null where not finite; extremes are those of
    the finite values."""

    n = fields.Integer(required=True)
    first = NumberOut(required=True)
    last = NumberOut(required=True)
    min = fields.Nested(ExtremeOut, required=True, allow_none=True)
    max = fields.Nested(ExtremeOut, required=True, allow_none=True)
    non_finite = fields.Integer(
        required=True, metadata={"description": "how many values are not finite"}
    )


class ErrorOut(Schema):
    """Why a run failed."""

    code = fields.String(required=True, metadata={"description": "stable, for programs"})
    message = fields.String(required=True)


class RunItem(Schema):
    """A run without its configuration."""

    id = fields.String(required=True)
    state = fields.String(
        required=True,
        validate=validate.OneOf(STATES),
        metadata={
            "description": "`diverged` is a result: the loss became infinite or nan, and there "
            "training ended. `failed` comes with an error."
        },
    )
    cancel_requested = fields.Boolean(required=True)
    attempt = fields.Integer(
        required=True, metadata={"description": "how many workers have taken it up"}
    )
    steps_done = fields.Integer(required=True)
    steps_total = fields.Integer(required=True)
    progress = fields.Float(required=True, metadata={"description": "from 0 to 1"})
    seed = fields.Integer(required=True)
    config_hash = fields.String(required=True)
    engine_version = fields.String(required=True)
    op_set = fields.String(required=True, metadata={"description": "hash of all ops in use"})
    metrics = fields.Dict(keys=fields.String(), values=fields.Nested(MetricOut), required=True)
    error = fields.Nested(ErrorOut, required=True, allow_none=True)
    reason = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "where a run that diverged first met a number that is not finite"},
    )
    created_at = Time(required=True)
    started_at = Time(required=True, allow_none=True)
    heartbeat_at = Time(
        required=True, allow_none=True, metadata={"description": "the worker's last sign of life"}
    )
    finished_at = Time(required=True, allow_none=True)
    expires_at = Time(
        required=True, allow_none=True, metadata={"description": "when it is removed, if ever"}
    )


class RunOut(RunItem):
    """A run."""

    config = fields.Dict(
        required=True, metadata={"description": "the configuration with all defaults filled in"}
    )


class ListArgs(PageArgs):
    """Which runs are wanted."""

    state = fields.String(
        load_default=None,
        validate=validate.OneOf(STATES, error="One of these is wanted: {choices}."),
    )


RunPage = page_schema(RunItem, "RunPage")


@blueprint.route("", methods=["POST"])
@blueprint.arguments(TrainConfigIn, unknown=INCLUDE)
@blueprint.response(202, RunOut, headers=LATER)
@blueprint.alt_response(409, "CONFLICT")
@blueprint.alt_response(503, "SERVICE_UNAVAILABLE")
@once
def submit(config: dict[str, Any]) -> Response:
    """Have a network trained.

    The run waits for a worker; its address shows how far it is. The same configuration and seed
    give the same curve, bit for bit, on the same kind of machine.
    """

    def told(session: Session, run: Run) -> Response:
        document = RunOut().dump(record(run))
        return created(session, 202, document, url_for(".read", run_id=run.public_id))

    response = runs.submit(current(), config, told)
    response.headers["Retry-After"] = str(POLL_SECONDS)
    return response


@blueprint.route("", methods=["GET"])
@blueprint.arguments(ListArgs, location="query")
@blueprint.response(200, RunPage)
def index(args: dict[str, Any]) -> Page[dict[str, Any]]:
    """The runs that have not expired, newest first, without their configurations."""
    context = current()
    query = runs.visible(context, args["state"]).options(defer(Run.config, raiseload=True))
    with context.database.read() as session:
        found = page(session, query, Run.public_id, runs.PREFIX, args["limit"], args["cursor"])
    return Page([item_record(run) for run in found.items], found.next)


@blueprint.route("/<run_id>", methods=["GET"])
@blueprint.response(200, RunOut)
@blueprint.alt_response(404, "NOT_FOUND")
def read(run_id: str) -> dict[str, Any]:
    """One run: its state, its configuration, and each of its series in a line."""
    context = current()
    with context.database.read() as session:
        run = runs.find(session, context, run_id)
    return record(run)


@blueprint.route("/<run_id>/cancel", methods=["POST"])
@blueprint.response(202, RunOut)
@blueprint.alt_response(404, "NOT_FOUND")
@blueprint.alt_response(409, "CONFLICT")
def cancel(run_id: str) -> dict[str, Any]:
    """Cancel a run.

    One that waits is cancelled at once. One that is running ends within a moment and keeps the
    points that it has; until then `cancel_requested` is true. One that has ended is a conflict,
    except that cancelling twice does no harm.
    """
    return record(runs.cancel(current(), run_id))


def record(run: Run) -> dict[str, Any]:
    """A stored run as it is shown, configuration and all."""
    return item_record(run) | {"config": run.config}


def item_record(run: Run) -> dict[str, Any]:
    """A stored run as a list shows it."""
    failed = run.error_code is not None
    return {
        "id": run.public_id,
        "progress": run.steps_done / run.steps_total,
        "op_set": run.op_set_hash,
        "metrics": {metric.name: _metric_record(metric) for metric in run.metrics},
        "error": {"code": run.error_code, "message": run.error_message} if failed else None,
        "reason": None if failed else run.error_message,
        "expires_at": runs.expires_at(run, current().settings.retention_days),
        **{name: getattr(run, name) for name in PLAIN},
    }


PLAIN = (
    *("state", "cancel_requested", "attempt", "steps_done", "steps_total", "seed"),
    *("config_hash", "engine_version", "created_at", "started_at", "heartbeat_at", "finished_at"),
)
"""Columns that are shown as they stand."""


def _metric_record(metric: RunMetric) -> dict[str, Any]:
    return {
        "n": metric.n,
        "first": metric.first,
        "last": metric.last,
        "min": _extreme(metric.low, metric.low_step),
        "max": _extreme(metric.high, metric.high_step),
        "non_finite": metric.non_finite,
    }


def _extreme(value: float | None, step: int | None) -> dict[str, Any] | None:
    return None if value is None else {"step": step, "value": value}
