"""What the engine answers, as JSON documents. JSON knows no nan and no infinity: there stands
null, and `non_finite` beside it says where and which."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import Evaluation, Position, Program
from engine.program import Node

WORDS = {math.inf: "inf", -math.inf: "-inf"}


def numbers(value: Any) -> Any:
    """A number, or an array as nested lists, with null for what is not finite."""
    if value is None:
        return None
    array = np.asarray(value, dtype=np.float64)
    finite = np.isfinite(array)
    if finite.all():
        return array.tolist()
    shown = array.astype(object)
    shown[~finite] = None
    return shown.tolist()


def non_finite(**named: Any) -> dict[str, list[dict[str, Any]]]:
    """Under the name of each value that is not wholly finite: the index of each offending
    number (null for a scalar) and whether it is nan, inf or -inf."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, value in named.items():
        if value is None:
            continue
        array = np.asarray(value, dtype=np.float64)
        for index in np.argwhere(~np.isfinite(array)).tolist():
            number = float(array[tuple(index)])
            entry = {"index": index if array.ndim else None, "is": WORDS.get(number, "nan")}
            found.setdefault(name, []).append(entry)
    return found


def position_record(place: Position | None) -> dict[str, int] | None:
    """A stretch of source; line and column count from 1, in characters."""
    if place is None:
        return None
    return {"line": place.line, "column": place.column, "length": place.length}


def program_record(program: Program) -> dict[str, Any]:
    """A program: hash, inputs with their defaults, output, equations."""
    return {
        "hash": program.hash,
        "inputs": [
            {
                "name": entry.name,
                "default": numbers(entry.default),
                "position": position_record(entry.position),
            }
            for entry in program.inputs
        ],
        "output": program.output,
        "equations": [
            {
                "number": equation.number,
                "name": equation.name,
                "op": equation.op.name,
                "inputs": list(equation.inputs),
                "text": equation.text,
                "position": position_record(equation.position),
            }
            for equation in program.equations
        ],
    }


def evaluation_record(program: Program, evaluation: Evaluation) -> dict[str, Any]:
    """A program at a point: value, gradients, every node, and the first that is not finite."""
    offender = evaluation.non_finite
    return {
        "program": program_record(program),
        "value": numbers(evaluation.value),
        "gradients": {name: numbers(g) for name, g in evaluation.gradients.items()},
        "nodes": [_node_record(node) for node in evaluation.nodes],
        "non_finite": offender and offender_record(offender, evaluation.reason),
    }


def offender_record(node: Node, reason: str | None) -> dict[str, Any]:
    """The node at which the numbers stopped being finite, and why, in words."""
    return {
        "name": node.name,
        "op": node.op,
        "position": position_record(node.position),
        "reason": reason,
        "values": non_finite(value=node.value, gradient=node.gradient),
    }


def _node_record(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "op": node.op,
        "inputs": list(node.inputs),
        "shape": list(np.shape(node.value)),
        "value": numbers(node.value),
        "gradient": numbers(node.gradient),
        "non_finite": non_finite(value=node.value, gradient=node.gradient),
        "position": position_record(node.position),
    }
