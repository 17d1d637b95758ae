"""Programs: kept under their hash while they are used, read back, played step by step."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Delete,
    Executable,
    bindparam,
    delete,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from engine import ExpressionError, Program
from engine.steps import Diamond, Event, ForwardStep, Steps, backpropagation, replay
from service import __version__
from service.clock import Clock
from service.context import Context
from service.db import WASTED, Database
from service.errors import ConflictError, Fault, InvalidError, NotFoundError
from service.models import GradCheck, StoredProgram
from service.reading import read
from service.records import non_finite, numbers, offender_record, position_record, program_record

TOUCH = timedelta(hours=1)
"""A use is noted only where the one that is noted is older: asking twice writes once."""

INSERTS: Mapping[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""`insert` of each kind of database, which may say what is to happen where a row is there."""

log = logging.getLogger("nudge.programs")


@dataclass(frozen=True)
class Found:
    """A stored program and what its source is read as today."""

    row: StoredProgram
    program: Program

    @property
    def changed(self) -> bool:
        """Whether today's operations make another program of the source."""
        return self.program.hash != self.row.hash


def create(context: Context, source: str) -> tuple[Found, bool]:
    """Store the program of a source, and tell whether it is new.

    Raises ExpressionError for a source that cannot be read; then nothing is stored.
    """
    program = read(source, context.vocabulary, context.limits)
    with context.database.write() as session:
        new = _visible(session, context, program.hash) is None
        keep(session, context, program)
    return find(context, program.hash), new


def remember(context: Context, program: Program) -> None:
    """Store a program beside an answer that does not depend on it: where the database cannot take
    it, that is logged and no more."""
    if is_noted(context, program):
        return
    try:
        with context.database.read() as session:
            row = session.get(StoredProgram, program.hash)
        used = context.clock()
        if row is not None and used - row.last_used_at < TOUCH:
            used = row.last_used_at
        else:
            with context.database.write(durable=False) as session:
                keep(session, context, program)
    except WASTED:
        log.warning("not stored", extra={"program": program.hash}, exc_info=True)
    else:
        context.noted.note(program.hash, used)


def is_noted(context: Context, program: Program) -> bool:
    """Whether this process knows of a use that was stored a moment ago: then the program is in
    the database, and stays there until after the next use is to be stored."""
    return context.noted.within(TOUCH, program.hash, context.clock())


def keep(session: Session, context: Context, program: Program) -> None:
    """Store a program; of one that is stored, note that it is used. One that has expired begins
    anew, whether it has been removed or not."""
    now = context.clock()
    connection = session.connection()
    gone = {"same": program.hash, "before": _limit(now, _days(context))}
    connection.execute(_expiry(), gone)
    row = {
        "hash": program.hash,
        "source": program.source,
        "created_at": now,
        "last_used_at": now,
        "engine_version": __version__,
        "op_set_hash": context.vocabulary.hash,
    }
    connection.execute(_upsert(connection.dialect.name), row)


@functools.cache
def _expiry() -> Delete:
    """Removes the program `same` if it has expired. It is put together once, as is _upsert(): that
    takes longer than the database does."""
    same = StoredProgram.hash == bindparam("same")
    return delete(StoredProgram.__table__).where(same, _expired(bindparam("before")))  # type: ignore[arg-type]


@functools.cache
def _upsert(dialect: str) -> Executable:
    """Stores a row, or notes the use of the one that is there."""
    insert = INSERTS[dialect](StoredProgram.__table__)
    used = {"last_used_at": insert.excluded.last_used_at}
    return insert.on_conflict_do_update(index_elements=["hash"], set_=used)  # type: ignore[no-any-return]


def find(context: Context, program_hash: str) -> Found:
    """The program with this hash, as it is read today. That is a use of it, and noted.

    Raises NotFoundError for one that is unknown or has expired, and ConflictError where the source
    can no longer be read, because an operation in it is gone.
    """
    with context.database.read() as session:
        row = _visible(session, context, program_hash)
    if row is None:
        raise NotFoundError(
            "There is no program with this hash.",
            code="unknown_program",
            hint="A program is kept while it is used, and for "
            f"{_days(context)} days after. POST its source to /api/v1/programs, "
            "and use the hash in the answer.",
        )
    _touch(context, row)
    try:
        return Found(row, read(row.source, context.vocabulary, context.limits))
    except ExpressionError as error:
        raise ConflictError(
            f"This program was stored with other operations and cannot be read now: {error}.",
            code="program_unreadable",
            hint="The operator may have removed a plugin; GET /api/v1/ops lists what there is.",
        ) from error


def play(
    context: Context,
    program_hash: str,
    at: Mapping[str, Any],
    slip: str | None,
    passes: int | None,
) -> tuple[Found, Steps]:
    """The steps of a stored program at a point, as they are or with a slip.

    Raises what find() raises, and InputError or InvalidError for a point, slip or passes that do
    not fit.
    """
    found = find(context, program_hash)
    if slip is None:
        if passes not in (None, 1):
            raise InvalidError(
                "Without a slip there is one pass.",
                code="wrong_passes",
                hint="Leave passes out, or name the slip that it goes with.",
                errors=[Fault("Without a slip there is one pass.", "/passes")],
            )
        steps = backpropagation(found.program, at)
    else:
        steps = replay(found.program, at, slip, passes)
    return found, steps


