"""Who may import whom: the contracts of import-linter, and the hatch of plugins and ops."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("engine", "service", "plugins", "migrations")
HATCH = {"__future__", "engine.extend", "math", "numpy", "operator", "scipy"}


def behind_the_hatch() -> list[Path]:
    """Every file whose author is a guest of the engine: plugins, and the ops we brought."""
    files = [*(ROOT / "plugins").glob("*.py"), *(ROOT / "engine" / "ops").glob("*.py")]
    return sorted(path for path in files if path.stem != "__init__")


def imported(source: str) -> set[str]:
    """The modules that a source imports: numpy for numpy.linalg, our own in full."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            whole = node.module or ""
            names |= {f"{whole}.{a.name}" for a in node.names} if whole == "engine" else {whole}
    return {name if name.split(".")[0] in ROOMS else name.split(".")[0] for name in names}


def lint(folder: Path) -> str:
    """What import-linter says of the rooms in a folder."""
    command = "from importlinter.cli import lint_imports_command as main; main(['--no-cache'])"
    result = subprocess.run(
        [sys.executable, "-c", command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{result.stdout}{result.stderr}exit {result.returncode}"


@pytest.mark.parametrize("path", behind_the_hatch(), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_guests_import_the_hatch_only(path):
    names = imported(path.read_text())
    ours = {name for name in names if path.parent.name == "ops" and name.startswith("engine.ops")}
    assert names - ours <= HATCH


def test_contracts_are_kept():
    assert "exit 0" in lint(ROOT)


PLANTED = {
    "The engine knows numbers": ("engine/limits.py", "import sqlite3"),
    "A plugin reaches": ("plugins/planted.py", "import engine.value"),
    "Migrations stand alone": ("migrations/planted.py", "import service.pages"),
    "The service is stacked": ("service/api/planted.py", "import service.pages.home"),
}


def test_planted_imports_break_each_contract(tmp_path):
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for path, line in PLANTED.values():
        with (tmp_path / path).open("a") as file:
            file.write(f"\n{line}\n")
    report = lint(tmp_path)
    broken = [line for line in report.splitlines() if " BROKEN" in line]
    for contract in PLANTED:
        assert any(line.startswith(contract) for line in broken), report
