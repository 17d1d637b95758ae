"""Neurons, layers and networks, as in Karpathy's lecture on micrograd, on arrays.

>>> model = MLP(3, [4, 4, 1])
>>> model
MLP(3, [4, 4, 1], tanh): 41 parameters
>>> model.size
41

``model([2.0, 3.0, -1.0])`` is one sample and gives one Value; ``model(rows)`` with rows of shape
(n, nin) is a batch and gives n of them. Weights and biases start uniform in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from typing import Any

import numpy as np

from engine.datasets import dice
from engine.errors import InputError
from engine.names import unknown
from engine.op import Op
from engine.ops.shapes import reshape
from engine.registry import Vocabulary, builtins
from engine.samples import samples
from engine.value import Value

LINEAR = "linear"
SEED = 1337

Dice = int | np.random.Generator


def activations(vocabulary: Vocabulary | None = None) -> Mapping[str, Op | None]:
    """What a neuron may do to its sum: nothing ("linear"), or any op that maps one number to one.

    Those are the elementwise ops of one input whose parameters all have defaults, plugins' too.
    """
    ops = (builtins() if vocabulary is None else vocabulary).ops
    fitting = {name: op for name, op in ops.items() if _fits(op)}
    return {**fitting, LINEAR: None}


def _fits(op: Op) -> bool:
    defaults = op.params.values()
    return op.elementwise and op.arity == 1 and Parameter.empty not in defaults


def activation_named(name: str, vocabulary: Vocabulary | None = None) -> Callable[[Value], Value]:
    """The activation of that name as a function of a Value. Raises InputError if there is none."""
    known = activations(vocabulary)
    if name not in known:
        raise InputError(unknown("activation", name, known), code="unknown_activation")
    op = known[name]
    return _unchanged if op is None else op


def _unchanged(x: Value) -> Value:
    return x


class Module:
    """Something with parameters. A subclass says which, by name."""

    def named_parameters(self) -> dict[str, Value]:
        """Every parameter array under a name such as "layers.0.weight"."""
        raise NotImplementedError

    def parameters(self) -> list[Value]:
        """The parameter arrays, in the order of their names' first appearance."""
        return list(self.named_parameters().values())

    def zero_grad(self) -> None:
        """Set every gradient to zero, as before each backward pass."""
        for parameter in self.parameters():
            parameter.zero_grad()

    @property
    def size(self) -> int:
        """How many numbers the parameters hold."""
        return sum(int(np.size(parameter.data)) for parameter in self.parameters())


