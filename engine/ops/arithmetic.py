"""+ - * / ** and their kin."""

from __future__ import annotations

import numpy as np

from engine.extend import at, nonzero, op, positive, real

add = op(
    "add",
    np.add,
    (lambda g, y, a, b: g, lambda g, y, a, b: g),
    doc="a + b",
)

sub = op(
    "sub",
    np.subtract,
    (lambda g, y, a, b: g, lambda g, y, a, b: -g),
    doc="a - b",
)

mul = op(
    "mul",
    np.multiply,
    (lambda g, y, a, b: g * b, lambda g, y, a, b: g * a),
    doc="a * b",
)

div = op(
    "div",
    np.divide,
    (lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b),
    domain=(real, nonzero),
    doc="a / b",
)

# At b = 0 the base has slope 0 and at a = 0 the exponent has, where plain formulas give 0 * inf.
pow = op(
    "pow",
    np.power,
    (
        lambda g, y, a, b: g * b * a ** np.where(b == 0, 1.0, b - 1),
        lambda g, y, a, b: g * y * np.log(np.where(a == 0, 1.0, a)),
    ),
    domain=(positive, real),
    doc="a ** b; a negative base goes with whole exponents only",
)

neg = op("neg", np.negative, lambda g, y, x: -g, doc="-x")

abs = op(
    "abs",
    np.absolute,
    lambda g, y, x: g * np.sign(x),
    kinks=at(0),
    doc="The size of x without its sign. Slope 0 at 0.",
)

sign = op(
    "sign",
    np.sign,
    lambda g, y, x: g * 0.0,
    kinks=at(0),
    doc="-1, 0 or 1, as x is negative, zero or positive. Slope 0.",
)

max = op(
    "max",
    np.maximum,
    (
        lambda g, y, a, b: g * np.where(a == b, 0.5, a > b),
        lambda g, y, a, b: g * np.where(a == b, 0.5, a < b),
    ),
    kinks=lambda a, b: (a - b,),
    doc="The greater of a and b. On a tie each has half the gradient.",
)

min = op(
    "min",
    np.minimum,
    (
        lambda g, y, a, b: g * np.where(a == b, 0.5, a < b),
        lambda g, y, a, b: g * np.where(a == b, 0.5, a > b),
    ),
    kinks=lambda a, b: (a - b,),
    doc="The smaller of a and b. On a tie each has half the gradient.",
)
