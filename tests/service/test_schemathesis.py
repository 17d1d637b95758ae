"""Schemathesis holds description and behaviour together: all of its checks, against the server.

The small run has a few examples an operation; `./run proof schemathesis` has many, from three
seeds. What it may take for an answer stands in schemathesis.toml.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from serving import ROOT

SCHEMATHESIS = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
FEW, MANY = 3, 150


def judged(address, folder, examples, seed):
    """Exit code and output of one run."""
    done = subprocess.run(
        [
            str(SCHEMATHESIS),
            f"--config-file={ROOT / 'schemathesis.toml'}",
            "run",
            f"{address}/openapi.json",
            f"--max-examples={examples}",
            f"--seed={seed}",
            "--checks=all",
            "--no-color",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def many_runs(serve_web):
    """A server whose queue never fills: nobody carries out what is asked of it here."""
    with serve_web(NUDGE_MAX_QUEUED="1000000") as address:
        yield address


@pytest.mark.proof
def test_schemathesis_finds_nothing(many_runs, tmp_path, full):
    if SCHEMATHESIS is None:
        pytest.skip("schemathesis is not installed")
    for seed in (1, 2, 3) if full else (1,):
        code, output = judged(many_runs, tmp_path, MANY if full else FEW, seed)
        cases = re.search(r"(\d+) generated", output)
        assert code == 0, output[-6000:]
        assert cases is not None
        assert int(cases[1]) > 500
        print(f"seed {seed}: {cases[1]} cases, none failed")
