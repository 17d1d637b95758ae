"""Traced programs: they compute what the function computed, under names that people know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine import ExpressionError, InputError, Limits, Program, Value, check, parse
from engine.nn import MLP, Layer
from engine.ops import OPS
from engine.program import Constant, Input
from engine.trace import trace

XS = np.array([[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]])
YS = np.array([1.0, -1.0, -1.0, 1.0])
NEURON = {"x1": 2.0, "x2": 0.0, "w1": -3.0, "w2": 1.0, "b": 6.881373587019543}


def neuron(x1: Any, x2: Any, w1: Any, w2: Any, b: Any) -> Any:
    n = x1 * w1 + x2 * w2 + b
    n.label = "n"
    o = n.tanh()
    o.label = "o"
    return o


def run(program: Program, at: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
    """The output and the gradients of the inputs, by the ops' own rules."""
    values = program.run(program.point(at))
    with np.errstate(all="ignore"):
        values[program.place].backward()
    places = {node.name: i for i, node in enumerate(program.nodes) if isinstance(node, Input)}
    return values[program.place].data, {name: values[i].grad for name, i in places.items()}


def assert_same(program: Program, output: Value, leaves: dict[str, Value]) -> None:
    """To the last bit: what the program gives is what the Values themselves gave."""
    for leaf in leaves.values():
        leaf.zero_grad()
    with np.errstate(all="ignore"):
        output.backward()
    value, gradients = run(program)
    assert np.array_equal(value, output.data)
    assert [*gradients] == [*leaves]
    for name, leaf in leaves.items():
        assert np.array_equal(gradients[name], leaf.grad), name


# -- the same numbers ------------------------------------------------------------


def test_neuron_of_the_lecture_gives_its_gradients() -> None:
    leaves = {name: Value(x) for name, x in NEURON.items()}
    assert_same(trace(neuron, **NEURON), neuron(**leaves), leaves)


def test_traced_program_runs_at_other_points() -> None:
    program = trace(neuron, **NEURON)
    other = {"x1": -0.5, "x2": 0.7, "w1": 0.2, "w2": -1.5, "b": 0.1}
    leaves = {name: Value(x) for name, x in other.items()}
    output = neuron(**leaves)
    output.backward()
    value, gradients = run(program, other)
    assert value == output.data
    assert gradients == {name: leaf.grad for name, leaf in leaves.items()}


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_network_with_its_loss_gives_its_gradients(activation: str) -> None:
    model = MLP(3, [4, 4, 1], activation)

    def loss(x: Any) -> Any:
        return OPS["mean_squared_error"](model(x), YS)

    x = Value(XS)
    names = ["x", "weight", "bias", "weight_2", "bias_2", "weight_3", "bias_3"]
    leaves = dict(zip(names, [x, *model.parameters()], strict=True))
    assert_same(trace(loss, XS), loss(x), leaves)


def random_graph(seed: int) -> Callable[..., Any]:
    """A function of three numbers whose graph of 60 nodes is drawn anew but always the same."""
    unary = [OPS[name] for name in ("tanh", "sin", "exp", "relu", "softplus", "abs")]
    binary = [OPS[name] for name in ("add", "mul", "sub", "max", "min", "logaddexp")]

    def function(*leaves: Any) -> Any:
        rng = np.random.default_rng(seed)
        values: list[Any] = [*leaves, 0.5, -2.0]
        for _ in range(60):
            a, b = values[rng.integers(len(values))], values[-1 - rng.integers(2)]
            if rng.random() < 0.5:
                values.append(unary[rng.integers(6)](b).tanh() if isinstance(b, Value) else a * 0.1)
            elif isinstance(a, Value) or isinstance(b, Value):
                values.append(binary[rng.integers(6)](a, b))
        return values[-1] + leaves[0] * 3.0

    return function


@pytest.mark.parametrize("seed", range(20))
def test_random_graph_gives_its_gradients(seed: int) -> None:
    function, point = random_graph(seed), np.random.default_rng(seed).normal(size=3).tolist()
    leaves = {f"x{i}": Value(x) for i, x in enumerate(point)}
    program = trace(function, *point)
    assert len(program.equations) > 5
    assert_same(program, function(*leaves.values()), leaves)


