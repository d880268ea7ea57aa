"""What is paid: units' own pay once it is owed, bonuses, time spent waiting, compensation; and decisions on answers."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_KINDS = "'reward', 'bonus', 'waiting', 'compensation'"
_STATUSES = "'owed', 'sent', 'failed', 'cancelled'"
_OF_UNITS = "'created', 'launched', 'assigned', 'completed', 'accepted', 'rejected', 'soft_rejected', 'expired'"


def upgrade() -> None:
    """Go to this version from the one before."""
    _create_payments()
    _create_reviews()
    of_people = sa.text("subject IN ('worker', 'qualification')")
    op.create_index(
        op.f("ix_events_people"), "events", ["subject_id"], sqlite_where=of_people, postgresql_where=of_people
    )


def _create_payments() -> None:
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


def _create_reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("review_id", sa.String(length=64), nullable=False),
        sa.Column("task_run_id", sa.String(length=64), nullable=False),
        sa.Column("unit_id", sa.String(length=64), nullable=False),
        sa.Column("agent_id", sa.String(length=64), nullable=False),
        sa.Column("worker_id", sa.String(length=64), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("reward_payment_id", sa.String(length=64), nullable=True),
        sa.Column("bonus_payment_id", sa.String(length=64), nullable=True),
        sa.Column("effects", sa.Text(), nullable=False),
        sa.Column("undoes", sa.String(length=64), nullable=True),
        sa.CheckConstraint(f"before IN ({_OF_UNITS})", name=op.f("ck_reviews_before")),
        sa.CheckConstraint(f"after IN ({_OF_UNITS})", name=op.f("ck_reviews_after")),
        sa.ForeignKeyConstraint(["task_run_id"], ["task_runs.task_run_id"], name=op.f("fk_reviews_task_run_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.unit_id"], name=op.f("fk_reviews_unit_id")),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_reviews_agent_id")),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.worker_id"], name=op.f("fk_reviews_worker_id")),
        sa.ForeignKeyConstraint(
            ["reward_payment_id"], ["payments.payment_id"], name=op.f("fk_reviews_reward_payment_id")
        ),
        sa.ForeignKeyConstraint(
            ["bonus_payment_id"], ["payments.payment_id"], name=op.f("fk_reviews_bonus_payment_id")
        ),
        sa.ForeignKeyConstraint(["undoes"], ["reviews.review_id"], name=op.f("fk_reviews_undoes")),
        sa.PrimaryKeyConstraint("review_id", name=op.f("pk_reviews")),
        sa.UniqueConstraint("undoes", name=op.f("uq_reviews_undoes")),
    )
    for column in ("task_run_id", "unit_id", "worker_id"):
        op.create_index(op.f(f"ix_reviews_{column}"), "reviews", [column], unique=False)
