"""Amounts are whole thousandths of the smallest unit of a currency, which is beside them; payments have more states.

A payment knows what the crowd takes on top, which visit it is for, what the crowd calls it, when the crowd was last
asked, and when it was seen in the crowd's own books.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

#: All amounts were of US dollars. Of a cent, there are so many thousandths in one.
_PARTS = 100_000
#: By table, its columns of amounts.
_AMOUNTS = {"units": ("pay_amount",), "task_runs": ("task_reward",), "payments": ("amount",)}
_OLD_STATUSES = "status IN ('owed', 'sent', 'failed', 'cancelled')"
_STATUSES = "status IN ('owed', 'sending', 'sent', 'confirmed', 'failed', 'cancelled')"
_STATUS_CHECK = "ck_payments_status"


def upgrade() -> None:
    """Go to this version from the one before."""
    for table in ("task_runs", "payments"):
        op.add_column(table, sa.Column("currency", sa.Text(), nullable=False, server_default="USD"))
    op.add_column("payments", sa.Column("fees", sa.BigInteger()))
    op.add_column("payments", sa.Column("visit_id", sa.String(length=64)))
    op.add_column("payments", sa.Column("reference", sa.Text()))
    op.add_column("payments", sa.Column("asked_at", sa.Float()))
    op.add_column("payments", sa.Column("confirmed_at", sa.Float()))
    if op.get_bind().dialect.name == "sqlite":
        for table, columns in _AMOUNTS.items():
            _make_anew(table, columns)
        return
    for table, columns in _AMOUNTS.items():
        for column in columns:
            exact = f"round({column} * {_PARTS})::bigint"
            op.alter_column(table, column, type_=sa.BigInteger(), postgresql_using=exact)
    op.drop_constraint(op.f(_STATUS_CHECK), "payments", type_="check")
    op.create_check_constraint(op.f(_STATUS_CHECK), "payments", _STATUSES)


def _make_anew(table: str, amounts: tuple[str, ...]) -> None:
    """Make a table of SQLite anew, whose columns cannot be changed; foreign keys, which nobody looks at, go on."""
    bind = op.get_bind()
    found = sa.text("SELECT type, sql FROM sqlite_master WHERE tbl_name = :table AND sql IS NOT NULL")
    statements = [(kind, sql) for kind, sql in bind.execute(found, {"table": table})]
    ((_, statement),) = (one for one in statements if one[0] == "table")
    _, body = statement.split("(", 1)
    for column in amounts:
        body = body.replace(f"{column} FLOAT", f"{column} BIGINT")
    if table == "payments":
        body = body.replace(_OLD_STATUSES, _STATUSES)
    names = [f'"{name}"' for _, name, *_ in bind.execute(sa.text(f"PRAGMA table_info({table})"))]
    exact = {f'"{column}"': f"CAST(round({column} * {_PARTS}) AS INTEGER)" for column in amounts}
    op.execute(f"CREATE TABLE new_{table} ({body}")
    values = ", ".join(exact.get(name, name) for name in names)
    op.execute(f"INSERT INTO new_{table} ({', '.join(names)}) SELECT {values} FROM {table}")
    op.execute(f"DROP TABLE {table}")
    op.execute(f"ALTER TABLE new_{table} RENAME TO {table}")
    for kind, index in statements:
        if kind == "index":
            op.execute(index)
