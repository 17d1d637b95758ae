"""Nudge's engine: reverse-mode automatic differentiation, checked against finite differences.

Numbers in, numbers out: no clock, no dice but a given seed, no network, no storage.
"""

from __future__ import annotations

from engine.errors import ConfigError, EngineError, ExpressionError, InputError, OpError, Position
from engine.graph import gradients
from engine.limits import Limits
from engine.value import Value

__all__ = [
    "ConfigError",
    "EngineError",
    "ExpressionError",
    "InputError",
    "Limits",
    "OpError",
    "Position",
    "Value",
    "gradients",
]
