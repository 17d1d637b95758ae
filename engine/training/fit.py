"""Whether the parts of a configuration fit each other and the limits."""

from __future__ import annotations

import numpy as np

from engine.datasets import DATASETS
from engine.limits import Limits
from engine.losses import CLASSES, VALUES, Loss
from engine.training.config import Generated, Inline, ModelConfig
from engine.training.problems import Problems


def note_misfits(
    problems: Problems,
    model: ModelConfig,
    samples: Inline | Generated,
    loss: Loss | None,
    limits: Limits,
) -> None:
    """The network against the samples, the limits and, if it is known, the loss."""
    if model.nin != samples.features:
        problems.add(
            "/model/nin", f"is {model.nin}, but each sample has {samples.features} numbers"
        )
    if len(model.nouts) > limits.depth:
        problems.add(
            "/model/nouts", f"has {len(model.nouts):,} layers; the limit is {limits.depth:,}"
        )
    if model.parameters > limits.parameters:
        problems.add(
            "/model/nouts",
            f"makes {model.parameters:,} parameters; the limit is {limits.parameters:,}",
        )
    if loss:
        _targets(problems, model, samples, loss)


def note_excess(
    problems: Problems, model: ModelConfig, batch: int, steps: int, limits: Limits
) -> None:
    """Steps x samples x parameters, and what one step has to keep at once."""
    work = steps * batch * model.parameters
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
            f"one step would keep {kept:.3g} numbers and their gradients, {_megabytes(kept)}; the "
            f"limit is {limits.activations:.3g}, {_megabytes(limits.activations)}: take a smaller "
            "batch_size or fewer neurons",
        )


def _megabytes(numbers: int) -> str:
    return f"{numbers * 2 * 8 / 2**20:.0f} MB"


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
