"""README and CHANGELOG keep their form."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_readme_is_short():
    assert README.count("\n") <= 120


def test_readme_begins_with_both_commands():
    block = re.search(r"```\w*\n(.*?)```", README, re.DOTALL)
    assert block, "README has no code block"
    commands = [line.split("#")[0].strip() for line in block[1].splitlines()]
    assert [line for line in commands if line][:2] == ["./run", "./run test"]


def test_changelog_begins_with_unreleased():
    versions = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    for version in versions[1:]:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", version)


def test_changelog_sorts_by_kind():
    kinds = re.findall(r"^### (.*)$", CHANGELOG, re.MULTILINE)
    assert kinds
    assert set(kinds) <= KINDS
