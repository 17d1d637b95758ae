"""nudge ops"""

from __future__ import annotations

from typing import Any

import click
from rich import box
from rich.table import Table

from engine import Op, Vocabulary
from engine.names import nearest
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
        near = nearest(name, vocabulary.ops)
        hint = f"did you mean {near}?" if near else "`nudge ops` lists them"
        shared.refuse(f"There is no operation {name}.", hint)
    return vocabulary.ops[name]


def _record(op: Op) -> dict[str, Any]:
    from service.api.ops import op_record  # brings the web, which no other command waits for

    return op_record(op)


def _first_line(op: Op) -> str:
    return op.doc.strip().partition("\n")[0]


def _print_all(vocabulary: Vocabulary) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("operation", "what it is", "origin"):
        table.add_column(heading, overflow="fold")
    for op in vocabulary.ops.values():
        table.add_row(op.call_text, _first_line(op), op.origin)
    shared.console().print(table)


def _print_one(op: Op) -> None:
    record = _record(op)
    click.secho(record["call"], bold=True)
    click.echo(f"{op.doc.strip()}\n")
    formula = record["formula"] or {"forward": None, "backward": []}
    lines = [("forward", formula["forward"])]
    lines += [("backward", text) for text in formula["backward"]]
    lines += [("defined for", text) for text in record["domains"]]
    lines += [("no formula", record["python_only"]), ("origin", record["origin"])]
    for label, text in lines:
        if text is not None:
            click.echo(f"  {label:<12} {text}")
    if formula["forward"]:
        click.echo("\n  g is the gradient that arrives from above, y the output.")
