"""Value: a number or an array that remembers how it was made, and can carry a gradient back."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.arrays import tidy
from engine.errors import InputError
from engine.graph import backward_order
from engine.methods import push_of
from engine.op import Op
from engine.ops import BY_FUNCTION, OPS

NO_PARAMS: Mapping[str, Any] = MappingProxyType({})

PLAIN = (np.shape, np.ndim, np.size, np.isfinite, np.isnan, np.isinf, np.array_equal, np.allclose)
"""numpy functions that look at a Value's numbers and give a plain answer."""


class Value:
    """A scalar (a Python float) or an array (float64) in a graph of operations.

    Operators and a method for each op build the graph as they compute; `backward()` fills `grad`,
    of the shape of `data`, in everything that led here. Gradients of leaves add up over calls until
    `zero_grad()`; inside the graph each call starts afresh, so that calling it twice doubles the
    leaves exactly.

        >>> a = Value(2.0, label="a")
        >>> b = a * a + 1
        >>> b.backward()
        >>> a.grad
        4.0

    One thread at a time may work on one graph.
    """

    # Most Values have no label and no parameters, so these two are set only where there are any.
    __slots__ = (
        "_label", "_params", "data", "grad", "inputs", "op", "pull", "requires_grad", "serial",
        "sources",
    )  # fmt: skip

    data: Any
    grad: Any
    op: Op | None
    inputs: tuple[Value, ...]
    sources: tuple[Value, ...]
    """those of the inputs that a gradient goes back to"""
    requires_grad: bool
    pull: Any
    serial: int

    def __init__(self, data: Any, label: str = "", requires_grad: bool = True) -> None:
        """A leaf of the graph. `data`: a number, a nested list of numbers, or an array.

        Raises InputError where `data` holds anything but real numbers.
        """
        if data.__class__ is float:
            self.data = data
            self.grad = 0.0
        else:
            self.data = _numbers(data)
            self.zero_grad()
        self.op = None
        self.inputs = self.sources = ()
        self.pull = None
        self.serial = 0
        self.requires_grad = requires_grad
        if label:
            self._label = label

    @classmethod
    def constant(cls, data: Any) -> Value:
        """A leaf that wants no gradient."""
        return cls(data, "", False)

    # -- gradients -------------------------------------------------------------

    def backward(self, gradient: Any = 1.0) -> None:
        """Add the gradient of this value to the `grad` of every leaf that it was made from.

        `gradient` is the upstream gradient, of the shape of this value (1 by default).
        Raises InputError where this value is an array and no upstream gradient is given, or one
        of another shape.
        """
        scalar = gradient.__class__ is float and self.data.__class__ is float
        seed = gradient if scalar else self._seed(gradient)
        if self.pull is None:
            if self.requires_grad:
                self.grad = self.grad + seed
            return
        nodes, held = backward_order(self)
        self.grad = seed
        try:
            for node in nodes:
                node.pull(node)
        finally:
            for leaf, before in held:
                leaf.grad = before + leaf.grad

    def _seed(self, gradient: Any) -> Any:
        """An upstream gradient in the shape of this value."""
        seed = tidy(gradient)
        if np.shape(seed) == self.shape:
            return seed
        if self.size != 1 or np.size(seed) != 1:
            raise InputError(
                f"backward() starts from one number, or from a gradient of the shape "
                f"{self.shape} of this value, not {np.shape(seed)}",
                code="not_a_scalar",
                hint="reduce it first, for instance with .sum() or .mean()",
            )
        return tidy(np.reshape(seed, self.shape))

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = 0.0 if self.data.__class__ is float else np.zeros(self.data.shape)

    if TYPE_CHECKING:  # what the end of this file gives the class, told to the type checker

        def __getattr__(self, name: str) -> Any: ...
        def __add__(self, other: Any) -> Value: ...
        def __neg__(self) -> Value: ...

        __abs__ = __pos__ = __neg__
        __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__
        __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __add__

    # -- looking ---------------------------------------------------------------

    @property
    def label(self) -> str:
        """A name for printing; "" where none was given."""
        return getattr(self, "_label", "")

    @label.setter
    def label(self, label: str) -> None:
        self._label = label

    @property
    def params(self) -> Mapping[str, Any]:
        """The parameters of the op that made this value, such as an axis."""
        return getattr(self, "_params", NO_PARAMS)

    @params.setter
    def params(self, params: Mapping[str, Any]) -> None:
        self._params = params

    def item(self) -> float:
        """The one number. Raises InputError for an array of several."""
        if np.size(self.data) != 1:
            raise InputError(f"item() needs one number; shape {self.shape} has {self.size}")
        return float(np.reshape(self.data, ()))

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.data)

    @property
    def ndim(self) -> int:
        return np.ndim(self.data)

    @property
    def size(self) -> int:
        return int(np.size(self.data))

    @property
    def T(self) -> Value:
        return self.transpose()  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        label = f", label={self.label!r}" if self.label else ""
        return f"Value(data={_shown(self.data)}, grad={_shown(self.grad)}{label})"

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a scalar Value has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Value]:
        return (self[i] for i in range(len(self)))

    def __float__(self) -> float:
        return self.item()

    def __bool__(self) -> bool:
        return bool(self.data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.data, dtype=dtype)

    def __getitem__(self, index: Any) -> Value:
        if isinstance(index, int) and not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is outside an array of shape {self.shape}")
        return _getitem(self, index=index)  # type: ignore[no-any-return]

    # -- plain comparisons: they look at the numbers and are no part of the graph

    __hash__ = object.__hash__

    def __eq__(self, other: Any) -> Any:
        return _compare(operator.eq, self, other)

    def __ne__(self, other: Any) -> Any:
        return _compare(operator.ne, self, other)

    def __lt__(self, other: Any) -> Any:
        return _compare(operator.lt, self, other)

    def __le__(self, other: Any) -> Any:
        return _compare(operator.le, self, other)

    def __gt__(self, other: Any) -> Any:
        return _compare(operator.gt, self, other)

    def __ge__(self, other: Any) -> Any:
        return _compare(operator.ge, self, other)

    # -- the doors by which ops and numpy's functions come in ------------------

    @classmethod
    def __apply_op__(cls, op: Op, args: tuple[Any, ...], params: dict[str, Any]) -> Value:
        return push(op)(*args, **params)  # type: ignore[no-any-return]

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:
            if ufunc in _BY_FUNCTION:
                return push(_BY_FUNCTION[ufunc])(*args)
            if ufunc in COMPARISONS or ufunc in PLAIN:
                return ufunc(*map(_plain, args))
        raise TypeError(_unknown(ufunc))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func in _BY_FUNCTION:
            op = _BY_FUNCTION[func]
            inputs = 1 if op.arity is None else op.arity
            if len(args) > inputs:  # numpy's own names of what follows the inputs
                names = [*inspect.signature(func).parameters][inputs:]
                kwargs = {**dict(zip(names, args[inputs:], strict=False)), **kwargs}
            return push(op)(*args[:inputs], **kwargs)
        if func is np.stack:
            return push(OPS["stack"])(*args[0], *args[1:], **kwargs)
        if func in PLAIN:
            return func(*map(_plain, args), **kwargs)
        raise TypeError(_unknown(func))


