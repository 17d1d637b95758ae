"""Program: an expression as numbered straight-line equations, to be printed and evaluated."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.arrays import all_finite, as_text, digits, number_or_array, pointer_part
from engine.errors import EngineError, InputError, OpError, Position
from engine.evaluation import Evaluation, Node
from engine.limits import Limits
from engine.methods import on_arrays
from engine.names import nearest
from engine.op import Op
from engine.refusals import check_size, missing_inputs, too_many_numbers
from engine.value import Value, push

if TYPE_CHECKING:
    from engine.machine.buffers import Compiled

INFIX: Mapping[str, str] = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "div": "{} / {}",
    "pow": "{} ** {}",
    "matmul": "{} @ {}",
    "neg": "-{}",
    "abs": "abs({})",
}
"""Ops that are written with a sign."""


@dataclass(frozen=True, slots=True)
class Input:
    """A number or array that comes from outside; `default` is what the source gives it."""

    name: str
    default: Any
    position: Position


@dataclass(frozen=True, slots=True)
class Constant:
    """A number or array written in the source."""

    name: str
    value: Any
    position: Position


@dataclass(frozen=True, slots=True)
class Equation:
    """One operation. `args` are places in the program's nodes, `inputs` their names."""

    number: int
    name: str
    op: Op
    args: tuple[int, ...]
    inputs: tuple[str, ...]
    params: Mapping[str, Any]
    position: Position

    @property
    def text(self) -> str:
        """The equation as people write it: `n = %1 + b`."""
        return f"{self.name} = {self.term}"

    @property
    def term(self) -> str:
        """The right-hand side alone."""
        inputs = [f"({name})" if name.startswith("-") else name for name in self.inputs]
        if self.op.name in INFIX:
            return INFIX[self.op.name].format(*inputs)
        if self.op.name == "stack":
            return f"[{', '.join(inputs)}]"
        if self.op.name == "getitem":
            return f"{inputs[0]}[{_index_text(self.params['index'])}]"
        params = [f"{k}={v!r}" for k, v in self.params.items() if v != self.op.params[k]]
        return f"{self.op.name}({', '.join([*inputs, *params])})"

    def apply(self, args: Sequence[Any]) -> Any:
        """The op on Values, which gives a Value, or on floats and arrays.

        Raises InputError where shapes do not fit, OpError whatever else a rule raises, with the
        position of the equation.
        """
        try:
            if args and isinstance(args[0], Value):
                return push(self.op)(*args, **self.params)
            return on_arrays(self.op, args, dict(self.params))
        except EngineError as error:
            error.position = error.position or self.position
            raise
        except Exception as error:  # a plugin's rule may raise anything
            raise OpError(
                f"{self.op.name} failed: {type(error).__name__}: {error}", position=self.position
            ) from error


class Point(dict[str, Any]):
    """A value for every input of a program, checked: floats and arrays of finite numbers."""

    __slots__ = ("program",)

    program: Program


