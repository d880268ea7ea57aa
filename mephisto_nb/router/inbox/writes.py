"""The router's database: its tables, and each change to it as a step inside a transaction.

A step runs in the writer's thread and may be run again if the transaction fails, so it does nothing but talk
to the database and note in its `Txn` what the loop must know once the transaction is committed.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

from mephisto_nb._typing import JSON
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.model.states import AgentStatus
from mephisto_nb.router import codec
from mephisto_nb.router.rules import (
    InboxClosed,
    KnownAgent,
    SubmissionResult,
    judge_return,
    judge_submission,
    next_status,
)
from mephisto_nb.utils import steady_time

SCHEMA_VERSION = 2

# AUTOINCREMENT: a number is never given twice, even after the row with the highest one was deleted. The
# operator relies on it, for it throws away what it thinks it has seen.
SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    received_at REAL NOT NULL,
    packet_type TEXT NOT NULL,
    packet TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS agents (
    agent_id TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    submitted INTEGER NOT NULL,
    linked INTEGER NOT NULL,
    person TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    agent_id TEXT NOT NULL,
    update_id TEXT NOT NULL,
    packet TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS stored (owner TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (agent_id TEXT PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen_updates (
    agent_id TEXT NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (agent_id, digest)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS crowd_events (seq INTEGER PRIMARY KEY, bytes INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS reports (
    person TEXT NOT NULL,
    seq INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (person, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sealed_exits (agent_id TEXT PRIMARY KEY, exit TEXT NOT NULL) WITHOUT ROWID;
"""
#: What brings the tables of an earlier version to the next one.
UPGRADES = {1: "ALTER TABLE agents ADD COLUMN person TEXT NOT NULL DEFAULT '';"}
#: So many answers after the first one are told of, of one agent.
_MOST_OTHERS = 10
_COUNT_STORED = "INSERT INTO stored VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET bytes = bytes + excluded.bytes"


@dataclass(frozen=True, slots=True)
class Message:
    """A packet for the operator, ready to be written.

    Once it is in the inbox, `owner` has stored `size` bytes more: the message itself and the files that came with it.
    """

    packet_type: PacketType
    text: str
    received_at: float
    owner: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A live update for a worker, kept until the browser has it."""

    id: int
    agent_id: str
    update_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What the operator has decided: its number, the packet, and the packet as it travels on.

    `sealed` is how the agent goes back once its answer is taken, as JSON text; '': nobody says any more; None: nothing
    is said of it here.
    """

    n: int
    packet: Packet
    text: str
    sealed: str | None = None


def read_marks(db: sqlite3.Connection) -> dict[str, int]:
    """Return numbers that only grow, by what they count, for this run alone: they say how far its database has come."""
    run_id = db.execute("SELECT value FROM meta WHERE key = 'run_id'").fetchone()[0]
    marks = dict(db.execute("SELECT 'newest of ' || name, seq FROM sqlite_sequence").fetchall())
    for table in ("agents", "stored", "answers", "seen_updates"):
        marks[table] = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    marks["bytes"] = db.execute("SELECT coalesce(sum(bytes), 0) FROM stored").fetchone()[0]
    last = db.execute("SELECT value FROM meta WHERE key = 'last_n'").fetchone()
    marks["effects"] = 0 if last is None else int(last[0])
    return {f"{run_id} {key}": number for key, number in marks.items()}


class InboxRow(NamedTuple):
    """A message of the inbox, with its packet as text."""

    seq: int
    received_at: float
    text: str


