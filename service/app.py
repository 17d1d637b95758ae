"""create_app: the only place that composes."""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask
from flask.json.provider import DefaultJSONProvider

from engine import Limits, Vocabulary, registry
from service import door
from service.api import RESOURCES, docs
from service.api.spec import OPTIONS, ProblemApi
from service.carrier import Carrier
from service.clock import Clock, utc_now
from service.config import Settings
from service.context import Context
from service.db import Database
from service.pages import blueprint as pages

log = logging.getLogger("nudge.plugins")


class StrictJson(DefaultJSONProvider):
    """JSON in the order it was made; nan and infinity are not JSON, so they are an error."""

    sort_keys = False
    ensure_ascii = False
    compact = True

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return super().dumps(obj, **{"allow_nan": False} | kwargs)


def create_app(
    settings: Settings,
    *,
    database: Database | None = None,
    vocabulary: Vocabulary | None = None,
    clock: Clock | None = None,
) -> Flask:
    """The service as a WSGI app. What is not given is made as `settings` say.

    Raises StartError where it cannot be. The schema is not looked at: /api/v1/health/ready is.
    """
    app = Flask("service", static_folder=None)
    app.json = StrictJson(app)
    app.config.update(
        OPTIONS, MAX_CONTENT_LENGTH=settings.max_body_bytes, PROPAGATE_EXCEPTIONS=False
    )
    app.extensions["nudge"] = Context(
        settings=settings,
        database=database or Database(settings.database),
        vocabulary=vocabulary or registry.load(folder=settings.plugins_dir),
        limits=Limits(),
        clock=clock or utc_now,
        queue=Carrier(settings.data_dir),
    )
    for plugin in app.extensions["nudge"].vocabulary.plugins:
        if not plugin.ok:
            log.warning("plugin %s is left out: %s", plugin.name, plugin.reason)
    door.install(app)
    api = ProblemApi(app)
    for resource in RESOURCES:
        api.register_blueprint(resource)
    app.register_blueprint(docs.blueprint)
    app.register_blueprint(pages)
    return app
