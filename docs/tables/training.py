"""The page on training: the configuration, and the shelves that it picks from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from docs.tables.api import Shape, allowed, default, description, kind
from docs.tables.expressions import vocabulary
from docs.tables.markdown import code, codes, table
from engine.datasets import DATASETS
from engine.losses import LOSSES
from engine.nn import activations
from engine.optim import OPTIMIZERS
from engine.ranges import Range
from engine.schedules import SCHEDULES


def config() -> str:
    """Every key of a configuration; the kinds of data, optimiser and schedule have their own."""
    properties = description()["components"]["schemas"]["TrainConfigIn"]["properties"]
    return table(("Key", "Holds", "What it is"), _rows(properties, ""))


def _rows(properties: Shape, prefix: str) -> Iterator[tuple[str, str, str]]:
    for key, field in properties.items():
        parts = (field.get("description", "").rstrip("."), allowed(field), _standard(field))
        said = "; ".join(part for part in parts if part)
        choice = "object" if key in ("data", "optimizer", "schedule") else kind(field)
        yield code(prefix + key), choice, said
        if "properties" in field:
            yield from _rows(field["properties"], f"{prefix}{key}.")


def _standard(field: Shape) -> str | None:
    said = default(field)
    return said.replace("False", "false").replace("True", "true") if said else None


def datasets() -> str:
    """Every data set."""
    return table(
        ("Name", "Task", "Numbers in a sample", "n", "noise", "What it is"),
        (
            (
                code(row.name),
                row.task,
                str(row.features),
                str(row.n),
                f"{row.noise:g}",
                row.doc + _others(row.params),
            )
            for row in DATASETS.values()
        ),
    )


def _others(params: Mapping[str, Range]) -> str:
    told = (f" Parameter {code(name)}: {_range(allowed)}." for name, allowed in params.items())
    return "".join(told)


def losses() -> str:
    """Every loss."""
    return table(
        ("Name", "What it is", "Targets", "Last layer"),
        (
            (
                code(row.name),
                row.doc,
                row.targets.doc,
                "linear" if row.scores else "as the others",
            )
            for row in LOSSES.values()
        ),
    )


def optimizers() -> str:
    """Every optimiser with its parameters."""
    return _shelf((row.name, row.doc, row.params) for row in OPTIMIZERS.values())


def schedules() -> str:
    """Every schedule with its parameters."""
    return _shelf((row.name, row.doc, row.params) for row in SCHEDULES.values())


def _shelf(rows: Iterator[tuple[str, str, Mapping[str, Range]]]) -> str:
    return table(
        ("Kind", "What it does", "Parameters"),
        (
            (
                code(name),
                doc,
                "; ".join(f"{code(key)}: {_range(r)}" for key, r in params.items()) or "none",
            )
            for name, doc, params in rows
        ),
    )


def _range(allowed: Range) -> str:
    words = ", ".join(part for part in (allowed.text, f"by default {allowed.default:g}") if part)
    return f"a whole number, {words}" if allowed.whole else words


def shapes() -> str:
    """Every activation."""
    return codes(activations(vocabulary())) + ".\n"
