"""The elementary functions of compiled code, against numpy and against 40 digits."""

from __future__ import annotations

import functools

import mpmath
import numpy as np
import pytest
from numba import njit

from engine.functions import CALL, FUNCTIONS
from engine.machine.kernels import functions

ROWS = {row.name: row for row in FUNCTIONS}
OWN = ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "sinh", "cosh", "tanh", "abs", "sign")
ONE = (*OWN, "tan", "atan")
TWO = ("max", "min", "logaddexp", "pow")
VECTORISED = (*OWN, *TWO)

EDGES = np.array(
    [
        *(0.0, 5e-324, 1e-310, 2.2250738585072014e-308, 1e-300, 1e-17, 1e-8, 0.5, 1.0, 1.5),
        *(np.nextafter(1, 0), np.nextafter(1, 2), np.pi / 2, np.pi, 18.0, 22.0, 36.8, 355.0),
        *(708.4, 709.78, 709.79, 710.4, 710.5, 745.1, 745.2, 999999.9, 1e6 + 0.1, 1e15, 1e22),
        *(1e308, np.finfo(float).max, np.inf),
    ]
)
EDGES = np.concatenate([EDGES, -EDGES, [np.nan]])


@functools.cache
def loop(name):
    """The function over whole arrays, compiled as kernels are."""
    function = getattr(functions, name)

    def one(out, x):
        for i in range(len(out)):
            out[i] = function(x[i])

    def two(out, x, y):
        for i in range(len(out)):
            out[i] = function(x[i], y[i])

    return njit(two if name in TWO else one, error_model="numpy", fastmath={"contract"})


def run(name, *arrays):
    out = np.empty(len(arrays[0]))
    loop(name)(out, *arrays)
    return out


def plainly(name, *arrays):
    function = getattr(functions, name)
    with np.errstate(all="ignore"):
        return np.array([function(*numbers) for numbers in zip(*arrays, strict=True)])


def off(got, wanted):
    """How many units in the last place of `wanted`; infinite where only one is nan or infinite."""
    with np.errstate(all="ignore"):
        units = np.abs(got - wanted) / np.spacing(np.abs(wanted))
    same = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    return np.where(same, 0.0, np.where(np.isfinite(units), units, np.inf))


def points(seed=0, count=20_000):
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], count)
    return np.concatenate(
        [
            rng.uniform(-1, 1, count),
            rng.normal(0, 10, count),
            rng.uniform(-750, 750, count),
            1 + rng.uniform(-0.3, 0.3, count),
            signs * np.exp(rng.uniform(-45, 1, count)),
            signs * np.exp(rng.uniform(-740, 13, count)),
            rng.uniform(-1e6, 1e6, count),
            rng.integers(-600_000, 600_000, count) * (np.pi / 2),
            [642615.9188844458],  # needs what is lost where pi's parts are taken off
        ]
    )


def test_every_row_has_a_function_for_compiled_code():
    for row in FUNCTIONS:
        if row.binds == CALL or row.name == "pow":
            assert callable(getattr(functions, row.name))


@pytest.mark.parametrize("name", ONE)
def test_within_two_units_of_numpy(name):
    x = points()
    with np.errstate(all="ignore"):
        units = off(run(name, x), ROWS[name].array(x))
    assert units.max() <= 2, x[units.argmax()]


@pytest.mark.parametrize("name", OWN)
def test_within_two_units_of_the_truth(name):
    x = points(seed=1, count=40)
    if name in ("log", "log1p", "sqrt"):
        x = np.abs(x)
    exact = getattr(mpmath, {"abs": "fabs"}.get(name, name))
    with mpmath.workdps(40):
        for each, got in zip(x, run(name, x), strict=True):
            truth = exact(mpmath.mpf(each))
            if abs(truth) < 1.7e308:
                unit = max(np.spacing(abs(float(truth))), 5e-324)
                assert abs(truth - mpmath.mpf(got)) <= 2 * unit, each


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("way", [run, plainly], ids=["compiled", "plain"])
def test_numpy_at_the_edges(name, way):
    with np.errstate(all="ignore"):
        wanted = ROWS[name].array(EDGES)
    got = way(name, EDGES)
    assert off(got, wanted).max() <= 2, EDGES[off(got, wanted).argmax()]
    zeros = wanted == 0
    assert np.array_equal(np.signbit(got[zeros]), np.signbit(wanted[zeros]))


@pytest.mark.parametrize("name", TWO)
@pytest.mark.parametrize("way", [run, plainly], ids=["compiled", "plain"])
def test_two_arguments_as_numpy_at_the_edges(name, way):
    x, y = (grid.ravel() for grid in np.meshgrid(EDGES, EDGES))
    with np.errstate(all="ignore"):
        wanted = ROWS[name].array(x, y)
    units = off(way(name, x, y), wanted)
    assert units.max() <= 2, (x[units.argmax()], y[units.argmax()])


def test_logaddexp_within_two_units_of_its_greater_part():
    x, y = points(seed=2), points(seed=3)[::-1]
    gap = np.abs(run("logaddexp", x, y) - np.logaddexp(x, y))
    assert np.all(gap <= 2 * np.spacing(np.maximum(np.maximum(np.abs(x), np.abs(y)), 1)))


@pytest.mark.parametrize("name", ONE)
def test_plain_python_agrees_with_compiled_code(name):
    x = points(seed=4, count=60)
    assert off(plainly(name, x), run(name, x)).max() <= 2


@pytest.mark.parametrize(
    "name", [*sorted({*VECTORISED} - {"sin", "cos", "pow"}), "near_sin", "near_cos"]
)
def test_a_loop_over_it_vectorises(name):
    function = getattr(functions, name)
    names = "xy"[: 2 if name in TWO else 1]
    made = {"function": function}
    exec(
        f"def each(out, {', '.join(names)}):\n"
        f"    for i in range(len(out)): out[i] = function({', '.join(f'{n}[i]' for n in names)})",
        made,
    )
    each = njit(made["each"], error_model="numpy", fastmath={"contract"})
    each(*[np.ones(8)] * (1 + len(names)))
    [code] = each.inspect_llvm().values()
    assert " x double>" in code
