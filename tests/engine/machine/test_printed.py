"""Kernels printed from formulas: as plain Python and compiled, against the op's own rules."""

from __future__ import annotations

import ctypes
import dataclasses
import inspect
import itertools

import numpy as np
import pytest
from numba import njit

from engine import registry
from engine.extend import op
from engine.machine.cache import imported
from engine.machine.compiled import compiled
from engine.machine.interpreter.pointer import call
from engine.machine.printed import POWERS, printed
from engine.machine.record import WIDTH, Kernel

OPS = {name: each for name, each in registry.load().ops.items() if each.formula is not None}
EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 30.0, -700.0, 1e-310, 1e308, -1e308, np.inf, -np.inf]
EDGES = np.array([*EDGES, np.nan])
SIZES = (1, 2, 7, 33)

C_FUNCTION = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)


def plainly(loop, v, d, r, p):
    with np.errstate(all="ignore"):
        loop(v, d, r, p)


def by_address(address):
    def loop(v, d, r, p):
        C_FUNCTION(address)(*(array.ctypes.data for array in (v, d, r, p)))

    return loop


def ways(kernel: Kernel):
    """The two passes of a kernel, as they stand and as machine code."""
    code = compiled(kernel)
    yield (
        lambda *arrays: plainly(kernel.forward, *arrays),
        lambda *arrays: plainly(kernel.backward, *arrays),
    )
    yield by_address(code.forward), by_address(code.backward)


class Laid:
    """The operands of one row in a buffer: each with stride 0 or 1, or in scattered places that
    the pool lists, with other numbers in between."""

    def __init__(self, operands, strides, rng, indexed=False, shared=False):
        n = max(len(x) for x in operands)
        room = 3 * n * (len(operands) + 1)
        self.v = rng.normal(size=room)
        self.places, pool = [], []
        free = rng.permutation(room - n) if indexed else np.arange(room)
        for i, (x, stride) in enumerate(zip(operands, strides, strict=True)):
            if i and shared:
                self.places.append(self.places[0])
            else:
                length = n if indexed or stride else 1
                places, free = free[:length], free[length + (not indexed) :]
                self.places.append(places if len(places) == n else np.repeat(places, n))
            self.v[self.places[i]] = x[: n if stride else 1]
            pool.append(self.places[i])
        self.n, self.out = n, room - n
        self.r = np.zeros(WIDTH, np.uint32)
        self.r[1:4] = n, self.out, indexed
        for i, stride in enumerate(strides):
            self.r[4 + 2 * i] = i * n if indexed else self.places[i][0]
            self.r[5 + 2 * i] = 0 if indexed else stride
        self.p = np.concatenate(pool).astype(np.uint32) if indexed else np.zeros(0, np.uint32)
        self.d = rng.normal(size=room)

    def operands(self):
        return [self.v[places] for places in self.places]


def judge(each, laid, forward, backward, inputs, params, blind=()):
    """Raises AssertionError where a kernel's passes are not what the op's rules give."""
    v, d = laid.v.copy(), laid.d.copy()
    forward(v, d, laid.r, laid.p)
    with np.errstate(all="ignore"):
        y = each.forward(*inputs, **params)
        close(v[laid.out :], np.broadcast_to(y, laid.n))
        close(v[: laid.out], laid.v[: laid.out], 0)
        g = laid.d[laid.out :]
        backward(v, d, laid.r, laid.p)
        wanted = [i not in blind and each.differentiates(i) for i in range(len(inputs))]
        parts = each.pull(g, v[laid.out :], inputs, params, wanted)
        expected, size = laid.d.copy(), np.abs(laid.d)
        for places, part in zip(laid.places, parts, strict=False):
            if part is not None:
                np.add.at(expected, places, part)
                np.add.at(size, places, np.abs(part))
    close(d, expected, 1e-14 * size)


def close(got, wanted, slack=None):
    """Equal to a few units in the last place, or to the rounding of the sum that it is."""
    slack = 1e-14 * np.abs(wanted) if slack is None else slack
    with np.errstate(all="ignore"):
        near = np.abs(got - wanted) <= slack + 1e-300
    same = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    assert np.all(near | same), (got[~(near | same)], wanted[~(near | same)])


def numbers(each, rng, n):
    columns = [np.asarray(domain.sample(rng, (n,)), float) for domain in each.domains]
    ties = rng.random(n) < 0.2
    return [np.where(ties, columns[0], x) for x in columns]


def values(each):
    return {name: float(value) for name, value in each.params.items()}


@pytest.mark.parametrize("each", OPS.values(), ids=OPS)
def test_kernel_does_what_the_rule_does(each):
    rng = np.random.default_rng(7)
    params = values(each)
    count = len(each.input_names)
    for forward, backward in ways(printed(each)):
        for n, strides in itertools.product(SIZES, itertools.product((1, 0), repeat=count)):
            for indexed in (False, True):
                operands = [*numbers(each, rng, n), *([x] * n for x in params.values())]
                full = (*strides, *[0] * len(params))
                laid = Laid(operands, full, rng, indexed)
                judge(each, laid, forward, backward, laid.operands()[:count], params)


