"""Curves in the database: chunks of 512 float64, a preview and a summary, written together.

A curve has one value for each step, counted from 0. What is not finite is data like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Select, delete, insert, select
from sqlalchemy.orm import Session

from service.models import CurveChunk, CurvePreview, RunMetric, Series
from service.sampling import Preview, Values, sample, summarise

CHUNK = 512
"""Values in a chunk; all but the last of a series are full."""

FLOATS = np.dtype("<f8")

Curves = Mapping[str, Values]


@dataclass(frozen=True)
class Sample:
    """Points of the series `name`, which has `n_total`; `sampled` tells that some are left out.

    `values` may hold nan and infinities.
    """

    name: str
    steps: list[int]
    values: list[float]
    n_total: int
    sampled: bool


def store(session: Session, run: int, curves: Curves, since: int) -> None:
    """Write the whole `curves` of the run with this key; before step `since` they are stored."""
    known = {row.name: row for row in session.scalars(_of_run(run))}
    for name, values in curves.items():
        series = known.get(name)
        if series is None:
            series = Series(run_id=run, name=name)
            session.add(series)
            session.flush()
        series.n = values.size
        begun = since // CHUNK
        chunks = [
            {"series_id": series.id, "number": number, "data": _pack(values[start : start + CHUNK])}
            for number, start in enumerate(range(begun * CHUNK, values.size, CHUNK), begun)
        ]
        session.execute(
            delete(CurveChunk).where(CurveChunk.series_id == series.id, CurveChunk.number >= begun)
        )
        if chunks:
            session.execute(insert(CurveChunk), chunks)
        if values.size:
            session.merge(_preview_row(series.id, Preview.of(values)))
        session.merge(_metric_row(run, name, values))


def load(session: Session, run: int, until: int) -> dict[str, Values]:
    """The first `until` values of every curve of the run, in memory of their own."""
    series = session.scalars(_of_run(run)).all()
    return {row.name: _values(session, row)[:until].copy() for row in series}


def read(session: Session, run: int, name: str, max_points: int | None) -> Sample | None:
    """At most `max_points` of a series, as `sampling.sample` chooses them, or all of them.

    None if the run has no such series.
    """
    series = session.scalar(_of_run(run).where(Series.name == name))
    if series is None:
        return None
    if max_points is not None:
        points = _from_preview(session, run, series, max_points)
        if points is not None:
            return Sample(name, list(points), list(points.values()), series.n, sampled=True)
    values = _values(session, series)
    steps = sample(values, values.size if max_points is None else max_points)
    shown = values[steps].tolist()
    return Sample(name, steps.tolist(), shown, values.size, sampled=steps.size < values.size)


def _from_preview(
    session: Session, run: int, series: Series, max_points: int
) -> dict[int, float] | None:
    """The points to show, where the preview alone can tell them."""
    metric = session.get(RunMetric, (run, series.name))
    row = session.get(CurvePreview, series.id)
    if row is None or metric is None or metric.non_finite:
        return None
    numbers = np.frombuffer(row.data, FLOATS)
    return Preview(row.n, row.width, float(numbers[0]), numbers[1:].reshape(-1, 5)).sampled(
        max_points
    )


def _of_run(run: int) -> Select[Series]:
    return select(Series).where(Series.run_id == run).order_by(Series.name)


def _values(session: Session, series: Series) -> Values:
    chunks = session.scalars(
        select(CurveChunk.data).where(CurveChunk.series_id == series.id).order_by(CurveChunk.number)
    )
    return np.frombuffer(b"".join(chunks), FLOATS)[: series.n]


def _pack(values: Values) -> bytes:
    return values.astype(FLOATS).tobytes()


def _preview_row(series: int, preview: Preview) -> CurvePreview:
    numbers = np.concatenate([[preview.first], preview.table.ravel()])
    return CurvePreview(series_id=series, n=preview.n, width=preview.width, data=_pack(numbers))


def _metric_row(run: int, name: str, values: Values) -> RunMetric:
    summary = summarise(values)
    low, high = summary.low, summary.high
    return RunMetric(
        run_id=run,
        name=name,
        n=summary.n,
        non_finite=summary.non_finite,
        first=summary.first,
        last=summary.last,
        low=low and low.value,
        low_step=low and low.step,
        high=high and high.value,
        high_step=high and high.step,
    )
