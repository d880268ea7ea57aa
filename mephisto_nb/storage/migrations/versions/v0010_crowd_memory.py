"""What recruiters keep of their runs, such as the id of a run's study.

Stands alone because each version of the schema has its own module.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ID = sa.String(64)


def upgrade() -> None:
    """Go to this version from the one before."""
    op.create_table(
        "crowd_memory",
        sa.Column("task_run_id", _ID, sa.ForeignKey("task_runs.task_run_id"), primary_key=True),
        sa.Column("data", sa.Text(), nullable=False),
    )
