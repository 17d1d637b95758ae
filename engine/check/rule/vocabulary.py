"""Formulas that wrong backward rules are found to be: what people write, as tables.

Local derivatives are in `x` and `y` for operations of one input, in `a`, `b` and `y` for those of
two; simple ones come first, for the first that fits is what is told.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType

from engine.formula import Formula
from engine.rule_text import formula

LOCAL: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        1: (
            "1", "x", "y", "2*x", "2*y", "x > 0", "x < 0", "y > 0", "sign(x)", "abs(x)",
            "1 - y", "1 + y", "1 - x", "1 + x", "1 - y**2", "1 + y**2", "1 - x**2", "1 + x**2",
            "y*(1 - y)", "x*(1 - x)", "y**2", "x**2", "y**3", "x**3", "x*y", "y/x", "x/y",
            "1/x", "1/y", "1/(2*y)", "1/(2*x)", "1/x**2", "1/y**2", "1/(1 + x)", "1/(1 + x**2)",
            "1/(1 + y**2)", "1/(1 + y)", "1/(1 - x**2)", "1/(1 - y**2)", "1/sqrt(1 - x**2)",
            "1/(x*log(10))", "1/(x*log(2))", "exp(x)", "exp(y)", "exp(-x)", "exp(-y)", "x*exp(x)",
            "x*exp(x - 1)", "log(x)", "log(y)", "sqrt(x)", "1/sqrt(x)", "x**1.5",
            "sin(x)", "cos(x)", "tan(x)", "sin(y)", "cos(y)", "1/cos(x)", "1/cos(x)**2",
            "1 + tan(x)", "sinh(x)", "cosh(x)", "1/cosh(x)", "1/cosh(x)**2", "tanh(x)", "tanh(y)",
            "sigmoid(x)", "sigmoid(y)", "sigmoid(-x)", "sigmoid(y)*(1 - sigmoid(y))",
            "exp(-x)/(1 + exp(-x))**2", "softplus(x)", "exp(x)/(1 + exp(x))**2", "1 + exp(x)",
            "sigmoid(x)*(1 - sigmoid(x))", "1 - tanh(x)**2", "1 - tanh(y)**2",
        ),
        2: (
            "1", "a", "b", "y", "1/a", "1/b", "a/b", "b/a", "y/a", "y/b", "a/b**2", "b/a**2",
            "1/b**2", "1/a**2", "y/b**2", "a + b", "a - b", "a*b", "a**2", "b**2", "y*a", "y*b",
            "y**2", "log(a)", "log(b)", "y*log(a)", "y*log(b)", "a**(b - 1)", "b*a**(b - 1)",
            "b*a**b", "a*b**(a - 1)", "(b - 1)*a**b", "(b - 1)*a**(b - 1)", "b*a**(b + 1)",
            "b**a", "a**b*log(b)", "log(a)/b", "a > b", "a < b", "a == b", "sign(a - b)",
            "sign(a)", "sign(b)", "exp(a)", "exp(b)", "exp(a - b)", "exp(a - y)", "exp(b - y)",
            "exp(y)", "exp(a + b)", "exp(a)/(exp(a) + exp(b))", "exp(b)/(exp(a) + exp(b))",
            "2*a", "2*b",
        ),
    }
)  # fmt: skip
"""Local derivatives by the count of inputs."""

ALIKE: tuple[tuple[str, str], ...] = (
    ("1 - y**2", "tanh"),
    ("y*(1 - y)", "sigmoid"),
    ("y", "exp"),
    ("1/(2*y)", "sqrt"),
    ("1 + y**2", "tan"),
    ("1 - exp(-y)", "softplus"),
)
"""Rules that are written with the output, and whose they are."""

FUNCTIONS: tuple[tuple[str, str, str], ...] = (
    ("x**2", "x**2", "2*x"),
    ("x**3", "x**3", "3*x**2"),
    ("1/x", "1/x", "-1/x**2"),
    ("log2(x)", "log(x)/log(2)", "1/(x*log(2))"),
    ("log10(x)", "log(x)/log(10)", "1/(x*log(10))"),
    ("2**x", "2**x", "2**x*log(2)"),
    ("10**x", "10**x", "10**x*log(10)"),
    ("silu", "x*sigmoid(x)", "sigmoid(x)*(1 + x*(1 - sigmoid(x)))"),
    (
        "the tanh form of gelu",
        "0.5*x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x**3)))",
        (
            "k = sqrt(2/pi); t = tanh(k*(x + 0.044715*x**3)); "
            "(1 + t + x*k*(1 - t**2)*(1 + 0.134145*x**2))/2"
        ),
    ),
    (
        "the sigmoid form of gelu",
        "x*sigmoid(1.702*x)",
        "s = sigmoid(1.702*x); s + 1.702*x*s*(1 - s)",
    ),
    ("leaky relu with 0.01", "where(x > 0, x, 0.01*x)", "where(x > 0, 1, 0.01)"),
    ("leaky relu with 0.1", "where(x > 0, x, 0.1*x)", "where(x > 0, 1, 0.1)"),
    ("elu", "where(x > 0, x, exp(x) - 1)", "where(x > 0, 1, exp(x))"),
    ("hard tanh", "max(-1, min(1, x))", "(x > -1)*(x < 1)"),
    ("relu6", "min(max(x, 0), 6)", "(x > 0)*(x < 6)"),
    ("softsign", "x/(1 + abs(x))", "1/(1 + abs(x))**2"),
    ("the bell curve exp(-x**2)", "exp(-x**2)", "-2*x*exp(-x**2)"),
    ("x*tanh(x)", "x*tanh(x)", "tanh(x) + x*(1 - tanh(x)**2)"),
    ("mish", "x*tanh(softplus(x))", "t = tanh(softplus(x)); t + x*(1 - t**2)*sigmoid(x)"),
)
"""Functions of one input beside the ops: name, forward, local derivative in x alone."""

FACTORS: tuple[tuple[float, str], ...] = (
    (2.0, "2"), (0.5, "1/2"), (3.0, "3"), (1 / 3, "1/3"), (4.0, "4"), (0.25, "1/4"),
    (2.302585092994046, "log(10)"), (0.4342944819032518, "1/log(10)"),
    (0.6931471805599453, "log(2)"), (1.4426950408889634, "1/log(2)"),
    (0.017453292519943295, "pi/180"), (57.29577951308232, "180/pi"),
    (3.141592653589793, "pi"), (2.718281828459045, "e"),
)  # fmt: skip
"""Factors that have a name."""


@functools.cache
def local(text: str, count: int) -> Formula:
    """The local derivative `text` as a formula of (y, x) or (y, a, b)."""
    return formula(text, ("y", "x") if count == 1 else ("y", "a", "b"))
