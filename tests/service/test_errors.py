"""Every way out of the API has one shape, and tells of an unforeseen error nothing but its id."""

from __future__ import annotations

import json
import logging
import sqlite3

import pytest
from flask import abort

from engine import ConfigError, OpError
from service import errors, refusals
from service.errors import RequestError

SECRET = "the password is swordfish"


def boom():
    raise RuntimeError(SECRET)


@pytest.fixture
def broken(make_app):
    """An app with addresses at which every kind of error comes up."""
    app = make_app()
    app.add_url_rule("/api/v1/boom", "boom", boom)
    app.add_url_rule("/boom", "page_boom", boom)
    app.add_url_rule("/api/v1/nan", "nan", lambda: {"x": float("nan")})
    app.add_url_rule("/api/v1/abort/<int:status>", "abort", lambda status: abort(status))
    return app.test_client()


WAYS_OUT = [
    ("GET", "/api/v1/nothing", {}, 404, "not_found"),
    ("GET", "/api", {}, 404, "not_found"),
    ("GET", "/api/", {}, 404, "not_found"),
    ("GET", "/api/v1/evaluations/", {}, 404, "not_found"),
    ("GET", "/api/v1/gradchecks/gc_1", {}, 404, "not_found"),
    ("GET", "/api/v1/ops/nothing", {}, 404, "not_found"),
    ("GET", "/api/v1/evaluations", {}, 405, "method_not_allowed"),
    ("DELETE", "/api/v1/gradchecks", {}, 405, "method_not_allowed"),
    ("POST", "/openapi.json", {}, 405, "method_not_allowed"),
    ("BREW", "/api/v1/ops", {}, 405, "method_not_allowed"),
    ("POST", "/api/v1/evaluations", {"data": "{", "content_type": "application/json"}, 400, None),
    ("POST", "/api/v1/evaluations", {"data": "{}"}, 415, "unsupported_media_type"),
    ("POST", "/api/v1/evaluations", {"json": {"source": "x" * 300_000}}, 413, "too_large"),
    ("POST", "/api/v1/evaluations", {"json": {"source": "x +"}}, 422, None),
    ("POST", "/api/v1/evaluations", {"json": {}}, 422, "invalid"),
    ("GET", "/api/v1/gradchecks?limit=x", {}, 422, "invalid"),
    ("GET", "/api/v1/ops", {"headers": {"Host": "evil.example"}}, 421, "unknown_host"),
    ("POST", "/api/v1/runs", {"headers": {"Origin": "http://evil.example"}}, 403, "cross_site"),
    ("GET", "/api/v1/boom", {}, 500, "internal_error"),
    ("GET", "/api/v1/nan", {}, 500, "internal_error"),
    *(("GET", f"/api/v1/abort/{status}", {}, status, None) for status in (400, 401, 403, 409)),
    *(("GET", f"/api/v1/abort/{status}", {}, status, None) for status in (414, 429, 431, 501, 503)),
]


@pytest.mark.parametrize(("method", "path", "options", "status", "code"), WAYS_OUT)
def test_way_out_is_a_problem(broken, method, path, options, status, code):
    answer = broken.open(path, method=method, **options)
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    problem = json.loads(answer.data)
    assert {"type", "title", "status", "detail", "instance", "code"} <= problem.keys()
    assert problem["status"] == status
    assert problem["instance"] == answer.headers["X-Request-ID"]
    assert code in (None, problem["code"])
    assert SECRET not in answer.text
    for name in ("X-Content-Type-Options", "Content-Security-Policy"):
        assert name in answer.headers


def test_unforeseen_error_is_logged_whole(broken, caplog):
    with caplog.at_level(logging.ERROR):
        broken.get("/api/v1/boom")
    assert SECRET in caplog.text
    assert "Traceback" in caplog.text


def test_page_of_an_unforeseen_error_tells_nothing(broken):
    answer = broken.get("/boom")
    assert answer.status_code == 500
    assert answer.mimetype == "text/html"
    assert SECRET not in answer.text
    assert answer.headers["X-Request-ID"] in answer.text


def test_allowed_methods_are_named(client):
    assert "POST" in client.get("/api/v1/evaluations").headers["Allow"]
    assert "GET" in client.delete("/api/v1/gradchecks").headers["Allow"]


def test_head_carries_no_body(client):
    answer = client.head("/api/v1/nothing")
    assert (answer.status_code, answer.data) == (404, b"")


def test_doubled_slash_is_redirected(client):
    assert client.get("/api//v1/ops").status_code == 308


def test_locked_database_is_a_503(client, settings):
    other = sqlite3.connect(settings.data_dir / "nudge.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        answer = client.post("/api/v1/gradchecks", json={"source": "x*1", "at": {"x": 1}})
    finally:
        other.close()
    assert (answer.status_code, answer.json["code"]) == (503, "storage_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert client.get("/api/v1/gradchecks").json["items"] == []


def test_full_disk_is_a_503(client, settings, database):
    with database.write() as session:
        connection = session.connection()
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    statuses = set()
    for _ in range(40):
        body = {"source": "x*1", "at": {"x": [0.123456789] * 1}, "claimed": {"x": [1] * 1}}
        statuses.add(client.post("/api/v1/gradchecks", json=body).status_code)
    assert statuses <= {201, 503}
    assert 503 in statuses
    with database.write() as session:
        session.connection().exec_driver_sql("PRAGMA max_page_count=1000000")
    assert client.post("/api/v1/gradchecks", json=body).status_code == 201


def test_missing_tables_are_a_503(client, settings):
    with sqlite3.connect(settings.data_dir / "nudge.db") as raw:
        raw.execute("DROP TABLE gradcheck")
    assert client.get("/api/v1/gradchecks").status_code == 503


def families(base):
    yield base
    for below in base.__subclasses__():
        yield from families(below)


def test_every_error_stands_in_the_tree():
    """The drawing at the top of service/errors.py is complete."""
    for family in families(errors.ServiceError):
        if family.__module__ == "service.errors":
            assert family.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("family", list(families(RequestError)), ids=lambda f: f.__name__)
def test_error_has_status_and_code(family):
    problem = refusals.problem_of(family("message"))
    assert (problem.status, problem.code) == (family.status, family.code)
    assert problem.title


def test_every_mistake_of_a_configuration_is_listed():
    problem = refusals.problem_of(ConfigError([("/steps", "too many"), ("/seed", "negative")]))
    assert [fault.pointer for fault in problem.errors] == ["/steps", "/seed"]
    assert problem.status == 422


def test_broken_operation_is_named():
    problem = refusals.problem_of(OpError("silu failed: ValueError: no"))
    assert "silu" in problem.detail
