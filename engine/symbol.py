"""Symbol: a number that is not known yet, all that a rule sees while it is traced."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from engine.functions import BY_ARRAY, BY_NAME, CALL, Function


class Untraceable(Exception):
    """The rule does something that has no place in a formula; the message says what."""


def _refuse(what: str) -> Any:
    def method(self: Symbol, *args: object, **kwargs: object) -> NoReturn:
        raise Untraceable(what)

    return method


_NOT_NESTED = "and, or, not of conditions have no place in a formula; nest np.where instead"


class Symbol:
    """A number that is not known yet: what rules see while they are traced."""

    __slots__ = ("args", "function", "name")

    def __init__(
        self, function: Function | None, args: tuple[Symbol | float, ...], name: str = ""
    ) -> None:
        self.function = function
        self.args = args
        self.name = name

    @classmethod
    def input(cls, name: str) -> Symbol:
        return cls(None, (), name)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Symbol:
        if method != "__call__" or kwargs:
            raise Untraceable(f"np.{ufunc.__name__} with {method} or keywords is not elementwise")
        return apply(ufunc, *args)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Symbol:
        if kwargs:
            raise Untraceable(f"np.{func.__name__} with keywords is not elementwise")
        return apply(func, *args)

    def __add__(self, other: Any) -> Symbol:
        return apply(np.add, self, other)

    def __radd__(self, other: Any) -> Symbol:
        return apply(np.add, other, self)

    def __sub__(self, other: Any) -> Symbol:
        return apply(np.subtract, self, other)

    def __rsub__(self, other: Any) -> Symbol:
        return apply(np.subtract, other, self)

    def __mul__(self, other: Any) -> Symbol:
        return apply(np.multiply, self, other)

    def __rmul__(self, other: Any) -> Symbol:
        return apply(np.multiply, other, self)

    def __truediv__(self, other: Any) -> Symbol:
        return apply(np.divide, self, other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return apply(np.divide, other, self)

    def __pow__(self, other: Any) -> Symbol:
        return apply(np.power, self, other)

    def __rpow__(self, other: Any) -> Symbol:
        return apply(np.power, other, self)

    def __neg__(self) -> Symbol:
        return apply(np.negative, self)

    def __pos__(self) -> Symbol:
        return self

    def __abs__(self) -> Symbol:
        return apply(np.absolute, self)

    def __gt__(self, other: Any) -> Symbol:
        return apply(np.greater, self, other)

    def __ge__(self, other: Any) -> Symbol:
        return apply(np.greater_equal, self, other)

    def __lt__(self, other: Any) -> Symbol:
        return apply(np.less, self, other)

    def __le__(self, other: Any) -> Symbol:
        return apply(np.less_equal, self, other)

    def __eq__(self, other: Any) -> Symbol:  # type: ignore[override]
        return apply(np.equal, self, other)

    def __ne__(self, other: Any) -> Symbol:  # type: ignore[override]
        return apply(np.not_equal, self, other)

    __hash__ = object.__hash__
    __bool__ = _refuse("the rule branches on its input; write np.where(condition, this, that)")
    __float__ = _refuse("float() of an input is not part of a formula; use numpy's functions")
    __int__ = __index__ = _refuse("int() of an input is not part of a formula")
    __iter__ = _refuse("the rule goes through its input one by one; write it for whole arrays")
    __len__ = _refuse("the length of an input is not part of an elementwise formula")
    __getitem__ = _refuse("an input cannot be indexed in an elementwise formula")
    __and__ = __rand__ = __or__ = __ror__ = __invert__ = _refuse(_NOT_NESTED)
    __mod__ = __rmod__ = _refuse("% has no place in a formula")
    __floordiv__ = __rfloordiv__ = _refuse("// has no place in a formula")
    __matmul__ = __rmatmul__ = _refuse("@ is not elementwise")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Untraceable(f".{name} of an input is not part of a formula")


def apply(function: Any, *args: Any) -> Symbol:
    """The symbol of `function`, a numpy function by identity, at `args`."""
    row = BY_ARRAY.get(function)
    if row is None:
        calls = [row.array.__name__ for row in BY_NAME.values() if row.binds == CALL]
        known = ", ".join(sorted(calls))
        raise Untraceable(
            f"np.{getattr(function, '__name__', function)} is not known to formulas; known: {known}"
        )
    if len(args) != row.arity:
        raise Untraceable(f"np.{function.__name__} takes {row.arity} arguments in a formula")
    if row.name == "where":
        return Symbol(row, (truth(args[0]), number(args[1]), number(args[2])))
    return Symbol(row, tuple(number(arg) for arg in args))


def number(x: Any) -> Symbol | float:
    """`x` as an operand: a symbol (1 or 0 for a truth) or a float. Raises Untraceable."""
    if isinstance(x, Symbol):
        if x.function is not None and x.function.answers:
            return Symbol(BY_NAME["where"], (x, 1.0, 0.0))
        return x
    real = isinstance(x, (bool, int, float, np.number, np.bool_))
    if real and not isinstance(x, np.complexfloating):
        return float(x)
    raise Untraceable(f"a {type(x).__name__} has no place in a formula, only numbers")


def truth(x: Any) -> Symbol:
    """`x` as a condition: a comparison, or whether a symbol is not 0. Raises Untraceable."""
    if not isinstance(x, Symbol):
        raise Untraceable("a condition that is always the same has no place in a formula")
    if x.function is not None and x.function.answers:
        return x
    return Symbol(BY_NAME["not_equal"], (x, 0.0))
