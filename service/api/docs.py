"""The page that shows the API; swagger-ui comes from its wheel, nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path

import flask_swagger_ui
from flask import Blueprint, Response, render_template, send_from_directory

ASSETS = Path(flask_swagger_ui.__file__).parent / "dist"

blueprint = Blueprint(
    "docs",
    __name__,
    template_folder="templates",
    static_folder="static",
    static_url_path="/docs/static",
)


@blueprint.get("/docs")
def page() -> str:
    """The description as a page, with a button to try each operation."""
    return render_template("docs.html")


@blueprint.get("/docs/assets/<path:name>")
def asset(name: str) -> Response:
    """A file of swagger-ui."""
    return send_from_directory(ASSETS, name, max_age=86400)
