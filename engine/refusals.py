"""What a program is not evaluated for: inputs without a value, arrays that would be too large."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.arrays import pointer_part
from engine.errors import InputError, Position
from engine.value import Value

if TYPE_CHECKING:
    from engine.program import Equation, Input


def missing_inputs(missing: Sequence[Input]) -> InputError:
    """What to say where inputs have no value."""
    first = missing[0]
    names = ", ".join(node.name for node in missing)
    hint = f'give it beside the source, or write "{first.name} = 1" as the first line'
    if first.name in ("pi", "π"):
        hint = f"write math.pi, or give {first.name} a value"
    if first.name == "e":
        hint = "write exp(x) for Euler's number to a power, or give e a value"
    return InputError(
        f"{names} {'has' if len(missing) == 1 else 'have'} no value",
        code="missing_input",
        position=first.position,
        pointer=f"/at/{pointer_part(first.name)}",
        hint=hint,
    )


def too_many_numbers(position: Position, limit: int) -> InputError:
    """What to say where the arrays of a program hold too much together."""
    return InputError(
        f"up to here the arrays of this expression hold more than {limit} numbers",
        code="too_many_elements",
        position=position,
        hint="use smaller arrays",
    )


def check_size(equation: Equation, args: Sequence[Value], limit: int) -> None:
    """Refuse an array that is too large before it is made."""
    shapes = [arg.shape for arg in args]
    try:
        if "shape" in equation.params:
            size = math.prod(equation.params["shape"])
        elif equation.op.name == "matmul" and all(shapes):
            stacked = np.broadcast_shapes(shapes[0][:-2], shapes[1][:-2])
            rows, columns = shapes[0][-2:-1], shapes[1][-1:] if len(shapes[1]) > 1 else ()
            size = math.prod((*stacked, *rows, *columns))
        elif equation.op.elementwise:
            size = math.prod(np.broadcast_shapes(*shapes))
        else:
            size = sum(math.prod(shape) for shape in shapes)
    except (TypeError, ValueError):
        return  # the op itself says what is wrong
    if size > limit:
        raise InputError(
            f"{equation.term} would hold {size} numbers; at most {limit} may",
            code="too_many_elements",
            position=equation.position,
            hint="use smaller arrays",
        )