class Layer(Module):
    """nout neurons side by side: activation(x @ weight.T + bias).

    weight: (nout, nin); bias: (nout,). Row i of both is neuron i; ``layer.neurons`` are views.
    Start values are drawn neuron by neuron, its weights first and then its bias, uniform in
    [-1, 1] from PCG64(seed); a generator in place of the seed goes on from where it stands.
    """

    def __init__(
        self,
        nin: int,
        nout: int,
        activation: str = "tanh",
        seed: Dice = SEED,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        if nin < 1 or nout < 1:
            raise InputError(
                f"a layer needs at least one input and one neuron, not {nin} and {nout}",
                code="empty_layer",
            )
        self.nin, self.nout, self.activation = nin, nout, activation
        self.activate = activation_named(activation, vocabulary)
        generator = seed if isinstance(seed, np.random.Generator) else dice(seed)
        drawn = generator.uniform(-1, 1, (nout, nin + 1))
        self.weight = Value(np.ascontiguousarray(drawn[:, :-1]), label="weight")
        self.bias = Value(np.ascontiguousarray(drawn[:, -1]), label="bias")

    @property
    def neurons(self) -> list[Neuron]:
        """The rows of this layer, one Neuron each."""
        return [Neuron.of(self, index) for index in range(self.nout)]

    def named_parameters(self) -> dict[str, Value]:
        return {"weight": self.weight, "bias": self.bias}

    def forward(self, x: Any) -> Value:
        """(n, nin) -> (n, nout), or (nin,) -> (nout,), sizes unchecked."""
        return self.activate(x @ self.weight.T + self.bias)

    def __call__(self, x: Any) -> Value:
        """Like `forward`, but checked, from lists too, and without the last axis if nout is 1."""
        return _alone(self.forward(samples(x, self.nin, "layer")), self.nout)

    def __repr__(self) -> str:
        return f"Layer({self.nin}, {self.nout}, {self.activation})"


class Neuron(Module):
    """One neuron: activation(w · x + b). Alone it has a layer of its own; in a layer it is a view.

    ``w`` is a Value of shape (nin,), ``b`` a scalar; gradients land in the layer's arrays.
    """

    layer: Layer
    index: int

    def __init__(
        self,
        nin: int,
        activation: str = "tanh",
        seed: Dice = SEED,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        self.layer, self.index = Layer(nin, 1, activation, seed, vocabulary), 0

    @classmethod
    def of(cls, layer: Layer, index: int) -> Neuron:
        """Neuron number `index` of a layer."""
        neuron = cls.__new__(cls)
        neuron.layer, neuron.index = layer, index
        return neuron

    @property
    def w(self) -> Value:
        """Its weights, shape (nin,)."""
        return self.layer.weight[self.index]

    @property
    def b(self) -> Value:
        """Its bias, a scalar."""
        return self.layer.bias[self.index]

    @property
    def size(self) -> int:
        """nin weights and a bias."""
        return self.layer.nin + 1

    def named_parameters(self) -> dict[str, Value]:
        """The arrays that hold its numbers: a neuron of a layer shares them with the others."""
        return self.layer.named_parameters()

    def __call__(self, x: Any) -> Value:
        """(nin,) -> scalar; (n, nin) -> (n,)."""
        taken: Any = samples(x, self.layer.nin, "neuron")
        return self.layer.activate(taken @ self.w + self.b)

    def __repr__(self) -> str:
        return f"Neuron({self.layer.nin}, {self.layer.activation})"


class MLP(Module):
    """A multi-layer perceptron: layers, each taking what the one before gives.

    ``MLP(3, [4, 4, 1])`` takes 3 numbers, has two hidden layers of 4 and one output. As in the
    lecture the last layer has the activation of the others unless `output_activation` is given.
    """

    def __init__(
        self,
        nin: int,
        nouts: Sequence[int],
        activation: str = "tanh",
        output_activation: str | None = None,
        seed: Dice = SEED,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        if not nouts:
            raise InputError("a network needs at least one layer", code="empty_layer")
        self.nin, self.nouts = nin, list(nouts)
        last = activation if output_activation is None else output_activation
        kinds = [activation] * (len(nouts) - 1) + [last]
        generator = seed if isinstance(seed, np.random.Generator) else dice(seed)
        self.layers = [
            Layer(size, nout, kind, generator, vocabulary)
            for size, nout, kind in zip([nin, *nouts], nouts, kinds, strict=False)
        ]

    def named_parameters(self) -> dict[str, Value]:
        return {
            f"layers.{index}.{name}": parameter
            for index, layer in enumerate(self.layers)
            for name, parameter in layer.named_parameters().items()
        }

    def forward(self, x: Any) -> Value:
        """(n, nin) -> (n,) with one output, else (n, nouts[-1]); sizes unchecked."""
        for layer in self.layers:
            x = layer.forward(x)
        return _alone(x, self.nouts[-1])

    def __call__(self, x: Any) -> Value:
        """One sample (nin,) or a batch (n, nin), as lists, arrays or Values.

        One sample gives a scalar Value with one output, else (nouts[-1],). Raises InputError
        where the last axis is not nin.
        """
        return self.forward(samples(x, self.nin, "network"))

    def __repr__(self) -> str:
        hidden, last = self.layers[0].activation, self.layers[-1].activation
        kinds = hidden if hidden == last else f"{hidden}, output {last}"
        return f"MLP({self.nin}, {self.nouts}, {kinds}): {self.size} parameters"


def _alone(value: Value, nout: int) -> Value:
    """Drop a last axis of length 1: (n, 1) -> (n,), and (1,) -> scalar."""
    if nout != 1:
        return value
    shape = np.shape(value.data)
    alone: Value = value[0] if len(shape) == 1 else reshape(value, shape=shape[:-1])
    return alone
