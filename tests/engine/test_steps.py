"""Backpropagation as data: the events are the engine's own, and each slip goes wrong as it does in
an implementation written by hand."""

from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np
import pytest

from engine import InputError, Limits, Value, parse, registry
from engine.steps import SLIPS, backpropagation, recorder, replay
from tests.cases import gradients

NEURON = "x1w1 = x1*w1; x2w2 = x2*w2; n = x1w1 + x2w2 + b; o = tanh(n)"
AT = {"x1": 2, "x2": 0, "w1": -3, "w2": 1, "b": 6.881373587019543}
SHARED = "b = a*2; c = b*b; d = c + b"
ARRAYS = {
    "layer": (
        "h = tanh(w @ x + b); y = h * h + x; mean(y)",
        {"w": [[0.1, 0.2], [0.3, -0.4]], "x": [1, 2], "b": 0.5},
    ),
    "broadcast": ("sum(w * x + w)", {"w": [[1, 2, 3]], "x": [[0.5], [-2]]}),
    "stacked": ("s = stack(a, b * b, a); y = s[0] * s[1]; y + sum(s)", {"a": 2, "b": 3}),
    "one number": ("x * x", {"x": [[3]]}),
    "reused": ("y = exp(x); sum(y * y + y)", {"x": [0.1, -0.5]}),
}


def same(one, other):
    """The same number or array to the last bit, the sign of a zero included."""
    one, other = np.asarray(one), np.asarray(other)
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def assert_adds_up(steps):
    """Every total is the sum of what was sent so far, in the order in which it came."""
    totals = {}
    for event in steps.events:
        totals[event.variable] = totals.get(event.variable, 0.0) + event.outgoing
        assert same(event.total, totals[event.variable]), event
    for name, gradient in steps.gradients.items():
        assert same(gradient, totals.get(name, 0.0 * np.asarray(steps.at[name]))), name


# -- as it should be -------------------------------------------------------------


def test_neuron_is_played_step_by_step():
    steps = backpropagation(parse(NEURON), AT)
    assert [(e.text, e.equation) for e in steps.events] == [
        ("o.grad = 1", None),
        ("n.grad += o.grad * (1 - o * o)", 5),
        ("%3.grad += n.grad", 4),
        ("b.grad += n.grad", 4),
        ("x1w1.grad += %3.grad", 3),
        ("x2w2.grad += %3.grad", 3),
        ("x2.grad += x2w2.grad * w2", 2),
        ("w2.grad += x2w2.grad * x2", 2),
        ("x1.grad += x1w1.grad * w1", 1),
        ("w1.grad += x1w1.grad * x1", 1),
    ]
    assert [e.index for e in steps.events] == list(range(10))
    assert steps.gradients == pytest.approx(
        {"x1": -1.5, "w1": 1.0, "x2": 0.5, "w2": 0.0, "b": 0.5}, abs=1e-12
    )


def test_event_says_what_comes_in_and_goes_out():
    event = backpropagation(parse("c = a*b; d = c*3; d + a"), {"a": 2, "b": -5}).events[4]
    assert (event.output, event.variable, event.argument, event.op) == ("c", "a", 0, "mul")
    assert (event.upstream, event.local, event.outgoing, event.total) == (3.0, -5.0, -15.0, -14.0)
    assert (event.rule, event.position.column, event.pass_number) == ("c.grad * b", 5, 1)


def test_first_event_is_the_seed():
    seed, *_ = backpropagation(parse("y = x*x"), {"x": 3}).events
    assert (seed.op, seed.variable, seed.outgoing, seed.total) == ("seed", "y", 1.0, 1.0)
    assert (seed.equation, seed.argument, seed.upstream, seed.local) == (None, None, None, None)


def test_forward_is_told_in_order():
    forward = backpropagation(parse("c = a*b; d = c + a"), {"a": 2, "b": -3}).forward
    assert [(f.equation, f.name, f.op, f.text, f.value) for f in forward] == [
        (1, "c", "mul", "c = a * b", -6.0),
        (2, "d", "add", "d = c + a", -4.0),
    ]


def test_every_case_ends_in_the_engine_s_gradients():
    """To the last bit, on adversarial expressions, at kinks and outside domains too."""
    judged = 0
    for case in gradients()[::10]:
        program = parse(case["src"])
        given = dict(zip(case["vars"], case["x"], strict=True))
        at = {entry.name: given[entry.name] for entry in program.inputs}
        true = program.evaluate(at).gradients
        steps = backpropagation(program, at)
        assert all(same(steps.gradients[name], true[name]) for name in true), case["src"]
        assert_adds_up(steps)
        judged += 1
    assert judged > 50