class Txn:
    """One step's view of the open transaction, and what it changed."""

    __slots__ = ("added", "agents", "db", "dropped", "outgoing", "size")

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.added = False
        #: How much text it writes, or has tried to (characters).
        self.size = 0
        self.agents: list[KnownAgent] = []
        self.outgoing: list[Outgoing] = []
        self.dropped: list[tuple[str, set[int]]] = []

    def agent(self, agent_id: str) -> KnownAgent | None:
        """Read an agent."""
        query = "SELECT agent_id, status, submitted, linked, person FROM agents WHERE agent_id = ?"
        row = self.db.execute(query, (agent_id,)).fetchone()
        return None if row is None else agent_of(row)

    def put(self, agent: KnownAgent) -> None:
        """Write an agent."""
        values = (agent.agent_id, agent.status.value, agent.submitted, agent.linked, agent.person)
        self.db.execute("INSERT OR REPLACE INTO agents VALUES (?, ?, ?, ?, ?)", values)
        self.agents.append(agent)

    def post(self, message: Message) -> int:
        """Append a message to the inbox, and count what its owner stores with it; return its number.

        Raises
        ------
        InboxClosed
            The run is over, and its operator has read the inbox to its end.
        """
        if self.db.execute("SELECT 1 FROM meta WHERE key = 'closed'").fetchone():
            raise InboxClosed
        self.size += len(message.text)
        cursor = self.db.execute(
            "INSERT INTO inbox (received_at, packet_type, packet) VALUES (?, ?, ?)",
            (message.received_at, message.packet_type.value, message.text),
        )
        if message.size:
            self.db.execute(_COUNT_STORED, (message.owner, message.size))
        self.added = True
        return int(cursor.lastrowid or 0)


def agent_of(row: Sequence[JSON]) -> KnownAgent:
    """Read a row of the table of agents."""
    return KnownAgent(row[0], AgentStatus(row[1]), bool(row[2]), bool(row[3]), row[4])


def message_of(packet: Packet, *, gently: bool = False) -> Message:
    """Make a message of a packet that comes in now; raise `ValueError` if it holds a number that JSON does not know.

    `gently` is for what is heavy, see `codec.Text`.
    """
    return Message(packet.packet_type, codec.dump(packet.to_dict(), gently=gently), steady_time.now())


def digest_of(answer: JSON, *, gently: bool = False) -> bytes:
    """Return what tells an answer from any other: the same for what is sent twice, in whatever order its keys come.

    `gently` is for what is heavy, see `codec.Text`.
    """
    text = codec.write(codec.SORTED, answer, gently=gently)
    return hashlib.sha256(text.encode()).digest()


def submit(
    txn: Txn, agent_id: str, message: Message, digest: bytes = b"", other: Message | None = None
) -> SubmissionResult:
    """Take an agent's final answer, once; return what became of it.

    A browser that did not hear that its answer was taken sends it again; another tab may send another one. `digest`
    tells the two apart; of another one the operator hears by `other`.
    """
    agent = txn.agent(agent_id)
    result = judge_submission(agent)
    if agent is not None and result is SubmissionResult.TAKEN:
        txn.post(message)
        txn.put(replace(agent, submitted=True))
        txn.db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (agent_id, digest))
    elif result is SubmissionResult.DUPLICATE and _taken(txn, agent_id) not in (None, digest):
        if other is not None and _is_told_of(txn, agent_id, digest):
            with suppress(InboxClosed):
                txn.post(other)
        return SubmissionResult.OTHER
    return result


def submit_and_leave(
    txn: Txn, agent_id: str, message: Message, digest: bytes, other: Message | None = None
) -> tuple[SubmissionResult, str]:
    """Take an agent's final answer as `submit` does; return how its worker goes back beside, as JSON text; '': nowhere.

    That is told with the answer that counts, as often as it is sent, and with no other.
    """
    result = submit(txn, agent_id, message, digest, other)
    is_theirs = result is SubmissionResult.TAKEN or (
        result is SubmissionResult.DUPLICATE and _taken(txn, agent_id) == digest
    )
    return result, _sealed_exit(txn, agent_id) if is_theirs else ""


def _sealed_exit(txn: Txn, agent_id: str) -> str:
    row = txn.db.execute("SELECT exit FROM sealed_exits WHERE agent_id = ?", (agent_id,)).fetchone()
    return "" if row is None else str(row[0])