@dataclass(frozen=True)
class Program:
    """Inputs, constants and equations in the order of the source; the place of the output."""

    source: str
    nodes: tuple[Input | Constant | Equation, ...]
    place: int
    limits: Limits = field(default_factory=Limits, compare=False)
    aliases: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}), compare=False)
    """Names that were bound to a node which has another name: y in `y = x`."""

    @functools.cached_property
    def inputs(self) -> tuple[Input, ...]:
        return tuple(node for node in self.nodes if isinstance(node, Input))

    @functools.cached_property
    def equations(self) -> tuple[Equation, ...]:
        return tuple(node for node in self.nodes if isinstance(node, Equation))

    @property
    def output(self) -> str:
        """The name of the output."""
        return self.nodes[self.place].name

    @functools.cached_property
    def hash(self) -> str:
        """sha256 of equations, names, literals and ops: not of blanks, comments or positions."""
        rows: list[Any] = [["output", self.place]]
        for node in self.nodes:
            if isinstance(node, Input):
                rows.append(["input", node.name, digits(node.default)])
            elif isinstance(node, Constant):
                rows.append(["constant", digits(node.value)])
            else:
                params = {k: _to_the_last_bit(v) for k, v in sorted(node.params.items())}
                rows.append([node.name, node.op.name, node.op.hash, node.args, params])
        return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()

    def after(self, place: int) -> dict[int, Equation]:
        """The equations that depend on the node at `place`, by their places, in order."""
        found: dict[int, Equation] = {}
        for i, node in enumerate(self.nodes):
            if i != place and isinstance(node, Equation):
                depends = any(arg == place or arg in found for arg in node.args)
                found |= {i: node} if depends else {}
        return found

    # -- printed ---------------------------------------------------------------

    def forward_text(self) -> str:
        """The equations, numbered, one a line."""
        return "\n".join(f"{e.number:>3}  {e.text}" for e in self.equations)

    def backward_text(self) -> str:
        """Backpropagation written out: what each equation adds to the gradients of its inputs."""
        lines = [f"{self.output}.grad = 1"]
        for equation in reversed(self.equations):
            note = f"    # equation {equation.number}"
            lines += [f"{line}{note}" for line in self.backward_lines(equation)]
        return "\n".join(lines)

    def backward_lines(self, equation: Equation) -> Iterator[str]:
        """What the backward pass of one equation adds to the gradients of its inputs."""
        op, g = equation.op, f"{equation.name}.grad"
        if op.backward_formula is not None and not op.params:
            nodes = [self.nodes[i] for i in equation.args]
            known = {
                place + 2: node.value
                for place, node in enumerate(nodes)
                if isinstance(node, Constant) and isinstance(node.value, float)
            }
            names = [g, equation.name, *equation.inputs]
            terms: Sequence[str] = op.backward_formula.given(known).texts(names)
        else:
            called = f"{op.name}.backward({', '.join([g, equation.name, *equation.inputs])})"
            many = len(equation.args) > 1
            terms = [f"{called}[{i}]" if many else called for i in range(len(equation.args))]
        for place, (arg, term) in enumerate(zip(equation.args, terms, strict=True)):
            if not isinstance(self.nodes[arg], Constant) and op.differentiates(place):
                yield f"{self.nodes[arg].name}.grad += {term}"

    # -- evaluated -------------------------------------------------------------

    def point(self, at: Mapping[str, Any] | None = None) -> Point:
        """The value of every input: from `at`, else as the source has it. Floats and arrays. A
        point of this program is given back as it is.

        Raises InputError for a name that is unknown or has no value, and for what is not a finite
        real number or array of such.
        """
        if at.__class__ is Point and at.program is self:
            return at
        given = dict(at or {})
        names = [node.name for node in self.inputs]
        for name in given:
            if name not in names:
                meant = nearest(name, names)
                known = f"did you mean {meant}?" if meant else f"the inputs are {', '.join(names)}"
                raise InputError(
                    f"{name} is not an input of this expression",
                    code="unknown_input",
                    pointer=f"/at/{pointer_part(name)}",
                    hint=known if names else "this expression has no inputs",
                )
        missing = [n for n in self.inputs if n.name not in given and n.default is None]
        if missing:
            raise missing_inputs(missing)
        found = Point(
            (n.name, self._finite(n.name, given[n.name]) if n.name in given else n.default)
            for n in self.inputs
        )
        found.program = self
        return found

    def _finite(self, name: str, given: Any) -> Any:
        return number_or_array(given, f"/at/{pointer_part(name)}", name, self.limits.elements)

    def evaluate(self, at: Mapping[str, Any] | None = None) -> Evaluation:
        """Value, gradients and nodes at a point.

        A program that is evaluated again and again runs compiled (engine.fast), with the same
        numbers to rounding. Raises InputError where the point or a shape does not fit, or the
        output is an array of several numbers; OpError where an op broke its contract. Infinities
        and nans are results.
        """
        found = self._fast(at)
        if found is None:
            point = self.point(at)
            found = self._warming(point) or self.evaluate_slowly(point)
        return found

    def _fast(self, at: Mapping[str, Any] | None) -> Evaluation | None:
        """The way for floats; engine.fast puts a faster one in its place when it is time."""
        return None

    @functools.cached_property
    def _warming(self) -> Callable[[Point], Evaluation | None]:
        """What makes the program fast; it answers None where the rules have to."""
        from engine.fast import Warming

        return Warming(self)

    def evaluate_slowly(self, point: Mapping[str, Any]) -> Evaluation:
        """By the op's own rules, node by node."""
        values = self.run(point)
        output = values[self.place]
        self.require_scalar(output)
        with np.errstate(all="ignore"):
            output.backward()
        gradients = map(_gradient_of, values)
        nodes = tuple(map(self.node, self.nodes, [v.data for v in values], gradients))
        found = {n.name: n.gradient for n in nodes if n.op == "input"}
        evaluation = Evaluation(output.data, found, lambda: nodes)
        offender = next((n for n in nodes if not all_finite(n.value)), None)
        if offender is not None:
            evaluation.reason = self._reason(offender, values)
        else:
            odd = (n for n in reversed(nodes) if n.gradient is not None)
            offender = next((n for n in odd if not all_finite(n.gradient)), None)
            if offender is not None:
                evaluation.reason = f"the gradient at {offender.name} is not finite"
        evaluation.non_finite = offender
        return evaluation

    def evaluate_many(
        self,
        arrays: Mapping[str, Any],
        at: Mapping[str, Any] | None = None,
        gradients: bool = False,
    ) -> Any:
        """The output at many points at once: float64 of shape (points,).

        `arrays` give the inputs that move, each with a row for each point: (points, *its shape).
        The others are as in `at`, else as the source has them. With `gradients` a pair: the
        outputs, and for each moving input its gradients, (points, *its shape). Infinities and nans
        are results. Raises InputError where an array does not fit.
        """
        from engine.points.many import evaluate_many

        return evaluate_many(self, arrays, at, gradients)

    @functools.cached_property
    def plans(self) -> dict[Any, Any]:
        """What engine.points has worked out for this program, for as long as it lives."""
        return {}

    @functools.cached_property
    def blocks(self) -> dict[Any, Any]:
        """What evaluate_many() has made for this program."""
        return {}

    def compile(self, at: Mapping[str, Any] | None = None) -> Compiled:
        """The program on buffers of its own, for the tightest loops: see engine.machine.Compiled.

        `at` gives shapes and first values of the inputs. Raises InputError as evaluate() does.
        """
        from engine.machine.buffers import Compiled

        return Compiled(self, self.point(at))

    def value_at(
        self, point: Mapping[str, Any], held: Mapping[int, Any] = MappingProxyType({})
    ) -> float:
        """The output alone, at a complete `point` (see `point()`): the plain float64 forward.
        What is `held`, by its place among the nodes, is not computed."""
        output = self.run(point, requires_grad=False, held=held)[self.place]
        return float(np.reshape(output.data, ()))

    def run(
        self,
        point: Mapping[str, Any],
        requires_grad: bool = True,
        held: Mapping[int, Any] = MappingProxyType({}),
    ) -> list[Value]:
        """The Value of every node at a complete `point` (see `point()`). What is `held`, by its
        place, is not computed but taken as a leaf of the graph."""
        values: list[Value] = []
        left = self.limits.numbers
        for place, node in enumerate(self.nodes):
            if place in held:
                values.append(Value(held[place], node.name, requires_grad))
            elif isinstance(node, Input):
                values.append(Value(point[node.name], node.name, requires_grad))
            elif isinstance(node, Constant):
                values.append(Value.constant(node.value))
            else:
                values.append(self._apply(node, [values[i] for i in node.args]))
            if values[-1].data.__class__ is not float:
                left -= values[-1].size
                if left < 0:
                    raise too_many_numbers(node.position, self.limits.numbers)
        return values

    def _apply(self, equation: Equation, args: list[Value]) -> Value:
        if any(arg.data.__class__ is not float for arg in args) or equation.params:
            try:
                check_size(equation, args, self.limits.elements)
            except EngineError as error:
                error.position = error.position or equation.position
                raise
        return equation.apply(args)  # type: ignore[no-any-return]

    def require_scalar(self, output: Value) -> None:
        if output.size != 1:
            raise InputError(
                f"the output {self.output} has shape {output.shape}; a gradient needs one number",
                code="output_not_scalar",
                position=self.nodes[self.place].position,
                hint=f"reduce it, for instance with sum({self.output})",
            )

    def node(self, node: Input | Constant | Equation, value: Any, gradient: Any) -> Node:
        """What a node came to."""
        if isinstance(node, Constant):
            return Node(node.name, "constant", (), value, None, node.position)
        if isinstance(node, Input):
            return Node(node.name, "input", (), value, gradient, node.position)
        return Node(node.name, node.op.name, node.inputs, value, gradient, node.position)

    def _reason(self, offender: Node, values: Sequence[Value]) -> str | None:
        equation = next((e for e in self.equations if e.name == offender.name), None)
        if equation is None:
            return None
        for arg, domain in zip(equation.args, equation.op.domains, strict=False):
            x = values[arg]
            if x.data.__class__ is float and x.data not in domain:
                where = f"{self.nodes[arg].name} = {x.data:g}"
                return f"{equation.term} at {where}: defined for {domain.of(self.nodes[arg].name)}"
        return f"{equation.term} is {_first_odd(offender.value)}"


def _to_the_last_bit(param: Any) -> Any:
    """A parameter as text; numpy's own leaves out what is in the middle of a long array."""
    parts = param if isinstance(param, tuple) else (param,)
    if not any(isinstance(part, np.ndarray) for part in parts):
        return repr(param)
    return [digits(part) if isinstance(part, np.ndarray) else repr(part) for part in parts]


def _gradient_of(value: Value) -> Any:
    """The gradient of a value in the value's own shape: where nothing came back it is a plain 0."""
    grad = value.grad
    if grad.__class__ is value.data.__class__ is float or np.shape(grad) == value.shape:
        return grad
    return np.zeros(value.shape) + grad


def _first_odd(value: Any) -> str:
    """The first number of a value that is not finite, and where in an array it stands."""
    if isinstance(value, float):
        return as_text(value)
    where = tuple(np.argwhere(~np.isfinite(value))[0].tolist())
    return f"{as_text(float(value[where]))} at {list(where)}"


def _index_text(index: Any) -> str:
    return ", ".join(map(str, index)) if isinstance(index, tuple) else str(index)
