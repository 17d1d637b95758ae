"""Gradient checks: a wrong claim is a verdict, kept for a while and then gone."""

from __future__ import annotations

import json
import sqlite3
from importlib import import_module

import pytest

from service.app import create_app
from service.config import Settings
from service.gradchecks import purge_expired

URL = "/api/v1/gradchecks"
TWICE = {"source": "b = a + a", "at": {"a": 3}}
HALFWAY = {
    "source": "e = a*b\nd = e + c\nL = d * f",
    "at": {"a": 2, "b": -3, "c": 10, "f": -2},
    "claimed": {"d": -2, "e": 2, "a": -6, "b": 4},
}
TWO_MISTAKES = {
    "source": "o = tanh(x*w + b)\nL = (o - y)**2",
    "at": {"x": 1.3, "w": 0.5, "b": -0.2, "y": 0.8},
    "claimed": {
        "x": -0.6030710866262374,
        "w": -1.5679848252282174,
        "b": -1.2061421732524749,
        "y": 1.5124039789999686,
    },
}
"""Everything twice, and tanh with its input where the output belongs."""


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


# ---- what explains a wrong claim ----


def test_wrong_claim_is_explained(check):
    found = check(claimed={"a": 1})["diagnoses"][0]
    assert (found["mistake"], found["explains"], found["of"]) == ("overwrite", 1, 1)
    assert found["title"] == "= instead of += on a name used twice"
    assert "+=" in found["mend"]
    assert "used twice" in found["explanation"]
    assert found["numbers"] == {"yours": 1.0, "true": 2.0}


def test_right_claim_is_not_explained(check):
    found = check(claimed={"a": 2})
    assert (found["diagnoses"], found["first_wrong"]) == ([], None)


def test_place_is_the_stretch_of_source_where_the_mistake_sits(check):
    found = check({"source": "c = 1\nd = tanh(x)*c", "at": {"x": 0.5}}, claimed={"x": 0.75})
    place = found["diagnoses"][0]["place"]
    line = found["source"].split("\n")[place["line"] - 1]
    assert line[place["column"] - 1 :][: place["length"]] == "tanh(x)"
    assert (place["line"], place["equation"], place["variable"]) == (2, 1, "x")


def test_two_mistakes_are_told_one_by_one(check):
    found = next(d for d in check(TWO_MISTAKES)["diagnoses"] if d["mistake"] == "pair")
    assert {part["mistake"] for part in found["parts"]} == {"input_not_output", "factor2"}
    assert all(part["title"] and part["mend"] for part in found["parts"])


def test_first_wrong_intermediate_is_found_and_what_follows_is_not_blamed(check):
    found = check(HALFWAY)
    first = found["first_wrong"]
    assert (first["name"], first["claim"], first["expected"]) == ("e", 2, -2)
    assert (first["place"]["equation"], first["place"]["text"]) == (2, "d = e + c")
    assert (sorted(first["follow"]), first["others"]) == (["a", "b"], [])
    follows = {c["input"]: c["follows"] for c in found["components"]}
    assert follows == {"d": False, "e": False, "a": True, "b": True}


def test_comparison_that_cannot_fail_says_so(check):
    found = check({"source": "x*w", "at": {"x": 1, "w": 0}}, claimed={"x": 0})
    assert (found["verdict"], len(found["warnings"])) == ("pass", 1)
    assert "could hardly fail" in found["warnings"][0]


# ---- how slopes are found ----


@pytest.mark.parametrize(
    ("asked", "told"), [("auto", "exact"), ("exact", "exact"), ("blackbox", "blackbox")]
)
def test_method_is_chosen_and_told(check, asked, told):
    found = check({"source": "sin(x)", "at": {"x": 1}}, claimed={"x": 0.5403}, method=asked)
    assert (found["method"], found["verdict"]) == (told, "pass")
    (component,) = found["components"]
    assert component["evaluations"] == found["evaluations"] > 0
    assert (component["error_bound"] < 1e-15) is (told == "exact")


def test_rounding_shows_what_backpropagation_gives(check):
    found = check({"source": "(exp(x) - 1)/x", "at": {"x": 1e-9}})
    (component,) = found["components"]
    assert found["verdict"] == "rounding"
    assert component["backprop"] == component["claim"] != component["reference"]
    assert component["reference"] == pytest.approx(0.5)


def test_operation_without_a_formula_is_judged_on_its_own(tmp_path, database):
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "opaque.py").write_text(OPAQUE)
    settings = Settings(data_dir=tmp_path, plugins_dir=folder)
    client = create_app(settings, database=database).test_client()
    found = client.post(URL, json={"source": "opaque(x)*w", "at": {"x": 2, "w": 3}}).json
    assert found["verdict"] == "pass"
    (local,) = found["local"]
    assert (local["op"], local["argument"], local["verdict"]) == ("opaque", "x", "pass")
    assert local["given"] == pytest.approx(4 * local["upstream"])
    assert local["reference"] == pytest.approx(local["given"])
    assert local["place"]["text"].endswith("opaque(x)")


OPAQUE = """\
import numpy as np

from engine.extend import Trial, op


@op(elementwise=False, trials=[Trial(((),)), Trial(((3,),))])
def opaque(x):
    return np.asarray(x) ** 2


@opaque.backward
def _(g, y, x):
    return g * 2 * x
"""


# ---- the error against the step ----


def test_sweep_is_made_only_when_asked_for(check):
    assert check(claimed={"a": 1})["sweep"] is None


