"""Training: a configuration in, blocks of steps out.

Step k, counted from 0: predict, measure the loss, go backward, then move the parameters. So the
loss of step k is that of the parameters after k updates, and l2 is part of it. The same
configuration and ops give the same bytes on the same kind of CPU with the same versions of BLAS,
numba and numpy: docs/explanation/speed.md says what may change the last bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from engine.datasets import Array
from engine.errors import InputError
from engine.nn import MLP
from engine.registry import Vocabulary
from engine.training.checkpoint import Checkpoint
from engine.training.config import TrainConfig
from engine.training.trainer import Trainer


class Block:
    """Some steps of a run. `series` maps a name to float64, one number for each step:

    loss, gradient_norm (of the whole gradient, Euclidean), learning_rate, and for classification
    accuracy (share of the batch, 0 to 1). `checkpoint` is the state after the block, as bytes that
    are made when they are asked for. `diverged` tells that the last loss is not finite; `reason`
    then says where the first such number came up, and no block follows.
    """

    def __init__(
        self,
        first_step: int,
        series: Mapping[str, Array],
        state: Callable[[], Checkpoint],
        reason: str | None = None,
    ) -> None:
        self.first_step = first_step
        self.series = series
        self.reason = reason
        self._state = state

    @property
    def diverged(self) -> bool:
        return self.reason is not None

    @cached_property
    def checkpoint(self) -> bytes:
        return self._state().to_bytes()

    def __len__(self) -> int:
        return len(self.series["loss"])


def train(
    config: TrainConfig,
    vocabulary: Vocabulary | None = None,
    checkpoint: bytes | None = None,
    block_steps: int | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> Iterator[Block]:
    """The run of `config`, from its start or from a checkpoint of it, in blocks of steps.

    `vocabulary` is the configuration's own unless another is given. However the run is cut into
    blocks and wherever it goes on, the series have the same bytes. Unless `block_steps` says how
    many, a block is some hundredths of a second of work. `parameters` gives other starting values,
    by name ("layers.0.weight", …). Raises InputError at once where the checkpoint is not this
    run's, or what is given does not fit.
    """
    if block_steps is not None and block_steps < 1:
        raise InputError(f"a block has at least one step, not {block_steps}", code="empty_block")
    from engine.training.compiled import Descent

    descent = Descent(config, vocabulary)
    if parameters is not None:
        descent.place(parameters)
    if checkpoint is not None:
        descent.load(Checkpoint.from_bytes(checkpoint, descent.identity))
    return _blocks(descent, block_steps)


def _blocks(descent: Any, block_steps: int | None) -> Iterator[Block]:
    size = block_steps or descent.block_steps
    while descent.left:
        first_step = descent.next_step
        series = descent.advance(min(size, descent.left))
        yield Block(first_step, series, descent.state(), descent.reason)


def steps(config: TrainConfig, vocabulary: Vocabulary | None = None) -> Iterator[dict[str, Any]]:
    """The run step by step: {"step": 0, "loss": …, "gradient_norm": …, "learning_rate": …}."""
    for block in train(config, vocabulary):
        for index in range(len(block)):
            numbers = {name: float(values[index]) for name, values in block.series.items()}
            yield {"step": block.first_step + index, **numbers}


def trained_model(
    config: TrainConfig, checkpoint: bytes, vocabulary: Vocabulary | None = None
) -> MLP:
    """The network as it was when the checkpoint was made."""
    trainer = Trainer(config, vocabulary)
    trainer.load(checkpoint)
    return trainer.model
