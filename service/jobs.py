"""Who may carry out a run: the lease on its row is the truth, and Huey only carries its id.

A worker claims a run by one conditional update and gets a token. Each later write names that
token, so a worker that was paused, or taken for dead, changes nothing when it comes back. A lost
message, a doubled one, or a worker that died is mended by `reap`.

    queued ──claim──▶ running ──finish──▶ succeeded, diverged, failed, cancelled
       ▲                 │ ▲ │
       │                 │ └─┘ beat
       └─release, reap───┘
"""

from __future__ import annotations

import secrets
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Update, and_, case, or_, select, update
from sqlalchemy.orm import Session

from service.models import Run

MAX_ATTEMPTS = 3
"""How many workers may be lost over one run before it is given up."""

WORKER_LOST = (
    "worker_lost",
    f"The worker was lost {MAX_ATTEMPTS} times while it carried out this run.",
)


Why = tuple[str | None, str | None]
"""The code of an error, which a run that diverged has not, and a sentence."""


class Lost(Exception):
    """The run is not ours any more: nothing may be written to it."""


@dataclass(frozen=True)
class Lease:
    """The right to write to the run with this key, until its `lease_until`."""

    run: int
    token: str


def claim(session: Session, run_id: str, now: datetime, seconds: float) -> Lease | None:
    """Make the run with this public id ours, or return None if it is not to be had.

    To be had is a run that waits, or one whose lease is over. A message may arrive twice: the
    second claim finds the lease of the first.
    """
    free = or_(Run.state == "queued", _expired(now))
    token = secrets.token_hex(16)
    key = session.scalar(
        _update(Run.public_id == run_id, free, Run.attempt < MAX_ATTEMPTS)
        .values(
            state="running",
            token=token,
            attempt=Run.attempt + 1,
            lease_until=now + timedelta(seconds=seconds),
            heartbeat_at=now,
            started_at=case((Run.started_at.is_(None), now), else_=Run.started_at),
        )
        .returning(Run.id)
    )
    return None if key is None else Lease(key, token)


def beat(session: Session, lease: Lease, now: datetime, seconds: float, steps_done: int) -> None:
    """Renew the lease and note the progress. Raises Lost if the run is not ours any more."""
    _write(
        session,
        lease,
        lease_until=now + timedelta(seconds=seconds),
        heartbeat_at=now,
        steps_done=steps_done,
    )


def cancel_requested(session: Session, lease: Lease) -> bool:
    """Whether somebody wants the run to end. Raises Lost if it is not ours any more."""
    wanted = session.scalar(select(Run.cancel_requested).where(*_ours(lease)))
    if wanted is None:
        raise Lost
    return wanted


def finish(
    session: Session,
    lease: Lease,
    now: datetime,
    state: str,
    why: Why = (None, None),
) -> None:
    """End the run in `state`. Raises Lost if it is not ours."""
    code, message = why
    _write(session, lease, **_ended(now, state), error_code=code, error_message=message)


def release(session: Session, lease: Lease, now: datetime) -> None:
    """Give the run back unfinished. The stop was our doing, so it costs no attempt."""
    _write(
        session,
        lease,
        state=case((Run.cancel_requested, "cancelled"), else_="queued"),
        finished_at=case((Run.cancel_requested, now), else_=None),
        token=None,
        lease_until=None,
        enqueued_at=None,
        attempt=Run.attempt - 1,
    )


def cancel(session: Session, run_id: str, now: datetime) -> bool:
    """End a run that waits, or ask its worker to end it; False if it has ended already."""
    waits = Run.state == "queued"
    statement = _update(Run.public_id == run_id, Run.state.in_(("queued", "running"))).values(
        cancel_requested=True,
        state=case((waits, "cancelled"), else_=Run.state),
        finished_at=case((waits, now), else_=None),
    )
    return session.scalar(statement.returning(Run.id)) is not None


def reap(session: Session, now: datetime, grace: float, carried: Container[str]) -> list[str]:
    """Mend what lost workers and lost messages left behind.

    A run whose lease is over is cancelled if that was asked for, given up if it has cost
    MAX_ATTEMPTS workers, and else waits again. Returns the public ids that are to be enqueued
    once this transaction is committed: runs that wait, of which `carried`, the messages under
    way, knows nothing although `grace` seconds have passed.
    """
    over = _expired(now)
    given_up = {**_ended(now, "failed"), "error_code": WORKER_LOST[0]}
    for statement in (
        _update(over, Run.cancel_requested.is_(True)).values(**_ended(now, "cancelled")),
        _update(over, Run.attempt >= MAX_ATTEMPTS).values(**given_up, error_message=WORKER_LOST[1]),
        _update(over).values(state="queued", token=None, lease_until=None, enqueued_at=None),
    ):
        session.execute(statement)
    unsent = or_(Run.enqueued_at.is_(None), Run.enqueued_at < now - timedelta(seconds=grace))
    waiting = session.scalars(
        select(Run.public_id).where(Run.state == "queued", unsent).order_by(Run.id)
    )
    missing = [run_id for run_id in waiting if run_id not in carried]
    for run_id in missing:
        session.execute(_update(Run.public_id == run_id).values(enqueued_at=now))
    return missing


def _ours(lease: Lease) -> tuple[ColumnElement[bool], ...]:
    return Run.id == lease.run, Run.token == lease.token, Run.state == "running"


def _expired(now: datetime) -> ColumnElement[bool]:
    return and_(Run.state == "running", Run.lease_until < now)


def _ended(now: datetime, state: str) -> dict[str, object]:
    return {"state": state, "token": None, "lease_until": None, "finished_at": now}


def _update(*conditions: ColumnElement[bool]) -> Update:
    return update(Run).where(*conditions).execution_options(synchronize_session=False)


def _write(session: Session, lease: Lease, **values: object) -> None:
    statement = _update(*_ours(lease)).values(**values).returning(Run.id)
    if session.scalar(statement) is None:
        raise Lost
