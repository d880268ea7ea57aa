"""Of which of the router's numbers the last one is that was handled: a router's database may be replaced by a copy.

Stands alone because each version of the schema has its own module.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version from the one before."""
    op.add_column("task_runs", sa.Column("era", sa.Text()))
