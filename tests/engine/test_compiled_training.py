"""The compiled loop against training by the ops' own rules, one step at a time."""

from __future__ import annotations

import itertools
from types import MappingProxyType

import numpy as np
import pytest

from engine import InputError
from engine.losses import LOSSES
from engine.nn import activations
from engine.op import op
from engine.optim import OPTIMIZERS
from engine.registry import Vocabulary, builtins, load
from engine.schedules import SCHEDULES
from engine.training import TrainConfig, Trainer, train
from engine.training.checkpoint import Checkpoint
from engine.training.compiled import Descent

SHELF = load(entry_points=False)
MOONS = {
    "model": {"nouts": [6, 5, 1], "activation": "tanh"},
    "data": {"dataset": "moons", "n": 23, "noise": 0.1, "seed": 1},
    "loss": "hinge",
    "steps": 12,
}
SPIRAL = {
    "model": {"nouts": [7, 3], "activation": "softplus"},
    "data": {"dataset": "spiral", "classes": 3, "n": 30},
    "loss": "softmax_cross_entropy",
    "steps": 12,
}
WAYS = {
    "whole": {},
    "shuffled": {"batch_size": 4},
    "in order": {"batch_size": 4, "shuffle": False},
    "l2": {"l2": 0.01},
    "gathered": {"zero_grad": False, "optimizer": {"learning_rate": 0.001}},
    "gathered, with l2": {"zero_grad": False, "l2": 0.01, "optimizer": {"learning_rate": 0.001}},
    "momentum": {"optimizer": {"kind": "sgd", "momentum": 0.9}, "batch_size": 5},
}


def config(given, vocabulary=None, **changes):
    return TrainConfig.from_dict({**given, **changes}, vocabulary)


def assert_same_run(given: TrainConfig, vocabulary: Vocabulary | None = None) -> None:
    """Series and final state of both, to 1e-9."""
    trainer, rows = Trainer(given, vocabulary), []
    with np.errstate(all="ignore"):
        while trainer.left:
            rows.append(trainer.step())
    blocks = list(train(given, vocabulary, block_steps=5))
    for name in rows[0]:
        found = np.concatenate([block.series[name] for block in blocks])
        wanted = np.array([row[name] for row in rows])
        assert found == pytest.approx(wanted, rel=1e-9, nan_ok=True), name
    last = Checkpoint.from_bytes(blocks[-1].checkpoint, trainer.identity)
    wanted_state = trainer.checkpoint()
    assert last.arrays.keys() == wanted_state.arrays.keys()
    assert (last.next_step, last.diverged) == (wanted_state.next_step, wanted_state.diverged)
    for name, array in wanted_state.arrays.items():
        assert last.arrays[name] == pytest.approx(array, rel=1e-8, abs=1e-11), name


