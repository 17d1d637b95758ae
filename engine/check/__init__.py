"""Checking gradients: nudge each input, look at the slope, say what is right."""

from __future__ import annotations

from engine.check.gradcheck import check
from engine.check.verdict import TOLERANCES, Component, Report, Verdict

__all__ = ["TOLERANCES", "Component", "Report", "Verdict", "check"]
