"""Whether the router and its operator mean the same messages by the same numbers.

Either side's database may be put back to an older copy, emptied, or lose rows. Then numbers say that messages are known
which are not. What waits is given numbers that nobody has used yet, so that nothing which a page was told has arrived
is taken for something else; and the operator is told what is missing.

Each router process has an era: a name that nobody can guess, and the number of the first message that it may take. The
operator notes from which era its last number is. A copy that is older than that does not know the era, or the number.
"""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass

from mephisto_nb.router.inbox.writes import Txn, acknowledge, acknowledged, last_n, newest_number, put_meta

SCHEMA = """
CREATE TABLE IF NOT EXISTS eras (era TEXT PRIMARY KEY, first INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS withdrawn (seq INTEGER PRIMARY KEY);
"""


@dataclass(frozen=True, slots=True)
class InboxStanding:
    """How far the router has come, as the operator is told when a link opens.

    `newest` is the number of the newest message that was ever taken, and `acknowledged` of the last that the operator
    has said to have; `missing` is how many are neither here nor withdrawn. `is_strange` says that the operator's number
    is not of this database, so that what waits has new numbers. `last_n` is the number of the last effect.
    """

    newest: int
    acknowledged: int
    missing: int
    is_strange: bool
    era: str
    last_n: int


def open_era(db: sqlite3.Connection) -> None:
    """Begin an era. Called when a router opens its database, which has `SCHEMA`."""
    newest = newest_number(Txn(db))
    # A database of an earlier version does not know what was withdrawn: what is missing is counted from here on.
    db.execute("INSERT OR IGNORE INTO meta VALUES ('counted_from', ?)", (str(newest),))
    # Those who asked for an agent went away with the router that they asked; their pages ask again.
    db.execute("INSERT OR IGNORE INTO withdrawn SELECT seq FROM inbox WHERE packet_type = 'register_agent'")
    db.execute("DELETE FROM inbox WHERE packet_type = 'register_agent'")
    db.execute("INSERT INTO eras (first, era) VALUES (?, ?)", (newest + 1, secrets.token_hex(16)))


def agree(txn: Txn, last_seq: int, era: str | None = None, received: int = 0) -> InboxStanding:
    """Prepare for an operator who has everything up to `last_seq`, a number of `era`; return how far the router is.

    Parameters
    ----------
    era
        None: the operator does not know; it has no message yet, or is of an earlier version.
    received
        The last number that the operator was sent, be it that its effect is not stored yet.
    """
    txn.db.execute("DELETE FROM meta WHERE key = 'closed'")
    newest, before = newest_number(txn), acknowledged(txn)
    missing = _missing(txn, newest, before)
    is_strange = last_seq > _end_of(txn, era, newest)
    if is_strange:
        _number_anew(txn, max(last_seq, received, newest), era)
    else:
        acknowledge(txn, last_seq)
    (now,) = txn.db.execute("SELECT era FROM eras ORDER BY first DESC LIMIT 1").fetchone() or ("",)
    return InboxStanding(newest, before, missing, is_strange, now, last_n(txn))


def _end_of(txn: Txn, era: str | None, newest: int) -> int:
    """Return the last number of an era; -1 where this database has never had it."""
    if era is None:
        return newest
    row = txn.db.execute("SELECT first FROM eras WHERE era = ?", (era,)).fetchone()
    if row is None:
        return -1
    after = txn.db.execute("SELECT min(first) FROM eras WHERE first > ?", (row[0],)).fetchone()[0]
    return newest if after is None else int(after) - 1


def _missing(txn: Txn, newest: int, before: int) -> int:
    counted = txn.db.execute("SELECT value FROM meta WHERE key = 'counted_from'").fetchone()
    start = max(before, newest if counted is None else int(counted[0]))
    known = sum(
        txn.db.execute(f"SELECT count(*) FROM {table} WHERE seq > ?", (start,)).fetchone()[0]
        for table in ("inbox", "withdrawn")
    )
    return max(0, newest - start - int(known))


def _number_anew(txn: Txn, shift: int, era: str | None) -> None:
    """Number all that waits anew, above `shift`, which is at least as high as any number here."""
    db, newest = txn.db, newest_number(txn)
    for table in ("inbox", "withdrawn"):
        db.execute(f"UPDATE {table} SET seq = seq + ?", (shift,))
    db.execute("DELETE FROM sqlite_sequence WHERE name = 'inbox'")
    db.execute("INSERT INTO sqlite_sequence VALUES ('inbox', ?)", (shift + newest,))
    put_meta(txn, "acknowledged", str(shift))
    put_meta(txn, "counted_from", str(shift + newest))  # what is missing was told
    db.execute("DELETE FROM eras")
    # Until the operator has taken something of the new era in, it comes again with the old one.
    eras = [(shift + 1, secrets.token_hex(16)), *([] if era is None else [(0, era)])]
    db.executemany("INSERT INTO eras (first, era) VALUES (?, ?)", eras)
