"""Exponentials, logarithms, roots, angles, and the choice between two values."""

from __future__ import annotations

import numpy as np

from engine.extend import above, between, op, positive, real

exp = op("exp", np.exp, lambda g, y, x: g * y, doc="e to the power of x.")

expm1 = op(
    "expm1",
    np.expm1,
    lambda g, y, x: g * np.exp(x),
    doc="exp(x) - 1, without losing digits near 0.",
)

log = op(
    "log", np.log, lambda g, y, x: g / x, domain=positive, doc="The natural logarithm of x > 0."
)

log1p = op(
    "log1p",
    np.log1p,
    lambda g, y, x: g / (1 + x),
    domain=above(-1),
    doc="log(1 + x), without losing digits near 0.",
)

logaddexp = op(
    "logaddexp",
    np.logaddexp,
    (
        lambda g, y, a, b: g * np.exp(-np.logaddexp(0, b - a)),
        lambda g, y, a, b: g * np.exp(-np.logaddexp(0, a - b)),
    ),
    doc="log(exp(a) + exp(b)), without overflow.",
)

sqrt = op(
    "sqrt", np.sqrt, lambda g, y, x: g / (2 * y), domain=positive, doc="The square root of x."
)

sin = op("sin", np.sin, lambda g, y, x: g * np.cos(x), doc="The sine of x, in radians.")

cos = op("cos", np.cos, lambda g, y, x: -g * np.sin(x), doc="The cosine of x, in radians.")

tan = op(
    "tan",
    np.tan,
    lambda g, y, x: g * (1 + y * y),
    domain=between(-np.pi / 2, np.pi / 2),
    doc="The tangent of x, in radians.",
)

atan = op("atan", np.arctan, lambda g, y, x: g / (1 + x * x), doc="The angle whose tangent is x.")

sinh = op("sinh", np.sinh, lambda g, y, x: g * np.cosh(x), doc="The hyperbolic sine of x.")

cosh = op("cosh", np.cosh, lambda g, y, x: g * np.sinh(x), doc="The hyperbolic cosine of x.")

tanh = op("tanh", np.tanh, lambda g, y, x: g * (1 - y * y), doc="The hyperbolic tangent of x.")

where = op(
    "where",
    np.where,
    (
        None,
        lambda g, y, condition, a, b: np.where(condition, g, 0.0),
        lambda g, y, condition, a, b: np.where(condition, 0.0, g),
    ),
    inputs=("condition", "a", "b"),
    domain=(real, real, real),
    kinks=lambda condition, a, b: (condition,),
    doc="a where the condition is not 0, b where it is.",
)
