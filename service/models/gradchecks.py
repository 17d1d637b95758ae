"""Gradient checks, as asked and as answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, Document, Hash, Key, Label, Owner, PublicId


class GradCheck(Base):
    """One question and its report; never changed after it is stored."""

    __tablename__ = "gradcheck"

    id: Mapped[Key] = mapped_column(primary_key=True)
    public_id: Mapped[PublicId]
    owner_id: Mapped[Owner]
    created_at: Mapped[datetime] = mapped_column(index=True)

    source: Mapped[str] = mapped_column(Text)
    at: Mapped[Document]
    claimed: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    tolerance: Mapped[Any] = mapped_column(JSON)
    """`"student"`, `"strict"` or a number, as it was asked for"""

    verdict: Mapped[Label] = mapped_column(index=True)
    report: Mapped[Document]
    document_version: Mapped[int] = mapped_column(default=1)
    """the form of the JSON columns of this row"""

    program_hash: Mapped[Hash]
    engine_version: Mapped[Label]
    op_set_hash: Mapped[Hash]
