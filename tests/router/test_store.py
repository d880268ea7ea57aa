"""The store: committed together, failing alone, and consistent when the disk is full."""

import asyncio
import contextlib
import sqlite3
import threading
from dataclasses import replace

import httpx
import pytest

from mephisto_nb.errors import ClosedError, ConfigError, DatabaseError
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.model.states import AgentStatus
from mephisto_nb.router.config import RouterConfig, RunFiles
from mephisto_nb.router.core import Router
from mephisto_nb.router.inbox import writes
from mephisto_nb.router.inbox.store import Store
from mephisto_nb.router.operator.link import CurrentLink
from mephisto_nb.router.rules import KnownAgent, SubmissionResult
from mephisto_nb.router.server import make_app


@pytest.fixture
async def store(tmp_path):
    store = Store.open(tmp_path / "inbox.db", "run1")
    store.start()
    await store.run(lambda txn: txn.put(KnownAgent("a1", AgentStatus.IN_TASK)))
    yield store
    await store.close()


def message(**data):
    return writes.message_of(Packet(PacketType.SUBMIT_UNIT, "a1", data))


def fill_disk(txn):
    pages = txn.db.execute("PRAGMA page_count").fetchone()[0]
    txn.db.execute(f"PRAGMA max_page_count = {pages}")


def empty_disk(txn):
    txn.db.execute("PRAGMA max_page_count = 1000000")


async def test_many_steps_are_committed_and_each_gets_its_own_result(store):
    seqs = await asyncio.gather(*(store.run(lambda txn: txn.post(message())) for _ in range(1200)))
    assert sorted(seqs) == list(range(1, 1201))


async def test_a_step_that_fails_leaves_nothing_and_harms_no_other(store):
    def fails(txn):
        txn.post(message(lost=True))
        raise ZeroDivisionError

    steps = [
        store.run(step) for step in (lambda txn: txn.post(message(n=1)), fails, lambda txn: txn.post(message(n=2)))
    ]
    results = await asyncio.gather(*steps, return_exceptions=True)
    assert isinstance(results[1], ZeroDivisionError)
    rows = await store.run(lambda txn: writes.fetch(txn, 0, 10, 10_000))
    assert [row.seq for row in rows] == [results[0], results[2]]
    assert not any("lost" in row.text for row in rows)


async def test_messages_are_announced_after_they_are_committed(tmp_path):
    counts = []

    def on_message():
        with sqlite3.connect(tmp_path / "inbox.db") as other:
            counts.append(other.execute("SELECT count(*) FROM inbox").fetchone()[0])
        other.close()

    store = Store.open(tmp_path / "inbox.db", "run1", on_message)
    store.start()
    await store.run(lambda txn: txn.post(message()))
    await store.run(lambda txn: writes.acknowledge(txn, 0))
    await store.close()
    assert counts == [1]


async def test_what_a_message_stores_counts_once_it_is_in_the_inbox(store, tmp_path):
    for size in (3, 4):
        await store.run(lambda txn, size=size: txn.post(replace(message(), owner="a1", size=size)))
    await store.run(lambda txn: txn.post(message()))
    await store.close()
    again = Store.open(tmp_path / "inbox.db", "run1")
    assert again.mirror.stored == {"a1": 7}
    await again.close()


async def test_what_is_not_committed_does_not_count_as_stored(store, tmp_path):
    await store.run(fill_disk)
    large = replace(message(text="x" * 100_000), owner="a1", size=100_000)
    with pytest.raises(DatabaseError):
        await store.run(lambda txn: txn.post(large))
    await store.close()
    again = Store.open(tmp_path / "inbox.db", "run1")
    assert again.mirror.stored == {}
    await again.close()


async def test_numbers_are_never_given_twice(store):
    first = await store.run(lambda txn: txn.post(message()))
    await store.run(lambda txn: writes.acknowledge(txn, first))
    assert await store.run(lambda txn: txn.post(message())) == first + 1


async def test_reading_stops_at_the_bounds_but_always_gives_one(store):
    for _ in range(3):
        await store.run(lambda txn: txn.post(message(text="x" * 1000)))
    assert len(await store.run(lambda txn: writes.fetch(txn, 0, 2, 10**6))) == 2
    assert len(await store.run(lambda txn: writes.fetch(txn, 0, 10, 1))) == 1


async def test_a_full_disk_is_an_error_and_changes_nothing(store):
    await store.run(fill_disk)
    large = message(text="x" * 100_000)
    with pytest.raises(DatabaseError, match="full"):
        await store.run(lambda txn: writes.submit(txn, "a1", large))
    assert store.mirror.agents["a1"].submitted is False
    await store.run(empty_disk)
    assert await store.run(lambda txn: writes.submit(txn, "a1", large)) is SubmissionResult.TAKEN
    assert store.mirror.agents["a1"].submitted is True


