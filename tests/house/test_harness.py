"""The test machinery itself: what may not be skipped, and how golden files are held."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

SKIPPED = {
    "by a mark": "import pytest\n@pytest.mark.skip(reason='no harp')\ndef test_a(): pass\n",
    "in the test": "import pytest\ndef test_a(): pytest.skip('no harp')\n",
    "as a module": "import pytest\npytest.skip('no harp', allow_module_level=True)\n",
}
GOLDEN = "def test_held(golden): golden('song.txt', 'la')\ndef test_other(): assert False\n"


def run_pytest(folder: Path, test: str, *options: str, **environment: str):
    shutil.copy(CONFTEST, folder / "conftest.py")
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(test)
    keep = {name: value for name, value in os.environ.items() if not name.startswith("TEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env=keep | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("test", SKIPPED.values(), ids=SKIPPED)
def test_skip_fails_when_all_is_required(tmp_path, test):
    result = run_pytest(tmp_path, test, TEST_REQUIRE="all")
    assert result.returncode not in (0, 5)
    assert "allows no skip" in result.stdout
    assert "no harp" in result.stdout


def test_skip_passes_on_an_ordinary_machine(tmp_path):
    result = run_pytest(tmp_path, SKIPPED["in the test"])
    assert result.returncode == 0
    assert "1 skipped" in result.stdout


def test_missing_golden_file_fails(tmp_path):
    result = run_pytest(tmp_path, GOLDEN, "-k", "held")
    assert "./run golden" in result.stdout
    assert not (tmp_path / "golden").exists()


def test_golden_option_writes_then_holds(tmp_path):
    assert "1 passed, 1 deselected" in run_pytest(tmp_path, GOLDEN, "--golden").stdout
    assert (tmp_path / "golden" / "song.txt").read_text() == "la"
    assert "1 passed" in run_pytest(tmp_path, GOLDEN, "-k", "held").stdout
    assert "differs" in run_pytest(tmp_path, GOLDEN.replace("'la'", "'lu'"), "-k", "held").stdout
