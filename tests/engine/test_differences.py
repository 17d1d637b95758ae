"""The textbook check: central differences beside backpropagation, and where they part."""

from __future__ import annotations

import gc
import math
import weakref

import numpy as np
import pytest

from engine import InputError, Limits, differences, machine, parse
from engine.builder import ProgramBuilder
from engine.errors import Position
from engine.extend import op
from engine.ops import OPS

HERE = Position(1, 1, 0)
NEURON = "x1=2; x2=0; w1=-3; w2=1; b=6.881373587019543; o = tanh(x1*w1 + x2*w2 + b)"


@pytest.fixture(autouse=True, params=["compiled", "by rules"])
def way(request):
    """Every story is told twice: on tapes, and by the ops' own rules alone."""
    if request.param == "by rules":
        machine.hold()
    yield
    machine.release()


@op()
def cube(x):
    """x to the third, with a backward that is wrong above 2."""
    return x * x * x


@cube.backward
def _(g, y, x):
    return g * np.where(x > 2, 2 * x * x, 3 * x * x)


def calling(name_of, *inputs, **params):
    """The sum of an op of inputs that have these names."""
    builder = ProgramBuilder(Limits())
    places = [builder.input(name, HERE, None) for name in inputs]
    y = builder.apply(name_of, places, params, HERE)
    return builder.build("", builder.apply(OPS["sum"], [y], {}, HERE))


def test_lecture_neuron_agrees_with_its_gradient():
    found = differences(parse(NEURON))
    assert found.evaluations == 10
    assert found.worst < 1e-9
    assert list(found.numeric) == ["x1", "x2", "w1", "w2", "b"]
    assert found.gradients == pytest.approx(parse(NEURON).evaluate().gradients, rel=1e-12)
    expected = {"x1": -1.5, "x2": 0.5, "w1": 1.0, "w2": 0.0, "b": 0.5}
    assert found.numeric == pytest.approx(expected, abs=1e-9)


def test_slopes_have_the_shapes_of_the_inputs():
    at = {"A": [[0.5, -1.0, 2.0], [1.0, 0.25, 0.5]], "x": [1.0, -2.0, 0.5], "c": 0.5}
    found = differences(parse("sum(tanh(A @ x) * c)"), at)
    sech = 1 - np.tanh(np.array(at["A"]) @ at["x"]) ** 2
    np.testing.assert_allclose(found.numeric["A"], 0.5 * np.outer(sech, at["x"]), atol=1e-8)
    np.testing.assert_allclose(found.numeric["x"], 0.5 * sech @ np.array(at["A"]), atol=1e-8)
    assert isinstance(found.numeric["c"], float)
    assert found.evaluations == 2 * (6 + 3 + 1)
    assert found.worst < 1e-8


@pytest.mark.parametrize("size", [1, 63, 64, 65, 129, 300])
def test_every_number_is_nudged_whatever_the_blocks(size):
    x = np.linspace(-1, 1, size)
    found = differences(parse("sum(sin(x) * x)"), {"x": x})
    np.testing.assert_allclose(found.numeric["x"], np.sin(x) + x * np.cos(x), atol=1e-7)
    assert found.worst < 1e-7
    assert found.evaluations == 2 * size


@pytest.mark.parametrize("count", [1, 12, 64, 65, 200])
def test_many_single_numbers_are_nudged_block_by_block(count):
    names = [f"x{i}" for i in range(count)]
    source = f"sin({' + '.join(f'{k % 5 - 2} * {name}' for k, name in enumerate(names))})"
    point = dict(zip(names, np.linspace(-0.1, 0.1, count).tolist(), strict=True))
    found = differences(parse(source, limits=Limits(inputs=200, depth=300)), point)
    whole = sum((k % 5 - 2) * x for k, x in enumerate(point.values()))
    expected = {name: (k % 5 - 2) * math.cos(whole) for k, name in enumerate(names)}
    assert found.numeric == pytest.approx(expected, abs=1e-8)
    assert found.worst < 1e-8


