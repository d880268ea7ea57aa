"""A run can be paused, and its limits changed, while it lasts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version from the one before."""
    for name, kind in (
        ("paused_at", sa.Float()),
        ("resumed_at", sa.Float()),
        ("max_num_concurrent_units", sa.Integer()),
        ("maximum_units_per_worker", sa.Integer()),
        ("task_reward", sa.Float()),
    ):
        op.add_column("task_runs", sa.Column(name, kind, nullable=True))
