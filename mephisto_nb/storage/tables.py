"""The schema, as SQLAlchemy Core tables, and how values get into SQL and out of it. Its history is in `migrations`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

from mephisto_nb._typing import JSON
from mephisto_nb.model.money import DEFAULT_CURRENCY, Money
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.states import (
    PAYMENT_COUNTS,
    PAYMENT_OF_WORK,
    AgentStatus,
    Gate,
    PaymentKind,
    PaymentStatus,
    UnitStatus,
)
from mephisto_nb.model.visits import Short

# -- JSON

#: One for all: `json.dumps` would make a new encoder for each of many small values.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def dump(value: JSON) -> str:
    """Write JSON compactly. A NUL, which PostgreSQL's text cannot hold, stays escaped.

    NaN and infinity, which are no JSON, are refused: a packet that holds one could never be sent.
    """
    return _encode(value)


# -- amounts are whole thousandths of a currency's smallest unit

#: Makes the amount of what is stored, and its currency. Units that pay the same share one: they are read by the hundred
#: thousand.
read_money = lru_cache(maxsize=4096)(Money)


def read_fees(thousandths: int | None, currency: str) -> Money | None:
    """Return an amount that may not be known."""
    return None if thousandths is None else read_money(thousandths, currency)


# -- text that workers had a hand in; JSON needs none of this, being stored with everything but ASCII escaped

#: PostgreSQL cannot index values of more than about 2700 bytes; a character takes up to 4.
MAX_KEY_LENGTH = 500
_KEPT = MAX_KEY_LENGTH - 70


def make_storable(text: str) -> str:
    """Put U+FFFD in the place of what no database takes: NUL (PostgreSQL), and halves of surrogate pairs (all)."""
    if text.isascii() and "\0" not in text:
        return text
    return "".join("\ufffd" if char == "\0" or "\ud800" <= char <= "\udfff" else char for char in text)


def make_key(text: str) -> str:
    """Make a text storable and, where it is too long for an index, short: two long ones stay two."""
    storable = make_storable(text)
    if len(storable) <= MAX_KEY_LENGTH:
        return storable
    return f"{storable[:_KEPT]} {hashlib.sha256(storable.encode()).hexdigest()}"


class PlainText(TypeDecorator[str]):
    """A column of text that takes any Python string."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Make what is written, or looked for, storable."""
        return None if value is None else make_storable(value)


class KeyText(PlainText):
    """A column of text that takes any Python string and can be indexed."""

    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Make what is written, or looked for, storable and short."""
        return None if value is None else make_key(value)


# -- many rows, and rows that are there once

#: Databases limit how many values one statement may hold.
_CHUNK = 500
#: How each database says INSERT ... ON CONFLICT.
INSERT: dict[str, Callable[[Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class BulkInsert:
    """Inserts rows of values that are fit for the database as they are: numbers, ids, JSON, storable text.

    SQLAlchemy's look at every single value of many rows costs more than the database does.

    Parameters
    ----------
    table, columns
        Where the values of each row go, in this order.
    """

    def __init__(self, table: Table, *columns: str) -> None:
        self._table, self._columns = table, columns
        self._statements: dict[str, tuple[str, bool]] = {}

    def __call__(self, connection: Connection, rows: Iterable[Sequence[Any]]) -> None:
        """Insert the rows."""
        found = list(rows)
        if not found:
            return
        statement, is_positional = self._statement(connection)
        if is_positional:
            connection.exec_driver_sql(statement, [tuple(row) for row in found])
        else:
            connection.exec_driver_sql(statement, [dict(zip(self._columns, row, strict=True)) for row in found])

    def _statement(self, connection: Connection) -> tuple[str, bool]:
        known = self._statements.get(connection.dialect.name)
        if known is None:
            compiled = insert(self._table).compile(dialect=connection.dialect, column_keys=list(self._columns))
            order = compiled.positiontup
            if order is not None and tuple(order) != self._columns:
                raise ValueError(f"BulkInsert({self._table.name}): name the columns in the table's order, {order}")
            known = self._statements[connection.dialect.name] = str(compiled), order is not None
        return known


def fetch_rows(connection: Connection, query: Select[Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a query as the driver has them: plain tuples, in which SQLite says 0 and 1 for no and yes."""
    result: Any = connection.execute(query)
    rows: list[tuple[Any, ...]] = result.cursor.fetchall()
    result.close()
    return rows


