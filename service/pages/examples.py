"""The expressions that the first page offers to click."""

from __future__ import annotations

from service.pages.question import Question

NEURON_POINT = {"x1": "2", "x2": "0", "w1": "-3", "w2": "1", "b": "6.881373587019543"}

NEURON = Question("o = tanh(x1*w1 + x2*w2 + b)", NEURON_POINT)

EXAMPLES = (
    (
        "the first expression",
        Question(
            "e = a*b\nd = e + c\nL = d * f",
            {"a": "2", "b": "-3", "c": "10", "f": "-2"},
        ),
    ),
    ("the neuron", NEURON),
    (
        "the neuron through exp",
        Question(
            "n = x1*w1 + x2*w2 + b\ne = (2*n).exp()\no = (e - 1) / (e + 1)",
            NEURON_POINT,
        ),
    ),
    ("a + a", Question("b = a + a", {"a": "3"}, {"a": "1"})),
    (
        "a slip halfway",
        Question(
            "e = a*b\nd = e + c\nL = d * f",
            {"a": "2", "b": "-3", "c": "10", "f": "-2"},
            {"d": "-2", "e": "2", "a": "-6", "b": "4"},
        ),
    ),
    (
        "two shared values",
        Question("d = a*b\ne = a + b\nf = d * e", {"a": "-2", "b": "3"}),
    ),
    (
        "micrograd's README",
        Question(
            "c = a + b\n"
            "d = a*b + b**3\n"
            "c = c + c + 1\n"
            "c = c + 1 + c + (-a)\n"
            "d = d + d*2 + relu(b + a)\n"
            "d = d + 3*d + relu(b - a)\n"
            "e = c - d\n"
            "f = e**2\n"
            "g = f / 2.0\n"
            "g = g + 10.0 / f",
            {"a": "-4", "b": "2"},
        ),
    ),
    ("a kink", Question("y = relu(x)", {"x": "0"}, {"x": "0.5"})),
)
"""Title and question, most of them the lecture's and micrograd's. `a + a` carries the mistake that
most people make once; "a slip halfway" one from which two others follow."""
