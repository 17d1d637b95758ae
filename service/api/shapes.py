"""JSON schemas that marshmallow has no words for, by the names under which they are described."""

from __future__ import annotations

from typing import Any

SHAPES: dict[str, dict[str, Any]] = {
    "Numbers": {
        "description": "A number, or a list of numbers, or a list of such lists: an array.",
        "anyOf": [
            {"type": "number"},
            {"type": "array", "items": {"$ref": "#/components/schemas/Numbers"}},
        ],
    },
    "NumbersOut": {
        "description": "A number or an array; null stands for a number that is not finite.",
        "anyOf": [
            {"type": ["number", "null"]},
            {"type": "array", "items": {"$ref": "#/components/schemas/NumbersOut"}},
        ],
    },
    "Slopes": {
        "description": "The slopes from the left and from the right.",
        "type": ["object", "null"],
        "properties": {"left": {"type": ["number", "null"]}, "right": {"type": ["number", "null"]}},
        "required": ["left", "right"],
    },
    "NonFinite": {
        "description": "Under the name of each value that is not wholly finite: where and which.",
        "type": "object",
        "additionalProperties": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "index": {"type": ["array", "null"], "items": {"type": "integer"}},
                    "is": {"enum": ["nan", "inf", "-inf"]},
                },
                "required": ["index", "is"],
                "additionalProperties": False,
            },
        },
    },
}
"""Schemas that marshmallow has no words for."""


def ref(name: str) -> dict[str, str]:
    """A reference to one of `SHAPES`."""
    return {"$ref": f"#/components/schemas/{name}"}
