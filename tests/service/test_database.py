"""The database under threads, forks, locks and full disks: nothing lost, nothing half stored."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from service.db import Database
from service.errors import StorageError
from service.filesystems import network_filesystem
from service.models import Checkpoint, CurveChunk, GradCheck, Run, Series


def check_row(clock, number=0):
    return GradCheck(
        public_id=f"gc_{number}",
        created_at=clock(),
        source="x",
        at={},
        claimed=None,
        tolerance="student",
        verdict="pass",
        report={},
        program_hash="0",
        engine_version="0",
        op_set_hash="0",
    )


def count(database, model=GradCheck):
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(model))


def test_reading_session_cannot_write(database, clock):
    with pytest.raises(OperationalError, match="readonly"), database.read() as session:
        session.add(check_row(clock))
        session.flush()


def test_failed_block_stores_nothing(database, clock):
    with pytest.raises(ZeroDivisionError), database.write() as session:
        session.add(check_row(clock))
        session.flush()
        _ = 1 / 0
    assert count(database) == 0


def test_instants_come_back_in_utc(database, clock):
    with database.write() as session:
        session.add(check_row(clock))
    with database.read() as session:
        assert session.scalars(select(GradCheck.created_at)).one() == clock()
    with pytest.raises(Exception, match="time zone"), database.write() as session:
        row = check_row(clock, 1)
        row.created_at = clock().replace(tzinfo=None)
        session.add(row)


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_synchronous_is_as_promised(database, durable, level):
    with database.write(durable=durable) as session:
        assert session.scalar(text("PRAGMA synchronous")) == level
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA foreign_keys")) == 1


def test_read_then_write_never_deadlocks(settings, database, clock):
    """Six threads read, then write, in one transaction each: all of them get through."""
    patient = Database(settings.database, busy_seconds=30)
    with patient.write() as session:
        session.add(check_row(clock, 0))
    failures = []

    def add_many(thread):
        try:
            for i in range(25):
                with patient.write(durable=False) as session:
                    assert session.scalar(select(func.count()).select_from(GradCheck))
                    session.add(check_row(clock, f"{thread}-{i}"))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=add_many, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert count(patient) == 151


def _write_in_child(database, clock):
    with database.write() as session:
        session.add(check_row(clock, 2))


def test_connections_are_not_carried_over_a_fork(database, clock):
    with database.write() as session:
        session.add(check_row(clock, 1))
    child = multiprocessing.get_context("fork").Process(
        target=_write_in_child, args=(database, clock)
    )
    child.start()
    child.join(20)
    assert child.exitcode == 0
    assert count(database) == 2


def test_deleting_a_run_takes_its_curves_along(database, clock):
    with database.write() as session:
        run = Run(
            public_id="run_1",
            config={},
            config_hash="0",
            seed=1,
            engine_version="0",
            op_set_hash="0",
            steps_total=1,
            created_at=clock(),
        )
        session.add(run)
        session.flush()
        series = Series(run_id=run.id, name="loss", n=1)
        session.add_all([series, Checkpoint(run_id=run.id, step=1, data=b"", created_at=clock())])
        session.flush()
        session.add(CurveChunk(series_id=series.id, number=0, data=b"12345678"))
    with database.write() as session:
        session.execute(text("DELETE FROM run"))
    assert [count(database, model) for model in (Series, CurveChunk, Checkpoint)] == [0, 0, 0]


def test_full_disk_stores_nothing(settings, database, clock):
    with database.write() as session:
        pages = session.scalar(text("PRAGMA page_count"))
        session.execute(text(f"PRAGMA max_page_count={pages}"))
    with pytest.raises(OperationalError, match="full"), database.write() as session:
        for i in range(100):
            session.add(check_row(clock, i))
        session.flush()
    assert count(database) == 0


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "no url"])
def test_unusable_url_is_refused(url):
    with pytest.raises(StorageError):
        Database(url)


def test_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "nudge.db").write_bytes(b"something else entirely" * 100)
    with pytest.raises(Exception, match="not a database"):
        Database(f"sqlite:///{tmp_path}/nudge.db").ping()


MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/ann/my\\040disk xfs rw 0 0
host:/x /mnt/x fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/data", None),
        ("/home/bob/data", "nfs4"),
        ("/home/ann/my disk/data", None),
        ("/homework", None),
        ("/mnt/x", "fuse.sshfs"),
    ],
)
def test_network_file_system_is_recognised(tmp_path, folder, kind):
    table = tmp_path / "mounts"
    table.write_text(MOUNTS)
    assert network_filesystem(Path(folder), table) == kind
    assert network_filesystem(Path(folder), tmp_path / "missing") is None


def test_network_file_system_is_refused(tmp_path, monkeypatch):
    table = tmp_path / "mounts"
    table.write_text(f"server:/x {tmp_path.resolve()} nfs rw 0 0\n")
    monkeypatch.setattr("service.filesystems.MOUNTS", table)
    with pytest.raises(StorageError, match="network file system"):
        Database(f"sqlite:///{tmp_path}/nudge.db")


def test_locked_database_gives_up_in_time(settings, database, clock):
    other = sqlite3.connect(settings.data_dir / "nudge.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(OperationalError, match="locked"), database.write():
            pass
        assert count(database) == 0  # reading goes on
    finally:
        other.close()
