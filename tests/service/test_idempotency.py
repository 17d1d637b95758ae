"""Idempotency-Key: the same request twice is one effect."""

from __future__ import annotations

import sqlite3
import threading
import uuid

import pytest

from service import idempotency
from service.db import Database
from service.errors import ConflictError, InvalidError
from service.idempotency import Answer, Reservation, keep, release, reserve

URL = "/api/v1/gradchecks"
BODY = {"source": "x*2", "at": {"x": 1}}


def send(client, key, body=BODY):
    return client.post(URL, json=body, headers={"Idempotency-Key": key})


def count(client):
    return len(client.get(URL).json["items"])


def test_same_request_is_answered_again(client):
    first, second = send(client, "k1"), send(client, "k1")
    assert (second.status_code, second.data) == (201, first.data)
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert count(client) == 1


def test_order_of_names_does_not_matter(client):
    send(client, "k1")
    again = send(client, "k1", {"at": {"x": 1.0}, "source": "x*2"})
    assert again.status_code == 422  # 1.0 is another text than 1
    again = send(client, "k1", {"at": {"x": 1}, "source": "x*2"})
    assert again.headers["Idempotency-Replayed"] == "true"


def test_other_request_is_refused(client):
    send(client, "k1")
    answer = send(client, "k1", {**BODY, "source": "x*3"})
    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")
    assert count(client) == 1


def test_refused_request_leaves_the_key_free(client):
    assert send(client, "k1", {**BODY, "source": "x*"}).status_code == 422
    assert send(client, "k1").status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ü"])
def test_unusable_key_is_named(client, key):
    answer = send(client, key.encode("utf-8").decode("latin-1"))
    assert answer.status_code == 422
    assert answer.json["errors"][0]["parameter"] == "Idempotency-Key"


def test_requests_without_a_key_are_all_new(client):
    for _ in range(2):
        client.post(URL, json=BODY)
    assert count(client) == 2


def test_key_is_forgotten_after_a_day(client, clock):
    send(client, "k1")
    clock.forward(days=1, seconds=1)
    assert "Idempotency-Replayed" not in send(client, "k1").headers
    assert count(client) == 2


def test_answer_in_the_making_is_a_conflict(database, clock):
    reserve(database, clock, "op", "k", "h")
    with pytest.raises(ConflictError) as error:
        reserve(database, clock, "op", "k", "h")
    assert error.value.retry_after
    with pytest.raises(InvalidError):
        reserve(database, clock, "op", "k", "other")
    assert isinstance(reserve(database, clock, "other", "k", "h"), Reservation)


def test_dead_request_is_taken_over_and_stays_dead(database, clock):
    dead = reserve(database, clock, "op", "k", "h")
    clock.forward(minutes=2)
    alive = reserve(database, clock, "op", "k", "h")
    with pytest.raises(ConflictError), database.write() as session:
        keep(session, dead, Answer(201, {}, "late"))
    with database.write() as session:
        keep(session, alive, Answer(201, {}, "in time"))
    release(database, dead)
    release(database, alive)
    assert reserve(database, clock, "op", "k", "h") == Answer(201, {}, "in time")


def test_crash_after_the_effect_keeps_both_or_neither(database, clock, client, settings):
    """Answer and effect are one transaction: undo it, and the key is still in the making."""
    reservation = reserve(database, clock, "op", "k", "h")
    with pytest.raises(ZeroDivisionError), database.write() as session:
        keep(session, reservation, Answer(201, {}, "x"))
        _ = 1 / 0
    with pytest.raises(ConflictError):
        reserve(database, clock, "op", "k", "h")


def test_old_keys_are_removed(client, clock, database, settings):
    send(client, "k1")
    clock.forward(days=2)
    with database.write() as session:
        idempotency.forget(session, clock())
    with sqlite3.connect(settings.data_dir / "nudge.db") as raw:
        assert raw.execute("SELECT count(*) FROM idempotent_request").fetchone() == (0,)


def test_storm_of_one_request_is_one_effect(settings, database, make_app):
    """Fifty at once with one key: one is carried out, the others replay it or are told to wait."""
    from service.app import create_app

    patient = Database(settings.database, busy_seconds=30)
    app = create_app(settings, database=patient)
    key, answers = str(uuid.uuid4()), []

    def once():
        answers.append(send(app.test_client(), key))

    threads = [threading.Thread(target=once) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {201, 409}
    assert len({answer.data for answer in answers if answer.status_code == 201}) == 1
    assert count(app.test_client()) == 1
