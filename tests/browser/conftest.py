"""Chromium for the browser tests, and a real `nudge serve` to look at."""

from __future__ import annotations

import shutil

import pytest
from serving import served

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("needs chromium (apt-get install chromium)")
    return {**browser_type_launch_args, "executable_path": found, "args": FLAGS}


@pytest.fixture(scope="session")
def url(tmp_path_factory):
    """The address of a running service."""
    with served(tmp_path_factory.mktemp("browser")) as service:
        yield service.url


@pytest.fixture
def page(page, url):
    """A page that may not ask anybody else, nor complain."""
    foreign, complaints = [], []
    page.on("request", lambda r: r.url.startswith(url) or foreign.append(r.url))
    page.on("console", lambda m: m.type == "error" and complaints.append(m.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    assert foreign == []
    # A browser reports the 422 of an unreadable expression as an error of its own.
    assert [text for text in complaints if "status of 422" not in text] == []
