"""A real worker for tests: its processes, its log, and nothing of it left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.serving import environment, until

QUICK = {
    "NUDGE_LEASE_SECONDS": "1.5",
    "NUDGE_HEARTBEAT_SECONDS": "0.1",
    "NUDGE_REAP_SECONDS": "0.2",
}
"""Settings under which a lost worker is noticed within seconds."""


@dataclass
class Working:
    """One running worker: the consumer and its children."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def children(self) -> list[int]:
        """Process ids: the caretaker and those that carry out runs."""
        own = self.process.pid
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{own}/task/{own}/children").read_text()
            return [int(word) for word in text.split()]
        return []

    @property
    def tree(self) -> list[int]:
        return [self.process.pid, *self.children]

    def executor(self) -> int:
        """The child that claimed a run last."""
        return [line["worker"] for line in self.lines() if line["message"] == "claimed"][-1]

    def lines(self) -> list[dict[str, Any]]:
        """What the worker has logged so far."""
        whole = self.log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def kill(self, *processes: int) -> None:
        """kill -9, of the whole tree by default; waits until they are gone."""
        doomed = processes or tuple(self.tree)
        for process in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        assert until(lambda: not any(map(self.alive, doomed)), 10)

    def alive(self, process: int) -> bool:
        """Whether the process exists and is no zombie."""
        if process == self.process.pid:
            return self.process.poll() is None
        with contextlib.suppress(OSError):
            return ") Z " not in Path(f"/proc/{process}/stat").read_text()
        return False

    def end(self, number: int = signal.SIGINT) -> int:
        """Send the signal to the consumer; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def working(
    folder: Path, *, module: str = "service.child", log: str = "worker.log", **settings: str
) -> Iterator[Working]:
    """A worker on the data in `folder`, quick to notice what is lost.

    It is started as `nudge serve` does it; module="service.cli" is `nudge worker`.
    """
    path = folder / log
    with path.open("ab") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "worker"],
            env=environment(folder, **QUICK | settings),
            cwd=folder,
            stderr=stderr,
        )
    worker = Working(process, path)
    seen = set(worker.tree)
    try:
        assert until(lambda: len(worker.children) >= 2 or process.poll() is not None, 20)
        assert process.poll() is None, path.read_text()
        seen |= set(worker.tree)
        yield worker
    finally:
        worker.kill(*(seen | set(worker.tree)))
