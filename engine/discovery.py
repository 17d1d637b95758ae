"""Where plugins may lie: in a package, in a folder, behind entry points. Nothing is run to find
them; each is loaded by whoever takes it."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from engine.errors import OpError

GROUP = "nudge"
"""The group of entry points that are plugins."""


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin before it is loaded. `module`: what to take out of sys.modules if that fails."""

    name: str
    source: str
    load: Callable[[], Any]
    version: str | None = None
    module: str | None = None


def in_package(package: str) -> Iterator[Found]:
    """The modules of a package, `_`-named ones left out. Raises nothing: a package that cannot be
    imported is found as one plugin that cannot be loaded."""
    try:
        path = importlib.import_module(package).__path__
    except BaseException:
        yield Found(package, "package", partial(importlib.import_module, package))
        return
    for name in sorted(found.name for found in pkgutil.iter_modules(path)):
        if not name.startswith("_"):
            yield Found(name, "package", partial(importlib.import_module, f"{package}.{name}"))


def in_folder(folder: Path) -> Iterator[Found]:
    """The files *.py of a folder in the order of their names, `_`-named ones left out. A folder
    that is not there is found as one plugin that cannot be loaded."""
    if not folder.is_dir():
        yield Found(folder.name, "folder", partial(_no_folder, folder))
        return
    for path in sorted(folder.glob("*.py")):
        if not path.name.startswith("_"):
            digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
            module = f"nudge_plugin_{path.stem}_{digest}"
            load = partial(_executed, path, module)
            yield Found(path.stem, "folder", load, module=module)


def in_entry_points() -> Iterator[Found]:
    """What installed distributions offer as entry points of the group `nudge`."""
    for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda e: e.name):
        version = entry.dist.version if entry.dist else None
        yield Found(entry.name, "entry point", entry.load, version)


def _no_folder(folder: Path) -> None:
    raise OpError(f"there is no folder {folder}", hint="NUDGE_PLUGINS_DIR names one that exists")


def _executed(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
