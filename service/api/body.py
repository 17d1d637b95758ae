"""A request's JSON body, read strictly: what JSON has no word for is refused with its place."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from flask import Request, g
from werkzeug.exceptions import RequestEntityTooLarge

from service.errors import BadRequestError, Fault, InvalidError, MediaTypeError

DEPTH = 50
LARGEST = "1.7976931348623157e308"


class _Duplicate(ValueError):
    """A name is given twice in one object."""


def read(request: Request) -> Any:
    """The body as Python objects; read once per request.

    Raises MediaTypeError if it is not declared as JSON, BadRequestError if it is not JSON, and
    InvalidError with a pointer for each number or text that cannot be kept.
    """
    if "body" not in g:
        g.body = _read(request)
    return g.body


def _read(request: Request) -> Any:
    if not request.is_json:
        raise MediaTypeError(
            "The body must be JSON.", hint="Send the header Content-Type: application/json."
        )
    raw = _bytes(request)
    try:
        document = json.loads(
            raw.decode("utf-8"),
            parse_int=_integer,
            parse_constant=float,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError as error:
        raise BadRequestError(f"The body is not UTF-8: byte {error.start + 1}.") from None
    except json.JSONDecodeError as error:
        raise BadRequestError(
            f"The body is not JSON: {error.msg}, at line {error.lineno} column {error.colno}."
        ) from None
    except _Duplicate as error:
        raise BadRequestError(str(error)) from None
    except RecursionError:
        raise BadRequestError("The body is nested too deeply.") from None
    faults = list(_faults(document))
    if faults:
        raise InvalidError("The body holds what cannot be kept: see errors.", errors=faults)
    return document


def _bytes(request: Request) -> bytes:
    raw = request.get_data()
    most = request.max_content_length
    # A body sent in chunks states no length, and Werkzeug then cuts it off at the limit.
    if most is not None and len(raw) >= most and request.environ["wsgi.input"].read(1):
        raise RequestEntityTooLarge
    return raw


def _integer(text: str) -> int | float:
    """An integer of ordinary size; a longer one only as near as a float comes."""
    return int(text) if len(text) <= 19 else float(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Duplicate(f"The name {twice!r} is given twice in one object.")
    return document


def _faults(document: Any) -> Iterator[Fault]:
    waiting: list[tuple[str, int, Any]] = [("", 0, document)]
    while waiting:
        pointer, depth, value = waiting.pop()
        if depth > DEPTH:
            yield Fault(f"Nested deeper than {DEPTH} levels.", pointer)
        elif isinstance(value, float) and not math.isfinite(value):
            yield Fault(f"Not a finite number within ±{LARGEST}.", pointer)
        elif isinstance(value, str):
            yield from _text_faults(value, pointer)
        elif isinstance(value, dict):
            for name, item in value.items():
                yield from _text_faults(name, pointer)
                waiting.append((f"{pointer}/{escaped(name)}", depth + 1, item))
        elif isinstance(value, list):
            waiting.extend((f"{pointer}/{i}", depth + 1, item) for i, item in enumerate(value))


def _text_faults(text: str, pointer: str) -> Iterator[Fault]:
    if "\0" in text or (not text.isprintable() and any("\ud800" <= c <= "\udfff" for c in text)):
        yield Fault("A text may not hold U+0000 or half of a surrogate pair.", pointer)


def escaped(name: object) -> str:
    """A name as one step of a JSON pointer."""
    return str(name).replace("~", "~0").replace("/", "~1")
