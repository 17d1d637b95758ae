"""The tree as a newcomer finds it, read from what git holds."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TREE = {
    ".ci", ".dockerignore", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "Dockerfile",
    "LICENSE", "README.md", "benchmarks", "docker-compose.yml", "docs", "engine", "migrations",
    "plugins", "pyproject.toml", "requirements-dev.lock", "requirements.lock", "run",
    "schemathesis.toml", "service", "tests",
}  # fmt: skip
LARGEST = 500_000
"""Bytes: the largest file is a lock or a table of cases."""
LONGEST = 450
"""Lines of a module. The aim is 150; beyond this a module holds two things."""
# Ann and Bob are nobody: the homes in examples are theirs.
MACHINE = re.compile(
    r"/(?:work|root|farm|tmp/bash_jobs\S*)/[A-Za-z]|/(?:home|Users)/(?!(?:ann|bob)/)\w+/|[A-Z]:\\+Users"
)
REGISTRY = re.compile(r"pypi\.org|pythonhosted\.org|registry\.npmjs|deb\.debian|test\.pypi")


@cache
def held() -> tuple[Path, ...]:
    """Every file of the checkout that git holds or that is new, as paths from the root."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    result = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.skip("not a git checkout")
    return tuple(Path(n) for n in result.stdout.split("\0") if n and (ROOT / n).is_file())


def found(pattern: re.Pattern[str]) -> list[str]:
    texts = ((path, (ROOT / path).read_text(errors="ignore")) for path in held())
    return [f"{path}: {match[0]}" for path, text in texts if (match := pattern.search(text))]


def test_top_level_holds_nothing_else():
    assert {path.parts[0] for path in held()} - TREE == set()


def test_files_name_no_machine():
    assert found(MACHINE) == []


def test_files_name_no_registry():
    assert found(REGISTRY) == []


def test_files_stay_small():
    assert [str(p) for p in held() if (ROOT / p).stat().st_size > LARGEST] == []


def test_modules_stay_short():
    modules = [p for p in held() if p.suffix == ".py" and p.parts[0] != "tests"]
    assert [str(p) for p in modules if (ROOT / p).read_text().count("\n") > LONGEST] == []


@pytest.mark.parametrize("path", ["run", ".ci/run"])
def test_commands_are_executable(path):
    assert (ROOT / path).stat().st_mode & 0o111


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (MACHINE, "/ho" + "me/ada/nudge"),
        (MACHINE, "/wo" + "rk/main"),
        (REGISTRY, "https://py" + "pi.org/simple"),
    ],
)
def test_planted_name_is_found(pattern, text):
    assert pattern.search(text)
