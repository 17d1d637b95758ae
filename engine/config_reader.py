"""From JSON to a TrainConfig: first each part on its own, then whether the parts fit.

Nothing here computes with the samples' values or builds a network, so a configuration over the
limits is refused before it costs anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from engine.datasets import DATASETS
from engine.limits import Limits
from engine.losses import CLASSES, LOSSES, VALUES, Loss
from engine.nn import LINEAR, activations
from engine.optim import OPTIMIZERS, OptimizerRow
from engine.problems import Problems
from engine.ranges import Range, shown
from engine.registry import Vocabulary
from engine.schedules import SCHEDULES, Schedule
from engine.train_config import (
    NOUTS,
    SEED,
    STEPS,
    Choice,
    Generated,
    Inline,
    ModelConfig,
    TrainConfig,
    frozen,
    layer_sizes,
)

KEYS = (
    *("model", "data", "loss", "optimizer", "schedule", "steps", "batch_size", "l2", "seed"),
    "zero_grad",
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

    loss = LOSSES.get(_loss(problems, top) or "")
    samples = _data(problems, top.get("data", {"dataset": "lecture"}), limits)
    model = _model(problems, top.get("model", {}), samples, loss, vocabulary, limits)
    optimizer = _choice(problems, "optimizer", top.get("optimizer"), OPTIMIZERS, "sgd")
    schedule = _choice(problems, "schedule", top.get("schedule"), SCHEDULES, "constant")
    step_range = Range(STEPS, low=1, high=limits.steps, whole=True)
    steps = problems.number("/steps", top.get("steps", STEPS), step_range)
    batch_size = _batch_size(problems, top.get("batch_size"), samples)
    l2 = problems.number("/l2", top.get("l2", 0.0), L2)
    seed = problems.number("/seed", top.get("seed", SEED.default), SEED)
    zero_grad = problems.flag("/zero_grad", top.get("zero_grad", True))

    if model and samples:
        _fit(problems, model, samples, limits)
    if model and samples and loss:
        _targets(problems, model, samples, loss)
    if model and samples and steps:
        _work(problems, model, batch_size or _count(samples), steps, limits)
    problems.end()
    return TrainConfig(
        model=cast(ModelConfig, model),
        data=cast("Inline | Generated", samples),
        loss=cast(Loss, loss).name,
        optimizer=optimizer,
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        l2=l2,
        seed=seed,
        zero_grad=cast(bool, zero_grad),
    )


def _loss(problems: Problems, top: Mapping[str, Any]) -> str | None:
    return problems.choice("/loss", top.get("loss", "sum_squared_error"), "loss", LOSSES)


def _choice(
    problems: Problems,
    key: str,
    value: Any,
    shelf: Mapping[str, OptimizerRow] | Mapping[str, Schedule],
    default: str,
) -> Choice:
    """{"kind": …, parameters}; which parameters there are depends on the kind."""
    value = {} if value is None else value
    kind: str | None = default
    if isinstance(value, Mapping):
        kind = problems.choice(f"/{key}/kind", value.get("kind", default), key, shelf)
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
    name: str | None = "lecture"
    if isinstance(value, Mapping):
        name = problems.choice("/data/dataset", value.get("dataset", name), "data set", DATASETS)
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
    if rows is None or targets is None or problems.count > before or len(xs) != len(ys):
        return None
    return Inline(rows, targets)


def _rows(problems: Problems, pointer: str, value: list[Any]) -> tuple[tuple[float, ...], ...]:
    """Rows of numbers, as long as the first."""
    rows = []
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


def _count(samples: Inline | Generated) -> int:
    return len(samples.xs) if isinstance(samples, Inline) else samples.n


def _features(samples: Inline | Generated) -> int:
    if isinstance(samples, Inline):
        return len(samples.xs[0])
    return DATASETS[samples.dataset].features


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
        nin = _features(samples)
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
    return ModelConfig(nin, tuple(nouts), cast(str, activation), cast(str, output))


# --- whether the parts fit --------------------------------------------------------------------


def _batch_size(problems: Problems, value: Any, samples: Inline | Generated | None) -> int | None:
    if value is None:
        return None
    size = problems.number("/batch_size", value, Range(1, low=1, whole=True))
    if size is not None and samples and size > _count(samples):
        problems.add("/batch_size", f"is {shown(size)}, more than the {_count(samples):,} samples")
        return None
    return cast("int | None", size)


def _fit(
    problems: Problems, model: ModelConfig, samples: Inline | Generated, limits: Limits
) -> None:
    """Sizes of network and samples, each other's and the limits'."""
    features = _features(samples)
    if model.nin != features:
        problems.add("/model/nin", f"is {model.nin}, but each sample has {features} numbers")
    if len(model.nouts) > limits.depth:
        problems.add(
            "/model/nouts", f"has {len(model.nouts):,} layers; the limit is {limits.depth:,}"
        )
    if model.parameters > limits.parameters:
        problems.add(
            "/model/nouts",
            f"makes {shown(model.parameters)} parameters; the limit is {limits.parameters:,}",
        )


def _work(problems: Problems, model: ModelConfig, batch: int, steps: int, limits: Limits) -> None:
    """Steps x samples x parameters, and what one step has to keep at once."""
    work = steps * batch * sum(layer_sizes(model.nin, model.nouts))
    if work > limits.work:
        problems.add(
            "/steps",
            f"steps x samples in a batch x parameters is {work:.3g}; the limit is "
            f"{limits.work:.3g}: take fewer steps, a smaller batch_size or a smaller network",
        )
    kept = batch * (model.nin + sum(model.nouts))
    if kept > limits.activations:
        problems.add(
            "/model/nouts",
            f"samples in a batch x neurons is {kept:.3g}; the limit is {limits.activations:.3g}",
        )


def _targets(
    problems: Problems, model: ModelConfig, samples: Inline | Generated, loss: Loss
) -> None:
    """Whether the loss can take these targets from this many outputs."""
    outputs = model.nouts[-1]
    if loss.targets is CLASSES and outputs < 2:
        problems.add(
            "/model/nouts", f"{loss.name} needs one output per class, so at least 2, not {outputs}"
        )
    elif loss.targets not in (VALUES, CLASSES) and outputs != 1:
        problems.add("/model/nouts", f"{loss.name} judges one output, not {outputs}")
    elif isinstance(samples, Generated):
        _generated_targets(problems, samples, loss, outputs)
    else:
        _inline_targets(problems, samples, loss, outputs)


def _generated_targets(problems: Problems, samples: Generated, loss: Loss, outputs: int) -> None:
    classes = DATASETS[samples.dataset].classes(samples.params)
    if classes == 0 and loss.targets is not VALUES:
        problems.add(
            "/loss",
            f"{loss.name} takes {loss.targets.doc}, and {samples.dataset} is a regression: "
            "try mean_squared_error",
        )
    elif loss.targets is CLASSES and outputs < classes:
        problems.add(
            "/model/nouts",
            f"{samples.dataset} has {classes} classes, which {outputs} outputs cannot tell apart",
        )
    elif loss.targets is not CLASSES and classes > 2:
        problems.add(
            "/loss",
            f"{loss.name} tells two classes apart, and {samples.dataset} has {classes} here: "
            "try softmax_cross_entropy",
        )
    elif loss.targets is VALUES and outputs != 1:
        problems.add("/model/nouts", f"{samples.dataset} has one target per sample, not {outputs}")


def _inline_targets(problems: Problems, samples: Inline, loss: Loss, outputs: int) -> None:
    ys = np.array(samples.ys, dtype=np.float64)
    wanted = (len(ys),) if outputs == 1 or loss.targets is CLASSES else (len(ys), outputs)
    if ys.shape != wanted:
        each = "one number" if len(wanted) == 1 else f"a list of {outputs} numbers"
        problems.add("/data/ys", f"needs {each} per sample for this network and {loss.name}")
        return
    wrong = np.flatnonzero(~loss.targets.allowed(ys, outputs)) if ys.ndim == 1 else ()
    for index in wrong:
        problems.add(
            f"/data/ys/{index}", f"{loss.name} takes {loss.targets.doc}, not {ys[index]:g}"
        )
