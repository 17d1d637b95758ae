"""What every test may lean on: golden files, the size of a proof, and no skip where none may be."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
PROOFS = Path(__file__).parent / "proofs"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="rewrite the golden files")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Function]) -> None:
    """With --golden only the tests that hold a golden file are run."""
    if not config.getoption("golden"):
        return
    others = [item for item in items if "golden" not in item.fixturenames]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if "golden" in item.fixturenames]


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """golden(name, text): text is what tests/golden/name holds, or becomes it with --golden."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        held = path.read_text(encoding="utf-8") if path.exists() else ""
        assert text == held, f"tests/golden/{name} differs; if that is meant: ./run golden"

    return compare


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether a proof is to be run in full (./run proof) or small (./run test)."""
    return os.environ.get("TEST_PROOF") == "full"


@pytest.fixture
def figures(full: bool) -> Callable[[str, object], None]:
    """figures(name, found): what a proof in full found goes to tests/proofs/name.json."""

    def record(name: str, found: object) -> None:
        print(f"{name}: {found}")
        if full:
            PROOFS.mkdir(exist_ok=True)
            text = json.dumps(found, indent=1, default=str) + "\n"
            (PROOFS / f"{name}.json").write_text(text, encoding="utf-8")

    return record


def fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """A machine that promises TEST_REQUIRE=all has everything, so a skip hides something."""
    if os.environ.get("TEST_REQUIRE") != "all" or hasattr(report, "wasxfail"):
        return
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"TEST_REQUIRE=all allows no skip. {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    fail_if_skipped(report)
    return report