@pytest.mark.parametrize("each", OPS.values(), ids=OPS)
def test_kernel_does_what_the_rule_does_at_the_edges(each):
    rng = np.random.default_rng(8)
    params = values(each)
    count = len(each.input_names)
    grid = [x.ravel() for x in np.meshgrid(*[EDGES] * count)]
    for forward, backward in ways(printed(each)):
        for indexed in (False, True):
            operands = [*grid, *([x] * len(grid[0]) for x in params.values())]
            laid = Laid(operands, [1] * count + [0] * len(params), rng, indexed)
            judge(each, laid, forward, backward, laid.operands()[:count], params)


@pytest.mark.parametrize("name", ["add", "mul", "div", "max", "where", "logaddexp"])
def test_an_input_used_twice_gets_both_parts(name):
    each, rng = OPS[name], np.random.default_rng(9)
    count = len(each.input_names)
    for forward, backward in ways(printed(each)):
        for n, indexed in itertools.product(SIZES, (False, True)):
            laid = Laid([numbers(each, rng, n)[0]] * count, [1] * count, rng, indexed, shared=True)
            judge(each, laid, forward, backward, laid.operands(), {})


@pytest.mark.parametrize("exponent", [*POWERS, 1.7, -2.0, 4.0])
def test_a_known_exponent_is_not_read(exponent):
    rng = np.random.default_rng(10)
    kernel = printed(OPS["pow"], {1: exponent})
    for forward, backward in ways(kernel):
        for n, indexed in itertools.product(SIZES, (False, True)):
            x = np.concatenate([[0.0], rng.uniform(0.1, 3, n - 1)])
            laid = Laid([x], [1], rng, indexed)
            laid.r[6:8] = 4_000_000_000, 77
            one = op(
                "one",
                lambda x: np.power(x, exponent),
                lambda g, y, x: OPS["pow"].rules[0](g, y, x, exponent),
            )
            judge(one, laid, forward, backward, laid.operands(), {})
            assert kernel.extents(laid.r, laid.p)[0] == kernel.extents(laid.r, laid.p)[1]


def test_one_far_angle_spoils_no_other():
    rng = np.random.default_rng(11)
    for name in ("sin", "cos"):
        for forward, backward in ways(printed(OPS[name])):
            x = np.array([0.1, 1e9, 3.0, -1e22, np.inf, np.nan, 1e6, -2.0, 0.5, 1.5])
            laid = Laid([x], [1], rng)
            judge(OPS[name], laid, forward, backward, [x], {})


def test_an_angle_made_by_the_formula_may_be_far():
    each = op(
        "wave",
        lambda x, z: np.sin(np.cos(x * z)) + np.cos(x + 1e7),
        (lambda g, y, x, z: g * np.cos(y * x * z), lambda g, y, x, z: g * np.sin(x * 3e8)),
    )
    rng = np.random.default_rng(12)
    for forward, backward in ways(printed(each)):
        for n in SIZES:
            laid = Laid([rng.normal(size=n), rng.normal(size=n)], [1, 1], rng)
            judge(each, laid, forward, backward, laid.operands(), {})


def test_parameters_and_literals_of_any_kind_are_printed():
    @op()
    def odd(x, *, slope, top=np.inf):
        """A leaky ramp that ends."""
        return np.minimum(np.where(x > 0, x, slope * x), top) + np.where(x < -1e9, np.nan, 0.0)

    @odd.backward
    def _(g, y, x, *, slope, top):
        return g * np.where(x > 0, 1.0, slope) / np.where(y < top, 1.0, np.inf)

    rng = np.random.default_rng(13)
    for forward, backward in ways(printed(odd)):
        for n, indexed in itertools.product(SIZES, (False, True)):
            x = rng.normal(size=n)
            laid = Laid([x, [0.25] * n, [0.8] * n], [1, 0, 0], rng, indexed)
            judge(odd, laid, forward, backward, [x], {"slope": 0.25, "top": 0.8})


def test_a_wrong_rule_is_caught():
    wrong = dataclasses.replace(OPS["tanh"], rules=(lambda g, y, x: g * (1 - y),))
    laid = Laid([np.linspace(-1, 1, 9)], [1], np.random.default_rng(0))
    for forward, backward in ways(printed(wrong)):
        with pytest.raises(AssertionError):
            judge(OPS["tanh"], laid, forward, backward, laid.operands(), {})


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("a1 = at(r, 6)", "a1 = at(r, 4)"),
        ("d[j1] += t1", "d[j1] = t1"),
        ("d[a0 + i] = d[a0 + i] + t0", "d[a0 + i] = d[a0 + i] - t0"),
        ("h1 = reordered(h1, t1)", "h1 = t1"),
    ],
)
def test_a_wrong_text_is_caught(right, wrong):
    kernel, rng = printed(OPS["mul"]), np.random.default_rng(14)
    text = inspect.getsource(inspect.getmodule(kernel.backward))
    text = text.replace("d[a0 + i] += t0", "d[a0 + i] = d[a0 + i] + t0")
    assert right in text
    module = imported("planted", text.replace(right, wrong))
    planted = Kernel("planted", module.forward, module.backward, kernel.extents)
    for forward, backward in ways(planted):
        with pytest.raises(AssertionError):
            for strides, indexed in itertools.product([(1, 1), (1, 0), (0, 1)], (False, True)):
                laid = Laid(numbers(OPS["mul"], rng, 9), strides, rng, indexed)
                judge(OPS["mul"], laid, forward, backward, laid.operands(), {})


