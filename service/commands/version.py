"""nudge version"""

from __future__ import annotations

import platform
from importlib import metadata

import click

from service import __version__


@click.command("version")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(as_json: bool) -> None:
    """Print the version of Nudge and of what its numbers rest on."""
    from service.commands import shared

    parts = {
        "nudge": __version__,
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
    }
    if as_json:
        shared.print_json(parts)
    else:
        click.echo(", ".join(f"{name} {version}" for name, version in parts.items()))
