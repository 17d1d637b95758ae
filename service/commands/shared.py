"""What several commands need: settings, vocabulary, the terminal, and how to refuse."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

from engine import EngineError, Vocabulary
from engine.check import TOLERANCES
from service.config import Settings
from service.errors import StartError
from service.excerpt import Excerpt, excerpt
from service.figures import typed

USAGE = 2
"""Exit code where what was given cannot be read or used."""


def settings() -> Settings:
    """The settings from the environment; an unusable one ends the command."""
    try:
        return Settings.from_env(os.environ)
    except StartError as error:
        refuse(str(error))


def vocabulary() -> Vocabulary:
    """The operations in use here, those of plugins included; and where their compiled kernels are
    kept is settled."""
    from engine import registry
    from service import warmth

    chosen = settings()
    warmth.place(chosen)
    return registry.load(folder=chosen.plugins_dir)


def console() -> Console:
    """The terminal on standard output; a pipe gets no colours and wide lines."""
    wide = None if sys.stdout.isatty() else 120
    return Console(highlight=False, width=wide, emoji=False, markup=False)


def say(text: str) -> None:
    """A line for the person at the terminal, apart from the command's output."""
    click.echo(text, err=True)


def refuse(message: str, hint: str | None = None, code: int = USAGE) -> NoReturn:
    """End the command with one message and no traceback."""
    say(f"Error: {message}")
    if hint:
        say(f"Hint: {hint}")
    sys.exit(code)


def refuse_source(source: str, error: EngineError) -> NoReturn:
    """End the command with the place in `source` marked by carets."""
    if error.position is not None:
        place = excerpt(source, error.position)
        say(marked(place))
        refuse(f"line {place.line}, column {place.column}: {error}", error.hint)
    refuse(str(error), error.hint)


def marked(place: Excerpt) -> str:
    """A line of a source with carets under the place: two lines."""
    label = f"{place.line} | "
    return f"{label}{place.text}\n{' ' * len(label)}{place.carets}"


def read_text(path: str) -> str:
    """The text of a file, or of standard input for `-`."""
    try:
        if path == "-":
            return sys.stdin.read()
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        refuse(f"{'standard input' if path == '-' else path} is not UTF-8 text.")
    except OSError as error:
        refuse(f"{path} cannot be read: {(error.strerror or str(error)).lower()}.")


def pairs(texts: Iterable[str], what: str) -> dict[str, Any]:
    """Numbers, or lists of them, by name, from texts like `x=2`, each of which is a `what`."""
    read: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        name = name.strip()
        if not sign or not name:
            refuse(f"{text} is no {what}: write NAME=VALUE, like x=2.")
        if name in read:
            refuse(f"{name} is given twice.")
        try:
            read[name] = typed(value)
        except ValueError as error:
            refuse(f"{name}: {error}")
    return read


def tolerance(text: str) -> str | float:
    """A tolerance by its name or as a number."""
    if text in TOLERANCES:
        return text
    try:
        return float(text)
    except ValueError:
        refuse(f"{text} is no tolerance.", "Say student, strict, or a number such as 1e-3.")


def print_json(value: Any) -> None:
    """One JSON document on standard output; non-finite numbers must be gone already."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))
