"""Errors as a page: the same look, and a way on."""

from __future__ import annotations

from flask import Response, make_response, render_template


def error_page(status: int, title: str, detail: str, instance: str | None = None) -> Response:
    """The page for an HTTP error; `instance` names the request for whoever reports it."""
    body = render_template(
        "error.html", status=status, title=title, detail=detail, instance=instance
    )
    return make_response(body, status)
