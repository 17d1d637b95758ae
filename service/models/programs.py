"""Programs, kept under their hash."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, Hash, Label


class StoredProgram(Base):
    """A source that was read once, under the hash of its program; stored once, whoever sends it."""

    __tablename__ = "program"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    """as it came first: one hash stands for many sources, which differ in blanks and comments"""

    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime] = mapped_column(index=True)
    engine_version: Mapped[Label]
    op_set_hash: Mapped[Hash]
