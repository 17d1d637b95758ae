"""The page on the API: its routes and the shapes of what goes in and comes out."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from docs.tables.expressions import vocabulary
from docs.tables.markdown import code, codes, table
from service.app import create_app
from service.config import Settings

Shape = Mapping[str, Any]

PAGES = {
    "/": "The first page: an expression in a form, its graph and its gradients.",
    "/graph.svg": "The graph of the first page as a picture.",
    "/graph.dot": "The graph of the first page as DOT text.",
    "/openapi.json": "The description of the API for programs (OpenAPI 3.1).",
    "/docs": "The same description for people, with a form to try each operation.",
}
"""Addresses that are not of the API. What a page loads for itself, pictures and such, is not told
of."""

WORDS = {"number": "number", "integer": "whole number", "string": "text", "boolean": "true, false"}
NAMED = {"Numbers": "number or array", "NumbersOut": "number or array"}


@functools.cache
def app() -> Flask:
    """The service as it is without any setting."""
    with tempfile.TemporaryDirectory() as folder:
        return create_app(Settings(data_dir=Path(folder)), vocabulary=vocabulary())


@functools.cache
def description() -> dict[str, Any]:
    """What /openapi.json says."""
    document: dict[str, Any] = app().test_client().get("/openapi.json").get_json()
    return document


def operations() -> Iterator[tuple[str, str, Shape]]:
    """Each operation of the API: method, path, description."""
    for path, item in description()["paths"].items():
        for method in ("get", "post", "put", "patch", "delete"):
            if method in item:
                yield method.upper(), path, item[method]


def routes() -> str:
    """Every operation of the API."""
    return table(
        ("Request", "Answer", "What it does"),
        (
            (code(f"{method} {path}"), _success(operation), operation["summary"])
            for method, path, operation in operations()
        ),
    )


def pages() -> str:
    """Every other address."""
    return table(("Address", "What it is"), ((code(path), text) for path, text in PAGES.items()))


def queries() -> str:
    """What may stand behind the question mark of a path."""
    rows = []
    for _, path, operation in operations():
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "query":
                schema = parameter["schema"]
                words = _sentence(parameter.get("description", ""), schema)
                rows.append((code(path), code(parameter["name"]), kind(schema), words))
    return table(("Path", "Parameter", "What is wanted", "What it does"), rows)


def shape(name: str, prefix: str = "") -> str:
    """The fields of one of the description's schemas."""
    properties = description()["components"]["schemas"][name]["properties"]
    return table(
        ("Field", "Holds", "What it is"),
        (
            (code(prefix + key), kind(field), _sentence(field.get("description", ""), field))
            for key, field in properties.items()
        ),
    )


def kind(schema: Shape) -> str:
    """What a field holds, in few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return NAMED.get(name, "object")
    if "enum" in schema:
        return codes(choice for choice in schema["enum"] if choice is not None)
    if "const" in schema:
        return code(schema["const"])
    if "anyOf" in schema:
        words = [kind(choice) for choice in schema["anyOf"]]
        return " or ".join(dict.fromkeys(words))
    given: str | list[str] = schema.get("type", "anything")
    types = given if isinstance(given, list) else [given]
    return " or ".join(_word(name, schema) for name in types)


def _word(name: str, schema: Shape) -> str:
    if name == "array":
        return f"list of {kind(schema['items'])}"
    if name == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"{kind(schema['additionalProperties'])} by name"
    if name == "string" and schema.get("format") == "date-time":
        return "time in UTC"
    return WORDS.get(name, name)


def _success(operation: Shape) -> str:
    statuses: list[str] = sorted(operation["responses"])
    return next(status for status in statuses if status.startswith("2"))


def _sentence(text: str, schema: Shape) -> str:
    parts = [text.rstrip(".") or None, allowed(schema), default(schema)]
    return "; ".join(part for part in parts if part)


def allowed(schema: Shape) -> str | None:
    """The range of a number, in words."""
    low, high = schema.get("minimum"), schema.get("maximum")
    parts = [
        None if low is None else f"from {_number(low)}",
        f"above {schema['exclusiveMinimum']:g}" if "exclusiveMinimum" in schema else None,
        None if high is None else f"to {_number(high)}",
        f"below {schema['exclusiveMaximum']:g}" if "exclusiveMaximum" in schema else None,
    ]
    return " ".join(part for part in parts if part) or None


def _number(x: float) -> str:
    return f"{x:,}" if isinstance(x, int) else f"{x:,g}"


def default(schema: Shape) -> str | None:
    """What is taken where nothing is said."""
    given = schema.get("default")
    if given is None or given == {}:
        return None
    text = str(given).lower() if isinstance(given, bool) else str(given).replace("'", '"')
    return f"by default {code(text)}"
