"""The autopsy: each mistake of a training loop is found by its numbers, and good runs are left
alone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engine import InputError, Value
from engine.autopsy import (
    DETECTORS,
    Curvature,
    Overflow,
    Record,
    Step,
    Task,
    Trial,
    autopsy,
    chance_loss,
    dead_shares,
    examine_record,
    lowest_loss,
    record,
    saturated_shares,
)
from engine.autopsy.curvature import largest_curvature
from engine.mistakes import TRAINING
from engine.training import TrainConfig, Trainer, steps

RELU = {"nouts": [16, 16, 1], "activation": "relu", "output_activation": "linear"}
MOONS = {
    "model": RELU,
    "data": {"dataset": "moons", "n": 100, "noise": 0.1, "seed": 1},
    "loss": "hinge",
    "optimizer": {"kind": "sgd", "learning_rate": 1.0},
    "schedule": {"kind": "linear", "end": 0.1},
    "steps": 100,
    "l2": 1e-4,
}
LINE = {
    "model": {"nouts": [1], "activation": "linear"},
    "data": {"dataset": "linear"},
    "loss": "mean_squared_error",
    "optimizer": {"kind": "sgd", "learning_rate": 0.1},
}
SPIRAL = {
    "model": {"nouts": [16, 3]},
    "data": {"dataset": "spiral", "classes": 3, "n": 90},
    "loss": "softmax_cross_entropy",
    "optimizer": {"kind": "adam", "learning_rate": 0.02},
    "batch_size": 30,
}
LECTURE_XS = [[2, 3, -1], [3, -1, 0.5], [0.5, 1, 1], [1, 1, -1]]
LARGE_XS = [[100 * x for x in row] for row in LECTURE_XS]

TURNS = ("zero_grad", "forward", "loss", "backward", "update")


def config(given=None, **changes):
    return TrainConfig.from_dict({**(given or {}), **changes})


def sgd(rate, **more):
    return {"kind": "sgd", "learning_rate": rate, **more}


def codes(diagnoses):
    return [diagnosis.mistake for diagnosis in diagnoses]


# --- somebody's own training loop: a line through points, in plain numpy --------------------------


def homework(count=8, rate=0.1, zero=True, order="right", sign=-1.0, frozen=(), dtype=np.float64):
    """The record of a hand-written loop that fits y = w x + b, with a mistake if asked for."""
    xs = np.linspace(-1, 2, 12, dtype=dtype)
    ys = (0.7 * xs - 0.2).astype(dtype)
    p = {"w": np.array([2.0], dtype), "b": np.array(1.0, dtype)}
    grad = {name: np.zeros_like(array) for name, array in p.items()}
    steps = []
    for _ in range(count):
        before = {name: array.copy() for name, array in p.items()}
        gap = p["w"] * xs + p["b"] - ys
        fresh = {"w": np.array([2 * np.mean(gap * xs)], dtype), "b": np.mean(2 * gap)}
        if order == "late":
            move(p, grad, rate, sign, frozen)
        for name in p:
            grad[name] = fresh[name] + (0 if zero else grad[name])
        steps.append(Step(before, dict(grad), float(np.mean(gap**2)), rate, fresh))
        if order == "right":
            move(p, grad, rate, sign, frozen)
    return Record(tuple(steps))


def move(p, grad, rate, sign, frozen):
    for name in p:
        if name not in frozen:
            p[name] = p[name] + np.asarray(sign * rate, p[name].dtype) * grad[name]


class Node:
    """A scalar with micrograd's backward: every gradient is added to, none is ever reset."""

    def __init__(self, data, *parts):
        self.data, self.parts, self.grad = data, parts, 0.0

    def backward(self):
        order = []
        visit(self, order)
        self.grad = 1.0
        for node in reversed(order):
            for child, local in node.parts:
                child.grad += local * node.grad


def visit(node, order):
    for child, _ in node.parts:
        visit(child, order)
    order.append(node)


def two_passes():
    """Two backward passes over (w x - 1)², with only w zeroed between."""
    w = Node(3.0)
    product = Node(2.0 * w.data, (w, 2.0))
    gap = Node(product.data - 1, (product, 1.0))
    loss = Node(gap.data**2, (gap, 2 * gap.data))
    found = []
    for _ in range(2):
        w.grad = 0.0
        loss.backward()
        found.append({"w": w.grad})
    return Record((Step({"w": 3.0}, found[0], loss.data, again=found[1]),))


