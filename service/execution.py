"""Carrying out one run: train with no transaction open, store in short ones, obey the lease."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from engine import EngineError, InputError, OpError
from engine.training import Block, TrainConfig, train
from service import curves, jobs, logs
from service.context import Context
from service.db import WASTED
from service.models import Checkpoint, Run
from service.sampling import Values

log = logging.getLogger("nudge.runs")

FIRST_BEAT = 1.0
"""Seconds until the first heartbeat, so that short runs show how far they are and leave a
checkpoint, too."""
EMPTY = np.empty(0)
LOOK = timedelta(milliseconds=25)
"""How often a wish to cancel is looked for, if blocks are shorter. A look costs a third of a
millisecond, and a block some hundredths of a second: so a run ends 100 ms after the wish."""


class Interrupted(BaseException):
    """The computation was broken off somewhere; the block in the making is lost."""


class Stalled(BaseException):
    """One block of steps took longer than a lease."""


class Stop(Protocol):
    """How the world around tells an execution to end."""

    def requested(self) -> bool:
        """Whether the run is to be given back."""

    def interruptible(self, seconds: float) -> AbstractContextManager[None]:
        """Within, and only there, Interrupted may be raised at any point; Stalled, too, once
        `seconds` have passed."""


class NoStop:
    """Nobody stops this execution."""

    def requested(self) -> bool:
        return False

    def interruptible(self, seconds: float) -> AbstractContextManager[None]:
        return nullcontext()


def execute(
    context: Context, run_id: str, stop: Stop | None = None, block_steps: int | None = None
) -> None:
    """Claim the run with this public id and carry it to its end, or as far as we may, in blocks
    of `block_steps` or as the engine likes them: some hundredths of a second each.

    Does nothing if the run is not to be had. Where the database fails, the run is left to the
    reaper.
    """
    job = logs.job_id.set(run_id)
    try:
        with context.database.write() as session:
            lease = jobs.claim(session, run_id, context.clock(), context.settings.lease_seconds)
        if lease is None:
            log.info("not to be had")
            return
        log.info("claimed", extra={"worker": os.getpid()})
        state = Execution(context, lease, stop or NoStop(), block_steps).run()
        log.info(state)
    except jobs.Lost:
        log.warning("lost: the lease is another worker's, or the run has ended")
    except SQLAlchemyError:
        log.exception("left to the reaper: the database failed")
    finally:
        logs.job_id.reset(job)


class Execution:
    """One attempt at a run. Points and checkpoint go down together, so that what is stored
    always ends where the next attempt would go on."""

    def __init__(
        self, context: Context, lease: jobs.Lease, stop: Stop, block_steps: int | None
    ) -> None:
        self.context, self.lease, self.stop = context, lease, stop
        self.block_steps = block_steps
        with context.database.read() as session:
            saved = session.get(Checkpoint, lease.run)
            self.document = session.get_one(Run, lease.run).config
            self.checkpoint = saved.data if saved else None
            self.stored = saved.step if saved else 0
            self.curves = curves.load(session, lease.run, until=self.stored)
        self.fresh: list[Mapping[str, Values]] = []
        self.last: Block | None = None
        self.looked = context.clock()
        early = timedelta(seconds=max(0.0, context.settings.heartbeat_seconds - FIRST_BEAT))
        self.beaten = self.looked - early

    def run(self) -> str:
        """Train to the end, or until told otherwise; the state that the run is left in."""
        patience = self.context.settings.lease_seconds
        blocks = self._train()
        try:
            while not self.stop.requested():
                with self.stop.interruptible(patience):
                    block = next(blocks, None)
                if block is None:
                    return self._end()
                self.fresh.append(block.series)
                self.last = block
                if self._cancelled():
                    return self._finish("cancelled")
                self._beat_if_due()
        except Interrupted:
            pass
        except Stalled:
            message = f"One block of steps took longer than {patience:g} s, a worker's lease."
            return self._finish("failed", ("stalled", message))
        except EngineError as error:
            return self._finish("failed", (error.code, str(error)))
        return self._release()

    def _train(self) -> Iterator[Block]:
        """The blocks still to do. Raises EngineError, whatever the rules of a plugin raise."""
        config = TrainConfig.from_dict(self.document, self.context.vocabulary, self.context.limits)
        try:
            yield from self._resumed(config)
        except EngineError:
            raise
        except (Exception, SystemExit) as error:
            log.exception("training broke off")
            raise self._blamed(config, error) from error

    def _resumed(self, config: TrainConfig) -> Iterator[Block]:
        vocabulary = self.context.vocabulary
        if self.checkpoint is not None:
            try:
                return train(config, vocabulary, self.checkpoint, self.block_steps)
            except InputError as error:  # a plugin has changed: half a curve of each is none
                log.warning("started anew: %s", error)
                self.stored, self.curves = 0, {}
        return train(config, vocabulary, block_steps=self.block_steps)

    def _blamed(self, config: TrainConfig, error: BaseException) -> EngineError:
        """What an exception of any kind says about the run: its ops, if they are not ours."""
        ops = self.context.vocabulary.ops
        names = {config.model.activation, config.model.output_activation} & ops.keys()
        foreign = sorted(name for name in names if ops[name].origin != "built-in")
        if foreign:
            return OpError(f"{' or '.join(foreign)} failed: {type(error).__name__}: {error}")
        return OpError("Training broke off for a reason of ours.", code="internal_error")

    def _end(self) -> str:
        losses = (self.last.series if self.last else self.curves)["loss"]
        if np.isfinite(losses[-1]):
            return self._finish("succeeded")
        # Where all steps were done by an attempt before this one, nobody knows any more.
        reason = self.last.reason if self.last else None
        return self._finish("diverged", (None, reason))

    def _cancelled(self) -> bool:
        """Whether the run is to end, as far as we have looked. Raises Lost if it is not ours."""
        now = self.context.clock()
        if now - self.looked < LOOK:
            return False
        self.looked = now
        with self.context.database.read() as session:
            return jobs.cancel_requested(session, self.lease)

    def _beat_if_due(self) -> None:
        now = self.context.clock()
        if now - self.beaten < timedelta(seconds=self.context.settings.heartbeat_seconds):
            return
        self.beaten = now
        try:
            with self.context.database.write(durable=False) as session:
                grown = self._save(session, now)
        except WASTED:
            log.warning("a heartbeat failed; the points are kept for the next", exc_info=True)
        else:
            self._stored(grown)

    def _finish(self, state: str, why: jobs.Why = (None, None)) -> str:
        now = self.context.clock()
        with self.context.database.write() as session:
            self._save(session, now)
            jobs.finish(session, self.lease, now, state, why)
        return state

    def _release(self) -> str:
        now = self.context.clock()
        with self.context.database.write() as session:
            self._save(session, now)
            jobs.release(session, self.lease, now)
        return "released"

    def _save(self, session: Session, now: datetime) -> dict[str, Values]:
        """Renew the lease and write all points and the state they end in; the curves."""
        seconds = self.context.settings.lease_seconds
        done = self._done()
        jobs.beat(session, self.lease, now, seconds, steps_done=done)
        if self.last is None or not self.fresh:
            return self.curves
        grown = {
            name: np.concatenate(
                [self.curves.get(name, EMPTY), *(series[name] for series in self.fresh)]
            )
            for name in self.last.series
        }
        curves.store(session, self.lease.run, grown, since=self.stored)
        if self.stored == 0:
            session.get_one(Run, self.lease.run).op_set_hash = self.context.vocabulary.hash
        state = self.last.checkpoint
        session.merge(Checkpoint(run_id=self.lease.run, step=done, data=state, created_at=now))
        return grown

    def _stored(self, grown: dict[str, Values]) -> None:
        self.stored, self.curves, self.fresh = self._done(), grown, []

    def _done(self) -> int:
        return self.stored + sum(len(series["loss"]) for series in self.fresh)
