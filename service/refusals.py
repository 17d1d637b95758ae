"""From any exception to one shape of answer: problem+json (RFC 9457), or a page for readers.

Everything that can go wrong under /api leaves through `answer`. Nothing of an unforeseen error
is told but the request's id, under which the log has all of it.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

from flask import Response, current_app, render_template, request
from sqlalchemy.exc import DBAPIError, OperationalError, TimeoutError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.http import HTTP_STATUS_CODES

from engine import ConfigError, EngineError, ExpressionError, Position
from service import logs
from service.errors import Fault, RequestError
from service.records import position_record

PROBLEM = "application/problem+json"
RETRY_SECONDS = 2

log = logging.getLogger("nudge.errors")


@dataclass(frozen=True)
class Problem:
    """What is told about an error: `status` and `code` for programs, the rest for people."""

    status: int
    code: str
    detail: str
    hint: str | None = None
    errors: tuple[Fault, ...] = ()
    position: Position | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return HTTP_STATUS_CODES[self.status]

    def document(self, instance: str | None) -> dict[str, Any]:
        """The problem as JSON; what is not known is left out."""
        whole = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.code,
            "hint": self.hint,
            "position": position_record(self.position),
            "errors": [_fault_document(fault) for fault in self.errors],
        }
        return {name: value for name, value in whole.items() if value not in (None, [])}


def answer(error: Exception) -> Response:
    """The response to a request that ended in `error`; Flask's error handler for all of them."""
    if isinstance(error, HTTPException) and (error.code or 500) < 400:
        return current_app.make_response(error.get_response())
    problem = problem_of(getattr(error, "original_exception", None) or error)
    if problem.status >= 500:
        log.error("%s: %s", problem.code, error, exc_info=error)
    instance = logs.request_id.get()
    if request.path == "/api" or request.path.startswith(("/api/", "/openapi.json")):
        body, kind = json.dumps(problem.document(instance), ensure_ascii=False), PROBLEM
    else:
        kind = "text/html; charset=utf-8"
        body = render_template(
            "error.html",
            status=problem.status,
            title=problem.title,
            detail=problem.detail,
            instance=instance,
        )
    return Response(body, problem.status, problem.headers, content_type=kind)


@singledispatch
def problem_of(error: Exception) -> Problem:
    """The problem that tells about `error`; one case for each family of errors."""
    return Problem(500, "internal_error", "Something went wrong on our side. It has been logged.")


@problem_of.register
def _(error: RequestError) -> Problem:
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return Problem(error.status, error.code, str(error), error.hint, error.errors, headers=headers)


@problem_of.register
def _(error: EngineError) -> Problem:
    faults = () if error.pointer is None else (Fault(str(error), error.pointer),)
    return Problem(422, error.code, str(error), error.hint, faults, error.position)


@problem_of.register
def _(error: ExpressionError) -> Problem:
    faults = (Fault(str(error), error.pointer or "/source"),)
    return Problem(422, error.code, str(error), error.hint, faults, error.position)


@problem_of.register
def _(error: ConfigError) -> Problem:
    faults = tuple(Fault(message, pointer) for pointer, message in error.errors)
    count = "One thing" if len(faults) == 1 else f"{len(faults)} things"
    detail = f"{count} in this training configuration cannot be: see errors."
    return Problem(422, error.code, detail, error.hint, faults, error.position)


@problem_of.register(OperationalError)
@problem_of.register(TimeoutError)
def _(error: DBAPIError | TimeoutError) -> Problem:
    """The database is locked, full, read-only or gone; the transaction has changed nothing."""
    return Problem(
        503,
        "storage_unavailable",
        "The database cannot take this now; nothing was stored. Please try again.",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


@problem_of.register
def _(error: HTTPException) -> Problem:
    status = error.code or 500
    headers = {n: v for n, v in error.get_headers() if n in ("Allow", "Retry-After")}
    code, detail = WORDS.get(status, (None, None))
    phrase = HTTP_STATUS_CODES[status]
    code = code or phrase.lower().replace(" ", "_").replace("-", "_")
    if isinstance(error, RequestEntityTooLarge):
        most = current_app.config["MAX_CONTENT_LENGTH"]
        detail = f"The body of a request may have {most} bytes at most."
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        detail = f"Allowed here: {', '.join(sorted(error.valid_methods))}."
    return Problem(status, code, detail or f"{phrase}.", headers=headers)


WORDS = {
    400: ("bad_request", "The request cannot be read."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", None),
    413: ("too_large", None),
    414: ("too_large", "The address is too long."),
    429: ("rate_limited", "Too many requests. Please wait a little."),
    500: ("internal_error", "Something went wrong on our side. It has been logged."),
}
"""Code and sentence for what Flask itself refuses."""


def _fault_document(fault: Fault) -> dict[str, str]:
    where = {"pointer": fault.pointer, "parameter": fault.parameter}
    return {n: v for n, v in where.items() if v is not None} | {"message": fault.message}
