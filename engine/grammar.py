"""The language of expressions as tables: what is read, what is passed over, what is refused."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping

BINARY: Mapping[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.Pow: "pow",
    ast.MatMult: "matmul",
}

REFUSED: Mapping[type[ast.AST], tuple[str, str]] = {
    ast.Compare: ("a comparison has no gradient", "use relu, max, min or abs"),
    ast.BoolOp: ("and, or have no gradient", "use max or min"),
    ast.IfExp: ("if … else branches", "use relu, max, min or where(condition, a, b)"),
    ast.Lambda: ("functions cannot be defined here", "write the expression itself"),
    ast.ListComp: ("loops cannot be run here", "write the terms, or use an array and sum(…)"),
    ast.GeneratorExp: ("loops cannot be run here", "write the terms, or use an array and sum(…)"),
    ast.JoinedStr: ("text is not a number", "leave it out"),
    ast.Tuple: ("a tuple is not a number", "write [a, b] for an array"),
    ast.Set: ("a set is not a number", "write [a, b] for an array"),
    ast.Dict: ("a dictionary is not a number", "give values of inputs beside the source"),
    ast.NamedExpr: (":= cannot be used here", "write name = … on a line of its own"),
    ast.Starred: ("* in front of a name cannot be used here", "write the terms"),
    ast.FunctionDef: ("functions cannot be defined here", "write the expression itself"),
    ast.ClassDef: ("classes cannot be defined here", "write the expression itself"),
    ast.For: ("loops cannot be run here", "write the lines that it stands for"),
    ast.While: ("loops cannot be run here", "write the lines that it stands for"),
    ast.If: ("if branches", "use relu, max, min or where(condition, a, b)"),
    ast.AnnAssign: ("a name is given a value without a type", "write name = …"),
    ast.Delete: ("names cannot be deleted", "leave the line out"),
}

MODULES = frozenset({"math", "np", "numpy", "torch", "nn", "F", "jnp"})
"""Names in front of a function that are passed over: np.tanh is tanh."""

WRAPPERS = frozenset({"Value", "tensor", "Tensor", "array", "asarray", "float"})
"""Calls that mean their argument: Value(2.0) is 2.0."""

CASTS = frozenset({"double", "float"})
"""Methods without arguments that mean what they are called on: all numbers here are float64."""

SILENT_ATTRIBUTES = frozenset({"label", "grad", "requires_grad"})
"""What a notebook sets on a Value and Nudge keeps by itself: `o.grad = 1.0` is passed over."""

SILENT_CALLS = frozenset({"_backward", "backward", "zero_grad", "draw_dot", "print"})
"""Calls of a notebook that stand alone on a line and are passed over: Nudge does this itself."""

SYNONYMS = {"ln": "log", "arctan": "atan", "maximum": "max", "minimum": "min", "power": "pow",
            "absolute": "abs", "concatenate": "stack", "dot": "matmul"}  # fmt: skip
"""What other books call an op."""

NUMBERS = {"pi": math.pi, "e": math.e, "tau": math.tau}
"""Constants of a module, as in math.pi."""
