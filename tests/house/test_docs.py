"""The pages say what is: examples run, tables are current, names and links lead somewhere, and
what has no word in the reference fails here."""

from __future__ import annotations

import dataclasses
import os
import pkgutil
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import cogapp
import pytest

from docs.tables import api, checking, errors, expressions, markdown
from docs.tables import settings as settings_tables
from engine import Limits
from engine.check import TOLERANCES
from engine.check.judges import METHODS
from engine.datasets import DATASETS
from engine.losses import LOSSES
from engine.mistakes import MISTAKES
from engine.nn import activations
from engine.optim import OPTIMIZERS
from engine.schedules import SCHEDULES
from engine.steps import SLIPS
from service import cli
from service.config import SETTINGS, TEXT, Setting
from service.verdicts import VERDICTS
from tests.engine.test_adversarial import GOALS
from tests.house.examples import ADDRESS, Page, blocks, commands
from tests.serving import Served, environment, served

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
MANUAL = sorted(DOCS.rglob("*.md"))
READMES = [path for path in (ROOT / "README.md", ROOT / "plugins" / "README.md") if path.exists()]
PAGES = [*MANUAL, *READMES]
NOT_SETTINGS = {"NUDGE_API", "NUDGE_PROT", "NUDGE_WORKER"}
"""What a plugin may say, and slips of the pen that pages show the answer to."""

each_page = pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def title(path: Path) -> str:
    return str(path.relative_to(ROOT))


# -- examples --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service for the pages that speak to one."""
    with served(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the commands that a reader has: nudge, and the Python it is installed for."""
    folder = tmp_path_factory.mktemp("programs")
    for name, arguments in (("nudge", "-m service.cli"), ("python", "")):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        program.chmod(0o755)
    return folder


def runs_curl(path: Path) -> bool:
    told = [block for block in blocks(path) if block.language in ("console", "sh")]
    return any(ADDRESS in command.text for block in told for command in commands(block))


@each_page
def test_examples_do_what_pages_show(path, tmp_path, programs, monkeypatch, request):
    address = ADDRESS
    if runs_curl(path):
        if not shutil.which("curl"):
            pytest.skip("there is no curl")
        address = request.getfixturevalue("service").url
    settings = environment(tmp_path / "data", COLUMNS="80", LC_ALL="C.UTF-8")
    settings["PATH"] = f"{programs}{os.pathsep}{settings['PATH']}"
    monkeypatch.chdir(tmp_path)
    Page(path, tmp_path, address, settings).run()


PLANTED = {
    "wrong answer": "```python\n>>> 1 + 1\n3\n```\n",
    "wrong output": "```console\n$ echo one\ntwo\n```\n",
    "failing command": "```console\n$ false\n```\n",
    "failing code": "```python\nraise ValueError\n```\n",
    "wrong json": '```console\n$ echo \'{"a": 1}\'\n```\n```json\n{"a": 2}\n```\n',
}


@pytest.mark.parametrize("text", PLANTED.values(), ids=PLANTED)
def test_planted_example_fails(text, tmp_path):
    path = tmp_path / "page.md"
    path.write_text(text)
    with pytest.raises((AssertionError, ValueError)):
        Page(path, tmp_path, ADDRESS, dict(os.environ)).run()


# -- generated tables ------------------------------------------------------------------------


def cog_says(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    status = cogapp.Cog().main(["cog", "--check", "--verbosity=1", str(path)])
    return f"{status} {capsys.readouterr().out}"


@pytest.mark.parametrize("path", [p for p in PAGES if "[[[cog" in p.read_text()], ids=title)
def test_tables_are_current(path, capsys):
    assert cog_says(path, capsys).startswith("0"), "./run golden writes them anew"


def test_planted_setting_makes_table_stale(monkeypatch, capsys):
    planted = Setting("NUDGE_PLANTED", TEXT, "x", "Nobody wrote of it.")
    monkeypatch.setattr(settings_tables, "SETTINGS", (*SETTINGS, planted))
    assert "changed" in cog_says(REFERENCE / "settings.md", capsys)


def test_code_without_meaning_is_an_error(monkeypatch):
    monkeypatch.delitem(errors.MEANINGS, "caret")
    with pytest.raises(KeyError):
        errors.table_of(errors.EXPRESSION)


def test_every_meaning_has_a_code():
    assert set(errors.MEANINGS) == {row.name for row in errors.found_codes()}


def test_failures_of_checking_are_those_that_are_counted():
    assert set(checking.FAILURES) == set(GOALS)


def test_every_mistake_of_expressions_is_shown():
    shown = {error.code for _, error in expressions.refusals()}
    known = {row.name for row in errors.found_codes() if row.kind == errors.EXPRESSION}
    # The class's own code, a limit that no source of 4 KiB reaches, and what only rules can do.
    assert known - shown == {"unreadable", "too_many_elements", "unknown_name"}


# -- nothing undocumented --------------------------------------------------------------------


def options() -> set[str]:
    return {
        option
        for command in cli.nudge.commands.values()
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }


def config_keys() -> set[str]:
    return set(api.description()["components"]["schemas"]["TrainConfigIn"]["properties"])


SHELVES = {
    "settings": (lambda: {row.name for row in SETTINGS}, "settings.md"),
    "ops": (lambda: set(expressions.vocabulary().ops), "expressions.md"),
    "limits": (lambda: {field.name for field in dataclasses.fields(Limits)}, "api.md"),
    "codes": (lambda: {row.name for row in errors.found_codes()}, "errors.md"),
    "routes": (lambda: {f"{method} {path}" for method, path, _ in api.operations()}, "api.md"),
    "pages": (lambda: set(api.PAGES), "api.md"),
    "mistakes": (lambda: set(MISTAKES), "mistakes.md"),
    "slips": (lambda: set(SLIPS), "mistakes.md"),
    "methods": (lambda: set(METHODS), "api.md"),
    "verdicts": (lambda: set(VERDICTS) | set(TOLERANCES), "api.md"),
    "commands": (lambda: {f"nudge {name}" for name in cli.nudge.commands}, "commands.md"),
    "options": (options, "commands.md"),
    "configuration": (config_keys, "training.md"),
    "data sets": (lambda: set(DATASETS), "training.md"),
    "losses": (lambda: set(LOSSES), "training.md"),
    "optimisers": (lambda: set(OPTIMIZERS), "training.md"),
    "schedules": (lambda: set(SCHEDULES), "training.md"),
    "activations": (lambda: set(activations(expressions.vocabulary())), "training.md"),
}
"""What there is, and the page of the reference that has to name all of it."""


def unnamed(names: set[str], page: str) -> set[str]:
    """The names that are not written as code on a page."""
    text = (REFERENCE / page).read_text()
    return {n for n in names if not re.search(rf"(?m)(`|^ +|^## ){re.escape(n)}(?![\w-])", text)}


@pytest.mark.parametrize("shelf", SHELVES)
def test_nothing_is_undocumented(shelf):
    names, page = SHELVES[shelf]
    assert names(), "an empty shelf"
    assert unnamed(names(), page) == set()


@pytest.mark.parametrize("shelf", SHELVES)
def test_planted_name_is_missed(shelf):
    _, page = SHELVES[shelf]
    assert unnamed({"planted"}, page) == {"planted"}


def test_other_addresses_are_all_told():
    """What is no operation of the API is a page that is told of, or a file for a page."""
    operations = {path for _, path, _ in api.operations()}
    told = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(r)) for r in api.app().url_map.iter_rules()}
    rest = told - operations - set(api.PAGES)
    assert {path for path in rest if not re.search(r"/(assets|static)/", path)} == set()


# -- nothing made up -------------------------------------------------------------------------

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
OUR_FILE = re.compile(
    r"(?<![\w./-])((?:engine|service|plugins|migrations|tests|docs|benchmarks)/[\w./*-]*[\w/])"
)
OUR_NAME = re.compile(r"(?<![\w./-])((?:engine|service)(?:\.[A-Za-z_]\w*)+)(?![\w(]*/)")
COMMAND = re.compile(r"(?:^|[\s$(;|])nudge ([a-z]+)((?:[ \t][^\n;|]*)?)", re.MULTILINE)


def code_of(path: Path) -> str:
    """All that a page has in code: blocks and spans, one a line."""
    text = path.read_text()
    return "\n".join([*(block.text for block in blocks(path)), *SPAN.findall(text)])


def prose(path: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """What may stand behind # in a link to a page."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_somewhere(path):
    for target in LINK.findall(path.read_text()):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), target
        assert found.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(found), target