def zeroed(given, *names):
    """The starting values of a configured run with those of these layers at zero."""
    start = record(config(given), steps=2).steps[0].parameters
    return {name: 0 * array for name, array in start.items() if name.startswith(names)}


def overflowing():
    """Softmax written without subtracting the largest score."""
    scores = np.array([[1.0, 800.0]])
    with np.errstate(over="ignore", invalid="ignore"):
        powers = np.exp(scores)
        outputs = {"scores": scores, "exp": powers, "softmax": powers / powers.sum()}
    good = Step({"w": [1.0]}, {"w": [0.5]}, 0.7)
    return Record((good, Step({"w": [800.0]}, {"w": [math.nan]}, math.nan, outputs=outputs)))


PLANTED = {
    "forgotten_zero_grad": (
        lambda: autopsy(config(zero_grad=False), probe_steps=10),
        (
            "The gradient at step 2 is the running sum g0 + g1 + g2: its length is 16.5, "
            "that of g2 alone 0.624"
        ),
    ),
    "stale_graph": (
        lambda: examine_record(two_passes()),
        "gives w a gradient of length 60 where the first gave 20, 3 times as long",
    ),
    "update_before_backward": (
        lambda: examine_record(homework(order="late")),
        "Step 2 moved the parameters by -learning rate times the gradient of step 1",
    ),
    "ascent": (
        lambda: autopsy(config(optimizer=sgd(-0.05))),
        (
            "59 of 59 steps went along the gradient, uphill (cosine of the angle 1.00; downhill is "
            "-1), and the loss rose from 9.89 to 16: the learning rate is -0.05"
        ),
    ),
    "never_updated": (
        lambda: examine_record(homework(frozen=("b",))),
        (
            "1 of 2 parameters never changed in 7 steps although their gradients do not vanish "
            "(lengths at the first step: b 3.7)"
        ),
    ),
    "equal_weights": (
        lambda: autopsy(config(), probe_steps=5, start=zeroed({}, "layers")),
        "All 4 neurons of layers.0.weight start with the same weights and get the same gradient",
    ),
    "step_too_large": (
        lambda: autopsy(config(LINE, optimizer=sgd(1.02))),
        (
            "Your cliff is 2/λ = 1, for the curvature λ is 2 at step 0; you used 1.02, and the "
            "loss rose from 0.186 to 18.7; with 0.5 it is 0.00193"
        ),
    ),
    "step_too_small": (
        lambda: autopsy(config(LINE, optimizer=sgd(1e-4))),
        (
            "at this rate it takes 2,538 steps, and the run has 200. Try 0.5, which brings it to "
            "0.00193 where yours is at 0.181 after 59 steps"
        ),
    ),
    "targets_out_of_range": (
        lambda: autopsy(config(data={"xs": LECTURE_XS, "ys": [3, -1, -1, 12]}), probe_steps=5),
        (
            "2 of 4 targets cannot be reached: tanh gives numbers from -1 to 1, and the targets go "
            "from -1 to 12. The loss cannot fall below 125"
        ),
    ),
    "dead_relu": (
        lambda: autopsy(config(MOONS), start={"layers.0.bias": np.full(16, -9.0)}),
        "100% of the relu neurons of layers.0 give 0 for every sample",
    ),
    "saturated": (
        lambda: autopsy(
            config(data={"xs": (100 * np.array(LECTURE_XS)).tolist(), "ys": [1, -1, -1, 1]})
        ),
        "100% of the outputs of layers.0 lie so near the ends of tanh that its slope is below 1%",
    ),
    "loss_at_chance": (
        lambda: autopsy(config(SPIRAL), start=zeroed(SPIRAL, "layers")),
        (
            "After 59 steps the loss is 1.1, what guessing has (1.1): the network gives every "
            "sample the same answer"
        ),
    ),
    "non_finite_training": (
        lambda: autopsy(config(LINE, optimizer=sgd(1e4))),
        (
            "Step 36 is the first with a number that is not finite: mean_squared_error in loss, "
            "where its largest input is 2.93e+154"
        ),
    ),
}


def test_shelf_of_detectors_is_that_of_mistakes():
    assert [detector.__name__ for detector in DETECTORS] == [m.code for m in TRAINING]
    assert {detector.__name__ for detector in DETECTORS} == set(PLANTED)


@pytest.mark.parametrize("mistake", PLANTED)
def test_planted_mistake_is_found_with_its_sentence(mistake):
    find, sentence = PLANTED[mistake]
    found = {diagnosis.mistake: diagnosis for diagnosis in find()}
    assert mistake in found
    assert sentence in found[mistake].explanation
    assert found[mistake].numbers
    assert all(map(math.isfinite, found[mistake].numbers.values()))
    assert 0 < found[mistake].explains <= found[mistake].of


