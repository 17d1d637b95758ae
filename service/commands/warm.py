"""nudge warm"""

from __future__ import annotations

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from service.commands import shared


@click.command("warm")
def command() -> None:
    """Compile the kernels that are not compiled yet, those of plugins included.

    Takes about half a minute once, and again after an upgrade; `nudge serve` and `nudge worker`
    would otherwise do it when they start. NUDGE_CACHE_DIR is the folder that keeps them.
    """
    from service import warmth

    vocabulary = shared.vocabulary()
    terminal = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, console=terminal, disable=not terminal.is_terminal, transient=True
    ) as bar:
        task = bar.add_task("kernels", total=None)

        def report(name: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        found = warmth.warm(vocabulary, report)
    click.echo(
        f"{found.kernels} kernels are ready in {found.folder}; "
        f"{found.compiled or 'none'} of them had to be compiled."
    )
    if not found.lasts:
        raise click.ClickException(
            "They are gone when this command ends, because the folder for them cannot be written "
            "to. Set NUDGE_CACHE_DIR to one that can."
        )
