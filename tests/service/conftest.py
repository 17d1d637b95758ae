"""The service for tests: a real database in a folder of its own, a real app, a real server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from serving import ROOT, environment, free_port, until

from engine import registry
from service.app import create_app
from service.config import Settings
from service.db import Database
from service.schema import migrate


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **amount: float) -> None:
        self.now += timedelta(**amount)


@pytest.fixture(scope="session")
def vocabulary() -> registry.Vocabulary:
    return registry.load(entry_points=False)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty database at the newest schema."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("migrated"))
    database = Database(settings.database)
    migrate(database)
    database.close()
    return settings.data_dir / "nudge.db"


@pytest.fixture
def database(settings: Settings, migrated: Path) -> Iterator[Database]:
    shutil.copy(migrated, settings.data_dir)
    database = Database(settings.database, busy_seconds=0.2)
    yield database
    database.close()


@pytest.fixture
def make_app(
    settings: Settings, database: Database, vocabulary: registry.Vocabulary, clock: HandClock
) -> Callable[..., Flask]:
    """make_app(name=value, …): the app, with some settings changed."""

    def make(**changes: object) -> Flask:
        changed = replace(settings, **changes)
        return create_app(changed, database=database, vocabulary=vocabulary, clock=clock)

    return make


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def serve_web(tmp_path: Path, database: Database) -> Callable[..., AbstractContextManager[str]]:
    """serve_web(NUDGE_NAME="text", …): a granian process with the web part, by its address."""

    @contextmanager
    def serve(**settings: str) -> Iterator[str]:
        port = free_port()
        log = tmp_path / "web.log"
        process = subprocess.Popen(
            [sys.executable, "-m", "service.child", "web"],
            env=environment(tmp_path, NUDGE_PORT=str(port), **settings),
            cwd=ROOT,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=log.open("w"),
        )
        address = f"http://127.0.0.1:{port}"
        try:
            assert until(lambda: process.poll() is not None or answers(address)), "no answer"
            assert process.poll() is None, log.read_text()
            yield address
        finally:
            process.terminate()
            try:
                process.wait(10)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    return serve


def answers(address: str) -> bool:
    """Whether somebody serves there."""
    try:
        urllib.request.urlopen(address + "/api/v1/health/live", timeout=5).close()
    except OSError:
        return False
    return True


@pytest.fixture
def live(serve_web: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    """The address of a real server."""
    with serve_web() as address:
        yield address
