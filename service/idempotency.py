"""The same request twice is one effect.

A request with an Idempotency-Key first reserves the key. Its answer is stored in the very
transaction that stores its effect, so a crash leaves both or neither; a reservation whose request
died is taken over after a minute, and the dead request can then answer no more.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from service.clock import Clock
from service.db import Database
from service.errors import ConflictError, InvalidError
from service.models import IdempotentRequest

GIVEN_UP = timedelta(minutes=1)
"""A request that has not been answered for so long never will be."""

KEPT = timedelta(days=1)
"""How long a key is remembered."""


@dataclass(frozen=True)
class Answer:
    """What was answered: status, the headers that matter, and the body as it was sent."""

    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Reservation:
    """The right to answer for a key."""

    id: int
    token: str


def reserve(
    database: Database, clock: Clock, operation: str, key: str, body_hash: str
) -> Reservation | Answer:
    """The right to carry out the request, or the answer that it got before.

    Raises ConflictError while the first request is still being answered, and InvalidError where
    the key came with another body.
    """
    now = clock()
    with database.write() as session:
        row = session.scalar(
            select(IdempotentRequest).filter_by(operation=operation, key=key).with_for_update()
        )
        if row is not None and row.created_at < now - KEPT:
            session.delete(row)
            session.flush()
            row = None
        if row is None:
            row = IdempotentRequest(operation=operation, key=key, body_hash=body_hash)
            session.add(row)
        elif row.body_hash != body_hash:
            raise InvalidError(
                "This Idempotency-Key was used for another request.",
                code="idempotency_key_reused",
                hint="Draw a new key for each new request.",
            )
        elif row.status is not None:
            return Answer(row.status, row.headers or {}, row.body or "")
        elif row.created_at > now - GIVEN_UP:
            raise ConflictError(
                "The first request with this Idempotency-Key is still being answered.",
                code="idempotency_in_progress",
                retry_after=1,
            )
        row.token, row.created_at = secrets.token_hex(16), now
        session.flush()
        return Reservation(row.id, row.token)


def keep(session: Session, reservation: Reservation, answer: Answer) -> None:
    """Store the answer beside its effect, in the effect's own transaction `session`.

    Raises ConflictError where the key has been taken over meanwhile; the effect then must not
    happen, and does not, because the error ends the transaction.
    """
    kept = session.scalar(
        update(IdempotentRequest)
        .where(*_ours(reservation))
        .values(status=answer.status, headers=answer.headers, body=answer.body)
        .returning(IdempotentRequest.id)
    )
    if kept is None:
        raise ConflictError(
            "Another request with this Idempotency-Key was faster.",
            code="idempotency_in_progress",
            retry_after=1,
        )


def release(database: Database, reservation: Reservation) -> None:
    """Give a key back whose request had no effect."""
    with database.write() as session:
        session.execute(delete(IdempotentRequest).where(*_ours(reservation)))


def forget(session: Session, now: datetime) -> None:
    """Remove what has been remembered for long enough."""
    session.execute(delete(IdempotentRequest).where(IdempotentRequest.created_at < now - KEPT))


def _ours(reservation: Reservation) -> tuple[ColumnElement[bool], ...]:
    return (
        IdempotentRequest.id == reservation.id,
        IdempotentRequest.token == reservation.token,
        IdempotentRequest.status.is_(None),
    )
