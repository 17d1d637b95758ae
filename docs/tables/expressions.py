"""The page on the language: its ops, its limits, and what it says to mistakes."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

from docs.tables.markdown import code, codes, table
from engine import ExpressionError, Limits, limits, parse, registry
from engine.op import Op

NOTHING = "–"

MISTAKES = (
    "2a",
    "e^x",
    "x^2",
    "tahn(x)",
    "max(x)",
    "sum(x, axes=0)",
    "tanh + 1",
    "y = ",
    "a ÷ b",
    "a > b",
    "x[0.5]",
    "[[1, 2], [3]]",
    "x = 1e999",
    "2j * x",
    "# only a comment",
    "(" * 101 + "x" + ")" * 101,
    " + ".join(f"x{i}" for i in range(65)),
    "x" + "*x" * 2000,
    "x = 1" + " " * 4096,
)
"""One source for each thing that the parser has to say, or more where that helps."""

SHOWN = 28
"""Characters of a source that a table shows."""


def elementwise() -> str:
    """Every op that maps numbers to a number, plugins of the package included."""
    return table(
        ("Call", "What it is", "Where", "Backward"),
        (
            (code(op.call_text), op.doc, _domains(op), _backward(op))
            for op in vocabulary().ops.values()
            if op.elementwise
        ),
    )


def structural() -> str:
    """Every other op: those on whole arrays."""
    rows = (op for op in vocabulary().ops.values() if not op.elementwise)
    return table(("Call", "What it is"), ((code(op.call_text), op.doc) for op in rows))


def kinks() -> str:
    """The ops whose slope jumps somewhere."""
    return codes(op.name for op in vocabulary().ops.values() if op.kinks) + ".\n"


@functools.cache
def vocabulary() -> registry.Vocabulary:
    """The ops of a checkout: built in, and of the package `plugins`."""
    return registry.load(entry_points=False)


def mistakes() -> str:
    """What the parser says to sources that it cannot read."""
    return table(
        ("Source", "Code", "Message", "Mend"),
        (
            (code(_short(source)), code(error.code), str(error), error.hint or "")
            for source, error in refusals()
        ),
    )


def refusals() -> Iterator[tuple[str, ExpressionError]]:
    """Each mistake and what it is answered with."""
    for source in MISTAKES:
        try:
            parse(source)
        except ExpressionError as error:
            yield source, error
        else:
            raise AssertionError(f"this can be read: {source}")


def budgets(*names: str) -> str:
    """Some of the engine's limits."""
    said = _said()
    return table(
        ("Limit", "At most", "Of what"),
        ((code(name), f"{getattr(Limits(), name):,}", said[name]) for name in names or said),
    )


def _said() -> dict[str, str]:
    """What stands under each field of `Limits`; Python itself forgets it."""
    [cls] = [
        node
        for node in ast.parse(Path(limits.__file__).read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    ]
    said = {}
    for field, text in zip(cls.body, cls.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            said[ast.unparse(field.target)] = ast.literal_eval(text.value)
    return said


def _domains(op: Op) -> str:
    texts = [domain.text for domain in op.domains]
    if all(text == "any real number" for text in texts):
        return ""
    if len(texts) == 1:
        return texts[0]
    named = zip(op.input_names, texts, strict=True)
    return "; ".join(
        f"{name}: {text.replace('x', name)}" for name, text in named if text != "any real number"
    )


def _backward(op: Op) -> str:
    if op.backward_formula is None:
        return NOTHING
    texts = (code(text) for text in op.backward_formula.texts())
    pairs = zip(op.input_names, texts, strict=True)
    some = ((n, t) for i, (n, t) in enumerate(pairs) if op.differentiates(i))
    return "; ".join(f"{name}: {text}" for name, text in some)


def _short(source: str) -> str:
    source = " ".join(source.split())
    return source if len(source) <= SHOWN else f"{source[:SHOWN]}…"
