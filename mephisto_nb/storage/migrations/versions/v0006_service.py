"""When people could be served, as deadlines stand still in between; and who closed a run, which a restart forgot.

Stands alone because each version of the schema has its own module.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version from the one before."""
    op.add_column("task_runs", sa.Column("closing", sa.Text()))
    op.add_column("task_runs", sa.Column("closed_by", sa.Text()))
    op.add_column("task_runs", sa.Column("served_until", sa.Float()))
    for name in ("away", "away_until", "quiet_since"):
        op.add_column("task_runs", sa.Column(name, sa.Float(), nullable=False, server_default="0"))
