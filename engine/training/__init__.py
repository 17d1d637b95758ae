"""Training a small network: a configuration in, blocks of a loss curve out."""

from __future__ import annotations

from engine.training.checkpoint import Checkpoint
from engine.training.config import TrainConfig
from engine.training.loop import Block, steps, train, trained_model
from engine.training.trainer import Batches, Trainer

__all__ = [
    "Batches",
    "Block",
    "Checkpoint",
    "TrainConfig",
    "Trainer",
    "steps",
    "train",
    "trained_model",
]
