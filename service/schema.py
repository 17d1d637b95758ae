"""Which tables the database has, and bringing it up to this version's.

Only `nudge migrate` changes the schema, one process at a time; web and worker wait for it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

import migrations
from service.db import Database
from service.errors import SchemaError

LOCK_SECONDS = 60.0
ADVISORY_LOCK = 0x6E75646765  # "nudge"


@dataclass(frozen=True)
class SchemaState:
    """What is there against what is wanted; `found` is None in an empty database."""

    found: str | None
    wanted: str
    status: Literal["empty", "older", "current", "newer"]

    @property
    def message(self) -> str:
        """A sentence for the operator."""
        return {
            "current": "The schema is up to date.",
            "empty": "The database has no tables yet. Run: nudge migrate",
            "older": f"The schema is at {self.found}, not at {self.wanted}. Run: nudge migrate",
            "newer": f"The schema is at {self.found}, which this version of Nudge does not know: "
            "the database was used by a newer one. Install that version again.",
        }[self.status]


def schema_state(database: Database) -> SchemaState:
    """The state of the schema. Raises what the driver raises if the database cannot be asked."""
    with database.read() as session:
        return _state(session.connection())


def migrate(database: Database) -> SchemaState:
    """Bring the schema up to date in one transaction, under a lock; returns the state before.

    Raises SchemaError if the schema is newer than this version, or the lock cannot be had.
    """
    with _locked(database), database.migration() as connection:
        before = _state(connection)
        if before.status == "newer":
            raise SchemaError(before.message)
        if before.status != "current":
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        return before


def wait_until_ready(
    database: Database, seconds: float = 60.0, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Return as soon as the schema is current.

    Raises SchemaError at once if it is newer, and after `seconds` if it is still not there.
    """
    pause, waited = 0.1, 0.0
    while (state := schema_state(database)).status != "current":
        if state.status == "newer" or waited >= seconds:
            raise SchemaError(state.message)
        sleep(pause)
        waited, pause = waited + pause, min(pause * 1.5, 1.0)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config


@cache
def _revisions() -> tuple[str, frozenset[str]]:
    """The newest revision of this version, and all it knows."""
    script = ScriptDirectory.from_config(_config())
    head = script.get_current_head()
    assert head is not None
    return head, frozenset(revision.revision for revision in script.walk_revisions())


def _state(connection: Connection) -> SchemaState:
    wanted, known = _revisions()
    found = MigrationContext.configure(connection).get_current_revision()
    if found is None:
        return SchemaState(None, wanted, "empty")
    if found not in known:
        return SchemaState(found, wanted, "newer")
    return SchemaState(found, wanted, "current" if found == wanted else "older")


@contextmanager
def _locked(database: Database) -> Iterator[None]:
    """Let one process through at a time. Whoever dies within gives the lock back by dying."""
    if database.file is None:
        with database.write() as session:
            session.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": ADVISORY_LOCK})
            yield
        return
    # A second SQLite file, because its locks are the same on every system.
    beside = database.file.with_name(database.file.name + ".migration")
    lock = sqlite3.connect(beside, timeout=LOCK_SECONDS, isolation_level=None)
    try:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise SchemaError(f"Another migration is running, by {beside}: {error}.") from error
        yield
    finally:
        lock.close()
