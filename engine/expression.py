"""Text to Program, by a whitelist of syntax; nothing is ever evaluated by Python.

The language is a corner of Python's: assignments and expressions, one a line or separated by `;`,
with numbers, names, lists as arrays, `+ - * / ** @`, calls and fluent methods of ops, and
constant indices. Code pasted from the lecture's notebook works: `Value(2.0, label='a')`,
`math.exp(x)`, `np.tanh(x)`, `o.label = 'o'`, `o.backward()` are understood or passed over.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.builder import ProgramBuilder
from engine.calls import find_op
from engine.errors import ExpressionError, Position
from engine.grammar import (
    BINARY,
    CASTS,
    MODULES,
    NUMBERS,
    REFUSED,
    SILENT_ATTRIBUTES,
    SILENT_CALLS,
    WRAPPERS,
)  # fmt: skip
from engine.limits import Limits
from engine.op import REQUIRED, Op
from engine.ops import BY_FUNCTION, OPS
from engine.program import Program
from engine.source import Source

if TYPE_CHECKING:
    from engine.registry import Vocabulary


def parse(
    source: str, vocabulary: Vocabulary | None = None, limits: Limits | None = None
) -> Program:
    """The program that `source` states, with the ops of `vocabulary` (the built-in ones).

    A name first assigned a bare number is an input with that value; a name never assigned is an
    input without one. The output is the last assignment or expression.
    Raises ExpressionError with code, position and hint where the source cannot be read.
    """
    limits = limits or Limits()
    ops = OPS if vocabulary is None else vocabulary.ops
    by_function = BY_FUNCTION if vocabulary is None else vocabulary.by_function
    reader = _Reader(Source(source, limits), ops, by_function, limits)
    return reader.program(source)


class _Reader:
    def __init__(
        self,
        source: Source,
        ops: Mapping[str, Op],
        by_function: Mapping[Any, Op],
        limits: Limits,
    ) -> None:
        self.source = source
        self.ops = ops
        self.by_function = by_function
        self.limits = limits
        self.builder = ProgramBuilder(limits)

    def program(self, text: str) -> Program:
        output = None
        for statement in self.source.tree().body:
            found = self.statement(statement)
            output = output if found is None else found
        if output is None:
            raise ExpressionError(
                "there is no expression in the source",
                code="empty",
                position=Position(1, 1, 1),
                hint="write one, for instance o = tanh(x*w + b)",
            )
        return self.builder.build(text, output)

    # -- statements ------------------------------------------------------------

    def statement(self, node: ast.stmt) -> int | None:
        """The node that a statement gives a value, or None where it gives none."""
        match node:
            case ast.Assign(targets=[ast.Attribute(attr=name)], value=ast.Constant()) if (
                name in SILENT_ATTRIBUTES
            ):
                return None
            case ast.Assign(targets=targets, value=value):
                bare = self.bare(value)
                found = None
                for target in targets:
                    found = self.assign(target, bare, value if found is None else found)
                return found
            case ast.AugAssign(target=ast.Name() as target, op=sign, value=value):
                left = self.name(target)
                right = self.expression(value, 1)
                result = self.binary(node, sign, left, right, target, value)
                self.builder.bind(self.identifier(target), result)
                return result
            case ast.Expr(
                value=ast.Call(func=ast.Attribute(attr=called) | ast.Name(id=called))
            ) if called in SILENT_CALLS:
                return None
            case ast.Expr(value=value):
                return self.expression(value, 1)
            case ast.Import() | ast.ImportFrom() | ast.Pass():
                return None
        raise self.refused(node)

    def assign(self, target: ast.expr, bare: Any, value: ast.expr | int) -> int:
        if not isinstance(target, ast.Name):
            raise self.error(
                target, "unsupported", "only a name can be given a value", "write name = …"
            )
        name = self.identifier(target)
        if bare is not None and not self.builder.knows(name):
            return self.builder.input(name, self.source.position(target), bare)
        found = self.expression(value, 1) if isinstance(value, ast.expr) else value
        self.builder.bind(name, found)
        return found

    def bare(self, node: ast.expr) -> Any:
        """The number or array of numbers that `node` spells out, or None."""
        match node:
            case ast.Call(func=function, args=[inner]) if self.wraps(function):
                return self.bare(inner)
            case ast.Call(func=ast.Attribute(attr=name, value=inner), args=[], keywords=[]) if (
                name in CASTS
            ):
                return self.bare(inner)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant() as inner):
                return -self.number(inner)
            case ast.UnaryOp(op=ast.UAdd(), operand=ast.Constant() as inner):
                return self.number(inner)
            case ast.Constant():
                return self.number(node)
            case ast.List(elts=elements):
                parts = [self.bare(element) for element in elements]
                if any(part is None for part in parts) or not parts:
                    return None
                try:
                    return np.array(parts, dtype=np.float64)
                except ValueError:
                    raise self.error(
                        node, "argument", "the rows of this array have different lengths",
                        "give every row the same number of entries",
                    ) from None  # fmt: skip
        return None

    # -- expressions -----------------------------------------------------------

    def expression(self, node: ast.expr, depth: int) -> int:
        if depth > self.limits.depth:
            raise self.source.too_deep(node)
        bare = self.bare(node)
        if bare is not None:
            return self.builder.constant(bare, self.source.position(node))
        match node:
            case ast.Name():
                return self.name(node)
            case ast.BinOp():
                return self.chain(node, depth)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.apply(node, self.ops["neg"], [self.expression(operand, depth + 1)])
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.expression(operand, depth + 1)
            case ast.Call():
                return self.call(node, depth)
            case ast.List(elts=elements) if elements:
                parts = [self.expression(element, depth + 1) for element in elements]
                return self.apply(node, self.ops["stack"], parts)
            case ast.Subscript(value=value, slice=index):
                inner = self.expression(value, depth + 1)
                return self.apply(node, self.ops["getitem"], [inner], index=self.index(index))
            case ast.Attribute(attr="T", value=value):
                inner = self.expression(value, depth + 1)
                return self.apply(node, self.ops["transpose"], [inner])
            case ast.Attribute(attr=name, value=ast.Name(id=module)) if (
                module in MODULES and name in NUMBERS and not self.builder.knows(module)
            ):
                return self.builder.constant(NUMBERS[name], self.source.position(node))
            case ast.Attribute(attr=name):
                hint = f"write .{name}()" if name in self.ops else "leave it out"
                raise self.error(node, "unsupported", f".{name} cannot be used here", hint)
        raise self.refused(node)

    def chain(self, node: ast.BinOp, depth: int) -> int:
        """a + b + c + … is read from the left without recursion, however long it is."""
        spine: list[ast.BinOp] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp):
            spine.append(left)
            left = left.left
        found = self.expression(left, depth + 1)
        for part in reversed(spine):
            right = self.expression(part.right, depth + 1)
            found = self.binary(part, part.op, found, right, part.left, part.right)
        return found

    def binary(
        self,
        node: ast.expr | ast.stmt,
        sign: ast.operator,
        left: int,
        right: int,
        base: ast.expr,
        other: ast.expr,
    ) -> int:
        name = BINARY.get(type(sign))
        if name is not None:
            return self.apply(node, self.ops[name], [left, right])
        if isinstance(sign, ast.BitXor):
            raise ExpressionError(
                "^ is not a power in Python",
                code="caret",
                position=self.source.sign(base, other, "^"),
                hint=self.power(base, other),
            )
        raise self.error(
            node, "unsupported", "this operator has no gradient here", "use + - * / ** or @"
        )

    def power(self, base: ast.expr, exponent: ast.expr) -> str:
        """What to write for base^exponent; spelt out where both are plain."""
        euler = isinstance(base, ast.Name) and base.id == "e"
        if not all(isinstance(part, (ast.Name, ast.Constant)) for part in (base, exponent)):
            return "write exp(…) for e^…" if euler else "write ** for ^"
        power = self.source.segment(exponent)
        return f"write exp({power})" if euler else f"write {self.source.segment(base)}**{power}"

    def name(self, node: ast.Name) -> int:
        name = self.identifier(node)
        if not self.builder.knows(name) and name in self.ops:
            raise self.error(
                node,
                "op_without_call",
                f"{name} is an operation",
                f"write {name}(…), or use another name",
            )
        return self.builder.lookup(name, self.source.position(node))

    def call(self, node: ast.Call, depth: int) -> int:
        function = node.func
        fluent = isinstance(function, ast.Attribute) and not self.is_module(function.value)
        name = self.called(function)
        if name is None:
            hint = (
                "write * between them"
                if not isinstance(function, ast.Attribute)
                else "leave it out"
            )
            raise self.error(node, "missing_operator", "this is not a function", hint)
        if self.wraps(function):
            return self.wrapped(node, depth)
        if isinstance(function, ast.Attribute) and fluent and name in CASTS and not node.args:
            return self.expression(function.value, depth + 1)
        op = self.op(name, function)
        args: list[ast.expr] = list(node.args)
        if fluent and isinstance(function, ast.Attribute):
            args.insert(0, function.value)
        count = len(args) if op.arity is None else op.arity
        if op.variadic and len(args) == 1 and isinstance(args[0], ast.List):
            args = list(args[0].elts)
            count = len(args)
        if len(args) < max(count, 1) or len(args) > count + len(op.params):
            raise self.error(
                node,
                "argument_count",
                f"{name} takes {_count(op)}, here it is given {len(args)}",
                f"write {op.call_text}",
            )
        params = self.params(node, op, args[count:])
        return self.apply(node, op, [self.expression(a, depth + 1) for a in args[:count]], **params)

    def wrapped(self, node: ast.Call, depth: int) -> int:
        if len(node.args) != 1:
            raise self.error(node, "argument_count", "one value goes in here", "write Value(2.0)")
        return self.expression(node.args[0], depth + 1)

    def op(self, name: str, node: ast.expr) -> Op:
        known, hint = find_op(name, self.ops, self.by_function)
        if known is None:
            raise self.error(node, "unknown_op", f"there is no operation {name}", hint)
        return known

    def params(self, node: ast.Call, op: Op, given: Sequence[ast.expr]) -> dict[str, Any]:
        params = dict(zip(op.params, map(self.literal, given), strict=False))
        for keyword in node.keywords:
            name = self.source.segment(keyword).partition("=")[0].strip()
            if name not in op.params:
                raise self.error(
                    keyword.value, "unknown_parameter", f"{op.name} has no parameter {name}",
                    f"write {op.call_text}",
                )  # fmt: skip
            if name in params:
                raise self.error(
                    keyword.value, "unknown_parameter", f"{name} is given twice", "give it once"
                )
            params[name] = self.literal(keyword.value)
        missing = [n for n, default in op.params.items() if default is REQUIRED and n not in params]
        if missing:
            raise self.error(
                node, "argument_count", f"{op.name} needs {missing[0]}", f"write {op.call_text}"
            )
        return params

    def literal(self, node: ast.expr, nested: bool = False) -> Any:
        """A parameter: a whole number, a number, None, True, False, or a tuple of these."""
        match node:
            case ast.Constant(value=None | bool()):
                return node.value
            case ast.Constant(value=int()):
                return self.whole(node, 1)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int()) as inner):
                return self.whole(inner, -1)
            case ast.Tuple(elts=elements) | ast.List(elts=elements) if not nested:
                return tuple(self.literal(element, nested=True) for element in elements)
        number = self.bare(node)
        if isinstance(number, float):
            return number
        raise self.error(
            node, "argument", "a parameter is a number, None, True, False or a list of these",
            "write it out; a parameter cannot be computed",
        )  # fmt: skip

    def whole(self, node: ast.Constant, sign: int) -> int:
        assert isinstance(node.value, int)
        if node.value > 1_000_000_000:
            raise self.error(node, "number", "this whole number is too large", "use a smaller one")
        return sign * node.value

    def index(self, node: ast.expr) -> Any:
        spelt_out = isinstance(node, (ast.Constant, ast.UnaryOp, ast.Tuple))
        found = self.literal(node) if spelt_out else None
        parts = found if isinstance(found, tuple) else (found,)
        if not parts or any(type(part) is not int for part in parts):
            raise self.error(
                node, "argument", "an index is a whole number", "write x[0], or x[0, 1]"
            )
        return found

    # -- small parts -----------------------------------------------------------

    def number(self, node: ast.Constant) -> float:
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
            raise self.error(
                node, "not_a_number", f"{self.source.segment(node):.40} is not a real number",
                "write a number such as 2 or 0.5",
            )  # fmt: skip
        try:
            number = float(node.value)
        except OverflowError:
            number = math.inf
        if math.isinf(number):
            raise self.error(
                node, "number", "this number is too large for float64", "stay below 1.8e308"
            )
        return number

    def identifier(self, node: ast.Name) -> str:
        return self.source.segment(node)

    def called(self, function: ast.expr) -> str | None:
        """The name of a function or method as written."""
        if isinstance(function, ast.Name):
            return self.identifier(function)
        if isinstance(function, ast.Attribute):
            return self.source.segment(function).rpartition(".")[2].strip()
        return None

    def wraps(self, function: ast.expr) -> bool:
        """Whether a call means its argument: Value(2.0), np.array([1, 2]); not x.array(3)."""
        fluent = isinstance(function, ast.Attribute) and not self.is_module(function.value)
        return not fluent and self.called(function) in WRAPPERS

    def is_module(self, node: ast.expr) -> bool:
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and node.id in MODULES and not self.builder.knows(node.id)

    def apply(self, node: ast.expr | ast.stmt, op: Op, args: list[int], **params: Any) -> int:
        return self.builder.apply(op, args, params, self.source.position(node))

    def refused(self, node: ast.AST) -> ExpressionError:
        message, hint = REFUSED.get(
            type(node),
            ("this cannot be used here", "one assignment or expression a line"),
        )
        return self.error(node, "unsupported", message, hint)

    def error(self, node: ast.AST, code: str, message: str, hint: str) -> ExpressionError:
        assert isinstance(node, (ast.expr, ast.stmt))
        return ExpressionError(message, code=code, position=self.source.position(node), hint=hint)


def _count(op: Op) -> str:
    if op.arity is None:
        return "one value or more"
    return "one value" if op.arity == 1 else f"{op.arity} values"
