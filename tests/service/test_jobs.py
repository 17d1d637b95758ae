"""The lease: one worker at a time, nothing from a late one, nothing left behind."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from service import jobs
from service.carrier import Carrier
from service.db import Database
from service.models import Run
from tests.service.rows import a_run

LEASE = 30.0
GRACE = 30.0


@pytest.fixture
def add_run(database, clock):
    """add_run(column=value, …): a run that waits, its public id."""

    def add(**columns):
        run = a_run(clock, **columns)
        with database.write() as session:
            session.add(run)
        return run.public_id

    return add


@pytest.fixture
def row(database):
    """row(public id): the run as it is stored."""

    def read(run_id):
        with database.read() as session:
            return session.query(Run).filter_by(public_id=run_id).one()

    return read


@pytest.fixture
def do(database, clock):
    """do(function, …): one of `jobs` in a transaction of its own."""

    def call(function, *args, **kwargs):
        with database.write() as session:
            return function(session, *args, **kwargs)

    return call


@pytest.fixture
def claim(do, clock):
    return lambda run_id: do(jobs.claim, run_id, clock(), LEASE)


@pytest.fixture
def reap(do, clock):
    return lambda carried=(): do(jobs.reap, clock(), GRACE, carried)


def columns(run):
    return {name: value for name, value in vars(run).items() if not name.startswith("_")}


def test_waiting_run_is_claimed_once(add_run, claim, row, clock):
    run_id = add_run()
    assert claim(run_id) is not None
    assert claim(run_id) is None
    run = row(run_id)
    assert (run.state, run.attempt) == ("running", 1)
    assert run.lease_until == clock() + timedelta(seconds=LEASE)


def test_unknown_run_is_not_claimed(claim):
    assert claim("run_unknown") is None


def test_live_lease_is_respected_to_its_end(add_run, claim, clock):
    run_id = add_run()
    claim(run_id)
    clock.forward(seconds=LEASE)
    assert claim(run_id) is None
    clock.forward(milliseconds=1)
    assert claim(run_id) is not None


def test_heartbeat_renews_the_lease(add_run, claim, do, row, clock):
    run_id = add_run()
    lease = claim(run_id)
    clock.forward(seconds=LEASE - 1)
    do(jobs.beat, lease, clock(), LEASE, 7)
    clock.forward(seconds=LEASE - 1)
    assert claim(run_id) is None
    assert row(run_id).steps_done == 7


LATE = {
    "beat": lambda lease, now: (jobs.beat, lease, now, LEASE, 9),
    "finish": lambda lease, now: (jobs.finish, lease, now, "succeeded"),
    "release": lambda lease, now: (jobs.release, lease, now),
    "cancel_requested": lambda lease, now: (jobs.cancel_requested, lease),
}


@pytest.mark.parametrize("name", LATE)
def test_late_worker_changes_nothing(name, add_run, claim, do, row, clock):
    run_id = add_run()
    late = claim(run_id)
    clock.forward(seconds=LEASE + 1)
    claim(run_id)
    before = columns(row(run_id))
    with pytest.raises(jobs.Lost):
        do(*LATE[name](late, clock()))
    assert columns(row(run_id)) == before


@pytest.mark.parametrize("name", LATE)
def test_worker_of_reaped_run_changes_nothing(name, add_run, claim, do, reap, row, clock):
    run_id = add_run()
    late = claim(run_id)
    clock.forward(seconds=LEASE + 1)
    reap()
    before = columns(row(run_id))
    with pytest.raises(jobs.Lost):
        do(*LATE[name](late, clock()))
    assert columns(row(run_id)) == before


@pytest.mark.parametrize("state", ["succeeded", "diverged", "failed", "cancelled"])
def test_ended_run_stays_as_it_is(state, add_run, claim, do, reap, row, clock):
    run_id = add_run()
    lease = claim(run_id)
    do(jobs.finish, lease, clock(), state)
    before = columns(row(run_id))
    clock.forward(days=1)
    assert not do(jobs.cancel, run_id, clock())
    assert claim(run_id) is None
    assert reap() == []
    with pytest.raises(jobs.Lost):
        do(jobs.finish, lease, clock(), "failed", ("late", "too late"))
    assert columns(row(run_id)) == before


def test_failure_has_code_and_message(add_run, claim, do, row, clock):
    run_id = add_run()
    do(jobs.finish, claim(run_id), clock(), "failed", ("op_error", "sinh failed"))
    run = row(run_id)
    assert (run.state, run.error_code, run.error_message) == ("failed", "op_error", "sinh failed")
    assert run.finished_at == clock()


def test_release_costs_no_attempt(add_run, claim, do, reap, row, clock):
    run_id = add_run()
    for _ in range(5):
        do(jobs.release, claim(run_id), clock())
    run = row(run_id)
    assert (run.state, run.attempt, run.token, run.lease_until) == ("queued", 0, None, None)
    assert reap() == [run_id]


def test_third_lost_worker_fails_the_run(add_run, claim, reap, row, clock):
    run_id = add_run()
    for attempt in (1, 2):
        claim(run_id)
        clock.forward(seconds=LEASE + 1)
        assert reap() == [run_id]
        assert (row(run_id).state, row(run_id).attempt) == ("queued", attempt)
    claim(run_id)
    clock.forward(seconds=LEASE + 1)
    assert claim(run_id) is None
    assert reap() == []
    assert (row(run_id).state, row(run_id).error_code) == ("failed", "worker_lost")


def test_live_run_is_not_reaped(add_run, claim, reap, row, clock):
    run_id = add_run()
    claim(run_id)
    clock.forward(seconds=LEASE - 1)
    assert reap() == []
    assert row(run_id).state == "running"


def test_lost_message_is_sent_again_after_grace(add_run, reap, clock):
    run_id = add_run()
    clock.forward(seconds=GRACE - 1)
    assert reap() == []
    clock.forward(seconds=2)
    assert reap() == [run_id]
    assert reap() == []


def test_carried_message_is_not_doubled(add_run, reap, clock):
    run_id = add_run()
    clock.forward(days=1)
    assert reap({run_id}) == []


def test_waiting_run_is_cancelled_at_once(add_run, claim, do, row, clock):
    run_id = add_run()
    assert do(jobs.cancel, run_id, clock())
    assert (row(run_id).state, row(run_id).finished_at) == ("cancelled", clock())
    assert claim(run_id) is None


def test_running_run_is_asked_to_end(add_run, claim, do, row, clock):
    run_id = add_run()
    lease = claim(run_id)
    assert not do(jobs.cancel_requested, lease)
    assert do(jobs.cancel, run_id, clock())
    assert (row(run_id).state, row(run_id).finished_at) == ("running", None)
    assert do(jobs.cancel_requested, lease)


def test_wish_to_cancel_outlives_release(add_run, claim, do, row, clock):
    run_id = add_run()
    lease = claim(run_id)
    do(jobs.cancel, run_id, clock())
    do(jobs.release, lease, clock())
    assert (row(run_id).state, row(run_id).finished_at) == ("cancelled", clock())


def test_wish_to_cancel_outlives_a_lost_worker(add_run, claim, do, reap, row, clock):
    run_id = add_run()
    claim(run_id)
    do(jobs.cancel, run_id, clock())
    clock.forward(seconds=LEASE + 1)
    assert reap() == []
    assert row(run_id).state == "cancelled"


def test_crowd_of_workers_claims_each_run_once(add_run, database, clock):
    run_ids = [add_run() for _ in range(20)]
    patient = Database(str(database.url))
    claimed, start = [], threading.Barrier(8)

    def work():
        start.wait()
        for run_id in run_ids:
            with patient.write() as session:
                if jobs.claim(session, run_id, clock(), LEASE):
                    claimed.append(run_id)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    patient.close()
    assert sorted(claimed) == sorted(run_ids)


def test_carrier_keeps_order_and_ids(tmp_path):
    got = []
    Carrier(tmp_path).enqueue("run_b")
    Carrier(tmp_path).enqueue("run_a")
    carrier = Carrier(tmp_path, deliver=got.append)
    assert carrier.waiting() == {"run_a", "run_b"}
    while (task := carrier.huey.dequeue()) is not None:
        carrier.huey.execute(task)
    assert got == ["run_b", "run_a"]
    assert carrier.waiting() == frozenset()


def test_message_on_disk_is_plain_json(tmp_path):
    carrier = Carrier(tmp_path)
    carrier.enqueue("run_a")
    (message,) = carrier.huey.storage.enqueued_items()
    assert bytes(message).startswith(b"[") and b'["run_a"]' in bytes(message)


def test_unreadable_message_is_passed_over(tmp_path):
    carrier = Carrier(tmp_path)
    carrier.huey.storage.enqueue(b"no json")
    carrier.enqueue("run_a")
    assert carrier.waiting() == {"run_a"}
