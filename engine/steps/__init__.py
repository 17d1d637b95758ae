"""Backpropagation as data: what happens at each step, and what would happen with a slip.

    >>> from engine import parse
    >>> steps = backpropagation(parse("c = a*b; d = c + a"), {"a": 2, "b": -3})
    >>> [event.text for event in steps.events]
    ['d.grad = 1', 'c.grad += d.grad', 'a.grad += d.grad', 'a.grad += c.grad * b', \
'b.grad += c.grad * a']
"""

from __future__ import annotations

from engine.steps.play import MOST_PASSES, PASSES, backpropagation, replay
from engine.steps.records import (
    Diamond,
    Difference,
    Event,
    ForwardStep,
    Reuse,
    Row,
    Slip,
    Steps,
    Use,
    Visit,
)
from engine.steps.slips import SLIPS

__all__ = [
    "MOST_PASSES",
    "PASSES",
    "SLIPS",
    "Diamond",
    "Difference",
    "Event",
    "ForwardStep",
    "Reuse",
    "Row",
    "Slip",
    "Steps",
    "Use",
    "Visit",
    "backpropagation",
    "replay",
]
