"""Compiled kernels: made ready beforehand, kept where they belong, never made in a request."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service import warmth
from service.config import Settings
from tests.serving import NUDGE, ROOT, environment
from tests.working import working


def run(folder, *command, **settings):
    """The finished process of a command with its data in `folder`; it must succeed."""
    done = subprocess.run(
        command,
        env=environment(folder, **settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def python(folder, text, **settings):
    """What a program prints that runs with its data in `folder`."""
    return run(folder, sys.executable, "-c", text, **settings).stdout


# --- nudge warm ---------------------------------------------------------------------------------


def test_second_warming_finds_all_compiled(tmp_path):
    run(tmp_path, *NUDGE, "warm")
    again = run(tmp_path, *NUDGE, "warm")
    assert "kernels are ready" in again.stdout
    assert "none of them had to be compiled" in again.stdout
    assert again.stderr == ""  # no bar where there is no terminal


def test_plugins_kernels_are_compiled_too(tmp_path):
    """An op nobody has seen before, so that its kernel cannot be there."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "bent.py").write_text(
        "from engine.extend import op\n"
        f"bent = op('bent', lambda x: x * {os.getpid()}.25, lambda g, y, x: g * {os.getpid()}.25)\n"
    )
    run(tmp_path, *NUDGE, "warm")
    first, again = (
        run(tmp_path, *NUDGE, "warm", NUDGE_PLUGINS_DIR="plugins").stdout for _ in range(2)
    )
    assert "none of them" not in first
    assert "none of them" in again


# --- the web process ----------------------------------------------------------------------------

ASKED = """
import sys, time
from engine import machine
from service import web
client = web.app().test_client()
question = {"source": "o = tanh(x*w + b)", "at": {"x": 2, "w": -3, "b": 6.9}}

def ask():
    for path, status in (("evaluations", 200), ("gradchecks", 201)):
        for _ in range(3):
            assert client.post(f"/api/v1/{path}", json=question).status_code == status

ask()
"""


def test_cold_web_process_never_imports_numba(tmp_path):
    run(tmp_path, *NUDGE, "migrate")
    told = "print('numba' in sys.modules, machine.ready())"
    assert python(tmp_path, ASKED + told, NUDGE_WARM="0").split() == ["False", "False"]


def test_web_process_warms_beside_its_requests(tmp_path):
    run(tmp_path, *NUDGE, "migrate")
    waited = """
deadline = time.monotonic() + 90
while not machine.ready() and time.monotonic() < deadline:
    ask()
print('numba' in sys.modules, machine.ready())
"""
    assert python(tmp_path, ASKED + waited, NUDGE_WARM="1").split() == ["True", "True"]


# --- workers ------------------------------------------------------------------------------------


def test_worker_is_warm_before_it_takes_a_run(tmp_path, database):
    with working(tmp_path) as worker:
        assert worker.end() == 0
        messages = [line["message"] for line in worker.lines()]
    assert messages.index("warm") < messages.index("started")


# --- where they are kept ------------------------------------------------------------------------


@pytest.fixture
def placed(monkeypatch, tmp_path):
    """placed(home=…, cache_dir=…): NUDGE_CACHE_DIR as a process is left with it."""

    def place(home: Path, cache_dir: Path | None = None) -> str | None:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setenv(warmth.CACHE_DIR, "before")  # so that it is put back afterwards
        monkeypatch.delenv(warmth.CACHE_DIR)
        monkeypatch.setenv("HOME", str(home))
        warmth.place(Settings(data_dir=tmp_path / "data", cache_dir=cache_dir))
        return os.environ.get(warmth.CACHE_DIR)

    return place


def test_user_with_a_home_caches_there(placed, tmp_path):
    assert placed(tmp_path) is None


@pytest.fixture
def nowhere(tmp_path):
    """A home that cannot be."""
    (tmp_path / "file").touch()
    return tmp_path / "file" / "home"


def test_user_without_a_home_caches_beside_the_data(placed, tmp_path, nowhere):
    assert placed(nowhere) == str(tmp_path / "data" / "cache")


def test_named_folder_goes_before_all_others(placed, tmp_path, nowhere):
    assert placed(nowhere, tmp_path / "named") == str(tmp_path / "named")


# --- threads ------------------------------------------------------------------------------------

THREADS = "import os, service; print(os.environ['OPENBLAS_NUM_THREADS'])"


@pytest.mark.parametrize(("given", "used"), [(None, "1"), ("3", "3")])
def test_blas_keeps_to_one_thread_unless_told(given, used):
    plain = {n: text for n, text in os.environ.items() if n != "OPENBLAS_NUM_THREADS"}
    env = plain | ({} if given is None else {"OPENBLAS_NUM_THREADS": given})
    told = subprocess.run([sys.executable, "-c", THREADS], env=env, cwd=ROOT, capture_output=True)
    assert told.stdout.decode().strip() == used


def test_service_says_so_before_numpy_is_loaded():
    told = "import sys, service; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.strip() == b"False"
