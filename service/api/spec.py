"""The OpenAPI description, and blueprints whose errors are problems.

Five places in which flask-smorest or apispec would describe something else than happens are
mended here; `tests/service/test_schemathesis.py` holds description and behaviour together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, NoReturn, Protocol, TypeVar, cast

from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Request
from flask_smorest import Api, Blueprint
from flask_smorest.utils import prepare_response
from marshmallow import RAISE, Schema, ValidationError, validate
from marshmallow.fields import Field
from webargs.flaskparser import FlaskParser
from werkzeug.http import HTTP_STATUS_CODES

from service.api import body
from service.api.body import escaped
from service.api.fields import QueryInt, QueryText
from service.api.schemas import Problem
from service.api.shapes import SHAPES
from service.errors import Fault, InvalidError
from service.refusals import PROBLEM, answer

OPTIONS = {
    "API_TITLE": "Nudge",
    "API_VERSION": "v1",
    "OPENAPI_VERSION": "3.1.0",
    "OPENAPI_URL_PREFIX": "/",
    "OPENAPI_JSON_PATH": "openapi.json",
    "API_SPEC_OPTIONS": {
        "info": {
            "description": "Evaluate an expression, have its gradient checked, train a small "
            "network and read its loss curve. Errors are application/problem+json (RFC 9457)."
        },
        "servers": [{"url": "/"}],
    },
}


View = TypeVar("View", bound=Callable[..., Any])


class Decorator(Protocol):
    """Takes a view and returns one; what it takes may change underway."""

    def __call__(self, view: View, /) -> View:
        """Decorate `view`."""
        ...


class Parser(FlaskParser):
    """Reads bodies strictly, refuses unknown names everywhere, and says where."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"json": RAISE, "query": RAISE}

    def load_json(self, req: Request, schema: Schema) -> Any:
        return body.read(req)

    def handle_error(
        self, error: ValidationError, req: Request, schema: Schema, **kwargs: Any
    ) -> NoReturn:
        faults: list[Fault] = []
        for location, messages in error.messages_dict.items():
            for steps, message in _leaves(messages):
                faults.append(_fault(location, steps, message))
        raise InvalidError("The request is not what is wanted here: see errors.", errors=faults)


class Resource(Blueprint):
    """A blueprint under /api/v1 whose arguments are read by `Parser`."""

    ARGUMENTS_PARSER = Parser()

    def __init__(self, name: str, path: str, description: str) -> None:
        super().__init__(
            name, f"service.api.{name}", url_prefix=f"/api/v1{path}", description=description
        )

    def route(self, rule: str, **options: Any) -> Decorator:
        """Serve the address `rule`, below the resource's own."""

        def decorate(view: View) -> View:
            named = self.doc(operationId=f"{self.name}_{view.__name__}")(view)
            return cast(View, super(Resource, self).route(rule, **options)(named))

        return decorate

    def arguments(self, schema: type[Schema], **options: Any) -> Decorator:
        """Read the body (or `location="query"`) by `schema` into the view's first argument."""
        # An instance, because of a class a new one would be made for each request.
        return cast(Decorator, super().arguments(schema(), **options))

    def response(
        self, status_code: int, schema: type[Schema] | None = None, **options: Any
    ) -> Decorator:
        """Answer with what the view returns, by `schema`; a Response goes out as it is."""
        return cast(Decorator, super().response(status_code, schema, **options))

    def alt_response(
        self, status_code: int, response: str | None = None, **options: Any
    ) -> Decorator:
        """Describe another answer; `response` names a problem, such as "NOT_FOUND"."""
        return cast(Decorator, super().alt_response(status_code, response, **options))


class ProblemApi(Api):
    """flask-smorest's Api with problems for errors, in description and in fact."""

    ERROR_SCHEMA = Problem

    def _register_error_handlers(self) -> None:
        self._app.register_error_handler(Exception, answer)

    def _register_responses(self) -> None:
        for status in HTTPStatus:
            if status >= 200:
                has_body = status not in (204, 304)
                self._describe(status.name, HTTP_STATUS_CODES.get(status, status.phrase), has_body)
        self._describe(self.DEFAULT_ERROR_RESPONSE_NAME, "A problem", True)
        self.ma_plugin.converter.add_attribute_function(described)
        self.ma_plugin.converter.add_attribute_function(exclusive)
        for name, shape in SHAPES.items():
            self.spec.components.schema(name, shape)

    def _register_pagination_header(self) -> None:
        """Our pages are in the body: `service.api.paging`."""

    def _register_etag_headers(self) -> None:
        """Nothing that can be edited exists yet."""

    def _describe(self, name: str, phrase: str, has_body: bool) -> None:
        response: dict[str, Any] = {"description": phrase}
        if has_body:
            response["schema"] = self.ERROR_SCHEMA
        prepare_response(response, self.spec, PROBLEM)
        self.spec.components.response(name, response, lazy=True)


def described(self: OpenAPIConverter, field: Field[Any], ret: Any, **kwargs: Any) -> dict[str, Any]:
    """A field of ours says itself what it is; a query parameter's absence is no null."""
    if isinstance(field, QueryInt | QueryText):
        ret.update({"type": ret["type"][0]} if isinstance(ret.get("type"), list) else {})
        if ret.get("default", 0) is None:
            del ret["default"]
        if "enum" in ret:
            ret["enum"] = [choice for choice in ret["enum"] if choice is not None]
    return dict(getattr(field, "openapi", {}))


def exclusive(self: OpenAPIConverter, field: Field[Any], ret: Any, **kwargs: Any) -> dict[str, Any]:
    """Bounds that are not themselves allowed; apispec writes them as if they were."""
    bounds: dict[str, Any] = {}
    for check in field.validators:
        if isinstance(check, validate.Range):
            if check.min is not None and not check.min_inclusive:
                ret.pop("minimum", None)
                bounds["exclusiveMinimum"] = check.min
            if check.max is not None and not check.max_inclusive:
                ret.pop("maximum", None)
                bounds["exclusiveMaximum"] = check.max
    return bounds


def _leaves(messages: Any, steps: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Each message of marshmallow's nested dictionaries with the way to it."""
    if isinstance(messages, dict):
        for step, below in messages.items():
            yield from _leaves(below, steps if step == "_schema" else (*steps, step))
    elif isinstance(messages, list | tuple):
        for message in messages:
            yield from _leaves(message, steps)
    else:
        yield steps, str(messages)


def _fault(location: str, steps: tuple[Any, ...], message: str) -> Fault:
    if location == "json":
        return Fault(message, pointer="".join(f"/{escaped(step)}" for step in steps))
    return Fault(message, parameter=".".join(map(str, steps)))
