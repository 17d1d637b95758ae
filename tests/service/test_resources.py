"""What can be asked about the service itself: ops, plugins, data sets, version, health."""

from __future__ import annotations

import json

import pytest

from engine.datasets import DATASETS
from service.app import create_app
from service.config import Settings
from service.db import Database


def test_every_op_is_listed_and_shown(client, vocabulary):
    items = client.get("/api/v1/ops").json["items"]
    assert [item["name"] for item in items] == list(vocabulary.ops)
    for item in items:
        assert client.get(f"/api/v1/ops/{item['name']}").json == item
        assert item["doc"]
        assert item["arity"] is None or len(item["inputs"]) == item["arity"]
        assert (item["formula"] is None) == (item["python_only"] is not None)


def test_op_shows_its_formula(client):
    tanh = client.get("/api/v1/ops/tanh").json
    assert tanh["formula"] == {"forward": "tanh(x)", "backward": ["g * (1 - y * y)"]}
    assert tanh["origin"] == "built-in"
    assert client.get("/api/v1/ops/relu").json["has_kinks"]
    assert "x > 0" in client.get("/api/v1/ops/log").json["domains"]


def test_parameters_are_shown_as_json(client):
    total = client.get("/api/v1/ops/sum").json
    axis = next(param for param in total["params"] if param["name"] == "axis")
    assert axis == {"name": "axis", "required": False, "default": None}


@pytest.mark.parametrize("name", ["nothing", "tanh2", "__class__", "%00", "ü"])
def test_unknown_op_is_not_found(client, name):
    assert client.get(f"/api/v1/ops/{name}").status_code == 404


def test_datasets_are_those_of_the_engine(client):
    items = client.get("/api/v1/datasets").json["items"]
    assert [item["name"] for item in items] == list(DATASETS)
    assert {item["task"] for item in items} == {"classification", "regression"}


def test_version_names_the_op_set(client, vocabulary):
    answer = client.get("/api/v1/version").json
    assert answer["op_set"] == vocabulary.hash
    assert answer["ops"] == len(vocabulary.ops)
    assert answer["api"] == "v1"


def test_live_and_ready(client):
    assert client.get("/api/v1/health/live").json == {"status": "live"}
    ready = client.get("/api/v1/health/ready")
    assert ready.json["checks"] == {"database": "ok", "schema": "ok", "queue": "ok"}


def test_missing_schema_is_not_ready(tmp_path, vocabulary):
    settings = Settings(data_dir=tmp_path)
    client = create_app(settings, vocabulary=vocabulary).test_client()
    answer = client.get("/api/v1/health/ready")
    assert (answer.status_code, answer.json["code"]) == (503, "not_ready")
    assert [error["parameter"] for error in answer.json["errors"]] == ["schema"]
    assert answer.headers["Retry-After"]
    assert client.get("/api/v1/health/live").status_code == 200


def test_unusable_database_is_not_ready(tmp_path, vocabulary):
    settings = Settings(data_dir=tmp_path)
    (tmp_path / "nudge.db").write_bytes(b"no database at all " * 1000)
    database = Database(settings.database)
    answer = (
        create_app(settings, database=database, vocabulary=vocabulary)
        .test_client()
        .get("/api/v1/health/ready")
    )
    assert answer.status_code == 503
    assert {error["parameter"] for error in answer.json["errors"]} == {"database", "schema"}


GOOD = """
import numpy as np
from engine.extend import op

@op()
def cube(x):
    \"\"\"x to the third.\"\"\"
    return x * x * x

@cube.backward
def _(g, y, x):
    return g * 3 * x * x
"""
WRONG = GOOD.replace("cube", "wrong").replace("3 * x * x", "2 * x * x")
BROKEN = {
    "raises": "1/0",
    "exits": "import sys; sys.exit(3)",
    "unreadable": "def f(:",
    "wrong": WRONG,
}


@pytest.fixture
def shelf(tmp_path, migrated):
    """A client of a service with one good plugin and several broken ones."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "cubic.py").write_text(GOOD)
    for name, text in BROKEN.items():
        (folder / f"{name}.py").write_text(text)
    (tmp_path / "nudge.db").write_bytes(migrated.read_bytes())
    return create_app(Settings(data_dir=tmp_path, plugins_dir=folder)).test_client()


def test_plugin_is_usable_at_once(shelf):
    body = {"source": "y = cube(x) + x.cube()", "at": {"x": 2}}
    answer = shelf.post("/api/v1/evaluations", json=body).json
    assert (answer["value"], answer["gradients"]) == (16, {"x": 24})
    assert shelf.get("/api/v1/ops/cube").json["origin"] == "cubic"


def test_broken_plugins_are_listed_with_their_reason(shelf):
    items = {item["name"]: item for item in shelf.get("/api/v1/plugins").json["items"]}
    assert items["cubic"]["ok"]
    assert items["cubic"]["ops"] == ["cube"]
    for name in BROKEN:
        assert not items[name]["ok"]
        assert items[name]["reason"]
    assert "ZeroDivisionError" in items["raises"]["reason"]
    assert "wrong" in items["wrong"]["reason"]
    assert "Traceback" not in json.dumps(list(items.values()))
