"""Real workers, killed, paused, stopped: every run ends, once, with the undisturbed curve."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from engine.training import TrainConfig, train
from service import curves, runs
from service.clock import utc_now
from service.db import Database
from service.ids import new_id
from service.models import Checkpoint, CurvePreview, Run, Series
from service.schema import migrate
from tests.serving import NUDGE, environment, served, until
from tests.working import Working, working

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")

WIDE = {
    "model": {"nin": 2, "nouts": [64, 64, 1]},
    "data": {"dataset": "moons", "n": 40},
}
STEPS = 50_000
"""A second or two of work."""

PLUGINS = {"NUDGE_PLUGINS_DIR": "plugins"}

MISCHIEF = """
import os
import time
from engine.extend import op

@op()
def dozing(x):
    if os.path.exists("night"):
        {misdeed}
    return x * 1.0

@dozing.backward
def _(g, y, x):
    return g
"""


@pytest.fixture
def clock():
    """The machine's own: workers have no other."""
    return utc_now


@pytest.fixture
def database(settings):
    """One that waits for the workers' writes."""
    database = Database(settings.database)
    migrate(database)
    yield database
    database.close()


@pytest.fixture
def submit(client):
    def post(steps=STEPS, **config):
        answer = client.post("/api/v1/runs", json={**WIDE, "steps": steps, **config})
        assert answer.status_code == 202, answer.text
        return answer.json["id"]

    return post


@pytest.fixture
def mischief(tmp_path, app, database, submit):
    """mischief(misdeed): a run with a plugin's op, which does it once the file `night` exists."""

    def make(misdeed):
        (tmp_path / "plugins").mkdir()
        (tmp_path / "plugins" / "dozing.py").write_text(MISCHIEF.format(misdeed=misdeed))
        run_id = submit()
        with database.write() as session:
            row = runs.find(session, app.extensions["nudge"], run_id)
            row.config = row.config | {"model": row.config["model"] | {"activation": "dozing"}}
        return run_id

    return make


@pytest.fixture
def get(client):
    return lambda run_id: client.get(f"/api/v1/runs/{run_id}").json


@pytest.fixture
def reaches(get):
    """reaches(id, state, steps=…): wait until the run is there."""

    def wait(run_id, *states, steps=0, seconds=20.0):
        def there():
            run = get(run_id)
            return run["state"] in states and run["steps_done"] >= steps

        assert until(there, seconds), get(run_id)

    return wait


@pytest.fixture
def kept(app, database):
    """kept(id): all that is stored of a run's curves and its last state, as bytes."""

    def read(run_id):
        with database.read() as session:
            key = runs.find(session, app.extensions["nudge"], run_id).id
            stored = curves.load(session, key, until=10**9)
            previews = session.execute(
                select(Series.name, CurvePreview.data)
                .join(CurvePreview, CurvePreview.series_id == Series.id)
                .where(Series.run_id == key)
            )
            return {
                "curves": {name: values.tobytes() for name, values in stored.items()},
                "previews": dict(previews.all()),
                "checkpoint": session.get(Checkpoint, key).data,
            }

    return read


@pytest.fixture(scope="module")
def undisturbed():
    """undisturbed(steps): the curves and the last state, straight from the engine."""
    known = {}

    def compute(steps=STEPS, **config):
        key = repr((steps, config))
        if key not in known:
            blocks = list(train(TrainConfig.from_dict({**WIDE, "steps": steps, **config})))
            known[key] = {
                "curves": {
                    name: np.concatenate([block.series[name] for block in blocks]).tobytes()
                    for name in blocks[0].series
                },
                "checkpoint": blocks[-1].checkpoint,
            }
        return known[key]

    return compute


def same(stored, expected):
    return {name: stored[name] for name in expected} == expected


# --- killed -------------------------------------------------------------------------------------


def test_killed_child_is_replaced(tmp_path, submit, get, reaches, kept, undisturbed):
    run_id = submit()
    with working(tmp_path) as worker:
        reaches(run_id, "running", steps=1)
        worker.kill(worker.executor())
        reaches(run_id, "succeeded")
        assert worker.end() == 0
    assert get(run_id)["attempt"] == 2
    assert same(kept(run_id), undisturbed())


def test_killed_tree_is_made_good_by_restart(tmp_path, submit, get, reaches, kept, undisturbed):
    run_id = submit()
    with working(tmp_path) as worker:
        reaches(run_id, "running", steps=1)
        worker.kill()
    stopped = get(run_id)
    assert stopped["state"] == "running" and 0 < stopped["steps_done"] < STEPS
    with working(tmp_path):
        reaches(run_id, "succeeded")
    assert get(run_id)["attempt"] == 2
    assert same(kept(run_id), undisturbed())


def test_orphans_of_killed_consumer_end(tmp_path, submit, get, reaches, kept, undisturbed):
    run_id = submit()
    with working(tmp_path) as worker:
        reaches(run_id, "running", steps=1)
        orphans = worker.children
        worker.kill(worker.process.pid)
        assert until(lambda: not any(map(worker.alive, orphans)), 5)
    assert (get(run_id)["state"], get(run_id)["attempt"]) == ("queued", 0)
    with working(tmp_path):
        reaches(run_id, "succeeded")
    assert same(kept(run_id), undisturbed())


