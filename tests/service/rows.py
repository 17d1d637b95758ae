"""Rows for tests that need one and do not care what it says."""

from __future__ import annotations

from service.ids import new_id
from service.models import Run


def a_run(clock, **columns):
    """A run that waits for a worker, unless `columns` say otherwise."""
    plain = {
        "public_id": new_id("run", clock),
        "config": {},
        "config_hash": "0",
        "seed": 1,
        "engine_version": "0",
        "op_set_hash": "0",
        "steps_total": 10,
        "created_at": clock(),
        "enqueued_at": clock(),
    }
    return Run(**(plain | columns))
