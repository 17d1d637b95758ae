"""nudge ops"""

from __future__ import annotations

import difflib
from typing import Any

import click
from rich import box
from rich.table import Table

from engine import Op, Vocabulary
from service.commands import shared


@click.command("ops")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(name: str | None, as_json: bool) -> None:
    """List the operations of an expression, or show one of them.

    Exit code: 0, or 2 where there is no operation NAME.
    """
    vocabulary = shared.vocabulary()
    if name is not None:
        op = _named(vocabulary, name)
        if as_json:
            shared.print_json(_record(op))
        else:
            _print_one(op)
    elif as_json:
        shared.print_json([_record(op) for op in vocabulary.ops.values()])
    else:
        _print_all(vocabulary)


def _named(vocabulary: Vocabulary, name: str) -> Op:
    if name not in vocabulary.ops:
        near = difflib.get_close_matches(name, vocabulary.ops, 1)
        hint = f"Did you mean {near[0]}?" if near else "`nudge ops` lists them."
        shared.refuse(f"There is no operation {name}.", hint)
    return vocabulary.ops[name]


def _record(op: Op) -> dict[str, Any]:
    return {
        "name": op.name,
        "doc": op.doc,
        "inputs": list(op.input_names),
        "params": sorted(op.params),
        "domains": [domain.text for domain in op.domains],
        "elementwise": op.elementwise,
        "forward": op.formula.forward_text if op.formula else None,
        "backward": list(op.formula.backward_texts) if op.formula else None,
        "python_only": op.python_only,
        "origin": op.origin,
    }


def _first_line(op: Op) -> str:
    return op.doc.strip().split("\n")[0] if op.doc else ""


def _print_all(vocabulary: Vocabulary) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("operation", "what it is", "origin"):
        table.add_column(heading, overflow="fold")
    for op in vocabulary.ops.values():
        table.add_row(f"{op.name}({', '.join(op.input_names)})", _first_line(op), op.origin)
    shared.console().print(table)


def _print_one(op: Op) -> None:
    record = _record(op)
    click.secho(f"{op.name}({', '.join(op.input_names)})", bold=True)
    click.echo(f"{(op.doc or '').strip()}\n")
    for label in ("forward", "backward", "domains", "params", "python_only", "origin"):
        value = record[label]
        for line in value if isinstance(value, list) else [value]:
            if line is not None:
                click.echo(f"  {label:<12} {line}")
