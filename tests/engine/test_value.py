"""Value: the lecture's facts, operators, numpy's protocols, errors, and what is never changed."""

from __future__ import annotations

import copy
import gc
import math
import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import InputError, OpError, Value, gradients
from engine.extend import op
from engine.ops import OPS

# -- the lecture ---------------------------------------------------------------


def test_first_expression_of_the_lecture() -> None:
    a, b, c, f = Value(2.0), Value(-3.0), Value(10.0), Value(-2.0)
    e = a * b
    d = e + c
    L = d * f
    L.backward()
    assert L.data == -8.0
    assert [u.grad for u in (a, b, c, f, d, e)] == [6.0, -4.0, -2.0, 4.0, -2.0, -2.0]


def neuron() -> tuple[Value, dict[str, Value]]:
    at = {"x1": 2.0, "x2": 0.0, "w1": -3.0, "w2": 1.0, "b": 6.881373587019543}
    v = {name: Value(number, label=name) for name, number in at.items()}
    return v["x1"] * v["w1"] + v["x2"] * v["w2"] + v["b"], v


NEURON = {"x1": -1.5, "x2": 0.5, "w1": 1.0, "w2": 0.0, "b": 0.5}


def test_neuron_of_the_lecture() -> None:
    n, v = neuron()
    o = n.tanh()
    o.backward()
    assert o.data == pytest.approx(math.sqrt(0.5), rel=1e-15)
    assert {name: u.grad for name, u in v.items()} == pytest.approx(NEURON, rel=1e-12)


def test_neuron_written_with_exp_agrees() -> None:
    n, v = neuron()
    e = (2 * n).exp()
    o = (e - 1) / (e + 1)
    o.backward()
    assert o.data == pytest.approx(math.sqrt(0.5), rel=1e-15)
    assert {name: u.grad for name, u in v.items()} == pytest.approx(NEURON, rel=1e-12)


def test_reused_value_adds_both_uses() -> None:
    a = Value(3.0)
    b = a + a
    b.backward()
    assert a.grad == 2.0


def test_value_used_in_two_branches_adds_them() -> None:
    a, b = Value(-2.0), Value(3.0)
    d, e = a * b, a + b
    f = d * e
    f.backward()
    assert (a.grad, b.grad) == (-3.0, -8.0)


# -- micrograd's two test expressions -----------------------------------------


def test_first_expression_of_micrograd() -> None:
    x = Value(-4.0)
    z = 2 * x + 2 + x
    q = z.relu() + z * x
    h = (z * z).relu()
    y = h + q + q * x
    y.backward()
    assert (y.data, x.grad) == (-20.0, 46.0)


def test_second_expression_of_micrograd() -> None:
    a, b = Value(-4.0), Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    assert g.data == pytest.approx(24.70408163265306, abs=1e-9)
    assert a.grad == pytest.approx(138.83381924198252, abs=1e-9)
    assert b.grad == pytest.approx(645.5772594752186, abs=1e-9)


# -- going backward --------------------------------------------------------------


def test_second_pass_doubles_exactly() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        leaves = [Value(x) for x in rng.normal(size=4)]
        output = leaves[0]
        for i in range(12):
            output = output * leaves[i % 4] + leaves[(i + 1) % 4].tanh() * float(rng.normal())
        output.backward()
        once = [u.grad for u in leaves]
        output.backward()
        assert [u.grad for u in leaves] == [2 * g for g in once]


def test_second_pass_doubles_arrays_exactly() -> None:
    rng = np.random.default_rng(5)
    w, x = Value(rng.normal(size=(3, 4))), Value(rng.normal(size=4))
    loss = ((w @ x).tanh() + (w * x).sum(axis=1) * 0.1 + w.sum()).sum()
    loss.backward()
    once = w.grad.copy(), x.grad.copy()
    loss.backward()
    assert np.array_equal(w.grad, 2 * once[0])
    assert np.array_equal(x.grad, 2 * once[1])


def test_gradients_of_two_outputs_add_up() -> None:
    a = Value(3.0)
    (a * a).backward()
    (a * 5).backward()
    assert a.grad == 11.0
    a.zero_grad()
    assert a.grad == 0.0


def test_backward_from_a_leaf_adds_one() -> None:
    a = Value(3.0)
    a.backward()
    a.backward()
    assert a.grad == 2.0


def test_chain_of_100000_goes_backward() -> None:
    a = Value(1.0)
    b = a
    for _ in range(100_000):
        b = b + a * 1e-5
    b.backward()
    assert b.data == pytest.approx(2.0)
    assert a.grad == pytest.approx(2.0)
    del b
    gc.collect()


