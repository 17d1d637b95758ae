"""From JSON to a TrainConfig: first each part on its own, then whether the parts fit.

Nothing here computes with the samples' values or builds a network, so a configuration over the
limits is refused before it costs anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from engine.datasets import DATASETS
from engine.limits import Limits
from engine.losses import LOSSES, Loss
from engine.nn import LINEAR, activations
from engine.optim import OPTIMIZERS, OptimizerRow
from engine.ranges import Range, shown
from engine.registry import Vocabulary
from engine.schedules import SCHEDULES, Schedule
from engine.training.config import (
    NOUTS,
    SEED,
    STEPS,
    Choice,
    Generated,
    Inline,
    ModelConfig,
    TrainConfig,
    frozen,
)
from engine.training.fit import note_excess, note_misfits
from engine.training.problems import Problems

KEYS = (
    *("model", "data", "loss", "optimizer", "schedule", "steps", "batch_size", "shuffle"),
    *("l2", "seed", "zero_grad"),
)
MODEL_KEYS = ("kind", "nin", "nouts", "activation", "output_activation")
NOISE = Range(0.0, low=0.0, high=100.0)
L2 = Range(0.0, low=0.0, high=1e6)
DATA_SEED = Range(1, low=0, high=SEED.high, whole=True)


def read(data: Any, vocabulary: Vocabulary | None, limits: Limits) -> TrainConfig:
    """A TrainConfig, or ConfigError with every problem found."""
    problems = Problems()
    known = problems.mapping("", data, KEYS)
    if known is None:
        problems.end()
    top = cast(dict[str, Any], known)

    named = problems.choice("/loss", top.get("loss", "sum_squared_error"), "loss", LOSSES)
    loss = LOSSES.get(named or "")
    samples = _data(problems, top.get("data", {"dataset": "lecture"}), limits)
    model = _model(problems, top.get("model", {}), samples, loss, vocabulary, limits)
    optimizer = _choice(problems, "optimizer", top.get("optimizer"), OPTIMIZERS, "sgd")
    schedule = _choice(problems, "schedule", top.get("schedule"), SCHEDULES, "constant")
    step_range = Range(STEPS, low=1, high=limits.steps, whole=True)
    steps = problems.number("/steps", top.get("steps", STEPS), step_range)
    batch_size = _batch_size(problems, top.get("batch_size"), samples)
    shuffle = problems.flag("/shuffle", top.get("shuffle", True))
    l2 = problems.number("/l2", top.get("l2", 0.0), L2)
    seed = problems.number("/seed", top.get("seed", SEED.default), SEED)
    zero_grad = problems.flag("/zero_grad", top.get("zero_grad", True))

    if model and samples:
        note_misfits(problems, model, samples, loss, limits)
    if model and samples and steps:
        note_excess(problems, model, batch_size or samples.count, steps, limits)
    problems.end()
    return TrainConfig(
        model=cast(ModelConfig, model),
        data=cast("Inline | Generated", samples),
        loss=cast(Loss, loss).name,
        optimizer=optimizer,
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        shuffle=cast(bool, shuffle),
        l2=l2,
        seed=seed,
        zero_grad=cast(bool, zero_grad),
        vocabulary=vocabulary,
    )


def _choice(
    problems: Problems,
    key: str,
    value: Any,
    shelf: Mapping[str, OptimizerRow] | Mapping[str, Schedule],
    default: str,
) -> Choice:
    """{"kind": …, parameters}; which parameters there are depends on the kind."""
    value = {} if value is None else value
    named = value.get("kind", default) if isinstance(value, Mapping) else default
    kind = problems.choice(f"/{key}/kind", named, key, shelf)
    if kind is None:
        return Choice(default, {})
    ranges = shelf[kind].params
    given = problems.mapping(f"/{key}", value, ("kind", *ranges)) or {}
    return Choice(kind, frozen(problems.numbers(f"/{key}", given, ranges)))


# --- the samples ------------------------------------------------------------------------------


def _data(problems: Problems, value: Any, limits: Limits) -> Inline | Generated | None:
    if isinstance(value, Mapping) and ("xs" in value or "ys" in value):
        return _inline(problems, value, limits)
    return _generated(problems, value, limits)


def _generated(problems: Problems, value: Any, limits: Limits) -> Generated | None:
    named = value.get("dataset", "lecture") if isinstance(value, Mapping) else "lecture"
    name = problems.choice("/data/dataset", named, "data set", DATASETS)
    if name is None:
        return None
    row = DATASETS[name]
    ranges = {
        "n": Range(row.n, low=1, high=limits.points, whole=True),
        "noise": Range(row.noise, low=NOISE.low, high=NOISE.high),
        "seed": DATA_SEED,
        **row.params,
    }
    given = problems.mapping("/data", value, ("dataset", *ranges))
    read = problems.numbers("/data", given or {}, ranges)
    if given is None or None in read.values():
        return None
    params = frozen({key: read[key] for key in row.params})
    return Generated(name, read["n"], read["noise"], read["seed"], params)


def _inline(problems: Problems, value: Mapping[str, Any], limits: Limits) -> Inline | None:
    given = problems.mapping("/data", value, ("xs", "ys")) or {}
    for key in ("xs", "ys"):
        if key not in given:
            problems.add("/data", f"has no '{key}'; samples need both xs and ys")
    if len(given) < 2:
        return None
    xs = problems.sequence("/data/xs", given["xs"], "rows of numbers")
    ys = problems.sequence("/data/ys", given["ys"], "targets")
    if xs is None or ys is None:
        return None
    if len(xs) != len(ys):
        problems.add("/data/ys", f"has {len(ys)} targets for {len(xs)} rows of xs")
    if len(xs) > limits.points:
        problems.add("/data/xs", f"has {len(xs):,} samples; the limit is {limits.points:,}")
        return None
    before = problems.count
    rows = _rows(problems, "/data/xs", xs)
    nested = isinstance(ys[0], (list, tuple))
    targets = _rows(problems, "/data/ys", ys) if nested else _row(problems, "/data/ys", ys)
    if problems.count > before or len(xs) != len(ys):
        return None
    return Inline(rows, targets)


def _rows(problems: Problems, pointer: str, value: list[Any]) -> tuple[tuple[float, ...], ...]:
    """Rows of numbers, as long as the first."""
    rows: list[tuple[float, ...]] = []
    for index, item in enumerate(value):
        place = f"{pointer}/{index}"
        row = problems.sequence(place, item, "numbers")
        if row is None:
            continue
        if rows and len(row) != len(rows[0]):
            problems.add(place, f"has {len(row)} numbers; the first row has {len(rows[0])}")
        rows.append(_row(problems, place, row))
    return tuple(rows)


def _row(problems: Problems, pointer: str, value: list[Any]) -> tuple[float, ...]:
    anything = Range(0.0)
    return tuple(
        problems.number(f"{pointer}/{index}", item, anything) for index, item in enumerate(value)
    )


# --- the network ------------------------------------------------------------------------------


def _model(
    problems: Problems,
    value: Any,
    samples: Inline | Generated | None,
    loss: Loss | None,
    vocabulary: Vocabulary | None,
    limits: Limits,
) -> ModelConfig | None:
    given = problems.mapping("/model", value, MODEL_KEYS)
    if given is None:
        return None
    kind = problems.choice("/model/kind", given.get("kind", "mlp"), "model", ("mlp",))
    size = Range(1, low=1, high=limits.parameters, whole=True)
    nin = given.get("nin")
    if nin is not None:
        nin = problems.number("/model/nin", nin, size)
    elif samples:
        nin = samples.features
    listed = problems.sequence("/model/nouts", given.get("nouts", NOUTS), "layer sizes") or []
    nouts = [
        problems.number(f"/model/nouts/{index}", nout, size) for index, nout in enumerate(listed)
    ]
    known = activations(vocabulary)
    activation = problems.choice(
        "/model/activation", given.get("activation", "tanh"), "activation", known
    )
    output = given.get("output_activation")
    if output is None:
        output = LINEAR if loss and loss.scores else activation
    else:
        output = problems.choice("/model/output_activation", output, "activation", known)
    if None in (kind, nin, activation, output, *nouts) or not nouts:
        return None
    return ModelConfig(cast(int, nin), tuple(nouts), cast(str, activation), cast(str, output))


def _batch_size(problems: Problems, value: Any, samples: Inline | Generated | None) -> int | None:
    if value is None:
        return None
    size = problems.number("/batch_size", value, Range(1, low=1, whole=True))
    if size is not None and samples and size > samples.count:
        problems.add("/batch_size", f"is {shown(size)}, more than the {samples.count:,} samples")
        return None
    return cast("int | None", size)