GOOD = {
    "lecture": {},
    "moons": MOONS,
    "momentum": {**MOONS, "optimizer": sgd(0.1, momentum=0.9)},
    "line": LINE,
    "spiral": SPIRAL,
}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("seed", range(2))
def test_good_run_is_accused_of_nothing(name, seed):
    assert autopsy(config(GOOD[name], seed=seed)) == ()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("rate", [0.3, 0.1, 0.003])
def test_good_homework_is_accused_of_nothing(dtype, rate):
    good = replace(homework(dtype=dtype, rate=rate), events=TURNS * 8)
    assert examine_record(good) == ()


# --- each mistake alone -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mistake", "planted"),
    [
        ("forgotten_zero_grad", {"zero": False}),
        ("update_before_backward", {"order": "late"}),
        ("ascent", {"sign": 1.0}),
        ("never_updated", {"frozen": ("w",)}),
        ("step_too_large", {"rate": 0.9}),
        ("step_too_small", {"rate": 1e-5}),
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_homework_with_one_mistake_is_told_that_one(mistake, planted, dtype):
    assert codes(examine_record(homework(dtype=dtype, **planted))) == [mistake]


def test_sum_is_seen_although_the_loss_ends_lower():
    kept = record(config(zero_grad=False))
    assert kept.losses[-1] < kept.losses[0]
    assert codes(examine_record(kept)) == ["forgotten_zero_grad"]


def test_sum_of_one_parameter_names_it():
    good, bad = homework(), homework(zero=False)
    steps = [
        replace(a, gradients={**a.gradients, "b": sum(s.fresh["b"] for s in good.steps[: k + 1])})
        for k, a in enumerate(good.steps)
    ]
    found = examine_record(Record(tuple(replace(s, learning_rate=None) for s in steps)))
    assert [(d.mistake, d.place.variable) for d in found if d.place] == [
        ("forgotten_zero_grad", "b")
    ]
    assert examine_record(bad)[0].place is None


@pytest.mark.parametrize(("slip", "seen"), [(2e-6, True), (2e-2, False)])
def test_sum_is_seen_through_rounding_alone(slip, seen):
    """float32 gives a slightly other gradient when it adds in another order."""
    kept = homework(zero=False)
    steps = [
        replace(s, fresh={n: g * (1 + slip) for n, g in s.fresh.items()}, learning_rate=None)
        for s in kept.steps
    ]
    assert ("forgotten_zero_grad" in codes(examine_record(Record(tuple(steps))))) == seen


def test_second_pass_of_our_own_engine_is_the_same():
    first = record(config(), steps=2).steps[0]
    assert all(np.array_equal(first.again[name], first.fresh[name]) for name in first.fresh)


def test_gradient_of_wrong_sign_is_ascent():
    good = homework(sign=1.0)
    flipped = [replace(s, gradients={n: -g for n, g in s.gradients.items()}) for s in good.steps]
    found = examine_record(replace(good, steps=tuple(flipped)))
    assert codes(found) == ["ascent"]
    assert "minus the gradient of the loss (cosine -1.00)" in found[0].explanation


def test_parameter_without_slope_may_stay():
    kept = homework(frozen=("b",))
    steps = [
        replace(s, gradients={**s.gradients, "b": 0.0}, fresh={**s.fresh, "b": 0.0})
        for s in kept.steps
    ]
    assert examine_record(Record(tuple(steps))) == ()


@pytest.mark.parametrize(
    ("turn", "told"),
    [
        (("zero_grad", "forward", "loss", "update", "backward"), "between a forward pass and its"),
        (("zero_grad", "forward", "update", "loss", "backward"), "between a forward pass and its"),
        (("forward", "loss", "backward", "zero_grad", "update"), "every gradient is zero"),
        (("update", "zero_grad", "forward", "backward"), "without a backward pass since"),
    ],
)
def test_events_out_of_turn_are_replayed(turn, told):
    (found,) = examine_record(Record(events=turn * 3))
    assert found.mistake == "update_before_backward"
    assert told in found.explanation


@pytest.mark.parametrize(
    "turn",
    [
        TURNS,
        ("forward", "loss", "zero_grad", "backward", "update"),
        ("forward", "backward", "update", "zero_grad"),
        ("backward", "update"),  # a framework of functions needs no zeroing
        ("zero_grad", "forward", "backward", "forward", "backward", "update"),  # two half batches
        ("zero_grad", "forward", "backward", "forward", "loss", "update"),  # a validation between
    ],
)
def test_events_in_a_fair_order_are_left_alone(turn):
    assert examine_record(Record(events=turn * 3)) == ()


def test_events_with_zeroing_only_once_tell_of_the_sum():
    (found,) = examine_record(Record(events=(*TURNS, *TURNS[1:], *TURNS[1:])))
    assert found.mistake == "forgotten_zero_grad"
    assert found.numbers == {"without": 2, "passes": 2}


@pytest.mark.parametrize("share", [0.98, 1.02])
def test_cliff_lies_between_just_below_and_just_above(share):
    """The curvature of the mean squared error of a line through centred points is 2."""
    for momentum in (0.0, 0.5):
        rate = share * 2 * (1 + momentum) / 2
        found = autopsy(config(LINE, optimizer=sgd(rate, momentum=momentum)), probe_steps=100)
        assert codes(found) == (["step_too_large"] if share > 1 else [])
        assert all(d.numbers["cliff"] == pytest.approx(1 + momentum, rel=0.01) for d in found)


def test_curvature_equals_that_of_differences():
    given = config(model={"nouts": [3, 1]}, steps=2, seed=3)
    kept = record(given)
    trainer = Trainer(given)
    for name, parameter in trainer.model.named_parameters().items():
        parameter.data[...] = kept.steps[kept.curvature.step].parameters[name]
    hessian = hessian_by_differences(trainer)
    largest = float(np.linalg.eigvalsh(hessian)[-1])
    assert kept.curvature.largest == pytest.approx(largest, rel=1e-2)
    assert kept.curvature.largest <= largest * (1 + 1e-6)


def test_curvature_is_that_of_a_batch():
    """A sum of squared errors of 10 samples of a line bends by 2 for each."""
    given = config(LINE, loss="sum_squared_error", batch_size=10, optimizer=sgd(0.01))
    assert record(given, steps=2).curvature.largest == pytest.approx(20, rel=0.01)


def hessian_by_differences(trainer, h=1e-5):
    """The Hessian from central differences of gradients, one row for each number."""
    rows = []
    for parameter in trainer.parameters:
        for index in np.ndindex(parameter.shape):
            sides = []
            for side in (h, -h):
                parameter.data[index] += side
                trainer.model.zero_grad()
                trainer.loss(
                    trainer.model.forward(trainer.batches.xs), trainer.batches.ys
                ).backward()
                sides.append(np.concatenate([p.grad.ravel() for p in trainer.parameters]))
                parameter.data[index] -= side
            rows.append((sides[0] - sides[1]) / (2 * h))
    return (np.array(rows) + np.array(rows).T) / 2


def test_negative_curvature_does_not_hide_the_positive():
    x = Value(np.array([1.0, 2.0]))
    for saddle, largest in ((x[0] * x[0] - 4 * x[1] * x[1], 2.0), (x[0] * x[1] * 3, 3.0)):
        found = largest_curvature(saddle, [x], np.random.default_rng(1), rounds=200)
        assert found == pytest.approx(largest, rel=1e-2)


@pytest.mark.parametrize(("loss", "accused"), [(0.01, True), (90.0, False)])
def test_rate_beyond_the_cliff_is_too_large_only_if_a_smaller_one_helps(loss, accused):
    kept = replace(homework(rate=0.9), trials=(Trial(0.3, loss),))
    assert codes(examine_record(kept)) == (["step_too_large"] if accused else [])


def test_bounce_of_adam_is_no_rise():
    """There is no cliff to compare with, and it ends lower than it began."""
    bouncing = homework(count=4)
    steps = tuple(replace(s, loss=x) for s, x in zip(bouncing.steps, (4, 1, 2, 3), strict=True))
    kept = replace(bouncing, steps=steps, optimizer="adam", trials=(Trial(0.01, 0.1),))
    assert examine_record(kept) == ()


@pytest.mark.parametrize(
    ("planned", "better", "accused"), [(20, 0.4, True), (20, 0.85, False), (100, 0.4, False)]
)
def test_slow_rate_is_too_small_only_if_a_larger_one_helps(planned, better, accused):
    """The loss falls from 1 to 0.95 in 7 steps, so it would take 140."""
    slow = homework(rate=1e-5)
    losses = np.linspace(1, 0.95, 8)
    steps = tuple(replace(s, loss=loss) for s, loss in zip(slow.steps, losses, strict=True))
    kept = replace(slow, steps=steps, planned=planned, trials=(Trial(0.1, better),))
    assert codes(examine_record(kept)) == (["step_too_small"] if accused else [])


def test_rate_of_zero_is_told():
    (found,) = autopsy(config(optimizer=sgd(0.0)), probe_steps=3)
    assert found.explanation == "The learning rate is 0, so the loss stays at 9.89 for ever."


def test_copies_along_the_other_axis_are_seen():
    weights, slope = np.ones((3, 2)), np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    step = Step({"kernel": weights}, {"kernel": slope})
    assert examine_record(Record((step,))) == ()
    assert codes(examine_record(Record((step,), neuron_axis=1))) == ["equal_weights"]


def test_head_of_zeros_is_no_copy():
    assert "equal_weights" not in codes(
        autopsy(config(SPIRAL), probe_steps=5, start=zeroed(SPIRAL, "layers.1"))
    )


def test_scores_squashed_twice_have_a_floor():
    model = {"nouts": [4, 1], "output_activation": "sigmoid"}
    given = {"data": {"dataset": "xor"}, "loss": "binary_cross_entropy", "model": model}
    found = autopsy(config(given), probe_steps=3)[0]
    floor = (math.log(2) + math.log1p(math.exp(-1))) / 2
    assert found.mistake == "targets_out_of_range"
    assert found.numbers["floor"] == pytest.approx(floor)
    assert "Take a linear output" in found.explanation


@pytest.mark.parametrize(
    ("loss", "targets", "outputs", "chance"),
    [
        ("softmax_cross_entropy", [0, 1, 2, 3], 4, math.log(4)),
        ("binary_cross_entropy", [0, 1, 1, 1], 1, -0.25 * math.log(0.25) - 0.75 * math.log(0.75)),
        ("hinge", [-1, 1, 1, 1], 1, 0.5),
        ("sum_squared_error", [-1, 1, 1, -1], 1, 4.0),
        ("mean_absolute_error", [0, 0, 3], 1, 1.0),
    ],
)
def test_guessing_has_the_loss_of_the_best_constant(loss, targets, outputs, chance):
    task = Task(loss, np.array(targets, dtype=float), outputs, "linear")
    assert chance_loss(task) == pytest.approx(chance)
    assert lowest_loss(task) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("spread", "accused"), [(0.01, True), (0.1, False)])
