"""Small data sets that a network can learn while one watches: each a pure function of its seed.

Every function takes ``(seed, n, noise)`` and returns ``(xs, ys)``: ``xs`` is float64 of shape
(n, features); ``ys`` has shape (n,) and holds class numbers 0, 1, … (int64) where the task is
classification, float64 values where it is regression. How a class becomes a training target
(-1/+1 for hinge, 0/1 for binary cross-entropy, …) is the loss's business: ``engine.losses``.

The dice are numpy's PCG64 started from the seed, so the same three numbers give the same bytes.
``noise`` is the standard deviation of what is added, in the units of the coordinates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.ranges import Range

Array = NDArray[np.float64]
Samples = tuple[Array, NDArray[Any]]

LECTURE_XS = ((2.0, 3.0, -1.0), (3.0, -1.0, 0.5), (0.5, 1.0, 1.0), (1.0, 1.0, -1.0))
LECTURE_CLASSES = (1, 0, 0, 1)
CORNERS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))


def dice(seed: int) -> np.random.Generator:
    """The generator that every draw of the engine starts from."""
    return np.random.Generator(np.random.PCG64(seed))


def lecture(seed: int, n: int = 4, noise: float = 0.0) -> Samples:
    """The four points of Karpathy's lecture on micrograd, taken round in order.

    xs: (n, 3); classes 1, 0, 0, 1, which the lecture writes as +1, -1, -1, +1.
    """
    return _scatter(seed, noise, np.resize(LECTURE_XS, (n, 3)), np.resize(LECTURE_CLASSES, n))


def xor(seed: int, n: int = 4, noise: float = 0.0) -> Samples:
    """The corners of the unit square, taken round in order; class 1 where exactly one is 1.

    xs: (n, 2). No straight line separates the classes (Minsky & Papert 1969).
    """
    corners = np.resize(CORNERS, (n, 2))
    return _scatter(seed, noise, corners, corners.sum(axis=1) == 1)


def moons(seed: int, n: int = 100, noise: float = 0.1) -> Samples:
    """Two half circles that reach into each other, as in scikit-learn's make_moons.

    xs: (n, 2). Class 0: (cos t, sin t); class 1: (1 - cos t, 1/2 - sin t); t evenly from 0 to pi.
    The first n // 2 points are class 0.
    """
    upper, lower = (np.linspace(0, np.pi, size) for size in (n // 2, n - n // 2))
    points = np.concatenate(
        [
            np.column_stack([np.cos(upper), np.sin(upper)]),
            np.column_stack([1 - np.cos(lower), 0.5 - np.sin(lower)]),
        ]
    )
    return _scatter(seed, noise, points, np.arange(n) >= n // 2)


def circles(seed: int, n: int = 100, noise: float = 0.05) -> Samples:
    """A circle of radius 1 (class 0) around one of radius 1/2 (class 1), evenly spaced.

    xs: (n, 2): r * (cos t, sin t). The first n // 2 points are the outer circle.
    """
    outer, inner = (
        radius * _ring(np.linspace(0, 2 * np.pi, size, endpoint=False))
        for radius, size in ((1.0, n // 2), (0.5, n - n // 2))
    )
    return _scatter(seed, noise, np.concatenate([outer, inner]), np.arange(n) >= n // 2)


def spiral(seed: int, n: int = 100, noise: float = 0.05, classes: int = 2) -> Samples:
    """Arms that wind out from the middle, one per class.

    xs: (n, 2): r * (cos t, sin t), r evenly from 0.1 to 1 along an arm and t = 4 r + 2 pi c / k
    for class c of k. Points take the classes in turn: 0, 1, …, k - 1, 0, …
    """
    which = np.arange(n) % classes
    along = np.arange(n) // classes
    last = max(int(along.max(initial=0)), 1)
    radius = 0.1 + 0.9 * along / last
    points = radius[:, None] * _ring(4 * radius + 2 * np.pi * which / classes)
    return _scatter(seed, noise, points, which)


def linear(seed: int, n: int = 50, noise: float = 0.05) -> Samples:
    """A straight line: y = 0.7 x - 0.2 + noise. xs: (n, 1), evenly from -1 to 1."""
    xs = np.linspace(-1, 1, n)
    return xs[:, None], 0.7 * xs - 0.2 + _noise(seed, noise, xs.shape)


def sine(seed: int, n: int = 50, noise: float = 0.05) -> Samples:
    """One period of a sine: y = sin(pi x) + noise. xs: (n, 1), evenly from -1 to 1."""
    xs = np.linspace(-1, 1, n)
    return xs[:, None], np.sin(np.pi * xs) + _noise(seed, noise, xs.shape)


def _ring(angle: Array) -> Array:
    return np.column_stack([np.cos(angle), np.sin(angle)])


def _noise(seed: int, noise: float, shape: tuple[int, ...]) -> Array:
    return noise * dice(seed).standard_normal(shape)


def _scatter(seed: int, noise: float, points: Array, classes: NDArray[Any]) -> Samples:
    return points + _noise(seed, noise, points.shape), classes.astype(np.int64)


@dataclass(frozen=True)
class Dataset:
    """A row of the shelf: its defaults, and ``make(seed, n, noise, **params) -> (xs, ys)``."""

    name: str
    task: Literal["classification", "regression"]
    make: Callable[..., Samples]
    features: int
    n: int
    noise: float
    params: Mapping[str, Range] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def doc(self) -> str:
        """What it is and the formula it comes from."""
        return " ".join((self.make.__doc__ or "").split())

    def classes(self, params: Mapping[str, float]) -> int:
        """How many classes it has with these parameters; 0 for a regression."""
        return 0 if self.task == "regression" else int(params.get("classes", 2))


DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        row.name: row
        for row in (
            Dataset("lecture", "classification", lecture, features=3, n=4, noise=0.0),
            Dataset("xor", "classification", xor, features=2, n=4, noise=0.0),
            Dataset("moons", "classification", moons, features=2, n=100, noise=0.1),
            Dataset("circles", "classification", circles, features=2, n=100, noise=0.05),
            Dataset(
                "spiral",
                "classification",
                spiral,
                features=2,
                n=100,
                noise=0.05,
                params=MappingProxyType({"classes": Range(2, low=2, high=10, whole=True)}),
            ),
            Dataset("linear", "regression", linear, features=1, n=50, noise=0.05),
            Dataset("sine", "regression", sine, features=1, n=50, noise=0.05),
        )
    }
)