def test_run_that_kills_its_workers_is_given_up(tmp_path, mischief, submit, get, reaches):
    poison, harmless = mischief("os._exit(9)"), submit(steps=5)
    with working(tmp_path, **PLUGINS) as worker:
        (tmp_path / "night").touch()
        reaches(harmless, "succeeded")
        reaches(poison, "failed")
        assert worker.end() == 0
    assert (get(poison)["error"]["code"], get(poison)["attempt"]) == ("worker_lost", 3)


# --- two at a time ------------------------------------------------------------------------------


def test_two_workers_never_share_a_run(tmp_path, submit, reaches, get):
    run_ids = [submit(steps=100) for _ in range(16)]
    twice = {"NUDGE_WORKERS": "2", "NUDGE_LEASE_SECONDS": "5"}
    with (
        working(tmp_path, log="a.log", **twice) as a,
        working(tmp_path, log="b.log", **twice) as b,
    ):
        for run_id in run_ids:
            reaches(run_id, "succeeded")
        lines = a.lines() + b.lines()
    claimed = [line["job_id"] for line in lines if line["message"] == "claimed"]
    assert sorted(claimed) == sorted(run_ids)
    assert {get(run_id)["attempt"] for run_id in run_ids} == {1}


def test_paused_worker_wakes_up_to_nothing(tmp_path, submit, get, reaches, kept, undisturbed):
    """It computes on after its lease, but its token is an old one."""
    run_id = submit()
    with working(tmp_path, log="late.log") as late:
        reaches(run_id, "running", steps=1)
        paused = late.tree
        for process in paused:
            os.kill(process, signal.SIGSTOP)
        with working(tmp_path):
            reaches(run_id, "succeeded")
        before = get(run_id), kept(run_id)
        for process in paused:
            os.kill(process, signal.SIGCONT)
        assert until(lambda: any("lost" in line["message"] for line in late.lines()), 10)
        assert late.end() == 0
    assert (get(run_id), kept(run_id)) == before
    assert before[0]["attempt"] == 2
    assert same(before[1], undisturbed())


