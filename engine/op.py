"""Op: an operation stated once, by what it computes forward and backward.

    tanh = op("tanh", np.tanh, lambda g, y, x: g * (1 - y * y))

A backward rule takes the upstream gradient, the output and the inputs, always in this order, and
the parameters by keyword. It is pure: nothing is saved, nothing accumulated. The engine counts and
checks what comes back, undoes broadcasting, adds with `+=`.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from engine.domain import Domain, real
from engine.errors import InputError, OpError
from engine.fingerprint import fingerprint
from engine.formula import Formula
from engine.symbol import Symbol, Untraceable

Rule = Callable[..., Any]
REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Trial:
    """One way to call an op that cannot be tried on arrays of any shape: shapes of the inputs
    (or `inputs` themselves) and parameters."""

    shapes: tuple[tuple[int, ...], ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Any, ...] = ()


@dataclass(eq=False)
class Op:
    """One operation. Made by `op()`; read-only once its backward is stated."""

    name: str
    forward: Callable[..., Any]
    rules: tuple[Rule | None, ...] | Rule | None
    input_names: tuple[str, ...]
    params: Mapping[str, Any]
    doc: str
    domains: tuple[Domain, ...]
    kinks: Callable[..., Any] | None = None
    elementwise: bool = True
    variadic: bool = False
    trials: tuple[Trial, ...] = ()
    module: str = ""
    """the module that states it"""
    origin: str = "built-in"

    @property
    def arity(self) -> int | None:
        """How many inputs it takes; None where any number will do."""
        return None if self.variadic else len(self.input_names)

    @property
    def call_text(self) -> str:
        """How it is called: `sum(x, axis=None, keepdims=False)`."""
        inputs = [f"*{name}" if self.variadic else name for name in self.input_names]
        params = [
            name if default is REQUIRED else f"{name}={default}"
            for name, default in self.params.items()
        ]
        return f"{self.name}({', '.join([*inputs, *params])})"

    def __repr__(self) -> str:
        return f"<op {self.call_text}>"

    def __call__(self, *args: Any, **params: Any) -> Any:
        """The op on arrays gives an array; on Values (or symbols of a trace), theirs."""
        for arg in args:
            serve = getattr(type(arg), "__apply_op__", None)
            if serve is not None:
                return serve(self, args, params)
        return self.forward(*args, **{**self.params, **params})

    def backward(self, rule: Rule) -> Rule:
        """Decorator that states the backward of an op made by `@op()`: one function of
        (g, y, *inputs) that returns one gradient, or a tuple of them, one per input."""
        if self.rules is not None:
            raise OpError(f"the backward of {self.name} is stated twice")
        self.rules = rule
        return rule

    @functools.cached_property
    def blind(self) -> frozenset[int]:
        """The places of inputs that can have no gradient."""
        places = range(len(self.input_names))
        return frozenset(place for place in places if not self.differentiates(place))

    def differentiates(self, place: int) -> bool:
        """Whether the input at `place` can have a gradient at all."""
        return not (isinstance(self.rules, tuple) and self.rules[place] is None)

    # -- the rules, run --------------------------------------------------------------------

    def pull(
        self,
        g: Any,
        y: Any,
        inputs: Sequence[Any],
        params: Mapping[str, Any],
        wanted: Sequence[bool],
    ) -> list[Any]:
        """The gradients of the inputs that are `wanted` (None for the others), each of its
        input's shape, for the upstream gradient `g` of output `y`.

        Works on arrays, and on Values (the result is then differentiable again).
        Raises OpError where a rule returns another count or shape than it should.
        """
        grads = self.run_rules(g, y, inputs, params, wanted)
        return [
            None if d is None else self._fit(d, np.shape(x), place)
            for place, (d, x) in enumerate(zip(grads, inputs, strict=True))
        ]

    def run_rules(
        self,
        g: Any,
        y: Any,
        inputs: Sequence[Any],
        params: Mapping[str, Any],
        wanted: Sequence[bool],
    ) -> list[Any]:
        """As pull(), with broadcasting not undone yet: what the rules themselves give."""
        if self.rules is None:
            raise OpError(f"{self.name} has no backward: state it with @{self.name}.backward")
        if isinstance(self.rules, tuple):
            return [
                rule(g, y, *inputs, **params) if want and rule else None
                for rule, want in zip(self.rules, wanted, strict=True)
            ]
        returned = self.rules(g, y, *inputs, **params)
        grads = returned if isinstance(returned, tuple) else (returned,)
        if len(grads) != len(inputs):
            raise OpError(
                f"the backward of {self.name} returned {len(grads)} gradients for its "
                f"{len(inputs)} inputs; return one for each, in their order"
            )
        return [d if want else None for d, want in zip(grads, wanted, strict=True)]

    def _fit(self, d: Any, shape: tuple[int, ...], place: int) -> Any:
        if np.shape(d) == shape:
            return d
        try:
            return unbroadcast(d, shape)
        except ValueError:
            name = self.input_names[0 if self.variadic else place]
            raise OpError(
                f"the backward of {self.name} returned a gradient of shape {np.shape(d)} "
                f"for its input {name} of shape {shape}"
            ) from None

    # -- what follows from the rules ----------------------------------------------------------

    @functools.cached_property
    def _traced(self) -> tuple[Formula | None, Formula | None, str | None]:
        if not self.elementwise or self.variadic:
            return None, None, "it works on whole arrays"
        names = (*self.input_names, *self.params)
        if not set(names).isdisjoint("gy"):
            return None, None, "an input named g or y hides the upstream gradient or the output"
        try:
            forward = Formula.trace(
                [_by_place(self.forward, len(self.input_names), self.params)], names
            )
            rules = self.rules if isinstance(self.rules, tuple) else (self.rules,)
            backward = Formula.trace(
                [
                    _by_place(rule or _zero, len(self.input_names) + 2, self.params)
                    for rule in rules
                ],
                ("g", "y", *names),
            )
        except Untraceable as reason:
            return None, None, str(reason)
        except Exception as error:  # an author's rule may raise anything on a symbol
            return None, None, f"{type(error).__name__} while it was traced: {error}"
        if len(backward.results) != len(self.input_names):
            return None, None, "its backward does not return one gradient for each input"
        return forward, backward, None

    @property
    def formula(self) -> Formula | None:
        """The forward as a formula of the inputs (and parameters), if it is elementwise."""
        return self._traced[0]

    @property
    def backward_formula(self) -> Formula | None:
        """The backward as a formula of g, y and the inputs (and parameters): one result each."""
        return self._traced[1]

    @property
    def python_only(self) -> str | None:
        """Why there is no formula, if there is none."""
        return self._traced[2]

    @functools.cached_property
    def hash(self) -> str:
        """sha256 of what the op computes: of its formulas, else of its rules' bytecode."""
        word = hashlib.sha256(self.call_text.encode())
        if self.formula is not None and self.backward_formula is not None:
            word.update((self.formula.hash + self.backward_formula.hash).encode())
        else:
            rules = self.rules if isinstance(self.rules, tuple) else (self.rules,)
            for rule in (self.forward, *rules):
                word.update(fingerprint(rule))
        return word.hexdigest()


