"""Migrations: one at a time, all or nothing, no row lost, and refused for a newer schema."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from alembic import command
from serving import ROOT
from sqlalchemy import text

from service import schema
from service.db import Database
from service.errors import SchemaError, StorageError
from service.schema import migrate, schema_state, wait_until_ready


@pytest.fixture
def empty(settings):
    return Database(settings.database)


def alembic(database, what, *args):
    config = schema._config()
    with database.migration() as connection:
        config.attributes["connection"] = connection
        what(config, *args)


def tables(database):
    with database.read() as session:
        return set(session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table'")))


def test_migrating_twice_changes_nothing(empty):
    assert migrate(empty).status == "empty"
    assert migrate(empty).status == "current"
    assert schema_state(empty).status == "current"


def test_migrations_agree_with_the_models(empty):
    migrate(empty)
    alembic(empty, command.check)


def test_downgrade_leaves_nothing_behind(empty):
    migrate(empty)
    alembic(empty, command.downgrade, "base")
    assert tables(empty) == {"alembic_version"}
    assert migrate(empty).status == "empty"
    alembic(empty, command.check)


def test_newer_schema_is_refused(empty):
    migrate(empty)
    with empty.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert schema_state(empty).status == "newer"
    with pytest.raises(SchemaError, match="newer"):
        migrate(empty)
    with pytest.raises(SchemaError, match="newer"):
        wait_until_ready(empty, sleep=lambda seconds: pytest.fail("it waits for nothing"))


def test_waiting_ends_when_the_schema_is_there(empty):
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            migrate(empty)

    wait_until_ready(empty, sleep=sleep)
    assert len(waits) == 3


def test_waiting_ends_after_a_while(empty):
    waits = []
    with pytest.raises(SchemaError, match="nudge migrate"):
        wait_until_ready(empty, seconds=5, sleep=waits.append)
    assert 5 <= sum(waits) < 7


def test_concurrent_migrations_take_turns(settings):
    states, failures = [], []

    def run():
        try:
            states.append(migrate(Database(settings.database)).status)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(states) == ["current"] * 4 + ["empty"]


def test_failed_migration_changes_nothing(empty):
    with pytest.raises(ZeroDivisionError), empty.migration() as connection:
        connection.execute(text("CREATE TABLE half (id INTEGER)"))
        _ = 1 / 0
    assert tables(empty) == set()


def remake_parent(connection):
    """What a batch migration does to a table that others refer to."""
    connection.execute(text("CREATE TABLE fresh AS SELECT * FROM parent"))
    connection.execute(text("DROP TABLE parent"))
    connection.execute(text("CREATE TABLE parent (id INTEGER PRIMARY KEY)"))
    connection.execute(text("INSERT INTO parent SELECT id FROM fresh"))
    connection.execute(text("DROP TABLE fresh"))


@pytest.fixture
def family(empty):
    with empty.write() as session:
        session.execute(text("CREATE TABLE parent (id INTEGER PRIMARY KEY)"))
        session.execute(
            text("CREATE TABLE child (parent_id REFERENCES parent (id) ON DELETE CASCADE)")
        )
        session.execute(text("INSERT INTO parent VALUES (1)"))
        session.execute(text("INSERT INTO child VALUES (1), (1), (1)"))
    return empty


def children(database):
    with database.read() as session:
        return session.scalar(text("SELECT count(*) FROM child"))


def test_remade_parent_keeps_its_children(family):
    with family.migration() as connection:
        remake_parent(connection)
    assert children(family) == 3


def test_children_would_be_lost_otherwise(family):
    """The danger is real: in an ordinary transaction the same statements cascade."""
    with family.write() as session:
        remake_parent(session)
    assert children(family) == 0


def test_dangling_rows_stop_a_migration(family):
    with pytest.raises(StorageError, match="dangling"), family.migration() as connection:
        connection.execute(text("DELETE FROM parent"))
    assert children(family) == 3


def test_new_revision_can_be_written(tmp_path, settings):
    """`alembic`, which has no connection to be handed, finds the database by the settings."""
    migrate(Database(settings.database))
    code = (
        "from alembic import command; from service.schema import _config; command.check(_config())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"NUDGE_DATA_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
