"""A TrainConfig's shape for the description, drawn from the engine's shelves.

The engine reads the configuration itself, because it knows what fits what and names every
mistake at once; here nothing is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from marshmallow import fields

from engine import Limits
from engine.datasets import DATASETS
from engine.losses import LOSSES
from engine.nn import LINEAR
from engine.optim import OPTIMIZERS
from engine.ranges import Range
from engine.schedules import SCHEDULES
from engine.training.config import NOUTS, SEED, STEPS
from engine.training.reader import DATA_SEED, L2, NOISE
from service.api.fields import Body

LIMITS = Limits()
LECTURE = "lecture"
"""The data set where none is named."""

Shape = dict[str, Any]


def number(allowed: Range) -> Shape:
    """A number in its range."""
    shape: Shape = {"type": "integer" if allowed.whole else "number", "default": allowed.default}
    if allowed.low > -math.inf:
        shape["minimum"] = allowed.low
    if allowed.high < math.inf:
        shape["exclusiveMaximum" if allowed.below else "maximum"] = allowed.high
    return shape


def record(required: Iterable[str] = (), **properties: Shape) -> Shape:
    """An object with these keys and no others."""
    shape: Shape = {"type": "object", "properties": properties, "additionalProperties": False}
    return shape | ({"required": list(required)} if required else {})


def kinds(shelf: Mapping[str, Any], default: str) -> Shape:
    """One row of a shelf: its kind, and the parameters that this kind has."""
    rows = [
        record(
            () if name == default else ("kind",),
            kind={"const": name},
            **{key: number(allowed) for key, allowed in row.params.items()},
        )
        for name, row in shelf.items()
    ]
    return {"anyOf": [*rows, {"type": "null"}], "default": {"kind": default}}


def numbers(**bounds: int) -> Shape:
    """A list of numbers."""
    return {"type": "array", "items": {"type": "number"}, "minItems": 1} | bounds


SIZE = {"type": "integer", "minimum": 1, "maximum": LIMITS.parameters}
ACTIVATION = (
    f'The name of an op that maps one number to one (see /api/v1/ops), or "{LINEAR}" for none.'
)

MODEL = record(
    kind={"const": "mlp"},
    nin=SIZE | {"type": ["integer", "null"], "description": "as many as a sample has numbers"},
    nouts={
        "type": "array",
        "items": SIZE,
        "minItems": 1,
        "maxItems": LIMITS.depth,
        "default": list(NOUTS),
        "description": "neurons of each layer, the output last",
    },
    activation={"type": "string", "default": "tanh", "description": ACTIVATION},
    output_activation={
        "type": ["string", "null"],
        "description": f"The same for the last layer. By default {LINEAR} where the loss takes "
        "scores, else the other layers'.",
    },
)

INLINE = record(
    ("xs", "ys"),
    xs={"type": "array", "items": numbers(), "minItems": 1, "maxItems": LIMITS.points},
    ys={
        "description": "one target per sample, a number or a row of them",
        "anyOf": [numbers(maxItems=LIMITS.points), {"type": "array", "items": numbers()}],
    },
)

GENERATED = [
    record(
        () if name == LECTURE else ("dataset",),
        dataset={"const": name},
        n=number(Range(row.n, low=1, high=LIMITS.points, whole=True)),
        noise=number(Range(row.noise, low=NOISE.low, high=NOISE.high)),
        seed=number(DATA_SEED),
        **{key: number(allowed) for key, allowed in row.params.items()},
    )
    for name, row in DATASETS.items()
]


class Part(fields.Raw):
    """A part of the configuration, passed on as it stands."""

    def __init__(self, shape: Shape, description: str = "") -> None:
        super().__init__(allow_none=True)
        self.openapi = shape | ({"description": description} if description else {})

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return whole(value)


class TrainConfigIn(Body):
    """Everything a training run depends on. Each part may be left out; without any, the run is
    the lecture's: four samples, 41 parameters, 200 steps."""

    model = Part(MODEL, "A multi-layer perceptron.")
    data = Part({"anyOf": [INLINE, *GENERATED], "default": {"dataset": LECTURE}})
    loss = Part({"enum": list(LOSSES), "default": "sum_squared_error"})
    optimizer = Part(kinds(OPTIMIZERS, "sgd"))
    schedule = Part(kinds(SCHEDULES, "constant"), "How the learning rate changes.")
    steps = Part(number(Range(STEPS, low=1, high=LIMITS.steps, whole=True)))
    batch_size = Part(
        {"type": ["integer", "null"], "minimum": 1}, "Samples in a step; null is all of them."
    )
    shuffle = Part(
        {"type": "boolean", "default": True},
        "Whether each epoch takes the samples in an order of its own.",
    )
    l2 = Part(number(L2), "Weight of the sum of squared parameters in the loss.")
    seed = Part(number(SEED), "Seed of the first weights and of the batches.")
    zero_grad = Part(
        {"type": "boolean", "default": True},
        "Whether gradients are set to zero before each step. Forgetting it is a lesson.",
    )


def whole(value: Any) -> Any:
    """`value` with 768.0 as 768: to JSON Schema both are integers, to the engine only one."""
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 and value != 0:
        return int(value)
    return value
