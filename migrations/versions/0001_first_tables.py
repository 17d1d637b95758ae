"""First tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


# SQLite numbers rows by itself only where the key is spelt INTEGER.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "gradcheck",
        sa.Column("id", KEY, nullable=False),
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", sa.JSON(), nullable=False),
        sa.Column("claimed", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("tolerance", sa.JSON(), nullable=False),
        sa.Column("verdict", sa.String(length=64), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("document_version", sa.Integer(), nullable=False),
        sa.Column("program_hash", sa.String(length=64), nullable=False),
        sa.Column("engine_version", sa.String(length=64), nullable=False),
        sa.Column("op_set_hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gradcheck")),
        sa.UniqueConstraint("public_id", name=op.f("uq_gradcheck_public_id")),
    )
    op.create_index(op.f("ix_gradcheck_created_at"), "gradcheck", ["created_at"])
    op.create_index(op.f("ix_gradcheck_owner_id"), "gradcheck", ["owner_id"])
    op.create_index(op.f("ix_gradcheck_verdict"), "gradcheck", ["verdict"])
    op.create_table(
        "idempotent_request",
        sa.Column("id", KEY, nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=True),
        sa.Column("operation", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotent_request")),
        sa.UniqueConstraint("operation", "key", name=op.f("uq_idempotent_request_operation_key")),
    )
    op.create_index(op.f("ix_idempotent_request_created_at"), "idempotent_request", ["created_at"])
    op.create_index(op.f("ix_idempotent_request_owner_id"), "idempotent_request", ["owner_id"])
    op.create_table(
        "run",
        sa.Column("id", KEY, nullable=False),
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=True),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("config_version", sa.Integer(), nullable=False),
        sa.Column("config_hash", sa.String(length=64), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("engine_version", sa.String(length=64), nullable=False),
        sa.Column("op_set_hash", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="queued", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("token", sa.String(length=64), nullable=True),
        sa.Column("lease_until", sa.DateTime(), nullable=True),
        sa.Column("heartbeat_at", sa.DateTime(), nullable=True),
        sa.Column("enqueued_at", sa.DateTime(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("steps_done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("steps_total", sa.BigInteger(), nullable=False),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=True),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.CheckConstraint(
            "state in ('queued', 'running', 'succeeded', 'diverged', 'failed', 'cancelled')",
            name=op.f("ck_run_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sa.UniqueConstraint("public_id", name=op.f("uq_run_public_id")),
    )
    op.create_index(op.f("ix_run_config_hash"), "run", ["config_hash"])
    op.create_index(op.f("ix_run_created_at"), "run", ["created_at"])
    op.create_index(op.f("ix_run_owner_id"), "run", ["owner_id"])
    op.create_index(op.f("ix_run_state_enqueued_at"), "run", ["state", "enqueued_at"])
    op.create_index(op.f("ix_run_state_lease_until"), "run", ["state", "lease_until"])
    op.create_table(
        "checkpoint",
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_checkpoint_run_id_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_checkpoint")),
    )
    op.create_table(
        "run_metric",
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.Float(precision=53), nullable=True),
        sa.Column("last", sa.Float(precision=53), nullable=True),
        sa.Column("low", sa.Float(precision=53), nullable=True),
        sa.Column("low_step", sa.BigInteger(), nullable=True),
        sa.Column("high", sa.Float(precision=53), nullable=True),
        sa.Column("high_step", sa.BigInteger(), nullable=True),
        sa.Column("non_finite", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_run_metric_run_id_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "name", name=op.f("pk_run_metric")),
    )
    op.create_table(
        "series",
        sa.Column("id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("n", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_series_run_id_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint("run_id", "name", name=op.f("uq_series_run_id_name")),
    )
    op.create_table(
        "curve_chunk",
        sa.Column("series_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["series_id"],
            ["series.id"],
            name=op.f("fk_curve_chunk_series_id_series"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("series_id", "number", name=op.f("pk_curve_chunk")),
    )
    op.create_table(
        "curve_preview",
        sa.Column("series_id", KEY, nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["series_id"],
            ["series.id"],
            name=op.f("fk_curve_preview_series_id_series"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("series_id", name=op.f("pk_curve_preview")),
    )


def downgrade() -> None:
    op.drop_table("curve_preview")
    op.drop_table("curve_chunk")
    op.drop_table("series")
    op.drop_table("run_metric")
    op.drop_table("checkpoint")
    op.drop_index(op.f("ix_run_state_lease_until"), table_name="run")
    op.drop_index(op.f("ix_run_state_enqueued_at"), table_name="run")
    op.drop_index(op.f("ix_run_owner_id"), table_name="run")
    op.drop_index(op.f("ix_run_created_at"), table_name="run")
    op.drop_index(op.f("ix_run_config_hash"), table_name="run")

    op.drop_table("run")
    op.drop_index(op.f("ix_idempotent_request_owner_id"), table_name="idempotent_request")
    op.drop_index(op.f("ix_idempotent_request_created_at"), table_name="idempotent_request")

    op.drop_table("idempotent_request")
    op.drop_index(op.f("ix_gradcheck_verdict"), table_name="gradcheck")
    op.drop_index(op.f("ix_gradcheck_owner_id"), table_name="gradcheck")
    op.drop_index(op.f("ix_gradcheck_created_at"), table_name="gradcheck")

    op.drop_table("gradcheck")
