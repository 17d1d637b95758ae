"""`nudge serve`: web and worker as children, watched, restarted, and ended together."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from service.config import Settings

GRACE = 6.0
"""Seconds that children have to end by themselves, a running job's checkpoint included."""
PATIENCE = 90.0
"""Seconds that the web process has to answer its first request."""
PAUSES = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
"""Seconds before each next restart of a child that keeps dying."""
STEADY = 60.0
"""A child that lived this long has earned the shortest pause again."""

Say = Callable[[str], Any]


class ServeError(Exception):
    """Serving is refused or has failed; the message is for the operator."""


@dataclass
class Child:
    """One process under us, in a group of its own, so that Ctrl-C reaches it through us only."""

    kind: str
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    restart_at: float = field(default=0.0)

    def start(self, tether: int) -> None:
        command = [sys.executable, "-m", "service.child", self.kind, str(tether)]
        self.process = subprocess.Popen(command, pass_fds=(tether,), start_new_session=True)
        self.started = time.monotonic()

    def ended(self) -> int | None:
        """The exit code of a process that has ended, else None."""
        return None if self.process is None else self.process.poll()

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill_group(self) -> None:
        """End whatever is left of the group: a server's own children, too."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Supervisor:
    """Runs the children until it is told to stop, or the web process cannot be had."""

    def __init__(self, settings: Settings, say: Say) -> None:
        self.settings, self.say = settings, say
        self.stop = threading.Event()
        self.web = Child("web")
        self.children = [self.web, Child("worker")]

    def run(self, greeting: Say) -> int:
        """Serve in the foreground; the exit code. `greeting` is called once, when all answer."""
        reading, writing = os.pipe()
        previous = {n: signal.signal(n, self._asked) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            for child in self.children:
                child.start(reading)
            if self._answers():
                greeting(address(self.settings))
            while not self.stop.wait(0.2):
                self._look_after(reading)
            self.say("Stopping …")
            return 0
        finally:
            self._end()
            os.close(writing)
            os.close(reading)
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _asked(self, number: int, frame: object) -> None:
        if self.stop.is_set():
            for child in self.children:
                child.signal(signal.SIGKILL)
        self.stop.set()

    def _answers(self) -> bool:
        """Wait until the web process is ready; False if we were told to stop meanwhile."""
        deadline = time.monotonic() + PATIENCE
        while not self.stop.wait(0.1):
            code = self.web.ended()
            if code is not None:
                raise ServeError(f"The web process ended at its start (exit code {code}).")
            if _ready(self.settings):
                return True
            if time.monotonic() > deadline:
                raise ServeError(f"The web process did not answer within {PATIENCE:.0f} s.")
        return False

    def _look_after(self, tether: int) -> None:
        now = time.monotonic()
        for child in self.children:
            code = child.ended()
            if code is None or self.stop.is_set():
                continue
            if child.restart_at < child.started:
                child.deaths = 1 if now - child.started > STEADY else child.deaths + 1
                pause = PAUSES[min(child.deaths, len(PAUSES)) - 1]
                child.restart_at = now + pause
                self.say(
                    f"The {child.kind} process ended ({_cause(code)}); "
                    f"it is started again in {pause:g} s."
                )
            elif now >= child.restart_at:
                child.kill_group()
                child.start(tether)

    def _end(self) -> None:
        for child in self.children:
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        for child in self.children:
            if child.process is not None:
                try:
                    child.process.wait(max(deadline - time.monotonic(), 0.0))
                except subprocess.TimeoutExpired:
                    self.say(f"The {child.kind} process did not end in time: killed.")
        for child in self.children:
            child.kill_group()


def address(settings: Settings) -> str:
    """The URL at which a browser on this machine finds the service."""
    host = settings.host
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def guard(settings: Settings) -> None:
    """Raise ServeError where the address may not, or cannot, be bound."""
    if not settings.allow_open and not is_loopback(settings.host):
        raise ServeError(
            f"NUDGE_HOST={settings.host} would open Nudge to the network, and Nudge has no "
            "accounts yet: everybody who reaches it could use it.\n"
            "If that is meant, set NUDGE_ALLOW_OPEN=1."
        )
    try:
        family, kind, _, _, place = _resolved(settings.host, settings.port)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        raise ServeError(
            f"Nudge cannot listen on {settings.host} port {settings.port}: "
            f"{(error.strerror or str(error)).lower()}.\n"
            f"Choose another port: NUDGE_PORT={settings.port + 1} nudge serve"
        ) from None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`; a name counts by all its addresses."""
    try:
        places = {entry[4][0] for entry in _resolved(host, 0)}
        return all(ipaddress.ip_address(str(p).split("%")[0]).is_loopback for p in places)
    except (OSError, ValueError):
        return False


def _resolved(host: str, port: int) -> list[tuple[Any, Any, int, str, tuple[Any, ...]]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)


def _ready(settings: Settings) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=5)
    try:
        connection.request("GET", "/api/v1/health/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
