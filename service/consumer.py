"""Huey's consumer as we run it: which processes there are, and how they end.

    consumer                 waits for a signal and replaces children that died
    ├── caretaker            reaps lost runs, removes what has expired
    └── worker 1 … n         carry out one run each

SIGINT, SIGTERM and SIGHUP do the same: every worker leaves its run at a checkpoint, gives it back
and ends. A computation that has not come back `GRACE` seconds later is broken off first. A child
that finds itself without its consumer ends likewise, so none outlives a kill -9 of its parent.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from huey.consumer import Consumer as HueyConsumer
from huey.consumer import Scheduler, Worker

from engine import Limits, registry
from service import gradchecks, jobs, programs, runs, warmth
from service.carrier import Carrier
from service.clock import utc_now
from service.config import Settings
from service.context import Context
from service.db import Database
from service.execution import Interrupted, Stalled, execute

GRACE = 2.0
"""Seconds that workers have to come to the end of a block by themselves."""
LAST_WORDS = 1.5
"""Seconds that workers then have to store what they hold."""
HEALTH_SECONDS = 1.0
"""How often dead children are looked for."""
PURGE_SECONDS = 600.0
"""How often what has expired is removed."""

log = logging.getLogger("nudge.worker")


def run(settings: Settings) -> int:
    """Serve the queue until SIGINT or SIGTERM; the exit code."""
    warmth.place(settings)
    carrier = Carrier(settings.data_dir)
    context = Context(
        settings=settings,
        database=Database(settings.database),
        vocabulary=registry.load(folder=settings.plugins_dir),
        limits=Limits(),
        clock=utc_now,
        queue=carrier,
    )
    # Before the children fork, so that what is loaded is loaded once and shared.
    warmth.warm_or_say(context.vocabulary)
    consumer = Consumer(context, carrier)
    consumer.run()
    consumer.bury()
    log.info("ended")
    return 0


class Child:
    """What an executing child knows of the wish to end; a `service.execution.Stop`."""

    def __init__(self, flag: Any) -> None:
        self.flag, self.parent = flag, os.getppid()
        self.asked = self.computing = False
        signal.signal(signal.SIGTERM, self._asked)
        signal.signal(signal.SIGALRM, self._overdue)

    def requested(self) -> bool:
        """Whether we are asked to end, or nobody is left to ask."""
        return self.asked or self.flag.is_set() or os.getppid() != self.parent

    @contextmanager
    def interruptible(self, seconds: float) -> Iterator[None]:
        """Let a signal break off what is done within, and the clock after `seconds`."""
        self.computing = True
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            self.computing = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if self.computing:
            raise Interrupted

    def _overdue(self, number: int, frame: FrameType | None) -> None:
        if self.computing:
            raise Stalled


class RunWorker(Worker):  # type: ignore[misc]
    """Carries out one run after the other, in a process of its own."""

    def __init__(self, context: Context, carrier: Carrier, **options: Any) -> None:
        super().__init__(**options)
        self.context, self.carrier = context, carrier

    def initialize(self) -> None:
        """The first thing in the child."""
        super().initialize()
        self.child = Child(self.stop_flag)
        self.carrier.deliver = lambda run_id: execute(self.context, run_id, self.child)

    def loop(self, now: Any = None) -> None:
        """Take one message, if there is one."""
        if self.child.requested():
            raise KeyboardInterrupt  # which Huey takes for the end of the child
        super().loop(now)


class Caretaker(Scheduler):  # type: ignore[misc]
    """Looks after what others left behind. In a process of its own, not by way of the queue,
    where it would have to wait until a worker is free."""

    def __init__(self, context: Context, carrier: Carrier, **options: Any) -> None:
        super().__init__(**options)
        self.context, self.carrier = context, carrier

    def initialize(self) -> None:
        """The first thing in the child."""
        super().initialize()
        self.parent, self.purged = os.getppid(), -PURGE_SECONDS

    def loop(self, now: Any = None) -> None:
        """One round, then a rest."""
        if os.getppid() != self.parent:
            raise KeyboardInterrupt
        started = time.monotonic()
        self._attempt(reap)
        if started - self.purged >= PURGE_SECONDS:
            self.purged = started
            self._attempt(purge)
        self.sleep_for_interval(started, self.context.settings.reap_seconds)

    def _attempt(self, task: Callable[[Context, Carrier], None]) -> None:
        try:
            task(self.context, self.carrier)
        except Exception:
            log.exception("%s failed", task.__name__)


def reap(context: Context, carrier: Carrier) -> None:
    """Give lost runs back, and enqueue what waits without a message."""
    carried = carrier.waiting()
    with context.database.write(durable=False) as session:
        missing = jobs.reap(session, context.clock(), context.settings.lease_seconds, carried)
    for run_id in missing:
        carrier.enqueue(run_id)
        log.info("enqueued again", extra={"job_id": run_id})


def purge(context: Context, carrier: Carrier) -> None:
    """Remove what has expired: checks and runs that nobody owns, programs that nobody uses."""
    for what, purge_expired in (
        ("gradchecks", gradchecks.purge_expired),
        ("runs", runs.purge_expired),
        ("programs", programs.purge_expired),
    ):
        gone = purge_expired(context.database, context.clock, context.settings.retention_days)
        if gone:
            log.info("removed", extra={"what": what, "count": gone})


class Consumer(HueyConsumer):  # type: ignore[misc]
    """Huey's consumer with our children."""

    def __init__(self, context: Context, carrier: Carrier) -> None:
        self._shared = context, carrier
        super().__init__(
            carrier.huey,
            workers=context.settings.workers,
            worker_type="process",
            initial_delay=0.1,
            max_delay=0.5,
            health_check_interval=HEALTH_SECONDS,
            shutdown_timeout=GRACE,
        )
        # Huey would begin anew; but it is a closed terminal that says this.
        self._signal_actions[signal.SIGHUP] = (False, True)

    def start(self) -> None:
        """Start the children. A signal that comes meanwhile must not leave some behind, so the
        handlers, which Huey sets last, are set first."""
        self._set_signal_handlers()
        super().start()
        log.info("started", extra={"workers": self.workers})

    def _create_worker(self) -> RunWorker:
        return RunWorker(
            *self._shared,
            huey=self.huey,
            stop_flag=self.stop_flag,
            default_delay=self.default_delay,
            max_delay=self.max_delay,
            backoff=self.backoff,
        )

    def _create_scheduler(self) -> Caretaker:
        return Caretaker(
            *self._shared, huey=self.huey, stop_flag=self.stop_flag, interval=1, periodic=False
        )

    def bury(self) -> None:
        """End the children that did not end by themselves; their runs are left to the reaper."""
        deadline = time.monotonic() + LAST_WORDS
        for process in (*(process for _, process in self.worker_threads), self.scheduler):
            process.join(max(deadline - time.monotonic(), 0))
            if process.is_alive():
                log.warning("killed", extra={"process": process.name})
                process.kill()