async def test_what_is_large_is_told_until_as_much_is_stored(store):
    router = Router(RouterConfig("run1", "t" * 43), store, CurrentLink(), end=lambda reason: None)
    await store.run(fill_disk)
    with pytest.raises(DatabaseError):
        await store.run(lambda txn: txn.post(message(text="x" * 100_000)))
    for _ in range(2):  # where little can be stored
        await router._write_now()
        assert "is full" in store.troubles.all()[0].reason
    await store.run(empty_disk)
    await router._write_now()
    assert store.troubles.all() == ()
    assert await store.run(lambda txn: txn.db.execute("SELECT 1 FROM meta WHERE key = 'trial'").fetchall()) == []


async def test_what_fails_is_told_at_once(tmp_path):
    told = []
    store = Store.open(tmp_path / "inbox.db", "run1")
    store.start(lambda: told.append(store.fails))
    await store.run(fill_disk)
    with pytest.raises(DatabaseError):
        await store.run(lambda txn: txn.post(message(text="x" * 100_000)))
    assert told == [True]
    await store.run(empty_disk)
    await store.run(lambda txn: txn.post(message(text="x" * 100_000)))
    assert told == [True, False]
    await store.close()


async def test_of_those_who_meet_a_lock_one_waits_for_all(store, tmp_path, monkeypatch):
    begun, go_on, tries = threading.Event(), threading.Event(), []

    def count(batch, real=store._transaction):
        begun.set()
        go_on.wait(10)
        tries.append(len(batch))
        return real(batch)

    await store.run(lambda txn: txn.db.execute("PRAGMA busy_timeout = 0"))
    monkeypatch.setattr(store, "_transaction", count)
    with contextlib.closing(sqlite3.connect(tmp_path / "inbox.db", isolation_level=None)) as viewer:
        viewer.execute("BEGIN IMMEDIATE")
        first = asyncio.create_task(store.run(lambda txn: None))
        await asyncio.to_thread(begun.wait, 10)
        others = [asyncio.create_task(store.run(lambda txn: txn.post(message()))) for _ in range(30)]
        await asyncio.sleep(0)
        go_on.set()
        results = await asyncio.gather(first, *others, return_exceptions=True)
    assert {type(result) for result in results} == {DatabaseError}
    assert tries == [1, 30]
    (told,) = store.troubles.all()
    assert "database is locked" in told.reason
    assert "close it" in told.remedy


async def test_a_browser_is_asked_to_try_again_when_the_disk_is_full(store, tmp_path):
    router = Router(RouterConfig("run1", "t" * 43), store, CurrentLink(), end=lambda reason: None)
    (tmp_path / "files").mkdir()
    transport = httpx.ASGITransport(make_app(router, RunFiles(tmp_path)))
    body = {"USED_AGENT_ID": "a1", "final_data": {"text": "x" * 100_000}}
    form = {"USED_AGENT_ID": "a1", "final_data": '{"text": "' + "x" * 100_000 + '"}'}
    async with httpx.AsyncClient(transport=transport, base_url="http://router") as client:
        await store.run(fill_disk)
        for request in ({"json": body}, {"data": form, "files": {"photo": b"meow"}}):
            answer = await client.post("/submit_task", **request)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_failed")
            assert int(answer.headers["Retry-After"]) > 0
        assert list((tmp_path / "files").iterdir()) == []
        await store.run(empty_disk)
        assert (await client.post("/submit_task", json=body)).json() == {"status": "Submitted!"}


async def test_files_that_cannot_be_written_are_an_error_too(store, tmp_path):
    router = Router(RouterConfig("run1", "t" * 43), store, CurrentLink(), end=lambda reason: None)
    transport = httpx.ASGITransport(make_app(router, RunFiles(tmp_path)))
    form = {"USED_AGENT_ID": "a1", "final_data": "{}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://router") as client:
        answer = await client.post("/submit_task", data=form, files={"photo": b"meow"})
    assert answer.status_code == 503
    assert store.mirror.agents["a1"].submitted is False


async def test_what_is_on_the_disk_is_known_again(store, tmp_path):
    await store.run(lambda txn: writes.submit(txn, "a1", message()))
    update = Packet(PacketType.LIVE_UPDATE_TO_CLIENT, "a1", {"update_id": "u"})
    await store.run(lambda txn: writes.apply_effects(txn, [writes.Effect(4, update, "text")], 4))
    await store.close()
    again = Store.open(tmp_path / "inbox.db", "run1")
    assert again.mirror == store.mirror
    await again.close()


async def test_a_closed_store_says_so(store):
    await store.close()
    await store.close()
    with pytest.raises(ClosedError):
        await store.run(fill_disk)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "inbox.db").write_text("this is no database at all" * 100)
    with pytest.raises(ConfigError, match="cannot be opened"):
        Store.open(tmp_path / "inbox.db", "run1")


async def test_what_is_committed_is_acted_on_even_if_nobody_waits_any_more(store):
    committed = asyncio.Queue()
    waiting = asyncio.create_task(store.run(lambda txn: txn.post(message()), on_commit=committed.put_nowait))
    await asyncio.sleep(0)
    waiting.cancel()
    async with asyncio.timeout(10):
        assert await committed.get() == 1
