"""RESULTS.md: each benchmark of speed writes a section of its own and leaves the others alone."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.machine import cpu

RESULTS = Path(__file__).with_name("RESULTS.md")

SECTIONS = ("Against the peers", "Scaling", "Two moons")
"""Titles, in order."""

INTRODUCTION = """\
# How fast the engine is

Made by `./run bench speed`, `scaling` and `moons`: no number here is typed by hand. Trust ratios
within a section, not microseconds: between runs on a shared machine times move by half.
"""

PACKAGES = (
    *("autograd", "casadi", "jax", "jaxlib", "llvmlite", "micrograd", "numba", "numpy", "scipy"),
    *("tinygrad", "torch"),
)


def put(title: str, body: str) -> None:
    """Write the section `title`; `body` is Markdown without level-two headings."""
    text = RESULTS.read_text() if RESULTS.exists() else ""
    _, *parts = f"\n{text}".split("\n## ")
    sections = {head: rest for head, _, rest in (part.partition("\n") for part in parts)}
    sections[title] = f"\n{body}"
    written = (f"## {name}\n{sections[name].rstrip()}\n" for name in SECTIONS if name in sections)
    RESULTS.write_text("\n".join([INTRODUCTION, *written]))


def circumstances() -> str:
    """When and where: the sentence at the head of a section."""
    today = datetime.datetime.now(datetime.UTC).date()
    versions = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"no {name}")
    return (
        f"Measured on {today}, {cpu()}, {os.cpu_count()} cores, {platform.system()}; "
        f"{', '.join(versions)}.\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """Markdown; the first `words` columns are text, the others align right."""
    lines = [head, ["---"] * words + ["---:"] * (len(head) - words), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def short(number: float | None) -> str:
    """Three digits that count, thousands parted: 0.0123, 4.56, 1,230."""
    if number is None:
        return "-"
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}"
