"""TrainConfig: what it fills in, what it refuses, and with which words."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import ConfigError, Limits
from engine.datasets import DATASETS
from engine.losses import LOSSES
from engine.training import TrainConfig

LECTURE = {
    "model": {"kind": "mlp", "nin": 3, "nouts": [4, 4, 1], "activation": "tanh"},
    "data": {
        "xs": [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]],
        "ys": [1.0, -1.0, -1.0, 1.0],
    },
    "loss": "sum_squared_error",
    "optimizer": {"kind": "sgd", "learning_rate": 0.05},
    "schedule": None,
    "steps": 200,
    "batch_size": None,
    "l2": 0,
    "seed": 1337,
    "zero_grad": True,
}


def changed(place, value):
    """LECTURE with the value at a place such as "/model/nin" replaced."""
    config = json.loads(json.dumps(LECTURE))
    *path, last = place.strip("/").split("/")
    spot = config
    for key in path:
        spot = spot[int(key) if isinstance(spot, list) else key]
    spot[int(last) if isinstance(spot, list) else last] = value
    return config


def errors_of(config, **limits):
    with pytest.raises(ConfigError) as caught:
        TrainConfig.from_dict(config, limits=Limits(**limits))
    return caught.value.errors


def test_defaults_are_the_lecture():
    config = TrainConfig.from_dict({})
    assert config.model.parameters == 41
    xs, ys = config.samples
    assert xs.tolist() == LECTURE["data"]["xs"]
    assert ys.tolist() == LECTURE["data"]["ys"]
    assert config.to_dict() == {
        "model": {
            "kind": "mlp",
            "nin": 3,
            "nouts": [4, 4, 1],
            "activation": "tanh",
            "output_activation": "tanh",
        },
        "data": {"dataset": "lecture", "n": 4, "noise": 0.0, "seed": 1},
        "loss": "sum_squared_error",
        "optimizer": {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.0},
        "schedule": {"kind": "constant"},
        "steps": 200,
        "batch_size": None,
        "shuffle": True,
        "l2": 0.0,
        "seed": 1337,
        "zero_grad": True,
    }


@pytest.mark.parametrize(
    "given",
    [
        {},
        LECTURE,
        {"data": {"dataset": "spiral", "classes": 3}, "loss": "softmax_cross_entropy"}
        | {"model": {"nouts": [8, 3]}, "optimizer": {"kind": "adam"}},
        {"schedule": {"kind": "step", "factor": 0.1}, "batch_size": 2, "zero_grad": False},
    ],
    ids=["empty", "lecture", "spiral", "step"],
)
def test_canonical_form_reads_as_itself(given):
    config = TrainConfig.from_dict(given)
    full = json.loads(json.dumps(config.to_dict(), allow_nan=False))
    again = TrainConfig.from_dict(full)
    assert again.to_dict() == full
    assert again.hash == config.hash


def test_hash_follows_the_meaning():
    base = TrainConfig.from_dict(LECTURE).hash
    assert len(base) == 64
    assert TrainConfig.from_dict(dict(reversed(LECTURE.items()))).hash == base
    assert TrainConfig.from_dict(changed("/optimizer", {"kind": "sgd"})).hash == base
    assert TrainConfig.from_dict(changed("/seed", 1338)).hash != base
    assert TrainConfig.from_dict(changed("/data/xs/0/0", 2.5)).hash != base


WRONG = [
    ("/steps", 1_000_000, "at least 1 and at most 100,000, not 1000000"),
    ("/steps", 0, "at least 1"),
    ("/steps", True, "a whole number, not true"),
    ("/steps", 2.5, "a whole number, not 2.5"),
    ("/steps", "200", "a whole number, not '200'"),
    ("/steps", None, "a whole number, not null"),
    ("/batch_size", 5, "is 5, more than the 4 samples"),
    ("/batch_size", 0, "at least 1"),
    ("/l2", -1e-4, "at least 0"),
    ("/l2", float("nan"), "finite number, not nan"),
    ("/seed", -1, "at least 0"),
    ("/seed", 10**400, "not a number of more than 20 digits"),
    ("/zero_grad", 1, "true or false, not 1"),
    ("/loss", "sum_squared_eror", "did you mean 'sum_squared_error'"),
    ("/loss", 3, "the name of a loss, not 3"),
    ("/loss", "softmax_cross_entropy", None),
    ("/optimizer/kind", "adma", "did you mean 'adam'"),
    ("/optimizer/learning_rate", float("inf"), "finite number, not inf"),
    ("/optimizer/learning_rate", 10**400, "finite number"),
    ("/optimizer/learning_rate", True, "a number, not true"),
    ("/optimizer/learning_rate", "0.05", "a number, not '0.05'"),
    ("/optimizer/momentum", 1.0, "at least 0 and below 1, not 1.0"),
    ("/optimizer/momentum", -0.1, "at least 0"),
    ("/optimizer/beta1", 0.9, "unknown key; known: kind, learning_rate, momentum"),
    ("/schedule", "linear", "must be an object, not 'linear'"),
    ("/schedule", {"kind": "lineal"}, None),
    ("/model/kind", "cnn", "there is no model 'cnn'; known: mlp"),
    ("/model/nin", 2, "is 2, but each sample has 3 numbers"),
    ("/model/nin", 10**400, "at least 1 and at most 100,000"),
    ("/model/nouts", [], "at least one of the layer sizes"),
    ("/model/nouts", 4, "a list of layer sizes, not 4"),
    ("/model/nouts/0", 0, "at least 1 and at most 100,000, not 0"),
    ("/model/nouts/1", 4.0, "a whole number, not 4.0"),
    ("/model/nouts", [500, 500, 1], "makes 253,001 parameters; the limit is 100,000"),
    ("/model/nouts", [1] * 101, "has 101 layers; the limit is 100"),
    ("/model/nouts", [4, 4, 2], None),
    ("/model/activation", "tahn", "did you mean 'tanh'"),
    ("/model/activation", "add", "there is no activation 'add'"),
    ("/model/output_activation", "Linear", "did you mean 'linear'"),
    ("/model/depth", 3, "unknown key"),
    ("/data", [1, 2], "must be an object, not a list"),
    ("/data", {"dataset": "moon"}, None),
    ("/data", {"xs": [[1.0, 2.0, 3.0]]}, "has no 'ys'"),
    ("/data/n", 4, "unknown key; known: xs, ys"),
    ("/data/xs/1", [3.0, -1.0], "has 2 numbers; the first row has 3"),
    ("/data/xs/1", 3.0, "must be a list of numbers, not 3.0"),
    ("/data/xs/1/2", "half", "a number, not 'half'"),
    ("/data/xs/1/2", float("nan"), "finite number"),
    ("/data/xs", [], "at least one"),
    ("/data/ys", [1.0, -1.0, -1.0], "has 3 targets for 4 rows"),
    ("/data/ys/2", None, "a number, not null"),
]


@pytest.mark.parametrize(
    ("place", "value", "words"), WRONG, ids=[f"{i}{row[0]}" for i, row in enumerate(WRONG)]
)
def test_mistake_is_named_in_its_place(place, value, words):
    errors = errors_of(changed(place, value))
    if words is None:
        assert errors
        return
    assert any(pointer == place and words in message for pointer, message in errors), errors


@pytest.mark.parametrize("value", [None, [], "mlp", 3, True], ids=repr)
def test_what_is_no_object_is_refused(value):
    assert errors_of(value)[0][0] == ""


def test_all_mistakes_come_at_once():
    config = LECTURE | {
        "modle": {},
        "steps": 1_000_000,
        "l2": "none",
        "loss": "hinje",
        "optimizer": {"kind": "sgd", "learning_rate": None, "momentum": 2},
    }
    config["data"] = {"xs": [[1, 2, 3], [4, 5]], "ys": [1, "a"]}
    pointers = [pointer for pointer, _ in errors_of(config)]
    assert sorted(pointers) == [
        *("/data/xs/1", "/data/ys/1", "/l2", "/loss", "/modle", "/optimizer/learning_rate"),
        *("/optimizer/momentum", "/steps"),
    ]


def test_many_mistakes_are_counted():
    errors = errors_of(changed("/data/xs", [["x"]] * 4_000))
    assert len(errors) < 100
    assert errors[-1][1] == "and 3951 more problems"


def test_pointers_escape_their_keys():
    assert errors_of({"a/b~c": 1})[0][0] == "/a~1b~0c"


@pytest.mark.parametrize(
    ("loss", "nouts", "data", "place", "words"),
    [
        ("hinge", [1], {"xs": [[1], [2]], "ys": [1, 0]}, "/data/ys/1", "-1 or +1, not 0"),
        ("binary_cross_entropy", [1], {"xs": [[1]], "ys": [-1]}, "/data/ys/0", "0 or 1, not -1"),
        ("softmax_cross_entropy", [2], {"xs": [[1]], "ys": [2]}, "/data/ys/0", "not 2"),
        ("softmax_cross_entropy", [2], {"xs": [[1]], "ys": [0.5]}, "/data/ys/0", "not 0.5"),
        ("softmax_cross_entropy", [1], {"dataset": "moons"}, "/model/nouts", "at least 2, not 1"),
        ("hinge", [2], {"dataset": "moons"}, "/model/nouts", "one output, not 2"),
        ("hinge", [1], {"dataset": "sine"}, "/loss", "try mean_squared_error"),
        ("sum_squared_error", [2], {"xs": [[1]], "ys": [1]}, "/data/ys", "a list of 2 numbers"),
        ("sum_squared_error", [1], {"xs": [[1]], "ys": [[1]]}, "/data/ys", "one number per sample"),
        ("sum_squared_error", [2], {"dataset": "moons"}, "/model/nouts", "one target per sample"),
        (
            *("hinge", [1], {"dataset": "spiral", "classes": 3}, "/loss"),
            "try softmax_cross_entropy",
        ),
        (
            *("softmax_cross_entropy", [2], {"dataset": "spiral", "classes": 3}, "/model/nouts"),
            "3 classes, which 2 outputs cannot",
        ),
        ("hinge", [1], {"dataset": "moons", "noise": -1}, "/data/noise", "at least 0"),
        ("hinge", [1], {"dataset": "moons", "n": 10_001}, "/data/n", "at most 10,000"),
        ("hinge", [1], {"dataset": "moons", "classes": 3}, "/data/classes", "unknown key"),
        ("hinge", [1], {"dataset": "moon"}, "/data/dataset", "did you mean 'moons'"),
    ],
    ids=str,
)
def test_targets_must_suit_the_loss(loss, nouts, data, place, words):
    errors = errors_of({"loss": loss, "model": {"nouts": nouts}, "data": data})
    assert [pointer for pointer, _ in errors] == [place]
    assert words in errors[0][1]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dataset", DATASETS)
def test_every_data_set_suits_or_says(loss, dataset):
    row, targets = DATASETS[dataset], LOSSES[loss].targets
    nouts = [3, 2] if targets.name == "classes" else [3, 1]
    config = {"model": {"nouts": nouts}, "data": {"dataset": dataset}, "loss": loss}
    if row.task == "regression" and targets.name != "values":
        assert errors_of(config)[0][0] == "/loss"
        return
    read = TrainConfig.from_dict(config)
    _, ys = read.samples
    assert targets.allowed(ys, nouts[-1]).all()
    assert (read.correct is None) == (row.task == "regression")


def test_scores_need_a_linear_output():
    for loss, expected in [("hinge", "linear"), ("mean_squared_error", "relu")]:
        model = {"nouts": [4, 1], "activation": "relu"}
        config = TrainConfig.from_dict({"model": model, "data": {"dataset": "moons"}, "loss": loss})
        assert config.model.output_activation == expected


def test_work_is_bounded_as_a_whole():
    big = {
        "data": {"dataset": "moons", "n": 1_000},
        "model": {"nouts": [100, 100, 1]},
        "loss": "hinge",
        "steps": 10_000,
    }
    assert [pointer for pointer, _ in errors_of(big)] == ["/steps"]
    assert TrainConfig.from_dict(big | {"batch_size": 10}).batch_size == 10
    wide = big | {"steps": 1, "data": {"dataset": "moons", "n": 10_000}}
    wide["model"] = {"nouts": [20_000, 1]}
    assert [pointer for pointer, _ in errors_of(wide)] == ["/model/nouts"]


def test_samples_of_two_outputs_are_read():
    config = TrainConfig.from_dict(
        {"model": {"nouts": [2]}, "data": {"xs": [[1], [2]], "ys": [[0, 1], [2, 3]]}}
    )
    np.testing.assert_array_equal(config.samples[1], [[0, 1], [2, 3]])
    assert config.correct is None


def test_flat_targets_of_numbers_have_no_accuracy():
    plain = {"xs": [[1], [2]], "ys": [0.5, 1]}
    assert TrainConfig.from_dict({"model": {"nouts": [1]}, "data": plain}).correct is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
PLACES = [
    *("/model", "/model/kind", "/model/nin", "/model/nouts", "/model/nouts/0", "/model/activation"),
    *("/data", "/data/xs", "/data/ys", "/data/xs/1", "/data/xs/1/0", "/data/ys/0", "/loss"),
    *("/optimizer", "/optimizer/kind", "/optimizer/learning_rate", "/schedule", "/steps"),
    *("/batch_size", "/l2", "/seed", "/zero_grad", "/else"),
]


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(PLACES), value=JSON)
def test_any_json_is_read_or_refused(place, value):
    try:
        config = TrainConfig.from_dict(changed(place, value))
    except ConfigError as error:
        assert all(pointer == "" or pointer.startswith("/") for pointer, _ in error.errors)
        assert all(message for _, message in error.errors)
    else:
        assert TrainConfig.from_dict(config.to_dict()).hash == config.hash
