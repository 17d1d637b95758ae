"""The page on the command line."""

from __future__ import annotations

import click

from docs.tables.markdown import fenced
from service.cli import nudge

WIDTH = 92


def commands() -> str:
    """What each command says of itself."""
    parts = []
    for name, command in nudge.commands.items():
        context = click.Context(
            command,
            info_name=f"nudge {name}",
            terminal_width=WIDTH,
            max_content_width=WIDTH,
            help_option_names=["-h", "--help"],
        )
        parts.append(f"## nudge {name}\n\n{fenced(command.get_help(context))}")
    return "\n".join(parts)
