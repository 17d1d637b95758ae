"""nudge train"""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from engine import ConfigError, Vocabulary
from engine.training import TrainConfig, train
from service.commands import curve, shared
from service.figures import figure
from service.sampling import summarise

EXIT_CODES = """\
\b
Exit codes:
  0    finished
  1    diverged: the loss is no longer finite
  2    the config cannot be read or used
  130  interrupted; what was done until then is shown"""

STATES = {"succeeded": 0, "diverged": 1, "interrupted": 130}
"""How a run can end, and the exit code for it."""

Series = dict[str, NDArray[np.float64]]


@click.command("train", epilog=EXIT_CODES)
@click.argument("config", required=False)
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON instead of a picture.")
@click.option("--csv", "table", metavar="FILE", help="Write every step to FILE (`-`: print it).")
@click.option("--example", is_flag=True, help="Print the lecture's config and end.")
def command(config: str | None, as_json: bool, table: str | None, example: bool) -> None:
    """Train the network that CONFIG describes, a JSON file (`-`: standard input).

    \b
    nudge train --example > lecture.json
    nudge train lecture.json
    """
    if example:
        # Every key may be left out; without any, the run is the lecture's.
        shared.print_json(TrainConfig.from_dict({}).to_dict())
        return
    if config is None:
        shared.refuse(
            "Name a config file, or - for standard input.",
            "`nudge train --example` prints one to begin with.",
        )
    vocabulary = shared.vocabulary()
    plan = _plan(shared.read_text(config), vocabulary)
    series, state, reason = _run(plan, vocabulary)
    summary = _summary(plan, series, state, reason)
    if table is not None:
        _write(series, table)
    if as_json and table != "-":
        shared.print_json(summary)
    elif table != "-":
        _print(summary, series)
    sys.exit(STATES[state])


def _plan(text: str, vocabulary: Vocabulary) -> TrainConfig:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        shared.refuse(f"The config is not JSON: {error}.")
    try:
        return TrainConfig.from_dict(data, vocabulary)
    except ConfigError as error:
        count = len(error.errors)
        shared.say(f"Error: {count} {'thing' if count == 1 else 'things'} to mend in the config:")
        for pointer, message in error.errors:
            shared.say(f"  {pointer or '/'}: {message}")
        sys.exit(shared.USAGE)


def _run(plan: TrainConfig, vocabulary: Vocabulary) -> tuple[Series, str, str | None]:
    """Every series in full, how the run ended, and where it diverged if it did; a bar on standard
    error if that is a terminal."""
    parts: list[Mapping[str, NDArray[np.float64]]] = []
    state, reason = "succeeded", None
    terminal = Console(stderr=True)
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps, loss {task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=terminal, disable=not terminal.is_terminal) as bar:
        task = bar.add_task("", total=plan.steps, loss="?")
        try:
            for block in train(plan, vocabulary):
                parts.append(block.series)
                losses = block.series["loss"]
                bar.update(task, advance=len(losses), loss=figure(losses[-1]))
                if block.diverged:
                    state, reason = "diverged", block.reason
        except KeyboardInterrupt:
            state = "interrupted"
    if not parts:
        return {"loss": np.empty(0)}, state, reason
    return {n: np.concatenate([part[n] for part in parts]) for n in parts[0]}, state, reason


def _summary(plan: TrainConfig, series: Series, state: str, reason: str | None) -> dict[str, Any]:
    """What a script wants to know; numbers that are not finite become None."""
    metrics = {name: _metric(values) for name, values in series.items() if len(values)}
    return {
        "state": state,
        "reason": reason,
        "steps": len(series["loss"]),
        "seed": plan.seed,
        "parameters": plan.model.parameters,
        "config_hash": plan.hash,
        "metrics": metrics,
    }


def _metric(values: NDArray[np.float64]) -> dict[str, Any]:
    """A series in a line, in the words of the API."""
    found = summarise(values)
    return {
        "n": found.n,
        "first": found.first,
        "last": found.last,
        "min": found.low and asdict(found.low),
        "max": found.high and asdict(found.high),
        "non_finite": found.non_finite,
    }


def _write(series: Series, path: str) -> None:
    """One line per step, every number as the shortest text that reads back the same."""
    try:
        with nullcontext(sys.stdout) if path == "-" else Path(path).open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["step", *series])
            for step, values in enumerate(zip(*series.values(), strict=True)):
                rows.writerow([step, *(repr(float(value)) for value in values)])
    except OSError as error:
        shared.refuse(f"{path} cannot be written: {(error.strerror or str(error)).lower()}.")


def _print(summary: dict[str, Any], series: Series) -> None:
    losses = series["loss"]
    if not len(losses):
        click.echo("Interrupted before the first step.")
        return
    click.echo("loss")
    width = min(shutil.get_terminal_size((80, 24)).columns - 14, 72)
    for line in curve.drawn(losses, max(width, 20)):
        click.echo(f"  {line}")
    click.echo(f"\n{_sentence(summary, losses)}")
    if summary["reason"]:
        click.echo(f"At {summary['reason']}.")
    accuracy = summary["metrics"].get("accuracy")
    if accuracy and accuracy["last"] is not None:
        click.echo(f"The accuracy ended at {accuracy['last']:.1%}.")


def _sentence(summary: dict[str, Any], losses: NDArray[np.float64]) -> str:
    steps, least = summary["steps"], summary["metrics"]["loss"]["min"]
    start = f"The loss began at {figure(losses[0])}"
    if summary["state"] == "diverged":
        return (
            f"{start} and is {figure(losses[-1])} at step {steps - 1}: the run diverged. "
            "A smaller learning rate may help."
        )
    stop = "Interrupted: " if summary["state"] == "interrupted" else ""
    where = least and f", its lowest {figure(least['value'])} at step {least['step']}"
    return (
        f"{stop}{start} and ended at {figure(losses[-1])} after {steps} steps{where or ''}. "
        f"{summary['parameters']} parameters, seed {summary['seed']}."
    )