def test_upstream_gradient_may_be_given() -> None:
    a = Value([1.0, 2.0])
    b = a * a
    b.backward([1.0, -0.5])
    assert a.grad.tolist() == [2.0, -2.0]


def test_failing_rule_keeps_gradients_of_leaves() -> None:
    fragile = op("fragile", lambda x: x * 2, lambda g, y, x: {}["rule"], inputs=("x",))
    a = Value(1.0)
    (a * 3).backward()
    with pytest.raises(OpError, match="the backward of fragile failed: KeyError"):
        fragile(a * 1).backward()
    assert a.grad == 3.0


def test_wrong_count_of_gradients_is_explained() -> None:
    lone = op("lone", np.multiply, lambda g, y, a, b: g * b)
    with pytest.raises(OpError, match="returned 1 gradients for its 2 inputs"):
        lone(Value(2.0), Value(3.0)).backward()


def test_constants_get_no_gradient() -> None:
    a, c = Value(2.0), Value(5.0, requires_grad=False)
    b = a * c + c
    b.backward()
    assert (a.grad, c.grad) == (5.0, 0.0)
    assert not (c * 2).requires_grad
    (c * 2).backward()
    assert c.grad == 0.0


def test_constant_exponent_takes_no_logarithm() -> None:
    a = Value(-2.0)
    b = a**3
    b.backward()
    assert a.grad == 12.0
    assert not math.isnan(b.inputs[1].grad)


@pytest.mark.parametrize("zero", [0.0, [0.0, 0.0]])
def test_condition_sends_no_gradient_on(zero: Any) -> None:
    a = Value(zero)
    root = a.sqrt()  # its slope is infinite: a gradient of 0 sent through it would be a nan
    OPS["where"](root, a * 3, a * 2).sum().backward()
    assert np.array_equal(a.grad, np.full(a.shape, 2.0))


def test_constant_arrays_get_no_gradient() -> None:
    a, c = Value([1.0, 2.0]), Value.constant([3.0, 4.0])
    (a * c + c).sum().backward()
    assert (a.grad.tolist(), c.grad.tolist()) == ([3.0, 4.0], [0.0, 0.0])
    assert not (c * c).requires_grad
    assert (a * c).requires_grad


def test_gradients_are_values_again() -> None:
    x = Value(2.0)
    (first,) = gradients(x**3, [x])
    (second,) = gradients(first, [x])
    (third,) = gradients(second, [x])
    assert (first.data, second.data, third.data) == pytest.approx((12.0, 12.0, 6.0))
    assert x.grad == 0.0


def test_hessian_vector_product_agrees() -> None:
    rng = np.random.default_rng(7)
    A, v = rng.normal(size=(3, 3)), rng.normal(size=3)
    x = Value(rng.normal(size=3))
    (g,) = gradients(x @ Value.constant(A) @ x, [x])
    (product,) = gradients((g * v).sum(), [x])
    assert product.data == pytest.approx((A + A.T) @ v)


def test_unrelated_input_has_zero_gradient() -> None:
    a, b = Value(2.0), Value([1.0, 2.0])
    assert gradients(a * a, [b])[0].data.tolist() == [0.0, 0.0]


# -- data and looks --------------------------------------------------------------


@pytest.mark.parametrize("data", [2, 3.0, True, np.float32(4), np.int64(5), np.array(6.0)])
def test_scalar_stays_a_python_float(data: Any) -> None:
    a = Value(data)
    assert type(a.data) is float
    assert type(a.grad) is float
    b = (a * 3 + a.exp()).tanh()
    b.backward()
    assert type(b.data) is float
    assert type(a.grad) is float


def test_overflow_is_an_infinity() -> None:
    a = Value(1000.0)
    assert a.exp().data == math.inf
    assert (a / 0).data == math.inf
    assert math.isnan((Value(-1.0)).log().data)
    b = a.exp()
    b.backward()
    assert a.grad == math.inf


def test_lists_become_arrays() -> None:
    a = Value([[1, 2], [3, 4]])
    assert (a.shape, a.ndim, a.size, len(a)) == ((2, 2), 2, 4, 2)
    assert a.data.dtype == np.float64
    assert a.grad.tolist() == [[0, 0], [0, 0]]
    assert [row.data.tolist() for row in a] == [[1, 2], [3, 4]]


