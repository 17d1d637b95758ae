"""Every op on the shelf, built-in and plugin alike, stands the same tests."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine import Value, gradients
from engine.exam import examine
from engine.op import REQUIRED, Op, Trial, unbroadcast
from engine.registry import load

SHELF = load(entry_points=False).ops
ELEMENTWISE = {name: op for name, op in SHELF.items() if op.elementwise}
SEVERAL_INPUTS = {name: op for name, op in ELEMENTWISE.items() if len(op.input_names) > 1}

EDGES = (
    0.0, -0.0, math.inf, -math.inf, math.nan, 1e308, -1e308, 5e-324, -5e-324, 1e-300, 1e-16,
    1.0, -1.0, 0.5, -0.5, 2.0, -3.0, 7.25, 30.0, -40.0, 709.0, 711.0, -745.0, 1e5,
)  # fmt: skip
FEW_EDGES = (0.0, -0.0, math.inf, -math.inf, math.nan, 1e308, 5e-324, 1.0, -2.0, 0.75, 40.0)

every_op = pytest.mark.parametrize("op", SHELF.values(), ids=SHELF)
every_elementwise_op = pytest.mark.parametrize("op", ELEMENTWISE.values(), ids=ELEMENTWISE)


def trials(op: Op) -> tuple[Trial, ...]:
    return op.trials or (Trial(((2, 3),) * len(op.input_names)), Trial(((),) * len(op.input_names)))


def drawn(op: Op, trial: Trial, seed: int) -> list[Value]:
    """Inputs for one trial; those that the trial gives itself want no gradient."""
    rng = np.random.default_rng(seed)
    given = [*trial.inputs, *[None] * len(trial.shapes)]
    domains = op.domains * len(trial.shapes) if op.variadic else op.domains
    return [
        Value(domain.sample(rng, shape)) if fixed is None else Value.constant(fixed)
        for domain, shape, fixed in zip(domains, trial.shapes, given, strict=False)
    ]


@every_op
def test_op_passes_its_exam(op: Op) -> None:
    assert examine(op).points > 0


@every_op
def test_op_is_documented(op: Op) -> None:
    assert op.doc
    assert op.name in op.call_text
    assert all(domain.text for domain in op.domains)


@every_op
def test_op_has_a_fluent_method(op: Op) -> None:
    trial = trials(op)[0]
    first, *others = drawn(op, trial, seed=1)
    fluent = getattr(first, op.name)(*others, **trial.params)
    assert fluent.op is op
    assert np.array_equal(fluent.data, op(first, *others, **trial.params).data)
    assert getattr(Value, op.name).__doc__ == op.doc


@every_elementwise_op
def test_op_shows_its_formulas(op: Op) -> None:
    assert op.python_only is None
    assert op.formula is not None
    assert op.backward_formula is not None
    assert all(op.formula.texts())
    assert len(op.backward_formula.texts()) == len(op.input_names)


@every_elementwise_op
def test_floats_equal_arrays_at_the_edges(op: Op) -> None:
    edges = EDGES if len(op.input_names) == 1 else FEW_EDGES
    points = list(itertools.product(edges, repeat=len(op.input_names)))
    columns = [np.array(column) for column in zip(*points, strict=True)]
    inputs = [[Value(x) for x in point] for point in points]
    outputs = [op(*each) for each in inputs]
    for output in outputs:
        output.backward(-1.5)
    y, g = np.array([output.data for output in outputs]), np.full(len(points), -1.5)
    with np.errstate(all="ignore"):
        values = op.forward(*columns)
        slopes = op.pull(g, y, columns, op.params, [True] * len(columns))
    for i, point in enumerate(points):
        found = [outputs[i].data, *(u.grad for u in inputs[i])]
        assert all(type(number) is float for number in found)
        wanted = [values[i], *(0.0 if d is None else d[i] for d in slopes)]
        assert found == pytest.approx(wanted, rel=2e-15, abs=5e-324, nan_ok=True), point


@every_op
def test_shelf_is_closed_under_differentiation(op: Op) -> None:
    """The gradient of the gradient, by the rules run on Values, against central differences of
    the gradient, by the rules run on numbers."""
    for seed, trial in enumerate(trials(op)):
        inputs = drawn(op, trial, seed + 10)
        assert op.kinks is None or np.all(np.abs(op.kinks(*(u.data for u in inputs))) > 0.01)
        free = [u for u in inputs if u.requires_grad]
        output = op(*inputs, **trial.params)
        rng = np.random.default_rng(seed)
        upstream = rng.normal(size=output.shape)
        weights = [rng.normal(size=u.shape) for u in free]
        first = gradients((output * upstream).sum(), free)
        along = sum((g * w).sum() for g, w in zip(first, weights, strict=True))
        second = gradients(along, free)

        def slope(op: Op = op, trial: Trial = trial, inputs: Any = inputs, free: Any = free,
                  upstream: Any = upstream, weights: Any = weights) -> float:  # fmt: skip
            for u in free:
                u.zero_grad()
            op(*inputs, **trial.params).backward(upstream)
            return sum(float(np.sum(u.grad * w)) for u, w in zip(free, weights, strict=True))

        for u, found in zip(free, second, strict=True):
            assert found.shape == u.shape
            wanted = differences(slope, u)
            assert found.data == pytest.approx(wanted, rel=1e-6, abs=1e-8), (op.name, trial)


def differences(f: Callable[[], float], u: Value) -> Any:
    """The slope of `f` along each number of `u`, to fourth order."""
    base = np.array(u.data)
    found = np.zeros(base.shape)
    for index in np.ndindex(base.shape):
        values = []
        for step in (-2e-3, -1e-3, 1e-3, 2e-3):
            moved = base.copy()
            moved[index] += step
            u.data = Value(moved).data
            values.append(f())
        found[index] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / 12e-3
    u.data = Value(base).data
    return found[()]


@pytest.mark.parametrize("op", SEVERAL_INPUTS.values(), ids=SEVERAL_INPUTS)
@pytest.mark.parametrize(
    "shapes", [((), (3,)), ((3,), ()), ((3,), (2, 3)), ((2, 1), (1, 3)), ((1, 1), (4, 2, 3))]
)
def test_broadcast_gradients_are_summed(op: Op, shapes: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(3)
    chosen = list(itertools.islice(itertools.cycle(shapes), len(op.input_names)))
    small = [Value(d.sample(rng, n)) for d, n in zip(op.domains, chosen, strict=True)]
    large = [Value(x) for x in np.broadcast_arrays(*(u.data for u in small))]
    upstream = rng.normal(size=np.broadcast_shapes(*chosen))
    op(*small).backward(upstream)
    op(*large).backward(upstream)
    for u, whole in zip(small, large, strict=True):
        assert np.shape(u.grad) == u.shape
        assert u.grad == pytest.approx(unbroadcast(whole.grad, u.shape), rel=1e-12, abs=1e-15)


@every_op
def test_op_leaves_its_inputs_alone(op: Op) -> None:
    for trial in trials(op):
        inputs = drawn(op, trial, seed=5)
        before = [np.copy(u.data) for u in inputs]
        output = op(*inputs, **trial.params)
        kept = np.copy(output.data)
        output.backward(np.full(output.shape, 0.5))
        output.backward(np.full(output.shape, 0.5))
        assert all(np.array_equal(u.data, b) for u, b in zip(inputs, before, strict=True))
        assert np.array_equal(output.data, kept)


@every_op
def test_gradients_own_their_memory(op: Op) -> None:
    """Adding to one gradient in place must not change another, nor any data."""
    for trial in trials(op):
        inputs = [u for u in drawn(op, trial, seed=6) if u.requires_grad]
        arrays = drawn(op, trial, seed=6)
        output = op(*arrays, **trial.params)
        output.backward(np.ones(output.shape))
        grads = [u.grad for u in arrays if u.requires_grad and isinstance(u.grad, np.ndarray)]
        others = [u.data for u in arrays] + [output.data]
        assert len(inputs) >= len(grads)
        for one, other in itertools.permutations(grads, 2):
            assert not np.shares_memory(one, other)
        for one, other in itertools.product(grads, others):
            assert not np.shares_memory(one, other)


@every_op
def test_op_explains_a_wrong_call(op: Op) -> None:
    if op.arity is None:
        with pytest.raises(TypeError):
            op(Value(1.0), no_such_parameter=1)
        return
    with pytest.raises(TypeError):
        op(*[Value(1.0)] * (op.arity + 1))
    with pytest.raises(TypeError):
        op(*[Value(1.0)] * op.arity, no_such_parameter=1)
    if REQUIRED in op.params.values():
        with pytest.raises(TypeError, match="is called as"):
            op(*[Value(1.0)] * op.arity)


def test_no_two_ops_have_one_hash() -> None:
    assert len({op.hash for op in SHELF.values()}) == len(SHELF)