def test_wrong_backward_is_found_where_it_is_wrong():
    at = {"x": [[0.5, 1.0, -3.0], [1.5, 2.5, 1.9]]}
    found = differences(calling(cube, "x"), at)
    assert found.where == ("x", (1, 1))
    assert found.numeric["x"][1, 1] == pytest.approx(18.75, abs=1e-6)
    assert found.gradients["x"][1, 1] == 12.5
    assert found.worst == pytest.approx(6.25 / 18.75, abs=1e-8)


def test_wrong_backward_of_a_number_is_found_by_name():
    builder = ProgramBuilder(Limits())
    a, b, c = (builder.input(name, HERE, default) for name, default in
               [("a", 1.0), ("b", 3.0), ("c", 1.5)])  # fmt: skip
    total = a
    for place in (b, c):
        total = builder.apply(OPS["add"], [total, builder.apply(cube, [place], {}, HERE)], {}, HERE)
    found = differences(builder.build("", total))
    assert found.where == ("b", ())
    assert found.worst == pytest.approx(9 / 27, abs=1e-8)


def test_worst_of_all_inputs_is_named_whatever_comes_after():
    builder = ProgramBuilder(Limits())
    x, b, z = (builder.input(name, HERE, None) for name in "xbz")
    terms = [builder.apply(cube, [place], {}, HERE) for place in (x, b, z)]
    sums = [builder.apply(OPS["sum"], [term], {}, HERE) for term in terms]
    total = builder.apply(OPS["add"], sums[:2], {}, HERE)
    program = builder.build("", builder.apply(OPS["add"], [total, sums[2]], {}, HERE))
    fine, wrong = [1.0, 0.5], [1.0, 2.5]
    for at, where in (
        ({"x": fine, "b": 2.5, "z": fine}, ("b", ())),
        ({"x": wrong, "b": 1.0, "z": fine}, ("x", (1,))),
        ({"x": fine, "b": 1.0, "z": wrong}, ("z", (1,))),
    ):
        assert differences(program, at).where == where


def test_op_in_python_alone_is_nudged_like_any_other():
    @op()
    def bent(x):
        return x * x if np.all(x > 0) else 3 * x

    bent.backward(lambda g, y, x: g * (2 * x if np.all(x > 0) else 3.0))
    assert bent.formula is None
    for x in (2.0, -2.0, [1.0, 2.0]):
        assert differences(calling(bent, "x"), {"x": x}).worst < 1e-8
        assert differences(calling(bent, "x"), {"x": x}, direction=1).worst < 1e-8


def test_same_program_serves_other_points_and_shapes():
    program = parse("sum(tanh(x * w) + w)")
    for x in ([0.5, -1.0], [[1.0, 2.0, 0.3]], 0.25, [0.1, 0.2], 0.5):
        found = differences(program, {"x": x, "w": 0.7})
        slope = 0.7 * (1 - np.tanh(0.7 * np.array(x)) ** 2)
        np.testing.assert_allclose(found.numeric["x"], slope, atol=1e-9)
        assert np.shape(found.gradients["x"]) == np.shape(x)
        assert found.worst < 1e-8


def test_gap_of_small_slopes_counts_by_itself():
    @op()
    def faint(x):
        return 1e-3 * x

    faint.backward(lambda g, y, x: g * 2e-3)
    found = differences(calling(faint, "x"), {"x": 1.0})
    assert found.worst == pytest.approx(1e-3, rel=1e-5)  # not the ratio of two


def test_one_direction_is_two_evaluations():
    at = {"A": [[0.5, -1.0], [1.0, 0.25]], "x": [1.0, -2.0], "c": 0.5}
    program = parse("sum(tanh(A @ x) * c)")
    found = differences(program, at, direction=7)
    assert found.evaluations == 2
    assert found.where is None
    assert found.worst < 1e-9
    assert found.numeric == pytest.approx(found.gradients, abs=1e-9)
    assert differences(program, at, direction=7) == found
    assert differences(program, at, direction=8).gradients != found.gradients