def test_rows_say_what_they_touch():
    extents = printed(OPS["mul"]).extents
    row = np.zeros(WIDTH, np.uint32)
    row[1:8] = 5, 100, 0, 10, 1, 20, 0
    assert extents(row, []) == ([(10, 5), (20, 1)],) * 2
    row[3:8] = 1, 0, 0, 2, 0
    pool = np.array([7, 8, 9, 7, 8, 9, 6], np.uint32)
    assert extents(row, pool)[0] == [(i, 1) for i in (7, 8, 9, 7, 8, 9, 7, 8, 9, 6)]
    row[1] = 0
    assert extents(row, pool) == ([], [])
    choice = printed(OPS["where"]).extents
    row[1:10] = 2, 100, 0, 10, 1, 20, 1, 30, 0
    assert choice(row, []) == ([(10, 2), (20, 2), (30, 1)], [(20, 2), (30, 1)])


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [(3, 2, "not 2"), (5, 2, "stride 2"), (7, 9, "stride 9")],
)
def test_a_row_without_sense_is_refused(field, value, why):
    row = np.zeros(WIDTH, np.uint32)
    row[1:8] = 5, 100, 0, 10, 1, 20, 1
    row[field] = value
    with pytest.raises(ValueError, match=why):
        printed(OPS["mul"]).extents(row, np.arange(3, dtype=np.uint32))


@pytest.mark.parametrize("start", [4, 2**32 - 2])
def test_a_row_beyond_the_pool_is_refused(start):
    row = np.zeros(WIDTH, np.uint32)
    row[1:8] = 5, 100, 1, 0, 0, start, 0
    with pytest.raises(ValueError, match="the pool ends at 8"):
        printed(OPS["mul"]).extents(row, np.arange(8, dtype=np.uint32))


def test_an_op_without_a_formula_has_no_kernel():
    ragged = op("ragged", lambda x: x.astype(int), lambda g, y, x: g)
    with pytest.raises(ValueError, match="ragged has no formula"):
        printed(ragged)


def test_an_op_of_seven_inputs_has_no_kernel():
    wide = op("wide", lambda a, b, c, d, e, f, h: a, [lambda g, y, *x: g] * 7)
    with pytest.raises(ValueError, match="7 inputs"):
        printed(wide)


def test_what_reads_the_same_is_one_kernel():
    assert printed(OPS["tanh"]) is printed(OPS["tanh"], {})
    assert printed(OPS["pow"], {1: 2.0}) is not printed(OPS["pow"], {1: 3.0})
    same = [op("same", lambda x: x * 2, lambda g, y, x: g * 2) for _ in range(2)]
    assert printed(same[0]) is printed(same[1])


def test_no_text_of_an_author_is_executed():
    name = 'x"""\nraise SystemExit'
    kernel = printed(op(name, lambda x: x * 2, lambda g, y, x: g * 2))
    assert kernel.name == "op"
    assert "SystemExit" not in inspect.getsource(inspect.getmodule(kernel.forward))


def test_a_table_of_addresses_is_called_like_a_list_of_functions():
    def walk(table, codes, v, d, rows, p):
        for k in range(len(rows)):
            call(table, codes[k], v, d, rows, k, p)

    kernels = [printed(OPS[name]) for name in ("mul", "tanh", "add")]
    codes = np.array([0, 1, 2, 1], np.uint32)
    rows = np.zeros((4, WIDTH), np.uint32)
    for k, (a, b) in enumerate([(0, 1), (2, 0), (2, 3), (4, 0)]):
        rows[k, 1:8] = 1, 2 + k, 0, a, 1, b, 1
    v, p = np.array([0.3, -0.7, 0, 0, 0, 0]), np.zeros(0, np.uint32)
    walk([kernel.forward for kernel in kernels], codes, v, v.copy(), rows, p)
    assert v[5] == pytest.approx(np.tanh(-0.21 + np.tanh(-0.21)), abs=1e-15)
    again = np.array([0.3, -0.7, 0, 0, 0, 0])
    table = np.array([compiled(kernel).forward for kernel in kernels], np.int64)
    njit(walk)(table, codes, again, np.zeros(6), rows, p)
    np.testing.assert_allclose(again, v, rtol=1e-15)