def test_answers_that_differ_are_no_guess(spread, accused):
    """Both have guessing's loss, 1 and a little, but one network tells samples apart."""
    outputs = spread * np.array([1.0, -1.0, 1.0, -1.0])
    step = Step({"w": 1.0}, {"w": 0.1}, 1.0, outputs={"out": outputs})
    task = Task("mean_squared_error", [1, 1, -1, -1], 1, "linear")
    found = examine_record(Record((step,) * 60, task=task))
    assert codes(found) == (["loss_at_chance"] if accused else [])


def test_first_value_that_is_not_finite_is_named_with_its_stable_form():
    (found,) = examine_record(overflowing())
    assert found.place.variable == "exp"
    assert "subtract the largest input first, as logsumexp does" in found.explanation


def test_neuron_is_dead_only_if_no_sample_wakes_it():
    outputs = {"hidden": np.array([[0.0, 1.0], [0.0, 0.0], [0.0, 0.0]])}
    step = Step({"w": [1.0]}, {"w": [0.1]}, outputs=outputs)
    assert dead_shares(Record((step,), activations={"hidden": "relu"})) == {"hidden": 0.5}
    assert dead_shares(Record((step,), activations={"hidden": "tanh"})) == {}


def test_shares_of_every_layer_are_there_for_a_chart():
    kept = record(config(MOONS), steps=5)
    assert set(dead_shares(kept)) == {"layers.0", "layers.1"}
    assert saturated_shares(kept) == {}
    assert set(saturated_shares(record(config(), steps=5))) == {"layers.0", "layers.1", "layers.2"}


