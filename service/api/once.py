"""Idempotency-Key for views that create something: `@once`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, ParamSpec

from flask import Response, g, jsonify, request
from flask_smorest import Blueprint
from sqlalchemy.orm import Session

from service import idempotency
from service.api import body
from service.context import current
from service.db import WASTED
from service.errors import Fault, InvalidError
from service.idempotency import Answer, Reservation

P = ParamSpec("P")

KEY_LENGTH = 255
PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A key of your own choice, for instance a UUID. The same request with the same "
    "key is carried out once; later ones get the first answer, marked Idempotency-Replayed.",
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH, "pattern": "^[!-~]+$"},
}


def once(view: Callable[P, Response]) -> Callable[P, Response]:
    """Carry out the same request only once. The view answers by `created`."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return view(*args, **kwargs)
        context = current()
        got = idempotency.reserve(
            context.database, context.clock, str(request.endpoint), _checked(key), _body_hash()
        )
        if isinstance(got, Answer):
            return _response(got, replayed=True)
        g.reservation = got
        try:
            return view(*args, **kwargs)
        except BaseException:
            # Nothing was stored; if the key cannot be given back now, a minute will do it.
            with suppress(*WASTED):
                idempotency.release(context.database, got)
            raise

    documented: Callable[P, Response] = Blueprint.doc(parameters=[PARAMETER])(guarded)
    return documented


def created(session: Session, status: int, document: Any, location: str) -> Response:
    """The answer of a view that creates: call it in the transaction that stores the effect."""
    text = jsonify(document).get_data(as_text=True)
    answer = Answer(status, {"Location": location}, text)
    reservation: Reservation | None = g.get("reservation")
    if reservation is not None:
        idempotency.keep(session, reservation, answer)
    return _response(answer)


def _response(answer: Answer, replayed: bool = False) -> Response:
    headers = answer.headers | ({"Idempotency-Replayed": "true"} if replayed else {})
    return Response(answer.body, answer.status, headers, mimetype="application/json")


def _checked(key: str) -> str:
    if not 0 < len(key) <= KEY_LENGTH or not all("!" <= sign <= "~" for sign in key):
        message = f"1 to {KEY_LENGTH} printable ASCII signs without blanks are wanted."
        fault = Fault(message, parameter="Idempotency-Key")
        raise InvalidError("The Idempotency-Key cannot be used.", errors=[fault])
    return key


def _body_hash() -> str:
    text = json.dumps(body.read(request), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