def test_direction_has_length_one():
    found = [differences(parse("a = 1; 3 * a"), direction=seed) for seed in range(8)]
    assert {round(abs(d.gradients), 12) for d in found} == {3.0}
    assert {d.gradients > 0 for d in found} == {True, False}


def test_wrong_backward_shows_along_a_direction():
    at = {"x": [0.5, 2.5, 1.0]}
    gaps = [differences(calling(cube, "x"), at, direction=seed).worst for seed in range(5)]
    assert min(gaps) > 1e-3


def test_classes_are_not_nudged():
    at = {"p": [[0.1, 0.5, -0.2], [1.0, 0.0, 0.3]], "c": [2, 0]}
    found = differences(parse("softmax_cross_entropy(p, c)"), at)
    assert list(found.numeric) == list(found.gradients) == ["p"]
    assert found.worst < 1e-9
    assert differences(parse("softmax_cross_entropy(p, c)"), at, direction=0).worst < 1e-9


def test_error_of_the_step_is_its_square():
    program = parse("exp(x)")
    coarse = differences(program, {"x": 0.0}, step=1e-2)
    finer = differences(program, {"x": 0.0}, step=1e-3)
    assert coarse.worst == pytest.approx(1e-4 / 6, rel=1e-3)
    assert finer.worst == pytest.approx(1e-6 / 6, rel=1e-3)


@pytest.mark.parametrize("step", [0, -1e-6, math.inf, math.nan, True, "small", None])
def test_step_that_is_no_positive_number_is_refused(step):
    with pytest.raises(InputError, match="positive") as caught:
        differences(parse("x = 1; x * x"), step=step)
    assert (caught.value.code, caught.value.pointer) == ("invalid_step", "/step")
    assert caught.value.hint


@pytest.mark.parametrize("direction", [-1, 0.5, True, "north"])
def test_direction_that_is_no_seed_is_refused(direction):
    with pytest.raises(InputError, match="seed") as caught:
        differences(parse("x = 1; x * x"), direction=direction)
    assert (caught.value.code, caught.value.pointer) == ("invalid_direction", "/direction")


@pytest.mark.parametrize("source", ["2 + 3", "sum(x)"])
def test_expression_with_nothing_to_nudge_is_refused(source):
    program = parse(source)
    with pytest.raises(InputError, match="could be nudged") as caught:
        differences(program, {node.name: [] for node in program.inputs})
    assert caught.value.code == "no_inputs"


def test_output_of_several_numbers_is_refused():
    with pytest.raises(InputError) as caught:
        differences(parse("x * 2"), {"x": [1, 2]})
    assert caught.value.code == "output_not_scalar"


def test_edge_of_a_domain_names_the_input_nudged():
    with pytest.raises(InputError, match=r"o is not finite where b is nudged by 1e-06") as caught:
        differences(parse("a = 2; b = 1e-7; o = a * log(b)"))
    assert (caught.value.code, caught.value.pointer) == ("not_finite", "/at/b")
    with pytest.raises(InputError, match=r"where x\[1, 0\] is nudged by 0.5"):
        differences(parse("sum(log(x))"), {"x": [[1, 2], [0.25, 3]]}, step=0.5)
    with pytest.raises(InputError, match="all inputs are nudged"):
        differences(parse("sum(log(x))"), {"x": [1e-9, 1e-9]}, direction=0)


def test_point_without_a_gradient_says_why():
    with pytest.raises(
        InputError, match=r"no gradient at this point: log\(x\) is -inf at \[1\]"
    ) as caught:
        differences(parse("sum(log(x))"), {"x": [1.0, 0.0]})
    assert caught.value.position is not None


def test_program_is_not_kept_alive():
    program = parse("x = 2; x * x")
    differences(program)
    seen = weakref.ref(program)
    del program
    gc.collect()
    assert seen() is None
