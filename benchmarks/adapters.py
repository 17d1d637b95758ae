"""How Nudge is called in the contests: by its public names, as any user would.

`ADAPTERS` maps a workload to pairs of a name and `make(task) -> Runner`. Any harness whose tasks
have the attributes of `benchmarks.workloads` can load this file by its path; W1 needs no task.
"""

from __future__ import annotations

import sys
from collections import deque
from functools import cache, partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # loaded by its path, from elsewhere
    sys.path.append(str(ROOT))

import numpy as np  # noqa: E402

import engine  # noqa: E402
from benchmarks.runner import Adapter, Runner  # noqa: E402
from benchmarks.workloads.checks import STEP, TOLERANCE, wide_function  # noqa: E402
from benchmarks.workloads.networks import CHECKED  # noqa: E402
from benchmarks.workloads.scalars import EXPRESSION, Graph  # noqa: E402
from engine import Limits, TrainConfig, Value, registry  # noqa: E402

SOURCE = """
t = tanh((a*b + c)*f)
y = t*t + a
"""
"""W1 as a user writes it."""

POINT = dict(zip("abcf", EXPRESSION.leaves, strict=True))

FUNCTIONS = {"tanh": Value.tanh, "exp": Value.exp, "sin": Value.sin}

LIMITS = Limits(
    steps=10**9,
    parameters=10**7,
    points=10**6,
    work=10**18,
    activations=10**8,
)
"""Out of the way of anything measured here."""

ASKED = 6
"""Evaluations after which a program runs compiled: it waits until it is asked again and again."""

ENDLESS = LIMITS.steps
"""Steps of a run that is timed block by block."""

LOSSES = {"sse": "sum_squared_error", "hinge": "hinge", "xent": "softmax_cross_entropy"}


# -- scalars -------------------------------------------------------------------


def evaluate(task: Any = EXPRESSION) -> Runner:
    """`program.evaluate`: a dict in; the value and a dict of gradients out."""
    program, point = _program(task)

    def step() -> tuple[float, Any]:
        evaluation = program.evaluate(point)
        return evaluation.value, evaluation.gradients

    def check() -> list[float]:
        value, gradients = step()
        return [value, *(gradients[name] for name in point)]

    for _ in range(ASKED):
        step()
    return Runner(step, check, note="evaluate()")


def buffered(task: Any = EXPRESSION) -> Runner:
    """The compiled tape, its input read from an array that was named once, as CasADi's buffers."""
    program, point = _program(task)
    tape = program.compile(point)

    def check() -> list[float]:
        tape.run()
        return [tape.value, *tape.gradient]

    return Runner(tape.run, check, note="preset buffers")


def eager(task: Any = EXPRESSION) -> Runner:
    """The graph is made anew of Values each time, as in the lecture."""
    output = EXPRESSION.output if task is EXPRESSION else Graph(task.leaves, task.ops).output

    def step() -> list[float]:
        leaves = [Value(x) for x in task.leaves]
        y = output(leaves, FUNCTIONS)
        y.backward()
        return [y.data, *(leaf.grad for leaf in leaves)]

    return Runner(step, step, note="graph made anew each time")


def _program(task: Any) -> tuple[Any, dict[str, float]]:
    """A program of the task's leaves, and the point it is timed at."""
    if task is EXPRESSION:
        return engine.parse(SOURCE), POINT
    output = Graph(task.leaves, task.ops).output
    program = engine.trace(lambda *leaves: output(leaves, FUNCTIONS), *task.leaves)
    names = (node.name for node in program.inputs)
    return program, dict(zip(names, task.leaves, strict=True))


# -- training ------------------------------------------------------------------


def network(task: Any, activation: str = "") -> Runner:
    """A run that is under way: its next block of steps."""
    endless = _config(task, activation, ENDLESS)
    blocks = engine.train(endless, _vocabulary(), block_steps=task.loop_steps)

    def check() -> Any:
        config = _config(task, activation, max(CHECKED, len(task.lr)))
        start = _parameters(task)
        run = engine.train(config, _vocabulary(), parameters=start, block_steps=CHECKED)
        return next(run).series["loss"]

    return Runner(lambda: next(blocks), check, units=task.loop_steps, note="a block of train()")


