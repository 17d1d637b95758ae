"""Programs that are evaluated again and again: the fast ways give what the ops' own rules give."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
import threading

import numpy as np
import pytest

from engine import InputError, Limits, OpError, differences, machine, parse, trace
from engine.fast import PATIENCE
from engine.machine.hot import Hot
from engine.op import op
from engine.ops import OPS
from engine.straight import LARGEST, fits, straight

NEURON = "x1w1 = x1*w1; x2w2 = x2*w2; n = x1w1 + x2w2 + b; o = tanh(n)"
AT = {"x1": 2.0, "x2": 0.0, "w1": -3.0, "w2": 1.0, "b": 6.881373587019543}
LAYER = "h = tanh(w @ x + b); y = h * h + x; mean(y)"
ARRAYS = {"w": [[0.1, 0.2], [0.3, -0.4]], "x": [1, 2], "b": 0.5}


def hot(program, at):
    """The program after as many evaluations as make it hot."""
    for _ in range(PATIENCE + 1):
        program.evaluate(at)
    return program


def bits(evaluation):
    return [float(evaluation.value).hex(), *(g.hex() for g in evaluation.gradients.values())]


@pytest.mark.parametrize(
    "op", [op for op in OPS.values() if op.elementwise], ids=lambda op: op.name
)
def test_straight_line_python_equals_values_to_the_last_bit(op):
    """At ordinary numbers and at edges; where it cannot answer, it says so."""
    names = [f"x{i}" for i in range(len(op.input_names))]
    source = f"t = {op.name}({', '.join(names)}); t * {names[0]} + t"
    program = parse(source)
    assert fits(program)
    way, answered = straight(program), 0
    for point in itertools.product((0.0, -0.0, 0.5, -1.5, 2.0, 800.0, 1e-300), repeat=len(names)):
        at = dict(zip(names, point, strict=True))
        wanted, found = program.evaluate_slowly(at), way(at)
        if found is None:
            continue
        assert bits(found) == bits(wanted), at
        assert [n.value for n in found.nodes] == [n.value for n in wanted.nodes]
        assert found.non_finite is None
        answered += 1
    assert answered > 2


def test_small_program_of_scalars_becomes_straight_line_python():
    program = hot(parse(NEURON), AT)
    assert "_fast" in vars(program)
    assert bits(program.evaluate(AT)) == bits(program.evaluate_slowly(AT))
    assert program.evaluate(AT).nodes[-1].name == "o"
    assert "Evaluation(value=0.70" in repr(program.evaluate(AT))


def test_large_program_of_scalars_becomes_a_tape():
    program = trace(lambda a, b: sum(((a * k).sin() * b for k in range(LARGEST)), a), 0.5, -0.25)
    hot(program, None)
    wanted, found = (
        program.evaluate_slowly(program.point()),
        program.evaluate({"a": 0.5, "b": -0.25}),
    )
    assert found.value == pytest.approx(wanted.value, rel=1e-12)
    assert found.gradients == pytest.approx(wanted.gradients, rel=1e-12)
    assert [n.name for n in found.nodes] == [n.name for n in wanted.nodes]


def test_program_of_arrays_becomes_a_tape_for_each_set_of_shapes():
    program = hot(parse(LAYER), ARRAYS)
    assert isinstance(program._warming._hot, Hot)
    for n in (2, 3, 1, 5, 4, 2):
        at = {"w": np.arange(n * n).reshape(n, n) / 9, "x": np.ones(n), "b": 0.5}
        wanted, found = program.evaluate_slowly(program.point(at)), program.evaluate(at)
        assert found.value == pytest.approx(wanted.value, rel=1e-12)
        for name, gradient in wanted.gradients.items():
            assert np.shape(found.gradients[name]) == np.shape(gradient)
            assert found.gradients[name] == pytest.approx(gradient, rel=1e-11)
        found.gradients["w"][...] = 0  # the caller's own, not the tape's
        assert program.evaluate(at).gradients["w"] == pytest.approx(
            wanted.gradients["w"], rel=1e-11
        )


@pytest.mark.parametrize("source", [NEURON, "log(x1) + x2 * w1 * w2 / b"])
def test_hot_program_still_says_what_is_wrong(source):
    program = hot(parse(source), AT)
    cold = parse(source)
    for at in (
        {**AT, "x1": "two"},
        {**AT, "zz": 1.0},
        {"x1": 1.0},
        {**AT, "b": math.inf},
        {**AT, "x1": [1.0, 2.0], "x2": [1.0, 2.0, 3.0]},
    ):
        with pytest.raises(InputError) as ours:
            program.evaluate(at)
        with pytest.raises(InputError) as theirs:
            cold.evaluate_slowly(cold.point(at))
        assert str(ours.value) == str(theirs.value)
    for at in ({**AT, "x1": 3}, {**AT, "x1": np.float64(3)}, {**AT, "x1": True * 1}):
        assert program.evaluate(at).value == cold.evaluate_slowly(cold.point(at)).value


def test_hot_program_names_the_first_number_that_is_not_finite():
    program = hot(parse("t = 1 / x; y = exp(-t); y * x"), {"x": 2.0})
    found = program.evaluate({"x": 0.0})
    assert found.non_finite is not None
    assert found.non_finite.name == "t"
    assert found.reason == "1 / x at x = 0: defined for x != 0"


def test_hot_program_serves_several_threads():
    program = hot(parse("sum(tanh(x) * x)"), {"x": [0.5, -1.0]})
    wanted = {k: program.evaluate_slowly(program.point({"x": [k, 1.0]})).value for k in range(40)}
    found: dict[int, float] = {}

    def work(k):
        for _ in range(50):
            found[k] = program.evaluate({"x": [k, 1.0]}).value
            assert found[k] == pytest.approx(wanted[k], rel=1e-12)

    threads = [threading.Thread(target=work, args=(k,)) for k in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == pytest.approx(wanted, rel=1e-12)


def test_rule_that_fails_in_a_hot_program_is_told():
    calls = []

    def picky(x):
        calls.append(1)
        if len(calls) > PATIENCE + 3:
            raise RuntimeError("out of order")
        return np.clip(x, 0, 1)

    program = trace(
        lambda x: op("picky", picky, lambda g, y, x: g, elementwise=False)(x).sum(), [0.5, 2.0]
    )
    with pytest.raises(OpError, match="out of order"):
        for _ in range(PATIENCE + 9):
            program.evaluate()


NOT_FLOATS = op(
    "not_floats", lambda x, *, mode=None: x * 2.0, lambda g, y, x, *, mode: g * 2.0, doc="2x"
)

AWKWARD = {
    "bias of a stack of matrices": (
        "sum((a @ v + b)**2)",
        {"a": np.arange(12.0).reshape(2, 2, 3), "v": [1.0, 2.0, 3.0], "b": [1.0, 2.0]},
    ),
    "row of the same matrix": ("sum(x[1] @ x)", {"x": [[1.0, 2.0], [3.0, 4.0]]}),
    "matrix of its own row": ("sum(x @ x[0])", {"x": [[1.0, 2.0], [3.0, 4.0]]}),
    "six axes": ("sum(a * b)", {"a": np.ones((2, 1, 3, 1, 2, 2)), "b": [1.0, 2.0]}),
    "six axes that cannot be joined": (
        "sum(a * b)",
        {"a": np.ones((2, 1, 2, 1, 2, 1)), "b": np.arange(8.0).reshape(1, 2, 1, 2, 1, 2)},
    ),
    "one number in an array": ("[x * w]", {"x": 2.0, "w": 3.0}),
}


@pytest.mark.parametrize(("source", "at"), AWKWARD.values(), ids=AWKWARD)
def test_awkward_program_is_the_same_when_it_is_hot(source, at):
    program = parse(source)
    wanted, found = program.evaluate_slowly(program.point(at)), hot(program, at).evaluate(at)
    assert np.shape(found.value) == np.shape(wanted.value)
    assert found.value == pytest.approx(wanted.value, rel=1e-12)
    for name, gradient in wanted.gradients.items():
        assert found.gradients[name] == pytest.approx(gradient, rel=1e-12), name


def test_traced_program_of_any_kind_stays_the_same_when_it_is_hot():
    """Constants that are not finite, parameters that are no numbers, more inputs than a line has
    room for, an index that is a truth."""
    for function, inputs in (
        (lambda x: np.maximum(x, -math.inf) * 2.0, [1.0]),
        (lambda x: NOT_FLOATS(x).sum(), [np.ones(3)]),
        (lambda x: NOT_FLOATS(x, mode="a") * 1.5, [0.5]),
        (lambda *a: a[0] * a[1], [1.0] * 3000),
        (lambda x: x[True].sum(), [np.arange(4.0)]),
    ):
        program = trace(function, *inputs)
        wanted, found = program.evaluate_slowly(program.point()), hot(program, None).evaluate()
        assert found.value == wanted.value
        assert all(map(np.array_equal, found.gradients.values(), wanted.gradients.values()))


@pytest.mark.parametrize("x", [math.inf, math.nan])
def test_hot_tape_refuses_inputs_that_are_not_finite(x):
    program = trace(lambda x: sum(((x * k).tanh() for k in range(LARGEST)), x.tanh()), 0.5)
    hot(program, {"x": 0.5})
    with pytest.raises(InputError, match="not finite"):
        program.evaluate({"x": x})
    with pytest.raises(InputError, match="not finite"):
        differences(parse("tanh(x)"), {"x": x})


def test_statement_without_use_is_still_looked_at_when_hot():
    program = hot(parse("a = log(x[0])\nb = sum(x*2)"), {"x": [1.0, 2.0]})
    found = program.evaluate({"x": [-1.0, 2.0]})
    assert found.non_finite is not None
    assert found.non_finite.name == "a"


def test_program_hot_for_numbers_becomes_hot_for_arrays_too():
    program = hot(parse(NEURON), AT)
    assert isinstance(hot(program, {**AT, "b": [0.5]})._warming._hot, Hot)
    assert program.evaluate(AT).value == program.evaluate_slowly(program.point(AT)).value


# --- buffers of one's own -------------------------------------------------------------------


def test_compiled_program_runs_on_its_buffers():
    program = parse(NEURON)
    compiled = program.compile(AT)
    assert compiled.run()
    assert compiled.value == pytest.approx(0.7071067811865476, rel=1e-15)
    assert [*compiled.inputs] == ["x1", "w1", "x2", "w2", "b"]
    assert compiled.gradient == pytest.approx([-1.5, 1.0, 0.5, 0.0, 0.5])
    compiled.point[-1] = 0.0
    assert compiled.run()
    assert compiled.value == pytest.approx(math.tanh(-6))


def test_compiled_program_lists_its_rows():
    lines = parse(NEURON).compile(AT).listing().splitlines()
    assert lines[0].split() == ["0", "mul", "2", "x1w1,", "x2w2", "<-", "x1,", "x2;", "w1,", "w2"]
    assert [line.split()[1] for line in lines] == ["mul", "add", "add", "tanh"]
    assert (
        "linear"
        in parse("sum(x @ w + b)").compile({"x": [[1, 2]], "w": [[1], [2]], "b": [3]}).listing()
    )


def test_compiled_program_has_its_inputs_by_name():
    compiled = parse(LAYER).compile(ARRAYS)
    compiled.inputs["w"][0, 0] = 0.7
    compiled.run()
    at = {**ARRAYS, "w": [[0.7, 0.2], [0.3, -0.4]]}
    wanted = parse(LAYER).evaluate(at)
    assert compiled.value == pytest.approx(wanted.value, rel=1e-12)
    assert compiled.gradients["w"] == pytest.approx(wanted.gradients["w"], rel=1e-11)
    compiled.inputs["w"][0, 0] = math.inf
    assert not compiled.run()


def test_numbers_assigned_to_a_compiled_program_arrive():
    compiled = parse("(x - 3)**2").compile({"x": 0.0})
    for _ in range(100):
        compiled.run()
        compiled.point = compiled.point - 0.1 * compiled.gradient
    compiled.run()
    assert compiled.value < 1e-9
    for name in ("gradient", "value", "points"):
        with pytest.raises(AttributeError):
            setattr(compiled, name, 1.0)
    with pytest.raises(TypeError):
        compiled.inputs["x"] = 5.0


def test_compiling_says_what_does_not_fit():
    for at in ({}, {**ARRAYS, "x": [1, 2, 3]}, {**ARRAYS, "x": "one"}):
        with pytest.raises(InputError):
            parse(LAYER).compile(at)
    with pytest.raises(InputError, match="one number"):
        parse("x * 2").compile({"x": [1.0, 2.0]})


# --- many points -----------------------------------------------------------------------------


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("count", [0, 1, 3, 700])
def test_many_points_equal_one_after_the_other(held, count):
    rng = np.random.default_rng(count)
    arrays = {"x": rng.normal(size=(count, 2)), "b": rng.normal(size=count)}
    program, at = parse(LAYER), {"w": ARRAYS["w"]}
    if held:
        machine.hold()
    try:
        values = program.evaluate_many(arrays, at)
        again, gradients = program.evaluate_many(arrays, at, gradients=True)
    finally:
        machine.release()
    assert values.shape == (count,)
    assert np.array_equal(values, again)
    assert {name: array.shape for name, array in gradients.items()} == {
        "x": (count, 2),
        "b": (count,),
    }
    for k in range(0, count, 97):
        wanted = program.evaluate({**at, "x": arrays["x"][k], "b": arrays["b"][k]})
        assert values[k] == pytest.approx(wanted.value, rel=1e-11)
        assert gradients["x"][k] == pytest.approx(wanted.gradients["x"], rel=1e-11)
        assert gradients["b"][k] == pytest.approx(wanted.gradients["b"], rel=1e-11)


def test_many_points_of_an_op_that_only_python_knows():
    clipped = op("clipped", lambda x: np.clip(x, -1, 1), lambda g, y, x: g * (np.abs(x) < 1))
    program = trace(lambda x: clipped(x) * x, 0.5)
    values, gradients = program.evaluate_many({"x": [0.5, 3.0]}, gradients=True)
    assert values.tolist() == [0.25, 3.0]
    assert gradients["x"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("held", [False, True])
def test_many_points_need_one_number_each(held):
    clipped = op("clipped", lambda x: np.clip(x, -1, 1), lambda g, y, x: g * (np.abs(x) < 1))
    if held:
        machine.hold()
    try:
        for program in (parse("x*[1, 2, 3]"), trace(lambda x: clipped(x) * np.ones(3), 0.5)):
            for gradients in (False, True):
                with pytest.raises(InputError, match="one number"):
                    program.evaluate_many({"x": np.arange(3.0)}, gradients=gradients)
    finally:
        machine.release()


def test_many_points_say_what_does_not_fit():
    program = parse(NEURON)
    for arrays, at in (
        ({}, AT),
        ({"x1": 2.0}, AT),
        ({"x1": [1.0, 2.0], "x2": [1.0]}, AT),
        ({"zz": [1.0]}, AT),
        ({"x1": [1.0]}, {}),
        ({"x1": ["a"]}, AT),
        ({"x1": [[1.0, 2.0]]}, AT),
    ):
        with pytest.raises(InputError):
            program.evaluate_many(arrays, at)


# --- limits, and the machine held ----------------------------------------------------------------


def test_shapes_that_do_not_fit_are_named_with_the_equation():
    program = parse("y = a @ b; sum(y)")
    with pytest.raises(InputError) as error:
        program.compile({"a": [[1.0, 2.0]], "b": [[1.0, 2.0]]})
    assert "(1, 2)" in str(error.value)
    assert error.value.position is not None
    assert error.value.position.column == 5


def test_too_large_a_program_is_refused_before_it_is_lowered():
    program = parse("sum(x * y)", limits=Limits(elements=10))
    with pytest.raises(InputError, match="hold"):
        program.compile({"x": [[1.0], [2.0], [3.0], [4.0]], "y": [1.0, 2.0, 3.0, 4.0]})


def test_held_machine_leaves_numba_alone():
    code = """
import sys
from engine import machine, parse
machine.hold()
names = [f"y{k}" for k in range(60)]
large = parse("; ".join(f"{name} = x * x + 1" for name in names) + "; " + " + ".join(names))
for program in (large, parse("sum(tanh(x) * x)")):
    at = {"x": 0.5 if program is large else [1.0, 2.0]}
    for _ in range(9):
        program.evaluate(at)
assert "numba" not in sys.modules
machine.release()
for _ in range(9):
    large.evaluate({"x": 0.5})
assert "numba" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
