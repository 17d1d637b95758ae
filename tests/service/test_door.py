"""The door: request ids, foreign hosts and sites, strict headers."""

from __future__ import annotations

import re

import pytest

OPS = "/api/v1/ops"
POST = "/api/v1/evaluations"
BODY = {"source": "x*1", "at": {"x": 1}}


def test_request_gets_an_id(client):
    first, second = (client.get(OPS).headers["X-Request-ID"] for _ in range(2))
    assert re.fullmatch(r"[0-9a-f]{16}", first)
    assert first != second


def test_given_id_is_kept(client):
    answer = client.get(OPS, headers={"X-Request-ID": "abc-123"})
    assert answer.headers["X-Request-ID"] == "abc-123"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, '"><script>', "é"])
def test_unusable_id_is_replaced(client, given):
    answer = client.get(OPS, headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] != given


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:81", "[::1]:8000"])
def test_own_names_are_answered(client, host):
    assert client.get(OPS, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io:80"])
def test_other_names_are_refused(client, host):
    for path in (OPS, "/", "/openapi.json"):
        assert client.get(path, headers={"Host": host}).status_code == 421


def test_listed_names_are_answered(make_app):
    client = make_app(allowed_hosts=("nudge.example.org",)).test_client()
    assert client.get(OPS, headers={"Host": "Nudge.Example.org:443"}).status_code == 200
    assert client.get(OPS, headers={"Host": "localhost"}).status_code == 421


def test_open_service_answers_any_name(make_app):
    client = make_app(allow_open=True).test_client()
    assert client.get(OPS, headers={"Host": "anything.example"}).status_code == 200


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:9999"},
]
OWN = [
    {},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://localhost"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_other_sites_change_nothing(client, headers):
    answer = client.post(POST, json=BODY, headers=headers)
    assert (answer.status_code, answer.json["code"]) == (403, "cross_site")
    assert client.get(OPS, headers=headers).status_code == 200


@pytest.mark.parametrize("headers", OWN, ids=str)
def test_own_pages_and_programs_may_post(client, headers):
    assert client.post(POST, json=BODY, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/", OPS, "/docs", "/docs/static/docs.js", "/nothing"])
def test_headers_are_strict_everywhere(client, path):
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_answers_of_the_api_are_not_kept(client):
    assert client.get("/api/v1/gradchecks").headers["Cache-Control"] == "no-store"
