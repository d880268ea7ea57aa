"""What is paid beside a unit's own pay: bonuses, waiting, compensation; and a quick way to what happened to people."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_KINDS = "'bonus', 'waiting', 'compensation'"
_STATUSES = "'owed', 'sent', 'failed', 'cancelled'"


def upgrade() -> None:
    """Go to this version from the one before."""
    op.create_table(
        "payments",
        sa.Column("payment_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("task_run_id", sa.String(length=64), nullable=True),
        sa.Column("worker_id", sa.String(length=64), nullable=False),
        sa.Column("unit_id", sa.String(length=64), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("sent_at", sa.Float(), nullable=True),
        sa.CheckConstraint(f"kind IN ({_KINDS})", name=op.f("ck_payments_kind")),
        sa.CheckConstraint(f"status IN ({_STATUSES})", name=op.f("ck_payments_status")),
        sa.ForeignKeyConstraint(["task_run_id"], ["task_runs.task_run_id"], name=op.f("fk_payments_task_run_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.unit_id"], name=op.f("fk_payments_unit_id")),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.worker_id"], name=op.f("fk_payments_worker_id")),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_payments")),
        sa.UniqueConstraint("key", name=op.f("uq_payments_key")),
    )
    for column in ("task_run_id", "unit_id", "worker_id"):
        op.create_index(op.f(f"ix_payments_{column}"), "payments", [column], unique=False)
    of_people = sa.text("subject IN ('worker', 'qualification')")
    op.create_index(
        op.f("ix_events_people"), "events", ["subject_id"], sqlite_where=of_people, postgresql_where=of_people
    )
