"""Either side's database may be put back to an older copy: no message is silently taken for one that is known."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.router.inbox import numbers, writes
from mephisto_nb.router.inbox.numbers import InboxStanding
from mephisto_nb.router.inbox.store import Store

_FILE = "inbox.db"


@contextlib.asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Store]:
    """Open the router's database, as a router does that was started."""
    store = Store.open(directory / _FILE, "run1")
    store.start()
    try:
        yield store
    finally:
        await store.close()


async def take(store: Store, *names: str) -> list[int]:
    """Take an answer of each of these agents; return their numbers."""
    messages = [writes.message_of(Packet(PacketType.SUBMIT_UNIT, name)) for name in names]
    return [await store.run(lambda txn, one=one: txn.post(one)) for one in messages]  # type: ignore[misc]


async def agree(store: Store, last_seq: int, era: str | None = None, received: int = 0) -> InboxStanding:
    return await store.run(lambda txn: numbers.agree(txn, last_seq, era, received))


async def waiting(store: Store, after: int) -> list[str]:
    """Return whose answers the operator would be sent now."""
    rows = await store.run(lambda txn: writes.fetch(txn, after, 100, 10**6))
    return [row.text.partition('"subject_id":"')[2].partition('"')[0] for row in rows]


async def test_a_router_that_was_started_again_goes_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        era = (await agree(store, 0)).era
        await take(store, "ann", "bob")
    async with opened(tmp_path) as store:
        await take(store, "cem")
        standing = await agree(store, 1, era)
        assert (standing.is_strange, standing.missing, standing.era != era) == (False, 0, True)
        assert await waiting(store, 1) == ["bob", "cem"]


@pytest.mark.parametrize("newly_taken", [0, 1, 5])
async def test_an_inbox_that_was_emptied_loses_nothing_new(tmp_path: Path, newly_taken: int) -> None:
    async with opened(tmp_path) as store:
        era = (await agree(store, 0)).era
        await take(store, "ann", "bob", "cem")
    (tmp_path / _FILE).unlink()
    new = [f"new{n}" for n in range(newly_taken)]
    async with opened(tmp_path) as store:
        await take(store, *new)  # their numbers begin at 1 again, and three of these the operator has
        standing = await agree(store, 3, era, received=9)
        assert standing.is_strange
        assert await waiting(store, 9) == new
        await take(store, "dee")
        assert await waiting(store, 9) == [*new, "dee"]
        assert not (await agree(store, 3, era)).is_strange  # told once, though the operator has taken nothing in yet
        assert await waiting(store, 9) == [*new, "dee"]


async def test_an_older_copy_of_an_inbox_loses_nothing_new(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        era = (await agree(store, 0)).era
        await take(store, "ann")
    shutil.copy(tmp_path / _FILE, tmp_path / "copy.db")
    async with opened(tmp_path) as store:
        era = (await agree(store, 0, era)).era
        await take(store, "bob", "cem")
    shutil.copy(tmp_path / "copy.db", tmp_path / _FILE)
    async with opened(tmp_path) as store:
        new = await take(store, "dee", "eve")
        assert new == [2, 3]  # numbers by which the operator knows bob's and cem's
        assert (await agree(store, 3, era)).is_strange
        assert await waiting(store, 3) == ["ann", "dee", "eve"]


async def test_a_copy_made_while_a_router_ran_is_known_as_older(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        era = (await agree(store, 0)).era
        await take(store, "ann")
        with sqlite3.connect(tmp_path / _FILE) as source, sqlite3.connect(tmp_path / "copy.db") as copy:
            source.backup(copy)
        source.close()
        copy.close()
        await take(store, "bob")
    shutil.copy(tmp_path / "copy.db", tmp_path / _FILE)
    async with opened(tmp_path) as store:
        await take(store, "cem", "dee")
        assert (await agree(store, 2, era)).is_strange
        assert await waiting(store, 2) == ["ann", "cem", "dee"]


async def test_what_an_older_operator_has_forgotten_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        era = (await agree(store, 0)).era
        await take(store, "ann", "bob", "cem")
        await store.run(lambda txn: writes.acknowledge(txn, 3))
        standing = await agree(store, 1, era)
        assert (standing.is_strange, standing.acknowledged, standing.missing) == (False, 3, 0)


async def test_rows_that_are_gone_are_counted(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await take(store, *"abcdef")
        await store.run(lambda txn: writes.withdraw(txn, 2))
        assert (await agree(store, 0)).missing == 0  # whoever sent it went away
        await store.run(lambda txn: txn.db.execute("DELETE FROM inbox WHERE seq IN (4, 6)"))
        assert (await agree(store, 1)).missing == 2
        await store.run(lambda txn: writes.acknowledge(txn, 6))
        assert (await agree(store, 6)).missing == 0


async def test_registrations_that_went_with_a_router_are_no_gap(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.run(lambda txn: txn.post(writes.message_of(Packet(PacketType.REGISTER_AGENT, "r"))))
        await take(store, "ann")
    async with opened(tmp_path) as store:
        assert (await agree(store, 0)).missing == 0
        assert await waiting(store, 0) == ["ann"]


async def test_an_inbox_of_an_earlier_version_has_no_gap(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await take(store, *"abc")
        await store.run(lambda txn: txn.db.execute("DELETE FROM inbox WHERE seq = 2"))
        for table in ("eras", "withdrawn"):
            await store.run(lambda txn, table=table: txn.db.execute(f"DROP TABLE {table}"))  # type: ignore[misc]
        await store.run(lambda txn: txn.db.execute("DELETE FROM meta WHERE key = 'counted_from'"))
    async with opened(tmp_path) as store:
        standing = await agree(store, 1)
        assert (standing.missing, standing.is_strange) == (0, False)
        assert await waiting(store, 1) == ["c"]