def test_value_copies_what_it_is_given() -> None:
    given = np.array([1.0, 2.0])
    a = Value(given)
    given[0] = 5.0
    assert a.data.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "data", ["2", b"3", None, 1j, [1, "a"], [[1, 2], [3]], {"x": 1}, np.array([1j]), object()]
)
def test_other_than_numbers_is_refused(data: Any) -> None:
    with pytest.raises(InputError, match="a Value holds numbers") as error:
        Value(data)
    assert error.value.code == "not_a_number"
    assert error.value.hint


def test_list_of_values_is_refused() -> None:
    with pytest.raises(InputError, match="would not carry gradients") as error:
        Value([Value(1.0), [Value(2.0)]])
    assert "np.stack" in str(error.value.hint)


def test_repr_shows_data_and_gradient() -> None:
    assert repr(Value(2.0, label="a")) == "Value(data=2.0, grad=0.0, label='a')"
    assert repr(Value([1, 2.5])) == "Value(data=[1. , 2.5], grad=[0., 0.])"
    assert len(repr(Value(np.zeros((100, 100))))) < 500


def test_label_may_be_given_later() -> None:
    a, b = Value(2.0, label="a"), Value(3.0)
    c = a * b
    assert (a.label, b.label, c.label) == ("a", "", "")
    c.label = "c"
    assert (c.label, (a * b).label) == ("c", "")


def test_parameters_of_the_op_are_kept() -> None:
    a = Value([[1.0, 2.0]])
    assert a.sum(axis=1).params == {"axis": 1, "keepdims": False}
    assert (dict(a.params), dict((a * a).params)) == ({}, {})


def test_copied_value_keeps_all_that_was_set() -> None:
    a = Value(2.0)
    b = Value([1.0, 2.0]).sum(axis=0) * a
    b.label = "b"
    c = copy.copy(b)
    assert (c.data, c.inputs, c.op, c.label) == (6.0, b.inputs, b.op, "b")
    assert copy.copy(b.inputs[0]).params == b.inputs[0].params
    c.backward()
    assert a.grad == 3.0


def test_item_is_the_one_number() -> None:
    assert Value([[3.5]]).item() == 3.5
    assert float(Value(2.5)) == 2.5
    with pytest.raises(InputError, match="item"):
        Value([1.0, 2.0]).item()


def test_comparisons_look_at_numbers() -> None:
    a = Value(2.0)
    assert a > 1
    assert a <= Value(2.0)
    assert a == 2
    assert a != 3
    assert (Value([1.0, 3.0]) > 2).tolist() == [False, True]
    assert len({a, Value(2.0)}) == 2


def test_scalar_is_no_sequence() -> None:
    with pytest.raises(TypeError):
        len(Value(1.0))
    with pytest.raises(TypeError):
        list(Value(1.0))


# -- operators -------------------------------------------------------------------

SIGNS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("other", [1.5, 2, np.float64(2.5), np.array([1.5, 2.0]), True])
def test_operators_take_numbers_on_either_side(sign: Any, other: Any) -> None:
    a = Value(0.75)
    for output, wanted in (
        (sign(a, other), sign(0.75, other)),
        (sign(other, a), sign(other, 0.75)),
    ):
        assert type(output) is Value
        assert output.data == pytest.approx(wanted)
        output.backward(np.ones(output.shape))
    assert np.all(np.isfinite(a.grad))


def test_unary_operators() -> None:
    a = Value(-2.0)
    assert ((-a).data, abs(a).data, (+a) is a) == (2.0, 2.0, True)


@pytest.mark.parametrize("left", [(3,), (2, 3)])
@pytest.mark.parametrize("right", [(3,), (3, 4)])
def test_matrix_product_on_either_side(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=left), rng.normal(size=right)
    for output in (Value(A) @ Value(B), Value(A) @ B, A @ Value(B), np.matmul(A, Value(B))):
        assert type(output) is Value
        assert output.data == pytest.approx(A @ B)


def test_indices_and_slices() -> None:
    a = Value([[1.0, 2.0], [3.0, 4.0]])
    b = a[1, 0] * 10 + a[0].sum() + a[:, 1].sum() + a[-1, -1]
    b.backward()
    assert a.grad.tolist() == [[1, 2], [10, 2]]
    with pytest.raises(IndexError):
        a[2]


def test_one_entry_taken_twice_counts_twice() -> None:
    a = Value([1.0, 2.0, 3.0])
    a[np.array([0, 0, 2])].sum().backward()
    assert a.grad.tolist() == [2.0, 0.0, 1.0]


