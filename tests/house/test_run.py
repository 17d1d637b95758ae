"""`run`, the one command of the checkout, as far as it goes without setting anything up."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN = ROOT / "run"


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(RUN), *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def commands() -> set[str]:
    dispatch = RUN.read_text().rsplit("case $command in", 1)[1]
    return set(re.findall(r"^(\w+)\)", dispatch, re.MULTILINE))


def test_help_lists_every_command(tmp_path):
    listed = re.findall(r"^\./run \[?(\w+)", run("help", cwd=tmp_path).stdout, re.MULTILINE)
    assert set(listed) == commands() >= {"serve", "test", "check", "proof", "golden", "help"}


def test_unknown_command_gets_help():
    result = run("sevre")
    assert result.returncode == 1
    assert "does not know 'sevre'" in result.stderr
    assert "./run test" in result.stderr


def test_run_is_plain_posix_shell():
    text = RUN.read_text()
    assert text.startswith("#!/bin/sh\n")
    assert not re.search(r"\[\[|\blocal\b|\bfunction\b|<<<|\$'|\bsource\b|pipefail", text)
    assert subprocess.run(["sh", "-n", str(RUN)], check=False).returncode == 0