def in_chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the values in parts, each of which fits in one statement."""
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def find_or_add(connection: Connection, table: Table, key: dict[str, Any], new: dict[str, Any]) -> Any:
    """Return the row with these values, or insert it with the `new` ones beside them."""
    query = select(table)
    for name, value in key.items():
        query = query.where(table.c[name] == value)
    found = connection.execute(query).first()
    if found is not None:
        return found
    # Two processes may be here at once; on PostgreSQL, the second waits for the first and finds its row.
    connection.execute(INSERT[connection.dialect.name](table).values(**key, **new).on_conflict_do_nothing())
    return connection.execute(query).one()


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = String(64)


def _one_of(column: str, values: list[str]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=column)


tasks = Table(
    "tasks",
    metadata,
    Column("task_id", ID, primary_key=True),
    Column("task_name", PlainText, nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
)

requesters = Table(
    "requesters",
    metadata,
    Column("requester_id", ID, primary_key=True),
    Column("requester_name", PlainText, nullable=False),
    Column("provider_type", Text, nullable=False),
    UniqueConstraint("requester_name", "provider_type"),
)

task_runs = Table(
    "task_runs",
    metadata,
    Column("task_run_id", ID, primary_key=True),
    Column("task_id", ID, ForeignKey("tasks.task_id"), nullable=False, index=True),
    Column("requester_id", ID, ForeignKey("requesters.requester_id"), nullable=False),
    Column("blueprint_type", Text, nullable=False),
    Column("architect_type", Text, nullable=False),
    Column("provider_type", Text, nullable=False),
    Column("config", Text, nullable=False),
    Column("qualifications", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    # When work was last put on offer: the launch, or the latest resumption.
    Column("opened_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("generator_done", Boolean, nullable=False),
    # Of all that the run pays: its units, and `task_reward`.
    Column("currency", Text, nullable=False, server_default=DEFAULT_CURRENCY),
    # What was changed since the launch: since when it is paused, when it last went on, and limits.
    Column("paused_at", Float),
    Column("resumed_at", Float),
    Column("max_num_concurrent_units", Integer),
    Column("maximum_units_per_worker", Integer),
    Column("task_reward", BigInteger),
    Column("closing", Text),
    Column("closed_by", Text),
    # When people could be served, as far as deadlines have to know.
    Column("served_until", Float),
    Column("away", Float, nullable=False, server_default="0"),
    Column("away_until", Float, nullable=False, server_default="0"),
    Column("quiet_since", Float, nullable=False, server_default="0"),
    # How far the link to the router has come: messages handled, packets sent.
    Column("last_seq", BigInteger, nullable=False, server_default="0"),
    Column("last_n", BigInteger, nullable=False, server_default="0"),
    # What the router calls the numbers that the last message has one of.
    Column("era", Text),
)

# Tables whose rows may be large have row ids in SQLite: without, each search compares whole rows, megabytes each.

assignments = Table(
    "assignments",
    metadata,
    Column("assignment_id", ID, primary_key=True),
    Column("task_run_id", ID, ForeignKey("task_runs.task_run_id"), nullable=False),
    Column("assignment_index", Integer, nullable=False),
    Column("shared", Text, nullable=False),
    Column("unit_data", Text, nullable=False),
    UniqueConstraint("task_run_id", "assignment_index"),
)

workers = Table(
    "workers",
    metadata,
    Column("worker_id", ID, primary_key=True),
    Column("worker_name", KeyText, nullable=False),
    Column("provider_type", Text, nullable=False),
    Column("blocked", Boolean, nullable=False, server_default=false()),
    # Whether nobody but a program has come by this name.
    Column("is_simulated", Boolean, nullable=False, server_default=false()),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("worker_name", "provider_type"),
)

units = Table(
    "units",
    metadata,
    Column("unit_id", ID, primary_key=True),
    Column("assignment_id", ID, ForeignKey("assignments.assignment_id"), nullable=False),
    Column("task_run_id", ID, ForeignKey("task_runs.task_run_id"), nullable=False),
    Column("unit_index", Integer, nullable=False),
    Column("pay_amount", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    # No foreign key: agents point at units already.
    Column("agent_id", ID),
    Column("worker_id", ID, ForeignKey("workers.worker_id"), index=True),
    UniqueConstraint("assignment_id", "unit_index"),
    Index(None, "task_run_id", "status"),
    _one_of("status", [status.value for status in UnitStatus]),
    sqlite_with_rowid=False,
)

agents = Table(
    "agents",
    metadata,
    Column("agent_id", ID, primary_key=True),
    Column("unit_id", ID, ForeignKey("units.unit_id"), nullable=False, index=True),
    Column("task_run_id", ID, ForeignKey("task_runs.task_run_id"), nullable=False, index=True),
    Column("worker_id", ID, ForeignKey("workers.worker_id"), nullable=False, index=True),
    Column("registration_id", PlainText, nullable=False),
    Column("status", Text, nullable=False),
    Column("accepted_at", Float, nullable=False),
    Column("deadline", Float),
    # No foreign key: SQLite cannot add one to a table that is there.
    Column("visit_id", ID),
    _one_of("status", [status.value for status in AgentStatus]),
    sqlite_with_rowid=False,
)

visits = Table(
    "visits",
    metadata,
    Column("visit_id", ID, primary_key=True),
    Column("task_run_id", ID, ForeignKey("task_runs.task_run_id"), nullable=False, index=True),
    Column("worker_id", ID, ForeignKey("workers.worker_id"), nullable=False, index=True),
    Column("registration_id", PlainText, nullable=False),
    # What the crowd gave along, as JSON.
    Column("captured", Text, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("begun_at", Float, nullable=False),
    Column("deadline", Float, nullable=False),
    Column("ended_at", Float),
    Column("outcome", Text),
    Column("short", Text),
    Column("why", PlainText, nullable=False),
    # When the crowd was told of its end.
    Column("told_at", Float),
    Column("reward", BigInteger, nullable=False, server_default="0"),
    _one_of("outcome", [outcome.value for outcome in Outcome]),
    _one_of("short", [short.value for short in Short]),
)

#: Pages that wait until their crowd was asked about them.
unvouched_arrivals = Table(
    "unvouched_arrivals",
    metadata,
    Column("request_id", ID, primary_key=True),
    Column("task_run_id", ID, ForeignKey("task_runs.task_run_id"), nullable=False, index=True),
    Column("data", Text, nullable=False),
    Column("asked_at", Float, nullable=False),
)

#: What a run's recruiter keeps of it, as JSON.
crowd_memory = Table(
    "crowd_memory",
    metadata,
    Column("task_run_id", ID, ForeignKey("task_runs.task_run_id"), primary_key=True),
    Column("data", Text, nullable=False),
)

submissions = Table(
    "submissions",
    metadata,
    Column("agent_id", ID, ForeignKey("agents.agent_id"), primary_key=True),
    Column("data", Text, nullable=False),
    Column("files", Text, nullable=False),
    Column("received_at", Float, nullable=False),  # or `NOBODY_KNOWS`; to be read as `RECEIVED_AT`
)
#: What stands for the time of an imported answer of which nobody knows when it came; and the time, or NULL for that.
NOBODY_KNOWS = 0.0
RECEIVED_AT = func.nullif(submissions.c.received_at, NOBODY_KNOWS)

agent_metadata = Table(
    "agent_metadata",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("agent_id", ID, ForeignKey("agents.agent_id"), nullable=False, index=True),
    Column("data", Text, nullable=False),
    Column("received_at", Float, nullable=False),
)

live_updates = Table(
    "live_updates",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("agent_id", ID, ForeignKey("agents.agent_id"), nullable=False, index=True),
    Column("sender", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("at", Float, nullable=False),
)

#: Who "says" what was set aside of a big answer: a row of its own, so that it is read only when somebody asks for it.
SET_ASIDE = "set aside"

qualifications = Table(
    "qualifications",
    metadata,
    Column("qualification_id", ID, primary_key=True),
    Column("qualification_name", PlainText, nullable=False, unique=True),
    Column("description", PlainText, nullable=False),
)

granted_qualifications = Table(
    "granted_qualifications",
    metadata,
    Column("worker_id", ID, ForeignKey("workers.worker_id"), primary_key=True),
    Column("qualification_id", ID, ForeignKey("qualifications.qualification_id"), primary_key=True, index=True),
    Column("value", BigInteger, nullable=False),
    Column("granted_at", Float, nullable=False),
)

payments = Table(
    "payments",
    metadata,
    Column("payment_id", ID, primary_key=True),
    # What makes it once: the same thing is never paid for twice, whoever asks again.
    Column("key", PlainText, nullable=False, unique=True),
    Column("task_run_id", ID, ForeignKey("task_runs.task_run_id"), index=True),
    Column("worker_id", ID, ForeignKey("workers.worker_id"), nullable=False, index=True),
    Column("unit_id", ID, ForeignKey("units.unit_id"), index=True),
    Column("kind", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    # What the crowd takes on top, taxes included; NULL: not known.
    Column("fees", BigInteger),
    Column("currency", Text, nullable=False, server_default=DEFAULT_CURRENCY),
    Column("reason", PlainText, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    # When the crowd was last asked, when it took it or somebody has paid, and when it was seen in the crowd's books.
    Column("asked_at", Float),
    Column("sent_at", Float),
    Column("confirmed_at", Float),
    # What the crowd calls it.
    Column("reference", PlainText),
    # No foreign key: not every crowd has visits.
    Column("visit_id", ID),
    _one_of("kind", [kind.value for kind in PaymentKind]),
    _one_of("status", [status.value for status in PaymentStatus]),
)
#: Payments that pay for answers, or visits, and that were made or are to be.
COUNTS_AS_PAY = payments.c.status.in_(sorted(PAYMENT_COUNTS)) & payments.c.kind.in_(sorted(PAYMENT_OF_WORK))

reviews = Table(
    "reviews",
    metadata,
    # What it was, never what it is: no row is ever changed. One that is undone has another row that names it.
    Column("review_id", ID, primary_key=True),
    Column("task_run_id", ID, ForeignKey("task_runs.task_run_id"), nullable=False, index=True),
    Column("unit_id", ID, ForeignKey("units.unit_id"), nullable=False, index=True),
    Column("agent_id", ID, ForeignKey("agents.agent_id"), nullable=False),
    Column("worker_id", ID, ForeignKey("workers.worker_id"), nullable=False, index=True),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("note", PlainText, nullable=False),
    Column("message", PlainText, nullable=False),
    Column("who", PlainText, nullable=False),
    Column("at", Float, nullable=False),
    Column("reward_payment_id", ID, ForeignKey("payments.payment_id")),
    Column("bonus_payment_id", ID, ForeignKey("payments.payment_id")),
    # What else came with it: qualifications granted, the worker blocked.
    Column("effects", Text, nullable=False),
    Column("undoes", ID, ForeignKey("reviews.review_id"), unique=True),
    _one_of("before", [status.value for status in UnitStatus]),
    _one_of("after", [status.value for status in UnitStatus]),
)

onboarding_agents = Table(
    "onboarding_agents",
    metadata,
    Column("agent_id", ID, primary_key=True),
    Column("task_run_id", ID, ForeignKey("task_runs.task_run_id"), nullable=False, index=True),
    Column("worker_id", ID, ForeignKey("workers.worker_id"), nullable=False, index=True),
    Column("registration_id", PlainText, nullable=False),
    Column("status", Text, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("deadline", Float),
    Column("submitted_at", Float),
    Column("data", Text),
    _one_of("status", [status.value for status in AgentStatus]),
)

gate_units = Table(
    "gate_units",
    metadata,
    Column("unit_id", ID, ForeignKey("units.unit_id"), primary_key=True),
    Column("task_run_id", ID, ForeignKey("task_runs.task_run_id"), nullable=False, index=True),
    Column("worker_id", ID, ForeignKey("workers.worker_id"), nullable=False, index=True),
    Column("gate", Text, nullable=False),
    Column("row_key", Text, nullable=False),
    # All of it, with the right answers, which are no part of the assignment's own data.
    Column("row", Text, nullable=False),
    _one_of("gate", [gate.value for gate in Gate]),
)

verdicts = Table(
    "verdicts",
    metadata,
    # No foreign key: of an agent, or of an onboarding agent.
    Column("agent_id", ID, primary_key=True),
    Column("gate", Text, primary_key=True),
    Column("task_run_id", ID, ForeignKey("task_runs.task_run_id"), nullable=False, index=True),
    Column("passed", Boolean),
    Column("at", Float, nullable=False),
    Column("detail", Text, nullable=False),
    _one_of("gate", [gate.value for gate in Gate]),
)

held_arrivals = Table(
    "held_arrivals",
    metadata,
    Column("request_id", ID, primary_key=True),
    Column("task_run_id", ID, ForeignKey("task_runs.task_run_id"), nullable=False, index=True),
    Column("worker_id", ID, ForeignKey("workers.worker_id"), nullable=False, index=True),
    Column("worker_name", KeyText, nullable=False),
    Column("registration_id", PlainText, nullable=False),
    Column("held_at", Float, nullable=False),
    Column("captured", Text, nullable=False, server_default="{}"),
)

#: Events that are about people rather than about one run; literally so, or databases do not see that the index fits.
OF_PEOPLE = text("subject IN ('worker', 'qualification')")

events = Table(
    "events",
    metadata,
    Column("event_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("task_run_id", ID, ForeignKey("task_runs.task_run_id"), index=True),
    Column("at", Float, nullable=False),
    Column("subject", Text, nullable=False),
    Column("subject_id", PlainText, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("why", PlainText, nullable=False),
    Column("who", PlainText, nullable=False),
    Column("detail", Text),
    # Those about people are few beside those about units and agents, and are looked for across all runs.
    Index("ix_events_people", "subject_id", sqlite_where=OF_PEOPLE, postgresql_where=OF_PEOPLE),
)

outbox = Table(
    "outbox",
    metadata,
    Column("task_run_id", ID, ForeignKey("task_runs.task_run_id"), primary_key=True),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("packet", Text, nullable=False),
)
