"""Text to Formula: elementwise mathematics in the language of expressions, by a whitelist of
syntax; nothing is ever evaluated by Python.

    formula("g * (1 - y**2)", ("g", "y", "x"))

Beside what an expression may hold there are comparisons, as in `g * (x > 0)`, and `where`. Ops are
read through their forward rule: called on symbols, each leaves its own formula behind.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.calls import find_op
from engine.errors import ExpressionError, Position
from engine.formula import LIMIT, Formula
from engine.grammar import BINARY, MODULES, NUMBERS, REFUSED
from engine.limits import Limits
from engine.op import Op
from engine.ops import BY_FUNCTION, OPS
from engine.source import Source
from engine.symbol import Symbol, Untraceable

if TYPE_CHECKING:
    from engine.registry import Vocabulary

Term = Symbol | float

COMPARISONS: Mapping[type[ast.cmpop], np.ufunc] = MappingProxyType(
    {
        ast.Gt: np.greater,
        ast.GtE: np.greater_equal,
        ast.Lt: np.less,
        ast.LtE: np.less_equal,
        ast.Eq: np.equal,
        ast.NotEq: np.not_equal,
    }
)

UNFIT: Mapping[type[ast.AST], tuple[str, str]] = MappingProxyType(
    {
        ast.BoolOp: ("and, or have no place in a formula", "multiply the conditions, or use where"),
        ast.IfExp: ("if … else has no place in a formula", "write where(condition, a, b)"),
        ast.If: ("if has no place in a formula", "write where(condition, a, b)"),
        ast.Not: ("not has no place in a formula", "turn the comparison round"),
        ast.Return: ("return has no place in a formula", "write the expression alone"),
        ast.List: ("an array has no place here", "write the rule for one number"),
        ast.Subscript: ("an index has no place here", "write the rule for one number"),
        ast.Attribute: ("an attribute has no place in a formula", "leave it out"),
    }
)
"""What formulas refuse, or refuse in other words than expressions do."""


def formula(
    texts: Sequence[str] | str,
    inputs: Sequence[str],
    limits: Limits | None = None,
    vocabulary: Vocabulary | None = None,
) -> Formula:
    """The formula of `inputs` whose results are `texts`, one each.

    A text is an expression; names may be given to parts of it on lines before. Ops are those of
    `vocabulary` (the built-in ones). Raises ExpressionError with code, position and hint where a
    text cannot be read, leaves elementwise arithmetic, or uses a name that is not an input.
    """
    readers = [
        _Reader(text, inputs, limits or Limits(), vocabulary)
        for text in ([texts] if isinstance(texts, str) else texts)
    ]
    try:
        return Formula.trace([reader.result for reader in readers], inputs)
    except Untraceable as reason:
        raise ExpressionError(
            str(reason),
            code="too_long",
            position=Position(1, 1, 1),
            hint=f"a formula may have {LIMIT} operations",
        ) from None


def free_names(text: str, limits: Limits | None = None) -> tuple[str, ...]:
    """The names that `text` uses without giving them a value, in the order of their first use.

    Raises ExpressionError where the text does not even parse.
    """
    source = Source(text, limits or Limits())
    assigned: set[str] = set()
    found: dict[str, None] = {}
    for statement in source.tree().body:
        called = {id(node.func) for node in ast.walk(statement) if isinstance(node, ast.Call)}
        names = sorted(
            (node for node in ast.walk(statement) if isinstance(node, ast.Name)),
            key=lambda node: (node.lineno, node.col_offset),
        )
        for node in names:
            plain = isinstance(node.ctx, ast.Load) and id(node) not in called
            if plain and node.id not in {*assigned, *MODULES, "pi"}:
                found.setdefault(source.segment(node))
        assigned |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
    return tuple(found)


class _Reader:
    """One text, to be read as often as it is traced."""

    def __init__(
        self, text: str, inputs: Sequence[str], limits: Limits, vocabulary: Vocabulary | None
    ) -> None:
        self.inputs = tuple(inputs)
        self.source = Source(text, limits)
        self.limits = limits
        self.ops = OPS if vocabulary is None else vocabulary.ops
        self.by_function = BY_FUNCTION if vocabulary is None else vocabulary.by_function
        self.statements = self.source.tree().body
        self.known: dict[str, Term] = {}

    def result(self, *symbols: Symbol) -> Term:
        """What the text comes to, given one symbol for each input."""
        self.known = dict(zip(self.inputs, symbols, strict=True))
        found: Term | None = None
        for statement in self.statements:
            match statement:
                case ast.Expr(value=value):
                    found = self.term(value, 1)
                case ast.Assign(targets=[ast.Name() as target], value=value):
                    name = self.source.segment(target)
                    if name in self.inputs:
                        raise self.error(
                            target, "unsupported", f"{name} is given", "use another name"
                        )
                    found = self.known[name] = self.term(value, 1)
                case _:
                    raise self.refused(statement)
        if found is None:
            raise ExpressionError(
                "there is no formula here",
                code="empty",
                position=Position(1, 1, 1),
                hint="write one, for instance g * (1 - y**2)",
            )
        return found

    def term(self, node: ast.expr, depth: int) -> Term:
        if depth > self.limits.depth:
            raise self.source.too_deep(node)
        match node:
            case ast.Constant():
                return self.number(node)
            case ast.Name():
                return self.name(node)
            case ast.BinOp():
                return self.chain(node, depth)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.apply(node, np.negative, self.term(operand, depth + 1))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.term(operand, depth + 1)
            case ast.UnaryOp(op=sign):
                raise self.refused(node, sign)
            case ast.Compare(left=left, ops=[sign], comparators=[right]) if (
                type(sign) in COMPARISONS
            ):
                sides = self.term(left, depth + 1), self.term(right, depth + 1)
                return self.apply(node, COMPARISONS[type(sign)], *sides)
            case ast.Compare(ops=signs):
                many = "one comparison at a time" if len(signs) > 1 else "this compares no numbers"
                raise self.error(node, "unsupported", many, "write (0 < x) * (x < 1) for 0 < x < 1")
            case ast.Call():
                return self.call(node, depth)
            case ast.Attribute(attr=name, value=ast.Name(id=module)) if (
                module in MODULES and name in NUMBERS and module not in self.known
            ):
                return NUMBERS[name]
        raise self.refused(node)

    def chain(self, node: ast.BinOp, depth: int) -> Term:
        """a + b + c + … is read from the left without recursion, however long it is."""
        spine: list[ast.BinOp] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp):
            spine.append(left)
            if isinstance(left.op, ast.BitXor):
                raise ExpressionError(
                    "^ is not a power in Python",
                    code="caret",
                    position=self.source.sign(left.left, left.right, "^"),
                    hint=self.power(left),
                )
            left = left.left
        found = self.term(left, depth + 1)
        for part in reversed(spine):
            name = BINARY.get(type(part.op))
            if name is None or not self.ops[name].elementwise:
                raise self.error(
                    part, "unsupported", "this operator has no place here", "use + - * / or **"
                )
            right = self.term(part.right, depth + 1)
            found = self.apply(part, self.ops[name].forward, found, right)
        return found

    def power(self, node: ast.BinOp) -> str:
        """What to write for base^exponent."""
        base, exponent = self.source.segment(node.left), self.source.segment(node.right)
        euler = base == "e" and base not in self.known
        return f"write exp({exponent})" if euler else f"write {base}**{exponent}"

    def name(self, node: ast.Name) -> Term:
        name = self.source.segment(node)
        if name in self.known:
            return self.known[name]
        if name == "pi":
            return math.pi
        if name in self.ops:
            raise self.error(node, "op_without_call", f"{name} is an operation", f"write {name}(…)")
        hint = "write exp(x) for e**x" if name == "e" else f"it may use {self.allowed()}"
        raise self.error(node, "unknown_name", f"there is no {name} here", hint)

    def allowed(self) -> str:
        return ", ".join(self.known) or "numbers only"

    def call(self, node: ast.Call, depth: int) -> Term:
        op = self.op(node)
        if op.formula is None:
            raise self.error(
                node,
                "unsupported",
                f"{op.name} is not elementwise",
                "write the rule for one number",
            )
        if len(node.args) != op.arity:
            takes = "one value" if op.arity == 1 else f"{op.arity} values"
            raise self.error(
                node,
                "argument_count",
                f"{op.name} takes {takes}, here it is given {len(node.args)}",
                f"write {op.call_text}",
            )
        params = {**op.params, **dict(self.params(node, op))}
        args = [self.term(argument, depth + 1) for argument in node.args]
        return self.apply(node, op.forward, *args, **params)

    def op(self, node: ast.Call) -> Op:
        match node.func:
            case ast.Name():
                name = self.source.segment(node.func)
            case ast.Attribute(attr=name) if self.is_module(node.func.value):
                pass
            case ast.Attribute(attr=name):
                raise self.error(
                    node, "unsupported", "methods have no place in a formula", f"write {name}(…)"
                )
            case _:
                raise self.error(
                    node, "missing_operator", "this is not a function", "write * between them"
                )
        if name in self.known:
            raise self.error(
                node, "missing_operator", f"{name} is a number, not a function",
                f"write {name}*(…)",
            )  # fmt: skip
        known, hint = find_op(name, self.ops, self.by_function)
        if known is None:
            raise self.error(node, "unknown_op", f"there is no operation {name}", hint)
        return known

    def is_module(self, node: ast.expr) -> bool:
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and node.id in MODULES and node.id not in self.known

    def params(self, node: ast.Call, op: Op) -> Iterator[tuple[str, float]]:
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg not in op.params:
                raise self.error(
                    keyword.value, "unknown_parameter", f"{op.name} has no such parameter",
                    f"write {op.call_text}",
                )  # fmt: skip
            value = self.term(keyword.value, 1)
            if isinstance(value, Symbol):
                raise self.error(
                    keyword.value, "argument", "a parameter is a number", "write it out"
                )
            yield keyword.arg, value

    def number(self, node: ast.Constant) -> float:
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
            raise self.error(
                node, "not_a_number", f"{self.source.segment(node):.40} is not a real number",
                "write a number such as 2 or 0.5",
            )  # fmt: skip
        try:
            return self.finite(node, float(node.value))
        except OverflowError:
            return self.finite(node, math.inf)

    def finite(self, node: ast.expr, number: float) -> float:
        if not math.isfinite(number):
            raise self.error(
                node, "number", "this number is not finite in float64", "stay below 1.8e308"
            )
        return number

    def apply(self, node: ast.expr, rule: Any, *args: Term, **params: Any) -> Term:
        try:
            with np.errstate(all="ignore"):
                found = rule(*args, **params)
        except Untraceable as reason:
            raise self.error(
                node, "unsupported", str(reason), "write it with operators and where(…)"
            ) from None
        return found if isinstance(found, Symbol) else self.finite(node, float(found))

    def refused(self, node: ast.expr | ast.stmt, what: ast.AST | None = None) -> ExpressionError:
        kind = type(what or node)
        known = UNFIT.get(kind) or REFUSED.get(kind)
        message, hint = known or ("this cannot be used here", "write a formula")
        return self.error(node, "unsupported", message, hint)

    def error(
        self, node: ast.expr | ast.stmt, code: str, message: str, hint: str
    ) -> ExpressionError:
        return ExpressionError(message, code=code, position=self.source.position(node), hint=hint)
