"""Checking gradients: look how the output moves, say what is right, and what went wrong."""

from __future__ import annotations

from engine.check.function import check_function
from engine.check.gradcheck import check
from engine.check.report import Component, Diagnosis, FirstWrong, LocalCheck, Place, Report
from engine.check.rules import RuleReport, RuleVerdict, check_rule
from engine.check.sweep import SweepRow, sweep
from engine.check.verdict import TOLERANCES, Verdict

__all__ = [
    "TOLERANCES",
    "Component",
    "Diagnosis",
    "FirstWrong",
    "LocalCheck",
    "Place",
    "Report",
    "RuleReport",
    "RuleVerdict",
    "SweepRow",
    "Verdict",
    "check",
    "check_function",
    "check_rule",
    "sweep",
]
