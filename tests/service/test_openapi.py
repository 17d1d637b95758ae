"""The description: golden, valid, complete, and shown without a word to the outside."""

from __future__ import annotations

import json
import re
from http import HTTPStatus

import pytest
from jsonschema_rs import Draft202012Validator

from service.api import RESOURCES

NAMES = {
    413: "REQUEST_ENTITY_TOO_LARGE",
    414: "REQUEST_URI_TOO_LONG",
    416: "REQUESTED_RANGE_NOT_SATISFIABLE",
    422: "UNPROCESSABLE_ENTITY",
}


@pytest.fixture
def spec(client):
    answer = client.get("/openapi.json")
    assert answer.status_code == 200
    return answer.json


def operations(spec):
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            if method in ("get", "post", "put", "patch", "delete"):
                yield f"{method.upper()} {path}", operation


def test_description_is_golden(client, golden):
    """Newer Pythons have newer names for some statuses, and so the components do."""
    text = client.get("/openapi.json").text
    for status, name in NAMES.items():
        text = text.replace(HTTPStatus(status).name, name)
    golden("openapi.json", text)


def test_routes_are_golden(app, golden):
    rules = sorted(
        f"{rule.rule} {' '.join(sorted((rule.methods or set()) - {'HEAD', 'OPTIONS'}))}"
        for rule in app.url_map.iter_rules()
    )
    golden("routes.txt", "\n".join(rules) + "\n")


def test_every_route_of_the_api_is_described(app, spec):
    described = {re.sub(r"\{(\w+)\}", r"<\1>", path) for path in spec["paths"]}
    served = {
        re.sub(r"<\w+:", "<", rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
    }
    assert described == served


def test_every_operation_says_what_it_does(spec):
    seen = set()
    for name, operation in operations(spec):
        assert operation["summary"].endswith("."), name
        assert operation["operationId"] not in seen
        seen.add(operation["operationId"])
        default = operation["responses"]["default"]["$ref"].rpartition("/")[2]
        assert list(spec["components"]["responses"][default]["content"]) == [
            "application/problem+json"
        ]


def test_every_reference_leads_somewhere(spec):
    for ref in re.findall(r'"\$ref": ?"#/([^"]+)"', json.dumps(spec)):
        place = spec
        for step in ref.split("/"):
            place = place[step]


def test_every_schema_is_a_schema(spec):
    for name, schema in spec["components"]["schemas"].items():
        whole = {"components": spec["components"], **schema}
        Draft202012Validator(whole)
        assert schema, name


def test_bounds_that_are_excluded_are_said_to_be(spec):
    tolerance = spec["components"]["schemas"]["GradCheckIn"]["properties"]["tolerance"]
    assert {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5} in tolerance["anyOf"]


def test_bodies_refuse_unknown_names_in_word_and_deed(spec):
    for name in ("EvaluationIn", "GradCheckIn"):
        assert spec["components"]["schemas"][name]["additionalProperties"] is False


def test_every_resource_is_on_the_shelf(spec):
    assert {tag["name"] for tag in spec["tags"]} == {blueprint.name for blueprint in RESOURCES}


def test_docs_page_is_served_from_here(client):
    page = client.get("/docs")
    assert page.status_code == 200
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) >= 4
    for link in links:
        assert link.startswith("/")
        assert client.get(link).status_code == 200
    assert "<script>" not in page.text
    assert "style=" not in page.text


@pytest.mark.parametrize(
    "name", ["../__init__.py", "%2e%2e/__init__.py", "swagger-ui.css/../../__init__.py", "nothing"]
)
def test_docs_give_nothing_else_away(client, name):
    assert client.get(f"/docs/assets/{name}").status_code == 404