def op(
    name: str | Callable[..., Any] | None = None,
    forward: Callable[..., Any] | None = None,
    backward: Sequence[Rule | None] | Rule | None = None,
    *,
    domain: Domain | Sequence[Domain] = real,
    kinks: Callable[..., Any] | None = None,
    elementwise: bool = True,
    trials: Sequence[Trial] = (),
    inputs: Sequence[str] | None = None,
    params: Mapping[str, Any] | None = None,
    doc: str | None = None,
) -> Any:
    """State an operation: `tanh = op("tanh", np.tanh, lambda g, y, x: …)`, or `@op()` over its
    forward and then `@NAME.backward` over its backward.

    `backward` is one rule per input (None for an input that has no gradient) or one function
    returning a tuple. Parameters are the keyword-only arguments of `forward`. `inputs` and `params`
    are needed only where `forward` is a numpy function, whose signature says too little.
    Raises OpError where the counts of inputs, domains and rules do not fit.
    """
    module = sys._getframe(1).f_globals.get("__name__", "")

    def state(function: Callable[..., Any]) -> Op:
        names, variadic, defaults = _signature(function)
        if inputs is not None:
            names, variadic = tuple(inputs), False
        domains = (domain,) * len(names) if isinstance(domain, Domain) else tuple(domain)
        stated = name if isinstance(name, str) else function.__name__
        if len(domains) != len(names):
            raise OpError(f"{stated} has {len(names)} inputs but {len(domains)} domains")
        rules = tuple(backward) if isinstance(backward, Sequence) else backward
        if isinstance(rules, tuple) and not variadic and len(rules) != len(names):
            raise OpError(f"{stated} has {len(names)} inputs but {len(rules)} backward rules")
        return Op(
            name=stated,
            forward=function,
            rules=rules,
            input_names=names,
            params=MappingProxyType(dict(params if params is not None else defaults)),
            doc=inspect.cleandoc(doc or function.__doc__ or ""),
            domains=domains,
            kinks=kinks,
            elementwise=elementwise,
            variadic=variadic,
            trials=tuple(trials),
            module=module,
        )

    if callable(name):
        return state(name)  # @op without its brackets
    return state if forward is None else state(forward)


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """`g` summed over the axes along which an input of `shape` was repeated to give its shape.

    Works on arrays and Values. Raises ValueError where `shape` cannot be broadcast to g's.
    """
    given = np.shape(g)
    extra = len(given) - len(shape)
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, given[extra:], strict=True)):
        return np.broadcast_to(g, shape)
    axes = tuple(range(extra)) + tuple(
        extra + i for i, n in enumerate(shape) if n == 1 and given[extra + i] != 1
    )
    return np.reshape(np.sum(g, axis=axes), shape) if axes else np.reshape(g, shape)


def shape_error(op: Op, inputs: Sequence[Any], error: Exception) -> InputError:
    """The error to raise where the forward of `op` would not take its inputs."""
    shapes = " and ".join(str(np.shape(x)) for x in inputs)
    message = f"{op.name} does not go with {'shapes' if len(inputs) > 1 else 'shape'} {shapes}"
    if not isinstance(op.forward, np.ufunc):  # a ufunc would only say the same at length
        message += f": {error}"
    return InputError(message, code="wrong_shape", hint=f"it is called as {op.call_text}")


def _signature(function: Callable[..., Any]) -> tuple[tuple[str, ...], bool, dict[str, Any]]:
    if isinstance(function, np.ufunc):
        return ("x",) if function.nin == 1 else ("a", "b")[: function.nin], False, {}
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # a function written in C that does not say
        return (), False, {}
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    many = [p.name for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL]
    names = [p.name for p in parameters if p.kind in places]
    keywords = {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
    return tuple(names or many), bool(many), keywords


def _by_place(rule: Rule, count: int, params: Mapping[str, Any]) -> Rule:
    """`rule` with its parameters taken by place, after `count` others."""
    return lambda *args: rule(*args[:count], **dict(zip(params, args[count:], strict=True)))


def _zero(*args: Symbol) -> float:
    return 0.0
