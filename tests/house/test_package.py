"""The wheel holds all that an installed Nudge needs, and nothing of the checkout besides."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {"engine", "service", "plugins", "migrations"}
LEFT_BEHIND = {".pyc", ".sqlite3", ".db"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("nudge-*.whl")))


def test_wheel_holds_the_rooms_only(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == ROOMS


def test_wheel_holds_every_file_of_the_rooms(wheel):
    expected = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and path.suffix not in LEFT_BEHIND
    }
    assert expected <= set(wheel.namelist())
    assert any(name.startswith("migrations/versions/") for name in expected)
    assert any(name.startswith("service/pages/templates/") for name in expected)


def test_wheel_names_its_licence(wheel):
    metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    text = wheel.read(metadata).decode()
    assert "License-Expression: MIT" in text
    assert "Requires-Python: >=3.11" in text
