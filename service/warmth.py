"""Compiled kernels: where they are kept, and when they are compiled and loaded.

Compiling takes half a minute once, loading what has been compiled about a second: `nudge warm` does
it when Nudge is set up, a worker before it takes its first run, and the web process beside its
requests, never in one.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from engine import Vocabulary, machine
from service.config import Settings

CACHE_DIR = "NUDGE_CACHE_DIR"
"""Where the engine looks for the folder; children inherit it."""

NICE = 10
"""How far compiling for the web process steps back behind its requests."""

Report = Callable[[str, int, int], None]
"""(kernel, how many are done, how many there are)"""

log = logging.getLogger("nudge.warmth")


def place(settings: Settings) -> None:
    """Have this process and its children keep their kernels where `settings` say."""
    if settings.cache_dir is not None:
        os.environ[CACHE_DIR] = str(settings.cache_dir)
    elif not _user_has_a_cache():
        os.environ[CACHE_DIR] = str(settings.data_dir / "cache")


def warm(vocabulary: Vocabulary, report: Report | None = None) -> machine.Warmth:
    """Load the kernels of all ops into this process; compile and keep those that are missing."""
    done = machine.warm(vocabulary.ops.values(), report)
    log.info(
        "warm",
        extra={"kernels": done.kernels, "compiled": done.compiled, "folder": str(done.folder)},
    )
    return done


def warm_or_say(vocabulary: Vocabulary) -> bool:
    """As `warm`, but what goes wrong is logged and no more; whether all went well."""
    try:
        warm(vocabulary)
    except Exception:
        log.exception("not warm")
        return False
    return True


def warm_beside_requests(vocabulary: Vocabulary) -> None:
    """Warm up in a thread, and have the engine use its machine once that is done."""
    threading.Thread(target=_warm_and_release, args=(vocabulary,), daemon=True).start()


def _warm_and_release(vocabulary: Vocabulary) -> None:
    """Compile in a child, which holds up no request, and then load what it leaves on disk. Its
    tether tells the child when this process ends."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "service.child", "warm", str(reading)]
    try:
        subprocess.run(command, pass_fds=(reading,), check=False)
    finally:
        os.close(reading)
        os.close(writing)
    if warm_or_say(vocabulary):
        machine.release()


def _user_has_a_cache() -> bool:
    """Whether the user of this process has a folder for caches, or could make it."""
    try:
        named = os.environ.get("XDG_CACHE_HOME")
        folder = Path(named) if named else Path.home() / ".cache"
    except RuntimeError:  # a user without a home
        return False
    nearest = next(place for place in (folder, *folder.parents) if os.access(place, os.F_OK))
    return os.access(nearest, os.W_OK | os.X_OK)
