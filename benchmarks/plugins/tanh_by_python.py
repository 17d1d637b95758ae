"""A tanh of one's own that no formula holds: Python carries it out between compiled stretches."""

import numpy as np

from engine.extend import op


@op()
def tanh_by_python(x):
    """The hyperbolic tangent, in a type that is asked for, which formulas do not know."""
    return np.tanh(x, dtype=np.float64)


@tanh_by_python.backward
def _(g, y, x):
    return g * (1 - y * y)
