"""What all tables share: names of constraints, instants in UTC, short spellings of columns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, LargeBinary, MetaData, String
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as UTC: SQLite drops time zones, so none is stored."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"an instant needs a time zone: {value!r}")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


# SQLite numbers rows by itself only where the key is spelt INTEGER.
Key = Annotated[int, mapped_column(BigInteger().with_variant(Integer(), "sqlite"))]
PublicId = Annotated[str, mapped_column(String(40), unique=True)]
Owner = Annotated[int | None, mapped_column(BigInteger, index=True)]
"""The account that a row belongs to; none while there are no accounts."""
Hash = Annotated[str, mapped_column(String(64))]
Label = Annotated[str, mapped_column(String(64))]
Count = Annotated[int, mapped_column(BigInteger)]
Bytes = Annotated[bytes, mapped_column(LargeBinary)]
Document = Annotated[dict[str, Any], mapped_column(JSON)]


class Base(DeclarativeBase):
    """The base of all tables. Constraints are named, because batch migrations drop by name."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Instant}
