"""The command `nudge`. Each command is a file in `service/commands`; this is their shelf."""

from __future__ import annotations

import io
import sys

import click

from service.commands import (
    check,
    migrate,
    ops,
    plugins,
    rule,
    serve,
    train,
    version,
    warm,
    worker,
)

COMMANDS = (
    serve.command,
    worker.command,
    check.command,
    rule.command,
    train.command,
    ops.command,
    plugins.command,
    migrate.command,
    warm.command,
    version.command,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96})
def nudge() -> None:
    """Nudge checks gradients and trains small networks.

    `nudge serve` starts the web service; the other commands need no server.
    """


for command in COMMANDS:
    nudge.add_command(command)


def main() -> None:
    """The entry point. A terminal that cannot show a character gets a question mark for it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    nudge(prog_name="nudge")


if __name__ == "__main__":
    main()
