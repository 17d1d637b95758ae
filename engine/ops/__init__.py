"""The op table: every operation that Nudge has by itself, one record each.

Conventions where a derivative does not exist: abs, sign and relu have slope 0 at 0; max and min
give half the gradient to each argument on a tie; hinge and mean absolute error follow relu and abs.
"""

from __future__ import annotations

from types import MappingProxyType

from engine.op import Op
from engine.ops import activations, arithmetic, elementary, linalg, losses, reductions, shapes

OPS = MappingProxyType(
    {
        thing.name: thing
        for module in (
            arithmetic,
            elementary,
            activations,
            reductions,
            linalg,
            shapes,
            losses,
        )
        for thing in vars(module).values()
        if isinstance(thing, Op)
    }
)

BY_FUNCTION = MappingProxyType({op.forward: op for op in OPS.values()})
"""Ops by their forward: an op whose forward is a numpy function answers for that function."""
