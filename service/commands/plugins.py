"""nudge plugins"""

from __future__ import annotations

import sys

import click

from engine import PluginStatus
from service.commands import shared


@click.command("plugins")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--traceback", is_flag=True, help="Where a failed plugin failed.")
def command(as_json: bool, traceback: bool) -> None:
    """List the plugins, with the reason where one was refused.

    Exit code: 0 all are in use, 1 at least one was refused.
    """
    found = shared.vocabulary().plugins
    if as_json:
        from service.api.plugins import PluginOut  # brings the web, see `nudge ops`

        shared.print_json(PluginOut(many=True).dump(found))
    else:
        _print(found, traceback)
    sys.exit(0 if all(plugin.ok for plugin in found) else 1)


def _print(found: tuple[PluginStatus, ...], traceback: bool) -> None:
    if not found:
        click.echo("No plugins. A file in the folder NUDGE_PLUGINS_DIR becomes one.")
    for plugin in found:
        version = f" {plugin.version}" if plugin.version else ""
        click.echo(f"{plugin.name}{version} ({plugin.source}): ", nl=False)
        if plugin.ok:
            click.echo(f"in use, adds {', '.join(plugin.ops) or 'no operation'}")
            continue
        click.secho("refused", fg="red", nl=False)
        click.echo(f", {plugin.reason}")
        if traceback and plugin.traceback:
            click.echo(plugin.traceback)
