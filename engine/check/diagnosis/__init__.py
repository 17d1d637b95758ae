"""Which mistake explains a wrong gradient: hypotheses, each a claim of its own that must fit."""

from __future__ import annotations

from engine.check.diagnosis.arrays import diagnose_arrays
from engine.check.diagnosis.diagnose import diagnose
from engine.check.diagnosis.undefined import explain_undefined

__all__ = ["diagnose", "diagnose_arrays", "explain_undefined"]
