"""A run on the machine: many steps of training in one visit to compiled code.

The numbers are those of engine.training.Trainer, to rounding. What does not change from run to run
of one configuration, the tape above all, is worked out once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.datasets import Array
from engine.errors import InputError
from engine.losses import largest
from engine.machine.clearing import operands
from engine.machine.drive import Drive
from engine.machine.hot import shapes_at
from engine.machine.interpreter import descent, entry
from engine.machine.interpreter.descent import Plan
from engine.machine.interpreter.entry import Header
from engine.machine.lower import lower
from engine.machine.tape import Home, Tape
from engine.names import unknown
from engine.program import Program
from engine.registry import Vocabulary
from engine.training.checkpoint import Checkpoint
from engine.training.config import TrainConfig
from engine.training.objective import SAMPLES, TARGETS, objective, prediction_of
from engine.training.trainer import Batches, Trainer, rates

OPTIMIZERS: Mapping[str, tuple[int, tuple[str, ...], tuple[str, ...]]] = {
    "sgd": (descent.SGD, (), ()),
    "momentum": (descent.MOMENTUM, ("momentum",), ("velocity",)),
    "adam": (descent.ADAM, ("beta1", "beta2", "epsilon"), ("mean", "square")),
}
"""What the interpreter calls an optimiser, its dials, and the names of its memory in a state."""

BLOCK = 50_000_000
"""Nanoseconds of work that a block may be, by a cautious estimate: so soon a run can be ended."""

PER_CALL, PER_ROW, PER_NUMBER, PER_PARAMETER, PER_DRAW, FLOPS = 20_000, 200, 15, 5, 50, 8
"""Nanoseconds, on the safe side: for a call of a Python-only op, a row, a number that a row writes
and its gradient, a parameter moved, a sample drawn; and floating-point operations in one."""


@dataclass(frozen=True)
class Prepared:
    """What one configuration comes to with one vocabulary."""

    program: Program
    tape: Tape
    start: Mapping[str, Array]
    identity: str
    batches: Batches
    prediction: Home


def prepare(config: TrainConfig, vocabulary: Vocabulary | None) -> Prepared:
    """The tape of a configuration and its start values; kept with the configuration."""
    known = config.prepared.get(vocabulary)
    if known is None:
        trainer = Trainer(config, vocabulary)
        xs, ys = trainer.batches.at(0)
        program = objective(trainer.model, trainer.loss, xs.data, ys.data)
        shapes = shapes_at(program, program.point())
        tape = lower(program, shapes, (SAMPLES, TARGETS), accumulate=not config.zero_grad)
        prediction = tape.homes[prediction_of(program)]
        assert prediction is not None
        start = {name: p.data for name, p in trainer.model.named_parameters().items()}
        known = Prepared(program, tape, start, trainer.identity, trainer.batches, prediction)
        config.prepared[vocabulary] = known
    return known


class Descent:
    """One run in progress. `advance()` does its next steps."""

    def __init__(self, config: TrainConfig, vocabulary: Vocabulary | None = None) -> None:
        self.config = config
        self._prepared = known = prepare(config, vocabulary)
        self.identity, self.batches = known.identity, known.batches
        self.next_step = 0
        self.reason: str | None = None
        self._updates = 0
        self._norms = np.zeros(0)
        xs, ys = config.samples
        moves = not known.batches.whole and not known.batches.shuffled
        room = np.zeros(known.tape.values + (xs.size + ys.size if moves else 0))
        self._drive = drive = Drive(known.tape, room)
        leaves = known.tape.leaves
        self._homes = {name: leaves[name] for name in known.start}
        for name, array in known.start.items():
            self._homes[name].view(drive.values)[...] = array
        kind = config.optimizer.kind
        if kind == "sgd" and config.optimizer.params["momentum"]:
            kind = "momentum"
        code, dials, self._memory_names = OPTIMIZERS[kind]
        self._size = sum(home.size for home in self._homes.values())
        self._memory = np.zeros((len(self._memory_names), self._size))
        self._dials = np.zeros(entry.DIALS)
        values = [config.l2, *(config.optimizer.params[dial] for dial in dials)]
        self._dials[: len(values)] = values
        self._plan = self._planned(code, moves)
        self._point_header(xs, ys, moves)

    def _planned(self, optimizer: int, moves: bool) -> NDArray[np.int64]:
        known, tape = self._prepared, self._prepared.tape
        samples, targets = tape.leaves[SAMPLES], tape.leaves[TARGETS]
        correct = self.config.correct
        rows = known.batches.size
        plan = np.zeros(descent.FIELDS, np.int64)
        plan[Plan.PARAMETERS] = self._size
        plan[Plan.OUTPUT] = tape.output.offset
        plan[Plan.OPTIMIZER] = optimizer
        if correct is not None:
            plan[Plan.RIGHT] = descent.LARGEST if correct is largest else descent.SIGNS
        plan[Plan.PREDICTION] = known.prediction.offset
        plan[Plan.SAMPLES] = rows
        plan[Plan.OUTPUTS] = known.prediction.size // rows
        plan[Plan.TARGETS], plan[Plan.TARGET] = targets.offset, targets.size // rows
        plan[Plan.INPUTS], plan[Plan.INPUT] = samples.offset, samples.size // rows
        if moves:
            plan[Plan.PER_EPOCH] = known.batches.per_epoch
            plan[Plan.STORE_INPUTS] = tape.values
            plan[Plan.STORE_TARGETS] = tape.values + self.config.samples[0].size
        return plan

    def _point_header(self, xs: Array, ys: Array, moves: bool) -> None:
        drive, plan = self._drive, self._plan
        if moves:
            drive.values[self._prepared.tape.values :] = np.concatenate([xs.ravel(), ys.ravel()])
        elif self.batches.whole:
            for name, array in ((SAMPLES, xs), (TARGETS, ys)):
                self._prepared.tape.leaves[name].view(drive.values)[...] = array
        patches = [
            (k, field, int(row[field] == plan[Plan.TARGETS]))
            for k, row in enumerate(drive.rows)
            for field in operands(drive.tape, k)
            if row[field] in (plan[Plan.INPUTS], plan[Plan.TARGETS])
        ]
        drive.point(Header.PLAN, plan)
        drive.point(Header.DIALS, self._dials)
        table = np.array(patches, np.int64).reshape(-1, 3)
        drive.point(Header.PATCHES, table, Header.PATCHES_LENGTH)
        drive.point(Header.STORE_XS, xs.ravel(), Header.STORE_XS_LENGTH)
        drive.point(Header.STORE_YS, ys.ravel(), Header.STORE_YS_LENGTH)
        drive.point(Header.MEMORY, self._memory.ravel(), Header.MEMORY_LENGTH)

    # -- going on ------------------------------------------------------------------------

    @property
    def left(self) -> int:
        """How many steps are left to do."""
        return 0 if self.reason is not None else self.config.steps - self.next_step

    @property
    def block_steps(self) -> int:
        """Steps that take some hundredths of a second."""
        tape, batches = self._prepared.tape, self.batches
        each = PER_ROW * (len(tape.rows) + 2) + PER_CALL * len(tape.calls)
        each += PER_NUMBER * (tape.values - self._size) + PER_PARAMETER * self._size
        each += 6 * batches.size * self._size // FLOPS
        if batches.shuffled:
            each += PER_DRAW * len(batches.xs) // batches.per_epoch
        return max(1, BLOCK // each)

    def advance(self, count: int) -> dict[str, Array]:
        """Do the next `count` steps, fewer where the loss stops being finite, and tell their
        numbers: one array of each series."""
        drive, first = self._drive, self.next_step
        series, rate = np.zeros((count, 3)), rates(self.config, first, count)
        order = np.zeros(0, np.uint32)
        if self.batches.shuffled:
            order = self.batches.order(first, count).astype(np.uint32)
        drive.point(Header.ORDER, order, Header.ORDER_LENGTH)
        drive.point(Header.RATES, rate)
        drive.point(Header.SERIES, series)
        self._plan[Plan.FIRST] = first
        drive.header[Header.COUNT] = self._updates
        if drive.tape.calls:
            done = self._step_by_step(count)
        else:
            done = drive.do(entry.TRAIN, 0, count)
        self.next_step += done
        told = {
            "loss": series[:done, descent.LOSS].copy(),
            "gradient_norm": series[:done, descent.NORM].copy(),
            "learning_rate": rate[:done],
        }
        if self._plan[Plan.RIGHT] != descent.NOTHING:
            told["accuracy"] = series[:done, descent.ACCURACY].copy()
        finite = bool(np.isfinite(told["loss"][-1]))
        norms = np.concatenate([self._norms, told["gradient_norm"]])
        self._norms = norms[-2:]
        self._updates += done if finite else done - 1
        if not finite:
            self.reason = self._why()
        return told

    def _step_by_step(self, count: int) -> int:
        """The steps of a tape with calls of Python in between; how many were done."""
        drive = self._drive
        with np.errstate(all="ignore"):
            for step in range(count):
                drive.do(entry.BEGIN, step, step + 1)
                drive.sweep()
                if not drive.do(entry.FINISH, step, step + 1):
                    return step + 1
        return count

    def _why(self) -> str:
        """Where the first number came up that is not finite, in the step done last."""
        k = self.next_step - 1
        parameters = self._arrays(self._drive.values)
        for name, array in parameters.items():
            if not np.isfinite(array).all():
                blame = "moved it too far"
                if len(self._norms) > 1 and not np.isfinite(self._norms[-2]):
                    blame = "had a gradient that is not finite"
                return f"step {k}: {name} is not finite any more; step {k - 1} {blame}"
        xs, ys = self.batches.at(k)
        point = {SAMPLES: xs.data, TARGETS: ys.data, **parameters}
        found = self._prepared.program.evaluate_slowly(point)
        reason = found.reason or "l2 times the sum of the squared parameters is not finite"
        return f"step {k}: {reason}"

    # -- state ----------------------------------------------------------------------------

    def _arrays(self, buffer: Array) -> dict[str, Array]:
        """Copies of each parameter's numbers out of a flat buffer, in the parameters' shapes."""
        return {n: np.array(home.view(buffer), order="C") for n, home in self._homes.items()}

    def state(self) -> Callable[[], Checkpoint]:
        """The state between two steps, as engine.training.Trainer has it: flat copies are taken
        now, and made into a checkpoint when it is called."""
        flat = self._drive.values[: self._size].copy()
        gradients = None if self.config.zero_grad else self._drive.gradients[: self._size].copy()
        memory, updates, step = self._memory.copy(), self._updates, self.next_step
        diverged = self.reason is not None

        def checkpoint() -> Checkpoint:
            arrays = {f"parameter.{name}": a for name, a in self._arrays(flat).items()}
            if gradients is not None:
                arrays |= {f"gradient.{name}": a for name, a in self._arrays(gradients).items()}
            arrays["optimizer.steps"] = np.array(updates, dtype=np.float64)
            for name, numbers in zip(self._memory_names, memory, strict=True):
                for i, array in enumerate(self._arrays(numbers).values()):
                    arrays[f"optimizer.{name}.{i}"] = array
            return Checkpoint(self.identity, step, diverged, arrays)

        return checkpoint

    def load(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of this very run."""
        drive, optimizer = self._drive, checkpoint.part("optimizer")
        for part, buffer in (("parameter", drive.values), ("gradient", drive.gradients)):
            for name, array in checkpoint.part(part).items():
                self._homes[name].view(buffer)[...] = array
        for name, memory in zip(self._memory_names, self._memory, strict=True):
            for i, home in enumerate(self._homes.values()):
                home.view(memory)[...] = optimizer[f"{name}.{i}"]
        self._updates = int(optimizer["steps"])
        self.next_step = checkpoint.next_step
        if checkpoint.diverged:
            self.reason = "the run has diverged"

    def place(self, parameters: Mapping[str, Any]) -> None:
        """Start from other numbers. Raises InputError for a name or a shape that is not there."""
        for name, given in parameters.items():
            if name not in self._homes:
                raise InputError(unknown("parameter", name, self._homes), code="unknown_parameter")
            array, view = np.asarray(given, np.float64), self._homes[name].view(self._drive.values)
            if array.shape != view.shape:
                raise InputError(
                    f"{name} has shape {view.shape}, not {array.shape}", code="wrong_shape"
                )
            if not np.isfinite(array).all():
                raise InputError(f"{name} is not finite", code="not_finite")
            view[...] = array