def test_methods_take_parameters_as_numpy_does() -> None:
    a = Value(np.arange(6.0))
    assert a.reshape(2, 3).shape == (2, 3)
    assert a.reshape((3, 2)).shape == (3, 2)
    assert a.reshape(-1, 1).shape == (6, 1)
    assert a.reshape(2, 3).sum(0).shape == (3,)
    assert a.reshape(2, 3).sum(axis=1, keepdims=True).shape == (2, 1)
    assert a.reshape(2, 3).T.shape == (3, 2)
    assert a.reshape(2, 3).swapaxes(0, 1).shape == (3, 2)
    with pytest.raises(TypeError, match="sum is called as"):
        a.sum(0, False, 3)
    with pytest.raises(TypeError, match="getitem is called as"):
        a.getitem()


# -- numpy's protocols --------------------------------------------------------------


def test_ufuncs_build_the_graph() -> None:
    a = Value(0.5)
    b = np.tanh(a) + np.exp(a) * np.maximum(a, 0.0) - np.logaddexp(0.0, a) + np.abs(-a)
    b.backward()
    step = 1e-6
    assert a.grad == pytest.approx((_same(0.5 + step) - _same(0.5 - step)) / (2 * step), rel=1e-8)


def _same(a: float) -> Any:
    return np.tanh(a) + np.exp(a) * np.maximum(a, 0.0) - np.logaddexp(0.0, a) + np.abs(-a)


def test_array_functions_build_the_graph() -> None:
    a, b = Value([[1.0, 2.0], [3.0, 4.0]]), Value(2.0)
    parts = [
        np.sum(a, axis=0), np.sum(a, 1, keepdims=True), np.mean(a), np.reshape(a, (4,)),
        np.transpose(a), np.broadcast_to(b, (2,)), np.where(a.data > 2, a, 0.0),
        np.stack([b, b * 2]), np.swapaxes(a, 0, 1), np.matmul(a, a),
    ]  # fmt: skip
    assert all(type(part) is Value for part in parts)
    sum(part.sum() for part in parts).backward()
    assert b.grad == 5.0
    assert a.grad.shape == (2, 2)


def test_plain_questions_get_plain_answers() -> None:
    a = Value([1.0, math.nan])
    assert np.shape(a) == (2,)
    assert np.size(a) == 2
    assert np.isnan(a).tolist() == [False, True]
    assert np.asarray(a).tolist()[0] == 1.0
    assert np.greater(a, 0).tolist() == [True, False]


def test_float64_on_the_left_keeps_the_graph() -> None:
    a = Value(2.0)
    b = np.float64(3.0) * a
    assert type(b) is Value
    c = np.array([1.0, 2.0]) * a
    assert type(c) is Value
    assert c.shape == (2,)


UNKNOWN = {
    "ufunc": lambda a: np.arctanh(a),
    "reduce": lambda a: np.add.reduce(a),
    "where": lambda a: np.exp(a, where=True),
    "function": lambda a: np.cumsum(a),
    "axes": lambda a: np.transpose(a, (1, 0)),
    "dtype": lambda a: np.sum(a, 0, np.float32),
    "order": lambda a: np.reshape(a, (2, 2), order="F"),
}


@pytest.mark.parametrize("call", UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_numpy_calls_are_explained(call: Any) -> None:
    with pytest.raises(TypeError, match=r"does not work on Values|is called as"):
        call(Value([[0.1, 0.2], [0.3, 0.4]]))


# -- errors --------------------------------------------------------------------------


MISFITS = {
    "add": lambda: Value([1.0, 2.0]) + Value([1.0, 2.0, 3.0]),
    "matmul": lambda: Value(np.ones((2, 3))) @ Value(np.ones((2, 3))),
    "reshape": lambda: Value([1.0, 2.0]).reshape(3),
    "axis": lambda: Value([1.0, 2.0]).sum(axis=2),
    "loss": lambda: Value([1.0]).mean_squared_error([1.0, 2.0]),
    "stack": lambda: np.stack([Value(1.0), Value([1.0, 2.0])]),
}


@pytest.mark.parametrize("call", MISFITS.values(), ids=MISFITS)
def test_shapes_that_do_not_fit_are_explained(call: Any) -> None:
    with pytest.raises(InputError) as error:
        call()
    assert error.value.code == "wrong_shape"


def test_backward_needs_one_number() -> None:
    with pytest.raises(InputError, match="starts from one number") as error:
        (Value([1.0, 2.0]) * 2).backward()
    assert "sum" in str(error.value.hint)
    with pytest.raises(InputError):
        (Value(1.0) * 2).backward([1.0, 2.0])


def test_fluent_call_counts_its_arguments() -> None:
    with pytest.raises(TypeError, match="tanh"):
        Value(1.0).tanh(2.0)
    with pytest.raises(AttributeError):
        Value(1.0).tnah()


# -- nothing is changed that was given -----------------------------------------------


def test_arrays_in_a_graph_are_never_changed() -> None:
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(5, 3)), rng.normal(size=(3, 2))
    a, b = Value(x), Value(w)
    graph = [a, b, a @ b]
    graph += [graph[-1].tanh()]
    graph += [graph[-1].reshape(-1), graph[-1].T]
    graph += [graph[-1].softmax(), graph[-2] * 2]
    loss = graph[-1].sum() + graph[-2].logsumexp().sum()
    before = [np.copy(v.data) for v in graph]
    for _ in range(3):
        loss.backward()
    assert all(np.array_equal(v.data, kept) for v, kept in zip(graph, before, strict=True))
    assert np.array_equal(a.data, x)


