"""The kernels written by hand, against their ops: as plain Python and as machine code."""

from __future__ import annotations

import ctypes
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from engine.machine.compiled import compiled
from engine.machine.kernels import KERNELS
from engine.machine.record import WIDTH
from engine.ops import OPS

WANTED, TARGET_WANTED, WRITTEN = 8, 16, 32
C_LOOP = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)
GUARD = 5
NO_POOL = np.zeros(1, np.uint32)
dice = np.random.default_rng(7)


def plainly(kernel, v, d, row):
    """Forward, then backward, as plain Python."""
    kernel.forward(v, d, row, NO_POOL)
    kernel.backward(v, d, row, NO_POOL)


def by_machine(kernel, v, d, row):
    """Forward, then backward, as machine code."""
    code = compiled(kernel)
    for address in (code.forward, code.backward):
        C_LOOP(address)(*(array.ctypes.data for array in (v, d, row, NO_POOL)))


@pytest.fixture(params=[plainly, by_machine])
def run(request):
    """run(kernel, v, d, row): both ways to carry out a row."""
    return request.param


@dataclass
class Case:
    """One row of a kernel, and the op whose answer it should give."""

    kernel: str
    op: str
    inputs: Sequence[Any]
    fields: Sequence[int]
    """r[5:], or r[6:] for losses, whose r[5] is the target."""
    params: Mapping[str, Any] = field(default_factory=dict)
    flags: int = WANTED
    """The flags of a loss; every other kernel has a gradient for its one input."""
    scratch: int = 0
    factor: float | None = None