@each_page
def test_settings_on_pages_exist(path):
    named = set(re.findall(r"\bNUDGE_[A-Z_]+\b", path.read_text()))
    assert named <= {row.name for row in SETTINGS} | NOT_SETTINGS


@each_page
def test_commands_on_pages_exist(path):
    for name, rest in COMMAND.findall(code_of(path)):
        assert name in cli.nudge.commands, f"nudge {name}"
        command = cli.nudge.commands[name]
        known = {o for p in command.params if isinstance(p, click.Option) for o in p.opts}
        assert set(re.findall(r"(?<!\S)--[a-z][a-z-]*", rest)) <= known | {"--help"}, rest


@each_page
def test_ways_of_run_exist(path):
    dispatch = (ROOT / "run").read_text().rsplit("case $command in", 1)[1]
    known = set(re.findall(r"^(\w+)\)", dispatch, re.MULTILINE))
    assert set(re.findall(r"\./run ([a-z]+)", code_of(path))) <= known


def test_labels_of_the_tutorial_exist():
    """What the tutorial shows in bold is a label of the first page."""
    words = " ".join(SPAN.sub("", prose(DOCS / "tutorial" / "first-gradient.md")).split())
    labels = re.findall(r"\*\*(.+?)\*\*", words)
    shown = api.app().test_client().get("/").get_data(as_text=True)
    assert labels
    assert [label for label in labels if label not in shown] == []


@each_page
def test_routes_on_pages_exist(path):
    rules = [re.sub(r"<[^>]+>", "[^/]+", str(rule)) for rule in api.app().url_map.iter_rules()]
    for address in re.findall(r"/api/v1[\w/{}-]*", path.read_text()):
        fits = (re.fullmatch(rule, address) or rule == address for rule in rules)
        assert address == "/api/v1" or any(fits), address


@each_page
def test_files_and_names_on_pages_exist(path):
    for span in SPAN.findall(path.read_text()):
        for name in OUR_FILE.findall(span):
            assert list(ROOT.glob(name.rstrip("/"))), name
        for name in OUR_NAME.findall(span):
            assert pkgutil.resolve_name(name), name


@pytest.mark.parametrize("path", MANUAL, ids=title)
def test_every_page_is_in_the_index(path):
    index = DOCS / "README.md"
    targets = {(DOCS / target).resolve() for target in LINK.findall(index.read_text())}
    assert path == index or path in targets


def test_cell_keeps_to_its_row():
    assert markdown.table(("a",), [("x | y\nz",)]).endswith("| x \\| y z |\n")