@pytest.mark.parametrize(("source", "at"), ARRAYS.values(), ids=ARRAYS)
def test_arrays_end_in_the_engine_s_gradients(source, at):
    program = parse(source)
    steps = backpropagation(program, at)
    for name, true in program.evaluate(at).gradients.items():
        assert same(steps.gradients[name], true), name
    assert_adds_up(steps)


def test_local_derivative_of_arrays_is_elementwise():
    steps = backpropagation(parse("y = x * k; sum(y)"), {"x": [1, 2, 3], "k": 5})
    into_x, into_k = (e for e in steps.events if e.op == "mul")
    assert into_x.local.tolist() == [5, 5, 5]
    assert into_k.local.tolist() == [1, 2, 3]  # by entries of y, before they are summed
    assert (into_k.outgoing, into_k.total) == (6.0, 6.0)


def test_operation_that_mixes_entries_has_no_local_derivative():
    steps = backpropagation(parse("sum(w @ x)"), {"w": [[1, 2]], "x": [3, 4]})
    assert [e.local for e in steps.events] == [None] * 4
    assert steps.events[2].rule == "matmul.backward(%1.grad, %1, w, x)[0]"


def test_what_the_output_does_not_need_is_left_out():
    steps = backpropagation(parse("c = a*b; d = a + 1; e = 2*3; d * e"), {"a": 2, "b": 7})
    assert [e.text for e in steps.events][1:] == ["d.grad += %4.grad * e", "a.grad += d.grad"]
    assert len(steps.forward) == 4
    assert steps.gradients == {"a": 6.0, "b": 0.0}


def test_input_that_can_have_no_gradient_gets_none():
    """A condition chooses; no gradient goes back to what it was computed from."""
    steps = backpropagation(parse("c = x*2; where(c, x*3, y)"), {"x": 1, "y": 5})
    assert [(e.equation, e.argument, e.variable) for e in steps.events if e.op == "where"] == [
        (3, 1, "%2"),
        (3, 2, "y"),
    ]
    assert steps.gradients == {"x": 3.0, "y": 0.0}
    assert "c" not in {e.variable for e in steps.events}


@pytest.mark.parametrize(("source", "gradient"), [("x", {"x": 1.0}), ("x; 3", {"x": 0.0})])
def test_program_without_equations_is_its_seed(source, gradient):
    steps = backpropagation(parse(source), {"x": 4})
    assert [e.op for e in steps.events] == ["seed"]
    assert steps.gradients == gradient


def test_both_directions_stand_side_by_side():
    program = parse("c = a*a; unused = a + 1; d = c + 2")
    rows = backpropagation(program, {"a": 3}).listing()
    assert [(r.forward, r.backward, r.events) for r in rows] == [
        ("  1  c = a * a", ("a.grad += c.grad * a", "a.grad += c.grad * a"), (2, 3)),
        ("  2  unused = a + 1", (), ()),
        ("  3  d = c + 2", ("c.grad += d.grad",), (1,)),
        ("", ("d.grad = 1",), (0,)),
    ]
    assert "\n".join(r.forward for r in rows[:-1]) == program.forward_text()


def test_infinities_are_played_too():
    steps = backpropagation(parse("y = 1/x; y*0"), {"x": 0})
    assert math.isnan(steps.gradients["x"])
    assert steps.forward[0].value == math.inf


def test_longest_program_is_played_without_recursion():
    source = "y = x + 1\n" + "y = y*x\n" * 498
    steps = backpropagation(parse(source), {"x": 1.0})
    assert steps.gradients == {"x": 997.0}  # of x**498 * (x + 1)
    assert len(steps.events) == 1 + 2 * 498 + 1


def test_plugin_s_operation_is_played(vocabulary):
    program = parse("y = silu(x); y*y", vocabulary)
    steps = backpropagation(program, {"x": 0.7})
    assert same(steps.gradients["x"], program.evaluate({"x": 0.7}).gradients["x"])


@pytest.fixture(scope="module")
def vocabulary():
    return registry.load(entry_points=False)


def test_too_many_numbers_are_refused():
    program = parse("y = x + x\n" + "y = y + x\n" * 8 + "mean(y)", limits=Limits())
    with pytest.raises(InputError) as caught:
        backpropagation(program, {"x": [0.5] * 5000})
    assert caught.value.code == "too_many_elements"
    assert caught.value.position.line > 1


