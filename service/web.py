"""The web process: granian in front of the app, one worker, threads."""

from __future__ import annotations

import logging
import os
import sys

from flask import Flask
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from service import logs
from service.config import Settings
from service.db import Database
from service.errors import StartError
from service.schema import wait_until_ready

log = logging.getLogger("nudge.web")

THREADS = 32
KILL_AFTER = 4
"""Seconds that open requests have to finish once the process is asked to end."""


def app() -> Flask:
    """The app as the server makes it, from the environment, once the schema is ready."""
    settings = Settings.from_env(os.environ)
    logs.configure(settings.log_level)
    try:
        database = Database(settings.database)
        wait_until_ready(database)
        # Here, so that the server's own process, which only hands out requests, stays small.
        from engine import machine
        from service import warmth
        from service.app import create_app

        machine.hold()  # nothing is compiled in a request
        warmth.place(settings)
        made = create_app(settings, database=database)
        if settings.warm:
            warmth.warm_beside_requests(made.extensions["nudge"].vocabulary)
        return made
    except StartError as error:
        log.error("%s", error)
        sys.exit(1)


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. One process: more would need shared limits."""
    Granian(
        "service.web:app",
        factory=True,
        interface=Interfaces.WSGI,
        address=settings.host,
        port=settings.port,
        workers=1,
        blocking_threads=THREADS,
        workers_kill_timeout=KILL_AFTER,
        log_level=LogLevels.error,  # it warns of more threads than cores, which is meant
    ).serve()