ARRAYS: dict[str, Callable[[Any, Any], Any]] = {
    "matrix product": lambda w, x: (w @ x).tanh().sum(),
    "broadcast": lambda w, x: (w * x + 1.0).mean(axis=0).max(0.0).sum(),
    "slices": lambda w, x: w[0] @ x + w[:, 1].sum() * x[-1],
    "stack": lambda w, x: np.stack([w[0], x, x * 2.0]).reshape(-1).logsumexp(),
    "choice": lambda w, x: np.where(w.data > 0, w * x, x.exp()).sum(),
    "array of its own": lambda w, x: (w @ np.array([1.0, -1.0, 2.0])).softmax()[0] * x.sum(),
    "transposes": lambda w, x: ((w.T @ w) @ x).sum() + np.swapaxes(w, 0, 1).mean(),
}


@pytest.mark.parametrize("function", ARRAYS.values(), ids=ARRAYS)
def test_program_on_arrays_gives_its_gradients(function: Callable[[Any, Any], Any]) -> None:
    rng = np.random.default_rng(3)
    w, x = rng.normal(size=(2, 3)), rng.normal(size=3)
    leaves = {"w": Value(w), "x": Value(x)}
    assert_same(trace(function, w, x), function(*leaves.values()), leaves)


def test_chain_of_100000_is_traced() -> None:
    def chain(a: Any) -> Any:
        b = a
        for _ in range(50_000):
            b = b + a * 1e-5
        return b

    program = trace(chain, 1.0)
    assert len(program.equations) == 100_000
    a = Value(1.0)
    assert_same(program, chain(a), {"a": a})


def test_traced_program_passes_its_check() -> None:
    assert check(trace(neuron, **NEURON)).verdict == "pass"


# -- names -----------------------------------------------------------------------


def names(program: Program) -> list[str]:
    return [node.name for node in program.inputs]


def test_arguments_are_named_by_the_signature() -> None:
    assert names(trace(lambda a, b, c: a * b + c, 1.0, 2.0, c=3.0)) == ["a", "b", "c"]
    assert names(trace(lambda function: function * 2, function=1.0)) == ["function"]


def test_nameless_arguments_are_numbered() -> None:
    assert names(trace(lambda *v: v[0] * v[1], 1.0, 2.0)) == ["x0", "x1"]
    assert names(trace(lambda a, *v: a * v[0], 1.0, 2.0)) == ["a", "x0"]
    assert names(trace(OPS["mul"], 1.0, 2.0)) == ["x0", "x1"]


def test_keyword_that_is_taken_gets_a_number() -> None:
    program = trace(lambda *v, **more: v[0] - more["x0"] * 2, 1.0, x0=5.0)
    assert names(program) == ["x0", "x0_2"]
    assert program.evaluate().value == -9.0


def test_unused_argument_stays_with_gradient_zero() -> None:
    program = trace(lambda a, b, c: a * 2, 1.0, [1.0, 2.0], c=3.0)
    assert names(program) == ["a", "b", "c"]
    gradients = program.evaluate().gradients
    assert gradients["a"] == 2.0
    assert gradients["b"].tolist() == [0.0, 0.0]
    assert gradients["c"] == 0.0


def test_model_gives_its_parameters_their_full_names() -> None:
    model = MLP(3, [2, 1])
    wanted = ["x", *model.named_parameters()]
    assert names(trace(model, XS)) == wanted
    assert names(trace(model.forward, XS)) == wanted
    assert wanted[1:3] == ["layers.0.weight", "layers.0.bias"]


def test_parameters_are_named_by_their_labels() -> None:
    one, two = Layer(3, 3), Layer(3, 1)
    program = trace(lambda weight: (two(one(weight)) * Value(2.0)).sum(), XS)
    assert names(program) == ["weight", "weight_2", "bias", "weight_3", "bias_2", "parameter"]


def test_label_that_is_no_name_is_not_taken() -> None:
    program = trace(lambda x: x * Value(2.0, label="2 w") * Value(3.0, label="w.0"), 1.0)
    assert names(program) == ["x", "parameter", "w.0"]


def test_made_up_name_is_not_one_that_is_taken() -> None:
    w, other, again = (Value(2.0, label=label) for label in ("w", "w_2", "w"))
    program = trace(lambda x: x * w * other * again, 1.0)
    assert names(program) == ["x", "w", "w_2", "w_2_2"]


def test_labels_name_equations_once() -> None:
    def function(x: Any) -> Any:
        for label in ("h", "x", "h", "not a name", "y"):
            x = x.tanh()
            x.label = label
        return x

    equations = trace(function, 1.0).equations
    assert [e.name for e in equations] == ["h", "%2", "%3", "%4", "y"]


# -- what becomes what -------------------------------------------------------------


