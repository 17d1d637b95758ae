"""What is answered without marshmallow is what its schemas describe, name for name, in order."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from service.api.evaluations import EvaluationOut
from service.api.gradchecks import GradCheckOut

QUESTIONS = {
    "neuron": {"source": "n = x*w + b\no = tanh(n)", "at": {"x": 2, "w": -3, "b": 6.9}},
    "arrays": {"source": "sum(w * x)", "at": {"w": [[1, 2], [3, 4]], "x": [1, 10]}},
    "default": {"source": "x = 3; y = x*x", "at": {}},
    "not finite": {"source": "y = 1/x\nz = y + 1", "at": {"x": 0}},
    "kink": {"source": "relu(x)", "at": {"x": 0}},
    "wrong": {"source": "b = a + a", "at": {"a": 3}, "claimed": {"a": 1}},
    "wrong first": {
        "source": "n = x*w\no = tanh(n)",
        "at": {"x": 2, "w": 0.5},
        "claimed": {"n": 0.1, "x": 0.05, "w": 7},
    },
    "swept": {"source": "x*x", "at": {"x": 3}, "sweep": True},
    "two mistakes": {
        "source": "p = a*b\nq = p + c\no = tanh(q)",
        "at": {"a": 1, "b": 0.5, "c": 0.1},
        "claimed": {"a": -0.35, "b": 1.4, "c": 0.7},
    },
}


@pytest.fixture(params=QUESTIONS.values(), ids=QUESTIONS)
def question(request):
    return request.param


def test_evaluation_is_as_described(client, question):
    asked = {name: question[name] for name in ("source", "at")}
    told = client.post("/api/v1/evaluations", json=asked).json
    assert json.dumps(told) == json.dumps(EvaluationOut().dump(told))


def test_gradcheck_is_as_described(client, question):
    told = client.post("/api/v1/gradchecks", json=question).json
    instants = {n: datetime.fromisoformat(told[n]) for n in ("created_at", "expires_at")}
    assert json.dumps(told) == json.dumps(GradCheckOut().dump(told | instants))


def test_read_check_is_as_told(client, question):
    created = client.post("/api/v1/gradchecks", json=question)
    assert client.get(created.headers["Location"]).text == created.text


def test_list_shows_checks_without_their_sweeps(client, question):
    created = client.post("/api/v1/gradchecks", json=question).json
    (listed,) = client.get("/api/v1/gradchecks").json["items"]
    assert json.dumps(listed) == json.dumps(created | {"sweep": None})
