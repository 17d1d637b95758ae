"""The operations that an expression may use."""

from __future__ import annotations

from typing import Any

import numpy as np
from marshmallow import Schema, fields

from engine.op import REQUIRED, Op
from service.api.fields import AnyOut
from service.api.schemas import collection
from service.api.spec import Resource
from service.context import current
from service.errors import NotFoundError

blueprint = Resource("ops", "/ops", "Operations that an expression may use")


class ParamOut(Schema):
    """A parameter, which is given by keyword."""

    name = fields.String(required=True)
    required = fields.Boolean(required=True)
    default = AnyOut(required=True)


class FormulaOut(Schema):
    """The op in Nudge's own expression language: g is the upstream gradient, y the output."""

    forward = fields.String(required=True)
    backward = fields.List(fields.String(), required=True)


class OpOut(Schema):
    """One operation."""

    name = fields.String(required=True)
    doc = fields.String(required=True)
    call = fields.String(required=True, metadata={"description": "how it is called"})
    arity = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "how many inputs; null where any number will do"},
    )
    inputs = fields.List(fields.String(), required=True)
    params = fields.List(fields.Nested(ParamOut), required=True)
    domains = fields.List(
        fields.String(), required=True, metadata={"description": "where each input may lie"}
    )
    has_kinks = fields.Boolean(
        required=True, metadata={"description": "whether the slope jumps somewhere"}
    )
    elementwise = fields.Boolean(required=True)
    formula = fields.Nested(FormulaOut, required=True, allow_none=True)
    python_only = fields.String(
        required=True, allow_none=True, metadata={"description": "why there is no formula"}
    )
    origin = fields.String(required=True, metadata={"description": "built-in, or a plugin's name"})
    hash = fields.String(required=True)


@blueprint.route("", methods=["GET"])
@blueprint.response(200, collection(OpOut, "Ops"))
def index() -> dict[str, Any]:
    """All operations, those of plugins included."""
    return {"items": [op_record(op) for op in current().vocabulary.ops.values()]}


@blueprint.route("/<name>", methods=["GET"])
@blueprint.response(200, OpOut)
@blueprint.alt_response(404, "NOT_FOUND")
def read(name: str) -> dict[str, Any]:
    """One operation."""
    op = current().vocabulary.ops.get(name)
    if op is None:
        raise NotFoundError(f"There is no operation {name[:80]!r}.")
    return op_record(op)


def op_record(op: Op) -> dict[str, Any]:
    """An operation as a JSON document."""
    return {
        "name": op.name,
        "doc": op.doc,
        "call": op.call_text,
        "arity": op.arity,
        "inputs": list(op.input_names),
        "params": [_param_record(name, default) for name, default in op.params.items()],
        "domains": [domain.text for domain in op.domains],
        "has_kinks": op.kinks is not None,
        "elementwise": op.elementwise,
        "formula": _formula_record(op),
        "python_only": op.python_only,
        "origin": op.origin,
        "hash": op.hash,
    }


def _param_record(name: str, default: Any) -> dict[str, Any]:
    required = default is REQUIRED
    return {"name": name, "required": required, "default": None if required else _plain(default)}


def _plain(default: Any) -> Any:
    """A default as JSON has it; what JSON has no word for, as text."""
    if default is None or isinstance(default, bool | int | str):
        return default
    if isinstance(default, float):
        return default if np.isfinite(default) else str(default)
    if isinstance(default, list | tuple):
        return [_plain(item) for item in default]
    return repr(default)


def _formula_record(op: Op) -> dict[str, Any] | None:
    if op.formula is None or op.backward_formula is None:
        return None
    return {"forward": op.formula.texts()[0], "backward": list(op.backward_formula.texts())}
