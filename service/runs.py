"""Training runs: submitted, found, cancelled, and removed in the end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, delete, func, select
from sqlalchemy.orm import Session, selectinload

from engine.training import TrainConfig
from service import __version__, jobs
from service.clock import Clock
from service.context import Context
from service.db import Database
from service.errors import ConflictError, NotFoundError, UnavailableError
from service.ids import is_id, new_id
from service.models import Run

PREFIX = "run"
FULL_RETRY = 10
"""Seconds after which somebody whom a full queue refused may try again."""
PURGE_BATCH = 50
"""Runs removed in one transaction: their chunks may be many, and others want to write, too."""

T = TypeVar("T")

log = logging.getLogger("nudge.runs")


def submit(context: Context, document: Any, told: Callable[[Session, Run], T]) -> T:
    """Store a run to be carried out, and return what `told` makes of its row within the storing
    transaction. `document` is a TrainConfig as JSON.

    Raises ConfigError for one that cannot be, and UnavailableError while the queue is full.
    """
    config = TrainConfig.from_dict(document, context.vocabulary, context.limits)
    now = context.clock()
    run = Run(
        public_id=new_id(PREFIX, context.clock),
        config=config.to_dict(),
        config_hash=config.hash,
        seed=config.seed,
        steps_total=config.steps,
        engine_version=__version__,
        op_set_hash=context.vocabulary.hash,
        created_at=now,
        enqueued_at=now,
    )
    with context.database.write() as session:
        _refuse_when_full(session, context.settings.max_queued)
        run.metrics = []
        session.add(run)
        session.flush()
        answer = told(session, run)
    try:
        context.queue.enqueue(run.public_id)
    except Exception:
        # The run is stored, and that was the promise: the reaper enqueues it.
        log.warning("not enqueued", extra={"job_id": run.public_id}, exc_info=True)
    return answer


def cancel(context: Context, public_id: str) -> Run:
    """End a run that waits, or ask its worker to end it; the run as it is then.

    Raises NotFoundError for an unknown run, ConflictError for one that has ended otherwise.
    """
    with context.database.write() as session:
        run = find(session, context, public_id)
        wanted = jobs.cancel(session, public_id, context.clock())
        session.refresh(run)
        if not wanted and run.state != "cancelled":
            raise ConflictError(f"This run has ended already: {run.state}.", code="run_ended")
        return run


def find(session: Session, context: Context, public_id: str) -> Run:
    """The run with this public id and its metrics. Raises NotFoundError, also for an expired."""
    run = None
    if is_id(public_id, PREFIX):
        run = session.scalar(visible(context).where(Run.public_id == public_id))
    if run is None:
        raise NotFoundError("There is no such run, or it has expired.", code="unknown_run")
    return run


def visible(context: Context, state: str | None = None) -> Select[Run]:
    """All runs that have not expired, in one state or any, with their metrics."""
    query = select(Run).where(~_expired(context.clock(), context.settings.retention_days))
    if state is not None:
        query = query.where(Run.state == state)
    return query.options(selectinload(Run.metrics))


def expires_at(run: Run, days: int) -> datetime | None:
    """When the run will be removed; never while it lasts, or if somebody owns it."""
    if run.owner_id is not None or run.finished_at is None:
        return None
    return run.finished_at + timedelta(days=days)


def purge_expired(database: Database, clock: Clock, days: int) -> int:
    """Remove the runs that nobody owns and that ended more than `days` ago, with their curves;
    returns how many."""
    gone = 0
    while True:
        with database.write(durable=False) as session:
            old = session.scalars(select(Run.id).where(_expired(clock(), days)).limit(PURGE_BATCH))
            keys = list(old)
            session.execute(delete(Run).where(Run.id.in_(keys)))
        gone += len(keys)
        if len(keys) < PURGE_BATCH:
            return gone


def _refuse_when_full(session: Session, most: int) -> None:
    waiting = session.scalar(select(func.count()).select_from(Run).where(Run.state == "queued"))
    if waiting is not None and waiting >= most:
        raise UnavailableError(
            f"{waiting} runs are waiting already; nothing was stored.",
            code="queue_full",
            hint="Try again when some of them are done.",
            retry_after=FULL_RETRY,
        )


def _expired(now: datetime, days: int) -> ColumnElement[bool]:
    then = now - timedelta(days=days)
    old = (Run.created_at <= then) & Run.finished_at.is_not(None) & (Run.finished_at <= then)
    return old & Run.owner_id.is_(None)