def _touch(context: Context, row: StoredProgram) -> None:
    """Note that a stored program is used, unless that was noted a moment ago."""
    now = context.clock()
    if now - row.last_used_at < TOUCH:
        return
    used = update(StoredProgram).where(StoredProgram.hash == row.hash).values(last_used_at=now)
    try:
        with context.database.write(durable=False) as session:
            session.execute(used)
    except WASTED:
        log.warning("use not noted", extra={"program": row.hash}, exc_info=True)
    else:
        row.last_used_at = now


def purge_expired(database: Database, clock: Clock, days: int) -> int:
    """Remove the programs that nobody used for `days`; returns how many. Called by the worker from
    time to time."""
    gone = (
        delete(StoredProgram).where(_expired(_limit(clock(), days))).returning(StoredProgram.hash)
    )
    with database.write(durable=False) as session:
        return len(session.scalars(gone).all())


def _visible(session: Session, context: Context, program_hash: str) -> StoredProgram | None:
    """The stored program with this hash, unless it has expired."""
    expired = _expired(_limit(context.clock(), _days(context)))
    wanted = select(StoredProgram).where(StoredProgram.hash == program_hash, ~expired)
    return session.scalar(wanted)


def _limit(now: datetime, days: int) -> datetime:
    """What was used last before has expired."""
    return now - timedelta(days=days) - TOUCH


def _expired(before: datetime | BindParameter[Any]) -> ColumnElement[bool]:
    """Not used since `before`, and in no gradient check that somebody owns: these stay, and refer
    to their programs. Those that nobody owns expire before their programs do."""
    unused = StoredProgram.last_used_at <= before
    kept = select(GradCheck.program_hash).where(GradCheck.owner_id.is_not(None))
    return unused & StoredProgram.hash.not_in(kept)


def _days(context: Context) -> int:
    return context.settings.retention_days


def record(context: Context, found: Found) -> dict[str, Any]:
    """A stored program as a JSON document; its equations are those of today."""
    row, program = found.row, found.program
    return {
        **program_record(program),
        "hash": row.hash,
        "source": row.source,
        "forward": program.forward_text(),
        "backward": program.backward_text(),
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
        **_versions(context, found),
    }


def steps_record(context: Context, found: Found, steps: Steps) -> dict[str, Any]:
    """Steps as a JSON document; numbers that are not finite are null, and flagged."""
    slip, offender = steps.slip, steps.non_finite
    return {
        "program": program_record(steps.program),
        **_versions(context, found),
        "at": {name: numbers(value) for name, value in steps.at.items()},
        "slip": slip and {"code": slip.code, "title": slip.title, "teaches": slip.teaches},
        "passes": steps.passes,
        "value": numbers(steps.value),
        "forward": [_forward_record(step) for step in steps.forward],
        "events": [_event_record(event) for event in steps.events],
        "gradients": {name: numbers(g) for name, g in steps.gradients.items()},
        "listing": [
            {
                "equation": row.equation,
                "forward": row.forward,
                "backward": list(row.backward),
                "events": list(row.events),
            }
            for row in steps.listing()
        ],
        "differences": [
            {
                "name": difference.name,
                "wrong": numbers(difference.wrong),
                "right": numbers(difference.right),
                "non_finite": non_finite(wrong=difference.wrong, right=difference.right),
            }
            for difference in steps.differences
        ],
        "reuses": [
            {
                "name": reuse.name,
                "uses": [
                    {
                        "event": use.event,
                        "equation": use.equation,
                        "part": numbers(use.part),
                        "non_finite": non_finite(part=use.part),
                    }
                    for use in reuse.uses
                ],
                "sum": numbers(reuse.sum),
                "kept": numbers(reuse.kept),
                "non_finite": non_finite(sum=reuse.sum, kept=reuse.kept),
            }
            for reuse in steps.reuses
        ],
        "diamond": steps.diamond and _diamond_record(steps.diamond),
        "non_finite": offender and offender_record(offender, steps.reason),
    }


def _versions(context: Context, found: Found) -> dict[str, Any]:
    """With what the program was stored and with what it is read now."""
    return {
        "program_changed": found.changed,
        "stored_with": {
            "engine_version": found.row.engine_version,
            "op_set": found.row.op_set_hash,
        },
        "engine_version": __version__,
        "op_set": context.vocabulary.hash,
    }


def _forward_record(step: ForwardStep) -> dict[str, Any]:
    return {
        "equation": step.equation,
        "name": step.name,
        "op": step.op,
        "text": step.text,
        "value": numbers(step.value),
        "non_finite": non_finite(value=step.value),
        "position": position_record(step.position),
    }


def _event_record(event: Event) -> dict[str, Any]:
    moved = {name: getattr(event, name) for name in ("upstream", "local", "outgoing", "total")}
    return {
        "index": event.index,
        "pass_": event.pass_number,
        "equation": event.equation,
        "output": event.output,
        "argument": event.argument,
        "variable": event.variable,
        "op": event.op,
        "rule": event.rule,
        "text": event.text,
        **{name: numbers(value) for name, value in moved.items()},
        "non_finite": non_finite(**moved),
        "position": position_record(event.position),
    }


def _diamond_record(diamond: Diamond) -> dict[str, Any]:
    return {
        "top": diamond.top,
        "shared": diamond.shared,
        "users": list(diamond.users),
        "nodes": list(diamond.nodes),
        "visits": [
            {
                "name": visit.name,
                "gradient": numbers(visit.gradient),
                "event": visit.event,
                "non_finite": non_finite(gradient=visit.gradient),
            }
            for visit in diamond.visits
        ],
    }