# -- slips -----------------------------------------------------------------------


def by_name(differences):
    return {d.name: (d.wrong, d.right) for d in differences}


@pytest.mark.parametrize("slip", SLIPS)
def test_slip_shows_on_a_shared_value(slip):
    """The shelf: each slip says what it teaches, and makes a difference where it can."""
    record = SLIPS[slip]
    assert record.code == slip
    assert record.teaches.endswith(".")
    steps = replay(parse(SHARED), {"a": 3}, slip)
    assert steps.slip is record
    wrong = by_name(steps.differences)
    assert wrong["a"][1] == 26.0
    assert wrong["a"][0] == steps.gradients["a"] != 26.0


@pytest.mark.parametrize("slip", SLIPS)
def test_slip_among_infinities_is_told_quietly(slip):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        steps = replay(parse("y = 1/x; sum(y*y - y)"), {"x": [0, 1e-200, 4]}, slip)
    wrong, right = by_name(steps.differences)["x"]
    assert wrong[2] != right[2] == 0.03125  # however large its neighbours are
    assert wrong[0] == right[0] == -math.inf or math.isnan(wrong[0])
    assert steps.non_finite.name == "y"


@pytest.mark.parametrize("slip", ["overwrite", "no_order"])
def test_slip_hides_where_nothing_is_used_twice(slip):
    assert replay(parse(NEURON), AT, slip).differences == ()


def test_overwriting_keeps_one_part():
    steps = replay(parse("b = a + a"), {"a": 3}, "overwrite")
    assert [e.text for e in steps.events] == ["b.grad = 1", "a.grad = b.grad", "a.grad = b.grad"]
    assert by_name(steps.differences) == {"a": (1.0, 2.0)}
    (reuse,) = steps.reuses
    assert (reuse.name, reuse.sum, reuse.kept) == ("a", 2.0, 1.0)
    assert [(u.event, u.equation, u.part) for u in reuse.uses] == [(1, 1, 1.0), (2, 1, 1.0)]


def test_overwriting_goes_on_with_what_was_kept():
    steps = replay(parse(SHARED), {"a": 3}, "overwrite")
    assert by_name(steps.differences) == {"b": (6.0, 13.0), "a": (12.0, 26.0)}
    assert [r.name for r in steps.reuses] == ["b"]


