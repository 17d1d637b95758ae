"""The autopsy of a training run: what its first steps, or a record of it, say went wrong."""

from __future__ import annotations

from engine.autopsy.examination import DETECTORS, autopsy, examine_record
from engine.autopsy.goals import chance_loss, lowest_loss
from engine.autopsy.neurons import dead_shares, saturated_shares
from engine.autopsy.probe import record
from engine.autopsy.records import EVENTS, Curvature, Overflow, Record, Step, Task, Trial

__all__ = [
    "DETECTORS",
    "EVENTS",
    "Curvature",
    "Overflow",
    "Record",
    "Step",
    "Task",
    "Trial",
    "autopsy",
    "chance_loss",
    "dead_shares",
    "examine_record",
    "lowest_loss",
    "record",
    "saturated_shares",
]
