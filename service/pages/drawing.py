"""The graph of an evaluation as a picture: a list of nodes to DOT text, DOT text to SVG.

A value is a record `label | data | grad`, an operation an amber ellipse before the value that
it makes, as in the lecture. Colours stand in the DOT text, so that a downloaded picture has
them, and every shape has a class, so that a page may paint it anew for the dark.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

import pygraphviz
from markupsafe import escape

from service.figures import figures, plain
from service.verdicts import output_name

NODES_DRAWN = 400
"""Above this nobody can read the picture, and its layout holds the interpreter too long."""

COLUMNS_CROSSED = 4_000
"""How many columns all lines of a picture together may pass. The layout's work grows with this,
and far faster: a value used at 60 places of a long chain would take minutes."""

PLAIN = 500
"""From so many columns on, the layout stops polishing early."""

LABEL_LENGTH = 48

MIDDLING = (600, 1300)
"""Widths in points that a page may shrink to fit; a larger picture scrolls, or nobody could
read it."""

SIGNS = {"add": "+", "sub": "−", "mul": "*", "div": "/", "pow": "**", "neg": "−", "matmul": "@"}
"""Operations whose sign is better known than their name."""

STYLE = """\
  graph [rankdir=LR, nodesep=0.18, ranksep=0.32, pad=0.1, bgcolor="transparent"];
  node [height=0.32, fontname="DejaVu Sans,Verdana,sans-serif", fontsize=10, color="#57534a"];
  edge [color="#57534a", arrowsize=0.6];
"""

_layout = threading.Lock()


class Node(Protocol):
    """What the picture needs to know of one node."""

    @property
    def name(self) -> str: ...
    @property
    def op(self) -> str: ...
    @property
    def inputs(self) -> Sequence[str]: ...
    @property
    def value(self) -> Any: ...
    @property
    def gradient(self) -> Any: ...


class TooLargeError(ValueError):
    """The graph is too large, or too entangled, for a picture."""


@dataclass(frozen=True)
class Graph:
    """The nodes in the order of the forward pass; `output` names the last one, `trouble` one
    to paint red."""

    nodes: Sequence[Node]
    output: str
    trouble: str | None = None

    @property
    def size(self) -> int:
        """How many boxes and ellipses the picture has."""
        return len(self.nodes) + sum(1 for node in self.nodes if node.inputs)

    @cached_property
    def columns_crossed(self) -> int:
        """How many columns the lines into the operations pass, all together."""
        columns: dict[str, int] = {}
        crossed = 0
        for node in self.nodes:
            own = max((columns[name] + 2 for name in node.inputs), default=0)
            crossed += sum(own - 1 - columns[name] for name in node.inputs)
            columns[node.name] = own
        return crossed

    def dot(self) -> str:
        """The DOT text, whatever its size."""
        # Ids are ours and labels escaped: nothing that a student wrote reaches Graphviz unescaped.
        ids = {node.name: f"value{number}" for number, node in enumerate(self.nodes, 1)}
        lines = ["digraph nudge {", STYLE.rstrip()]
        if self.columns_crossed > PLAIN:
            lines.append("  graph [nslimit=0.5, nslimit1=0.5, mclimit=0.2];")
        for number, node in enumerate(self.nodes, 1):
            kind = "output" if node.name == self.output else _kind(node)
            paint = "trouble" if node.name == self.trouble else kind
            lines.append(
                f'  value{number} [class="{paint}", shape=record, style=filled, '
                f'fillcolor="{_PAINT[paint]}", label="{_label(node)}"];'
            )
            if node.inputs:
                lines.append(
                    f'  op{number} [class="operation", shape=ellipse, style=filled, '
                    f'fillcolor="{_PAINT["operation"]}", margin="0.06,0.03", width=0.4, '
                    f'label="{escaped(SIGNS.get(node.op, node.op))}"];'
                )
                lines.append(f"  op{number} -> value{number};")
                lines.extend(f"  {ids[name]} -> op{number};" for name in node.inputs)
        return "\n".join([*lines, "}"]) + "\n"

    def svg(self) -> str:
        """The picture as an SVG element, with a name for those who cannot see it.

        Raises TooLargeError above NODES_DRAWN.
        """
        if self.size > NODES_DRAWN:
            raise TooLargeError(
                f"The graph has {self.size} boxes and ellipses; a picture is drawn up to "
                f"{NODES_DRAWN}. The DOT text is complete, for a program of your own."
            )
        if self.columns_crossed > COLUMNS_CROSSED:
            raise TooLargeError(
                "The graph is too entangled for a picture that anybody could read. The DOT text "
                "is complete, for a program of your own."
            )
        picture = _drawn(self.dot())
        width = float(picture.split('width="', 1)[1].split("pt", 1)[0])
        shape = "graph middling" if MIDDLING[0] < width < MIDDLING[1] else "graph"
        name = escape(f"Graph of {output_name(self.output)}: {len(self.nodes)} values")
        return picture.replace("<svg ", f'<svg class="{shape}" role="img" aria-label="{name}" ', 1)


_PAINT = {
    "input": "#e6f0f7",
    "constant": "#f3f1ec",
    "value": "#ffffff",
    "output": "#e4f2e7",
    "trouble": "#fbe3e0",
    "operation": "#ffd98a",
}


def _kind(node: Node) -> str:
    return node.op if node.op in ("input", "constant") else "value"


def _label(node: Node) -> str:
    if node.op == "constant":
        short = figures(node.value)
        return escaped(short if short[0] in "[a" else plain(node.value))
    gradient = "–" if node.gradient is None else figures(node.gradient)
    fields = (node.name, f"data {figures(node.value)}", f"grad {gradient}")
    return "{" + " | ".join(escaped(field) for field in fields) + "}"


def escaped(text: str) -> str:
    """`text` for a quoted record label: no character of it ends the quotes, divides fields,
    names a port or an entity."""
    text = text if len(text) <= LABEL_LENGTH else text[: LABEL_LENGTH - 1] + "…"
    text = "".join(c if c.isprintable() else "�" for c in text).replace("&", "&amp;")
    return re.sub(r"([\\{}|<>\" ])", r"\\\1", text)


@lru_cache(maxsize=256)
def _drawn(text: str) -> str:
    # Graphviz keeps global state: one layout at a time.
    with _layout:
        graph = pygraphviz.AGraph(string=text)
        picture: bytes = graph.draw(format="svg", prog="dot")
    # The titles are our ids, which a browser would show as tooltips.
    body = re.sub(r"<!--.*?-->\s*|<title>.*?</title>\s*", "", picture.decode(), flags=re.DOTALL)
    return body[body.index("<svg") :]
