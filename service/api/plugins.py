"""The plugins that were found, those that failed included."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from service.api.schemas import collection
from service.api.spec import Resource
from service.context import current

blueprint = Resource("plugins", "/plugins", "Plugins found at the start")


class PluginOut(Schema):
    """A plugin, and why it was refused if it was."""

    name = fields.String(required=True)
    source = fields.String(required=True, metadata={"description": "package, folder, entry point"})
    version = fields.String(required=True, allow_none=True)
    ok = fields.Boolean(required=True)
    ops = fields.List(fields.String(), required=True)
    reason = fields.String(required=True, allow_none=True)


@blueprint.route("", methods=["GET"])
@blueprint.response(200, collection(PluginOut, "Plugins"))
def index() -> dict[str, Any]:
    """All plugins. One that failed has `ok` false and a reason, and stopped nothing else."""
    return {"items": current().vocabulary.plugins}
