"""Where machine code is kept, and what a second process finds there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from numba import config

from engine.machine import cache
from engine.machine.compiled import compiled, kept, known
from engine.machine.printed import printed
from engine.ops import OPS

ROOT = Path(__file__).parents[3]

PROGRAM = """
import ctypes, json
import numpy as np
from engine.extend import op
from engine.machine.compiled import compiled, from_disk
from engine.machine.printed import printed
from engine.ops import OPS

def made(function):
    return op("it", lambda x: function(x), lambda g, y, x: g * function(x))

call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)
kernels = [printed(each) for each in (made(np.negative), made(np.absolute), OPS["abs"])]
results = []
for kernel in kernels:
    v, d, r, p = np.array([5.0, 0.0]), np.zeros(2), np.zeros(16, np.uint32), np.zeros(0, np.uint32)
    r[1:6] = 1, 1, 0, 0, 1
    call(compiled(kernel).forward)(*(x.ctypes.data for x in (v, d, r, p)))
    results.append(v[1])
print(json.dumps([[from_disk(kernel) for kernel in kernels], results]))
"""
"""Compiles three ops and runs them at 5. Two of them are lambdas of one line and one bytecode."""

RESULTS = [-5.0, 5.0, 5.0]


def process(folder, program=PROGRAM):
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "NUDGE_CACHE_DIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(running):
    out, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors
    return json.loads(out)


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """A folder that is asked for, and not made yet."""
    monkeypatch.setenv("NUDGE_CACHE_DIR", str(tmp_path / "cache" / "kernels"))
    return tmp_path / "cache" / "kernels"


def test_a_second_process_compiles_nothing(tmp_path):
    assert answer(process(tmp_path)) == [[False] * 3, RESULTS]
    assert answer(process(tmp_path)) == [[True] * 3, RESULTS]


def test_two_processes_at_once_are_both_right(tmp_path):
    running = [process(tmp_path) for _ in range(2)]
    assert [answer(each)[1] for each in running] == [RESULTS] * 2
    assert answer(process(tmp_path)) == [[True] * 3, RESULTS]
    assert not list(tmp_path.rglob("*.part"))


def test_a_missing_folder_is_made(asked):
    assert cache.folder() == asked / cache.key()
    assert cache.folder().is_dir()


def test_a_folder_that_vanished_is_made_again(asked):
    cache.folder().rmdir()
    assert cache.folder().is_dir()


def test_without_a_setting_it_is_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("NUDGE_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert cache.folder().parent == tmp_path / "caches" / "nudge"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.folder().parent == tmp_path / ".cache" / "nudge"


def test_a_folder_that_cannot_be_made_is_replaced_with_one_warning(asked, recwarn):
    asked.parent.write_text("in the way")
    with pytest.warns(RuntimeWarning, match="Set NUDGE_CACHE_DIR to a folder"):
        made = cache.folder()
    assert made.is_dir()
    assert not made.is_relative_to(asked.parent)
    recwarn.clear()
    assert cache.folder() == made
    assert not recwarn


def test_the_folder_in_its_place_ends_with_the_process(tmp_path):
    (tmp_path / "file").write_text("in the way")
    program = (
        "import json; from engine.machine.cache import folder; print(json.dumps(str(folder())))"
    )
    assert not Path(answer(process(tmp_path / "file", program))).exists()


def test_another_processor_has_another_folder(monkeypatch):
    here = cache.key()
    monkeypatch.setenv("NUMBA_CPU_NAME", "x86-64-v2")
    assert cache.key.__wrapped__() != here


def test_numba_is_not_needed_to_find_the_folder(tmp_path):
    program = "import json, sys, engine.machine.cache; print(json.dumps('numba' in sys.modules))"
    assert answer(process(tmp_path, program)) is False


def test_a_damaged_file_is_written_again(asked):
    text = "def three():\n    return 3\n"
    module = cache.imported("three", text)
    assert module.three() == 3
    assert cache.imported("three", text) is module
    path = Path(module.__file__)
    path.write_text("def three():\n    return 4\n")
    del sys.modules[module.__name__]
    assert cache.imported("three", text).three() == 3
    assert path.read_text() == text


def test_numbas_own_folder_is_put_back(asked):
    before = config.CACHE_DIR
    with pytest.raises(ZeroDivisionError), kept():
        assert str(cache.folder()) == config.CACHE_DIR
        1 / 0  # noqa: B018
    assert before == config.CACHE_DIR


def test_many_threads_get_one_kernel():
    got = []
    threads = [
        threading.Thread(target=lambda: got.append(compiled(printed(OPS["sub"])))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len(set(got)) == 1
    assert known(printed(OPS["sub"]))


def test_files_that_cannot_be_read_are_made_anew(tmp_path):
    """What a full disk or a killed process may leave."""
    assert answer(process(tmp_path))[1] == RESULTS
    files = [*tmp_path.glob("**/*.nbi"), *tmp_path.glob("**/*.nbc")]
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:10])
    assert answer(process(tmp_path)) == [[False] * 3, RESULTS]
    assert answer(process(tmp_path)) == [[True] * 3, RESULTS]