@pytest.mark.parametrize("changes", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("given", [MOONS, SPIRAL], ids=["moons", "spiral"])
def test_each_way_to_train_is_the_same_compiled(given, changes):
    assert_same_run(config(given, **changes))


@pytest.mark.parametrize(("kind", "schedule"), [*itertools.product(OPTIMIZERS, SCHEDULES)])
def test_each_optimizer_and_schedule_is_the_same_compiled(kind, schedule):
    chosen = {"optimizer": {"kind": kind}, "schedule": {"kind": schedule}}
    assert_same_run(config(MOONS, **chosen, batch_size=6))


@pytest.mark.parametrize("loss", LOSSES)
def test_each_loss_is_the_same_compiled(loss):
    classes = loss == "softmax_cross_entropy"
    model = {"nouts": [5, 2 if classes else 1], "activation": "sigmoid"}
    assert_same_run(config(MOONS, loss=loss, model=model))


@pytest.mark.parametrize("activation", activations(SHELF))
def test_each_activation_is_the_same_compiled(activation):
    model = {"nouts": [5, 1], "activation": activation, "output_activation": "linear"}
    small = {"learning_rate": 1e-6}  # tan, near its poles, makes much of the least difference
    given = config(MOONS, SHELF, model=model, loss="mean_squared_error", optimizer=small)
    assert_same_run(given, SHELF)


def test_several_outputs_per_sample_are_the_same_compiled():
    data = {"xs": [[1, 2], [3, -4], [0.5, 0]], "ys": [[1, 0], [0, 1], [0.5, 0.25]]}
    assert_same_run(config({"model": {"nouts": [3, 2]}, "data": data, "steps": 20}))


def test_one_neuron_and_one_sample_are_the_same_compiled():
    data = {"xs": [[1.5]], "ys": [0.5]}
    assert_same_run(config({"model": {"nouts": [1]}, "data": data, "steps": 5}))


def test_activation_that_only_python_knows_is_the_same_compiled():
    clipped = op(
        "clipped",
        lambda x: np.clip(x, -1, 1),
        lambda g, y, x: g * ((x > -1) & (x < 1)),
        doc="x, but at most 1 in size.",
    )
    assert clipped.python_only
    ops = {**builtins().ops, "clipped": clipped}
    vocabulary = Vocabulary(MappingProxyType(ops))
    model = {"nouts": [6, 5, 1], "activation": "clipped"}
    for changes in WAYS.values():
        assert_same_run(config(MOONS, vocabulary, model=model, **changes), vocabulary)


def test_run_knows_the_vocabulary_of_its_configuration():
    given = config(MOONS, SHELF, model={"nouts": [3, 1], "activation": "silu"})
    assert next(train(given)).checkpoint == next(train(given, SHELF)).checkpoint


def test_gradient_that_was_not_finite_is_named():
    wild = config(
        {"optimizer": {"learning_rate": 5.0}, "batch_size": 3, "shuffle": False},
        model={"activation": "exp"},
    )
    *_, last = train(wild)
    assert last.reason is not None
    assert last.reason.endswith("step 1 had a gradient that is not finite")


def test_batches_in_order_follow_each_other():
    data = {"xs": [[1.0], [2.0], [3.0], [4.0], [5.0]], "ys": [1, 1, 1, 1, 1]}
    given = {"model": {"nouts": [1], "activation": "linear"}, "data": data, "batch_size": 2}
    trainer = Trainer(config(given, shuffle=False))
    seen = [trainer.batches.at(k)[0].data.ravel().tolist() for k in range(4)]
    assert seen == [[1, 2], [3, 4], [1, 2], [3, 4]]


def test_run_starts_from_the_parameters_given():
    first = next(train(config({"steps": 1})))
    weights = {"layers.0.weight": np.zeros((4, 3)), "layers.0.bias": np.zeros(4)}
    other = next(train(config({"steps": 1}), parameters=weights))
    assert other.series["loss"][0] != first.series["loss"][0]
    for wrong in ({"layers.9.weight": 1.0}, {"layers.0.weight": np.zeros((3, 4))}):
        with pytest.raises(InputError):
            train(config({"steps": 1}), parameters=wrong)


def test_divergence_names_the_step_and_the_equation():
    wild = config(
        {},
        data={"xs": [[1e200], [2.0]], "ys": [1.0, 1.0]},
        model={"nouts": [4, 1], "activation": "linear"},
    )
    [block] = train(wild)
    assert block.diverged
    assert block.reason == "step 0: sum_squared_error(prediction, ys) is inf"


def test_overflow_of_a_layer_is_named():
    data = {"xs": [[1e5], [-1e5]], "ys": [1.0, 1.0]}
    [block] = train(config({}, data=data, model={"nouts": [1], "activation": "exp"}, seed=3))
    assert block.reason == "step 0: exp(%3) is inf at [1, 0]"


def test_parameter_that_left_float64_is_named():
    wild = config(
        {"optimizer": {"learning_rate": 1e6}}, model={"nouts": [3, 1], "activation": "exp"}
    )
    *_, last = train(wild)
    step = last.first_step + len(last) - 1
    assert last.reason is not None
    assert last.reason.startswith(f"step {step}: layers.")
    assert f" any more; step {step - 1} " in last.reason


@pytest.mark.parametrize("nouts", [[4, 4, 1], [100, 100, 1], [300, 300, 1]])
def test_blocks_are_some_hundredths_of_a_second(nouts):
    """By the estimate: 8 operations in a nanosecond."""
    data = {"dataset": "moons", "n": 1000}
    descent = Descent(config({"model": {"nouts": nouts}, "data": data, "loss": "hinge"}))
    parameters = descent.config.model.parameters
    assert 1 <= descent.block_steps <= max(1, 50e6 / (6 * 1000 * parameters / 8))


def test_state_taken_between_blocks_stays_as_it_was():
    blocks = list(train(config({"steps": 30}), block_steps=10))
    again = list(train(config({"steps": 30}), block_steps=10))
    assert [b.checkpoint for b in reversed(blocks)] == [b.checkpoint for b in reversed(again)]
