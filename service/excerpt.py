"""The lines of a source around a mistake, with the place marked."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Protocol

WIDTH = 72
"""Longer lines are cut, so that the mark stays in view."""


class Place(Protocol):
    """Where a mistake begins: line and column from 1, length in characters."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...
    @property
    def length(self) -> int: ...


@dataclass(frozen=True)
class Excerpt:
    """One line of a source in three parts; `marked` holds at least one character."""

    line: int
    column: int
    before: str
    marked: str
    after: str

    @property
    def text(self) -> str:
        """The whole line."""
        return self.before + self.marked + self.after

    @property
    def carets(self) -> str:
        """What to print below the line: blanks, then a caret under each marked column."""
        pad = "".join("\t" if c == "\t" else " " * _columns(c) for c in self.before)
        return pad + "^" * max(1, sum(_columns(c) for c in self.marked))


def excerpt(source: str, place: Place) -> Excerpt:
    """The line of `source` at `place`; a place behind the end marks one blank."""
    lines = source.split("\n")
    number = min(max(place.line, 1), len(lines))
    line = lines[number - 1].rstrip("\r")
    start = min(max(place.column, 1) - 1, len(line))
    end = start + max(place.length, 1)
    before, marked, after = line[:start], line[start:end] or " ", line[end:]
    half = WIDTH // 2
    if len(before) + len(marked) + len(after) > WIDTH:
        before = before if len(before) <= half else "…" + before[-half:]
        marked = marked if len(marked) <= half else marked[: half - 1] + "…"
        after = after if len(after) <= half else after[:half] + "…"
    return Excerpt(number, start + 1, before, marked, after)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
