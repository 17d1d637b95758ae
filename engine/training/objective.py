"""What training minimises, as a Program: from a batch and the parameters to its loss."""

from __future__ import annotations

from typing import Any

from engine.datasets import Array
from engine.nn import MLP
from engine.op import Op
from engine.program import Equation, Program
from engine.trace import trace
from engine.value import Value

SAMPLES, TARGETS = "xs", "ys"
"""Names of the inputs that hold a batch."""


def objective(model: MLP, loss: Op, xs: Array, ys: Array) -> Program:
    """The loss of `model` on a batch, with a layer's output named layers.0 and so on. Its inputs
    are the batch and, under their names in the model, the parameters."""
    for name, parameter in model.named_parameters().items():
        parameter.label = name

    def measure(xs: Value, ys: Value) -> Any:
        prediction = model.forward(xs)
        prediction.label = "prediction"
        found = loss(prediction, ys)
        found.label = "loss"
        return found

    return trace(measure, xs=xs, ys=ys)


def prediction_of(program: Program) -> int:
    """The place of the prediction, which the loss takes first."""
    last = program.nodes[program.place]
    assert isinstance(last, Equation)
    return last.args[0]
