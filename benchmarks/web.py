"""Requests a second: the service beside a bare Flask app, both under granian as Nudge runs it.

    python -m benchmarks.web

The servers stay on one core and the load on another; they take turns, so that a busy machine slows
all of them. Eight connections are kept alive.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence

from benchmarks.contest import ONE_THREAD, one_core
from benchmarks.targets import ECHO
from service.web import THREADS

ROUNDS = 5
SECONDS = 2
WARM_UP = 1
PATIENCE = 60.0
"""Seconds that a server has to come up."""

SOURCE = "t = tanh((a*b + c)*f)\ny = t*t + a"
NEW = f"{SOURCE} + COUNT"
"""A program that nobody has asked about before: the service knows again what it has just read."""
AT = {"a": 2.0, "b": -3.0, "c": 10.0, "f": -0.2}

ASKED = {
    ECHO: ("/echo", {"x": [0.5 + i / 7 for i in range(16)]}),
    "evaluations": ("/api/v1/evaluations", {"source": SOURCE, "at": AT}),
    "evaluations, new": ("/api/v1/evaluations", {"source": NEW, "at": AT}),
    "gradchecks": ("/api/v1/gradchecks", {"source": SOURCE, "at": AT}),
    "gradchecks, new": ("/api/v1/gradchecks", {"source": NEW, "at": AT}),
}
"""What is posted, and where."""

GRANIAN = ("--interface", "wsgi", "--workers", "1", "--blocking-threads", str(THREADS))


def measure() -> dict[str, list[float]]:
    """Requests a second of each, round by round."""
    rates: dict[str, list[float]] = {name: [] for name in ASKED}
    with tempfile.TemporaryDirectory() as data, _bare() as bare, _nudge(data) as nudge:
        ports = {name: bare if name == ECHO else nudge for name in ASKED}
        for name, port in ports.items():
            _load(name, port, WARM_UP)
        for _ in range(ROUNDS):
            for name, port in ports.items():
                rates[name].append(_load(name, port, SECONDS))
    return rates


def _load(name: str, port: int, seconds: int) -> float:
    path, body = ASKED[name]
    command = [sys.executable, "-m", "benchmarks.load", str(port), path, json.dumps(body)]
    ended = subprocess.run([*command, str(seconds)], capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"{name}: {ended.stderr.strip()[-500:]}")
    return float(ended.stdout)


@contextlib.contextmanager
def _bare() -> Iterator[int]:
    port = _free_port()
    command = [sys.executable, "-m", "granian", *GRANIAN, "--port", str(port)]
    with _server([*command, "benchmarks.echo:app"], port):
        yield port


@contextlib.contextmanager
def _nudge(data: str) -> Iterator[int]:
    port = _free_port()
    with _server(
        [sys.executable, "-m", "service.cli", "serve"],
        port,
        NUDGE_DATA_DIR=data,
        NUDGE_PORT=str(port),
    ):
        yield port


@contextlib.contextmanager
def _server(command: Sequence[str], port: int, **environment: str) -> Iterator[None]:
    """A server, on the last core that we may use, while the block lasts."""
    with tempfile.TemporaryFile() as log:  # written, since a request's line is part of its cost
        process = subprocess.Popen(
            command,
            env=os.environ | ONE_THREAD | environment,
            stdout=log,
            stderr=log,
            preexec_fn=one_core,
        )
    try:
        _wait_for(process, port)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/health/ready", timeout=2)
            return
        time.sleep(0.1)
    raise RuntimeError("the server did not come up")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    for name, rates in measure().items():
        print(f"{name}: {statistics.median(rates):,.0f} requests a second")
