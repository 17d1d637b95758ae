"""What a request or a job may lean on, composed once and handed around as one thing."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Context:
    """The shared things; all of them may be used by many threads at once."""

    settings: Settings
    database: Database
    vocabulary: Vocabulary
    limits: Limits
    clock: Clock
    queue: Queue


def current() -> Context:
    """The context of the application that serves this request."""
    context: Context = current_app.extensions["nudge"]
    return context
