"""The picture of the first page, to take along: SVG, or DOT text for a program of one's own."""

from __future__ import annotations

from flask import Response, request

from service.context import current
from service.errors import InvalidError
from service.pages.answer import answered
from service.pages.drawing import Graph, TooLargeError
from service.pages.examples import NEURON
from service.pages.question import Question


def svg() -> Response:
    """GET /graph.svg with the question of the first page in the query string."""
    try:
        picture = _graph().svg()
    except TooLargeError as error:
        raise InvalidError(str(error)) from None
    return Response(picture, content_type="image/svg+xml; charset=utf-8")


def dot() -> Response:
    """GET /graph.dot likewise; the text has no limit of its own."""
    return Response(_graph().dot(), content_type="text/vnd.graphviz; charset=utf-8")


def _graph() -> Graph:
    question = Question.from_query(request.args.items(multi=True)) or NEURON
    context = current()
    answer = answered(question, context.vocabulary, context.limits)
    if answer.graph is None:
        raise InvalidError(answer.problem.message if answer.problem else "There is no graph.")
    return answer.graph
