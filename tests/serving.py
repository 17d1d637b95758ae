"""A real `nudge serve` for tests: started, waited for, ended, and nothing of it left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
NUDGE = [sys.executable, "-m", "service.cli"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """This environment with no other setting of Nudge than these, and data in `folder`. The web
    process stays cold, which spares each test a second or two, unless NUDGE_WARM is among them."""
    plain = {name: text for name, text in os.environ.items() if not name.startswith("NUDGE_")}
    ours = {"PYTHONPATH": str(ROOT), "NUDGE_DATA_DIR": str(folder), "NUDGE_WARM": "0"}
    return {**plain, **ours, **settings}


def until(happened: Callable[[], object], seconds: float = 30.0) -> bool:
    """Wait until `happened()` is true; whether it became so in time."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@dataclass
class Served:
    """One running `nudge serve`."""

    process: subprocess.Popen[str]
    url: str
    folder: Path

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return str(answer.read().decode())

    def descendants(self, kind: str = "") -> list[int]:
        """Process ids of everything started with our data folder, except the supervisor."""
        found = []
        mark = f"NUDGE_DATA_DIR={self.folder}".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                ours = mark in (entry / "environ").read_bytes().split(b"\0")
                line = (entry / "cmdline").read_bytes().decode().replace("\0", " ")
            except OSError:
                continue
            if ours and kind in line and line and int(entry.name) != self.process.pid:
                found.append(int(entry.name))
        return found

    def end(self, number: int = signal.SIGINT) -> int:
        """Send the signal; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def served(folder: Path, *options: str, **settings: str) -> Iterator[Served]:
    """`nudge serve` on a free port, once its greeting is on the screen."""
    port = free_port()
    process = subprocess.Popen(
        [*NUDGE, "serve", *options],
        env=environment(folder, NUDGE_PORT=str(port), **settings),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=(folder / "stderr.txt").open("w"),
        text=True,
    )
    service = Served(process, f"http://127.0.0.1:{port}", folder)
    try:
        assert process.stdout is not None
        greeting = process.stdout.readline()
        assert service.url in greeting, (folder / "stderr.txt").read_text()
        yield service
    finally:
        service.end()
        for left in service.descendants():
            os.kill(left, signal.SIGKILL)
