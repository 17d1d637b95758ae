"""The hatch: all that a plugin, or a file of the op table, may use of the engine.

from engine.extend import op

@op()
def cube(x):
    \"\"\"x to the third.\"\"\"
    return x * x * x

@cube.backward
def _(g, y, x):
    return g * 3 * x * x
"""

from __future__ import annotations

import pluggy

from engine.domain import Domain, above, at, between, nonzero, positive, real
from engine.op import Op, Trial, op, unbroadcast

hookimpl = pluggy.HookimplMarker("nudge")
"""Marks a plugin's hooks (engine/hookspecs.py lists them); a plugin of ops alone needs none."""

__all__ = [
    "Domain",
    "Op",
    "Trial",
    "above",
    "at",
    "between",
    "hookimpl",
    "nonzero",
    "op",
    "positive",
    "real",
    "unbroadcast",
]
