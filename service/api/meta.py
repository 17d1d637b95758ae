"""Version and health."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from marshmallow import Schema, fields

from service import __version__
from service.api.spec import Resource
from service.context import Context, current
from service.errors import Fault, UnavailableError
from service.schema import schema_state

version = Resource("version", "/version", "What is running here")
health = Resource("health", "/health", "For whoever watches over the service")

log = logging.getLogger("nudge.health")


class VersionOut(Schema):
    """What is running here."""

    version = fields.String(required=True)
    api = fields.String(required=True)
    op_set = fields.String(required=True, metadata={"description": "hash of all ops in use"})
    ops = fields.Integer(required=True, metadata={"description": "how many ops"})


class LiveOut(Schema):
    """A sign of life."""

    status = fields.String(required=True)


class ReadyOut(Schema):
    """What the service leans on."""

    status = fields.String(required=True)
    checks = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


@version.route("", methods=["GET"])
@version.response(200, VersionOut)
def show() -> dict[str, Any]:
    """The versions of the service and of its ops."""
    vocabulary = current().vocabulary
    return {
        "version": __version__,
        "api": "v1",
        "op_set": vocabulary.hash,
        "ops": len(vocabulary.ops),
    }


@health.route("/live", methods=["GET"])
@health.response(200, LiveOut)
def live() -> dict[str, str]:
    """Whether the process answers at all."""
    return {"status": "live"}


@health.route("/ready", methods=["GET"])
@health.response(200, ReadyOut)
@health.alt_response(503, "SERVICE_UNAVAILABLE")
def ready() -> dict[str, Any]:
    """Whether requests can be served: database, schema and queue are there."""
    context = current()
    faults = []
    for name, check in CHECKS.items():
        try:
            check(context)
        except Exception as error:
            log.warning("%s: %s", name, error)
            faults.append(Fault(f"{name} is not ready", parameter=name))
    if faults:
        raise UnavailableError(
            "The service is not ready: see errors.", code="not_ready", errors=faults, retry_after=2
        )
    return {"status": "ready", "checks": dict.fromkeys(CHECKS, "ok")}


def _schema(context: Context) -> None:
    state = schema_state(context.database)
    if state.status != "current":
        raise UnavailableError(state.message)


CHECKS: dict[str, Callable[[Context], None]] = {
    "database": lambda context: context.database.ping(),
    "schema": _schema,
    "queue": lambda context: context.queue.ping(),
}
