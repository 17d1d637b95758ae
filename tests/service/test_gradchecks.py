"""Gradient checks: a wrong claim is a verdict, kept for a while and then gone."""

from __future__ import annotations

import sqlite3

import pytest

from service.gradchecks import purge_expired

URL = "/api/v1/gradchecks"
TWICE = {"source": "b = a + a", "at": {"a": 3}}


@pytest.fixture
def check(client):
    """check(body): the stored check; the request must succeed."""

    def checked(body=TWICE, **more):
        answer = client.post(URL, json={**body, **more})
        assert answer.status_code == 201, answer.text
        return answer.json

    return checked


def test_wrong_claim_fails(check):
    found = check(claimed={"a": 1})
    assert found["verdict"] == "fail"
    (component,) = found["components"]
    assert (component["input"], component["index"], component["claim"]) == ("a", None, 1)
    assert component["reference"] == pytest.approx(2)
    assert component["relative_error"] == pytest.approx(0.5)


def test_right_claim_passes(check):
    assert check(claimed={"a": 2})["verdict"] == "pass"


def test_own_gradients_are_judged_by_default(check):
    found = check()
    assert (found["verdict"], found["claimed"], found["unclaimed"]) == ("pass", None, [])


def test_four_digits_pass_as_student_only(check):
    body = {"source": "exp(x)", "at": {"x": 1}, "claimed": {"x": 2.718}}
    assert check(body)["verdict"] == "pass"
    assert check(body, tolerance="strict")["verdict"] == "fail"
    assert check(body, tolerance=1e-3)["relative_tolerance"] == 1e-3


def test_unclaimed_inputs_are_named(check):
    found = check({"source": "a*b", "at": {"a": 2, "b": 3}}, claimed={"a": 3})
    assert found["unclaimed"] == ["b"]
    assert [component["input"] for component in found["components"]] == ["a"]


def test_kink_gives_both_slopes(check):
    found = check({"source": "abs(x)", "at": {"x": 0}}, claimed={"x": 0})
    assert found["verdict"] == "not_differentiable"
    slopes = found["components"][0]["slopes"]
    assert (slopes["left"], slopes["right"]) == (pytest.approx(-1), pytest.approx(1))


def test_non_finite_program_is_a_verdict(check):
    found = check({"source": "log(x)", "at": {"x": -1}}, claimed={"x": -1})
    assert (found["verdict"], found["value"]) == ("non_finite", None)
    assert found["non_finite"]["op"] == "log"


def test_entries_of_arrays_are_judged_one_by_one(check):
    found = check({"source": "sum(x*x)", "at": {"x": [1, 2]}}, claimed={"x": [2, 5]})
    verdicts = [(c["index"], c["verdict"]) for c in found["components"]]
    assert verdicts == [([0], "pass"), ([1], "fail")]


def test_check_is_read_back_as_it_was_told(client):
    answer = client.post(URL, json={**TWICE, "claimed": {"a": 1}})
    assert answer.headers["Location"] == f"{URL}/{answer.json['id']}"
    again = client.get(answer.headers["Location"])
    assert (again.status_code, again.json) == (200, answer.json)


def test_check_outlives_the_process(client, make_app):
    stored = client.post(URL, json=TWICE).json
    assert make_app().test_client().get(f"{URL}/{stored['id']}").json == stored


def test_check_remembers_what_it_was_asked(check):
    found = check(claimed={"a": 1}, tolerance="strict")
    assert found["source"] == TWICE["source"]
    assert (found["at"], found["claimed"], found["tolerance"]) == ({"a": 3}, {"a": 1}, "strict")
    assert len(found["op_set"]) == 64
    assert found["engine_version"]


def test_pages_show_every_check_once(client, check, clock):
    ids = []
    for _ in range(7):
        ids.append(check()["id"])
        clock.forward(seconds=1)
    seen, cursor = [], None
    for limit in (3, 3, 1):
        query = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        page = client.get(URL, query_string=query).json
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert seen == ids[::-1]
    assert cursor is None


