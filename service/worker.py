"""`nudge worker`: what comes before the consumer of the queue takes over."""

from __future__ import annotations

import logging
import os
import sys

from service import logs
from service.config import Settings
from service.db import Database
from service.errors import StartError
from service.schema import wait_until_ready

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""With one thread BLAS always adds in the same order, and n workers keep n cores busy."""

log = logging.getLogger("nudge.worker")


def main(settings: Settings) -> int:
    """Carry out runs until SIGINT or SIGTERM; the exit code.

    Waits for the tables to be there and up to date, and gives up after a minute.
    """
    _keep_to_one_thread()
    logs.configure(settings.log_level)
    try:
        database = Database(settings.database)
        wait_until_ready(database)
    except StartError as error:
        log.error("%s", error)
        return 1
    except KeyboardInterrupt:
        return 0
    database.close()
    from service import consumer

    return consumer.run(settings)


def _keep_to_one_thread() -> None:
    """BLAS reads the environment once, while numpy is loaded; if that is past, begin anew."""
    if all(os.environ.get(name) == "1" for name in THREADS):
        return
    os.environ.update(dict.fromkeys(THREADS, "1"))
    if "numpy" in sys.modules:
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-m", "service.child", "worker"])
