"""A program at many points at once, and central differences, which are made of such points.

`batched` writes a program with one more axis in front, by a rule for each op; `evaluate_many` runs
it in blocks of points. `differences` nudges inputs on sheets of points and compares.
"""

from __future__ import annotations

from engine.points.batch import batched
from engine.points.differences import differences
from engine.points.many import evaluate_many
from engine.points.records import Differences

__all__ = ["Differences", "batched", "differences", "evaluate_many"]
