"""Requests that were sent with an Idempotency-Key, and the answers they got."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, Hash, Key, Label, Owner


class IdempotentRequest(Base):
    """A key in use. While `status` is null the first request is still being answered; its
    `token` says by whom, so that a request given up for dead can answer no more."""

    __tablename__ = "idempotent_request"
    __table_args__ = (UniqueConstraint("operation", "key"),)

    id: Mapped[Key] = mapped_column(primary_key=True)
    owner_id: Mapped[Owner]
    operation: Mapped[Label]
    key: Mapped[str] = mapped_column(String(255))
    body_hash: Mapped[Hash]
    token: Mapped[Label]
    created_at: Mapped[datetime] = mapped_column(index=True)

    status: Mapped[int | None]
    headers: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    body: Mapped[str | None] = mapped_column(Text)
