"""What the engine answers, as JSON documents. JSON knows no nan and no infinity: there stands
null, and `non_finite` beside it says where and which."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from engine import Component, Evaluation, Position, Program, Report
from engine.check import Diagnosis, FirstWrong, LocalCheck, Place
from engine.check.sweep import SweepRow
from engine.evaluation import Node
from engine.mistakes import MISTAKES

WORDS = {math.inf: "inf", -math.inf: "-inf"}


def numbers(value: Any) -> Any:
    """A number, or an array as nested lists, with null for what is not finite."""
    if value is None:
        return None
    if value.__class__ is float:
        return value if math.isfinite(value) else None
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
        if value is None or (value.__class__ is float and math.isfinite(value)):
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
        "reason": reason,
        "position": position_record(node.position),
        "values": non_finite(value=node.value, gradient=node.gradient),
    }


def _node_record(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "op": node.op,
        "inputs": list(node.inputs),
        "shape": [] if node.value.__class__ is float else list(np.shape(node.value)),
        "value": numbers(node.value),
        "gradient": numbers(node.gradient),
        "non_finite": non_finite(value=node.value, gradient=node.gradient),
        "position": position_record(node.position),
    }


def report_record(report: Report) -> dict[str, Any]:
    """A gradient check: verdict, numbers, and what explains a wrong claim."""
    offender = report.non_finite
    return {
        "verdict": str(report.verdict),
        "method": report.method,
        "evaluations": report.evaluations,
        "relative_tolerance": report.tolerance,
        "value": numbers(report.value),
        "components": [_component_record(component) for component in report.components],
        "unclaimed": list(report.unclaimed),
        "diagnoses": [_diagnosis_record(found) for found in report.diagnoses],
        "first_wrong": report.first_wrong and _first_wrong_record(report.first_wrong),
        "local": [_local_record(check) for check in report.local],
        "warnings": list(report.warnings),
        "non_finite": offender and offender_record(offender, report.reason),
    }


def sweep_record(component: Component, rows: Iterable[SweepRow]) -> dict[str, Any]:
    """The error of difference quotients for one component, step by step."""
    return {**_entry(component), "rows": [_numbers_record(row, SWEPT) for row in rows]}


def title_and_mend(code: str) -> tuple[str, str | None]:
    """What the mistake `code` is called, and what mends it, where the shelf of mistakes says."""
    known = MISTAKES.get(code)
    return (code.replace("_", " "), None) if known is None else (known.title, known.mend)


COMPARED = ("claim", "reference", "error_bound", "relative_error", "backprop")
SWEPT = ("h", "forward", "central", "forward_error", "central_error")
MEASURED = ("given", "reference", "error_bound", "upstream")
"""The numbers of a component, of a row of a sweep, and of an operation on its own."""


def _component_record(component: Component) -> dict[str, Any]:
    left, right = component.slopes or (None, None)
    compared = {name: getattr(component, name) for name in COMPARED}
    return {
        **_entry(component),
        **{name: numbers(compared[name]) for name in COMPARED[:-1]},
        "verdict": str(component.verdict),
        "slopes": component.slopes and {"left": numbers(left), "right": numbers(right)},
        "backprop": numbers(component.backprop),
        "follows": component.follows,
        "evaluations": component.evaluations,
        "non_finite": non_finite(**compared, left=left, right=right),
    }


def _entry(component: Component) -> dict[str, Any]:
    index = None if component.index is None else list(component.index)
    return {"input": component.input, "index": index}


def _diagnosis_record(found: Diagnosis) -> dict[str, Any]:
    title, mend = title_and_mend(found.mistake)
    return {
        "mistake": found.mistake,
        "title": title,
        "mend": mend,
        "place": _place_record(found.place),
        "explanation": found.explanation,
        "numbers": {name: numbers(number) for name, number in found.numbers.items()},
        "non_finite": non_finite(**found.numbers),
        "explains": found.explains,
        "of": found.of,
        "parts": [_diagnosis_record(part) for part in found.parts],
    }


def _first_wrong_record(first: FirstWrong) -> dict[str, Any]:
    return {
        "place": _place_record(first.place),
        "name": first.name,
        "claim": numbers(first.claim),
        "expected": numbers(first.expected),
        "follow": list(first.follow),
        "others": list(first.others),
        "explanation": first.explanation,
        "non_finite": non_finite(claim=first.claim, expected=first.expected),
    }


def _local_record(check: LocalCheck) -> dict[str, Any]:
    return {
        "place": _place_record(check.place),
        "op": check.op,
        "argument": check.argument,
        "verdict": str(check.verdict),
        **_numbers_record(check, MEASURED),
    }


def _place_record(place: Place | None) -> dict[str, Any] | None:
    if place is None:
        return None
    nowhere = {"line": None, "column": None, "length": None}
    return {
        "equation": place.equation,
        "text": place.text,
        **(position_record(place.position) or nowhere),
        "variable": place.variable,
    }


def _numbers_record(record: object, names: Iterable[str]) -> dict[str, Any]:
    """The attributes `names` of a record, and which of them are not finite."""
    values = {name: getattr(record, name) for name in names}
    finite = {name: numbers(value) for name, value in values.items()}
    return {**finite, "non_finite": non_finite(**values)}
