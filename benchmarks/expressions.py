"""The text of a case as a function of numpy, torch or jax numbers.

The text is compiled by Python itself, which is fine for the committed cases of this repository and
for nothing else; the service reads what people send with a grammar of its own.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Function = Callable[..., Any]

MODULES: Mapping[str, str] = {"numpy": "numpy", "torch": "torch", "jax": "jax.numpy"}
"""The module of each library; all three call what is listed below alike."""

DIRECT: Mapping[str, str] = {
    "abs": "abs",
    "cos": "cos",
    "exp": "exp",
    "log": "log",
    "max": "maximum",
    "min": "minimum",
    "sin": "sin",
    "sqrt": "sqrt",
    "tanh": "tanh",
}

DERIVED: Mapping[str, Callable[[Any], Function]] = {
    "relu": lambda m: lambda x: m.maximum(x, m.zeros_like(x)),
    "sigmoid": lambda m: lambda x: m.exp(-m.logaddexp(m.zeros_like(x), -x)),
    "softplus": lambda m: lambda x: m.logaddexp(m.zeros_like(x), x),
}
"""Functions that a library lacks or approximates (softplus of torch is its input from 20 on)."""


def function(source: str, names: Sequence[str], library: str) -> Function:
    """The function of the inputs `names`, in this order, that `source` states: its last assignment
    or expression, in float64."""
    tree = ast.parse(f"def stated({', '.join(names)}): ...")
    body = ast.parse(source).body
    last = body[-1]
    if isinstance(last, ast.Expr):
        body[-1] = ast.Return(last.value)
    else:
        assert isinstance(last, ast.Assign)
        body.append(ast.Return(ast.Name(last.targets[0].id, ast.Load())))
    tree.body[0].body = body
    namespace = dict(vocabulary(library))
    exec(compile(ast.fix_missing_locations(tree), "<case>", "exec"), namespace)
    return namespace["stated"]


def vocabulary(library: str) -> dict[str, Function]:
    """The functions of the language as `library` has them, on float64 numbers."""
    module = importlib.import_module(MODULES[library])
    direct = {name: getattr(module, called) for name, called in DIRECT.items()}
    derived = {name: made(module) for name, made in DERIVED.items()}
    return {name: _lifted(f, module) for name, f in (direct | derived).items()}


def _lifted(function: Function, module: Any) -> Function:
    """`function`, where an argument may be a number of Python, such as a constant of the source."""

    def lifted(*args: Any) -> Any:
        return function(*(module.asarray(arg, dtype=module.float64) for arg in args))

    return lifted