COMPARISONS = (
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
)  # fmt: skip

_PUSHES: dict[Op, Any] = {}
_TAUGHT: dict[str, Op] = {}
_BY_FUNCTION: dict[Any, Op] = dict(BY_FUNCTION)


def push(op: Op) -> Any:
    """The function that applies `op` to Values and plain numbers."""
    made = _PUSHES.get(op)
    if made is None:
        made = _PUSHES[op] = push_of(op, Value)
        made.__name__ = made.__qualname__ = op.name
        made.__doc__ = op.doc
    return made


def _numbers(data: Any) -> Any:
    if isinstance(data, Value):
        return data.data
    if _holds_values(data):
        raise InputError(
            "a Value made of Values would not carry gradients back to them",
            code="not_a_number",
            hint="np.stack([a, b]) makes an array of Values",
        )
    try:
        array = np.array(data)
    except (TypeError, ValueError):
        array = np.array(None)
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"a Value holds numbers, not {data!r:.60}",
            code="not_a_number",
            hint="give a number, or a list of numbers whose rows have the same length",
        )
    return tidy(array)


def _holds_values(data: Any) -> bool:
    return isinstance(data, (list, tuple)) and any(
        isinstance(item, Value) or _holds_values(item) for item in data
    )


def _plain(x: Any) -> Any:
    return x.data if isinstance(x, Value) else x


def _compare(how: Any, a: Value, b: Any) -> Any:
    return how(a.data, _plain(b))


def _shown(x: Any) -> str:
    if x.__class__ is float:
        return str(x)
    return np.array2string(np.asarray(x), precision=4, separator=", ", threshold=20).replace(
        "\n", ""
    )


def _unknown(func: Any) -> str:
    name = getattr(func, "__name__", str(func))
    known = ", ".join(sorted(OPS))
    return f"np.{name} does not work on Values; what does: {known}"


def teach(op: Op) -> None:
    """Give Values a fluent method of the name of `op`, unless the name is taken. An op whose
    forward is a numpy function answers for that function too."""
    if not hasattr(Value, op.name):
        setattr(Value, op.name, _method(op))
        _TAUGHT[op.name] = op
    if isinstance(op.forward, np.ufunc) or BY_FUNCTION.get(op.forward) is op:
        _BY_FUNCTION.setdefault(op.forward, op)


def forget(op: Op) -> None:
    """Undo teach(op), and drop what was made to apply `op` to Values."""
    if _TAUGHT.get(op.name) is op:
        del _TAUGHT[op.name]
        delattr(Value, op.name)
    if _BY_FUNCTION.get(op.forward) is op:
        del _BY_FUNCTION[op.forward]
    _PUSHES.pop(op, None)


def _method(op: Op) -> Any:
    function = push(op)
    if not op.params:
        return function  # a plain function: Python binds the Value to its first argument

    def method(self: Value, *args: Any, **params: Any) -> Value:
        inputs = (op.arity or 1) - 1
        more = args[inputs:]
        if len(more) > 1 and len(op.params) == 1:
            more = (more,)  # v.reshape(2, 3) as well as v.reshape((2, 3))
        if len(more) > len(op.params):
            raise TypeError(f"{op.name} is called as {op.call_text}")
        named = dict(zip(op.params, more, strict=False))
        return function(self, *args[:inputs], **named, **params)  # type: ignore[no-any-return]

    method.__name__ = method.__qualname__ = op.name
    method.__doc__ = op.doc
    return method


_getitem = push(OPS["getitem"])

for _op in OPS.values():
    teach(_op)

SIGNS = {
    "add": "add",
    "sub": "sub",
    "mul": "mul",
    "truediv": "div",
    "pow": "pow",
    "matmul": "matmul",
}
"""Python's operator methods and the ops behind them."""


def _reflected(function: Any) -> Any:
    return lambda self, other: function(other, self)


for _sign, _name in SIGNS.items():
    setattr(Value, f"__{_sign}__", push(OPS[_name]))
    setattr(Value, f"__r{_sign}__", _reflected(push(OPS[_name])))
Value.__neg__ = push(OPS["neg"])  # type: ignore[method-assign]
Value.__abs__ = push(OPS["abs"])
Value.__pos__ = lambda self: self
