"""What neurons end in. Stable from one end of float64 to the other."""

from __future__ import annotations

import numpy as np

from engine.extend import at, op

sigmoid = op(
    "sigmoid",
    lambda x: np.exp(-np.logaddexp(0, -x)),
    lambda g, y, x: g * y * np.exp(-np.logaddexp(0, x)),
    doc="1 / (1 + exp(-x)), without overflow.",
)

relu = op(
    "relu",
    lambda x: np.maximum(x, 0),
    lambda g, y, x: np.where(x > 0, g, 0.0),
    kinks=at(0),
    doc="x where it is positive, else 0. Slope 0 at 0.",
)

softplus = op(
    "softplus",
    lambda x: np.logaddexp(0, x),
    lambda g, y, x: g * np.exp(x - y),
    doc="log(1 + exp(x)), without overflow: relu without its kink.",
)