def test_gradient_handed_out_is_not_changed_later() -> None:
    a = Value([1.0, 2.0])
    (a * a).sum().backward()
    kept = a.grad
    (a * a).sum().backward()
    assert kept.tolist() == [2.0, 4.0]
    assert a.grad.tolist() == [4.0, 8.0]


def test_gradient_shares_no_memory_with_upstream() -> None:
    upstream = np.array([1.0, 2.0])
    a = Value([3.0, 4.0])
    b = a + 0.0
    b.backward(upstream)
    a.grad += 10.0
    assert upstream.tolist() == [1.0, 2.0]
    assert b.grad.tolist() == [1.0, 2.0]


# -- random graphs -------------------------------------------------------------------

UNARY = ["tanh", "sin", "cos", "sigmoid", "softplus", "atan", "expm1", "relu", "abs", "neg"]
BINARY = ["add", "sub", "mul", "max", "min", "logaddexp"]

steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(UNARY), st.integers(0, 40), st.just(0)),
        st.tuples(st.sampled_from(BINARY), st.integers(0, 40), st.integers(0, 40)),
    ),
    min_size=1,
    max_size=15,
)
points = st.lists(st.integers(-200, 200).map(lambda n: n / 97 + 0.00317), min_size=2, max_size=3)


def built(recipe: list[tuple[str, int, int]], leaves: list[Any]) -> tuple[Any, float]:
    """The graph of a recipe over `leaves`, and how near it came to a kink."""
    values, nearest = list(leaves), math.inf
    for name, i, j in recipe:
        a, b = values[i % len(values)], values[j % len(values)]
        args = [a] if name in UNARY else [a, b]
        kinks = OPS[name].kinks
        if kinks is not None:
            gaps = np.abs(kinks(*map(np.asarray, args)))
            nearest = float(np.min(gaps, initial=nearest))
        values.append(OPS[name](*args))
    return values[-1] * 0.5 + sum(values[len(leaves) :]) * 0.25, nearest


@settings(max_examples=300, deadline=None)
@given(recipe=steps, point=points)
def test_random_graph_agrees_with_differences(
    recipe: list[tuple[str, int, int]], point: list[float]
) -> None:
    leaves = [Value(x) for x in point]
    output, nearest = built(recipe, leaves)
    output.backward()
    size = 1 + abs(output.data) + max(abs(u.grad) for u in leaves)
    if not nearest > 0.02 or size > 1e4:
        return  # at a kink, or too steep for a difference to judge
    h = 1e-4
    for i, leaf in enumerate(leaves):
        f = []
        for step in (-2 * h, -h, h, 2 * h):
            moved = [np.float64(x + step * (i == k)) for k, x in enumerate(point)]
            f.append(float(built(recipe, moved)[0]))
        slope = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h)
        assert leaf.grad == pytest.approx(slope, rel=1e-5, abs=1e-7 * size)


@settings(max_examples=100, deadline=None)
@given(recipe=steps, point=points)
def test_random_graph_on_arrays_agrees_with_scalars(
    recipe: list[tuple[str, int, int]], point: list[float]
) -> None:
    scalars, arrays = [Value(x) for x in point], [Value([x, x, x]) for x in point]
    one, _ = built(recipe, scalars)
    one.backward()
    many, _ = built(recipe, arrays)
    many.sum().backward()
    assert many.data == pytest.approx(np.full(3, one.data), rel=1e-12, nan_ok=True)
    for u, v in zip(scalars, arrays, strict=True):
        assert v.grad == pytest.approx(np.full(3, u.grad), rel=1e-9, abs=1e-9, nan_ok=True)