# --- stopped ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_gives_the_run_back(number, tmp_path, submit, get, reaches, kept, undisturbed):
    run_id = submit()
    with working(tmp_path) as worker:
        reaches(run_id, "running", steps=1)
        tree, began = worker.tree, time.monotonic()
        assert worker.end(number) == 0
        assert time.monotonic() - began < 5
        assert not any(map(worker.alive, tree))
    stopped = get(run_id)
    assert (stopped["state"], stopped["attempt"]) == ("queued", 0)
    assert 0 < stopped["steps_done"] < STEPS
    with working(tmp_path):
        reaches(run_id, "succeeded")
    assert same(kept(run_id), undisturbed())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_idle_worker_stops_at_once(number, tmp_path, database):
    with working(tmp_path) as worker:
        began = time.monotonic()
        assert worker.end(number) == 0
        assert time.monotonic() - began < 3
        assert [line["message"] for line in worker.lines()] == ["warm", "started", "ended"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_breaks_a_long_computation_off(number, mischief, tmp_path, get, reaches):
    run_id = mischief("time.sleep(3600)")
    with working(tmp_path, **PLUGINS, NUDGE_LEASE_SECONDS="60") as worker:
        (tmp_path / "night").touch()
        reaches(run_id, "running")
        time.sleep(0.3)
        began = time.monotonic()
        assert worker.end(number) == 0
        assert time.monotonic() - began < 5
    assert (get(run_id)["state"], get(run_id)["attempt"]) == ("queued", 0)


def test_endless_computation_fails_its_run(mischief, tmp_path, submit, get, reaches):
    run_id, next_id = mischief("time.sleep(3600)"), submit(steps=5)
    with working(tmp_path, **PLUGINS) as worker:
        (tmp_path / "night").touch()
        reaches(run_id, "failed")
        reaches(next_id, "succeeded")
        assert worker.end() == 0
    assert get(run_id)["error"]["code"] == "stalled"


def test_running_run_is_cancelled_within_a_tenth_of_a_second(
    tmp_path, client, submit, get, reaches
):
    """The quickest of three, because this machine may be doing other things."""
    taken = []
    with working(tmp_path) as worker:
        for _ in range(3):
            run_id = submit(steps=100_000)
            reaches(run_id, "running", steps=1)
            answer = client.post(f"/api/v1/runs/{run_id}/cancel")
            asked = time.monotonic()
            assert (answer.status_code, answer.json["state"]) == (202, "running")
            while get(run_id)["state"] != "cancelled":
                assert time.monotonic() - asked < 3
                time.sleep(0.005)
            taken.append(time.monotonic() - asked)
            run = get(run_id)
            assert 0 < run["metrics"]["loss"]["n"] == run["steps_done"] < 100_000
        assert worker.end() == 0
    assert min(taken) < 0.1, taken


# --- started ------------------------------------------------------------------------------------


def test_runs_wait_for_a_worker(tmp_path, client, submit, get, reaches):
    first, second = submit(steps=5), submit(steps=5)
    (tmp_path / "queue.db").unlink()
    assert get(first)["state"] == "queued"
    with working(tmp_path):
        reaches(first, "succeeded")
        reaches(second, "succeeded")


def test_curve_outlives_the_whole_service(tmp_path):
    """From the command to the curve over HTTP, and the same bytes after a restart."""
    with served(tmp_path) as service:
        request = urllib.request.Request(
            f"{service.url}/api/v1/runs",
            data=b'{"steps": 700}',
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            path = answer.headers["Location"]
        assert until(lambda: json.loads(service.get(path))["state"] == "succeeded")
        before = service.get(path), service.get(f"{path}/series/loss?format=csv")
        assert service.end() == 0
    with served(tmp_path) as service:
        assert (service.get(path), service.get(f"{path}/series/loss?format=csv")) == before
    assert len(before[1].splitlines()) == 701


def test_worker_refuses_a_newer_schema(tmp_path, database):
    with database.migration() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    ended = subprocess.run(
        [*NUDGE, "worker"], env=environment(tmp_path), cwd=tmp_path, capture_output=True, timeout=30
    )
    assert ended.returncode == 1
    assert "newer" in json.loads(ended.stderr)["message"]


def test_expired_rows_are_removed_at_start(tmp_path, database):
    def long_ago():
        return utc_now().replace(year=2020)

    with database.write() as session:
        session.add(
            Run(
                public_id=new_id("run", long_ago), config={}, config_hash="0", seed=1,
                engine_version="0", op_set_hash="0", steps_total=10, state="failed",
                created_at=long_ago(), finished_at=long_ago(),
            )
        )  # fmt: skip

    def gone():
        with database.read() as session:
            return session.scalar(select(Run.id)) is None

    with working(tmp_path):
        assert until(gone, 5)


@pytest.mark.parametrize("module", ["service.child", "service.cli"])
def test_blas_of_a_worker_has_one_thread(module, tmp_path, submit, reaches):
    """A product of matrices this large would be shared among threads."""
    wide = {"model": {"nouts": [200, 200, 1]}, "data": {"dataset": "moons", "n": 1000}}
    run_id = submit(steps=400, **wide)
    with working(tmp_path, module=module) as worker:
        reaches(run_id, "running", steps=1)
        assert len(list(Path(f"/proc/{worker.executor()}/task").iterdir())) == 1


def test_log_names_the_run(tmp_path, submit, reaches):
    run_id = submit(steps=5)
    with working(tmp_path) as worker:
        reaches(run_id, "succeeded")
        assert worker.end() == 0
        told = [line["message"] for line in worker.lines() if line.get("job_id") == run_id]
    assert told == ["claimed", "succeeded"]


# --- the storm ----------------------------------------------------------------------------------


@pytest.mark.proof
def test_storm_of_kills_loses_nothing(
    tmp_path, full, submit, get, kept, undisturbed, record_property
):
    """Processes are killed, paused and stopped at random while runs are carried out.

    In the end every run has succeeded with the undisturbed curve, or was given up after three
    lost workers; none waits.
    """
    dice = random.Random(20260301)
    run_ids = [submit(steps=40_000, seed=seed) for seed in range(60 if full else 3)]
    blows = {"child": 0, "tree": 0, "stop": 0, "pause": 0}
    ended = ("succeeded", "failed")

    def left():
        return [run_id for run_id in run_ids if get(run_id)["state"] not in ended]

    def strike(worker: Working):
        blow = dice.choices(list(blows), weights=(4, 2, 2, 1))[0]
        blows[blow] += 1
        if blow == "tree":
            worker.kill()
        elif blow == "stop":
            assert worker.end(dice.choice((signal.SIGINT, signal.SIGTERM))) == 0
        elif worker.children:
            process = dice.choice(worker.children)
            if blow == "child":
                worker.kill(process)
            else:
                os.kill(process, signal.SIGSTOP)
                time.sleep(dice.uniform(0.5, 2.5))
                os.kill(process, signal.SIGCONT)

    most = 200 if full else 3
    for round_ in count():
        with working(tmp_path, log=f"{round_}.log", NUDGE_WORKERS="2") as worker:
            while worker.process.poll() is None and left():
                time.sleep(dice.uniform(0.2, 1.5))
                if sum(blows.values()) < most:
                    strike(worker)
        if not left():
            break
    states = [get(run_id)["state"] for run_id in run_ids]
    attempts = [get(run_id)["attempt"] for run_id in run_ids]
    record_property("storm", {"blows": blows, "states": states, "attempts": attempts})
    print(blows, {state: states.count(state) for state in ended}, "attempts", attempts)
    for seed, run_id in enumerate(run_ids):
        if get(run_id)["state"] == "succeeded":
            assert same(kept(run_id), undisturbed(steps=40_000, seed=seed))
        else:
            assert (get(run_id)["attempt"], get(run_id)["error"]["code"]) == (3, "worker_lost")
    assert states.count("succeeded") > 0
