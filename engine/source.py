"""The text of an expression: where things stand in it, and what Python's parser says against it."""

from __future__ import annotations

import ast
import keyword
import re
import textwrap

from engine.errors import ExpressionError, Position
from engine.limits import Limits

LOOKALIKES = {
    "−": "-", "–": "-", "×": "*", "·": "*", "∙": "*", "÷": "/", "²": "**2", "³": "**3",
    "√": "sqrt(…)", "π": "a number, 3.141592653589793", "“": "nothing", "”": "nothing",
    "（": "(", "）": ")", "，": ",", "；": ";", "＝": "=",
}  # fmt: skip
"""Signs that people paste, and what to write for them."""

_RESERVED = re.compile(
    r"\b(?:lambda|del|global|nonlocal|yield|await|async|with|try|except|finally|raise|assert)\b"
    r"(?!\s*\w+\s*[:,])"
)
"""Words of Python that students take for names; `lambda x:` is a lambda all the same."""

_NUMBER_THEN_NAME = re.compile(r"(?<![\w.])(\d+\.?\d*|\.\d+)([^\W\d]\w*)")
_NUMBER_THEN_KEYWORD = re.compile(r"(?<![\w.])(\d[\d._eE]*)(if|else|and|or|in|is|for|not)\b")
_TWO_TERMS = re.compile(r"([\w.]+|[)\]])\s*([^\W\d]\w*|[\d.]+|\()$")
_COMMENTS = re.compile(r"#[^\n]*")
_SIGNS = re.compile(r"[-+~](?:\s*[-+~])*")


