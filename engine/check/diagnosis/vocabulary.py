"""Formulas that a wrong local derivative, and numbers that a wrong factor may turn out to be.

The simplest come first. In a formula y is the output, x the input (or a and b the two), d the true
local derivative, g the gradient that comes in, e (for two inputs) the true one for the other input.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from engine.formula import Formula
from engine.rule_text import formula

UNARY: tuple[str, ...] = (
    "0", "1", "-d", "-1", "x", "y", "-x", "-y", "2*d", "d/2", "d**2", "x*d", "y*d", "g", "g*d",
    "d**3",
    "1/x", "1/y", "-1/x", "-1/y", "2*x", "2*y", "x/2", "y/2", "x**2", "y**2", "1/x**2", "1/y**2",
    "-1/x**2", "-1/y**2", "1 - x", "1 - y", "1 + x", "1 + y", "1 - x**2", "1 - y**2", "1 + x**2",
    "1 + y**2", "(1 - y)**2", "(1 + y)**2", "(1 - x)**2", "y*(1 - y)", "y*(1 + y)", "x*(1 - x)",
    "x*y", "x + y", "y - x", "x/y", "y/x", "sqrt(x)", "1/sqrt(x)", "1/(2*sqrt(x))", "2*sqrt(x)",
    "1/(2*x)", "1/(2*y)", "sqrt(x)/2", "exp(x)", "exp(-x)", "-exp(-x)", "x*exp(x)",
    "x*exp(x - 1)", "exp(y)", "exp(x)*log(x)", "log(x)", "log(x)/x", "log(y)", "x*log(x)",
    "1/(x*log(10))", "1/(x*log(2))", "sin(x)", "cos(x)", "-sin(x)", "-cos(x)", "tan(x)",
    "sin(y)", "cos(y)", "-sin(y)", "1/cos(x)**2", "1/sin(x)", "1/cos(x)", "sinh(x)", "cosh(x)",
    "1/cosh(x)", "1/cosh(x)**2", "1/cosh(y)**2", "tanh(x)", "1 - tanh(x)", "(1 - tanh(x))**2",
    "tanh(x)**2", "1 - tanh(y)**2", "sqrt(1 - y**2)", "sigmoid(x)", "sigmoid(-x)", "sigmoid(y)",
    "exp(-x)/(1 + exp(-x))", "1/(1 + exp(x))", "1/(1 + exp(-x))**2", "exp(x)/(1 + exp(x))**2",
    "1/(1 + x**2)", "1/(1 + x)", "1/(1 + y)", "1/sqrt(1 - x**2)", "sign(x)", "softplus(x)",
    "relu(x)", "log(1 + exp(x))", "d*pi/180", "d*180/pi", "cos(x*pi/180)", "-sin(x*pi/180)",
    "d/log(10)", "d*log(10)", "d*log(2)", "1 - g**2", "x - x**2", "y - x**2", "-x/y", "-y/x",
    "x**3", "3*x**2", "y**3", "1/x**3", "abs(x)", "1 - abs(x)", "1 - abs(y)", "2*x*y", "-d*x",
    "-d*y", "-d**2", "d/x", "d/y", "-2*d", "3*d", "d/3", "sqrt(d)", "1/d",
)  # fmt: skip

BINARY: tuple[str, ...] = (
    "0", "1", "-d", "-1", "a", "b", "y", "-a", "-b", "-y", "e", "-e", "d + e", "2*d", "d/2", "d**2",
    "d*e", "-d**2", "g", "g*d", "y*d", "a*d", "b*d", "a*b", "a + b", "a - b", "b - a", "1/a",
    "1/b", "-1/a", "-1/b", "a/b", "b/a", "-a/b", "-b/a", "1/a**2", "1/b**2", "-1/b**2", "a/b**2",
    "-a/b**2", "-b/a**2", "b/a**2", "-a/b**3", "1/y", "log(a)", "log(b)", "b*log(a)", "a*log(b)",
    "a*log(a)", "y*log(b)", "y*log(a)", "a**b", "b*a**b", "b*a**(b - 2)", "(b - 1)*a**(b - 1)",
    "(b - 1)*a**b", "(b + 1)*a**b", "(b + 1)*a**(b + 1)", "(b - 1)*a**(b - 2)", "a**(b - 1)",
    "a**(b + 1)/(b + 1)", "b*a", "b**2*a", "b*a**(b + 1)", "(b - 1)*a", "a**b*log(a)",
    "b*a**(b - 1)", "b**a", "a*b**(a - 1)", "b**a*log(b)", "y/a", "y/b", "-y/b", "-y/a", "2*a",
    "2*b", "a**2", "b**2", "-a**2", "-b**2", "a/2", "b/2", "(a + b)/2", "1/2", "2", "-2", "3",
    "b - 1", "b + 1", "d/a", "d/b", "1 - a", "1 - b", "1 - y", "a + y", "b + y", "log(y)",
    "1/(a*b)", "sqrt(a)", "3*d", "d/3", "-2*d", "1/(2*a)", "a/b**3", "exp(a)", "exp(b)",
)  # fmt: skip

FACTORS: tuple[tuple[str, str], ...] = (
    ("2", "2"),
    ("1/2", "1/2"),
    ("-1", "-1"),
    ("n", "n, the number of inputs"),
    ("1/n", "1/n, with n the number of inputs"),
    ("o", "the value of the output"),
    ("1/o", "1 over the value of the output"),
    ("2*o", "2*o, with o the value of the output: as if its square were asked for"),
    ("o**2", "the square of the output's value"),
    ("o - 1", "o - 1, with o the value of the output"),
    ("2*(o - 1)", "2*(o - 1), the slope of a squared error that nobody asked for"),
    ("-1/o", "-1 over the value of the output"),
    ("1/o**2", "1/o**2, with o the value of the output"),
    ("1 - o", "1 - o, with o the value of the output"),
    ("1 - o**2", "1 - o**2, with o the value of the output: one tanh too many"),
    ("o*(1 - o)", "o*(1 - o), with o the value of the output: one sigmoid too many"),
    ("pi/180", "pi/180: degrees for radians"),
    ("180/pi", "180/pi: degrees for radians"),
    ("log(10)", "ln 10: one logarithm for another"),
    ("1/log(10)", "1/ln 10: one logarithm for another"),
    ("log(2)", "ln 2: one logarithm for another"),
    ("1/log(2)", "1/ln 2: one logarithm for another"),
    ("1/u", "1 over the length of the gradient: it was normalised"),
    ("1/s", "1 over the sum of its parts: it was normalised"),
    ("1/m", "1 over the largest part: it was normalised"),
    ("3", "3"), ("1/3", "1/3"), ("4", "4"), ("1/4", "1/4"),
    ("10", "10"), ("1/10", "1/10"), ("100", "100"), ("1/100", "1/100"), ("1000", "1000"),
    ("1/1000", "1/1000"),
    ("-1/10", "-1/10: a step against the gradient, at a learning rate of 0.1"),
    ("-1/100", "-1/100: a step against the gradient, at a learning rate of 0.01"),
    ("-1/20", "-1/20: a step against the gradient, at a learning rate of 0.05"),
    ("1/20", "1/20: a learning rate of 0.05"), ("-2", "-2"), ("-1/2", "-1/2"),
    ("sqrt(n)", "the square root of n, the number of inputs"),
    ("1/sqrt(n)", "1 over the square root of n, the number of inputs"),
)  # fmt: skip
"""Factors of a whole gradient and their names: o is the output, n the number of inputs; u, s and m
are Euclidean length, sum of sizes and largest size of the true gradient."""

UNARY_NAMES = ("y", "x", "d", "g")
BINARY_NAMES = ("y", "a", "b", "d", "e", "g")
FACTOR_NAMES = ("o", "n", "u", "s", "m")


@cache
def formulas(inputs: int) -> Formula:
    """UNARY, or BINARY, as one formula with a result for each."""
    texts, names = (UNARY, UNARY_NAMES) if inputs == 1 else (BINARY, BINARY_NAMES)
    return formula([text.replace("pi", repr(math.pi)) for text in texts], names)


TEXTS: Mapping[int, tuple[str, ...]] = MappingProxyType({1: UNARY, 2: BINARY})
