"""Neurons, layers and networks: the lecture's sizes and dice, and gradients that are right."""

from __future__ import annotations

import numpy as np
import pytest

from engine import InputError, Value
from engine.nn import MLP, Layer, Neuron, activations

XS = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]


@pytest.mark.parametrize(
    ("nin", "nouts", "size"), [(3, [4, 4, 1], 41), (2, [16, 16, 1], 337), (1, [1], 2)]
)
def test_size_counts_every_parameter(nin, nouts, size):
    model = MLP(nin, nouts)
    assert model.size == size
    assert sum(p.data.size for p in model.parameters()) == size
    assert f"{size} parameters" in repr(model)


def test_dice_fall_neuron_by_neuron():
    rng = np.random.Generator(np.random.PCG64(42))
    model = MLP(3, [4, 4, 1], seed=42)
    for layer in model.layers:
        for neuron in layer.neurons:
            drawn = [rng.uniform(-1, 1) for _ in range(layer.nin + 1)]
            assert neuron.w.data.tolist() == drawn[:-1]
            assert neuron.b.data == drawn[-1]


def test_one_sample_gives_a_scalar():
    out = MLP(3, [4, 4, 1])(XS[0])
    assert type(out.data) is float
    assert MLP(3, [4, 2])(XS[0]).data.shape == (2,)


def test_batch_equals_its_samples():
    for nouts in ([4, 4, 1], [4, 2]):
        model = MLP(3, nouts)
        batch = model(np.array(XS))
        assert batch.data.shape == ((4,) if nouts[-1] == 1 else (4, 2))
        alone = np.array([model(x).data for x in XS])
        np.testing.assert_allclose(batch.data, alone, rtol=1e-13)


def test_lists_arrays_and_values_agree():
    model = MLP(3, [4, 1])
    kinds = [XS[0], tuple(XS[0]), np.array(XS[0]), Value(XS[0]), [Value(x) for x in XS[0]]]
    outs = [model(x).data for x in kinds]
    assert outs == [outs[0]] * len(kinds)


def test_gradients_reach_listed_values():
    a, b = Value(0.5), Value(-0.25)
    MLP(2, [3, 1])([a, b]).backward()
    together = Value([0.5, -0.25])
    MLP(2, [3, 1])(together).backward()
    np.testing.assert_allclose([a.grad, b.grad], together.grad)
    assert a.grad != 0


def test_neurons_agree_with_their_layer():
    layer = Layer(3, 4)
    out = layer(XS[0])
    np.testing.assert_allclose([n(XS[0]).data for n in layer.neurons], out.data, rtol=1e-13)
    np.testing.assert_allclose(layer.neurons[2](XS).data, layer(XS).data[:, 2], rtol=1e-13)


def test_neuron_gradients_land_in_the_layer():
    layer = Layer(3, 4, activation="linear")
    layer.neurons[2](XS[1]).backward()
    expected = np.zeros((4, 3))
    expected[2] = XS[1]
    np.testing.assert_array_equal(layer.weight.grad, expected)
    np.testing.assert_array_equal(layer.bias.grad, [0, 0, 1, 0])


def test_neuron_alone_owns_its_numbers():
    neuron = Neuron(3, seed=7)
    assert neuron.size == 4
    assert sum(p.data.size for p in neuron.parameters()) == 4
    expected = np.tanh(neuron.w.data @ np.array(XS[0]) + neuron.b.data)
    assert neuron(XS[0]).data == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus", "sin", "linear"])
@pytest.mark.parametrize("nouts", [[4, 3, 1], [4, 2]])
def test_gradients_agree_with_central_differences(activation, nouts):
    model = MLP(3, nouts, activation, seed=3)
    upstream = np.random.default_rng(1).normal(size=4 if nouts[-1] == 1 else (4, 2))

    def objective():
        return (model(XS) * upstream).sum()

    objective().backward()
    for name, p in model.named_parameters().items():
        slopes = np.empty_like(p.data)
        for index in np.ndindex(p.data.shape):
            kept = p.data[index]
            sides = []
            for h in (1e-5, -1e-5):
                p.data[index] = kept + h
                sides.append(objective().item())
            p.data[index] = kept
            slopes[index] = (sides[0] - sides[1]) / 2e-5
        np.testing.assert_allclose(p.grad, slopes, rtol=1e-6, atol=1e-9, err_msg=name)


def test_output_activation_may_differ():
    model = MLP(2, [3, 1], "relu", "linear")
    assert [layer.activation for layer in model.layers] == ["relu", "linear"]
    assert repr(model) == "MLP(2, [3, 1], relu, output linear): 13 parameters"
    assert MLP(2, [3, 1], "relu").layers[-1].activation == "relu"


def test_zero_grad_forgets_everything():
    model = MLP(3, [4, 1])
    model(XS).sum().backward()
    assert all(np.any(p.grad) for p in model.parameters())
    model.zero_grad()
    assert not any(np.any(p.grad) for p in model.parameters())


@pytest.mark.parametrize("x", [[1.0, 2.0], [[1.0, 2.0, 3.0, 4.0]], np.zeros((5, 2))], ids=repr)
def test_wrong_input_size_names_both(x):
    with pytest.raises(InputError, match=rf"takes 3 numbers .* was given {np.shape(x)[-1]}"):
        MLP(3, [4, 1])(x)


@pytest.mark.parametrize("x", ["abc", [1.0, "two", 3.0], [[1.0, 2.0, 3.0], [1.0]], 2.0, None])
def test_what_is_no_sample_is_refused(x):
    with pytest.raises(InputError):
        MLP(3, [4, 1])(x)


@pytest.mark.parametrize(
    "make",
    [lambda: Layer(3, 0), lambda: Neuron(0), lambda: MLP(3, [])],
    ids=["layer", "neuron", "network"],
)
def test_empty_layers_are_refused(make):
    with pytest.raises(InputError, match="at least one"):
        make()


def test_unknown_activation_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'tanh'"):
        MLP(3, [4, 1], "tahn")


def test_activations_are_ops_of_one_number():
    known = activations()
    assert {"tanh", "relu", "sigmoid", "softplus", "linear", "exp", "neg"} <= set(known)
    assert {"add", "sum", "matmul", "hinge", "reshape"}.isdisjoint(known)
