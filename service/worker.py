"""`nudge worker`: what comes before the consumer of the queue takes over."""

from __future__ import annotations

import logging
import signal

from service import logs
from service.config import Settings
from service.db import Database
from service.errors import StartError
from service.schema import wait_until_ready

log = logging.getLogger("nudge.worker")


def main(settings: Settings) -> int:
    """Carry out runs until SIGINT or SIGTERM; the exit code.

    Waits for the tables to be there and up to date, and gives up after a minute.
    """
    logs.configure(settings.log_level)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the consumer sets its own
    try:
        return _run(settings)
    except KeyboardInterrupt:
        return 0


def _run(settings: Settings) -> int:
    try:
        database = Database(settings.database)
        wait_until_ready(database)
    except StartError as error:
        log.error("%s", error)
        return 1
    database.close()
    from service import consumer

    return consumer.run(settings)
