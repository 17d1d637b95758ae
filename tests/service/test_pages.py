"""The first page, without a browser: what it answers, keeps, escapes and refuses."""

from __future__ import annotations

import itertools
import json
import re
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from service.app import create_app
from service.config import Settings
from service.db import Database
from service.pages.examples import EXAMPLES
from service.schema import migrate

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """A page as a list of elements, each with its attributes and all the text inside."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag in ("th", "td"):
            self.handle_data(" ")
        element = (tag, dict(attrs), [])
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag):
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        for element in self._open:
            element[2].append(data)

    def all(self, tag: str, **attributes: str) -> list[tuple[dict[str, str | None], str]]:
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            (attrs, " ".join("".join(text).split()))
            for name, attrs, text in self.elements
            if name == tag and all(attrs.get(k) == v for k, v in wanted.items())
        ]

    def one(self, tag: str, **attributes: str) -> tuple[dict[str, str | None], str]:
        (found,) = self.all(tag, **attributes)
        return found

    def field(self, name: str) -> dict[str, str | None]:
        return self.one("input", name=name)[0]

    @property
    def graphs(self) -> list[dict[str, str | None]]:
        """The pictures of the graph; the page has others."""
        found = [attrs for attrs, _ in self.all("svg")]
        return [attrs for attrs in found if (attrs.get("class") or "").startswith("graph")]

    def section(self, heading: str) -> str:
        """The text of the part of the page under a heading."""
        (label,) = [attrs["id"] for attrs, text in self.all("h3") if text.startswith(heading)]
        return self.one("section", aria_labelledby=label or "")[1]

    def table(self, caption: str) -> str:
        """The text of the table with this caption."""
        (found,) = [text for _, text in self.all("table") if text.startswith(caption)]
        return found

    @property
    def verdict(self) -> str:
        return self.one("div", role="status")[1]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    settings = Settings.from_env({"NUDGE_DATA_DIR": str(tmp_path_factory.mktemp("pages"))})
    database = Database(settings.database)
    migrate(database)
    return create_app(settings, database=database).test_client()


@pytest.fixture
def ask(client):
    """ask(source, at, claims): the page, and its status."""

    def asked(source, at=None, claims=None, path="/", **more):
        query = {"source": source}
        query |= {f"at.{name}": text for name, text in (at or {}).items()}
        query |= {f"claim.{name}": text for name, text in (claims or {}).items()}
        answer = client.get(path, query_string={**query, **more})
        return Page(answer.text), answer.status_code

    return asked


def test_start_page_answers_the_neuron(client):
    page = Page(client.get("/").text)
    assert page.verdict.startswith("pass Nudge's own gradients agree")
    assert "0.70710678118654" in page.one("tr", class_="output")[1]
    assert page.field("at.b")["value"] == "6.881373587019543"
    assert page.one("textarea")[1] == "o = tanh(x1*w1 + x2*w2 + b)"
    assert len(page.graphs) == 1


def test_page_holds_no_script_or_style(client):
    page = Page(client.get("/").text)
    assert not page.all("script")
    assert not page.all("style")
    for tag, attributes, _ in page.elements:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag


def test_wrong_claim_is_named_first(ask):
    page, status = ask("b = a + a", {"a": "3"}, {"a": "1"})
    assert status == 200
    assert page.verdict == "fail a: you say 1, the slope is 2."
    assert page.one("title")[1].startswith("fail: ")


def test_right_claim_passes(ask):
    page, _ = ask("b = a + a", {"a": "3"}, {"a": "2"})
    assert page.verdict == "pass a: you say 2, the slope is 2."


def test_only_named_inputs_are_judged(ask):
    page, _ = ask("o = a*b", {"a": "2", "b": "3"}, {"a": "3"})
    assert page.verdict.startswith("pass a:")
    assert any(text.endswith("nothing: b.") for _, text in page.all("p"))


def test_kink_shows_both_slopes(ask):
    page, _ = ask("y = relu(x)", {"x": "0"}, {"x": "0.5"})
    assert page.verdict.startswith("not differentiable")
    assert "0 from the left and 1 from the right" in page.verdict
    assert "lies between them" in page.verdict


def test_non_finite_value_names_the_place(ask):
    page, status = ask("y = 1/x", {"x": "0"})
    assert status == 200
    assert page.verdict.startswith("non finite")
    assert any("trouble" in (attrs.get("class") or "") for attrs, _ in page.all("g"))


@pytest.mark.parametrize(
    ("source", "marked", "hint"),
    [("y = x^2 + 1", "^", "**"), ("y = tahn(x)", "tahn", "tanh"), ("y = 2x", "x", "*")],
)
def test_mistake_is_marked_in_the_source(ask, source, marked, hint):
    page, status = ask(source, {"x": "2"}, {"x": "4"})
    assert status == 422
    assert marked in page.one("mark")[1]
    assert page.one("pre", class_="excerpt")[1] == source
    assert any(hint in text for _, text in page.all("p", class_="hint"))
    described = page.one("textarea")[0]
    assert described["aria-invalid"] == "true"
    assert "source-error" in (described["aria-describedby"] or "")


def test_mistake_keeps_what_was_typed(ask):
    page, _ = ask("y = x^2", {"x": "2", "k": "0.1"}, {"x": "4"}, tolerance="strict")
    assert page.one("textarea")[1] == "y = x^2"
    assert page.field("at.x")["value"] == "2"
    assert page.field("at.k")["value"] == "0.1"
    assert page.field("claim.x")["value"] == "4"
    assert page.all("option", value="strict", selected="") or "selected" in dict(
        page.one("option", value="strict")[0]
    )


def test_missing_value_is_asked_for(ask):
    page, status = ask("y = x*w", {"x": "2"})
    assert status == 422
    assert page.field("at.w")["aria-invalid"] == "true"
    assert page.one("p", id="at.w-error")[1] == "Give w a value."


@pytest.mark.parametrize("text", ["two", "1,5", "[1", "nan", "inf", "1e999", "[[1], [1, 2]]"])
def test_unreadable_value_is_marked(ask, text):
    page, status = ask("y = x*2", {"x": text})
    assert status == 422
    field = page.field("at.x")
    assert field["value"] == text
    assert page.one("p", id=field["aria-describedby"])[1]


@pytest.mark.parametrize("text", ["two", "[1, 2]"])
def test_unreadable_claim_keeps_the_graph(ask, text):
    page, status = ask("y = x*2", {"x": "1"}, {"x": text})
    assert status == 422
    assert page.field("claim.x")["aria-invalid"] == "true"
    assert page.graphs


def test_infinite_claim_fails(ask):
    page, status = ask("y = x*2", {"x": "1"}, {"x": "inf"})
    assert status == 200
    assert page.verdict.startswith("fail")


def test_value_for_no_input_is_mentioned(ask):
    page, status = ask("y = x*2", {"x": "1", "z": "7"})
    assert status == 200
    assert any("no such input: z = 7." in text for _, text in page.all("p", class_="help"))


def test_value_in_the_text_needs_no_field(ask):
    page, status = ask("a = 3\nb = a + a", {}, {"a": "2"})
    assert status == 200
    assert page.field("at.a")["placeholder"] == "3 (in the text)"
    assert page.verdict.startswith("pass")


def test_arrays_are_read_and_judged(ask):
    page, _ = ask("y = sum(w*w)", {"w": "[1, 2]"}, {"w": "[2, 5]"})
    assert page.verdict.startswith("fail 1 of 2 gradients is wrong. w[1]:")


# ---- what went wrong ----

HALFWAY = {"source": "e = a*b\nd = e + c\nL = d * f"}
POINT = {"a": "2", "b": "-3", "c": "10", "f": "-2"}


def test_wrong_claim_is_explained_under_the_verdict(ask):
    page, _ = ask("c = 1\ny = tanh(x)*c", {"x": "0.5"}, {"x": "0.75"})
    told = page.section("Probably")
    assert told.startswith("Probably: input where the output belongs At tanh(x) the input stands")
    assert "1 - x**2 = 0.75" in told
    assert "Look at line 2, equation 1: tanh(x)" in told
    assert "To mend it: tanh: 1 - y**2" in told
    assert page.one("mark")[1] == "tanh(x)"
    assert page.one("pre", class_="listing")[1] == "1c = 1 2y = tanh(x)*c"


def test_right_claim_is_not_explained(ask):
    page, _ = ask("y = tanh(x)", {"x": "0.5"}, {"x": "0.7864"})
    assert page.verdict.startswith("pass")
    assert not page.all("mark")
    assert not page.all("section", class_="finding")


def test_explanations_that_fit_as_well_can_be_unfolded(ask):
    page, _ = ask("b = a + a", {"a": "3"}, {"a": "1"})
    (_, unfolded), *_ = page.all("details")
    assert unfolded.startswith("It could also be (3) = instead of += everywhere.")
    assert len(page.all("ul", class_="ties")) == 1


def test_claim_that_nothing_explains_leads_further(ask):
    page, _ = ask("y = x*w", {"x": "0.5", "w": "3"}, {"x": "7.123"})
    assert page.one("p", class_="unexplained")[1].startswith("No mistake that Nudge knows")


def test_intermediate_results_have_fields_of_their_own(ask):
    page, _ = ask(HALFWAY["source"], POINT)
    assert page.table("Intermediate results").endswith("e -6 d 4")
    assert page.field("claim.e")["aria-label"] == "Your gradient for e"
    assert not page.all("input", name="claim.L")
    assert "open" not in page.one("details", class_="results")[0]


def test_first_wrong_equation_is_named_and_what_follows_is_not_blamed(ask):
    claims = {"d": "-2", "e": "2", "a": "-6", "b": "4"}
    page, _ = ask(HALFWAY["source"], POINT, claims)
    assert "at equation 2, d = e + c" in page.section("Where it goes wrong first")
    assert page.table("Your gradients").count("fail follows") == 2
    assert page.field("claim.e")["value"] == "2"
    assert "open" in page.one("details", class_="results")[0]
    assert page.all("section", class_="finding")


def test_unreadable_claim_of_an_intermediate_result_is_marked(ask):
    page, status = ask(HALFWAY["source"], POINT, {"e": "two"})
    assert status == 422
    assert page.field("claim.e")["aria-invalid"] == "true"
    assert "open" in page.one("details", class_="results")[0]


def test_claim_for_no_name_is_mentioned(ask):
    page, _ = ask("y = x*2", {"x": "1"}, {"q": "7"})
    assert any("your gradient for q." in text for _, text in page.all("p", class_="help"))


def test_undefined_value_is_explained(ask):
    page, _ = ask("y = log(x)*z", {"x": "0", "z": "1"})
    assert "the logarithm of 0" in page.section("Logarithm of zero")
    assert page.one("mark")[1] == "log(x)"


def test_warning_is_shown(ask):
    page, _ = ask("y = x*w", {"x": "1", "w": "0"}, {"x": "0"})
    assert page.one("p", class_="note")[1].startswith("Note: This comparison could hardly fail")


def test_page_says_how_the_slopes_were_found(ask):
    page, _ = ask("y = sin(x)", {"x": "1"}, {"x": "0.5403"})
    assert any("The slopes are exact: 7 runs" in text for _, text in page.all("p", class_="help"))


def test_rounding_shows_both_numbers(ask):
    page, _ = ask("y = (exp(x) - 1)/x", {"x": "1e-9"})
    assert page.verdict.startswith("rounding")
    assert "says -81.74037098884583, the exact slope is 0.5000" in page.verdict


def test_error_against_the_step_is_drawn_and_listed(ask):
    page, _ = ask("y = exp(x)", {"x": "1"}, {"x": "2.718"})
    rows = page.table("Difference quotients").split("Error ")[-1].split()
    assert (rows[0], rows[-5]) == ("1", "1e-16")
    assert len(rows) == 17 * 5
    lines = page.all("polyline")
    assert all(len((attrs["points"] or "").split()) == 17 for attrs, _ in lines[:2])


def test_curve_has_a_gap_where_nothing_is_defined(ask):
    page, _ = ask("y = 1/(x - 0.1)", {"x": "0"}, {"x": "-100"})
    drawn = [len((attrs["points"] or "").split()) for attrs, _ in page.all("polyline")]
    assert drawn[:4] == [1, 15, 1, 15]


def test_step_across_the_edge_of_a_domain_is_a_dash(ask):
    page, _ = ask("y = sqrt(x)", {"x": "0.5"}, {"x": "0.7071"})
    drawn = [len((attrs["points"] or "").split()) for attrs, _ in page.all("polyline")]
    assert drawn[:2] == [17, 16]
    assert page.table("Difference quotients").count(" nan –") == 1


def test_kink_has_no_error_to_draw(ask):
    page, _ = ask("y = relu(x)", {"x": "0"}, {"x": "0.5"})
    assert not page.all("figure")


def test_steps_can_be_asked_for_with_the_slip_that_was_found(client):
    page = Page(client.get("/?source=b+%3D+a%2Ba&at.a=3&claim.a=1").text)
    shown = next(text for _, text in page.all("pre") if "/api/v1/programs/" in text)
    bodies = [json.loads(part.split("'", 1)[0]) for part in shown.split("-d '")[1:]]
    address = re.search(r"/api/v1/programs/\w+/steps", shown)
    assert client.post("/api/v1/programs", json=bodies[0]).status_code in (200, 201)
    steps = client.post(address[0], json=bodies[1]).json
    assert steps["slip"]["code"] == "overwrite"
    assert steps["gradients"] == {"a": 1.0}


# ---- what nobody should be able to do ----


@pytest.mark.parametrize(
    "query",
    [
        {"source": HOSTILE},
        {"source": "y = x", "at.x": HOSTILE},
        {"source": "y = x", "at.x": "1", "claim.x": HOSTILE},
        {"source": "y = x", f"at.{HOSTILE}": "1", "at.x": "2"},
        {"source": "y = x*x", "at.x": "3", "claim.x": "3", f"claim.{HOSTILE}": "1"},
        {"source": "y = tanh(x) * 2 # <img src=x onerror=alert(2)>", "at.x": "1", "claim.x": "0"},
        {"source": "y = ^", f"at.{HOSTILE}": HOSTILE},
        {"source": "y = x", "at.x": "1", "tolerance": HOSTILE},
        {"source": "</textarea>" + HOSTILE},
    ],
)
def test_hostile_text_stays_text(client, query):
    plain, answer = Page(client.get("/").text), client.get("/", query_string=query)
    page = Page(answer.text)
    assert not page.all("script")
    assert len(page.all("img")) == len(plain.all("img"))
    assert len(page.all("textarea")) == 1
    for _, attributes, _ in page.elements:
        assert not [name for name in attributes if name.startswith("on")]


def test_long_source_fits_the_address(ask):
    lines = [f"a{i} = a{i - 1} + 1  # {'é' * 20}" for i in range(1, 60)]
    source = "a0 = 1\n" + "\n".join(lines)
    assert 3000 < len(source.encode()) < 4096
    page, status = ask(source)
    assert status == 200
    assert page.one("textarea")[1].startswith("a0 = 1 a1 = a0 + 1")


@pytest.mark.parametrize(
    "source", ["x" * 5000, "-" * 4000 + "x", "(" * 4000, "", "\n", "\0", "重*"]
)
def test_unusable_source_is_a_verdict(ask, source):
    page, status = ask(source)
    assert status == 422
    assert page.verdict.startswith("unreadable")


def test_too_large_graph_is_offered_as_text(ask):
    source = "\n".join(["a = 1", *["a = a + 1"] * 230])
    page, status = ask(source)
    assert status == 200
    assert not page.graphs
    assert any("drawn up to 400" in text for _, text in page.all("p"))
    assert ask(source, path="/graph.svg")[1] == 422
    assert ask(source, path="/graph.dot")[1] == 200


def test_lines_may_end_in_crlf(ask):
    page, status = ask("a = 2\r\nb = a^2")
    assert status == 422
    assert page.one("pre", class_="excerpt")[1] == "b = a^2"


def test_examples_all_answer(client):
    links = [
        attrs["href"]
        for attrs, _ in Page(client.get("/").text).all("a")
        if attrs["href"].startswith("/?source=")
    ]
    assert len(links) == len(EXAMPLES)
    for link in links:
        assert client.get(link).status_code == 200


def test_downloads_match_the_page(client):
    page = Page(client.get("/?source=b+%3D+a%2Ba&at.a=3").text)
    links = {attrs["download"]: attrs["href"] for attrs, _ in page.all("a") if "download" in attrs}
    svg, dot = client.get(links["nudge.svg"]), client.get(links["nudge.dot"])
    assert svg.content_type.startswith("image/svg+xml")
    assert svg.text.startswith("<svg")
    assert "xmlns=" in svg.text
    assert dot.text.startswith("digraph")
    assert r"data\ 6.0000" in dot.text


def test_curl_line_asks_the_same(client):
    page = Page(client.get("/?source=b+%3D+a%2Ba&at.a=3&claim.a=1").text)
    shown = next(text for _, text in page.all("pre") if text.startswith("curl"))
    assert "'http://localhost/api/v1/gradchecks'" in shown or "localhost/api/v1/gradchecks" in shown
    body = shown.split("-d '", 1)[1].rstrip("'")
    answer = client.post("/api/v1/gradchecks", data=body, content_type="application/json")
    assert answer.status_code == 201
    assert answer.json["verdict"] == "fail"


def test_page_stores_nothing(client):
    before = client.get("/api/v1/gradchecks").json["items"]
    client.get("/?source=b+%3D+a%2Ba&at.a=3&claim.a=1")
    assert client.get("/api/v1/gradchecks").json["items"] == before


def test_form_sends_what_the_address_says(client):
    query = {"source": "b = a+a", "at.a": "3", "claim.a": "1", "tolerance": "strict"}
    page = Page(client.get("/?" + urlencode(query)).text)
    sent = {attrs["name"]: attrs["value"] for attrs, _ in page.all("input")}
    sent["source"] = page.one("textarea")[1]
    chosen = [attrs["value"] for attrs, _ in page.all("option") if "selected" in attrs]
    assert {**sent, "tolerance": chosen[0]} == query
    assert urlsplit(page.one("form")[0]["action"]).path == "/"


def test_download_links_carry_the_question(client):
    query = {"source": "b = a+a&c", "at.a": "3", "at.c": "1"}
    page = Page(client.get("/?" + urlencode({**query, "source": "b = a+a*c"})).text)
    links = [attrs["href"] for attrs, _ in page.all("a") if "download" in attrs]
    assert all(dict(parse_qsl(urlsplit(link).query))["source"] == "b = a+a*c" for link in links)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("POST", "/", 405)]
)
def test_error_has_the_same_look(client, method, path, status):
    answer = client.open(path, method=method)
    page = Page(answer.text)
    assert answer.status_code == status
    assert answer.content_type.startswith("text/html")
    assert page.one("p", class_="code")[1] == str(status)
    assert page.all("a", href="/")
    assert "Content-Security-Policy" in answer.headers


def test_hostile_path_stays_text(client):
    page = Page(client.get("/" + HOSTILE).text)
    assert not page.all("script")
    assert len(page.all("img")) == 1


def test_policy_allows_own_things_only(client):
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-inline" not in policy


# ---- what a screen reader and a keyboard find ----


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?source=y+%3D+x%5E2&at.x=2",
        "?source=b+%3D+a%2Ba&at.a=3&claim.a=1",
        f"?{EXAMPLES[4][1].query}",
    ],
)
def test_page_is_accessible(client, query):
    page = Page(client.get("/" + query).text)
    ids = [attrs["id"] for _, attrs, _ in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert page.one("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == len(page.all("main")) == 1
    labels = {attrs.get("for") for attrs, _ in page.all("label")}
    for tag in ("input", "textarea", "select"):
        for attrs, _ in page.all(tag):
            assert attrs["id"] in labels or attrs.get("aria-label")
    for attrs, _ in page.all("table"):
        assert attrs is not None
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(attrs.get("scope") in ("col", "row") for attrs, _ in page.all("th"))
    for _, attrs, _ in page.elements:
        for name in ("aria-describedby", "aria-labelledby", "for"):
            assert set((attrs.get(name) or "").split()) <= set(ids)
    levels = [int(tag[1]) for tag, _, _ in page.elements if tag in ("h1", "h2", "h3")]
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert all(attrs.get("alt") is not None for attrs, _ in page.all("img"))
    for attrs, _ in page.all("svg"):
        assert attrs.get("aria-hidden") == "true" or (attrs["role"], bool(attrs["aria-label"])) == (
            "img",
            True,
        )