def _seal(txn: Txn, agent_id: str, sealed: str | None) -> None:
    """Keep how an agent goes back, or forget it."""
    if sealed:
        txn.size += len(sealed)
        txn.db.execute("INSERT OR REPLACE INTO sealed_exits VALUES (?, ?)", (agent_id, sealed))
    elif sealed is not None:
        txn.db.execute("DELETE FROM sealed_exits WHERE agent_id = ?", (agent_id,))


def hand_in(txn: Txn, agent_id: str, message: Message, digest: bytes) -> SubmissionResult:
    """Take what an agent hands in at the end of an introduction; return what became of it.

    The same is taken as often as it is sent, as each time somebody waits for what follows from it.
    """
    if _taken(txn, agent_id) not in (None, digest):
        return SubmissionResult.OTHER
    txn.post(message)
    txn.db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (agent_id, digest))
    return SubmissionResult.TAKEN


def _taken(txn: Txn, agent_id: str) -> bytes | None:
    row = txn.db.execute("SELECT digest FROM answers WHERE agent_id = ?", (agent_id,)).fetchone()
    return None if row is None else bytes(row[0])


def return_unit(txn: Txn, agent_id: str, message: Message) -> SubmissionResult:
    """Take an agent's task back; return what became of that."""
    agent = txn.agent(agent_id)
    result = judge_return(agent)
    if agent is not None and result is SubmissionResult.TAKEN:
        txn.post(message)
        txn.put(replace(agent, status=AgentStatus.RETURNED))
    return result


def live_update(txn: Txn, agent_id: str, update_id: str | None, message: Message) -> SubmissionResult:
    """Take a worker's live update, once; return what became of it. One without `update_id` is like no other."""
    if update_id is not None and not _is_news(txn, agent_id, update_id):
        return SubmissionResult.DUPLICATE
    txn.post(message)
    return SubmissionResult.TAKEN


def _is_told_of(txn: Txn, agent_id: str, digest: bytes) -> bool:
    """Return whether the operator should hear of another answer; not of what it has heard of, and not for ever."""
    if not _is_news(txn, agent_id, f"answer\0{digest.hex()}"):
        return False
    return any(_is_news(txn, agent_id, f"told of\0{number}") for number in range(_MOST_OTHERS))


def _is_news(txn: Txn, agent_id: str, told: str) -> bool:
    """Note what an agent tells; return whether it is told for the first time."""
    # A digest, because it is the worker's, and may be of any length.
    digest = hashlib.sha256(told.encode("utf-8", "surrogatepass")).digest()
    return txn.db.execute("INSERT OR IGNORE INTO seen_updates VALUES (?, ?)", (agent_id, digest)).rowcount > 0


def tell(txn: Txn, agent_id: str, message: Message, digest: bytes) -> SubmissionResult:
    """Take what a worker says about a task, once; return what became of it. `digest` tells it from anything else."""
    if not _is_news(txn, agent_id, f"said\0{digest.hex()}"):
        return SubmissionResult.DUPLICATE
    txn.post(message)
    return SubmissionResult.TAKEN


def report(
    txn: Txn, message: Message, most: int, person: str = "", agent_id: str = "", digest: bytes = b""
) -> SubmissionResult:
    """Take an error report, unless `most` of the same person wait for the operator already; return what became of it.

    Strangers may send them, too, and count as one person, ''. The same report, which `digest` tells from others, is
    taken once: of an agent in any case, of strangers as long as it is among their last ones.
    """
    waiting = "SELECT count(*) FROM reports JOIN inbox USING (seq) WHERE person = ?"
    if txn.db.execute(waiting, (person,)).fetchone()[0] >= most:
        return SubmissionResult.CLOSED
    if not (_is_news(txn, agent_id, f"report\0{digest.hex()}") if agent_id else _is_new_of_strangers(txn, digest)):
        return SubmissionResult.DUPLICATE
    txn.db.execute("INSERT INTO reports VALUES (?, ?, ?)", (person, txn.post(message), digest))
    older = "SELECT seq FROM reports WHERE person = ? ORDER BY seq DESC LIMIT 1 OFFSET ?"
    txn.db.execute(f"DELETE FROM reports WHERE person = ? AND seq <= ({older})", (person, person, most))
    return SubmissionResult.TAKEN


