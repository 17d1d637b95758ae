"""Gradient checks: asked, judged, stored, read back, and removed in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, delete, select
from sqlalchemy.orm import Session

from engine import Report, check, parse
from engine.check import Component
from service import __version__, idempotency
from service.clock import Clock
from service.context import Context
from service.db import Database
from service.ids import is_id, new_id
from service.models import GradCheck
from service.records import non_finite, numbers, offender_record

PREFIX = "gc"

T = TypeVar("T")


@dataclass(frozen=True)
class Question:
    """What is to be checked: the expression, a point, and perhaps somebody's gradients."""

    source: str
    at: Mapping[str, Any]
    claimed: Mapping[str, Any] | None
    tolerance: str | float


def create(context: Context, question: Question, told: Callable[[Session, GradCheck], T]) -> T:
    """Judge the claims of `question`, store question and report, and return what `told` makes of
    the row within the storing transaction: told and stored stand or fall together.

    Raises ExpressionError and InputError for what cannot be understood; then nothing is stored.
    """
    program = parse(question.source, context.vocabulary, context.limits)
    report = check(program, question.at, question.claimed, question.tolerance)
    row = GradCheck(
        public_id=new_id(PREFIX, context.clock),
        created_at=context.clock(),
        source=question.source,
        at=dict(question.at),
        claimed=None if question.claimed is None else dict(question.claimed),
        tolerance=question.tolerance,
        verdict=str(report.verdict),
        report=report_record(report),
        program_hash=program.hash,
        engine_version=__version__,
        op_set_hash=context.vocabulary.hash,
    )
    with context.database.write() as session:
        session.add(row)
        session.flush()
        return told(session, row)


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


def report_record(report: Report) -> dict[str, Any]:
    """A report as a JSON document; numbers that are not finite are null, and flagged."""
    offender = report.non_finite
    return {
        "verdict": str(report.verdict),
        "relative_tolerance": report.tolerance,
        "value": numbers(report.value),
        "components": [_component_record(component) for component in report.components],
        "unclaimed": list(report.unclaimed),
        "non_finite": offender and offender_record(offender, report.reason),
    }


def _component_record(component: Component) -> dict[str, Any]:
    judged = {
        name: getattr(component, name)
        for name in ("claim", "reference", "error_bound", "relative_error")
    }
    left, right = component.slopes or (None, None)
    return {
        "input": component.input,
        "index": None if component.index is None else list(component.index),
        **{name: numbers(value) for name, value in judged.items()},
        "verdict": str(component.verdict),
        "slopes": component.slopes and {"left": numbers(left), "right": numbers(right)},
        "non_finite": non_finite(**judged, left=left, right=right),
    }


def _expired(now: datetime, days: int) -> ColumnElement[bool]:
    old = GradCheck.created_at <= now - timedelta(days=days)
    return old & GradCheck.owner_id.is_(None)
