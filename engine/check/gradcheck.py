"""check(): claimed gradients of a program against slopes measured from its values alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from engine.arrays import number_or_array, pointer_part
from engine.check.differences import UNIT, slope
from engine.check.verdict import Component, Report, Verdict, judge, overall, relative_tolerance
from engine.errors import InputError
from engine.limits import Limits
from engine.methods import gradients_of
from engine.names import nearest
from engine.program import Equation, Evaluation, Program

ARRAY = 9
"""How many scalar nodes' work an array node costs more, whatever its size."""


def check(
    program: Program,
    at: Mapping[str, Any] | None = None,
    claimed: Mapping[str, Any] | None = None,
    tolerance: str | float = "student",
) -> Report:
    """Judge the claimed gradient of the output, input by input, at a point.

    `claimed` maps names of inputs to numbers, or nested lists of the input's shape; only what is
    named is judged. Without claims the engine's own gradients are. `tolerance` is "strict",
    "student" or a relative tolerance. Right claims are told from wrong ones by the program's values
    alone: no rule of any backward pass is used but to know the size of rounding errors.

    Raises InputError where point, claims or tolerance do not fit.
    """
    rtol = relative_tolerance(tolerance)
    point = program.point(at)
    if not point:
        raise InputError(
            "this expression has no inputs, so there is no gradient to check",
            code="no_inputs",
            hint="leave a name without a value, or write x = 2 on a line of its own",
        )
    claims = _claims(program, point, claimed or None)
    evaluation = program.evaluate(point)
    if claims is None:
        claims = dict(evaluation.gradients)
    _require_affordable(claims, evaluation, program.limits)
    unclaimed = tuple(name for name in point if name not in claims)
    offender = evaluation.non_finite
    if offender is not None and not np.all(np.isfinite(offender.value)):
        components = tuple(_unjudged(claims))
        verdict = Verdict.NON_FINITE
    else:
        components = tuple(_judged(program, point, claims, evaluation, rtol))
        verdict = overall(components)
        offender = None
    return Report(
        verdict,
        components,
        unclaimed,
        rtol,
        evaluation.value,
        offender,
        evaluation.reason if offender else None,
    )


def _judged(
    program: Program,
    point: Mapping[str, Any],
    claims: Mapping[str, Any],
    evaluation: Evaluation,
    rtol: float,
) -> Iterator[Component]:
    scales = path_scales(program, point)
    noise = UNIT * sum(
        float(np.sum(np.abs(np.nan_to_num(node.value)) * scale))
        for node, scale in zip(evaluation.nodes, scales, strict=True)
    )
    at = {node.name: scale for node, scale in zip(program.nodes, scales, strict=True)}
    for name, index, claim in _entries(claims):
        x = float(point[name] if index is None else point[name][index])

        def nudged(x: float, name: str = name, index: tuple[int, ...] | None = index) -> float:
            if index is None:
                moved: Any = x
            else:
                moved = point[name].copy()
                moved[index] = x
            return program.value_at({**point, name: moved})

        scale = float(np.broadcast_to(at[name], np.shape(point[name]))[index or ()])
        steepness = abs(float(np.sum(evaluation.value))) / max(1.0, abs(x))
        yield judge(name, index, claim, slope(nudged, x, noise), rtol, scale, steepness)


def path_scales(program: Program, point: Mapping[str, Any]) -> list[Any]:
    """For each node, the sum over all paths to the output of |product of local derivatives|: what
    its gradient would be if nothing cancelled. Times value and unit roundoff it is how far off the
    output of a float64 forward may be (a running error analysis, Wilkinson 1963)."""
    values = program.run(point)
    scales: list[Any] = [0.0] * len(values)
    scales[program.place] = np.ones(values[program.place].shape)
    for place in reversed(range(len(values))):
        node, value = program.nodes[place], values[place]
        if not isinstance(node, Equation) or not value.requires_grad:
            continue
        parts = gradients_of(value, np.broadcast_to(scales[place], value.shape)[()])
        for arg, part in zip(node.args, parts, strict=True):
            if part is not None:
                scales[arg] = scales[arg] + np.abs(np.nan_to_num(part))
    return scales


def _entries(claims: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...] | None, float]]:
    """Every claimed number with its input and its place in it."""
    for name, claim in claims.items():
        if np.ndim(claim) == 0:
            yield name, None, float(claim)
        else:
            for index in np.ndindex(claim.shape):
                yield name, index, float(claim[index])


def _unjudged(claims: Mapping[str, Any]) -> Iterator[Component]:
    for name, index, claim in _entries(claims):
        yield Component(name, index, claim, None, None, None, Verdict.NON_FINITE)


def _claims(
    program: Program, point: Mapping[str, Any], claimed: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    if claimed is None:
        return None
    claims = {}
    for name, given in claimed.items():
        pointer = f"/claimed/{pointer_part(name)}"
        if name not in point:
            meant = nearest(name, point)
            raise InputError(
                f"{name} is not an input of this expression",
                code="unknown_input",
                pointer=pointer,
                hint=f"did you mean {meant}?" if meant else f"the inputs are {', '.join(point)}",
            )
        claim = number_or_array(
            given, pointer, name, program.limits.elements, what="claim for", finite=False
        )
        if np.shape(claim) != np.shape(point[name]):
            raise InputError(
                f"the claim for {name} has shape {np.shape(claim)}, but {name} has shape "
                f"{np.shape(point[name])}",
                code="wrong_shape",
                pointer=pointer,
                hint="a gradient has the shape of its input",
            )
        claims[name] = claim
    return claims


def _require_affordable(claims: Mapping[str, Any], evaluation: Evaluation, limits: Limits) -> None:
    """Each judged number costs some fifty evaluations of the whole program."""
    count = sum(int(np.size(claim)) for claim in claims.values())
    if not count:
        raise InputError(
            "there is not one number to check",
            code="no_inputs",
            pointer="/claimed",
            hint="give an input that holds numbers",
        )
    arrays = [np.size(node.value) for node in evaluation.nodes if np.ndim(node.value)]
    nodes = len(evaluation.nodes) + ARRAY * len(arrays) + sum(arrays) // 50
    work = count * nodes
    if work > limits.check_work:
        affordable = max(1, limits.check_work * count // work)
        raise InputError(
            f"to check {count} numbers at once is too much for an expression of this size",
            code="too_many_components",
            pointer="/claimed",
            hint=f"claim at most about {affordable} numbers at a time, or use smaller arrays",
        )
