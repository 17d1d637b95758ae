"""The locks: what is installed is what was read, from whichever index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?P<marker> ; [^\\]+)? \\?")
LOCKS = ("requirements.lock", "requirements-dev.lock")


def blocks(lock: str) -> list[str]:
    """The text of each requirement, its hashes included and comments left out."""
    lines = [
        line for line in (ROOT / lock).read_text().splitlines() if not line.lstrip().startswith("#")
    ]
    return re.split(r"\n(?=\S)", "\n".join(lines))


def pins(lock: str) -> dict[str, str]:
    return {m["name"]: m["version"] for m in map(PIN.match, blocks(lock)) if m}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_carries_hashes(lock):
    for block in blocks(lock):
        head, *hashes = block.split("\n")
        assert PIN.match(head), head
        assert hashes, head
        for line in hashes:
            assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line), (head, line)


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_names_no_host(lock):
    text = (ROOT / lock).read_text()
    assert not re.search(r"://|--index|--extra-index|--find-links|--trusted|@ ", text)


def test_dev_lock_holds_the_runtime_lock():
    runtime, dev = (set(blocks(lock)) for lock in LOCKS)
    assert runtime <= dev


@pytest.mark.parametrize(
    ("lock", "declared"),
    [
        ("requirements.lock", PROJECT["project"]["dependencies"]),
        ("requirements.lock", PROJECT["dependency-groups"]["build"]),
        ("requirements.lock", PROJECT["build-system"]["requires"]),
        ("requirements-dev.lock", PROJECT["project"]["optional-dependencies"]["dev"]),
    ],
    ids=["runtime", "build", "backend", "dev"],
)
def test_lock_agrees_with_pyproject(lock, declared):
    pinned = pins(lock)
    for requirement in map(Requirement, declared):
        assert requirement.specifier.contains(pinned[requirement.name]), str(requirement)
