"""Data sets: the same dice give the same points, and the points lie where the formulas say."""

from __future__ import annotations

import numpy as np
import pytest

from engine.datasets import DATASETS, circles, linear, moons, sine, spiral, xor

SHELF = list(DATASETS.values())


@pytest.mark.parametrize("row", SHELF, ids=lambda row: row.name)
def test_seed_decides_every_byte(row):
    first, again, other = (row.make(seed, row.n, 0.1) for seed in (7, 7, 8))
    assert [part.tobytes() for part in first] == [part.tobytes() for part in again]
    assert any(a.tobytes() != b.tobytes() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("row", SHELF, ids=lambda row: row.name)
@pytest.mark.parametrize("n", [1, 2, 5, 60])
def test_shapes_follow_the_size(row, n):
    xs, ys = row.make(3, n, row.noise)
    assert xs.shape == (n, row.features)
    assert xs.dtype == np.float64
    assert ys.shape == (n,)
    assert np.isfinite(xs).all()
    assert ys.dtype == (np.int64 if row.task == "classification" else np.float64)


@pytest.mark.parametrize("row", SHELF, ids=lambda row: row.name)
def test_doc_tells_the_formula(row):
    assert "xs: (n, " in row.doc


def test_lecture_gives_its_points():
    xs, ys = DATASETS["lecture"].make(1, 4, 0.0)
    assert xs.tolist() == [[2, 3, -1], [3, -1, 0.5], [0.5, 1, 1], [1, 1, -1]]
    assert ys.tolist() == [1, 0, 0, 1]


def test_xor_tells_unequal_corners():
    xs, ys = xor(1, 8, 0.0)
    assert ys.tolist() == [int(a != b) for a, b in xs]
    assert len({tuple(row) for row in xs}) == 4


def test_moons_are_half_circles():
    xs, ys = moons(1, 11, 0.0)
    upper, lower = xs[ys == 0], xs[ys == 1]
    assert (len(upper), len(lower)) == (5, 6)
    np.testing.assert_allclose(np.hypot(*upper.T), 1)
    np.testing.assert_allclose(np.hypot(*(lower - [1, 0.5]).T), 1)
    assert upper[:, 1].min() >= 0
    assert lower[:, 1].max() <= 0.5


def test_circles_keep_their_radii():
    xs, ys = circles(1, 20, 0.0)
    np.testing.assert_allclose(np.hypot(*xs.T), np.where(ys == 1, 0.5, 1.0))
    assert len({tuple(np.round(row, 9)) for row in xs}) == 20


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_spiral_gives_each_class_an_arm(classes):
    xs, ys = spiral(1, 60, 0.0, classes=classes)
    assert np.bincount(ys).tolist() == [60 // classes] * classes
    radius = np.hypot(*xs.T)
    turned = np.arctan2(xs[:, 1], xs[:, 0]) - 4 * radius - 2 * np.pi * ys / classes
    np.testing.assert_allclose(np.cos(turned), 1)


def test_regressions_follow_their_formulas():
    xs, ys = linear(1, 9, 0.0)
    np.testing.assert_allclose(ys, 0.7 * xs[:, 0] - 0.2)
    xs, ys = sine(1, 9, 0.0)
    np.testing.assert_allclose(ys, np.sin(np.pi * xs[:, 0]))


def test_noise_has_its_deviation():
    clean, noisy = (moons(1, 5_000, noise)[0] for noise in (0.0, 0.2))
    assert np.std(noisy - clean) == pytest.approx(0.2, rel=0.03)
