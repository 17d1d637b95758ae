"""Runs over HTTP: submitted, carried out in this process, read back, cancelled, removed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import func, select

from engine.training import TrainConfig, train
from service import curves, execution, runs
from service.consumer import reap
from service.execution import Interrupted, NoStop, Stalled
from service.models import CurveChunk, Run, RunMetric, Series

RUNS = "/api/v1/runs"

DIVERGING = {
    "data": {"dataset": "linear"},
    "loss": "mean_squared_error",
    "model": {"nouts": [1], "activation": "linear"},
    "optimizer": {"kind": "sgd", "learning_rate": 5.0},
    "steps": 500,
}
"""One linear neuron whose loss doubles until it overflows at step 162."""


@pytest.fixture
def nudge(app):
    return app.extensions["nudge"]


@pytest.fixture
def submit(client):
    """submit(key=value, …): the id of a new run."""

    def post(**config):
        answer = client.post(RUNS, json=config)
        assert answer.status_code == 202, answer.text
        return answer.json["id"]

    return post


@pytest.fixture
def get(client):
    def fetch(run_id, path=""):
        answer = client.get(f"{RUNS}/{run_id}{path}")
        assert answer.status_code == 200, answer.text
        return answer.json

    return fetch


def undisturbed(**config):
    """name -> values, straight from the engine."""
    blocks = list(train(TrainConfig.from_dict(config)))
    return {
        name: np.concatenate([block.series[name] for block in blocks]) for name in blocks[0].series
    }


def execute(context, run_id, stop=None):
    """Carry a run out in blocks of 32 steps."""
    execution.execute(context, run_id, stop, block_steps=32)


class Stops(NoStop):
    """Asks to stop after so many blocks, or breaks the computation off."""

    def __init__(self, after, error=None):
        self.left, self.error = after, error

    def requested(self):
        self.left -= 1
        if self.left < 0 and self.error:
            raise self.error
        return self.left < 0


# --- submitted ----------------------------------------------------------------------------------


def test_submission_is_accepted_and_located(client):
    answer = client.post(RUNS, json={})
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"{RUNS}/{answer.json['id']}"
    assert int(answer.headers["Retry-After"]) >= 1
    assert (answer.json["state"], answer.json["progress"]) == ("queued", 0.0)
    assert answer.json["config"]["model"]["nouts"] == [4, 4, 1]
    assert client.get(answer.headers["Location"]).json == answer.json


def test_same_key_submits_one_run(client, database):
    headers = {"Idempotency-Key": "k1"}
    first, again = (client.post(RUNS, json={"steps": 5}, headers=headers) for _ in range(2))
    assert first.json["id"] == again.json["id"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert client.post(RUNS, json={"steps": 6}, headers=headers).status_code == 422
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Run)) == 1


@pytest.mark.parametrize(
    ("config", "pointer"),
    [
        ({"steps": 1_000_001}, "/steps"),
        ({"steps": 10.5}, "/steps"),
        ({"steps": "many"}, "/steps"),
        ({"steps": True}, "/steps"),
        ({"step": 10}, "/step"),
        ({"model": {"nouts": [4, 0, 1]}}, "/model/nouts/1"),
        ({"model": {"activation": "thanh"}}, "/model/activation"),
        ({"model": None}, "/model"),
        ({"data": {"xs": [[1, 2]], "ys": [1, 2]}}, "/data/ys"),
        ({"data": {"xs": [["one"]], "ys": [1]}}, "/data/xs/0/0"),
        ({"optimizer": {"kind": "sgd", "learning_rate": "fast"}}, "/optimizer/learning_rate"),
        ({"seed": -1}, "/seed"),
    ],
)
def test_mistake_is_named_with_its_place(config, pointer, client, database):
    answer = client.post(RUNS, json=config)
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert answer.json["code"] == "invalid_config"
    assert pointer in [error["pointer"] for error in answer.json["errors"]]
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Run)) == 0


def test_all_mistakes_are_named_at_once(client):
    answer = client.post(RUNS, json={"steps": 0, "seed": -1, "losss": 1})
    assert {error["pointer"] for error in answer.json["errors"]} == {"/steps", "/seed", "/losss"}


@pytest.mark.parametrize("body", ["[]", "3", "null", '"run"'])
def test_body_must_be_an_object(body, client):
    answer = client.post(RUNS, data=body, content_type="application/json")
    assert answer.status_code == 422


def test_infinity_is_refused_with_its_place(client):
    body = '{"optimizer": {"learning_rate": 1e999}}'
    answer = client.post(RUNS, data=body, content_type="application/json")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/optimizer/learning_rate"


def test_whole_number_may_be_written_as_float(submit, get):
    assert get(submit(steps=7.0))["steps_total"] == 7


def test_full_queue_refuses_and_stores_nothing(make_app, database):
    client = make_app(max_queued=2).test_client()
    codes = [client.post(RUNS, json={}).status_code for _ in range(3)]
    assert codes == [202, 202, 503]
    answer = client.post(RUNS, json={})
    assert answer.json["code"] == "queue_full"
    assert int(answer.headers["Retry-After"]) >= 1
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Run)) == 2


def test_run_survives_a_queue_that_fails(nudge, client, get, clock, tmp_path, database):
    (tmp_path / "queue.db").rename(tmp_path / "elsewhere.db")
    for beside in tmp_path.glob("queue.db-*"):
        beside.unlink()
    (tmp_path / "queue.db").mkdir()
    nudge.queue.huey.storage.close()
    answer = client.post(RUNS, json={})
    assert answer.status_code == 202
    (tmp_path / "queue.db").rmdir()
    (tmp_path / "elsewhere.db").rename(tmp_path / "queue.db")
    assert nudge.queue.waiting() == frozenset()
    clock.forward(minutes=1)
    reap(nudge, nudge.queue)
    assert nudge.queue.waiting() == {answer.json["id"]}


# --- carried out --------------------------------------------------------------------------------


def test_lecture_run_is_learnt_and_kept(submit, get, nudge, clock):
    run_id = submit(optimizer={"kind": "sgd", "learning_rate": 0.05}, steps=200)
    execute(nudge, run_id)
    run = get(run_id)
    assert (run["state"], run["steps_done"], run["progress"]) == ("succeeded", 200, 1.0)
    assert run["metrics"]["loss"]["last"] < 0.05
    assert run["error"] is None
    series = get(run_id, "/series/loss")
    assert series["steps"] == list(range(200))
    assert series["values"] == undisturbed()["loss"].tolist()
    assert (series["sampled"], series["n_total"], series["non_finite"]) == (False, 200, [])


def test_summary_tells_the_extremes(submit, get, nudge):
    run_id = submit(steps=50)
    execute(nudge, run_id)
    loss = undisturbed(steps=50)["loss"]
    told = get(run_id)["metrics"]["loss"]
    assert told == {
        "n": 50,
        "first": loss[0],
        "last": loss[-1],
        "min": {"step": int(loss.argmin()), "value": loss.min()},
        "max": {"step": int(loss.argmax()), "value": loss.max()},
        "non_finite": 0,
    }


def test_all_series_are_listed(submit, get, nudge):
    run_id = submit(steps=5)
    assert get(run_id, "/series") == {"items": []}
    execute(nudge, run_id)
    names = ("accuracy", "gradient_norm", "learning_rate", "loss")
    assert get(run_id, "/series")["items"] == [{"name": name, "n": 5} for name in names]


def test_divergence_is_a_result(submit, get, nudge):
    run_id = submit(**DIVERGING)
    execute(nudge, run_id)
    run, series = get(run_id), get(run_id, "/series/loss")
    assert (run["state"], run["error"]) == ("diverged", None)
    assert run["reason"].startswith(f"step {run['steps_done'] - 1}: ")
    assert run["steps_done"] < run["steps_total"]
    assert series["values"][-1] is None
    (last,) = series["non_finite"]
    assert last["step"] == series["steps"][-1] and last["value"] in ("nan", "inf")
    assert run["metrics"]["loss"]["last"] is None
    assert run["metrics"]["loss"]["non_finite"] == 1


@pytest.mark.parametrize("config", [{"steps": 300}, DIVERGING], ids=["long", "diverging"])
@pytest.mark.parametrize("blocks", [1, 3])
def test_released_run_resumes_bit_for_bit(config, blocks, submit, get, nudge, database):
    """Given back again and again, each time after so many blocks of 32 steps."""
    run_id, done = submit(**config), 0
    expected = undisturbed(**config)
    while get(run_id)["state"] == "queued":
        assert (get(run_id)["steps_done"], get(run_id)["attempt"]) == (done, 0)
        execute(nudge, run_id, Stops(blocks))
        done = min(done + 32 * blocks, len(expected["loss"]))
    assert get(run_id)["state"] == ("diverged" if config is DIVERGING else "succeeded")
    with database.read() as session:
        key = runs.find(session, nudge, run_id).id
        stored = curves.load(session, key, until=10**6)
    assert {name: values.tobytes() for name, values in stored.items()} == {
        name: values.tobytes() for name, values in expected.items()
    }


def test_run_released_untouched_starts_anew(submit, get, nudge):
    run_id = submit(steps=40)
    execute(nudge, run_id, Stops(0))
    assert (get(run_id)["state"], get(run_id)["metrics"]) == ("queued", {})
    execute(nudge, run_id)
    assert get(run_id)["state"] == "succeeded"


def test_changed_op_starts_the_run_anew(submit, get, nudge, vocabulary):
    """Half a curve of one op and half of another would be the curve of none."""
    run_id = submit(steps=100)
    execute(nudge, run_id, Stops(2))
    ops = dict(vocabulary.ops) | {"tanh": replace(vocabulary.ops["sin"], name="tanh")}
    changed = replace(vocabulary, ops=ops)
    execute(replace(nudge, vocabulary=changed), run_id)
    run, loss = get(run_id), get(run_id, "/series/loss")["values"]
    assert (run["state"], run["op_set"], len(loss)) == ("succeeded", changed.hash, 100)
    assert changed.hash != vocabulary.hash
    assert loss[0] != undisturbed(steps=100)["loss"][0]


def test_broken_off_computation_is_released(submit, get, nudge):
    run_id = submit(steps=300)
    execute(nudge, run_id, Stops(2, Interrupted()))
    assert (get(run_id)["state"], get(run_id)["steps_done"]) == ("queued", 64)


def test_stalled_computation_fails(submit, get, nudge):
    run_id = submit(steps=300)
    execute(nudge, run_id, Stops(2, Stalled()))
    assert (get(run_id)["state"], get(run_id)["error"]["code"]) == ("failed", "stalled")
    assert get(run_id)["steps_done"] == 64


def test_second_message_does_nothing(submit, get, nudge):
    run_id = submit(steps=5)
    execute(nudge, run_id)
    before = get(run_id)
    execute(nudge, run_id)
    assert get(run_id) == before


def test_late_worker_leaves_the_curve_alone(submit, get, nudge, clock):
    """A worker is paused in mid-run; its run is taken over and ends; then it wakes up."""
    run_id = submit(steps=300)

    class Paused(NoStop):
        blocks = 0

        def requested(self):
            self.blocks += 1
            if self.blocks == 4:
                clock.forward(hours=1)
                reap(nudge, nudge.queue)
                execute(nudge, run_id)
                self.before = get(run_id), get(run_id, "/series/loss")
            return False

    late = Paused()
    execute(nudge, run_id, late)
    assert (get(run_id), get(run_id, "/series/loss")) == late.before
    assert late.before[0]["state"] == "succeeded"
    assert late.blocks <= 5


def test_heartbeat_shows_progress(make_app, clock):
    app = make_app(heartbeat_seconds=5)
    nudge, client = app.extensions["nudge"], app.test_client()
    run_id = client.post(RUNS, json={"steps": 320}).json["id"]
    seen = []

    class Watched(NoStop):
        def requested(self):
            clock.forward(seconds=2)
            seen.append(client.get(f"{RUNS}/{run_id}").json)
            return False

    execute(nudge, run_id, Watched())
    done = [run["steps_done"] for run in seen]
    assert done == [0, 32, 32, 32, 128, 128, 128, 224, 224, 224, 320]  # the first beat is early
    assert all(run["state"] == "running" for run in seen)
    assert seen[5]["metrics"]["loss"]["n"] == 128


def test_failed_heartbeat_loses_no_point(submit, get, nudge, clock, database):
    """Somebody holds the database through one heartbeat; the next brings the points down."""
    run_id = submit(steps=320)

    class Blocked(NoStop):
        holder = None
        blocks = 0

        def requested(self):
            self.blocks += 1
            clock.forward(seconds=6)
            if self.blocks == 3:
                self.holder = database.write()
                self.holder.__enter__()
            if self.blocks == 5:
                self.holder.__exit__(None, None, None)
            return False

    execute(replace(nudge, database=type(database)(str(database.url), 0.05)), run_id, Blocked())
    assert get(run_id)["state"] == "succeeded"
    assert get(run_id, "/series/loss")["values"] == undisturbed(steps=320)["loss"].tolist()


def test_failing_op_is_named(submit, get, nudge, vocabulary):
    """A plugin that was there at submission misbehaves while training."""
    broken = {"tanh": replace(vocabulary.ops["tanh"], forward=_raise, origin="mine")}
    ops = dict(vocabulary.ops) | broken
    run_id = submit(steps=5)
    execute(replace(nudge, vocabulary=replace(vocabulary, ops=ops)), run_id)
    error = get(run_id)["error"]
    assert error["code"] == "op_error"
    assert "tanh" in error["message"] and "ran out of luck" in error["message"]


def _raise(*args, **kwargs):
    raise RuntimeError("ran out of luck")


def test_op_that_went_away_fails_the_run(submit, get, nudge, vocabulary):
    run_id = submit(model={"activation": "tanh"}, steps=5)
    ops = {name: op for name, op in vocabulary.ops.items() if name != "tanh"}
    execute(replace(nudge, vocabulary=replace(vocabulary, ops=ops)), run_id)
    assert (get(run_id)["state"], get(run_id)["error"]["code"]) == ("failed", "invalid_config")


# --- cancelled ----------------------------------------------------------------------------------


def test_waiting_run_is_cancelled_at_once(client, submit, nudge):
    run_id = submit()
    answer = client.post(f"{RUNS}/{run_id}/cancel")
    assert (answer.status_code, answer.json["state"]) == (202, "cancelled")
    execute(nudge, run_id)
    assert client.get(f"{RUNS}/{run_id}").json == answer.json


def test_cancelling_twice_does_no_harm(client, submit):
    run_id = submit()
    first, again = (client.post(f"{RUNS}/{run_id}/cancel") for _ in range(2))
    assert (again.status_code, again.json) == (202, first.json)


def test_ended_run_cannot_be_cancelled(client, submit, nudge):
    run_id = submit(steps=5)
    execute(nudge, run_id)
    answer = client.post(f"{RUNS}/{run_id}/cancel")
    assert (answer.status_code, answer.json["code"]) == (409, "run_ended")


def test_running_run_ends_and_keeps_its_points(client, submit, get, nudge, clock):
    run_id = submit(steps=3200)

    class Watched(NoStop):
        blocks = 0

        def requested(self):
            self.blocks += 1
            clock.forward(seconds=1)
            if self.blocks == 3:
                answer = client.post(f"{RUNS}/{run_id}/cancel")
                assert (answer.status_code, answer.json["state"]) == (202, "running")
                assert answer.json["cancel_requested"]
            return False

    execute(nudge, run_id, Watched())
    run = get(run_id)
    assert (run["state"], run["steps_done"]) == ("cancelled", 96)
    assert get(run_id, "/series/loss")["n_total"] == 96


# --- read ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", ""),
        ("get", "/series"),
        ("get", "/series/loss"),
        ("post", "/cancel"),
    ],
)
@pytest.mark.parametrize("run_id", ["run_0123456789abcdefghjkmnpqrstvwx", "nothing", "gc_1"])
def test_unknown_run_is_not_found(run_id, method, path, client):
    answer = getattr(client, method)(f"{RUNS}/{run_id}{path}")
    assert (answer.status_code, answer.json["code"]) == (404, "unknown_run")


def test_unknown_series_names_the_known(client, submit, nudge):
    run_id = submit(steps=5)
    execute(nudge, run_id)
    answer = client.get(f"{RUNS}/{run_id}/series/lost")
    assert (answer.status_code, answer.json["code"]) == (404, "unknown_series")
    assert "gradient_norm, learning_rate, loss" in answer.json["hint"]


@pytest.mark.parametrize(
    "text", ["1", "0", "-5", "10001", "1e3", "ten", "", "99999999999999999999"]
)
def test_max_points_out_of_range_is_refused(text, client, submit):
    answer = client.get(f"{RUNS}/{submit()}/series/loss?max_points={text}")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["parameter"] == "max_points"


def test_sampled_series_says_so(submit, get, nudge):
    run_id = submit(steps=900)
    execute(nudge, run_id)
    loss = undisturbed(steps=900)["loss"]
    series = get(run_id, "/series/loss?max_points=30")
    assert series["sampled"] and series["n_total"] == 900
    assert len(series["steps"]) == len(series["values"]) <= 30
    assert {0, 899, int(loss.argmin()), int(loss.argmax())} <= set(series["steps"])
    assert series["values"] == loss[series["steps"]].tolist()


@pytest.mark.parametrize(
    ("query", "headers"),
    [("?format=csv", {}), ("", {"Accept": "text/csv"})],
    ids=["query", "header"],
)
def test_csv_has_every_value_in_full(query, headers, client, submit, nudge):
    run_id = submit(**DIVERGING)
    execute(nudge, run_id)
    answer = client.get(f"{RUNS}/{run_id}/series/loss{query}", headers=headers)
    assert answer.content_type.startswith("text/csv")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{run_id}-loss.csv"'
    header, *lines = answer.text.splitlines()
    assert header == "step,loss"
    values = np.array([float(line.split(",")[1]) for line in lines])
    assert values.tobytes() == undisturbed(**DIVERGING)["loss"].tobytes()


def test_browser_gets_json(client, submit, nudge):
    run_id = submit(steps=5)
    execute(nudge, run_id)
    headers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    answer = client.get(f"{RUNS}/{run_id}/series/loss", headers=headers)
    assert answer.content_type == "application/json"


def test_list_is_newest_first_in_pages(client, submit, clock):
    run_ids = []
    for _ in range(5):
        run_ids.append(submit(steps=5))
        clock.forward(seconds=1)
    seen, cursor = [], ""
    while cursor is not None:
        answer = client.get(f"{RUNS}?limit=2{cursor and '&cursor=' + cursor}").json
        seen += [item["id"] for item in answer["items"]]
        cursor = answer["next"]
    assert seen == run_ids[::-1]


def test_list_leaves_configurations_out(client, submit):
    submit()
    (item,) = client.get(RUNS).json["items"]
    assert "config" not in item and item["metrics"] == {}


def test_list_can_be_filtered_by_state(client, submit, nudge):
    done, waiting = submit(steps=5), submit()
    execute(nudge, done)
    ids = {
        state: [item["id"] for item in client.get(f"{RUNS}?state={state}").json["items"]]
        for state in ("queued", "succeeded", "failed")
    }
    assert ids == {"queued": [waiting], "succeeded": [done], "failed": []}


@pytest.mark.parametrize("query", ["state=done", "state=", "limit=0", "cursor=x", "colour=red"])
def test_unusable_query_is_refused(query, client):
    answer = client.get(f"{RUNS}?{query}")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["parameter"] == query.split("=")[0]


def test_curve_is_the_same_after_a_restart(make_app, submit, nudge):
    run_id = submit(steps=700)
    execute(nudge, run_id)
    path = f"{RUNS}/{run_id}/series/loss"
    before, after = (make_app().test_client().get(path).text for _ in range(2))
    assert before == after


# --- removed ------------------------------------------------------------------------------------


def test_ended_run_expires_with_its_curves(submit, get, client, nudge, clock, database):
    old, waiting = submit(steps=5), submit()
    execute(nudge, old)
    assert get(old)["expires_at"] == "2026-03-08T12:00:00.000Z"
    clock.forward(days=7)
    assert client.get(f"{RUNS}/{old}").status_code == 404
    assert [item["id"] for item in client.get(RUNS).json["items"]] == [waiting]
    assert runs.purge_expired(database, clock, days=7) == 1
    with database.read() as session:
        for table in (Series, CurveChunk, RunMetric):
            assert session.scalar(select(func.count()).select_from(table)) == 0
    assert get(waiting)["expires_at"] is None


def test_owned_run_does_not_expire(submit, get, nudge, clock, database):
    run_id = submit(steps=5)
    execute(nudge, run_id)
    with database.write() as session:
        runs.find(session, nudge, run_id).owner_id = 1
    clock.forward(days=700)
    assert runs.purge_expired(database, clock, days=7) == 0
    assert get(run_id)["expires_at"] is None