# --- the record itself ----------------------------------------------------------------------------


def test_same_run_gives_the_same_autopsy():
    given = config(LINE, optimizer=sgd(1.02))
    assert autopsy(given) == autopsy(given)


def test_fresh_gradient_is_that_of_the_batch_with_its_decay():
    for step in record(config(SPIRAL, l2=0.1), steps=5).steps:
        for name, used in step.gradients.items():
            np.testing.assert_allclose(step.fresh[name], used, rtol=1e-9, atol=1e-12)


def test_probe_is_the_run_it_looks_at():
    kept = record(config(MOONS), steps=20)
    run = [row["loss"] for row, _ in zip(steps(config(MOONS)), range(20), strict=False)]
    assert [step.loss for step in kept.steps] == pytest.approx(run, rel=1e-9)


def test_large_network_is_probed_for_fewer_steps():
    wide = config(model={"nouts": [250, 250, 1]}, data={"dataset": "moons", "n": 4})
    assert 2 <= len(record(wide).steps) < 20


LINED = homework(rate=0.9)


@pytest.mark.parametrize(
    ("broken", "pointer"),
    [
        (Record(), ""),
        (Record(events=("forward", "backwards")), "/events/1"),
        (Record((Step({"w": [1]}, {"v": [1]}),)), "/steps/0/gradients"),
        (Record((Step({"w": [1, 2]}, {"w": [1]}),)), "/steps/0/gradients/w"),
        (Record((Step({"w": ["a"]}, {"w": [1]}),)), "/steps/0/parameters/w"),
        (Record((Step({"w": 1}, {"w": 1}, loss="low"),)), "/steps/0/loss"),
        (Record((Step({"w": 1}, {"w": 1}), Step({"v": 1}, {"v": 1}))), "/steps/1/parameters"),
        (Record((Step({"w": 1}, {"w": 1}),), task=Task("hinj", [1], 1, "linear")), "/task/loss"),
        (Record((Step({"w": 1}, {"w": 1}),), task=Task("hinge", [2], 1, "tanh")), "/task/targets"),
        (Record(({"parameters": {"w": 1}},)), "/steps/0"),
        (Record((Step({"w": [10**400]}, {"w": [1]}),)), "/steps/0/parameters/w"),
        (Record((Step({"w": 1}, {"w": 1}, loss=10**400),)), "/steps/0/loss"),
        (Record((Step({"w": 1}, {"w": 1}, outputs={"h": []}),)), "/steps/0/outputs/h"),
        (Record((Step({"w": 1}, {"w": 1}, outputs={"h": np.ones((0, 3))}),)), "/steps/0/outputs/h"),
        (replace(LINED, momentum=1), "/momentum"),
        (replace(LINED, momentum=-0.1), "/momentum"),
        (replace(LINED, momentum=math.nan), "/momentum"),
        (replace(LINED, momentum="x"), "/momentum"),
        (replace(LINED, curvature=Curvature(2.0, 8)), "/curvature/step"),
        (replace(LINED, curvature=Curvature(2.0, -1)), "/curvature/step"),
        (replace(LINED, curvature=Curvature("2", None)), "/curvature/step"),
        (replace(LINED, curvature=Curvature("much", 0)), "/curvature/largest"),
        (replace(LINED, curvature=Curvature(math.inf, 0)), "/curvature/largest"),
        (replace(LINED, curvature=2.0), "/curvature"),
        (replace(LINED, planned="x"), "/planned"),
        (replace(LINED, planned=0.5), "/planned"),
        (replace(LINED, planned=math.inf), "/planned"),
        (replace(LINED, overflow="exp"), "/overflow"),
        (replace(LINED, overflow=Overflow("exp", "out", None)), "/overflow/largest_input"),
        (Record(events=("forward",), curvature=Curvature(2.0, 0)), "/curvature/step"),
        (replace(LINED, trials=((0.1, 1.0),)), "/trials/0"),
        (replace(LINED, trials=(Trial(0.1, 1.0), Trial(0.1, None))), "/trials/1/loss"),
        (replace(LINED, task={"loss": "hinge"}), "/task"),
    ],
)
def test_record_that_does_not_hold_together_is_refused(broken, pointer):
    with pytest.raises(InputError) as refused:
        examine_record(broken)
    assert (refused.value.code, refused.value.pointer) == ("invalid_record", pointer)


def test_curvature_may_be_that_of_the_step_that_broke():
    """The step is in the record, though not among those before the first infinite number."""
    *good, last = LINED.steps
    broken = replace(LINED, steps=(*good, replace(last, loss=math.inf)))
    found = examine_record(replace(broken, curvature=Curvature(9.0, len(good))))
    assert codes(found) == ["step_too_large", "non_finite_training"]
    assert found[0].numbers["cliff"] == pytest.approx(2 / 9)


def test_start_of_another_shape_is_refused():
    with pytest.raises(InputError, match=r"layers\.0\.bias has shape \(4,\), not \(3,\)"):
        autopsy(config(), start={"layers.0.bias": [1, 2, 3]})