def _is_new_of_strangers(txn: Txn, digest: bytes) -> bool:
    """Return whether a report is none of the last ones of strangers."""
    return txn.db.execute("SELECT 1 FROM reports WHERE person = '' AND digest = ?", (digest,)).fetchone() is None


def keep_event(txn: Txn, message: Message, most: int, most_bytes: int) -> SubmissionResult:
    """Take what a crowd tells, unless so many, or so many bytes of it, wait for the operator; return what became of it.

    The same may be told twice, and is taken twice: what it means, its reader knows.
    """
    count, size = txn.db.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM crowd_events").fetchone()
    if count >= most or size + len(message.text) > most_bytes:
        return SubmissionResult.CLOSED
    txn.db.execute("INSERT INTO crowd_events VALUES (?, ?)", (txn.post(message), len(message.text)))
    return SubmissionResult.TAKEN


def mark_linked(txn: Txn, agent_id: str) -> None:
    """Note that an agent has had a socket, so that its absence means something after a restart too."""
    agent = txn.agent(agent_id)
    if agent is not None and not agent.linked:
        txn.put(replace(agent, linked=True))


def withdraw(txn: Txn, seq: int) -> None:
    """Delete a message whose sender has gone; its number is known to be missing."""
    if txn.db.execute("DELETE FROM inbox WHERE seq = ?", (seq,)).rowcount:
        txn.db.execute("INSERT OR IGNORE INTO withdrawn VALUES (?)", (seq,))


def acknowledge(txn: Txn, seq: int) -> None:
    """Delete what the operator has."""
    for table in ("inbox", "withdrawn", "crowd_events"):
        txn.db.execute(f"DELETE FROM {table} WHERE seq <= ?", (seq,))
    if seq > acknowledged(txn):
        put_meta(txn, "acknowledged", str(seq))


def acknowledged(txn: Txn) -> int:
    """Return the number up to which the operator has said that it has everything."""
    row = txn.db.execute("SELECT value FROM meta WHERE key = 'acknowledged'").fetchone()
    return 0 if row is None else int(row[0])


def newest_number(txn: Txn) -> int:
    """Return the highest number that was ever given; 0 before the first."""
    row = txn.db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'inbox'").fetchone()
    return 0 if row is None else int(row[0])


def put_meta(txn: Txn, key: str, value: str) -> None:
    """Write what is known of the database as a whole."""
    txn.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def stay(txn: Txn, now: float) -> None:
    """Note that the router is here, for the next one to know since when there was none."""
    txn.db.execute("INSERT OR REPLACE INTO meta VALUES ('last_here', ?)", (repr(now),))


def try_out(txn: Txn, size: int) -> None:
    """Write as much as could not be written before; `tidy` deletes it, once it is committed."""
    txn.size += size
    txn.db.execute("INSERT OR REPLACE INTO meta VALUES ('trial', zeroblob(?))", (size,))


def tidy(txn: Txn) -> None:
    """Delete what was written to see whether it can be."""
    txn.db.execute("DELETE FROM meta WHERE key = 'trial'")


def tell_absences(txn: Txn, messages: Sequence[Message], until: float) -> None:
    """Tell the operator when nobody could be here; a router that is killed next must not tell of it again."""
    for message in messages:
        txn.post(message)
    stay(txn, until)


