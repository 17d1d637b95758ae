"""Where compiled kernels are kept: a folder for exactly these sources, libraries and processor.

Whatever may change a kernel's machine code is in the folder's name, so that nothing in it is ever
out of date: numba alone would look only at the file of the function that it compiles.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import platform
import shutil
import sys
import tempfile
import threading
import warnings
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from llvmlite import binding

SETTING = "NUDGE_CACHE_DIR"
"""The environment variable that names the parent of all such folders."""

PACKAGE = "nudge_printed"
"""What the names of printed modules begin with."""

SOURCES = ("compiled.py", "interpreter/*.py", "kernels/*.py", "printed.py", "record.py")
"""What is compiled, and how."""

LIBRARIES = ("numba", "llvmlite", "numpy")

_LOCK = threading.Lock()
_CHOSEN: dict[tuple[str | None, ...], Path] = {}
"""What was decided in this process, by what the environment asked for."""


def folder() -> Path:
    """The folder, made if it is missing; several processes may share it.

    Where it can be neither made nor written to, a temporary folder that lives as long as this
    process, with a warning: each process then compiles everything again.
    """
    asked = tuple(map(os.environ.get, (SETTING, "XDG_CACHE_HOME", "HOME")))
    with _LOCK:
        known = _CHOSEN.get(asked)
        if known is None or not known.is_dir():
            known = _CHOSEN[asked] = _usable()
        return known


def lasts() -> bool:
    """Whether the folder is the one that was asked for, not a temporary one in its place."""
    try:
        return folder() == _parent() / key()
    except RuntimeError:
        return False


@functools.cache
def key() -> str:
    """A name for what machine code depends on besides the kernel's own text."""
    word = hashlib.sha256()
    here = Path(__file__).parent
    for source in sorted(file for pattern in SOURCES for file in here.glob(pattern)):
        word.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    parts = [platform.python_version(), *map(version, LIBRARIES), *_processor()]
    word.update("\n".join(parts).encode())
    return word.hexdigest()[:16]


def _parent() -> Path:
    """Raises RuntimeError where the user has no home."""
    chosen = os.environ.get(SETTING)
    if chosen:
        return Path(chosen).expanduser().absolute()
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "nudge"


def _processor() -> tuple[str, str]:
    """Name and features of the processor to compile for: this one, unless numba is told other."""
    name = os.environ.get("NUMBA_CPU_NAME") or binding.get_host_cpu_name()
    features = os.environ.get("NUMBA_CPU_FEATURES")
    return name, binding.get_host_cpu_features().flatten() if features is None else features


def _usable() -> Path:
    try:
        wanted = _parent() / key()
        wanted.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=wanted):
            return wanted
    except (OSError, RuntimeError) as error:
        made = tempfile.mkdtemp(prefix="nudge-")
        atexit.register(_remove, made, os.getpid())
        warnings.warn(
            f"compiled kernels cannot be kept ({error}): they are in {made} until this process "
            f"ends. Set {SETTING} to a folder that can be written to",
            RuntimeWarning,
            stacklevel=3,
        )
        return Path(made)


def _remove(made: str, owner: int) -> None:
    if os.getpid() == owner:  # not when a forked child ends before it
        shutil.rmtree(made, ignore_errors=True)


def imported(name: str, text: str) -> ModuleType:
    """The module of `text`, which we printed, with its file in the folder: numba finds there what
    it has compiled of it before. The same text gives the same module.

    The text itself is executed, not the file.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()[:20]
    stem = f"{name}_{digest}"
    unique = f"{PACKAGE}.{stem}"
    with _LOCK:
        module = sys.modules.get(unique)
    if module is None:
        path = folder() / f"{stem}.py"
        _write(path, text)
        module = ModuleType(unique)
        module.__file__ = str(path)
        exec(compile(text, str(path), "exec"), module.__dict__)
        module = sys.modules.setdefault(unique, module)
    return module


def _write(path: Path, text: str) -> None:
    """`text` at `path`, all or nothing. A file that has it already stays untouched: by its time
    numba tells whether it has changed."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(temporary).replace(path)
