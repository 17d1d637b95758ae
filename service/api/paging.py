"""Pages of a collection: `{items, next}`, newest first, by keyset rather than by offset.

The cursor holds the public id of the last item shown; public ids sort by time, so a page stays
right while rows are added before it or removed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from marshmallow import Schema, fields, validate
from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.api.fields import QueryInt, QueryText
from service.errors import Fault, InvalidError
from service.ids import is_id

T = TypeVar("T")


class PageArgs(Schema):
    """Which page is wanted."""

    limit = QueryInt(
        load_default=50,
        validate=validate.Range(1, 200, error="A number from 1 to 200 is wanted."),
        metadata={"description": "how many items at most"},
    )
    cursor = QueryText(
        load_default=None,
        validate=validate.Length(max=200),
        metadata={"description": "`next` of the page before"},
    )


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some items, and the cursor of the page after them, if there is one."""

    items: Sequence[T]
    next: str | None


def page_schema(item: type[Schema], name: str) -> type[Schema]:
    """The schema of a page of `item`s, called `name` in the description."""
    return Schema.from_dict(
        {
            "items": fields.List(fields.Nested(item), required=True),
            "next": fields.String(
                required=True,
                allow_none=True,
                metadata={"description": "the cursor of the next page; null on the last one"},
            ),
        },
        name=name,
    )


def page(
    session: Session,
    query: Select[T],
    public_id: InstrumentedAttribute[str],
    prefix: str,
    limit: int,
    cursor: str | None,
) -> Page[T]:
    """The page of `query` after `cursor`, ordered by `public_id`, newest first.

    `prefix` is that of the ids. Raises InvalidError for a cursor that is none of this collection.
    """
    if cursor is not None:
        query = query.where(public_id < _decoded(cursor, prefix))
    rows = session.scalars(query.order_by(public_id.desc()).limit(limit + 1)).all()
    if len(rows) <= limit:
        return Page(rows, None)
    last: Any = rows[limit - 1]
    return Page(rows[:limit], _encoded(getattr(last, public_id.key)))


def _encoded(public_id: str) -> str:
    return base64.urlsafe_b64encode(public_id.encode()).decode().rstrip("=")


def _decoded(cursor: str, prefix: str) -> str:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        public_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (ValueError, binascii.Error):
        public_id = ""
    if not is_id(public_id, prefix) or _encoded(public_id) != cursor:
        raise InvalidError(
            "This cursor is none of this collection.",
            code="invalid_cursor",
            hint="Give back what `next` held, unchanged, or leave it out for the first page.",
            errors=[Fault("Not a cursor of this collection.", parameter="cursor")],
        )
    return public_id