def test_sweep_falls_and_rises_again(check):
    body = {"source": "exp(x)*w", "at": {"x": 1, "w": [1, 2]}, "claimed": {"x": 2, "w": [1, 2]}}
    body["source"] = "sum(exp(x)*w)"
    found = check(body, sweep=True)
    named = [(sweep["input"], sweep["index"]) for sweep in found["sweep"]]
    assert named == [("x", None), ("w", [0]), ("w", [1])]
    rows = found["sweep"][0]["rows"]
    errors = [row["central_error"] for row in rows]
    assert rows[0]["h"] > rows[-1]["h"]
    assert min(errors) < 1e-8 < min(errors[0], errors[-1])


def test_sweep_across_the_edge_of_a_domain_holds_nulls(client):
    body = {"source": "sqrt(x)", "at": {"x": 0.5}, "sweep": True}
    answer = client.post(URL, json=body)
    told = json.loads(answer.text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    row = told["sweep"][0]["rows"][0]
    assert (row["h"], row["central"], row["central_error"]) == (1, None, None)
    assert row["non_finite"]["central"] == [{"index": None, "is": "nan"}]
    assert row["forward_error"] > 0
    assert client.get(answer.headers["Location"]).json == answer.json


def test_list_leaves_the_sweeps_out(client, check):
    stored = check(claimed={"a": 1}, sweep=True)
    assert stored["sweep"][0]["rows"]
    assert client.get(f"{URL}/{stored['id']}").json == stored
    assert client.get(URL).json["items"] == [stored | {"sweep": None}]


@pytest.mark.parametrize(("method", "looked_up"), [("exact", 0), ("blackbox", 2)])
def test_sweep_takes_the_exact_slope_from_the_check(check, monkeypatch, method, looked_up):
    """A measured slope would bring its own errors along, so there it is found exactly."""
    seen = []
    sweep = import_module("engine.check.sweep")
    found = sweep.slope_at
    monkeypatch.setattr(sweep, "slope_at", lambda *args: seen.append(args) or found(*args))
    body = {"source": "sum(exp(w))", "at": {"w": [1, 2]}}
    rows = check(body, sweep=True, method=method)["sweep"][1]["rows"]
    assert min(row["central_error"] for row in rows) < 1e-8
    assert len(seen) == looked_up


def test_kink_has_no_slope_to_sweep_against(check):
    found = check({"source": "abs(x)", "at": {"x": 0}}, sweep=True)
    assert found["sweep"] == [{"input": "x", "index": None, "rows": []}]


def test_sweep_of_too_many_numbers_is_refused(client, check):
    body = {"source": "sum(x*x)", "sweep": True}
    assert len(check(body, at={"x": [0.5] * 64})["sweep"]) == 64
    answer = client.post(URL, json={**body, "at": {"x": [0.5] * 65}})
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/sweep"
    assert "64" in answer.json["hint"]


# ---- stored, read, listed, removed ----


def test_report_stored_before_diagnoses_were_is_read_in_todays_form(client, check, settings):
    stored = check(claimed={"a": 1})
    old = {
        "verdict": "fail",
        "relative_tolerance": 7e-4,
        "value": 6.0,
        "components": [
            {
                "input": "a",
                "index": None,
                "claim": 1.0,
                "reference": 2.0,
                "error_bound": 1e-12,
                "relative_error": 0.5,
                "verdict": "fail",
                "slopes": None,
                "non_finite": {},
            }
        ],
        "unclaimed": [],
        "non_finite": None,
    }
    with sqlite3.connect(settings.data_dir / "nudge.db") as raw:
        row = (json.dumps(old),)
        raw.execute("UPDATE gradcheck SET report = ?, document_version = 1", row)
    found = client.get(f"{URL}/{stored['id']}").json
    assert set(found) == set(stored)
    assert set(found["components"][0]) == set(stored["components"][0])
    assert (found["method"], found["evaluations"], found["diagnoses"]) == ("blackbox", None, [])
    assert (found["sweep"], found["components"][0]["follows"]) == (None, False)
    assert client.get(URL).json["items"] == [found]


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
    "unknown claim": ({"claimed": {"c": 1}}, "/claimed/c"),
    "claim as text": ({"claimed": {"a": "2"}}, "/claimed/a"),
    "claim of a wrong shape": ({"claimed": {"a": [1, 2]}}, "/claimed/a"),
    "claims as a list": ({"claimed": [1]}, "/claimed"),
    "unknown tolerance": ({"tolerance": "lax"}, "/tolerance"),
    "tolerance zero": ({"tolerance": 0}, "/tolerance"),
    "tolerance true": ({"tolerance": True}, "/tolerance"),
    "no source": ({"source": None}, "/source"),
    "source as a number": ({"source": 3}, "/source"),
    "unreadable source": ({"source": "a +"}, "/source"),
    "unknown method": ({"method": "guess"}, "/method"),
    "method as a number": ({"method": 1}, "/method"),
    "sweep as a text": ({"sweep": "yes"}, "/sweep"),
    "sweep as a number": ({"sweep": 1}, "/sweep"),
    "unknown field": ({"claims": {"a": 1}}, "/claims"),
    "missing input": ({"at": {}}, "/at/a"),
}


@pytest.mark.parametrize(("change", "pointer"), BAD.values(), ids=BAD)
def test_wrong_request_stores_nothing(client, change, pointer):
    answer = client.post(URL, json={**TWICE, **change})
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json["errors"]]
    assert client.get(URL).json["items"] == []
