"""The real server: what a test client cannot show."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest


def ask(address, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def post(address, path, document, **headers):
    headers = {"Content-Type": "application/json"} | headers
    return ask(address, "POST", path, json.dumps(document), headers)


def raw(address, request):
    """The first bytes of the answer to bytes that no client library would send."""
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port), timeout=10) as wire:
        wire.sendall(request)
        return wire.recv(4096)


HEAD = b"POST /api/v1/evaluations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def test_live_server_keeps_its_word(live):
    """One server, several short stories: starting it is what takes the time."""
    status, headers, body = post(
        live, "/api/v1/gradchecks", {"source": "b = a + a", "at": {"a": 3}, "claimed": {"a": 1}}
    )
    assert (status, json.loads(body)["verdict"]) == (201, "fail")
    location = {name.lower(): value for name, value in headers.items()}["location"]
    assert json.loads(ask(live, "GET", location)[2]) == json.loads(body)

    status, _, body = ask(live, "GET", "/api/v1/nothing")
    assert (status, json.loads(body)["code"]) == (404, "not_found")

    large = {"source": "x" * 15_000_000}
    status, _, body = post(live, "/api/v1/evaluations", large)
    assert (status, json.loads(body)["code"]) == (413, "too_large")
    assert post(live, "/api/v1/nothing", large)[0] == 404

    status, _, _ = ask(live, "GET", "/api/v1/ops", headers={"Host": "evil.example"})
    assert status == 421


def test_bodies_of_no_stated_length_have_a_limit(live):
    small = b'{"source": "x*2", "at": {"x": 1}}'
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(small), small)
    answer = raw(live, HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunked)
    assert answer.split()[1] == b"200"

    def chunks():
        for _ in range(400):
            yield b" " * 1024

    request = urllib.request.Request(
        live + "/api/v1/evaluations",
        data=chunks(),
        headers={"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
        method="POST",
    )
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=20)
    assert error.value.code == 413
    assert ask(live, "GET", "/api/v1/health/live")[0] == 200


def test_threads_answer_for_themselves(live):
    """Eight clients at once: each gets its own value and its own request id."""
    wrong = []

    def client(number):
        for i in range(15):
            mark = f"{number}-{i}"
            x = number * 100 + i
            status, headers, body = post(
                live,
                "/api/v1/evaluations",
                {"source": "y = x * x", "at": {"x": x}},
                **{"X-Request-ID": mark},
            )
            told = {name.lower(): value for name, value in headers.items()}["x-request-id"]
            if (status, told, json.loads(body)["value"]) != (200, mark, x * x):
                wrong.append((status, told, body))

    threads = [threading.Thread(target=client, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