class Source:
    """Text to be read as an expression. Positions count lines and columns from 1, in characters."""

    def __init__(self, text: str, limits: Limits) -> None:
        given = text.replace("\r\n", "\n").replace("\r", "\n")
        self.text = textwrap.dedent(given)
        self.lines = self.text.split("\n")
        self._indent = _common_indent(given, self.text)
        self._encoded = [line.encode() for line in self.lines]
        self._limits = limits

    def tree(self) -> ast.Module:
        """The syntax tree. Raises ExpressionError where Python's grammar or a limit says no."""
        size = len(self.text.encode("utf-8", "surrogatepass"))
        if size > self._limits.source_bytes:
            raise ExpressionError(
                f"the source is {size} bytes long; at most {self._limits.source_bytes} are read",
                code="too_long",
                position=Position(1, 1, 1),
                hint="leave out what the output does not need",
            )
        self._refuse_odd_characters()
        self._refuse_deep_nesting()
        self._refuse_joined_keywords()
        try:
            return ast.parse(self.text)
        except SyntaxError as error:
            raise self._explained(error) from None
        except (RecursionError, MemoryError, ValueError):
            raise self._too_deep(Position(1, 1, 1)) from None

    def position(self, node: ast.expr | ast.stmt | ast.keyword) -> Position:
        line = node.lineno
        start = self._characters(line, node.col_offset)
        end_line, end = node.end_lineno or line, node.end_col_offset or 0
        if end_line == line:
            length = self._characters(line, end) - start
        else:
            between = sum(len(text) + 1 for text in self.lines[line : end_line - 1])
            length = len(self.lines[line - 1]) - start + 1 + between
            length += self._characters(end_line, end)
        return Position(line, start + 1 + self._indent, length)

    def sign(self, left: ast.expr, right: ast.expr, sign: str) -> Position:
        """Where `sign` stands between two operands."""
        offsets = [sum(len(line) + 1 for line in self.lines[: n - 1]) for n in _lines(left, right)]
        start = offsets[0] + self._characters(left.end_lineno or 1, left.end_col_offset or 0)
        end = offsets[1] + self._characters(right.lineno, right.col_offset)
        return self._at(max(self.text.find(sign, start, end), 0), len(sign))

    def segment(self, node: ast.expr | ast.keyword) -> str:
        """The text of `node` as written; Python's own tree normalises identifiers."""
        at = self.position(node)
        offset = sum(len(line) + 1 for line in self.lines[: at.line - 1])
        start = offset + at.column - 1 - self._indent
        return self.text[start : start + at.length]

    def _characters(self, line: int, offset: int) -> int:
        return len(self._encoded[line - 1][:offset].decode(errors="replace"))

    def _at(self, offset: int, length: int) -> Position:
        before = self.text[:offset]
        column = offset - (before.rfind("\n") + 1)
        return Position(before.count("\n") + 1, column + 1 + self._indent, length)

    def _without_comments(self) -> str:
        return _COMMENTS.sub(lambda comment: " " * len(comment[0]), self.text)

    def _refuse_odd_characters(self) -> None:
        for offset, character in enumerate(self.text):
            if "\ud800" <= character <= "\udfff" or (character < " " and character not in "\n\t"):
                raise ExpressionError(
                    f"the character U+{ord(character):04X} cannot be read",
                    code="syntax",
                    position=self._at(offset, 1),
                    hint="delete it",
                )

    def _refuse_deep_nesting(self) -> None:
        text = self._without_comments()
        depth = 0
        for offset, character in enumerate(text):
            depth += (character in "([{") - (character in ")]}")
            if depth > self._limits.depth:
                raise self._too_deep(self._at(offset, 1))
        for signs in _SIGNS.finditer(text):
            if len(signs[0].replace(" ", "")) > self._limits.depth:
                raise self._too_deep(self._at(signs.start(), 1))

    def _refuse_joined_keywords(self) -> None:
        """`1if x` is no expression of ours, and Python warns of it on the terminal."""
        joined = _NUMBER_THEN_KEYWORD.search(self._without_comments())
        if joined:
            raise ExpressionError(
                f"no blank stands between {joined[1]} and {joined[2]}",
                code="syntax",
                position=self._at(joined.start(), len(joined[0])),
                hint="an expression has no if, and, or; use relu, max, min or where(…)",
            )

    def _too_deep(self, position: Position) -> ExpressionError:
        return ExpressionError(
            f"more than {self._limits.depth} brackets, calls or signs stand inside one another",
            code="too_deep",
            position=position,
            hint="give parts a name on a line of their own",
        )

    def too_deep(self, node: ast.expr) -> ExpressionError:
        return self._too_deep(Position(node.lineno, self.position(node).column, 1))

    def _explained(self, error: SyntaxError) -> ExpressionError:
        line = min(max(error.lineno or 1, 1), len(self.lines))
        text = self.lines[line - 1]
        column = min(max(error.offset or 1, 1), len(text) + 1)
        end = (error.end_offset or 0) if error.end_lineno == error.lineno else 0
        position = Position(line, column + self._indent, max(end - column, 1))
        for place, character in enumerate(text):
            if character in LOOKALIKES and "invalid" in error.msg:
                return ExpressionError(
                    f"{character} cannot be read",
                    code="syntax",
                    position=Position(line, place + 1 + self._indent, 1),
                    hint=f"write {LOOKALIKES[character]} for {character}",
                )
        reserved = _RESERVED.search(text)
        if reserved:
            word = reserved[0]
            return ExpressionError(
                f"{word} is a word of Python and cannot be a name",
                code="syntax",
                position=Position(line, reserved.start() + 1 + self._indent, len(word)),
                hint=f"use another name, such as {'lam' if word == 'lambda' else f'{word}_'}",
            )
        joined = _NUMBER_THEN_NAME.search(text)
        if joined and "literal" in error.msg:
            number, name = joined.groups()
            return ExpressionError(
                f"no operator stands between {number} and {name}",
                code="missing_operator",
                position=Position(line, joined.start() + 1 + self._indent, len(joined[0])),
                hint=f"write {number}*{name}",
            )
        terms = _TWO_TERMS.search(text[: max(end, column) - 1] or text)
        if terms and "invalid syntax" in error.msg and not keyword.iskeyword(terms[2]):
            first, second = terms.groups()
            return ExpressionError(
                f"no operator stands between {first} and {second}",
                code="missing_operator",
                position=Position(line, terms.start() + 1 + self._indent, len(terms[0])),
                hint=f"write {first}*{second}, or {first}({second}) if {first} is an operation",
            )
        if not text[column - 1 :].strip() and "never closed" not in error.msg:
            return ExpressionError(
                "the line ends too early",
                code="syntax",
                position=position,
                hint="something is missing after the last sign",
            )
        return ExpressionError(
            f"this cannot be read: {error.msg}",
            code="syntax",
            position=position,
            hint="one assignment or expression a line, as in o = tanh(x*w + b)",
        )


def _lines(left: ast.expr, right: ast.expr) -> tuple[int, int]:
    """The line on which one operand ends, and that on which the next begins."""
    return left.end_lineno or left.lineno, right.lineno


def _common_indent(given: str, dedented: str) -> int:
    for line, bare in zip(given.split("\n"), dedented.split("\n"), strict=True):
        if bare.strip():
            return len(line) - len(bare)
    return 0
