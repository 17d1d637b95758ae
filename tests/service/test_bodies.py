"""Bodies are read strictly: what JSON has no word for is refused, and where it stands is said."""

from __future__ import annotations

import pytest

URL = "/api/v1/evaluations"


def send(client, body, content_type="application/json"):
    return client.post(URL, data=body, content_type=content_type)


MALFORMED = {
    "empty": b"",
    "cut off": b'{"source": "x"',
    "single quotes": b"{'source': 'x'}",
    "trailing comma": b'{"source": "x",}',
    "two documents": b"{} {}",
    "latin-1": '{"source": "ü"}'.encode("latin-1"),
    "utf-16": '{"source": "x"}'.encode("utf-16"),
    "name twice": b'{"source": "x", "source": "y"}',
    "comment": b'{"source": "x"} // hello',
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 40_000,
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_malformed_json_is_said_to_be(client, body):
    answer = send(client, body)
    assert (answer.status_code, answer.json["code"]) == (400, "malformed_json")


NUMBERS = ["NaN", "Infinity", "-Infinity", "1e400", "-1e999", "9" * 400]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: text[:9])
def test_number_beyond_json_is_pointed_at(client, number):
    answer = send(client, f'{{"source": "x", "at": {{"x": [1, {number}]}}}}')
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/at/x/1"


def test_very_long_integer_is_a_float(client):
    body = f'{{"source": "x*1", "at": {{"x": 1{"0" * 30}}}}}'
    assert send(client, body).json["value"] == 1e30


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "\\udfff x"])
def test_text_that_cannot_be_kept_is_pointed_at(client, text):
    answer = send(client, f'{{"source": "{text}"}}')
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/source"
    assert send(client, f'{{"source": "x", "{text}": 1}}').status_code == 422


def test_paired_surrogates_are_a_letter(client):
    answer = send(client, '{"source": "y = x # \\ud83d\\ude00", "at": {"x": 1}}')
    assert answer.status_code == 200


@pytest.mark.parametrize("document", ["[]", "3", '"x"', "null", "true"])
def test_body_must_be_an_object(client, document):
    answer = send(client, document)
    assert answer.status_code == 422
    assert answer.json["errors"] == [{"pointer": "", "message": "A JSON object is wanted."}]


def test_nesting_has_an_end(client):
    deep = "[" * 60 + "1" + "]" * 60
    answer = send(client, f'{{"source": "x", "at": {{"x": {deep}}}}}')
    assert answer.status_code == 422


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_other_media_are_refused(client, kind):
    answer = send(client, b'{"source": "x"}', kind)
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/merge+json"])
def test_json_by_other_names_is_read(client, kind):
    assert send(client, b'{"source": "x*1", "at": {"x": 1}}', kind).status_code == 200


def test_large_body_is_refused(client, settings):
    answer = send(client, b'{"source": "%s"}' % (b"x" * settings.max_body_bytes))
    assert (answer.status_code, answer.json["code"]) == (413, "too_large")
    assert str(settings.max_body_bytes) in answer.json["detail"]
