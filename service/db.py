"""Sessions on the database: `read()` cannot write, `write()` holds the write lock from its start.

SQLite takes a transaction that has begun with a read and then wants to write for a deadlock and
fails at once, busy timeout or not; therefore every transaction that may write begins IMMEDIATE.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError, TimeoutError
from sqlalchemy.orm import Session

from service.errors import StorageError
from service.filesystems import network_filesystem

BUSY_SECONDS = 10.0

WASTED = (OperationalError, TimeoutError)
"""What a database raises that is locked, full or gone; the transaction has changed nothing."""

PROFILES: dict[str, dict[str, str | int]] = {
    "read": {"query_only": 1},
    "durable": {"synchronous": "FULL"},
    "relaxed": {"synchronous": "NORMAL"},
    # A batch migration drops and remakes a table, which would cascade its children away; within
    # a transaction this pragma does nothing, so it belongs to the connection.
    "migration": {"synchronous": "FULL", "foreign_keys": 0},
}
"""Per use of a connection, the pragmas in which it differs from `COMMON`."""

COMMON: dict[str, str | int] = {"journal_mode": "WAL", "foreign_keys": 1, "synchronous": "NORMAL"}


class Database:
    """A database by its SQLAlchemy URL. Connects on first use and anew after a fork; may be
    shared by threads. Raises StorageError for a URL or a place that cannot serve."""

    def __init__(self, url: str, busy_seconds: float = BUSY_SECONDS) -> None:
        try:
            self.url: URL = make_url(url)
        except ArgumentError as error:
            raise StorageError(f"The database URL cannot be read: {error}") from None
        self.busy_seconds = busy_seconds
        self._engines: dict[tuple[int, str], Engine] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        if self.is_sqlite:
            self._prepare_place()

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @property
    def file(self) -> Path | None:
        """The file of a SQLite database, else None."""
        return Path(self.url.database).absolute() if self.is_sqlite and self.url.database else None

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the database and cannot change it."""
        with Session(self._engine("read"), expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Session]:
        """A session whose changes go down together at the end of the block, or not at all.

        A durable change outlives a power cut; the points of a curve need not.
        """
        engine = self._engine("durable" if durable else "relaxed")
        session = Session(engine, expire_on_commit=False)
        with self._in_turn(), session, session.begin():
            session.connection()  # a session takes none, and so no lock, before its first use
            yield session

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """One writing thread at a time: who finds SQLite locked does not queue there, but tries
        again after growing pauses. After `busy_seconds` SQLite itself may refuse."""
        ours = self.is_sqlite and self._turn.acquire(timeout=self.busy_seconds)
        try:
            yield
        finally:
            if ours:
                self._turn.release()

    @contextmanager
    def migration(self) -> Iterator[Connection]:
        """A connection in a transaction for changes of the schema: foreign keys are not
        enforced within, but hold at its end, or nothing has changed."""
        with self._engine("migration").begin() as connection:
            yield connection
            if self.is_sqlite:
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
                if broken:
                    raise StorageError(f"The migration would leave {len(broken)} rows dangling.")

    def ping(self) -> None:
        """Return if the database answers, else raise what its driver raises."""
        with self.read() as session:
            session.connection().exec_driver_sql("SELECT 1")

    def close(self) -> None:
        """Close all idle connections of this process."""
        with self._lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()

    def _engine(self, profile: str) -> Engine:
        key = os.getpid(), profile
        with self._lock:
            if key not in self._engines:
                self._engines[key] = self._make(profile)
            return self._engines[key]

    def _make(self, profile: str) -> Engine:
        options: dict[str, Any] = {"poolclass": NullPool} if profile == "migration" else {}
        if not self.is_sqlite:
            return create_engine(self.url, pool_pre_ping=True, **options)
        if not options:
            options = {"pool_size": 4, "max_overflow": -1}  # as many as there are threads
        engine = create_engine(self.url, connect_args={"timeout": self.busy_seconds}, **options)
        pragmas = COMMON | PROFILES[profile]
        begin = "BEGIN" if profile == "read" else "BEGIN IMMEDIATE"

        @event.listens_for(engine, "connect")
        def connected(connection: sqlite3.Connection, record: object) -> None:
            connection.isolation_level = None  # else the driver begins transactions by itself
            connection.execute(f"PRAGMA busy_timeout={int(self.busy_seconds * 1000)}")
            for name, value in pragmas.items():
                connection.execute(f"PRAGMA {name}={value}")
            self._assert_pragmas(connection, pragmas)

        @event.listens_for(engine, "begin")
        def begun(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

        return engine

    def _assert_pragmas(
        self, connection: sqlite3.Connection, pragmas: dict[str, str | int]
    ) -> None:
        """SQLite ignores a pragma it cannot follow, so ask what became of each."""
        words = {"FULL": 2, "NORMAL": 1, "WAL": "wal"}
        for name, value in pragmas.items():
            got = connection.execute(f"PRAGMA {name}").fetchone()[0]
            if got != words.get(str(value), value):
                raise StorageError(f"SQLite does not follow PRAGMA {name}={value}: {self.file}")

    def _prepare_place(self) -> None:
        file = self.file
        if file is None or self.url.database == ":memory:":
            raise StorageError("The database must be a file: several processes share it.")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"The folder {file.parent} cannot be made: {error}") from None
        kind = network_filesystem(file.parent)
        if kind is not None:
            raise StorageError(
                f"{file} lies on a network file system ({kind}), where SQLite loses data. "
                "Set NUDGE_DATA_DIR to a folder on a disk of this machine."
            )
