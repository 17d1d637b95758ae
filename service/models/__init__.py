"""The tables; importing this package makes all of them known to `Base.metadata`."""

from __future__ import annotations

from service.models.base import Base, Instant
from service.models.gradchecks import GradCheck
from service.models.idempotency import IdempotentRequest
from service.models.programs import StoredProgram
from service.models.runs import (
    Checkpoint,
    CurveChunk,
    CurvePreview,
    Run,
    RunMetric,
    Series,
)

__all__ = [
    "Base",
    "Checkpoint",
    "CurveChunk",
    "CurvePreview",
    "GradCheck",
    "IdempotentRequest",
    "Instant",
    "Run",
    "RunMetric",
    "Series",
    "StoredProgram",
]