def test_page_stays_right_while_checks_arrive(client, check, clock):
    first, second = check()["id"], None
    clock.forward(seconds=1)
    second = check()["id"]
    page = client.get(URL, query_string={"limit": 1}).json
    clock.forward(seconds=1)
    check()
    following = client.get(URL, query_string={"limit": 1, "cursor": page["next"]}).json
    assert [page["items"][0]["id"], following["items"][0]["id"]] == [second, first]


def test_checks_are_found_by_verdict(client, check):
    check(claimed={"a": 2})
    wrong = check(claimed={"a": 1})["id"]
    items = client.get(URL, query_string={"verdict": "fail"}).json["items"]
    assert [item["id"] for item in items] == [wrong]


BAD_QUERIES = ["limit=0", "limit=201", "limit=x", "limit=1.5", "limit=%201", "limit=", "cursor=x"]


@pytest.mark.parametrize("query", [*BAD_QUERIES, "cursor=", "verdict=good", "offset=3"])
def test_wrong_query_is_named(client, query):
    answer = client.get(f"{URL}?{query}")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["parameter"] == query.partition("=")[0]


def test_expired_check_is_not_shown(client, check, clock):
    stored = check()
    assert stored["expires_at"][:10] == "2026-03-08"
    clock.forward(days=7, seconds=-1)
    assert client.get(f"{URL}/{stored['id']}").status_code == 200
    clock.forward(seconds=1)
    assert client.get(f"{URL}/{stored['id']}").status_code == 404
    assert client.get(URL).json["items"] == []


def test_purging_removes_what_has_expired(check, clock, database, settings):
    check()
    clock.forward(days=6)
    check()
    assert purge_expired(database, clock, 7) == 0
    clock.forward(days=1)
    assert purge_expired(database, clock, 7) == 1
    with sqlite3.connect(settings.data_dir / "nudge.db") as raw:
        assert raw.execute("SELECT count(*) FROM gradcheck").fetchone() == (1,)


def test_owned_check_never_expires(check, clock, database, settings, client):
    stored = check()
    with sqlite3.connect(settings.data_dir / "nudge.db") as raw:
        raw.execute("UPDATE gradcheck SET owner_id = 1")
    clock.forward(days=100)
    assert purge_expired(database, clock, 7) == 0
    assert client.get(f"{URL}/{stored['id']}").json["expires_at"] is None


@pytest.mark.parametrize("check_id", ["x", "gc_" + "0" * 30, "run_" + "0" * 30, "gc_%00", "1"])
def test_unknown_check_is_not_found(client, check_id):
    assert client.get(f"{URL}/{check_id}").status_code == 404


BAD = {
    "unknown claim": ({"claimed": {"b": 1}}, "/claimed/b"),
    "claim as text": ({"claimed": {"a": "2"}}, "/claimed/a"),
    "claim of a wrong shape": ({"claimed": {"a": [1, 2]}}, "/claimed/a"),
    "claims as a list": ({"claimed": [1]}, "/claimed"),
    "unknown tolerance": ({"tolerance": "lax"}, "/tolerance"),
    "tolerance zero": ({"tolerance": 0}, "/tolerance"),
    "tolerance true": ({"tolerance": True}, "/tolerance"),
    "no source": ({"source": None}, "/source"),
    "source as a number": ({"source": 3}, "/source"),
    "unreadable source": ({"source": "a +"}, "/source"),
    "unknown field": ({"claims": {"a": 1}}, "/claims"),
    "missing input": ({"at": {}}, "/at/a"),
}


@pytest.mark.parametrize(("change", "pointer"), BAD.values(), ids=BAD)
def test_wrong_request_stores_nothing(client, change, pointer):
    answer = client.post(URL, json={**TWICE, **change})
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json["errors"]]
    assert client.get(URL).json["items"] == []
