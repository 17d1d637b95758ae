"""What of a long curve is shown: stable edges, nothing that matters left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.sampling import Preview, bucket_width, non_finite_steps, sample, summarise

finite = st.floats(allow_nan=False, allow_infinity=False, width=16)
curves = st.lists(st.floats(width=16), min_size=1, max_size=700).map(np.array)
finite_curves = st.lists(finite, min_size=1, max_size=700).map(np.array)
budgets = st.integers(2, 400)


@given(curves, budgets)
def test_landmarks_are_always_shown(values, max_points):
    shown = set(sample(values, max_points).tolist())
    assert {0, values.size - 1} <= shown
    assert set(non_finite_steps(values).tolist()) <= shown
    known = values[np.isfinite(values)]
    if known.size:
        assert {known.min(), known.max()} <= set(values[sorted(shown)].tolist())


@given(curves, budgets)
def test_finite_points_stay_within_budget(values, max_points):
    steps = sample(values, max_points)
    assert np.all(np.diff(steps) > 0)
    assert np.isfinite(values[steps]).sum() <= max(max_points, 4)


def test_restless_curve_stays_within_budget():
    values = np.resize([0.0, 1.0, -1.0, 0.5], 1500)
    for max_points in range(4, 1000):
        assert sample(values, max_points).size <= max_points


@given(st.integers(1, 100_000), st.integers(1, 100_000), st.integers(1, 4000))
def test_edges_of_longer_curve_were_edges_before(n, more, buckets):
    assert bucket_width(n + more, buckets) % bucket_width(n, buckets) == 0


@given(finite_curves)
def test_short_curve_is_shown_whole(values):
    assert sample(values, values.size).tolist() == list(range(values.size))


@given(finite_curves, st.integers(1, 700), budgets)
def test_closed_buckets_survive_growth(values, cut, max_points):
    """While the width stays, a bucket once full shows the same points for ever."""
    early = values[: min(cut, values.size)]
    width = bucket_width(values.size, max_points)
    if bucket_width(early.size, max_points) != width:
        return
    full = early.size // width * width
    before, after = (Preview.of(v, width).steps for v in (early, values))
    assert [s for s in before if s < full] == [s for s in after if s < full]


@given(curves, st.sampled_from([1, 2, 4, 8, 16]), st.sampled_from([1, 2, 4, 8]))
def test_coarser_preview_equals_fresh_one(values, width, factor):
    fine, coarse = Preview.of(values, width), Preview.of(values, width * factor)
    assert np.array_equal(fine.coarser(width * factor).table, coarse.table, equal_nan=True)
    assert set(coarse.steps.tolist()) <= set(fine.steps.tolist())


@given(finite_curves, budgets)
def test_preview_answers_like_whole_curve(values, max_points):
    points = Preview.of(values).sampled(max_points)
    if points is not None:
        steps = sample(values, max_points)
        assert list(points) == steps.tolist()
        assert list(points.values()) == values[steps].tolist()


def test_preview_keeps_to_hundred_buckets():
    for n in (1, 99, 100, 101, 200, 201, 100_000):
        preview = Preview.of(np.arange(float(n)))
        assert len(preview.table) <= 100
        assert preview.width == 1 or len(preview.table) > 50


def test_summary_names_first_extremes():
    summary = summarise(np.array([2.0, -1.0, np.nan, 5.0, -1.0, 5.0, np.inf]))
    assert (summary.n, summary.non_finite) == (7, 2)
    assert (summary.first, summary.last) == (2.0, None)
    assert (summary.low.step, summary.low.value) == (1, -1.0)
    assert (summary.high.step, summary.high.value) == (3, 5.0)


@pytest.mark.parametrize("values", [[], [np.nan, np.inf]])
def test_summary_without_finite_values_is_empty(values):
    summary = summarise(np.array(values, dtype=np.float64))
    assert (summary.first, summary.last, summary.low, summary.high) == (None,) * 4
