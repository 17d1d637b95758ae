"""What the service raises, and whose fault each error is.

    ServiceError
    ├── StartError             the service cannot start as it is set up; for the operator
    │   ├── SettingsError
    │   ├── StorageError       the database cannot be used where it lies
    │   └── SchemaError        the database's tables do not fit this version
    └── RequestError           a request that is answered with a problem
        ├── BadRequestError    400  the body is not JSON
        ├── ForbiddenError     403  another site's page sent it
        ├── NotFoundError      404
        ├── ConflictError      409  the first request with this key is still being answered
        ├── MisdirectedError   421  asked for under a name that is not ours
        ├── MediaTypeError     415  the body is something else than JSON
        ├── InvalidError       422  well-formed, but not what is wanted; `errors` says where
        └── UnavailableError   503  ours, and it passes: come back later

`service.refusals` turns these, the engine's and Flask's own into one shape of answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class ServiceError(Exception):
    """Base of all errors of the service; `str(error)` is the message."""


class StartError(ServiceError):
    """The service cannot start as it is set up."""


class SettingsError(StartError):
    """A setting is unknown or cannot be read."""


class StorageError(StartError):
    """The database cannot be used where it lies."""


class SchemaError(StartError):
    """The tables of the database do not fit this version of Nudge."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request: `pointer` is a JSON pointer into the body, `parameter`
    the name of a query parameter or header."""

    message: str
    pointer: str | None = None
    parameter: str | None = None


class RequestError(ServiceError):
    """A request that is answered with a problem of this `status` and stable `code`."""

    status = 500
    code = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        errors: Sequence[Fault] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.hint = hint
        self.errors = tuple(errors)
        self.retry_after = retry_after


class BadRequestError(RequestError):
    """The body is not JSON."""

    status, code = 400, "malformed_json"


class ForbiddenError(RequestError):
    """The request comes from a page of another site."""

    status, code = 403, "cross_site"


class NotFoundError(RequestError):
    """There is no such thing, or not any more."""

    status, code = 404, "not_found"


class ConflictError(RequestError):
    """Something else is going on with the same thing."""

    status, code = 409, "conflict"


class MediaTypeError(RequestError):
    """The body is something else than JSON."""

    status, code = 415, "unsupported_media_type"


class MisdirectedError(RequestError):
    """The request asks for a host that is not ours."""

    status, code = 421, "unknown_host"


class InvalidError(RequestError):
    """The request is well-formed, but not what is wanted."""

    status, code = 422, "invalid"


class UnavailableError(RequestError):
    """The service cannot answer now; nothing was stored."""

    status, code = 503, "unavailable"
