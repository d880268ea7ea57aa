"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_UNIT_STATUSES = ["created", "launched", "assigned", "completed", "accepted", "rejected", "soft_rejected", "expired"]
_AGENT_STATUSES = [
    "none", "accepted", "onboarding", "waiting", "in task", "completed", "approved", "rejected", "soft_rejected",
    "disconnect", "timeout", "partner disconnect", "returned", "expired",
]  # fmt: skip


def upgrade() -> None:
    """Go to this version from the one before."""
    op.create_table(
        "qualifications",
        sa.Column("qualification_id", sa.String(length=64), nullable=False),
        sa.Column("qualification_name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("qualification_id", name=op.f("pk_qualifications")),
        sa.UniqueConstraint("qualification_name", name=op.f("uq_qualifications_qualification_name")),
    )
    op.create_table(
        "requesters",
        sa.Column("requester_id", sa.String(length=64), nullable=False),
        sa.Column("requester_name", sa.Text(), nullable=False),
        sa.Column("provider_type", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("requester_id", name=op.f("pk_requesters")),
        sa.UniqueConstraint("requester_name", "provider_type", name=op.f("uq_requesters_requester_name_provider_type")),
    )
    op.create_table(
        "tasks",
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("task_name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("task_name", name=op.f("uq_tasks_task_name")),
    )
    op.create_table(
        "workers",
        sa.Column("worker_id", sa.String(length=64), nullable=False),
        sa.Column("worker_name", sa.Text(), nullable=False),
        sa.Column("provider_type", sa.Text(), nullable=False),
        sa.Column("blocked", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name=op.f("pk_workers")),
        sa.UniqueConstraint("worker_name", "provider_type", name=op.f("uq_workers_worker_name_provider_type")),
    )
    op.create_table(
        "granted_qualifications",
        sa.Column("worker_id", sa.String(length=64), nullable=False),
        sa.Column("qualification_id", sa.String(length=64), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("granted_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["qualification_id"],
            ["qualifications.qualification_id"],
            name=op.f("fk_granted_qualifications_qualification_id"),
        ),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.worker_id"], name=op.f("fk_granted_qualifications_worker_id")),
        sa.PrimaryKeyConstraint("worker_id", "qualification_id", name=op.f("pk_granted_qualifications")),
    )
    with op.batch_alter_table("granted_qualifications", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_granted_qualifications_qualification_id"), ["qualification_id"], unique=False
        )

    op.create_table(
        "task_runs",
        sa.Column("task_run_id", sa.String(length=64), nullable=False),
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("requester_id", sa.String(length=64), nullable=False),
        sa.Column("blueprint_type", sa.Text(), nullable=False),
        sa.Column("architect_type", sa.Text(), nullable=False),
        sa.Column("provider_type", sa.Text(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("qualifications", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("opened_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("generator_done", sa.Boolean(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_n", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["requester_id"], ["requesters.requester_id"], name=op.f("fk_task_runs_requester_id")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.task_id"], name=op.f("fk_task_runs_task_id")),
        sa.PrimaryKeyConstraint("task_run_id", name=op.f("pk_task_runs")),
    )
    with op.batch_alter_table("task_runs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_task_runs_task_id"), ["task_id"], unique=False)

    op.create_table(
        "assignments",
        sa.Column("assignment_id", sa.String(length=64), nullable=False),
        sa.Column("task_run_id", sa.String(length=64), nullable=False),
        sa.Column("assignment_index", sa.Integer(), nullable=False),
        sa.Column("shared", sa.Text(), nullable=False),
        sa.Column("unit_data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["task_run_id"], ["task_runs.task_run_id"], name=op.f("fk_assignments_task_run_id")),
        sa.PrimaryKeyConstraint("assignment_id", name=op.f("pk_assignments")),
        sa.UniqueConstraint(
            "task_run_id", "assignment_index", name=op.f("uq_assignments_task_run_id_assignment_index")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "events",
        sa.Column("event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("task_run_id", sa.String(length=64), nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["task_run_id"], ["task_runs.task_run_id"], name=op.f("fk_events_task_run_id")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_events")),
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_events_task_run_id"), ["task_run_id"], unique=False)

    op.create_table(
        "outbox",
        sa.Column("task_run_id", sa.String(length=64), nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("packet", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["task_run_id"], ["task_runs.task_run_id"], name=op.f("fk_outbox_task_run_id")),
        sa.PrimaryKeyConstraint("task_run_id", "n", name=op.f("pk_outbox")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "units",
        sa.Column("unit_id", sa.String(length=64), nullable=False),
        sa.Column("assignment_id", sa.String(length=64), nullable=False),
        sa.Column("task_run_id", sa.String(length=64), nullable=False),
        sa.Column("unit_index", sa.Integer(), nullable=False),
        sa.Column("pay_amount", sa.Float(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.String(length=64), nullable=True),
        sa.Column("worker_id", sa.String(length=64), nullable=True),
        sa.CheckConstraint(
            "status IN (" + ", ".join(map(repr, _UNIT_STATUSES)) + ")",
            name=op.f("ck_units_status"),
        ),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignments.assignment_id"], name=op.f("fk_units_assignment_id")),
        sa.ForeignKeyConstraint(["task_run_id"], ["task_runs.task_run_id"], name=op.f("fk_units_task_run_id")),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.worker_id"], name=op.f("fk_units_worker_id")),
        sa.PrimaryKeyConstraint("unit_id", name=op.f("pk_units")),
        sa.UniqueConstraint("assignment_id", "unit_index", name=op.f("uq_units_assignment_id_unit_index")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("units", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_units_task_run_id_status"), ["task_run_id", "status"], unique=False)
        batch_op.create_index(batch_op.f("ix_units_worker_id"), ["worker_id"], unique=False)

    op.create_table(
        "agents",
        sa.Column("agent_id", sa.String(length=64), nullable=False),
        sa.Column("unit_id", sa.String(length=64), nullable=False),
        sa.Column("task_run_id", sa.String(length=64), nullable=False),
        sa.Column("worker_id", sa.String(length=64), nullable=False),
        sa.Column("registration_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.Float(), nullable=False),
        sa.Column("deadline", sa.Float(), nullable=True),
        sa.CheckConstraint(
            "status IN (" + ", ".join(map(repr, _AGENT_STATUSES)) + ")",
            name=op.f("ck_agents_status"),
        ),
        sa.ForeignKeyConstraint(["task_run_id"], ["task_runs.task_run_id"], name=op.f("fk_agents_task_run_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.unit_id"], name=op.f("fk_agents_unit_id")),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.worker_id"], name=op.f("fk_agents_worker_id")),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_agents")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("agents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_agents_task_run_id"), ["task_run_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_agents_unit_id"), ["unit_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_agents_worker_id"), ["worker_id"], unique=False)

    op.create_table(
        "agent_metadata",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("agent_id", sa.String(length=64), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_agent_metadata_agent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_metadata")),
    )
    with op.batch_alter_table("agent_metadata", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_agent_metadata_agent_id"), ["agent_id"], unique=False)

    op.create_table(
        "live_updates",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("agent_id", sa.String(length=64), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_live_updates_agent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_live_updates")),
    )
    with op.batch_alter_table("live_updates", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_live_updates_agent_id"), ["agent_id"], unique=False)

    op.create_table(
        "submissions",
        sa.Column("agent_id", sa.String(length=64), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_submissions_agent_id")),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_submissions")),
        sqlite_with_rowid=False,
    )
