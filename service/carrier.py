"""The carrier: Huey with a SQLite file of its own, bringing run ids to the workers.

Huey neither acknowledges nor redelivers, hence the lease in `service.jobs`; a run whose message
is lost is enqueued again by the reaper. Another server is another class of Huey here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huey import SqliteHuey
from huey.registry import Message
from huey.serializer import Serializer

FILE = "queue.db"

Deliver = Callable[[str], None]


class JsonSerializer(Serializer):  # type: ignore[misc]
    """Messages as JSON: Huey's own are pickles, and reading those can execute what they say."""

    def _serialize(self, data: Any) -> bytes:
        return json.dumps(data).encode()

    def _deserialize(self, data: bytes) -> Any:
        return Message(*json.loads(data))


class Carrier:
    """The queue in `folder`. A message is the public id of a run and nothing else.

    `deliver` is what a worker does with a message; the web process has no use for it.
    """

    def __init__(self, folder: Path, deliver: Deliver | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.huey = SqliteHuey(
            "nudge",
            filename=str(folder / FILE),
            fsync=True,
            strict_fifo=True,
            results=False,
            serializer=JsonSerializer(),
        )
        self.deliver = deliver
        # Retries belong to the lease; Huey's own would be a second opinion.
        self._task = self.huey.task(name="execute", retries=0)(self._receive)

    def enqueue(self, run_id: str) -> None:
        """Hand the run with this public id to some worker; raises what SQLite raises."""
        self._task(run_id)

    def waiting(self) -> frozenset[str]:
        """The ids of the messages under way."""
        return frozenset(task.args[0] for task in self.huey.pending())

    def ping(self) -> None:
        """Return if messages can be carried, else raise."""
        self.huey.pending_count()

    def _receive(self, run_id: str) -> None:
        if self.deliver is not None:
            self.deliver(run_id)
