"""Ops with one mistake each, and right ops that are awkward to examine.

Each is a function of a name, since the dice of the exam follow from the name: under another name
the same op is examined at other places.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from engine.extend import Trial, above, at, between, nonzero, op, positive, real


def _softmax(x):
    shifted = np.exp(x - np.max(x))
    return shifted / np.sum(shifted)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _relu(x):
    return np.maximum(x, 0)


def _into(x):
    x *= 2
    return x


def _noisy(x):
    return x + np.random.default_rng().normal(size=np.shape(x))


def _counting():
    calls = itertools.count()
    return lambda x: x * (1 + next(calls))


def _pair(forward, *rules, **more):
    return lambda name: op(name, forward, rules, inputs=("a", "b"), **more)


def _one(forward, rule, **more):
    return lambda name: op(name, forward, rule, inputs=("x",), **more)


def _whole(forward, rule, **more):
    return lambda name: op(name, forward, rule, inputs=("x",), elementwise=False, **more)


TRIALS = [Trial(((2, 3),)), Trial(((4,),))]
PRODUCTS = [Trial(((2, 3), (3, 4)))]

MISTAKES = {
    # the rule
    "sign": (_one(np.cos, lambda g, y, x: g * np.sin(x)), "sign is turned around"),
    "input for output": (_one(np.tanh, lambda g, y, x: g * (1 - x * x)), "slope of its forward"),
    "exp of input": (_one(np.exp, lambda g, y, x: g * x), "slope of its forward"),
    "sigmoid without 1 - y": (_one(_sigmoid, lambda g, y, x: g * y), "slope of its forward"),
    "factor lost": (_one(lambda x: x * x, lambda g, y, x: g * x), "0.5 times"),
    "factor doubled": (_one(np.sin, lambda g, y, x: 2 * g * np.cos(x)), "2 times"),
    "exponent kept": (_one(lambda x: x**3, lambda g, y, x: g * 3 * x**3), "slope of its forward"),
    "operands swapped": (
        _pair(np.multiply, lambda g, y, a, b: g * a, lambda g, y, a, b: g * b),
        "slope of its forward",
    ),
    "sign of subtraction": (
        _pair(np.subtract, lambda g, y, a, b: g, lambda g, y, a, b: g),
        "for b at",
    ),
    "division unsquared": (
        _pair(np.divide, lambda g, y, a, b: g / b, lambda g, y, a, b: -g * a / b,
              domain=(real, nonzero)),
        "for b at",
    ),
    "slightly off": (
        _one(np.sin, lambda g, y, x: g * np.cos(x) * 1.000003), "slope of its forward"),
    "wrong for large numbers": (
        _one(np.sinh, lambda g, y, x: g * np.minimum(np.cosh(x), 20.0)), "slope of its forward"),
    # the upstream gradient
    "upstream left out": (_one(np.exp, lambda g, y, x: y), "multiply by g"),
    "upstream alone": (_one(np.tanh, lambda g, y, x: g), "upstream gradient alone"),
    "upstream squared": (_one(np.sin, lambda g, y, x: g * g * np.cos(x)), "slope of its forward"),
    "upstream without sign": (
        _one(np.sin, lambda g, y, x: np.abs(g) * np.cos(x)), "slope of its forward"),
    "constant added": (
        _one(np.sin, lambda g, y, x: g * np.cos(x) + 1e-3), "slope of its forward"),
    "one input forgotten": (
        _pair(np.multiply, lambda g, y, a, b: g * b, None), "says nothing for b"),
    "None returned": (
        lambda name: op(name, np.multiply, lambda g, y, a, b: (g * b, None)),
        "says nothing for b",
    ),
    "gradients in the wrong order": (
        lambda name: op(
            name, lambda a, b: a * b * b, lambda g, y, a, b: (2 * g * a * b, g * b * b)),
        "for a at",
    ),
    # kinks
    "mask missing": (_one(_relu, lambda g, y, x: g, kinks=at(0)), "slope of its forward"),
    "mask missing, kink not declared": (_one(_relu, lambda g, y, x: g), "slope of its forward"),
    "mask turned around": (_one(_relu, lambda g, y, x: g * (x < 0)), "slope of its forward"),
    "mask from the upstream": (_one(_relu, lambda g, y, x: g * (g > 0)), "slope of its forward"),
    "mask beside the kink": (
        _one(_relu, lambda g, y, x: g * (x > 0.005), kinks=at(0)), "slope of its forward"),
    "mask beside the kink, below": (
        _one(_relu, lambda g, y, x: g * (x > -0.005)), "slope of its forward"),
    "slope of one side": (
        _one(lambda x: np.where(x > 0, x, 0.1 * x), lambda g, y, x: g), "slope of its forward"),
    "wrong beyond a far kink": (
        _one(lambda x: np.where(x > 20, 2 * x - 20, x), lambda g, y, x: g), "slope of its forward"),
    "wrong beyond a declared kink": (
        _one(lambda x: np.clip(x, -20, 6), lambda g, y, x: g * (x > -20), kinks=at(-20, 6)),
        "slope of its forward",
    ),
    "gradient to every winner": (
        _pair(np.maximum, lambda g, y, a, b: g, lambda g, y, a, b: g), "slope of its forward"),
    "wrong winner": (
        _pair(np.minimum, lambda g, y, a, b: g * (a > b), lambda g, y, a, b: g * (b > a)),
        "slope of its forward",
    ),
    "a jump everywhere": (
        _one(lambda x: np.sin(1e6 * np.floor(1e5 * x)), lambda g, y, x: g * 0.0),
        "cannot be measured",
    ),
    # parameters
    "parameter left out": (
        lambda name: op(
            name,
            lambda x, *, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x)),
            lambda g, y, x, alpha: g * np.where(x > 0, 1.0, np.exp(x)),
        ),
        "alpha = 0.75",
    ),
    "trial without a parameter": (
        lambda name: op(
            name, lambda x, *, n: x * n, lambda g, y, x, n: g * n, trials=[Trial()]),
        "a trial does not fit",
    ),
    # shapes
    "summed by itself": (
        _pair(np.multiply, lambda g, y, a, b: np.sum(g * b), lambda g, y, a, b: np.sum(g * a)),
        "alone, but",
    ),
    "broadcasting undone by itself": (
        _pair(np.add, lambda g, y, a, b: g, lambda g, y, a, b: np.sum(g) if np.ndim(b) == 0 else (
            g if np.shape(b) == np.shape(g) else np.sum(g, axis=-1))),
        "meet|shape",
    ),
    "not elementwise": (_one(_softmax, lambda g, y, x: y * (g - np.sum(g * y))), "elementwise"),
    "not elementwise, shape lost": (_one(np.sum, lambda g, y, x: g * np.ones_like(x)), "shape"),
    "matmul without transposes": (
        _pair(np.matmul, lambda g, y, a, b: g @ b, lambda g, y, a, b: a @ g,
              elementwise=False, trials=PRODUCTS),
        "raises ValueError",
    ),
    "matmul in the wrong order": (
        _pair(np.matmul, lambda g, y, a, b: (b @ g.T).T, lambda g, y, a, b: 2 * (a.T @ g),
              elementwise=False, trials=PRODUCTS),
        r"for b at b\[0, 0\]",
    ),
    "mean without 1/n": (
        _whole(lambda x: np.mean(x), lambda g, y, x: g * np.ones_like(x), trials=TRIALS),
        "6 times",
    ),
    "softmax without coupling": (
        _whole(_softmax, lambda g, y, x: g * y * (1 - y), trials=TRIALS), "slope of its forward"),
    "wrong shape": (
        _whole(np.transpose, lambda g, y, x: g, trials=[Trial(((2, 3),))]), "gradient of shape"),
    "one entry alone": (
        _whole(np.sum, lambda g, y, x: np.where(x == np.max(x), g, 0.0), trials=TRIALS),
        "slope of its forward",
    ),
    # contract
    "no backward": (_one(np.sin, None), "has no backward"),
    "no trials": (_whole(np.sum, lambda g, y, x: g), "nothing to try it with"),
    "too few gradients": (
        lambda name: op(name, np.multiply, lambda g, y, a, b: g * b), "returned 1 gradients"),
    "nan inside the domain": (_one(np.log, lambda g, y, x: g / x), "which its domain allows"),
    "infinite inside the domain": (
        _one(lambda x: 1 / np.maximum(x, 0), lambda g, y, x: -g * y * y),
        "which its domain allows",
    ),
    "nan gradient": (
        _one(np.abs, lambda g, y, x: g * x / np.sqrt(x)), "its backward gives nan"),
    "raises": (_one(lambda x: x + {}["offset"], lambda g, y, x: g), "raises"),
    "raises backwards": (_one(np.sin, lambda g, y, x: g[99]), "raises IndexError"),
    "changes its input": (_one(_into, lambda g, y, x: 2 * g), "changes what it is given"),
    "changes the upstream": (
        _one(lambda x: 2 * x, lambda g, y, x: _into(g)), "changes what it is given"),
    "throws dice": (_one(_noisy, lambda g, y, x: g), "another answer"),
    "remembers": (lambda name: op(name, _counting(), lambda g, y, x: g), "another answer"),
    "complex": (_one(lambda x: x + 0j, lambda g, y, x: g), "not real numbers"),
    "text": (_one(lambda x: "two", lambda g, y, x: g), "not real numbers"),
    "asks for the kind of input": (
        _one(lambda x: 2 * x if isinstance(x, (float, np.ndarray)) else 3 * x,
             lambda g, y, x: 2 * g),
        "its formula gives",
    ),
    "other for single numbers": (
        _one(lambda x: x * (3.0 if np.size(x) == 1 else 2.0), lambda g, y, x: g * 2.0),
        "alone, but",
    ),
    "kinks that raise": (
        _one(np.abs, lambda g, y, x: g * np.sign(x), kinks=lambda z, w: (z,)), "raises TypeError"),
}  # fmt: skip

ERF = 2 / np.sqrt(np.pi)
_erf = np.vectorize(math.erf, otypes=[float])

RIGHT = {
    "textbook sigmoid": _one(_sigmoid, lambda g, y, x: g * y * (1 - y)),
    "textbook tanh": _one(np.tanh, lambda g, y, x: g * (1 - y * y)),
    "erf": _one(_erf, lambda g, y, x: g * ERF * np.exp(-x * x)),
    "clip": _one(lambda x: np.clip(x, -1, 6), lambda g, y, x: g * ((x > -1) & (x < 6))),
    "relu6": _one(lambda x: np.minimum(np.maximum(x, 0), 6), lambda g, y, x: g * (x > 0) * (x < 6)),
    "hardshrink": _one(
        lambda x: np.where(np.abs(x) > 0.5, x, 0.0), lambda g, y, x: g * (np.abs(x) > 0.5)),
    "huber": _one(
        lambda x: np.where(np.abs(x) < 1, 0.5 * x * x, np.abs(x) - 0.5),
        lambda g, y, x: g * np.where(np.abs(x) < 1, x, np.sign(x))),
    "softsign": _one(lambda x: x / (1 + np.abs(x)), lambda g, y, x: g / (1 + np.abs(x)) ** 2),
    "power one and a half": _one(
        lambda x: np.abs(x) ** 1.5, lambda g, y, x: g * 1.5 * np.sign(x) * np.sqrt(np.abs(x))),
    "elu": lambda name: op(
        name,
        lambda x, *, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
        lambda g, y, x, alpha: g * np.where(x > 0, 1.0, y + alpha)),
    "floor": _one(np.floor, lambda g, y, x: g * 0.0),
    "sawtooth": _one(lambda x: x - np.floor(x), lambda g, y, x: g),
    "fast waves": _one(lambda x: np.sin(300 * x), lambda g, y, x: g * 300 * np.cos(300 * x)),
    "float32": _one(
        lambda x: np.tanh(np.asarray(x, np.float32)) * np.float32(1.5),
        lambda g, y, x: g * 1.5 * (1 - np.tanh(x) ** 2)),
    "large offset": _one(lambda x: 1e6 + x * x, lambda g, y, x: 2 * g * x),
    "tiny": _one(lambda x: 1e-200 * np.exp(x), lambda g, y, x: g * y),
    "arcsin": _one(np.arcsin, lambda g, y, x: g / np.sqrt(1 - x * x), domain=between(-1, 1)),
    "arccosh": _one(np.arccosh, lambda g, y, x: g / np.sqrt(x * x - 1), domain=above(1)),
    "reciprocal": _one(lambda x: 1 / x, lambda g, y, x: -g * y * y, domain=nonzero),
    "entropy": _one(
        lambda x: -x * np.log(x), lambda g, y, x: -g * (np.log(x) + 1), domain=positive),
    "gaussian": _one(lambda x: np.exp(-x * x), lambda g, y, x: -2 * g * x * y),
    "overflowing": _one(lambda x: np.exp(x * x), lambda g, y, x: 2 * g * x * y),
    "hypot": _pair(np.hypot, lambda g, y, a, b: g * a / y, lambda g, y, a, b: g * b / y),
    "arctan2": _pair(
        np.arctan2,
        lambda g, y, a, b: g * b / (a * a + b * b), lambda g, y, a, b: -g * a / (a * a + b * b)),
    "constant": _one(lambda x: 0 * x + 3, lambda g, y, x: 0 * g),
    "whole numbers": _one(lambda x: np.sign(x).astype(int), lambda g, y, x: np.zeros_like(x)),
    "prod": _whole(np.prod, lambda g, y, x: g * y / x, domain=positive, trials=TRIALS),
    "max of all": _whole(np.max, lambda g, y, x: g * (x == y), trials=TRIALS),
    "sum of all": lambda name: op(
        name, lambda *xs: sum(xs), lambda g, y, *xs: tuple(g for _ in xs),
        trials=[Trial(((2,), (2,), (2,)))]),
}  # fmt: skip
