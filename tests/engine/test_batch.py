"""Programs at many points at once: what comes out is what each point gives by itself."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import InputError, Limits, parse
from engine.builder import ProgramBuilder
from engine.errors import Position
from engine.extend import op as state
from engine.op import REQUIRED, Trial
from engine.ops import OPS
from engine.points import batched, rules
from engine.points.rules import REFUSED, RULES, rule_of
from engine.registry import load

HERE = Position(1, 1, 0)
POINTS = (1, 2, 5)

SHELF = load(entry_points=False).ops

SHAPES = (
    Trial(((2, 3), (2, 3), (2, 3))),
    Trial(((), (), ())),
    Trial(((3,), (2, 3), ())),
    Trial(((), (3, 1), (2, 1, 4))),
    Trial(((4, 1, 2), (2,), (3, 1))),
)
"""Shapes for ops that work number by number, for as many inputs as they have."""

MORE = {
    "matmul": [
        *map(Trial, itertools.product([(3,), (2, 3), (5, 2, 3)], [(3,), (3, 4), (5, 3, 4)])),
        Trial(((4, 1, 2, 3), (5, 3, 2))),
        Trial(((2, 3), (4, 5, 3, 2))),
        Trial(((4, 5, 2, 3), (3,))),
        Trial(((3,), (4, 5, 3, 2))),
        Trial(((1, 3), (3, 1))),
        Trial(((1, 1), (1,))),
    ],
    "sum": [
        Trial(((),)),
        Trial(((2, 3),), {"keepdims": True}),
        Trial(((2, 3, 4),), {"axis": (0, -1)}),
        Trial(((3,),), {"axis": -1}),
    ],
    "mean": [
        Trial(((),)),
        Trial(((2, 3),), {"keepdims": True}),
        Trial(((2, 3, 4),), {"axis": (0, -1)}),
    ],
    "logsumexp": [
        Trial(((),)),
        Trial(((2, 3, 4),), {"axis": (0, 2)}),
        Trial(((2, 3),), {"axis": None}),
    ],
    "softmax": [
        Trial(((),)),
        Trial(((2, 3, 4),), {"axis": (0, 2)}),
        Trial(((2, 3, 4),), {"axis": 1}),
    ],
    "reshape": [
        Trial(((),), {"shape": (1, 1)}),
        Trial(((2, 3),), {"shape": -1}),
        Trial(((2, 3),), {"shape": (3, -1)}),
        Trial(((1,),), {"shape": ()}),
    ],
    "transpose": [Trial(((),)), Trial(((3,),)), Trial(((2, 3, 4, 5),))],
    "swapaxes": [Trial(((2, 3, 4),), {"axis1": -1, "axis2": 0}), Trial(((2, 3),))],
    "broadcast_to": [
        Trial(((),), {"shape": (2, 3)}),
        Trial(((2, 3),), {"shape": (2, 3)}),
        Trial(((4, 1, 3),), {"shape": (4, 2, 3)}),
    ],
    "getitem": [
        Trial(((2, 3, 4),), {"index": (1, 2)}),
        Trial(((2, 3),), {"index": -1}),
        Trial(((2, 3),), {"index": (slice(None), slice(0, 2))}),
    ],
    "stack": [Trial(((2, 3), (2, 3), (2, 3))), Trial(((2,),))],
    "softmax_cross_entropy": [
        Trial(((3,), ()), inputs=(None, 2)),
        Trial(((2, 2, 3), (2, 2)), inputs=(None, ((0, 1), (2, 2)))),
    ],
}
"""Ways to call an op, beside those that it is tried with for its exam."""


def trials(op):
    own = op.trials or [Trial(trial.shapes[: len(op.input_names)]) for trial in SHAPES]
    return [*own, *MORE.get(op.name, ())]


def program_of(op, trial, weighted=True):
    """The op called as the trial says; `weighted`, one number from it: its results, each times a
    weight of its own. Inputs that the trial gives itself are constants."""
    builder = ProgramBuilder(Limits())
    given = [*trial.inputs, *[None] * len(trial.shapes)]
    places = [
        builder.input(f"x{i}", HERE, None) if fixed is None else builder.constant(fixed, HERE)
        for i, (_, fixed) in enumerate(zip(trial.shapes, given, strict=False))
    ]
    params = {name: 0.3 for name, default in op.params.items() if default is REQUIRED}
    result = builder.apply(op, places, {**params, **trial.params}, HERE)
    if not weighted:
        return builder.build("", result)
    weights = builder.constant(weights_for(op, trial, params), HERE)
    terms = builder.apply(OPS["mul"], [result, weights], {}, HERE)
    return builder.build("", builder.apply(OPS["sum"], [terms], {}, HERE))


def weights_for(op, trial, params):
    given = [*trial.inputs, *[None] * len(trial.shapes)]
    inputs = [
        np.ones(shape) if fixed is None else np.asarray(fixed, float)
        for shape, fixed in zip(trial.shapes, given, strict=False)
    ]
    shape = np.shape(op(*inputs, **{**params, **trial.params}))
    return np.random.default_rng(7).uniform(0.5, 2, shape)


def shapes_of(trial):
    return {f"x{i}": shape for i, shape in enumerate(trial.shapes)}


def drawn(op, trial, names, moving, points, seed=3):
    """Values in the domain of each input, for `points` points where the input moves."""
    rng = np.random.default_rng(seed)
    domains = op.domains * len(trial.shapes) if op.variadic else op.domains
    return {
        name: domains[int(name[1:])].sample(
            rng, (points, *shapes_of(trial)[name]) if name in moving else shapes_of(trial)[name]
        )
        for name in names
    }


def ran(program, arrays, names):
    """Output and gradients by the ops' own rules; the backward pass starts from ones, so that it
    gives the gradients of every point where there are many."""
    values = program.run(arrays)
    output = values[program.place]
    output.backward(np.ones(output.shape))
    places = {node.name: place for place, node in enumerate(program.nodes)}
    return output.data, {name: values[places[name]].grad for name in names}


def looped(program, arrays, moving, points):
    """Value and gradients of each point by itself."""
    singles = [
        ran(program, {n: a[k] if n in moving else a for n, a in arrays.items()}, moving)
        for k in range(points)
    ]
    values = [float(np.reshape(value, ())) for value, _ in singles]
    return np.array(values), {n: np.array([grads[n] for _, grads in singles]) for n in moving}


def require_same(program, shapes, arrays, moving, points):
    many = batched(program, shapes, moving)
    assert many is not None
    values, grads = ran(many, arrays, moving)
    expected, slopes = looped(program, arrays, moving, points)
    assert np.shape(values) == (points,)
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-13)
    for name in moving:
        assert grads[name].shape == slopes[name].shape
        np.testing.assert_allclose(grads[name], slopes[name], rtol=1e-11, atol=1e-12)


def require_shape(program, shapes, arrays, moving):
    """Each point has all numbers of the output; a single one stands by itself."""
    many = batched(program, shapes, moving)
    found = many.run(arrays, requires_grad=False)[many.place]
    alone = {name: a[0] if name in moving else a for name, a in arrays.items()}
    shape = program.run(alone, requires_grad=False)[program.place].shape
    points = len(arrays[moving[0]])
    assert found.shape == ((points,) if math.prod(shape) == 1 else (points, *shape))


def ways(names):
    """Every choice of inputs that move."""
    return [way for k in range(1, len(names) + 1) for way in itertools.combinations(names, k)]


def compare(op):
    for trial in trials(op):
        program = program_of(op, trial)
        names = [node.name for node in program.inputs]
        for moving, points in itertools.product(ways(names), POINTS):
            arrays = drawn(op, trial, names, moving, points)
            require_same(program, shapes_of(trial), arrays, moving, points)
            require_shape(program_of(op, trial, weighted=False), shapes_of(trial), arrays, moving)


@pytest.mark.parametrize(
    "op", [SHELF[name] for name in sorted(SHELF.keys() - REFUSED.keys())], ids=lambda op: op.name
)
def test_op_at_many_points_equals_one_by_one(op):
    compare(op)


def test_every_op_of_the_table_is_ruled_or_refused_with_a_reason():
    for name, op in OPS.items():
        assert (rule_of(op) is None) == (name in REFUSED), name
    assert all(REFUSED.values())
    assert REFUSED.keys() <= OPS.keys()
    assert RULES.keys() <= set(OPS.values())


WRONG = {
    "sum over the points too": ("sum", lambda w, e, args, shape: w.apply(e.op, shape, *args)),
    "axis not moved": ("softmax", lambda w, e, args, shape: w.apply(e.op, shape, *args, axis=0)),
    "vector not made a column": (
        "matmul",
        lambda w, e, args, shape: w.reshaped(w.apply(e.op, shape, *args), shape),
    ),
    "rows of the stack left in front": (
        "stack",
        lambda w, e, args, shape: w.reshaped(w.apply(e.op, shape, *args), shape),
    ),
    "mean for a sum": (
        "sum_squared_error",
        lambda w, e, args, shape: RULES[OPS["mean_squared_error"]](w, e, args, shape),
    ),
    "axes not aligned": ("add", lambda w, e, args, shape: w.apply(e.op, shape, *args)),
}
"""Rules that are wrong in the ways a rule can be."""


@pytest.mark.parametrize(("name", "rule"), WRONG.values(), ids=WRONG)
def test_planted_wrong_rule_is_caught(monkeypatch, name, rule):
    monkeypatch.setattr(rules, "RULES", {**RULES, OPS[name]: rule})
    with pytest.raises((AssertionError, InputError)):
        compare(OPS[name])


def equations(program):
    return [equation.op.name for equation in program.equations]


def test_fixed_matrix_times_moving_vector_is_one_product():
    program = parse("sum(tanh([[1, 2, 3], [4, 5, 6]] @ x))")
    many = batched(program, {"x": (3,)}, ["x"])
    assert equations(many) == ["matmul", "tanh", "sum"]
    left, right = (many.nodes[i] for i in many.equations[0].args)
    assert left.name == "x"
    assert np.array_equal(right.value, [[1, 4], [2, 5], [3, 6]])


def test_fixed_input_times_moving_vector_is_one_product_too():
    many = batched(parse("sum(tanh(A @ x))"), {"A": (2, 3), "x": (3,)}, ["x"])
    assert equations(many) == ["transpose", "matmul", "tanh", "sum"]


def test_moving_matrix_times_fixed_matrix_is_one_product():
    program = parse("sum(tanh(X @ [[1, 2], [3, 4], [5, 6]]))")
    many = batched(program, {"X": (4, 3)}, ["X"])
    assert equations(many) == ["reshape", "matmul", "reshape", "tanh", "sum"]
    values = many.run({"X": np.ones((7, 4, 3))})
    assert [value.shape for value in values if value.op is OPS["matmul"]] == [(28, 2)]


def test_what_does_not_move_is_computed_once():
    program = parse("h = tanh(w * w); sum(h * x)")
    many = batched(program, {"w": (3,), "x": (3,)}, ["x"])
    values = many.run({"w": np.ones(3), "x": np.ones((50, 3))})
    assert [v.shape for v in values if v.op is OPS["tanh"]] == [(3,)]


def test_scalar_program_runs_on_plain_vectors():
    program = parse("n = x1*w1 + x2*w2 + b; o = tanh(n) * 2")
    many = batched(program, dict.fromkeys(["x1", "x2", "w1", "w2", "b"], ()), ["x1", "b"])
    assert many.forward_text() == program.forward_text()


def test_output_that_no_moving_input_reaches_is_repeated():
    for source, x in {"w * w": (3,), "2 + 3": (), "w": (2, 2)}.items():
        program = parse(f"unused = sum(x); y = w; {source}")
        arrays = {"x": np.ones((4, *x)), "w": 1.5}
        require_same(program, {"x": x, "w": ()}, arrays, ["x"], 4)


def test_infinities_beside_what_moves_stay_infinities():
    program = parse("sum(broadcast_to(x, shape=(2, 2)) * 0.5) + sum([x, w, v])")
    arrays = {"x": np.array([1.0, -math.inf, 0.0]), "w": math.inf, "v": 2.0}
    many = batched(program, dict.fromkeys("xwv", ()), ["x"])
    values = many.run(arrays, requires_grad=False)[many.place].data
    assert values.tolist()[::2] == [math.inf, math.inf]
    assert math.isnan(values[1])


def test_output_of_one_number_in_an_array_is_still_one_number():
    program = parse("[[1, 2]] @ x")
    require_same(program, {"x": (2,)}, {"x": np.array([[1.0, 2], [3, 4], [5, 6]])}, ["x"], 3)


def test_output_of_several_numbers_keeps_its_shape_at_each_point():
    program = parse("x * w")
    many = batched(program, {"x": (2,), "w": (2,)}, ["w"])
    found = many.run({"x": np.array([2.0, 3]), "w": np.ones((5, 2))})[many.place]
    assert found.data.tolist() == [[2, 3]] * 5


def test_program_without_rules_for_all_its_ops_is_not_batched():
    placed = parse("sum(place(x, index=(1,), shape=(2, 3)))")
    assert batched(placed, {"x": (3,)}, ["x"]) is None
    indexed = one_op(OPS["getitem"], index=[0, 2])
    assert batched(indexed, {"x": (3,)}, ["x"]) is None


def test_op_in_python_alone_is_not_batched_unless_it_stays_fixed():
    @state()
    def stepped(x):
        return x if np.all(x > 0) else 2 * x

    @stepped.backward
    def _(g, y, x):
        return g if np.all(x > 0) else 2 * g

    assert stepped.formula is None
    builder = ProgramBuilder(Limits())
    x, w = (builder.input(name, HERE, None) for name in "xw")
    product = builder.apply(OPS["mul"], [builder.apply(stepped, [x], {}, HERE), w], {}, HERE)
    program = builder.build("", product)
    shapes = {"x": (), "w": ()}
    assert batched(program, shapes, ["x"]) is None
    require_same(program, shapes, {"x": -1.5, "w": np.array([1.0, 2, 3])}, ["w"], 3)


def test_classes_that_are_an_input_are_left_to_the_loop():
    program = parse("softmax_cross_entropy(p, c)")
    assert batched(program, {"p": (2, 3), "c": (2,)}, ["p"]) is None


def test_arrays_without_numbers_are_left_to_the_loop():
    assert batched(parse("sum(x) + 1"), {"x": (0, 3)}, ["x"]) is None


def test_shapes_that_do_not_fit_are_left_to_the_loop():
    assert batched(parse("sum(A @ x)"), {"A": (2, 3), "x": (4,)}, ["x"]) is None


@pytest.mark.parametrize("moving", [[], ["y"], ["x", "y"]])
def test_moving_names_that_are_no_inputs_are_refused(moving):
    with pytest.raises(ValueError, match="some of the inputs"):
        batched(parse("x + 1"), {"x": ()}, moving)


def test_many_points_of_large_arrays_are_within_the_limits():
    program = parse("sum(x * x)", limits=Limits(elements=1000, numbers=3000))
    many = batched(program, {"x": (1000,)}, ["x"])
    assert many.run({"x": np.ones((50, 1000))})[many.place].data.tolist() == [1000.0] * 50


def test_names_of_the_source_are_kept():
    many = batched(parse("h = A @ x; h = tanh(h); o = sum(h)"), {"A": (2, 3), "x": (3,)}, ["x"])
    names = [equation.name for equation in many.equations]
    assert names[-3:] == ["h@1", "h", "o"]
    assert len({node.name for node in many.nodes}) == len(many.nodes)


def one_op(op, **params):
    builder = ProgramBuilder(Limits())
    y = builder.apply(op, [builder.input("x", HERE, None)], params, HERE)
    return builder.build("", builder.apply(OPS["sum"], [y], {}, HERE))


ONES = ("tanh", "sin", "sum", "mean", "softmax", "logsumexp", "transpose", "swapaxes", "row")
PAIRS = ("add", "mul", "sub", "max", "matmul", "stack")
INPUTS = {"x": (3,), "y": (2, 3), "z": (), "w": (3, 3), "t": (2, 1, 3)}


def grown(draw, builder, made):
    """One more result from an op that goes with the shapes of those `made`."""
    name = draw(st.sampled_from(ONES + PAIRS))
    a, shape = draw(st.sampled_from(made))
    if name in PAIRS:
        fits = [(b, other) for b, other in made if goes(name, shape, other)]
        if not fits:
            return
        b, other = draw(st.sampled_from(fits))
        args, params, shapes = [a, b], {}, [shape, other]
    else:
        params = {}
        if name in ("softmax", "logsumexp", "row") and not shape:
            return
        if name in ("sum", "mean") and shape:
            params["axis"] = draw(st.sampled_from([None, 0, -1, len(shape) - 1]))
            params["keepdims"] = draw(st.booleans())
        if name == "swapaxes":
            if not shape:
                return
            params = {"axis1": 0, "axis2": draw(st.integers(-len(shape), len(shape) - 1))}
        if name == "row":
            name, params = "getitem", {"index": draw(st.integers(-shape[0], shape[0] - 1))}
        args, shapes = [a], [shape]
    result = OPS[name](*map(np.ones, shapes), **params)
    if np.size(result) <= 200:
        made.append((builder.apply(OPS[name], args, params, HERE), np.shape(result)))


def goes(name, one, other):
    try:
        OPS[name](np.ones(one), np.ones(other))
    except ValueError:
        return False
    return True


@st.composite
def programs(draw):
    """Programs of up to a dozen ops on numbers, vectors, matrices and stacks, summed in the end."""
    builder = ProgramBuilder(Limits())
    made = [(builder.input(name, HERE, None), shape) for name, shape in INPUTS.items()]
    constant = np.array([[0.5, -1, 2], [1, 0.25, -2]])
    made.append((builder.constant(constant, HERE), constant.shape))
    for _ in range(draw(st.integers(1, 12))):
        grown(draw, builder, made)
    bounded = [builder.apply(OPS["tanh"], [place], {}, HERE) for place, _ in made[-3:]]
    sums = [builder.apply(OPS["mean"], [place], {}, HERE) for place in bounded]
    stacked = builder.apply(OPS["stack"], sums, {}, HERE)
    return builder.build("", builder.apply(OPS["sum"], [stacked], {}, HERE))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    program=programs(),
    moving=st.sets(st.sampled_from(sorted(INPUTS)), min_size=1),
    points=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
def test_random_program_at_many_points_equals_one_by_one(program, moving, points, seed):
    rng = np.random.default_rng(seed)
    arrays = {
        name: rng.uniform(-2, 2, (points, *shape) if name in moving else shape)
        for name, shape in INPUTS.items()
    }
    require_same(program, INPUTS, arrays, moving, points)
