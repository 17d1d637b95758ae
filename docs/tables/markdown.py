"""Tables, code and words in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a line break or a bar in a cell stays in its cell."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def code(text: object) -> str:
    """`text` as code in a line."""
    text = str(text)
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def codes(texts: Iterable[object]) -> str:
    """Some words as code, with commas."""
    return ", ".join(map(code, texts))


def fenced(text: str, language: str = "text") -> str:
    """`text` as a block of code."""
    return f"```{language}\n{text.rstrip()}\n```\n"


def bullets(items: Iterable[str]) -> str:
    """A list."""
    return "".join(f"- {item}\n" for item in items)


def sentence(text: str) -> str:
    """`text` in one line, with a capital and a full stop."""
    text = " ".join(text.split())
    if not text:
        return text
    first = text if text.startswith("`") else text[0].upper() + text[1:]
    return first if first.endswith((".", "…", "?", ":")) else f"{first}."


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
