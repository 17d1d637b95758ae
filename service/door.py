"""What every request passes on its way in and out, pages and API alike."""

from __future__ import annotations

import itertools
import logging
import re
import secrets
import time
from urllib.parse import urlsplit

from flask import Flask, Response, g, request

from service import logs
from service.context import current
from service.errors import ForbiddenError, MisdirectedError

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
SAFE = ("GET", "HEAD", "OPTIONS")

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

QUIET = ("health.live", "health.ready")
"""Asked every few seconds by whoever watches over us; logged only when debugging."""

HEARD_OUT = 32 * 1024 * 1024
"""How many bytes of a refused body are read before the connection is closed on the rest."""

PROCESS = secrets.token_hex(4)
NUMBER = itertools.count(1)
"""Together the id of a request. They need not be secret, and asking the machine for chance each
time would let another thread in between."""

log = logging.getLogger("nudge.requests")


def install(app: Flask) -> None:
    """Let every request of `app` pass this door."""
    app.before_request(name_request)
    app.before_request(refuse_other_hosts)
    app.before_request(refuse_other_sites)
    app.after_request(send_headers)
    app.after_request(hear_out)
    app.after_request(log_request)


def name_request() -> None:
    """Take the request's id from its header if that is one, else give it one."""
    given = request.headers.get("X-Request-ID", "")
    ours = f"{PROCESS}{next(NUMBER):08x}"
    logs.request_id.set(given if REQUEST_ID.fullmatch(given) else ours)
    g.started = time.perf_counter()


def refuse_other_hosts() -> None:
    """A page elsewhere may point a name of its own at this address, to read us through a
    visitor's browser; such a request names that host."""
    allowed = current().settings.hosts
    host = request.headers.get("Host", "").lower()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if allowed is not None and name not in allowed:
        raise MisdirectedError(
            f"This service does not answer for the host {name[:80]!r}.",
            hint="The operator lists the names it has in NUDGE_ALLOWED_HOSTS.",
        )


def refuse_other_sites() -> None:
    """A form or script on another site may not change anything here in a visitor's name."""
    if request.method in SAFE:
        return
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        ours = site in ("same-origin", "none")
    else:
        ours = origin is None or urlsplit(origin).netloc == request.host
    if not ours:
        raise ForbiddenError("This request was sent by a page of another site.")


def send_headers(response: Response) -> Response:
    """Add the request's id and the headers that keep a browser strict."""
    response.headers.extend({**HEADERS, "X-Request-ID": logs.request_id.get() or ""})
    if request.path.startswith("/api/"):
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def hear_out(response: Response) -> Response:
    """Read on what a refused request still sends: most clients look at the answer only after
    they have sent everything, and would find the connection closed instead."""
    if response.status_code >= 400 and "Expect" not in request.headers:
        source, left = request.environ["wsgi.input"], HEARD_OUT
        while left > 0 and (piece := source.read(min(left, 1 << 16))):
            left -= len(piece)
    return response


def log_request(response: Response) -> Response:
    """One line for each request; without the query, which may hold a student's answer."""
    started = g.get("started")
    milliseconds = None if started is None else round((time.perf_counter() - started) * 1000, 1)
    level = logging.DEBUG if request.endpoint in QUIET else logging.INFO
    log.log(
        level,
        "%s %s %d",
        request.method,
        request.path[:200],
        response.status_code,
        extra={"status": response.status_code, "milliseconds": milliseconds},
    )
    return response