class Node:
    """An autograd as a beginner writes it: `backward` recurses and knows no order."""

    def __init__(self, value, inputs=(), locals_=()):
        self.value, self.inputs, self.locals, self.grad = value, inputs, locals_, 0.0

    def __add__(self, other):
        return Node(self.value + other.value, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Node(self.value * other.value, (self, other), (other.value, self.value))

    def tanh(self):
        y = math.tanh(self.value)
        return Node(y, (self,), (1 - y * y,))

    def backward(self):
        for child, slope in zip(self.inputs, self.locals, strict=True):
            child.grad += self.grad * slope
            child.backward()


TANGLED = {
    "square": ("b = a*c; b*b", lambda a, c: (lambda b: b * b)(a * c)),
    "diamond": (
        "b = a*c; d = b*a; e = b + c; d*e",
        lambda a, c: (lambda b: (b * a) * (b + c))(a * c),
    ),
    "two in a row": (
        "b = a + c; d = b*b; e = d.tanh(); f = e*d; f + b",
        lambda a, c: (lambda b: (lambda d: d.tanh() * d + b)(b * b))(a + c),
    ),
    "leaves only": ("a*c + a", lambda a, c: a * c + a),
}


@pytest.mark.parametrize(("source", "by_hand"), TANGLED.values(), ids=TANGLED)
def test_without_order_counts_as_a_recursion_does(source, by_hand):
    a, c = Node(0.7), Node(-1.3)
    output = by_hand(a, c)
    output.grad = 1.0
    output.backward()
    steps = replay(parse(source), {"a": 0.7, "c": -1.3}, "no_order")
    assert steps.gradients == pytest.approx({"a": a.grad, "c": c.grad}, rel=1e-12)
    assert_adds_up(steps)
    true = parse(source).evaluate({"a": 0.7, "c": -1.3}).gradients
    differ = any(abs(true[n] - steps.gradients[n]) > 1e-9 for n in true)
    assert bool(steps.differences) == differ == (steps.diamond is not None)


def test_another_order_of_adding_is_no_difference():
    """The parts of x arrive in another order, so that the last digit of their sum differs."""
    source, at = "a = x*0.1; b = x*0.2; c = x*0.3; a + (b + c)", {"x": 1.0}
    steps = replay(parse(source), at, "no_order")
    assert steps.gradients["x"] != backpropagation(parse(source), at).gradients["x"]
    assert steps.differences == ()
    assert steps.diamond is None


def test_smallest_diamond_is_found_with_its_visits():
    source = "b = a*3; c = b*2; d = b + 1; e = c*d; f = tanh(e); g = f*b"
    diamond = replay(parse(source), {"a": 0.1}, "no_order").diamond
    assert (diamond.top, diamond.shared, diamond.users) == ("e", "b", ("d", "c"))
    assert diamond.nodes == ("e", "d", "c", "b")
    assert [v.name for v in diamond.visits] == ["e", "c", "b", "d", "b"]
    first, second = (v for v in diamond.visits if v.name == "b")
    assert abs(second.gradient) > abs(first.gradient)  # the first part is sent on again


def test_diamond_may_lean_to_one_side():
    diamond = replay(parse("b = a*3; c = exp(b); b*c"), {"a": 1}, "no_order").diamond
    assert diamond.nodes == ("%3", "c", "b")
    assert set(diamond.users) == {"%3", "c"}


def test_traversal_that_doubles_is_refused():
    source = "y = x*1\n" + "y = y + y\n" * 40
    with pytest.raises(InputError) as caught:
        replay(parse(source), {"x": 1}, "no_order")
    assert caught.value.code == "too_many_steps"
    assert str(recorder.EVENTS) in str(caught.value)
    assert backpropagation(parse(source), {"x": 1}).gradients == {"x": 2.0**40}


def test_forgotten_zero_grad_doubles_as_the_engine_does():
    x = Value(0.3)
    y = (x * x).tanh() * x
    y.backward()
    once = x.grad
    y.backward()
    steps = replay(parse("y = tanh(x*x) * x"), {"x": 0.3}, "no_zero_grad")
    assert same(steps.gradients["x"], x.grad)
    assert by_name(steps.differences) == {"x": (2 * once, once)}
    assert [e.pass_number for e in steps.events if e.op == "seed"] == [1, 2]
    again = [dataclasses.replace(e, pass_number=1, index=0, total=0) for e in steps.events]
    assert again[: len(again) // 2] == again[len(again) // 2 :]  # but for inputs' totals


def test_forgotten_zero_grad_adds_up_over_passes():
    steps = replay(parse("x*x"), {"x": [[3.0]]}, "no_zero_grad", passes=5)
    assert steps.gradients["x"].tolist() == [[30.0]]
    assert steps.passes == 5
    assert_adds_up(dataclasses.replace(steps, events=[e for e in steps.events if e.op != "seed"]))
    assert replay(parse("x"), {"x": 3}, "no_zero_grad").gradients == {"x": 2.0}


def test_stale_graph_sends_old_gradients_once_more():
    """What a graph does whose computed nodes keep their gradients."""
    a = Node(0.5)
    b = a * a
    c = b.tanh()
    d = c * c
    for _ in range(3):
        a.grad, d.grad = 0.0, 1.0
        for node in (d, c, b):
            for child, slope in zip(node.inputs, node.locals, strict=True):
                child.grad += node.grad * slope
    steps = replay(parse("b = a*a; c = tanh(b); d = c*c"), {"a": 0.5}, "stale_graph", passes=3)
    assert steps.gradients["a"] == pytest.approx(a.grad, rel=1e-14)
    grown = {d.name: d.wrong / d.right for d in steps.differences}
    assert grown == pytest.approx({"a": 6.0, "b": 6.0, "c": 3.0})  # 1 + 2 + 3 below c


BAD = {
    "unknown slip": ("ovrwrite", None, "unknown_slip", "/slip"),
    "passes of a single pass": ("overwrite", 2, "wrong_passes", "/passes"),
    "one pass": ("no_zero_grad", 1, "wrong_passes", "/passes"),
    "many passes": ("stale_graph", 21, "wrong_passes", "/passes"),
}


@pytest.mark.parametrize(("slip", "passes", "code", "pointer"), BAD.values(), ids=BAD)
def test_wrong_question_says_how_to_mend_it(slip, passes, code, pointer):
    with pytest.raises(InputError) as caught:
        replay(parse("x*x"), {"x": 1}, slip, passes)
    assert (caught.value.code, caught.value.pointer) == (code, pointer)
    assert caught.value.hint


def test_array_output_is_refused():
    with pytest.raises(InputError, match="needs one number"):
        backpropagation(parse("x*x"), {"x": [1, 2]})
