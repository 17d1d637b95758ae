"""Programs by their hash, those of the gradient checks that are there among them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "program",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("last_used_at", sa.DateTime(), nullable=False),
        sa.Column("engine_version", sa.String(length=64), nullable=False),
        sa.Column("op_set_hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_program")),
    )
    op.create_index(op.f("ix_program_last_used_at"), "program", ["last_used_at"])
    op.execute(
        """
        INSERT INTO program
            (hash, source, created_at, last_used_at, engine_version, op_set_hash)
        SELECT program_hash, source, created_at, last_used_at, engine_version, op_set_hash
        FROM gradcheck
        JOIN (
            SELECT min(id) AS first_id, max(created_at) AS last_used_at
            FROM gradcheck GROUP BY program_hash
        ) AS found ON id = first_id
        """
    )


def downgrade() -> None:
    op.drop_table("program")