def carry(run: Callable[..., None], case: Case, kernel: Any = None) -> None:
    """Compare one row with the op: its numbers, its gradients, and that nothing else changes."""
    kernel, op = kernel or KERNELS[case.kernel], OPS[case.op]
    inputs = [np.asarray(x, float) for x in case.inputs]
    params = {**op.params, **case.params}
    wanted = [bool(case.flags & WANTED), bool(case.flags & TARGET_WANTED)][: len(inputs)]
    with np.errstate(all="ignore"):
        y = np.asarray(op.forward(*inputs, **params), float)
        g = dice.standard_normal(y.shape)
        pulled = op.pull(g, y, inputs, params, wanted)
    sizes = [x.size for x in inputs]
    starts = GUARD + np.cumsum([0, *sizes])
    out = int(starts[-1]) + 1
    end = out + y.size + case.scratch
    v, d = dice.standard_normal((2, end + GUARD))
    row = np.zeros(WIDTH, np.uint32)
    row[1:5] = y.size + case.scratch, out, 0, starts[0]
    if len(inputs) == 2:
        row[3], row[5] = case.flags, starts[1]
        row[6 : 6 + len(case.fields)] = case.fields
    else:
        row[5 : 5 + len(case.fields)] = case.fields
    if case.factor is not None:
        row[3], v[out - 1] = out - 1, case.factor
    if case.kernel == "spread":
        row[3] = sizes[0]
    for start, x in zip(starts, inputs, strict=False):
        v[start : start + x.size] = x.ravel()
    d[out : out + y.size] = g.ravel()
    v[out:end] = np.nan
    expected_v, expected_d = v.copy(), d.copy()
    expected_v[out : out + y.size] = y.ravel()
    for place, (start, size) in enumerate(zip(starts, sizes, strict=False)):
        if wanted[place]:
            if case.flags & WRITTEN and place == 0:
                expected_d[start : start + size] = 0.0
                d[start : start + size] = np.nan  # a number that is written is not read
            expected_d[start : start + size] += np.ravel(pulled[place])
    reads, gradients = kernel.extents(row, NO_POOL)
    assert all(start >= GUARD and start + size <= out for start, size in [*reads, *gradients])
    assert len(gradients) == sum(wanted)
    run(kernel, v, d, row)
    expected_v[out + y.size : end] = v[out + y.size : end]
    np.testing.assert_allclose(v, expected_v, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(d, expected_d, rtol=1e-12, atol=1e-13)


BLOCKS = [(1, 7, 1), (3, 4, 5), (2, 40, 1), (2, 3, 17), (4, 1, 1), (1, 1, 8), (1, 75, 1)]


def sums():
    for shape in [*BLOCKS, (0, 3, 2), (2, 0, 3), (2, 0, 1), (2, 3, 0)]:
        x, count = dice.standard_normal(shape), shape[1]
        yield Case("sum", "sum", [x], shape, {"axis": 1}, factor=1.0)
        if count:
            yield Case("sum", "mean", [x], shape, {"axis": 1}, factor=1 / count)


def spreads():
    def case(op, x, sizes, steps, **params):
        left = [0] * (5 - len(sizes))
        return Case("spread", op, [x], [len(sizes), *sizes, *left, *steps], params)

    for shape in [(3, 4), (1, 5), (8, 9), (2, 3, 4), (2, 3, 1, 2, 3), (0, 3)]:
        x = dice.standard_normal(shape)
        steps = [stride // 8 for stride in x.strides]
        yield case("transpose", x, shape[::-1], steps[::-1])
        if len(shape) == 3:
            order = [2, 1, 0]
            turned = [shape[i] for i in order], [steps[i] for i in order]
            yield case("swapaxes", x, *turned, axis1=0, axis2=-1)
    for narrow, wide in [
        ((), ()),
        ((), (3,)),
        ((1,), (40,)),
        ((3,), (2, 3)),
        ((2, 1), (2, 9)),
        ((4, 1, 3), (2, 4, 5, 3)),
        ((2, 1, 3), (2, 0, 3)),
        ((1, 1), (2, 2, 2, 2, 2)),
    ]:
        x = dice.standard_normal(narrow)
        repeated = np.broadcast_to(x, wide).strides
        steps = [stride // 8 if n > 1 else 0 for stride, n in zip(repeated, wide, strict=True)]
        yield case("broadcast_to", x, wide, steps, shape=wide)


def copies():
    for shape in [(6,), (2, 9), (0,), (1,)]:
        x = dice.standard_normal(shape)
        yield Case("copy", "reshape", [x], [], {"shape": (-1,)})


def softmaxes():
    for shape in BLOCKS:
        for scale, shift in [(1.0, 0.0), (300.0, 1e6), (1e-9, -5.0)]:
            x = scale * dice.standard_normal(shape) + shift
            yield Case("softmax", "softmax", [x], shape, {"axis": 1})
            yield Case("logsumexp", "logsumexp", [x], shape, {"axis": 1})
    for kernel in ("softmax", "logsumexp"):
        for bad in ([np.inf, 0.0, 1.0], [-np.inf, 0.0, 1.0], [np.nan, 0.0, 1.0], [-np.inf] * 3):
            yield Case(kernel, kernel, [np.reshape(bad, (1, 3, 1))], (1, 3, 1), {"axis": 1})


FLAGS = [0, WANTED, TARGET_WANTED, WANTED | TARGET_WANTED, WANTED | TARGET_WANTED | WRITTEN]
PAIRS = [
    "sum_squared_error",
    "mean_squared_error",
    "mean_absolute_error",
    "hinge",
    "binary_cross_entropy",
]


def pairs():
    for loss in PAIRS:
        for flags in FLAGS:
            for count in (1, 2, 9, 100):
                prediction = dice.standard_normal(count)
                target = np.sign(dice.standard_normal(count))
                prediction[:1] = target[:1]  # a kink of two of them
                yield Case(loss, loss, [prediction, target], [count], flags=flags)
        at_extremes = [800.0, -800.0, 0.0, 40.0, -40.0, 1e-300, 1.0, -1.0]
        yield Case(loss, loss, [at_extremes, np.ones(8)], [8], flags=FLAGS[3])
        for bad in (np.nan, np.inf, -np.inf):
            yield Case(loss, loss, [[bad, 1.0], [1.0, 0.5]], [2], flags=FLAGS[3])
    yield Case("sum_squared_error", "sum_squared_error", [[], []], [0], flags=FLAGS[3])


def entropies():
    name = "softmax_cross_entropy"
    for rows, classes in [(1, 1), (1, 4), (4, 3), (9, 10), (3, 33)]:
        for flags in (0, WANTED, WANTED | WRITTEN):
            for scale in (1.0, 200.0):
                prediction = scale * dice.standard_normal((rows, classes))
                target = dice.integers(0, classes, rows)
                sizes = [rows, classes]
                yield Case(
                    name, name, [prediction, target], sizes, flags=flags, scratch=rows * classes
                )
    for bad in ([np.inf, 0.0], [np.inf, np.inf], [-np.inf, 0.0], [np.nan, 0.0], [-np.inf] * 2):
        for right in (0, 1):
            prediction = [bad, [0.5, 1.0]]
            yield Case(name, name, [prediction, [right, 0]], [2, 2], scratch=4)


NAMES = sorted(set(KERNELS) - {"linear"})
CASES = [*sums(), *spreads(), *copies(), *softmaxes(), *pairs(), *entropies()]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", NAMES)
def test_a_kernel_equals_its_op(run, name):
    for case in CASES:
        if case.kernel == name:
            carry(run, case)


def test_every_kernel_on_the_shelf_has_cases():
    assert {case.kernel for case in CASES} == set(NAMES)
    assert all(kernel.name == name for name, kernel in KERNELS.items())


def forgotten(v, d, r, p):
    """A backward that does nothing."""


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_kernel_is_caught(name):
    cases = [case for case in CASES if case.kernel == name and case.flags & WANTED]
    case = max(cases, key=lambda case: np.size(case.inputs[0]))
    kernel = KERNELS[name]

    def inaccurate(v, d, r, p):
        kernel.forward(v, d, r, p)
        v[int(r[2])] *= 1 + 1e-9

    carry(plainly, case)
    for wrong in (
        dataclasses.replace(kernel, backward=forgotten),
        dataclasses.replace(kernel, forward=inaccurate),
    ):
        with pytest.raises(AssertionError):
            carry(plainly, case, wrong)


@pytest.mark.parametrize("loss", PAIRS[1:])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_mean_of_nothing_is_nan(run, loss):
    v, d, row = np.zeros(3), np.ones(3), np.zeros(WIDTH, np.uint32)
    row[1:7] = 1, 2, WANTED, 0, 0, 0
    run(KERNELS[loss], v, d, row)
    assert np.isnan(v[2])
    assert d.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("flags", [WANTED, WANTED | WRITTEN])
@pytest.mark.parametrize("target", [-1.0, 3.0, 0.5, np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_target_that_names_no_class_makes_loss_and_row_nan(run, target, flags):
    v, d, row = np.zeros(16), np.ones(16), np.zeros(WIDTH, np.uint32)
    v[:8] = 0.1, 0.2, 0.3, 0.3, 0.2, 0.1, 1.0, target
    row[1:8] = 7, 8, flags, 0, 6, 2, 3
    run(KERNELS["softmax_cross_entropy"], v, d, row)
    assert np.isnan(v[8])
    assert np.isnan(d[3:6]).all()
    assert np.array_equal(d[6:], np.ones(10))


def test_a_long_sum_of_equal_numbers_stays_exact(run):
    row = np.zeros(WIDTH, np.uint32)
    row[1:8] = 1, 10_001, 10_000, 0, 1, 10_000, 1
    v, d = np.full(10_002, 0.1), np.zeros(10_002)
    v[10_000] = 1.0
    run(KERNELS["sum"], v, d, row)
    assert abs(v[10_001] - 1000.0) < 1e-10


@pytest.mark.parametrize(
    ("name", "fields", "reason"),
    [
        ("sum", [5, 9, 0, 0, 2, 3, 4], "length"),
        ("spread", [6, 9, 6, 0, 6], "6 axes"),
        ("spread", [7, 9, 6, 0, 2, 2, 3, 0, 0, 0, 3, 1], "length"),
        ("spread", [6, 9, 5, 0, 2, 2, 3, 0, 0, 0, 3, 1], "lead out"),
        ("softmax", [5, 9, 0, 0, 1, 2, 3], "length"),
        ("logsumexp", [6, 9, 0, 0, 1, 2, 3], "length"),
        ("hinge", [2, 9, WANTED, 0, 4, 4], "one number"),
        ("hinge", [1, 9, WRITTEN, 0, 4, 4], "flags"),
        ("hinge", [1, 9, 1, 0, 4, 4], "flags"),
        ("softmax_cross_entropy", [6, 9, WANTED, 0, 4, 2, 3], "length"),
        ("softmax_cross_entropy", [7, 9, TARGET_WANTED, 0, 4, 2, 3], "flags"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(name, fields, reason):
    row = np.zeros(WIDTH, np.uint32)
    row[1 : 1 + len(fields)] = fields
    with pytest.raises(ValueError, match=reason):
        KERNELS[name].extents(row, NO_POOL)
