"""Training runs, their curves and what a worker needs to carry them to the end."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.models.base import (
    Base,
    Bytes,
    Count,
    Document,
    Hash,
    Key,
    Label,
    Owner,
    PublicId,
)

STATES = ("queued", "running", "succeeded", "diverged", "failed", "cancelled")


class Run(Base):
    """One training run. `token` and `lease_until` say who may write to it and how long: every
    write of a worker names its token, so a worker that lost its lease changes nothing."""

    __tablename__ = "run"
    __table_args__ = (
        CheckConstraint(f"state in {STATES}", name="state"),
        Index(None, "state", "lease_until"),
        Index(None, "state", "enqueued_at"),
    )

    id: Mapped[Key] = mapped_column(primary_key=True)
    public_id: Mapped[PublicId]
    owner_id: Mapped[Owner]

    config: Mapped[Document]
    config_version: Mapped[int] = mapped_column(default=1)
    config_hash: Mapped[Hash] = mapped_column(index=True)
    seed: Mapped[Count]
    engine_version: Mapped[Label]
    op_set_hash: Mapped[Hash]

    state: Mapped[str] = mapped_column(String(16), default="queued", server_default="queued")
    attempt: Mapped[int] = mapped_column(default=0, server_default="0")
    token: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    enqueued_at: Mapped[datetime | None]
    cancel_requested: Mapped[bool] = mapped_column(default=False, server_default=false())

    steps_done: Mapped[Count] = mapped_column(default=0, server_default="0")
    steps_total: Mapped[Count]
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)
    """without a code: how a run diverged"""

    created_at: Mapped[datetime] = mapped_column(index=True)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    metrics: Mapped[list[RunMetric]] = relationship(
        order_by="RunMetric.name", passive_deletes=True, lazy="raise"
    )
    series: Mapped[list[Series]] = relationship(
        order_by="Series.name", passive_deletes=True, lazy="raise"
    )


class RunMetric(Base):
    """A series in a line, for lists and sorting. Numbers are null where not finite."""

    __tablename__ = "run_metric"

    run_id: Mapped[Key] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[Label] = mapped_column(primary_key=True)
    n: Mapped[Count]
    first: Mapped[float | None] = mapped_column(Float(53))
    last: Mapped[float | None] = mapped_column(Float(53))
    low: Mapped[float | None] = mapped_column(Float(53))
    low_step: Mapped[Count | None]
    high: Mapped[float | None] = mapped_column(Float(53))
    high_step: Mapped[Count | None]
    non_finite: Mapped[Count] = mapped_column(default=0, server_default="0")


class Series(Base):
    """One curve of a run: `n` values, one for each step from 0."""

    __tablename__ = "series"
    __table_args__ = (UniqueConstraint("run_id", "name"),)

    id: Mapped[Key] = mapped_column(primary_key=True)
    run_id: Mapped[Key] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    name: Mapped[Label]
    n: Mapped[Count] = mapped_column(default=0, server_default="0")


class CurveChunk(Base):
    """Up to 512 values of a series as little-endian float64; only the last chunk is shorter."""

    __tablename__ = "curve_chunk"

    series_id: Mapped[Key] = mapped_column(
        ForeignKey("series.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[Bytes]


class CurvePreview(Base):
    """A series in at most 100 buckets of `width` steps, over its first `n` values.

    `data` is little-endian float64: the first value, then per bucket the five numbers that
    `service.sampling.Preview` holds.
    """

    __tablename__ = "curve_preview"

    series_id: Mapped[Key] = mapped_column(
        ForeignKey("series.id", ondelete="CASCADE"), primary_key=True
    )
    n: Mapped[Count]
    width: Mapped[Count]
    data: Mapped[Bytes]


class Checkpoint(Base):
    """The newest state of a run from which `train` goes on with the identical bytes."""

    __tablename__ = "checkpoint"

    run_id: Mapped[Key] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[Count]
    data: Mapped[Bytes]
    created_at: Mapped[datetime]
