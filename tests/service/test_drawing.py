"""The picture of a graph: what it shows, and that no label breaks out of it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from service.pages.drawing import COLUMNS_CROSSED, NODES_DRAWN, Graph, TooLargeError, escaped

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '<script>alert(1)</script>"]; evil [URL="javascript:alert(1)"] {a|b}\\'


@dataclass(frozen=True)
class Node:
    name: str
    op: str = "input"
    inputs: tuple[str, ...] = ()
    value: Any = 2.0
    gradient: Any = 1.0


NEURON = Graph(
    (
        Node("x", value=2.0, gradient=-1.5),
        Node("w", value=-3.0, gradient=1.0),
        Node("n", "mul", ("x", "w"), -6.0, 0.5),
        Node("o", "tanh", ("n",), 0.7071, 1.0),
    ),
    "o",
)


def chain(length: int) -> Graph:
    nodes = [Node("v0"), *(Node(f"v{i}", "exp", (f"v{i - 1}",)) for i in range(1, length))]
    return Graph(nodes, nodes[-1].name)


def texts(graph: Graph) -> list[str]:
    picture = ElementTree.fromstring(graph.svg())
    return [(element.text or "").strip() for element in picture.iter(f"{SVG}text")]


def elements(graph: Graph, tag: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(graph.svg()).iter(f"{SVG}{tag}"))


def test_record_shows_label_data_grad():
    assert texts(NEURON)[:3] == ["x", "data 2.0000", "grad -1.5000"]


def test_operation_is_an_ellipse():
    shown = set(texts(NEURON))
    assert len(elements(NEURON, "ellipse")) == 2
    assert {"*", "tanh"} <= shown


def test_value_used_twice_has_two_edges():
    graph = Graph((Node("a"), Node("b", "add", ("a", "a"))), "b")
    assert graph.dot().count("value1 -> op2;") == 2


def test_constant_shows_its_number_only():
    graph = Graph((Node("c1", "constant", (), 3.0, None), Node("y", "neg", ("c1",))), "y")
    assert texts(graph)[0] == "3"


def test_large_array_shows_its_shape():
    graph = Graph((Node("W", value=np.ones((4, 5)), gradient=np.zeros((4, 5))),), "W")
    assert texts(graph) == ["W", "data array 4×5", "grad array 4×5"]


def test_non_finite_node_is_marked():
    graph = Graph((Node("x", value=0.0), Node("y", "log", ("x",), -np.inf)), "y", "y")
    marked = [g for g in elements(graph, "g") if "trouble" in g.get("class", "")]
    assert len(marked) == 1
    assert "data -inf" in texts(graph)


@pytest.mark.parametrize("label", [HOSTILE, HOSTILE * 9, "\\", '\\"', "&#60;b>", "a\nb\0", "<b>"])
def test_hostile_label_stays_text(label):
    graph = Graph((Node(label), Node("y", label, (label,))), "y")
    shown = texts(graph)
    assert len(elements(graph, "g")) == 1 + 3 + 2  # the graph, its shapes, its edges
    assert not elements(graph, "a")
    assert not elements(graph, "script")
    assert shown[0][:40] == "".join(c if c.isprintable() else "�" for c in label)[:40].strip()


def test_escaped_label_reads_back():
    assert escaped("a|b {c}") == r"a\|b\ \{c\}"


def test_svg_needs_no_inline_style():
    picture = NEURON.svg()
    assert "style=" not in picture
    assert "<style" not in picture
    assert "http" not in picture.replace("http://www.w3.org/", "")


def test_svg_has_a_name():
    picture = ElementTree.fromstring(Graph((Node("<o>"),), "<o>").svg())
    assert picture.get("role") == "img"
    assert picture.get("aria-label") == "Graph of <o>: 1 values"


def test_too_large_graph_is_refused():
    assert chain(NODES_DRAWN // 2).svg()
    with pytest.raises(TooLargeError, match=f"up to {NODES_DRAWN}"):
        chain(NODES_DRAWN // 2 + 2).svg()


def test_too_large_graph_keeps_its_text():
    assert chain(2000).dot().count("->") == 2 * 1999


def horner(length: int) -> Graph:
    """x and y used at every step of a chain."""
    nodes = [Node("x"), Node("y"), Node("a0", "mul", ("x", "x"))]
    for i in range(1, length):
        nodes += [
            Node(f"b{i}", "mul", (f"a{i - 1}", "x")),
            Node(f"a{i}", "add", (f"b{i}", "y")),
        ]
    return Graph(nodes, nodes[-1].name)


def test_entangled_graph_is_drawn_in_time():
    graph = max((horner(n) for n in range(60)[2:]), key=drawable)
    began = time.process_time()
    assert graph.columns_crossed > COLUMNS_CROSSED * 0.9
    assert graph.svg()
    assert time.process_time() - began < 5


def drawable(graph: Graph) -> int:
    return graph.columns_crossed if graph.columns_crossed <= COLUMNS_CROSSED else 0


def test_too_entangled_graph_is_refused():
    with pytest.raises(TooLargeError, match="entangled"):
        horner(60).svg()


def test_threads_draw_the_same():
    graphs = [chain(n) for n in range(2, 22)]
    drawn: list[list[str]] = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=lambda out=out: out.extend(g.svg() for g in graphs))
        for out in drawn
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(drawn[0]) == len(graphs)
    assert all(pictures == drawn[0] for pictures in drawn)
