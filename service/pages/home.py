"""The first page: an expression in a form, its graph, its gradients, and a verdict on yours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, make_response, render_template, request, url_for
from markupsafe import Markup

from engine import EngineError, Evaluation, Program
from service import verdicts
from service.context import current
from service.excerpt import Excerpt, excerpt
from service.figures import figures, plain
from service.pages.answer import Answer, answered
from service.pages.drawing import Graph, Node, TooLargeError
from service.pages.examples import EXAMPLES, NEURON
from service.pages.judged import judged, slip
from service.pages.question import POLICIES, Question

RESULTS_SHOWN = 40
"""Intermediate results that have a field; more can be claimed in the address."""


@dataclass(frozen=True)
class Cell:
    """One text field of the table of inputs."""

    key: str
    label: str
    text: str
    error: str | None = None
    default: str | None = None


@dataclass(frozen=True)
class Row:
    """One row of the table of inputs; `value` is a text where it cannot be chosen."""

    name: str
    value: Cell | str
    claim: Cell


def page() -> Response:
    """GET / with the question in the query string; 422 where it cannot be understood."""
    question = Question.from_query(request.args.items(multi=True)) or NEURON
    context = current()
    answer = answered(question, context.vocabulary, context.limits)
    body = render_template("home.html", page=_shown(answer))
    return make_response(body, 422 if answer.problem else 200)


def _shown(answer: Answer) -> dict[str, Any]:
    question = answer.question
    shown: dict[str, Any] = {
        "source": question.source,
        "lines": min(max(question.source.count("\n") + 2, 3), 16),
        "examples": [(title, f"{url_for('pages.home')}?{q.query}") for title, q in EXAMPLES],
        "inputs": _inputs(answer),
        "results": (results := _results(answer)),
        "results_open": any(row.claim.text for row in results),
        "tolerance": question.tolerance,
        "tolerances": {question.tolerance: question.tolerance} | POLICIES,
        "note": answer.note,
        "problem": answer.problem,
        "excerpt": _excerpt(answer),
    }
    if answer.program is not None and answer.evaluation is not None:
        shown |= _evaluated(question, answer.program, answer.evaluation)
        shown["steps"] = question.steps(_base(), answer.program.hash, slip(answer))
    if answer.graph is not None:
        shown |= _pictured(answer.graph)
    if answer.report is not None:
        shown |= judged(answer)
    return shown


def _excerpt(answer: Answer) -> Excerpt | None:
    error = answer.refused
    if isinstance(error, EngineError) and error.position is not None:
        return excerpt(answer.question.source, error.position)
    return None


def _inputs(answer: Answer) -> list[Row]:
    at, claims = answer.question.at, answer.question.claims
    if answer.program is not None:
        defaults = {entry.name: entry.default for entry in answer.program.inputs}
    else:
        # Which names are inputs is not known: keep what was typed.
        defaults = dict.fromkeys([*at, *claims])

    def value(name: str, default: Any) -> Cell:
        key, shown = f"at.{name}", None if default is None else _full(default)
        return Cell(key, f"Value of {name}", at.get(name, ""), answer.mistakes.get(key), shown)

    return [
        Row(name, value(name, default), _claim(answer, name)) for name, default in defaults.items()
    ]


def _results(answer: Answer) -> list[Row]:
    """The intermediate results that have a name of their own, and whatever else is claimed."""
    if answer.program is None:
        return []
    program, claims = answer.program, answer.question.claims
    nodes = answer.evaluation.nodes if answer.evaluation else ()
    values = {node.name: _full(node.value) for node in nodes}
    names = [e.name for e in program.equations]
    own = [n for n in names if not n.startswith("%") and n != program.output][:RESULTS_SHOWN]
    return [
        Row(name, values.get(name, "–"), _claim(answer, name))
        for name in names
        if name in own or name in claims
    ]


def _claim(answer: Answer, name: str) -> Cell:
    key, text = f"claim.{name}", answer.question.claims.get(name, "")
    return Cell(key, f"Your gradient for {name}", text, answer.mistakes.get(key))


def _evaluated(question: Question, program: Program, evaluation: Evaluation) -> dict[str, Any]:
    values = {node.name: node.value for node in evaluation.nodes}
    names = [entry.name for entry in program.inputs]
    return {
        "output": verdicts.output_name(program.output),
        "value": _full(evaluation.value),
        "gradients": [(n, _full(values[n]), _full(evaluation.gradients[n])) for n in names],
        "nodes": [_node(node) for node in evaluation.nodes],
        "forward": program.forward_text(),
        "backward": program.backward_text(),
        "svg": f"{url_for('pages.graph_svg')}?{question.query}",
        "dot": f"{url_for('pages.graph_dot')}?{question.query}",
        "curl": question.curl(_base()),
        "command": question.command(),
    }


def _base() -> str:
    return request.host_url.rstrip("/")


def _pictured(graph: Graph) -> dict[str, Any]:
    try:
        return {"picture": Markup(graph.svg())}  # Graphviz made it from escaped labels
    except TooLargeError as error:
        return {"undrawn": str(error)}


def _node(node: Node) -> Mapping[str, str]:
    return {
        "name": node.name,
        "op": node.op,
        "of": ", ".join(node.inputs),
        "value": _full(node.value),
        "gradient": "–" if node.gradient is None else _full(node.gradient),
    }


def _full(value: Any) -> str:
    """All digits of a number, an array in short."""
    short = figures(value)
    return short if short.startswith(("[", "array")) else plain(value)
