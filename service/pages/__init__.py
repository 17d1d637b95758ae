"""The web pages: one file per page, drawn by the server, without script."""

from __future__ import annotations

from flask import Blueprint

from service import __version__
from service.pages import graph, home

blueprint = Blueprint(
    "pages",
    __name__,
    template_folder="templates",
    static_folder="static",
    static_url_path="/assets",
)
blueprint.add_url_rule("/", "home", home.page)
blueprint.add_url_rule("/graph.svg", "graph_svg", graph.svg)
blueprint.add_url_rule("/graph.dot", "graph_dot", graph.dot)


@blueprint.app_context_processor
def _shared() -> dict[str, str]:
    """What every page shows."""
    return {"version": __version__}
