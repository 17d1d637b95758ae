"""`run`, the one command of the checkout, as far as it goes without setting anything up."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

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


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose .venv is set up, as far as `run` can see, with a python that tells how it
    is called."""
    shutil.copy(RUN, tmp_path)
    for name in ("pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        (tmp_path / name).write_text(name)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "called $*"\n')
    python.chmod(0o755)
    key = 'echo "$(pwd) $(cat pyproject.toml requirements.lock requirements-dev.lock | cksum) dev"'
    subprocess.run(f"{key} >.venv/nudge.stamp", shell=True, cwd=tmp_path, check=True)
    return tmp_path


def test_diagnosis_is_measured_without_peers(checkout):
    asked = [checkout / "run", "bench", "diagnosis", "--step", "9"]
    result = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "called -m benchmarks.diagnosis --step 9\n")
    assert not (checkout / ".venv-bench").exists()


def test_unknown_benchmark_is_refused_before_anything_is_set_up(checkout):
    asked = [checkout / "run", "bench", "haste"]
    result = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    known = "diagnosis, verdicts, speed, scaling, moons"
    assert f"no benchmark 'haste'; there are: {known}" in result.stderr
    assert not (checkout / ".venv-bench").exists()


def test_run_is_plain_posix_shell():
    text = RUN.read_text()
    assert text.startswith("#!/bin/sh\n")
    assert not re.search(r"\[\[|\blocal\b|\bfunction\b|<<<|\$'|\bsource\b|pipefail", text)
    assert subprocess.run(["sh", "-n", str(RUN)], check=False).returncode == 0
