"""Nudge's engine: reverse-mode automatic differentiation, checked against finite differences.

Numbers in, numbers out: no clock, no dice but a given seed, no network, no storage.
"""

from __future__ import annotations

from engine.autopsy import autopsy
from engine.check import (
    Component,
    Diagnosis,
    Report,
    RuleReport,
    Verdict,
    check,
    check_function,
    check_rule,
    sweep,
)
from engine.errors import ConfigError, EngineError, ExpressionError, InputError, OpError, Position
from engine.evaluation import Evaluation, Node
from engine.expression import parse
from engine.higher_order import gradients
from engine.limits import Limits
from engine.op import Op
from engine.points import Differences, differences
from engine.program import Equation, Program
from engine.registry import PluginStatus, Vocabulary
from engine.steps import Steps, backpropagation, replay
from engine.trace import trace
from engine.training import Block, TrainConfig, train
from engine.value import Value

__all__ = [
    "Block",
    "Component",
    "ConfigError",
    "Diagnosis",
    "Differences",
    "EngineError",
    "Equation",
    "Evaluation",
    "ExpressionError",
    "InputError",
    "Limits",
    "Node",
    "Op",
    "OpError",
    "PluginStatus",
    "Position",
    "Program",
    "Report",
    "RuleReport",
    "Steps",
    "TrainConfig",
    "Value",
    "Verdict",
    "Vocabulary",
    "autopsy",
    "backpropagation",
    "check",
    "check_function",
    "check_rule",
    "differences",
    "gradients",
    "parse",
    "replay",
    "sweep",
    "trace",
    "train",
]
