"""Curves in the database: every bit comes back, and a sample is the same from any storage."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sqlalchemy import func, select

from service import curves
from service.models import CurveChunk, CurvePreview, Run, RunMetric, Series
from service.sampling import sample
from tests.service.rows import a_run

SIZES = [1, 511, 512, 513, 1024, 5000]


@pytest.fixture
def run(database, clock):
    """The key of a run without curves."""
    row = a_run(clock)
    with database.write() as session:
        session.add(row)
    return row.id


@pytest.fixture
def store(database, run):
    def write(since=0, **values):
        with database.write() as session:
            curves.store(session, run, values, since)

    return write


@pytest.fixture
def read(database, run):
    def get(name, max_points=None):
        with database.read() as session:
            return curves.read(session, run, name, max_points)

    return get


@pytest.fixture
def count(database):
    def rows(table):
        with database.read() as session:
            return session.scalar(select(func.count()).select_from(table))

    return rows


ODD = np.array([-0.0, np.nan, 5e-324, np.inf, -np.inf, 0.1, 1.7976931348623157e308])


def noise(n):
    """n values of every kind: whatever bits make, and what is easily lost on the way."""
    bits = np.random.default_rng(0).integers(0, 2**64, n, dtype=np.uint64)
    values = bits.view(np.float64)
    values[: ODD.size] = ODD[:n]
    return values


@pytest.mark.parametrize("n", SIZES)
def test_values_come_back_bit_for_bit(n, store, database, run):
    values = noise(n)
    store(loss=values)
    with database.read() as session:
        loaded = curves.load(session, run, until=n)["loss"]
    assert loaded.tobytes() == values.tobytes()


def test_chunks_hold_512_values(store, database):
    store(loss=np.arange(1300.0))
    with database.read() as session:
        chunks = session.scalars(select(CurveChunk).order_by(CurveChunk.number)).all()
    assert [len(chunk.data) // 8 for chunk in chunks] == [512, 512, 276]
    assert chunks[0].data[8:16] == b"\x00\x00\x00\x00\x00\x00\xf0\x3f"


def test_growth_equals_storing_at_once(store, database, run, clock):
    """Wherever a curve is cut, chunks, preview and summary end up the same."""
    values = noise(3000)
    cuts = [0, 1, 32, 511, 512, 513, 1500, 2048, 3000]
    for since, until in pairwise(cuts):
        store(since, loss=values[:until], rate=-values[:until])
    store(0, at_once=values)
    with database.read() as session:
        ids = {row.name: row.id for row in session.scalars(select(Series))}

        def kept(name):
            chunks = session.scalars(select(CurveChunk).filter_by(series_id=ids[name])).all()
            preview = session.get(CurvePreview, ids[name])
            metric = session.get(RunMetric, (run, name))
            columns = ("n", "first", "last", "low", "low_step", "high", "high_step", "non_finite")
            return (
                {chunk.number: chunk.data for chunk in chunks},
                (preview.n, preview.width, preview.data),
                [getattr(metric, column) for column in columns],
            )

        assert kept("loss") == kept("at_once")


def test_tail_beyond_the_checkpoint_is_overwritten(store, read, database, run):
    """What a lost attempt left after its checkpoint must not survive into the resumed curve."""
    values = np.arange(1200.0)
    store(loss=np.concatenate([values[:700], np.full(900, 13.0)]))
    with database.read() as session:
        resumed = curves.load(session, run, until=700)["loss"]
    store(700, loss=np.concatenate([resumed, values[700:]]))
    assert read("loss").values == values.tolist()


def test_loaded_curve_can_be_written_to(store, database, run):
    store(loss=np.arange(5.0))
    with database.read() as session:
        curves.load(session, run, until=5)["loss"][0] = 7.0


@pytest.mark.parametrize("finite", [True, False])
@pytest.mark.parametrize("max_points", [2, 5, 60, 301, 302, 1000, 4999, 5000])
def test_sample_is_that_of_the_whole_curve(max_points, finite, store, read):
    """Most small samples are read from the preview; nobody may notice."""
    values = np.cumsum(np.random.default_rng(1).normal(size=5000))
    if not finite:
        values[[3, 2000, 4999]] = [np.nan, np.inf, -np.inf]
    store(loss=values)
    found, steps = read("loss", max_points), sample(values, max_points)
    assert found.steps == steps.tolist()
    assert np.array(found.values).tobytes() == values[steps].tobytes()
    assert (found.n_total, found.sampled) == (5000, max_points < 5000)


def test_small_sample_reads_no_chunk(store, read, database):
    store(loss=np.arange(5000.0))
    with database.write() as session:
        session.query(CurveChunk).delete()
    assert read("loss", 50).steps[-1] == 4999


def test_unknown_series_is_none(store, read):
    store(loss=np.arange(5.0))
    assert read("gain") is None


def test_series_of_other_runs_stay_apart(store, read, database, clock):
    store(loss=np.arange(5.0))
    other = a_run(clock)
    with database.write() as session:
        session.add(other)
        session.flush()
        curves.store(session, other.id, {"loss": np.zeros(3)}, since=0)
    assert read("loss").values == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_curves_go_with_their_run(store, count, database, run):
    store(loss=np.arange(5000.0), rate=np.arange(5000.0))
    with database.write() as session:
        session.delete(session.get(Run, run))
    assert [count(t) for t in (Series, CurveChunk, CurvePreview, RunMetric)] == [0, 0, 0, 0]
