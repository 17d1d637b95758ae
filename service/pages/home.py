"""The first page: an expression in a form, its graph, its gradients, and a verdict on yours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, make_response, render_template, request, url_for
from markupsafe import Markup

from engine import Component, EngineError, Evaluation, Program, Report
from service import verdicts
from service.context import current
from service.excerpt import Excerpt, excerpt
from service.figures import figure, figures, plain, rough
from service.pages.answer import Answer, answered
from service.pages.drawing import Graph, Node, TooLargeError
from service.pages.examples import EXAMPLES, NEURON
from service.pages.question import POLICIES, Question

EVIDENCE_SHOWN = 64
"""Components listed as evidence; the others are counted."""


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
    """One row of the table of inputs."""

    name: str
    value: Cell
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
        "tolerance": question.tolerance,
        "tolerances": {question.tolerance: question.tolerance} | POLICIES,
        "note": answer.note,
        "problem": answer.problem,
        "excerpt": _excerpt(answer),
    }
    if answer.program is not None and answer.evaluation is not None:
        shown |= _evaluated(question, answer.program, answer.evaluation)
    if answer.graph is not None:
        shown |= _pictured(answer.graph)
    if answer.report is not None:
        shown |= _judged(answer.report, answer.claimed)
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

    def cell(kind: str, label: str, text: str, default: Any = None) -> Cell:
        shown = None if default is None else _full(default)
        return Cell(kind, label, text, answer.mistakes.get(kind), shown)

    return [
        Row(
            name,
            cell(f"at.{name}", f"Value of {name}", at.get(name, ""), default),
            cell(f"claim.{name}", f"Your gradient for {name}", claims.get(name, "")),
        )
        for name, default in defaults.items()
    ]


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
        "curl": question.curl(request.host_url.rstrip("/")),
        "command": question.command(),
    }


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


def _judged(report: Report, claimed: bool) -> dict[str, Any]:
    worst_first = sorted(report.components, key=lambda c: c.verdict != report.verdict)
    rest = max(len(worst_first) - EVIDENCE_SHOWN, 0)
    return {
        "verdict": verdicts.VERDICTS[report.verdict],
        "headline": verdicts.headline(report, claimed),
        "claimed": claimed,
        "unclaimed": ", ".join(report.unclaimed) if claimed else "",
        "relative": f"{report.tolerance:g}",
        "evidence": [_evidence(c) for c in worst_first[:EVIDENCE_SHOWN]]
        if report.non_finite is None
        else [],
        "more": f"And {rest} more: the API lists all of them." if rest else "",
    }


def _evidence(component: Component) -> Mapping[str, str]:
    verdict = verdicts.VERDICTS[component.verdict]
    slope = "–" if component.reference is None else figure(component.reference, 6)
    return {
        "name": verdicts.component_name(component),
        "claim": plain(component.claim),
        "reference": verdicts.slopes_text(component) or slope,
        "bound": rough(component.error_bound),
        "error": rough(component.relative_error),
        "verdict": verdict.label,
        "tone": verdict.tone,
    }
