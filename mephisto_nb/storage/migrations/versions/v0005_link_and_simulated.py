"""The crowd of those who come by a link is called so; and workers who are programs are told from people.

Stands alone because each version of the schema has its own module.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version from the one before.

    The settings stored of a run keep the old name: it is an alias.
    """
    op.add_column("workers", sa.Column("is_simulated", sa.Boolean(), nullable=False, server_default=sa.false()))
    for name in ("requesters", "task_runs", "workers"):
        column = sa.column("provider_type", sa.Text())
        table = sa.table(name, column)
        op.execute(sa.update(table).where(column == "mock").values(provider_type="link"))
