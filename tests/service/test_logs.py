"""Logs are JSON lines that name the request, and never what a student wrote."""

from __future__ import annotations

import io
import json
import logging
import warnings

import pytest

from service import logs


@pytest.fixture
def lines():
    """lines(): what was logged as JSON lines so far."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("INFO", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def test_request_is_logged_with_its_id(client, lines):
    client.get("/api/v1/ops?x=secret", headers={"X-Request-ID": "abc"})
    (line,) = [entry for entry in lines() if entry["logger"] == "nudge.requests"]
    assert line["request_id"] == "abc"
    assert line["message"] == "GET /api/v1/ops 200"
    assert line["milliseconds"] >= 0
    assert "secret" not in json.dumps(line)


def test_expression_is_not_logged(client, lines):
    client.post("/api/v1/evaluations", json={"source": "sekret*2", "at": {"sekret": 1}})
    client.get("/?source=sekret*2&at.sekret=1")
    assert "sekret" not in json.dumps(lines())


def test_warning_is_a_line_too(lines):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("the folder is gone", RuntimeWarning, stacklevel=1)
    (line,) = lines()
    assert (line["level"], line["logger"]) == ("warning", "py.warnings")
    assert "the folder is gone" in line["message"]


def test_record_stays_on_one_line(lines):
    logging.getLogger("nudge.test").error('a\nb "c" \u2028', extra={"where": object()})
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logging.getLogger("nudge.test").exception("oh")
    first, second = lines()
    assert first["message"] == 'a\nb "c" \u2028'
    assert "ZeroDivisionError" in second["traceback"]


def test_job_is_named_in_its_lines(lines):
    token = logs.job_id.set("run_1")
    logging.getLogger("nudge.test").warning("hello")
    logs.job_id.reset(token)
    assert lines()[0]["job_id"] == "run_1"


def test_health_is_not_worth_a_line(client, lines):
    client.get("/api/v1/health/live")
    client.get("/api/v1/health/ready")
    assert lines() == []
