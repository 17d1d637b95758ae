"""`python -m service.child web|worker|warm [FD]`: one process under `nudge serve`.

The file descriptor is the reading end of a pipe whose other end only the parent holds. When it
closes, the parent is gone, however it went, and this process asks itself to end: no orphans.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from service.config import Settings


def main(kind: str, tether: int | None = None) -> int:
    """Run the process `kind`; the exit code."""
    if tether is not None:
        threading.Thread(target=_follow, args=(tether,), daemon=True).start()
    settings = Settings.from_env(os.environ)
    if kind == "web":
        from service import web

        web.run(settings)
        return 0
    if kind == "warm":
        return warm(settings)
    from service import worker

    return worker.main(settings)


def warm(settings: Settings) -> int:
    """Leave all kernels compiled on disk, without haste."""
    from engine import registry
    from service import logs, warmth

    os.nice(warmth.NICE)
    logs.configure(settings.log_level)
    warmth.place(settings)
    return 0 if warmth.warm_or_say(registry.load(folder=settings.plugins_dir)) else 1


def _follow(tether: int) -> None:
    while os.read(tether, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None))
