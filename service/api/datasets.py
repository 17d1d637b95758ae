"""The data sets that a network can learn."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from engine.datasets import DATASETS
from service.api.schemas import collection
from service.api.spec import Resource

blueprint = Resource("datasets", "/datasets", "Data sets that a network can learn")


class DatasetOut(Schema):
    """A data set: a pure function of seed, n and noise."""

    name = fields.String(required=True)
    doc = fields.String(required=True)
    task = fields.String(required=True, metadata={"description": "classification or regression"})
    n = fields.Integer(required=True, metadata={"description": "how many points by default"})
    noise = fields.Float(required=True, metadata={"description": "its strength by default"})


@blueprint.route("", methods=["GET"])
@blueprint.response(200, collection(DatasetOut, "Datasets"))
def index() -> dict[str, Any]:
    """All data sets."""
    return {"items": list(DATASETS.values())}