def whole_run(task: Any) -> Runner:
    """All of `train(config)`: the tape is made, checked and run to the end."""
    config = _config(task, "", task.loop_steps)
    return Runner(
        lambda: deque(engine.train(config, _vocabulary()), maxlen=0),
        units=task.loop_steps,
        note=f"train() of {task.loop_steps} steps, from making the tape",
    )


def _config(task: Any, activation: str, steps: int) -> TrainConfig:
    """The task in Nudge's words; `activation` in place of the task's own."""
    return TrainConfig.from_dict(
        {
            "model": {
                "nin": task.sizes[0],
                "nouts": list(task.sizes[1:]),
                "activation": activation or task.act,
                "output_activation": (activation or task.last) if task.last else "linear",
            },
            "data": {"xs": task.x.tolist(), "ys": np.ravel(task.y).tolist()},
            "loss": LOSSES[task.loss],
            "optimizer": {"kind": "sgd", "learning_rate": float(task.lr[0])},
            "schedule": _schedule(task.lr),
            "steps": steps,
            "l2": task.l2,
            **({"batch_size": task.batch, "shuffle": False} if task.batch else {}),
        },
        _vocabulary(),
        LIMITS,
    )


def _schedule(rates: Any) -> dict[str, Any]:
    """One rate for all steps, or a straight line through those that are listed."""
    if len(rates) == 1:
        return {"kind": "constant"}
    each = (rates[-1] - rates[0]) / (len(rates) - 1)
    return {"kind": "linear", "end": float(rates[0] + each * len(rates))}


def _parameters(task: Any) -> dict[str, Any]:
    """The task's start values by the names and in the layout of `engine.nn`."""
    start = task.start()
    weights = {f"layers.{i}.weight": w.T.copy() for i, w in enumerate(start[::2])}
    return weights | {f"layers.{i}.bias": b for i, b in enumerate(start[1::2])}


@cache
def _vocabulary() -> Any:
    """The built-in ops and the two plugins beside this file."""
    folder = Path(__file__).with_name("plugins")
    vocabulary = registry.load(package=None, folder=folder, entry_points=False)
    refused = [plugin for plugin in vocabulary.plugins if not plugin.ok]
    assert not refused, refused
    return vocabulary


# -- checks --------------------------------------------------------------------


def check(task: Any) -> Runner:
    """Every input number, nudged up and down."""
    program, point = _program(task)
    return _checked(program, point)


def check_wide(_: Any) -> Runner:
    return _checked(*_wide_program())


def check_wide_direction(_: Any) -> Runner:
    program, point = _wide_program()
    return _checked(program, point, direction=1)


def _wide_program() -> tuple[Any, dict[str, Any]]:
    wide = wide_function()
    a = Value.constant(wide.a)

    def function(x: Any) -> Any:
        h = (a @ x).tanh()
        return (h * h).sum() + (x.sin() * x).sum()

    return engine.trace(function, wide.x), {"x": wide.x}


def _checked(program: Any, point: dict[str, Any], direction: int | None = None) -> Runner:
    def step() -> None:
        found = engine.differences(program, point, step=STEP, direction=direction)
        assert found.worst < TOLERANCE

    return Runner(step, note="differences()" if direction is None else "one random direction")


SCALARS: list[Adapter] = [
    ("nudge", evaluate),
    ("nudge buffer", buffered),
    ("nudge eager", eager),
]
TRAINING: list[Adapter] = [("nudge", network), ("nudge whole run", whole_run)]
PLUGINS: list[Adapter] = [
    ("nudge formula op", partial(network, activation="tanh_by_formula")),
    ("nudge python op", partial(network, activation="tanh_by_python")),
]
ADAPTERS: dict[str, list[Adapter]] = {
    "W1": SCALARS,
    "W2-300": SCALARS,
    "W2-1k": SCALARS,
    "W2-20k": SCALARS,
    "W3": TRAINING + PLUGINS,
    "W3-plugin": [("nudge", network), *PLUGINS],
    "W4": TRAINING,
    "W5-digits": TRAINING,
    "W5-wide": TRAINING,
    "W6-small": [("nudge", check)],
    "W6-wide": [("nudge", check_wide), ("nudge direction", check_wide_direction)],
}