def fetch(txn: Txn, after: int, max_messages: int, max_bytes: int) -> list[InboxRow]:
    """Read messages in order, until one of the bounds is reached (the first one is always read)."""
    query = "SELECT seq, received_at, packet FROM inbox WHERE seq > ? ORDER BY seq LIMIT ?"
    rows: list[InboxRow] = []
    for values in txn.db.execute(query, (after, max_messages)):
        row = InboxRow(*values)
        max_bytes -= len(row.text)
        if rows and max_bytes < 0:
            break
        rows.append(row)
    return rows


def newest(txn: Txn) -> int:
    """Return the number of the newest message in the inbox; 0 where it is empty."""
    return int(txn.db.execute("SELECT coalesce(max(seq), 0) FROM inbox").fetchone()[0])


def close_inbox(txn: Txn) -> int:
    """Let nothing more into the inbox; return the number of the newest message in it."""
    txn.db.execute("INSERT OR REPLACE INTO meta VALUES ('closed', '1')")
    return newest(txn)


def last_n(txn: Txn) -> int:
    """Return the number of the last effect that was applied."""
    row = txn.db.execute("SELECT value FROM meta WHERE key = 'last_n'").fetchone()
    return 0 if row is None else int(row[0])


def apply_effects(txn: Txn, effects: Iterable[Effect], up_to: int) -> list[Effect]:
    """Apply those effects that were not applied before, and note that all up to `up_to` are; return the new ones."""
    before = last_n(txn)
    fresh = [effect for effect in effects if effect.n > before]
    for effect in fresh:
        _apply(txn, effect)
    txn.db.execute("INSERT OR REPLACE INTO meta VALUES ('last_n', ?)", (str(max(before, up_to)),))
    return fresh


def _apply(txn: Txn, effect: Effect) -> None:
    packet, data = effect.packet, effect.packet.data
    if packet.packet_type is PacketType.LIVE_UPDATE_TO_CLIENT:
        _send(txn, packet.subject_id, data["update_id"], effect.text)
    elif packet.packet_type is PacketType.UPDATE_STATUS:
        _set_status(txn, packet.subject_id, AgentStatus(data["status"]))
        _seal(txn, packet.subject_id, effect.sealed)
    elif (
        data.get("agent_id") is not None
    ):  # AGENT_DETAILS: who was let in; a refusal names no agent, and changes nothing
        person = data.get("worker_id")
        _set_status(
            txn, data["agent_id"], AgentStatus(data["status"]), person=person if isinstance(person, str) else ""
        )
        _seal(txn, data["agent_id"], effect.sealed)
        _drop_repeated(txn, data["agent_id"], data.get("init_task_data"))


def _drop_repeated(txn: Txn, agent_id: str, init_data: JSON) -> None:
    """Forget the live updates that a page which was loaded again gets with its work: it must not get them twice."""
    past = init_data.get("past_live_updates") if isinstance(init_data, dict) else None
    known = {one.get("update_id") for one in past if isinstance(one, dict)} if isinstance(past, list) else set()
    if not known:
        return
    rows = txn.db.execute("SELECT id, update_id FROM outbox WHERE agent_id = ?", (agent_id,)).fetchall()
    ids = {id_ for id_, update_id in rows if update_id in known}
    delivered(txn, ids)
    txn.dropped.append((agent_id, ids))


def _set_status(txn: Txn, agent_id: str, named: AgentStatus, person: str = "") -> None:
    agent = txn.agent(agent_id) or KnownAgent(agent_id, named)
    txn.put(replace(agent, status=next_status(agent.status, named), person=person or agent.person))


def _send(txn: Txn, agent_id: str, update_id: str, text: str) -> None:
    values = (agent_id, update_id, text)
    txn.size += len(text)
    cursor = txn.db.execute("INSERT INTO outbox (agent_id, update_id, packet) VALUES (?, ?, ?)", values)
    txn.outgoing.append(Outgoing(int(cursor.lastrowid or 0), *values))


def delivered(txn: Txn, ids: Iterable[int]) -> None:
    """Forget live updates that a browser has."""
    txn.db.executemany("DELETE FROM outbox WHERE id = ?", [(id_,) for id_ in ids])
