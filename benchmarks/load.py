"""Load for a web server: the same POST over and over, on connections that are kept alive.

    python -m benchmarks.load PORT PATH BODY SECONDS

prints the requests answered in a second. COUNT in the body becomes another number each time. It
runs in a process, and on a core, of its own; wrk takes its place where there is one.
"""

from __future__ import annotations

import itertools
import os
import re
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

CONNECTIONS = 8
COUNT, START = "COUNT", time.time_ns() % 10**12
HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


class Connection:
    """One request after the other; counts the answers."""

    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.requests, self.answer, self.answered = requests, b"", 0
        self.socket.sendall(next(requests))

    def receive(self) -> None:
        """Take what has come; after a whole answer ask again. Raises RuntimeError for a refusal."""
        received = self.socket.recv(1 << 16)
        if not received:
            raise RuntimeError("the server closed the connection")
        self.answer += received
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found:
            return
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if length and len(body) >= int(length[1]):
            if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
                raise RuntimeError(self.answer[:300].decode(errors="replace"))
            self.answer = b""
            self.answered += 1
            self.socket.sendall(next(self.requests))


def own_client(port: int, path: str, body: str, seconds: float) -> float:
    """Requests a second, by this file alone."""

    def request(number: int) -> bytes:
        payload = body.replace(COUNT, str(number)).encode()
        head = {"Host": f"127.0.0.1:{port}", "Content-Length": len(payload), **HEADERS}
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
        return "\r\n".join([*lines, "", ""]).encode() + payload

    requests = map(request, itertools.count(START))
    with selectors.DefaultSelector() as selector:
        connections = [Connection(port, requests) for _ in range(CONNECTIONS)]
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        start = time.perf_counter()
        while (lasted := time.perf_counter() - start) < seconds:
            for key, _ in selector.select(timeout=5):
                key.data.receive()
        for connection in connections:
            connection.socket.close()
    return sum(connection.answered for connection in connections) / lasted


def wrk(port: int, path: str, body: str, seconds: float) -> float:
    """Requests a second, by wrk. Raises RuntimeError where any was refused."""
    lines = ['wrk.method = "POST"', f"wrk.body = [==[{body}]==]"]
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in HEADERS.items()]
    if COUNT in body:
        lines += [f"local n = {START}", "request = function()", "  n = n + 1"]
        lines += [f'  return wrk.format(nil, nil, nil, (wrk.body:gsub("{COUNT}", n)))', "end"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("\n".join(lines))
        script.flush()
        url = f"http://127.0.0.1:{port}{path}"
        options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "-s", script.name, url]
        report = subprocess.run(
            ["wrk", *options], capture_output=True, text=True, check=True
        ).stdout
    if "Non-2xx" in report or "Socket errors" in report:
        raise RuntimeError(report)
    return float(re.search(r"Requests/sec: *([\d.]+)", report)[1])


def main() -> None:
    port, path, body, seconds = sys.argv[1:]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    client = wrk if shutil.which("wrk") else own_client
    print(client(int(port), path, body, float(seconds)))


if __name__ == "__main__":
    main()
