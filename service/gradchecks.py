"""Gradient checks: asked, judged, stored, read back, and removed in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, delete, select
from sqlalchemy.orm import Session

from service import __version__, idempotency, programs
from service.clock import Clock
from service.context import Context
from service.db import Database
from service.ids import is_id, new_id
from service.judging import Judgement, Question, judge
from service.models import GradCheck
from service.records import numbers, report_record, sweep_record

PREFIX = "gc"

DOCUMENT = 2
"""The form of the reports that are stored today."""

FIRST_FORM: Mapping[str, Any] = {
    "method": "blackbox",
    "evaluations": None,
    "diagnoses": [],
    "first_wrong": None,
    "local": [],
    "warnings": [],
    "sweep": None,
}
FIRST_FORM_COMPONENT: Mapping[str, Any] = {"backprop": None, "follows": False, "evaluations": None}
"""What reports of the first form do not say: they were all judged from values alone, and nobody
counted."""

T = TypeVar("T")


def row_of(question: Question, judgement: Judgement, op_set_hash: str) -> GradCheck:
    """Question and judgement as a row that is not stored yet and has no id."""
    claimed, sweeps = question.claimed, judgement.sweeps
    return GradCheck(
        source=question.source,
        at=dict(question.at),
        claimed=None if claimed is None else {n: numbers(claim) for n, claim in claimed.items()},
        tolerance=question.tolerance,
        verdict=str(judgement.report.verdict),
        report={
            **report_record(judgement.report),
            "sweep": None if sweeps is None else [sweep_record(*sweep) for sweep in sweeps],
        },
        document_version=DOCUMENT,
        program_hash=judgement.program.hash,
        engine_version=__version__,
        op_set_hash=op_set_hash,
    )


def document(row: GradCheck) -> dict[str, Any]:
    """A row as it is told, in today's form whenever it was stored; ids and dates are not in it."""
    return {
        "source": row.source,
        "at": row.at,
        "claimed": row.claimed,
        "tolerance": row.tolerance,
        **_filled(row.report, FIRST_FORM),
        "components": [_filled(c, FIRST_FORM_COMPONENT) for c in row.report["components"]],
        "program": {"hash": row.program_hash},
        "engine_version": row.engine_version,
        "op_set": row.op_set_hash,
    }


def create(context: Context, question: Question, told: Callable[[Session, GradCheck], T]) -> T:
    """Judge the claims of `question`, store question and report, and return what `told` makes of
    the row within the storing transaction: told and stored stand or fall together.

    Raises ExpressionError and InputError for what cannot be understood; then nothing is stored.
    """
    judgement = judge(question, context.vocabulary, context.limits)
    row = row_of(question, judgement, context.vocabulary.hash)
    row.public_id, row.created_at = new_id(PREFIX, context.clock), context.clock()
    known = programs.is_noted(context, judgement.program)
    with context.database.write() as session:
        session.add(row)
        session.flush()
        if not known:
            programs.keep(session, context, judgement.program)
        answer = told(session, row)
    if not known:
        context.noted.note(row.program_hash, row.created_at)
    return answer


def find(session: Session, public_id: str, now: datetime, days: int) -> GradCheck | None:
    """The check with this public id, unless it has expired."""
    if not is_id(public_id, PREFIX):
        return None
    return session.scalar(visible(now, days).where(GradCheck.public_id == public_id))


def visible(now: datetime, days: int) -> Select[GradCheck]:
    """All checks that have not expired."""
    return select(GradCheck).where(~_expired(now, days))


def expires_at(row: GradCheck, days: int) -> datetime | None:
    """When the check will be removed; never if somebody owns it."""
    return None if row.owner_id is not None else row.created_at + timedelta(days=days)


def purge_expired(database: Database, clock: Clock, days: int) -> int:
    """Remove the checks that nobody owns and that are older than `days`, and old idempotency
    keys; returns how many checks are gone. Called by the worker from time to time."""
    with database.write(durable=False) as session:
        old = delete(GradCheck).where(_expired(clock(), days)).returning(GradCheck.id)
        gone = len(session.scalars(old).all())
        idempotency.forget(session, clock())
        return gone


def _filled(record: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {**record, **{name: x for name, x in defaults.items() if name not in record}}


def _expired(now: datetime, days: int) -> ColumnElement[bool]:
    old = GradCheck.created_at <= now - timedelta(days=days)
    return old & GradCheck.owner_id.is_(None)
