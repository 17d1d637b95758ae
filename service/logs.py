"""Logs as JSON lines, each with the request or the job it belongs to."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that this thread answers."""

job_id: ContextVar[str | None] = ContextVar("job_id", default=None)
"""The public id of the run that this process carries out."""

ORDINARY = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; anything else came in by `extra`."""


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, then what is known besides."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
            "job_id": job_id.get(),
        }
        line |= {k: v for k, v in vars(record).items() if k not in ORDINARY}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        known = {name: value for name, value in line.items() if value is not None}
        return json.dumps(known, ensure_ascii=True, default=str)


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send all logs from `level` on to `stream` (standard error) as JSON lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    # They tell of each migration step and each job; what matters of it we say ourselves.
    for chatty in ("alembic", "huey"):
        logging.getLogger(chatty).setLevel(max(logging.getLevelNamesMapping()[level], 30))
