"""nudge migrate"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from service.commands import shared

if TYPE_CHECKING:
    from service.config import Settings


@click.command("migrate")
def command() -> None:
    """Bring the database up to date, under a lock.

    Exit code: 0 up to date, 1 the database cannot be used or belongs to a newer Nudge.
    """
    settings = shared.settings()
    before = bring_up_to_date(settings)
    click.echo("The schema was up to date." if before == "current" else "The schema is up to date.")


def bring_up_to_date(settings: Settings) -> str:
    """Migrate and return what the schema was before: empty, older or current."""
    from sqlalchemy.exc import SQLAlchemyError

    from service.db import Database
    from service.errors import StartError
    from service.schema import migrate

    try:
        return migrate(Database(settings.database)).status
    except StartError as error:
        shared.refuse(str(error), code=1)
    except ImportError as error:
        shared.refuse(
            f"The database needs the driver {error.name}, which is not installed.",
            "for PostgreSQL: pip install 'nudge[postgres]'",
            code=1,
        )
    except SQLAlchemyError as error:
        reason = str(error).strip().split("\n")[0]
        shared.refuse(f"The database cannot be used: {reason}", code=1)
