"""Large rows are found by their ids without being read; and of which of the router's numbers the last handled one is.

A router's database may be replaced by a copy, whose numbers mean something else. Stands alone because each version of
the schema has its own module.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

#: Tables whose rows may hold megabytes.
_LARGE = ("assignments", "submissions", "outbox")


def upgrade() -> None:
    """Go to this version from the one before."""
    op.add_column("task_runs", sa.Column("era", sa.Text()))
    if op.get_bind().dialect.name == "sqlite":
        for table in _LARGE:
            _give_row_ids(table)


def _give_row_ids(table: str) -> None:
    """Make a table anew with row ids; foreign keys, which are not looked at meanwhile, go on to point at it."""
    bind = op.get_bind()
    found = sa.text("SELECT type, sql FROM sqlite_master WHERE tbl_name = :table AND sql IS NOT NULL")
    statements = {kind: sql for kind, sql in bind.execute(found, {"table": table}) if kind == "table"}
    indexes = [sql for kind, sql in bind.execute(found, {"table": table}) if kind == "index"]
    _, body = statements["table"].split("(", 1)
    body, without, _end = body.rpartition("WITHOUT ROWID")
    if not without:
        return
    op.execute(f"CREATE TABLE new_{table} ({body}")
    op.execute(f"INSERT INTO new_{table} SELECT * FROM {table}")
    op.execute(f"DROP TABLE {table}")
    op.execute(f"ALTER TABLE new_{table} RENAME TO {table}")
    for index in indexes:
        op.execute(index)