def test_numbers_brought_along_are_constants() -> None:
    fixed = Value(0.5, label="fixed", requires_grad=False)
    data = Value.constant([1.0, 2.0])
    program = trace(lambda x: (x * fixed + data * 3.0 + fixed * 0.5).sum(), 1.0)
    assert names(program) == ["x"]
    assert [n.name for n in program.nodes if isinstance(n, Constant)] == ["0.5", "[1, 2]", "3"]


def test_what_the_output_does_not_need_is_left_out() -> None:
    unused = Value(1.0, label="unused")

    def function(x: Any) -> Any:
        (x * unused).tanh()
        return x.exp()

    program = trace(function, 1.0)
    assert program.forward_text() == "  1  %1 = exp(x)"
    assert names(program) == ["x"]


def test_value_as_argument_gives_its_number() -> None:
    a = Value(3.0, label="mine")
    program = trace(lambda x: x * x, a)
    assert program.inputs[0].default == 3.0
    assert names(program) == ["x"]
    assert a.grad == 0.0


def test_argument_itself_may_come_back() -> None:
    program = trace(lambda x: x, 2.0)
    assert (program.source, program.evaluate().gradients) == ("x", {"x": 1.0})


def test_default_keeps_its_numbers_while_a_model_learns() -> None:
    model = Layer(3, 1)
    program = trace(model, XS[0])
    before = model(XS[0]).data
    model.weight.data -= 0.5
    after = model(XS[0]).data
    assert after != before
    assert run(program)[0] == before
    assert run(program, {"weight": model.weight.data})[0] == after


# -- printed and hashed --------------------------------------------------------------


def test_traced_program_is_the_written_one() -> None:
    point = "; ".join(f"{name} = {x}" for name, x in NEURON.items())
    written = parse(f"{point}\nn = x1*w1 + x2*w2 + b\no = tanh(n)")
    traced = trace(neuron, **NEURON)
    assert traced.forward_text() == written.forward_text()
    assert traced.backward_text() == written.backward_text()
    assert traced.hash == written.hash


def test_source_holds_one_equation_a_line() -> None:
    program = trace(neuron, **NEURON)
    assert program.source.splitlines() == [
        "%1 = x1 * w1",
        "%2 = x2 * w2",
        "%3 = %1 + %2",
        "n = %3 + b",
        "o = tanh(n)",
    ]
    assert [e.position.line for e in program.equations] == [1, 2, 3, 4, 5]


def test_equations_come_in_the_order_of_computing() -> None:
    def function(x: Any) -> Any:
        late = x.sin()
        early = x.cos()
        return early - late

    assert trace(function, 1.0).source == "%1 = sin(x)\n%2 = cos(x)\n%3 = %2 - %1"


def test_hash_tells_functions_and_points_apart() -> None:
    hashes = {
        trace(lambda x: x * 2 + 1, 1.0).hash,
        trace(lambda x: 2 * x + 1, 1.0).hash,
        trace(lambda x: x * 2 + 1, 1.5).hash,
        trace(lambda y: y * 2 + 1, 1.0).hash,
    }
    assert len(hashes) == 4
    assert trace(lambda x: x * 2.0 + 1, 1.0).hash in hashes


# -- what cannot be traced -------------------------------------------------------------


@pytest.mark.parametrize("returned", [1.0, None, (Value(1.0), Value(2.0)), np.ones(2)])
def test_other_than_one_value_is_refused(returned: Any) -> None:
    with pytest.raises(InputError, match=f"one Value, not a {type(returned).__name__}") as error:
        trace(lambda x: returned, 1.0)
    assert error.value.code == "not_a_value"
    assert error.value.hint


def test_argument_that_is_no_number_is_refused() -> None:
    with pytest.raises(InputError, match="a Value holds numbers"):
        trace(lambda x: x, "two")


def test_program_larger_than_its_limits_is_refused() -> None:
    with pytest.raises(ExpressionError) as error:
        trace(neuron, limits=Limits(nodes=7), **NEURON)
    assert error.value.code == "too_many_nodes"
    assert error.value.position is not None
    assert error.value.position.line == 3


def test_large_program_needs_no_limits() -> None:
    program = trace(lambda x: (x * 2.0).sum(), np.ones((400, 400)))
    found = program.evaluate()
    assert found.value == 320_000.0
    assert found.gradients["x"].sum() == 320_000.0


def test_long_index_arrays_are_told_apart_by_the_hash():
    chosen = np.arange(3000)
    other = chosen.copy()
    other[1500] = 0
    numbers = np.ones(3000)
    one, two = (trace(lambda x, i=i: x[i].sum(), x=numbers) for i in (chosen, other))
    assert one.hash != two.hash
    assert one.hash == trace(lambda x: x[chosen.copy()].sum(), x=numbers).hash
