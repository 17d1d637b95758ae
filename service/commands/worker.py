"""nudge worker"""

from __future__ import annotations

import sys

import click

from service.commands import shared


@click.command("worker")
def command() -> None:
    """Run training jobs from the queue, in the foreground.

    `nudge serve` starts workers by itself; this is for one more, or for a container of its own.
    On SIGINT or SIGTERM a running job is put down at its last checkpoint and given back.
    """
    from service import worker

    sys.exit(worker.main(shared.settings()))
