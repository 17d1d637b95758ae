"""nudge serve"""

from __future__ import annotations

import sys

import click

from service.commands import shared


@click.command("serve")
@click.option("--web-only", is_flag=True, help="Only the web process; workers run elsewhere.")
@click.option(
    "--no-migrate", is_flag=True, help="Wait for the schema, which `nudge migrate` brings."
)
def command(web_only: bool, no_migrate: bool) -> None:
    """Serve pages, API and training runs, in the foreground.

    Brings the database up to date, starts the web process and the workers, starts a dead one
    again, and ends them all on Ctrl-C or SIGTERM. Settings are environment variables, among them
    NUDGE_HOST, NUDGE_PORT and NUDGE_DATA_DIR.
    """
    from service import serve, web
    from service.commands.migrate import bring_up_to_date

    settings = shared.settings()
    try:
        serve.guard(settings)
        if web_only:
            web.run(settings)
            return
        if not no_migrate:
            bring_up_to_date(settings)
        code = serve.Supervisor(settings, shared.say).run(
            lambda address: click.echo(_greeting(address, str(settings.data_dir)))
        )
    except serve.ServeError as error:
        shared.refuse(str(error), code=1)
    sys.exit(code)


def _greeting(address: str, data: str) -> str:
    return f"""\
Nudge is at {address}

  Open it in a browser: the lecture's neuron is on the first page.
  Or ask by curl whether the gradient of a + a is 1:

    curl -s {address}/api/v1/gradchecks -H 'Content-Type: application/json' \\
      -d '{{"source": "b = a + a", "at": {{"a": 3}}, "claimed": {{"a": 1}}}}'

  The API is described at {address}/docs, the data is in {data}.
  Ctrl-C ends it."""
