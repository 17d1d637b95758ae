"""Run by Alembic: which database, and within which transaction.

`service.schema` hands in a connection that is in a transaction already. Without one (the command
`alembic`, for writing a new revision) the settings say which database is meant.
"""

from __future__ import annotations

import os
from typing import Literal

from alembic import context
from sqlalchemy import Connection

from service.config import Settings
from service.db import Database
from service.models import Base, Instant


def render(kind: str, item: object, autogen_context: object) -> str | Literal[False]:
    """A revision must not change when our own types do, so it names plain ones."""
    return "sa.DateTime()" if kind == "type" and isinstance(item, Instant) else False


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,
        compare_server_default=True,
        render_item=render,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with Database(Settings.from_env(os.environ).database).migration() as connection:
        run(connection)
