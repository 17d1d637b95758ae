"""Training runs: the lecture's and micrograd's results, and the same bytes however they are cut."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from engine import ConfigError, InputError, Value
from engine.datasets import DATASETS
from engine.losses import LOSSES
from engine.nn import MLP
from engine.op import op
from engine.registry import Vocabulary, builtins
from engine.training import Batches, TrainConfig, Trainer, steps, train, trained_model
from engine.training.checkpoint import Checkpoint

ROOT = Path(__file__).parents[2]

MOONS = {
    "model": {"nouts": [16, 16, 1], "activation": "relu", "output_activation": "linear"},
    "data": {"dataset": "moons", "n": 100, "noise": 0.1, "seed": 1},
    "loss": "hinge",
    "optimizer": {"kind": "sgd", "learning_rate": 1.0},
    "schedule": {"kind": "linear", "end": 0.1},
    "steps": 100,
    "l2": 1e-4,
}
UNBOUNDED = {"nouts": [4, 1], "activation": "linear"}
VARIED = {
    "model": {"nouts": [8, 3]},
    "data": {"dataset": "spiral", "classes": 3, "n": 50},
    "loss": "softmax_cross_entropy",
    "optimizer": {"kind": "adam", "learning_rate": 0.02},
    "schedule": {"kind": "cosine"},
    "steps": 60,
    "batch_size": 8,
    "l2": 1e-3,
    "zero_grad": False,
}


def config(given=None, **changes):
    return TrainConfig.from_dict({**(given or {}), **changes})


def joined(blocks):
    """The bytes of all series, and the last checkpoint."""
    blocks = list(blocks)
    series = {
        name: np.concatenate([block.series[name] for block in blocks]).tobytes()
        for name in blocks[0].series
    }
    return series, blocks[-1].checkpoint


def test_lecture_ends_below_a_twentieth():
    rows = list(steps(config()))
    assert [row["step"] for row in rows] == list(range(200))
    assert rows[-1]["loss"] < 0.05
    assert rows[-1]["accuracy"] == 1
    assert {row["learning_rate"] for row in rows} == {0.05}


def test_moons_demo_tells_all_apart():
    assert config(MOONS).model.parameters == 337
    rows = list(steps(config(MOONS)))
    assert rows[-1]["accuracy"] == 1
    assert [row["learning_rate"] for row in rows] == [1 - 0.9 * k / 100 for k in range(100)]


def test_first_steps_equal_plain_numpy():
    xs, classes = DATASETS["lecture"].make(1, 4, 0.0)
    ys = 2.0 * classes - 1
    model = MLP(3, [4, 4, 1])
    layers = [(layer.weight.data.copy(), layer.bias.data.copy()) for layer in model.layers]
    told = list(steps(config(steps=30)))
    for row in told:
        h = [xs]
        for w, b in layers:
            h.append(np.tanh(h[-1] @ w.T + b))
        error = h[-1][:, 0] - ys
        g = (2 * error)[:, None]
        gradients = []
        for (w, _), below, out in zip(
            reversed(layers), reversed(h[:-1]), reversed(h), strict=False
        ):
            g = g * (1 - out**2)
            gradients.insert(0, (g.T @ below, g.sum(0)))
            g = g @ w
        norm = math.sqrt(sum(float((d**2).sum()) for pair in gradients for d in pair))
        assert row["loss"] == pytest.approx(float(error @ error), rel=1e-11)
        assert row["gradient_norm"] == pytest.approx(norm, rel=1e-9)
        layers = [
            (w - 0.05 * dw, b - 0.05 * db)
            for (w, b), (dw, db) in zip(layers, gradients, strict=True)
        ]


@pytest.mark.parametrize("given", [{}, MOONS, VARIED], ids=["lecture", "moons", "varied"])
def test_blocks_do_not_change_bytes(given):
    run = config(given, steps=60)
    whole = joined(train(run, block_steps=60))
    assert joined(train(run, block_steps=7)) == whole
    assert joined(train(run)) == whole


@pytest.mark.parametrize("given", [{}, MOONS, VARIED], ids=["lecture", "moons", "varied"])
def test_resumed_run_has_equal_bytes(given):
    run = config(given, steps=60)
    whole, last = joined(train(run, block_steps=13))
    blocks = train(run, block_steps=13)
    first = [next(blocks), next(blocks)]
    blocks.close()
    rest = list(train(run, checkpoint=first[-1].checkpoint, block_steps=20))
    assert rest[0].first_step == 26
    assert joined([*first, *rest]) == (whole, last)


def test_two_processes_give_equal_bytes():
    code = (
        "import hashlib, json, sys\n"
        "from engine.training import TrainConfig, train\n"
        "run = TrainConfig.from_dict(json.loads(sys.argv[1]))\n"
        "for block in train(run): sums = hashlib.sha256(block.checkpoint).hexdigest()\n"
        "print(sums)\n"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code, json.dumps(VARIED)],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    _, last = joined(train(config(VARIED)))
    assert told == [hashlib.sha256(last).hexdigest()] * 2


def test_seed_changes_the_run():
    assert joined(train(config(seed=1)))[0] != joined(train(config(seed=2)))[0]


def test_finished_run_has_no_more_blocks():
    run = config(steps=5)
    _, last = joined(train(run))
    assert list(train(run, checkpoint=last)) == []


def test_foreign_checkpoints_are_refused_at_once():
    _, last = joined(train(config(steps=5)))
    with pytest.raises(InputError, match="another configuration"):
        train(config(steps=6), checkpoint=last)
    for broken in (b"", b"not a checkpoint", last[:-40]):
        with pytest.raises(InputError, match="no checkpoint"):
            train(config(steps=5), checkpoint=broken)


def test_checkpoint_reads_as_written():
    _, last = joined(train(config(VARIED)))
    trainer = Trainer(config(VARIED))
    checkpoint = Checkpoint.from_bytes(last, trainer.identity)
    assert checkpoint.next_step == 60
    assert set(checkpoint.part("gradient")) == set(trainer.model.named_parameters())
    assert checkpoint.to_bytes() == last


def test_trained_model_predicts_its_points():
    run = config()
    _, last = joined(train(run))
    xs, ys = run.samples
    error = trained_model(run, last)(xs).data - ys
    assert float(error @ error) < 0.05


def test_divergence_ends_the_run():
    run = config(
        model=UNBOUNDED,
        loss="mean_squared_error",
        optimizer={"kind": "sgd", "learning_rate": 10.0},
        steps=5_000,
    )
    blocks = list(train(run))
    loss = np.concatenate([block.series["loss"] for block in blocks])
    assert len(loss) < 5_000
    assert np.isfinite(loss[:-1]).all()
    assert not np.isfinite(loss[-1])
    assert [block.diverged for block in blocks] == [False] * (len(blocks) - 1) + [True]
    assert list(train(run, checkpoint=blocks[-1].checkpoint)) == []


def test_non_finite_loss_moves_nothing():
    trainer = Trainer(config(data={"xs": [[1e200], [2.0]], "ys": [1.0, 1.0]}, model=UNBOUNDED))
    before = [p.data.copy() for p in trainer.parameters]
    with np.errstate(all="ignore"):
        assert trainer.step()["loss"] == math.inf
    assert trainer.diverged
    for p, data in zip(trainer.parameters, before, strict=True):
        np.testing.assert_array_equal(p.data, data)


def test_forgotten_zero_grad_is_the_running_sum():
    run = config(zero_grad=False, steps=6, optimizer={"kind": "sgd", "learning_rate": 0.01})
    trainer = Trainer(run)
    total = [np.zeros_like(p.data) for p in trainer.parameters]
    xs, ys = run.samples
    for _ in range(run.steps):
        before = [p.data.copy() for p in trainer.parameters]
        fresh = MLP(3, [4, 4, 1])
        for p, data in zip(fresh.parameters(), before, strict=True):
            p.data[...] = data
        ((fresh(xs) - ys) ** 2).sum().backward()
        total = [t + p.grad for t, p in zip(total, fresh.parameters(), strict=True)]
        trainer.step()
        for p, data, t in zip(trainer.parameters, before, total, strict=True):
            np.testing.assert_allclose(p.grad, t, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(p.data, data - 0.01 * t, rtol=1e-9, atol=1e-12)


def test_l2_is_the_graph_of_squares():
    run = config(MOONS, l2=0.03)
    trainer = Trainer(run)
    model = MLP(2, [16, 16, 1], "relu", "linear")
    xs, ys = run.samples
    squares = sum((p * p).sum() for p in model.parameters())
    objective = (1 - ys * model(xs)).relu().mean() + 0.03 * squares
    objective.backward()
    told = trainer.step()
    assert told["loss"] == pytest.approx(objective.item(), rel=1e-13)
    for p, q in zip(trainer.parameters, model.parameters(), strict=True):
        np.testing.assert_allclose(p.grad, q.grad, rtol=1e-11, atol=1e-14)


def test_batches_visit_without_replacement():
    xs = np.arange(11.0)[:, None]
    batches = Batches(xs, xs[:, 0], size=3, seed=4)
    epochs = [
        np.concatenate([batches.at(3 * epoch + place)[1].data for place in range(3)])
        for epoch in range(4)
    ]
    assert all(len(set(epoch)) == 9 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert batches.at(4)[0].data[:, 0].tolist() == epochs[1][3:6].tolist()


LEARNERS = [
    ("xor", "binary_cross_entropy", [8, 1], {}),
    ("circles", "hinge", [16, 1], {}),
    ("moons", "binary_cross_entropy", [16, 1], {}),
    ("spiral", "softmax_cross_entropy", [24, 24, 3], {"classes": 3}),
    ("moons", "mean_squared_error", [16, 1], {}),
]


@pytest.mark.parametrize(("dataset", "loss", "nouts", "params"), LEARNERS, ids=str)
def test_every_kind_of_classes_is_learnt(dataset, loss, nouts, params):
    run = config(
        model={"nouts": nouts},
        data={"dataset": dataset, "noise": 0.02, **params},
        loss=loss,
        optimizer={"kind": "adam", "learning_rate": 0.05},
        steps=300,
    )
    assert list(steps(run))[-1]["accuracy"] >= 0.98


@pytest.mark.parametrize("dataset", ["linear", "sine"])
def test_regression_reaches_the_noise(dataset):
    run = config(
        model={"nouts": [16, 1], "output_activation": "linear"},
        data={"dataset": dataset, "noise": 0.05},
        loss="mean_squared_error",
        optimizer={"kind": "adam", "learning_rate": 0.05},
        steps=800,
    )
    rows = list(steps(run))
    assert rows[-1]["loss"] < 1.5 * 0.05**2
    assert "accuracy" not in rows[-1]


@pytest.mark.parametrize("row", LOSSES.values(), ids=lambda row: row.name)
def test_accuracy_counts_right_predictions(row):
    targets = row.targets
    ys = targets.encode(np.array([0, 1, 1, 0]))
    shift = np.eye(2)[[0, 1, 0, 0]] if targets.name == "classes" else np.array([-3, 2, -0.1, -1])
    rule = targets.rule(ys)
    assert rule is not None
    assert rule(shift, ys).tolist() == [True, True, False, True]


def with_op(slope):
    """The built-in ops and a leaky relu of that slope, as a plugin would state it."""
    leaky = op(
        "leaky",
        lambda x: np.where(x > 0, x, slope * x),
        lambda g, y, x: np.where(x > 0, g, slope * g),
    )
    return Vocabulary(MappingProxyType({**builtins().ops, "leaky": leaky}))


def test_op_of_a_plugin_activates():
    given = {"model": {"nouts": [4, 4, 1], "activation": "leaky", "output_activation": "tanh"}}
    with pytest.raises(ConfigError, match="no activation 'leaky'"):
        config(given)
    run = TrainConfig.from_dict(given, with_op(0.1))
    assert list(steps(run, with_op(0.1)))[-1]["loss"] < 0.05


def test_checkpoint_of_other_ops_is_refused():
    run = TrainConfig.from_dict({"model": {"activation": "leaky"}, "steps": 9}, with_op(0.1))
    block = next(train(run, with_op(0.1), block_steps=4))
    assert next(train(run, with_op(0.1), block.checkpoint)).first_step == 4
    with pytest.raises(InputError, match="other ops"):
        train(run, with_op(0.2), block.checkpoint)


def test_values_of_a_run_leak_no_graph():
    trainer = Trainer(config(steps=3))
    for _ in range(3):
        trainer.step()
    assert all(isinstance(p, Value) and not p.inputs for p in trainer.parameters)


def test_loss_curve_is_golden(golden):
    losses = [row["loss"] for row in steps(config())]
    lines = [f"{step:>3} {losses[step]:.8g}" for step in [*range(0, 200, 10), 199]]
    golden("lecture_loss_curve.txt", "\n".join(lines) + "\n")
