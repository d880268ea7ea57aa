"""Visits: what one person does when a crowd sends them once.

Stands alone because each version of the schema has its own module.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ID = sa.String(64)
_OUTCOMES = (
    "completed", "screened_out", "quota_full", "failed_checks", "no_consent", "timed_out", "returned",
)  # fmt: skip
_SHORT = ("stopped_early", "fewer_units")


def upgrade() -> None:
    """Go to this version from the one before."""
    op.create_table(
        "visits",
        sa.Column("visit_id", _ID, primary_key=True),
        sa.Column("task_run_id", _ID, sa.ForeignKey("task_runs.task_run_id"), nullable=False, index=True),
        sa.Column("worker_id", _ID, sa.ForeignKey("workers.worker_id"), nullable=False, index=True),
        sa.Column("registration_id", sa.Text(), nullable=False),
        sa.Column("captured", sa.Text(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("begun_at", sa.Float(), nullable=False),
        sa.Column("deadline", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float()),
        sa.Column("outcome", sa.Text()),
        sa.Column("short", sa.Text()),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("told_at", sa.Float()),
        sa.Column("reward", sa.BigInteger(), nullable=False, server_default="0"),
        sa.CheckConstraint(_one_of("outcome", _OUTCOMES), name="outcome"),
        sa.CheckConstraint(_one_of("short", _SHORT), name="short"),
    )
    op.create_table(
        "unvouched_arrivals",
        sa.Column("request_id", _ID, primary_key=True),
        sa.Column("task_run_id", _ID, sa.ForeignKey("task_runs.task_run_id"), nullable=False, index=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.Float(), nullable=False),
    )
    op.add_column("agents", sa.Column("visit_id", _ID))
    op.add_column("held_arrivals", sa.Column("captured", sa.Text(), nullable=False, server_default="{}"))


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"
