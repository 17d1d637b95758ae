"""What a request or a job may lean on, composed once and handed around as one thing."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from flask import current_app

from engine import Limits, Vocabulary
from service.clock import Clock
from service.config import Settings
from service.db import Database


class Queue(Protocol):
    """Carries the ids of runs to the workers. The row of the run is the truth, so a lost or
    doubled message does no harm."""

    def enqueue(self, run_id: str) -> None:
        """Hand the run with this public id to some worker."""

    def ping(self) -> None:
        """Return if messages can be carried, else raise."""


class Noted:
    """When this process last stored that something is used, by its hash, for the last `SIZE`
    that were: so that using it again at once need not ask the database."""

    SIZE = 4096

    def __init__(self) -> None:
        self._instants: OrderedDict[str, datetime] = OrderedDict()

    def within(self, span: timedelta, key: str, now: datetime) -> bool:
        """Whether `key` was noted, and less than `span` ago."""
        noted = self._instants.get(key)
        return noted is not None and now - noted < span

    def note(self, key: str, now: datetime) -> None:
        """Remember that the use of `key` is stored; call it once that is committed."""
        self._instants[key] = now
        if len(self._instants) > self.SIZE:
            self._instants.popitem(last=False)


@dataclass(frozen=True)
class Context:
    """The shared things; all of them may be used by many threads at once."""

    settings: Settings
    database: Database
    vocabulary: Vocabulary
    limits: Limits
    clock: Clock
    queue: Queue
    noted: Noted = field(default_factory=Noted)


def current() -> Context:
    """The context of the application that serves this request."""
    context: Context = current_app.extensions["nudge"]
    return context
