"""Programs are kept under their hash while they are used, and played step by step."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime, timedelta

import pytest
from alembic import command
from sqlalchemy import func, select, text

from engine import parse
from engine.steps import SLIPS
from service import programs, schema
from service.app import create_app
from service.config import Settings
from service.consumer import purge
from service.db import Database
from service.models import StoredProgram
from service.schema import migrate

URL = "/api/v1/programs"
SHARED = "b = a*2; c = b*b; d = c + b"


@pytest.fixture
def store(client):
    """store(source): the stored program; the request must succeed."""

    def stored(source=SHARED):
        answer = client.post(URL, json={"source": source})
        assert answer.status_code in (200, 201), answer.text
        return answer.json

    return stored


@pytest.fixture
def play(client, store):
    """play(source, at, slip=…): its steps; both requests must succeed."""

    def played(source, at, **more):
        answer = client.post(f"{URL}/{store(source)['hash']}/steps", json={"at": at, **more})
        assert answer.status_code == 200, answer.text
        return answer.json

    return played


def rows(database):
    with database.read() as session:
        return {row.hash: row for row in session.scalars(select(StoredProgram))}


# -- kept ------------------------------------------------------------------------


def test_program_is_stored_once(client, database):
    first = client.post(URL, json={"source": "y = x*2"})
    again = client.post(URL, json={"source": "y  =  x * 2  # twice"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == first.json
    assert first.json["source"] == "y = x*2"
    assert first.headers["Location"] == again.headers["Location"] == f"{URL}/{first.json['hash']}"
    assert len(rows(database)) == 1


def test_program_is_read_back_as_it_was_told(client, store):
    stored = store("c = a*b; d = c + a")
    assert client.get(f"{URL}/{stored['hash']}").json == stored
    assert [entry["name"] for entry in stored["inputs"]] == ["a", "b"]
    assert [equation["text"] for equation in stored["equations"]] == ["c = a * b", "d = c + a"]
    assert stored["forward"].splitlines() == ["  1  c = a * b", "  2  d = c + a"]
    assert stored["backward"].splitlines()[-1] == "b.grad += c.grad * a    # equation 1"
    assert stored["program_changed"] is False
    assert stored["stored_with"] == {
        "engine_version": stored["engine_version"],
        "op_set": stored["op_set"],
    }


def test_evaluated_program_can_be_played(client):
    body = {"source": SHARED, "at": {"a": 3}}
    evaluated = client.post("/api/v1/evaluations", json=body).json
    steps = client.post(f"{URL}/{evaluated['program']['hash']}/steps", json={"at": {"a": 3}})
    assert steps.status_code == 200
    assert steps.json["gradients"] == evaluated["gradients"]
    assert steps.json["program"] == evaluated["program"]


def test_checked_program_can_be_played(client):
    body = {"source": SHARED, "at": {"a": 3}, "claimed": {"a": 12}}
    checked = client.post("/api/v1/gradchecks", json=body).json
    steps = client.post(
        f"{URL}/{checked['program']['hash']}/steps", json={"at": {"a": 3}, "slip": "overwrite"}
    )
    assert steps.json["gradients"] == {"a": 12}


@pytest.mark.parametrize("resource", ["evaluations", "gradchecks", "programs"])
def test_refused_source_is_not_stored(client, database, resource):
    assert client.post(f"/api/v1/{resource}", json={"source": "a +"}).status_code == 422
    assert client.post(f"/api/v1/{resource}", json={"source": "a", "at": {"b": 1}}).json["errors"]
    assert rows(database) == {}


def test_evaluation_is_answered_where_nothing_can_be_stored(tmp_path, vocabulary):
    """Without tables, as before the first migration: the answer needs none of them."""
    database = Database(Settings(data_dir=tmp_path).database)
    app = create_app(Settings(data_dir=tmp_path), database=database, vocabulary=vocabulary)
    answer = app.test_client().post("/api/v1/evaluations", json={"source": "x*x", "at": {"x": 3}})
    assert (answer.status_code, answer.json["value"]) == (200, 9)


def test_second_insert_is_no_error(app, database, vocabulary):
    """Not even in one transaction: the row that is there stays, and its use is noted."""
    context = app.extensions["nudge"]
    program = parse("x*x", vocabulary)
    with database.write() as session:
        for _ in range(2):
            programs.keep(session, context, program)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(StoredProgram)) == 1


def test_use_is_noted_once_an_hour(client, store, database, clock):
    program_hash = store("x*x")["hash"]
    first = clock()
    evaluation = {"source": "x*x", "at": {"x": 1}}
    for ask in (
        lambda: client.post("/api/v1/evaluations", json=evaluation),
        lambda: client.post(f"{URL}/{program_hash}/steps", json={"at": {"x": 1}}),
        lambda: client.get(f"{URL}/{program_hash}"),
    ):
        before = rows(database)[program_hash].last_used_at
        clock.forward(minutes=59)
        assert ask().status_code == 200
        assert rows(database)[program_hash].last_used_at == before
        clock.forward(minutes=1)
        assert ask().status_code == 200
        assert rows(database)[program_hash].last_used_at == clock()
    assert rows(database)[program_hash].created_at == first


def test_unused_program_is_removed(client, store, app, clock, database):
    unused = store("x*x")["hash"]
    clock.forward(days=2)
    used = store("x*x*x")["hash"]
    clock.forward(days=5, hours=2)
    context = app.extensions["nudge"]
    purge(context, None)
    assert set(rows(database)) == {used}
    assert client.get(f"{URL}/{unused}").status_code == 404
    assert programs.purge_expired(database, clock, 7) == 0


def test_program_that_is_read_is_kept_and_says_since_when(client, store, clock, database):
    program_hash = store("x*x")["hash"]
    for _ in range(3):
        clock.forward(days=6)
        read = client.get(f"{URL}/{program_hash}").json
        assert datetime.fromisoformat(read["last_used_at"]) == clock()
        assert programs.purge_expired(database, clock, 7) == 0


def test_expired_program_is_hidden_before_it_is_removed(client, store, clock, database):
    stored = store("x*x")
    clock.forward(days=7, hours=1)
    for answer in (
        client.get(f"{URL}/{stored['hash']}"),
        client.post(f"{URL}/{stored['hash']}/steps", json={"at": {"x": 1}}),
    ):
        assert (answer.status_code, answer.json["code"]) == (404, "unknown_program")
    again = client.post(URL, json={"source": "x  *  x"})
    assert again.status_code == 201
    assert (again.json["source"], again.json["hash"]) == ("x  *  x", stored["hash"])
    assert again.json["created_at"] > stored["created_at"]
    assert programs.purge_expired(database, clock, 7) == 0


def test_program_of_an_owned_check_is_never_removed(client, clock, database, settings):
    """The check refers to it for as long as it is there itself."""
    body = {"source": "x*x", "at": {"x": 3}, "claimed": {"x": 6}}
    check = client.post("/api/v1/gradchecks", json=body).json
    with sqlite3.connect(settings.data_dir / "nudge.db") as raw:
        raw.execute("UPDATE gradcheck SET owner_id = 1")
    clock.forward(days=100)
    assert programs.purge_expired(database, clock, 7) == 0
    assert client.get(f"/api/v1/gradchecks/{check['id']}").json["program"] == check["program"]
    assert client.get(f"{URL}/{check['program']['hash']}").status_code == 200


def test_check_never_outlives_its_program(client, clock, app):
    body = {"source": "x*x", "at": {"x": 3}, "claimed": {"x": 6}}
    check = client.post("/api/v1/gradchecks", json=body).json
    clock.forward(days=7, seconds=-1)
    purge(app.extensions["nudge"], None)
    assert client.get(f"/api/v1/gradchecks/{check['id']}").status_code == 200
    assert client.get(f"{URL}/{check['program']['hash']}").status_code == 200


def test_program_in_use_is_never_removed(client, store, clock, database):
    program_hash = store("x*x")["hash"]
    clock.forward(minutes=59)
    client.post(f"{URL}/{program_hash}/steps", json={"at": {"x": 1}})  # too soon to be noted
    used = clock()
    clock.forward(days=7, seconds=-1)
    assert clock() - used < timedelta(days=7)
    assert programs.purge_expired(database, clock, 7) == 0


@pytest.mark.parametrize("program_hash", ["0" * 64, "x", "%00", "ü"])
@pytest.mark.parametrize("way", ["read", "steps"])
def test_unknown_hash_says_what_to_do(client, program_hash, way):
    if way == "read":
        answer = client.get(f"{URL}/{program_hash}")
    else:
        answer = client.post(f"{URL}/{program_hash}/steps", json={})
    assert (answer.status_code, answer.json["code"]) == (404, "unknown_program")
    assert "POST its source to /api/v1/programs" in answer.json["hint"]


# -- played ----------------------------------------------------------------------


def test_events_are_told_in_order(play):
    steps = play("c = a*b; d = c + a", {"a": 2, "b": -3})
    assert [event["text"] for event in steps["events"]] == [
        "d.grad = 1",
        "c.grad += d.grad",
        "a.grad += d.grad",
        "a.grad += c.grad * b",
        "b.grad += c.grad * a",
    ]
    assert steps["events"][3] == {
        "index": 3,
        "pass": 1,
        "equation": 1,
        "output": "c",
        "argument": 0,
        "variable": "a",
        "op": "mul",
        "rule": "c.grad * b",
        "text": "a.grad += c.grad * b",
        "upstream": 1,
        "local": -3,
        "outgoing": -3,
        "total": -2,
        "non_finite": {},
        "position": {"line": 1, "column": 5, "length": 3},
    }
    assert steps["events"][0]["upstream"] is None
    assert (steps["value"], steps["gradients"], steps["passes"]) == (-4, {"a": -2, "b": 2}, 1)
    assert (steps["slip"], steps["differences"], steps["diamond"]) == (None, [], None)


def test_listing_has_both_directions(play):
    steps = play("c = a*a; d = c + 2", {"a": 3})
    assert steps["listing"] == [
        {
            "equation": 1,
            "forward": "  1  c = a * a",
            "backward": ["a.grad += c.grad * a", "a.grad += c.grad * a"],
            "events": [2, 3],
        },
        {
            "equation": 2,
            "forward": "  2  d = c + 2",
            "backward": ["c.grad += d.grad"],
            "events": [1],
        },
        {"equation": None, "forward": "", "backward": ["d.grad = 1"], "events": [0]},
    ]


def test_arrays_are_nested_lists(play):
    steps = play("sum(w * x)", {"w": [[1, 2], [3, 4]], "x": [1, 10]})
    into_w, into_x = steps["events"][2:]
    assert into_w["local"] == [[1, 10], [1, 10]]
    assert (into_x["local"], into_x["outgoing"]) == ([[1, 2], [3, 4]], [4, 6])
    assert steps["at"] == {"w": [[1, 2], [3, 4]], "x": [1, 10]}


def test_numbers_that_json_has_not_are_flagged(client, store):
    program_hash = store("y = log(x); z = y*0")["hash"]
    answer = client.post(f"{URL}/{program_hash}/steps", json={"at": {"x": 0}})
    json.loads(answer.text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    steps = answer.json
    assert steps["forward"][0]["value"] is None
    assert steps["forward"][0]["non_finite"] == {"value": [{"index": None, "is": "-inf"}]}
    assert steps["gradients"] == {"x": None}
    assert steps["events"][-1]["non_finite"]["local"] == [{"index": None, "is": "inf"}]
    assert (steps["non_finite"]["name"], steps["non_finite"]["op"]) == ("y", "log")
    assert "x = 0" in steps["non_finite"]["reason"]


def test_parts_and_visits_that_json_has_not_are_flagged(play):
    source = "b = log(x); c = b + b; d = c*b"
    (reuse,) = play(source, {"x": 0}, slip="overwrite")["reuses"]
    infinite = {"part": [{"index": None, "is": "-inf"}]}
    assert [use["non_finite"] for use in reuse["uses"] if use["part"] is None] == [infinite] * 3
    assert all(use["non_finite"] == {} for use in reuse["uses"] if use["part"] is not None)
    visits = play(source, {"x": 0}, slip="no_order")["diamond"]["visits"]
    assert any(visit["gradient"] is None for visit in visits)
    assert all(
        (visit["gradient"] is None) == ("gradient" in visit["non_finite"]) for visit in visits
    )


@pytest.mark.parametrize("slip", SLIPS)
def test_slip_is_replayed_with_its_lesson(play, slip):
    steps = play(SHARED, {"a": 3}, slip=slip)
    record = SLIPS[slip]
    assert steps["slip"] == {"code": slip, "title": record.title, "teaches": record.teaches}
    wrong = {d["name"]: (d["wrong"], d["right"]) for d in steps["differences"]}
    assert wrong["a"] == (steps["gradients"]["a"], 26)
    assert bool(steps["reuses"]) == (slip == "overwrite")
    assert (steps["diamond"] is not None) == (slip == "no_order")


def test_overwritten_parts_are_listed(play):
    (reuse,) = play("b = a + a", {"a": 3}, slip="overwrite")["reuses"]
    assert (reuse["name"], reuse["sum"], reuse["kept"]) == ("a", 2, 1)
    assert [use["part"] for use in reuse["uses"]] == [1, 1]


def test_diamond_shows_the_order_of_visits(play):
    diamond = play("b = a*3; c = b*2; d = b + 1; e = c*d", {"a": 1}, slip="no_order")["diamond"]
    assert (diamond["top"], diamond["shared"], diamond["nodes"]) == ("e", "b", ["e", "d", "c", "b"])
    assert [visit["name"] for visit in diamond["visits"]] == ["e", "c", "b", "d", "b"]


def test_passes_are_as_many_as_asked_for(play):
    steps = play("x*x", {"x": 1}, slip="no_zero_grad", passes=4)
    assert (steps["passes"], steps["gradients"]) == (4, {"x": 8})
    assert [event["pass"] for event in steps["events"] if event["op"] == "seed"] == [1, 2, 3, 4]


BAD = {
    "unknown slip": ({"slip": "overwriting"}, "/slip"),
    "slip as a number": ({"slip": 3}, "/slip"),
    "passes without a slip": ({"passes": 2}, "/passes"),
    "passes of a single pass": ({"slip": "overwrite", "passes": 3}, "/passes"),
    "one pass": ({"slip": "stale_graph", "passes": 1}, "/passes"),
    "many passes": ({"slip": "stale_graph", "passes": 21}, "/passes"),
    "endless passes": ({"slip": "stale_graph", "passes": 1e308}, "/passes"),
    "passes true": ({"slip": "stale_graph", "passes": True}, "/passes"),
    "half a pass": ({"slip": "stale_graph", "passes": 2.5}, "/passes"),
    "missing input": ({"at": {}}, "/at/a"),
    "unknown input": ({"at": {"a": 1, "z": 1}}, "/at/z"),
    "unknown field": ({"source": "x"}, "/source"),
}


@pytest.mark.parametrize(("change", "pointer"), BAD.values(), ids=BAD)
def test_wrong_question_is_pointed_at(client, store, change, pointer):
    answer = client.post(f"{URL}/{store()['hash']}/steps", json={"at": {"a": 3}, **change})
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json["errors"]]


def test_traversal_that_doubles_is_refused(client, store):
    program_hash = store("y = x*1\n" + "y = y + y\n" * 40)["hash"]
    answer = client.post(f"{URL}/{program_hash}/steps", json={"at": {"x": 1}, "slip": "no_order"})
    assert (answer.status_code, answer.json["code"]) == (422, "too_many_steps")


# -- other operations than those it was stored with ------------------------------

PLUGIN = '''
import numpy as np
from engine.extend import op

@op()
def bend(x):
    """x to a power."""
    return POWER

@bend.backward
def _(g, y, x):
    return g * SLOPE
'''
SQUARE = PLUGIN.replace("POWER", "x * x").replace("SLOPE", "2 * x")
CUBE = PLUGIN.replace("POWER", "x * x * x").replace("SLOPE", "3 * x * x")


@pytest.fixture
def with_plugin(tmp_path, database):
    """with_plugin(text): a client of the service with this plugin; None for one without."""

    def made(plugin):
        folder = tmp_path / "plugins"
        folder.mkdir(exist_ok=True)
        (folder / "bend.py").unlink(missing_ok=True)
        if plugin is not None:
            (folder / "bend.py").write_text(plugin)
        settings = Settings(data_dir=tmp_path, plugins_dir=folder)
        return create_app(settings, database=database).test_client()

    return made


def test_changed_operation_is_run_and_told(with_plugin):
    stored = with_plugin(SQUARE).post(URL, json={"source": "y = bend(x)"}).json
    client = with_plugin(CUBE)
    steps = client.post(f"{URL}/{stored['hash']}/steps", json={"at": {"x": 2}}).json
    assert (steps["program_changed"], steps["value"], steps["gradients"]) == (True, 8, {"x": 12})
    assert steps["program"]["hash"] != stored["hash"]
    assert steps["stored_with"]["op_set"] == stored["op_set"] != steps["op_set"]
    read = client.get(f"{URL}/{stored['hash']}").json
    assert (read["hash"], read["program_changed"]) == (stored["hash"], True)


def test_operation_that_is_gone_is_named(with_plugin):
    stored = with_plugin(SQUARE).post(URL, json={"source": "y = bend(x)"}).json
    client = with_plugin(None)
    for answer in (
        client.get(f"{URL}/{stored['hash']}"),
        client.post(f"{URL}/{stored['hash']}/steps", json={"at": {"x": 2}}),
    ):
        assert (answer.status_code, answer.json["code"]) == (409, "program_unreadable")
        assert "bend" in answer.json["detail"]


# -- the migration ---------------------------------------------------------------

CHECK = (
    "INSERT INTO gradcheck (public_id, created_at, source, at, claimed, tolerance, verdict, report,"
    " document_version, program_hash, engine_version, op_set_hash) VALUES (:id, :at, :source, '{}',"
    " NULL, '\"student\"', 'pass', '{}', 1, :hash, '0.1', 'ops')"
)


@pytest.fixture
def filled(settings):
    """A database at the revision before, with gradient checks in it."""
    database = Database(settings.database)
    config = schema._config()
    with database.migration() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    checks = [
        ("gc_1", "2026-01-01 00:00:00.000000", "x*x", "a" * 64),
        ("gc_2", "2026-01-03 00:00:00.000000", "x * x", "a" * 64),
        ("gc_3", "2026-01-02 00:00:00.000000", "x+x", "b" * 64),
    ]
    with database.write() as session:
        for name, at, source, program_hash in checks:
            told = {"id": name, "at": at, "source": source, "hash": program_hash}
            session.execute(text(CHECK), told)
    yield database
    database.close()


def test_upgrade_keeps_checks_and_finds_their_programs(filled):
    assert migrate(filled).status == "older"
    found = {
        h: (row.source, row.created_at.day, row.last_used_at.day) for h, row in rows(filled).items()
    }
    assert found == {"a" * 64: ("x*x", 1, 3), "b" * 64: ("x+x", 2, 2)}
    with filled.read() as session:
        assert session.scalar(text("SELECT count(*) FROM gradcheck")) == 3


def test_downgrade_keeps_the_checks(filled, settings):
    migrate(filled)
    config = schema._config()
    with filled.migration() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    with sqlite3.connect(settings.data_dir / "nudge.db") as raw:
        names = {name for (name,) in raw.execute("SELECT name FROM sqlite_master")}
        assert raw.execute("SELECT count(*) FROM gradcheck").fetchone() == (3,)
    assert not any("program" in name for name in names)


def test_check_notes_its_program_once_an_hour(client, database, clock):
    def check():
        answer = client.post("/api/v1/gradchecks", json={"source": "x*x", "at": {"x": 1}})
        assert answer.status_code == 201
        return rows(database)[answer.json["program"]["hash"]].last_used_at

    for _ in range(2):
        noted = clock()
        assert check() == noted
        clock.forward(minutes=59)
        assert check() == noted
        clock.forward(minutes=1)
