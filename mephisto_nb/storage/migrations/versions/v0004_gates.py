"""How workers are looked at: introductions, screening and gold units, verdicts, and pages that wait for them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_GATES = "'onboarding', 'screening', 'gold', 'attention', 'time'"
_STATUSES = (
    "'none', 'accepted', 'onboarding', 'waiting', 'in task', 'completed', 'approved', 'rejected', 'soft_rejected', "
    "'disconnect', 'timeout', 'partner disconnect', 'returned', 'expired'"
)


def _id(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=64), nullable=nullable)


def _belongs(table: str, *columns: str) -> list[sa.ForeignKeyConstraint]:
    homes = {"task_run_id": "task_runs", "worker_id": "workers", "unit_id": "units"}
    return [
        sa.ForeignKeyConstraint([column], [f"{homes[column]}.{column}"], name=op.f(f"fk_{table}_{column}"))
        for column in columns
    ]


def upgrade() -> None:
    """Go to this version from the one before."""
    op.create_table(
        "onboarding_agents",
        _id("agent_id"),
        _id("task_run_id"),
        _id("worker_id"),
        sa.Column("registration_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("deadline", sa.Float(), nullable=True),
        sa.Column("submitted_at", sa.Float(), nullable=True),
        sa.Column("data", sa.Text(), nullable=True),
        sa.CheckConstraint(f"status IN ({_STATUSES})", name=op.f("ck_onboarding_agents_status")),
        *_belongs("onboarding_agents", "task_run_id", "worker_id"),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_onboarding_agents")),
    )
    op.create_table(
        "gate_units",
        _id("unit_id"),
        _id("task_run_id"),
        _id("worker_id"),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("row_key", sa.Text(), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.CheckConstraint(f"gate IN ({_GATES})", name=op.f("ck_gate_units_gate")),
        *_belongs("gate_units", "unit_id", "task_run_id", "worker_id"),
        sa.PrimaryKeyConstraint("unit_id", name=op.f("pk_gate_units")),
    )
    op.create_table(
        "verdicts",
        _id("agent_id"),
        sa.Column("gate", sa.Text(), nullable=False),
        _id("task_run_id"),
        sa.Column("passed", sa.Boolean(), nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.CheckConstraint(f"gate IN ({_GATES})", name=op.f("ck_verdicts_gate")),
        *_belongs("verdicts", "task_run_id"),
        sa.PrimaryKeyConstraint("agent_id", "gate", name=op.f("pk_verdicts")),
    )
    op.create_table(
        "held_arrivals",
        _id("request_id"),
        _id("task_run_id"),
        _id("worker_id"),
        sa.Column("worker_name", sa.Text(), nullable=False),
        sa.Column("registration_id", sa.Text(), nullable=False),
        sa.Column("held_at", sa.Float(), nullable=False),
        *_belongs("held_arrivals", "task_run_id", "worker_id"),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_held_arrivals")),
    )
    for table in ("onboarding_agents", "gate_units", "held_arrivals"):
        for column in ("task_run_id", "worker_id"):
            op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
    op.create_index(op.f("ix_verdicts_task_run_id"), "verdicts", ["task_run_id"], unique=False)
