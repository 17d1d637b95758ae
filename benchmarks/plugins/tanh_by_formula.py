"""A tanh of one's own whose rule becomes a formula, so that it joins the compiled tape."""

import numpy as np

from engine.extend import op


@op()
def tanh_by_formula(x):
    """The hyperbolic tangent."""
    return np.tanh(x)


@tanh_by_formula.backward
def _(g, y, x):
    return g * (1 - y * y)
