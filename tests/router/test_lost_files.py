"""Whoever cleans, moves or synchronises a run's folder takes files away that are open: nothing of that is silent."""

import asyncio
import contextlib
import errno
import json
import os
import shutil
import socket
import sqlite3
from pathlib import Path

import httpx
import pytest
from filelock import FileLock, Timeout
from starlette.requests import Request

from mephisto_nb.errors import DatabaseError
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.model.states import AgentStatus
from mephisto_nb.router.config import Limits, RouterConfig, RunFiles, read_config
from mephisto_nb.router.core import Router
from mephisto_nb.router.folder import RunFolder
from mephisto_nb.router.health import Health
from mephisto_nb.router.http.answers import Refused
from mephisto_nb.router.inbox import store as store_module
from mephisto_nb.router.inbox import writes
from mephisto_nb.router.inbox.store import Store
from mephisto_nb.router.intake.bodies import BodyReader
from mephisto_nb.router.intake.desk import Desk
from mephisto_nb.router.intake.multipart import MultipartReader
from mephisto_nb.router.intake.naming import Roll
from mephisto_nb.router.intake.quota import DiskQuota
from mephisto_nb.router.intake.shares import Shares
from mephisto_nb.router.operator.link import CurrentLink
from mephisto_nb.router.rules import KnownAgent, SubmissionResult, UnsureError
from mephisto_nb.router.server import Notifier, _Server, make_app
from mephisto_nb.router.workers.fast_path import LiveMessages
from mephisto_nb.utils import machine, sqlite_files
from tests.router.harness import RUN_ID, Browser, shake_hands, write_config
from tests.router.test_core import ask
from tests.router.test_store import empty_disk, fill_disk

pytestmark = pytest.mark.skipif(os.name != "posix", reason="elsewhere a file that is open cannot be taken away")

FILES = ("", "-wal", "-shm")


@pytest.fixture
async def store(tmp_path):
    store = Store.open(tmp_path / "inbox.db", "run1")
    store.start()
    await store.run(lambda txn: txn.put(KnownAgent("a1", AgentStatus.IN_TASK)))
    yield store
    await store.close()


def message(text):
    return writes.message_of(Packet(PacketType.SUBMIT_METADATA, "a1", {"text": text}))


async def post(store, text):
    await store.run(lambda txn: txn.post(message(text)))


def take_away(path, suffixes=FILES):
    for suffix in suffixes:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def copy_of(path, name="earlier"):
    copy = path.with_name(name)
    source, target = sqlite3.connect(path), sqlite3.connect(copy)
    with contextlib.closing(source), contextlib.closing(target):
        source.backup(target)
    return copy


def texts_after_a_kill(path):
    """Return what a router that is started next finds: what is at the path now, and nothing that is only open."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT packet ->> '$.data.text' FROM inbox ORDER BY seq").fetchall()
    return [text for (text,) in rows]


@pytest.mark.parametrize("suffixes", [FILES, ("",), ("-wal", "-shm"), ("-wal",), ("-shm",)])
async def test_what_is_acknowledged_is_found_after_files_are_removed(store, tmp_path, suffixes):
    await post(store, "before")
    take_away(tmp_path / "inbox.db", suffixes)
    await post(store, "after")
    assert texts_after_a_kill(tmp_path / "inbox.db") == ["before", "after"]
    (told,) = store.troubles.all()
    assert told.is_past
    assert "inbox.db was removed while it was in use" in told.reason


@pytest.mark.parametrize("beside", [(), ("-wal", "-shm")])
async def test_an_older_copy_makes_place_and_is_kept(store, tmp_path, beside):
    await post(store, "before the copy")
    copy = copy_of(tmp_path / "inbox.db")
    await post(store, "after the copy")
    take_away(tmp_path / "inbox.db", beside)
    os.replace(copy, tmp_path / "inbox.db")
    await post(store, "in its place again")
    assert texts_after_a_kill(tmp_path / "inbox.db") == ["before the copy", "after the copy", "in its place again"]
    (kept,) = tmp_path.glob("inbox.db.replaced-*-1")
    assert texts_after_a_kill(kept) == ["before the copy"]
    assert kept.name in store.troubles.all()[0].reason


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
async def test_what_is_no_database_makes_place(store, tmp_path, content):
    await post(store, "before")
    take_away(tmp_path / "inbox.db")
    (tmp_path / "inbox.db").write_bytes(content)
    await post(store, "after")
    assert texts_after_a_kill(tmp_path / "inbox.db") == ["before", "after"]


async def test_what_is_written_over_a_database_is_undone(store, tmp_path):
    await post(store, "before the copy")
    copy = copy_of(tmp_path / "inbox.db")
    await post(store, "after the copy")
    shutil.copyfile(copy, tmp_path / "inbox.db")
    await post(store, "whole again")
    assert texts_after_a_kill(tmp_path / "inbox.db") == ["before the copy", "after the copy", "whole again"]
    assert "was overwritten" in store.troubles.all()[0].reason


async def test_nothing_is_acknowledged_over_what_is_damaged(store, tmp_path):
    copy = copy_of(tmp_path / "inbox.db")
    await asyncio.gather(*(post(store, "x" * 9000) for _ in range(1200)))  # more than stays beside the file
    shutil.copyfile(copy, tmp_path / "inbox.db")
    with pytest.raises(DatabaseError):
        await post(store, "lost, were it taken")
    assert any(not told.is_past for told in store.troubles.all())


@pytest.mark.parametrize("size", [0, 5000])
async def test_what_is_beside_a_database_may_not_be_cut_short(store, tmp_path, size):
    await post(store, "before")
    os.truncate(tmp_path / "inbox.db-wal", size)
    await post(store, "after")
    assert texts_after_a_kill(tmp_path / "inbox.db") == ["before", "after"]
    assert "was cut short while it was in use" in store.troubles.all()[0].reason


async def test_nothing_is_taken_behind_what_was_cut_away(store, tmp_path):
    await post(store, "lost")
    await store.run(lambda txn: txn.db.execute("PRAGMA shrink_memory"))
    os.truncate(tmp_path / "inbox.db-wal", 0)
    with pytest.raises(DatabaseError, match="is damaged: nothing new is taken"):
        await post(store, "not taken")
    assert [told.is_past for told in store.troubles.all()] == [False]


async def test_who_reads_beside_a_router_cuts_nothing_short(store, tmp_path):
    await post(store, "before")
    with contextlib.closing(sqlite3.connect(tmp_path / "inbox.db")) as viewer:
        viewer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    place = store._place
    place.wrote()  # of what is in the file itself, more is said elsewhere
    assert (tmp_path / "inbox.db-wal").stat().st_size == 0
    await post(store, "after")
    assert texts_after_a_kill(tmp_path / "inbox.db") == ["before", "after"]
    assert store.troubles.all() == ()


async def test_a_router_outlives_an_index_that_was_cut_short(start_router, tmp_path, session):
    router = start_router()
    async with shake_hands(router.address) as operator:
        browser, agent_id = Browser(router.address, session), await operator.give_agent()
        os.truncate(tmp_path / "inbox.db-shm", 0)
        assert (await browser.submit(agent_id, mood="calm"))[0] == 200
    assert await router.terminate() == 0


async def test_another_database_is_left_alone_and_refused(store, tmp_path):
    await post(store, "ours")
    take_away(tmp_path / "inbox.db")
    other = Store.open(tmp_path / "inbox.db", "another run")
    with pytest.raises(DatabaseError, match="Move that one away"):
        await post(store, "not taken")
    assert store.troubles.all()[0].reason.startswith("The router cannot store what workers send")
    await other.close()
    take_away(tmp_path / "inbox.db")
    await post(store, "taken again")
    assert texts_after_a_kill(tmp_path / "inbox.db") == ["ours", "taken again"]
    assert [told.is_past for told in store.troubles.all()] == [True]


async def test_without_its_folder_nothing_is_taken_and_all_can_be_read(store, tmp_path):
    folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    folder.mkdir()
    moved = Store.open(folder / "inbox.db", "run1")
    moved.start()
    await post(moved, "before")
    os.rename(folder, elsewhere)
    with pytest.raises(DatabaseError, match="was moved or removed"):
        await post(moved, "not taken")
    assert len(await moved.run(lambda txn: writes.fetch(txn, 0, 10, 10_000))) == 1
    os.rename(elsewhere, folder)
    await post(moved, "after")
    assert texts_after_a_kill(folder / "inbox.db") == ["before", "after"]
    assert moved.troubles.all() == ()
    await moved.close()


async def test_what_vanishes_while_it_is_committed_is_put_back(store, tmp_path):
    def post_and_lose(txn):
        txn.post(message("just in time"))
        take_away(tmp_path / "inbox.db")

    await store.run(post_and_lose)
    assert texts_after_a_kill(tmp_path / "inbox.db") == ["just in time"]


async def test_a_folder_that_comes_back_just_then_is_no_loss(tmp_path, monkeypatch):
    folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    folder.mkdir()
    store = Store.open(folder / "inbox.db", "run1")
    store.start()
    os.rename(folder, elsewhere)
    monkeypatch.setattr(sqlite_files, "_check_folder", lambda path: os.rename(elsewhere, folder))
    await post(store, "in its place")
    assert store.troubles.all() == ()
    await store.close()
    assert texts_after_a_kill(folder / "inbox.db") == ["in its place"]


async def test_a_repetition_is_not_acknowledged_where_the_first_was_not(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    store = Store.open(folder / "inbox.db", "run1")
    store.start()
    await store.run(lambda txn: txn.put(KnownAgent("a1", AgentStatus.IN_TASK)))

    def submit_and_lose(txn):
        result = writes.submit(txn, "a1", message("answer"), b"digest")
        if folder.exists():
            os.rename(folder, tmp_path / "elsewhere")
        return result

    for _ in range(2):  # the second would only say that it has the answer
        with pytest.raises(DatabaseError):
            await store.run(submit_and_lose)
    os.rename(tmp_path / "elsewhere", folder)
    await store.close()
    assert texts_after_a_kill(folder / "inbox.db") == ["answer"]


@pytest.fixture
def unreachable(tmp_path, monkeypatch):
    """Let the system say of every path below `tmp_path` that its disk fails, until `undo` is called."""
    real = os.stat

    def stat(path, **options):
        if str(path).startswith(str(tmp_path)):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return real(path, **options)

    return lambda: monkeypatch.setattr(os, "stat", stat), monkeypatch.undo


async def test_a_disk_that_fails_is_told_and_waited_for(store, tmp_path, unreachable):
    fail, undo = unreachable
    fail()
    with pytest.raises(DatabaseError, match="cannot be looked into: Input/output error"):
        await post(store, "not taken")
    assert "cannot be looked into" in store.troubles.all()[0].reason
    undo()
    await post(store, "taken")
    assert texts_after_a_kill(tmp_path / "inbox.db") == ["taken"]


async def test_a_look_that_fails_is_told_and_not_the_last(store, monkeypatch):
    told, looks = [], iter([OSError("no more files"), None])
    health = Health(store, None, Limits(), lambda: asyncio.sleep(0), told.append)

    async def look():
        if failure := next(looks, None):
            raise failure

    monkeypatch.setattr(health, "look", look)
    running = asyncio.create_task(health.run())
    for _ in range(2):
        health.begin()
        while health._looking_since is not None:
            await asyncio.sleep(0)
        health.end()
    assert "could not look after itself: no more files" in told[0][0].reason
    assert health.troubles == ()
    running.cancel()


async def test_what_is_committed_is_not_done_again(store, tmp_path, monkeypatch):
    failures = iter([OSError(errno.EMFILE, "Too many open files")])

    def make(path, real=store_module.make_private_database):
        if failure := next(failures, None):
            raise failure
        real(path)

    monkeypatch.setattr(store_module, "make_private_database", make)

    def post_and_lose(txn):
        txn.post(message("once"))
        (tmp_path / "inbox.db").unlink(missing_ok=True)

    done = await asyncio.gather(post(store, "first"), store.run(post_and_lose), return_exceptions=True)
    assert isinstance(done[1], UnsureError)
    await store.run(lambda txn: None)
    assert sorted(texts_after_a_kill(tmp_path / "inbox.db")) == ["first", "once"]


async def test_what_follows_is_done_once_it_is_sure(tmp_path):
    folder, elsewhere, acted = tmp_path / "run", tmp_path / "elsewhere", []
    folder.mkdir()
    store = Store.open(folder / "inbox.db", "run1")
    store.start()

    def post_and_lose(txn):
        txn.post(message("answer"))
        os.rename(folder, elsewhere)
        return "done"

    with pytest.raises(UnsureError) as caught:
        await store.run(post_and_lose, acted.append)
    assert (caught.value.result, acted) == ("done", [])
    os.rename(elsewhere, folder)
    await store.run(lambda txn: None)
    assert acted == ["done"]
    assert store.troubles.past == ()  # nothing was overwritten: it came back as it was
    await store.close()


async def test_who_was_asked_to_try_again_has_asked_for_nothing(tmp_path, monkeypatch):
    folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    folder.mkdir()
    store = Store.open(folder / "inbox.db", "run1")
    store.start()
    router = Router(RouterConfig("run1", "t" * 43), store, CurrentLink(), lambda reason: None)

    def post_and_lose(txn, message, real=writes.Txn.post):
        os.rename(folder, elsewhere)
        return real(txn, message)

    monkeypatch.setattr(writes.Txn, "post", post_and_lose)
    assert await ask(router, folder, "/request_agent", b'{"provider_data": {}}', asyncio.Event().wait) == 503
    os.rename(elsewhere, folder)
    running = asyncio.create_task(router.run())
    await store.run(lambda txn: None)
    assert await store.run(lambda txn: writes.fetch(txn, 0, 10, 10_000)) == []
    running.cancel()
    await store.close()


async def test_a_live_message_that_may_come_back_counts_once(store, monkeypatch):
    async def be_unsure(step, real=store.run):
        raise UnsureError("It was committed into a file that has no name.", await real(step))

    monkeypatch.setattr(store, "run", be_unsure)
    quota, taken = DiskQuota(Limits(), {}), []
    live = LiveMessages(store, quota, CurrentLink(), None)
    for _ in range(2):
        with pytest.raises(UnsureError):
            await live.take("a1", "u1", message("hello"))
        taken.append(quota._taken.get("a1"))
    assert taken[0] == taken[1] > 0


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="USED_AGENT_ID"\r\n\r\na1\r\n'
    b'--b\r\nContent-Disposition: form-data; name="photo"; filename="cat.png"\r\n\r\nmeow\r\n--b--\r\n'
)


RESULTS = [
    (SubmissionResult.TAKEN, 1),
    (SubmissionResult.DUPLICATE, 0),
    ((SubmissionResult.TAKEN, "the way back"), 1),
    ((SubmissionResult.DUPLICATE, "the way back"), 0),
]


@pytest.mark.parametrize(("result", "kept"), RESULTS)
async def test_files_stay_with_an_answer_that_may_come_back(store, tmp_path, result, kept):
    parts = [{"type": "http.request", "body": FORM}]
    headers = [(b"content-type", b"multipart/form-data; boundary=b")]
    request = Request({"type": "http", "method": "POST", "headers": headers}, lambda: asyncio.sleep(0, parts.pop()))
    limits, folder = Limits(), tmp_path / "files"
    folder.mkdir()
    shares = Shares(1, limits, str, lambda: 0.0)
    reader = BodyReader(limits, folder, DiskQuota(limits, {}), Roll(store.agent), Desk(), shares)
    with pytest.raises(UnsureError):
        async with reader.form(request, final=True):
            raise UnsureError("It was committed into a file that has no name.", result)
    assert len(list(folder.iterdir())) == kept


PHOTO = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="cat.png"\r\n\r\n'


@pytest.fixture
def noted():
    return []


@pytest.fixture
def form_reader(tmp_path, noted):
    def note(*told):
        noted.append(told)

    return MultipartReader("multipart/form-data; boundary=b", tmp_path, Limits(disk_free=1), note)


def cut_short(path):
    os.truncate(path, 10)


async def feed_and_keep(reader, *pieces):
    for piece in pieces:
        await reader.feed(piece)
    await reader.keep()


@pytest.mark.parametrize("spoil", [os.unlink, cut_short])
@pytest.mark.parametrize("rest", [[b"y" * 500_000, b"\r\n--b--\r\n"], []])
async def test_the_rest_of_an_upload_is_not_the_upload(form_reader, noted, tmp_path, spoil, rest):
    await form_reader.feed(PHOTO + b"x" * 500_000 + (b"" if rest else b"\r\n--b--\r\n"))
    (path,) = tmp_path.iterdir()
    spoil(path)
    with pytest.raises(Refused) as refused:
        await feed_and_keep(form_reader, *rest)
    assert refused.value.code == "store_failed"
    assert [type(error) for _, error in noted] in ([FileNotFoundError], [OSError])
    await form_reader.discard()
    assert list(tmp_path.iterdir()) == []


async def test_an_upload_in_pieces_is_whole(form_reader, noted, tmp_path):
    await feed_and_keep(form_reader, PHOTO, *[b"x" * 300_000] * 3, b"\r\n--b--\r\n")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"x" * 900_000]
    assert noted == [(900_000, None)]


async def test_who_cannot_be_stored_is_told_though_nothing_can_be_removed(form_reader, monkeypatch):
    def refuse(*_arguments, **_options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(Refused, match="store_failed"):
        await feed_and_keep(form_reader, PHOTO + b"meow\r\n--b--\r\n")
    await form_reader.discard()


async def test_what_was_mended_is_known_to_the_next_router(store, tmp_path):
    take_away(tmp_path / "inbox.db")
    await post(store, "after")
    again = Store.open(tmp_path / "inbox.db", "run1")
    assert again.troubles.all() == store.troubles.all()
    await again.close()


async def test_a_store_that_fails_is_told_though_nobody_writes(store, tmp_path):
    told = []

    async def probe():
        with contextlib.suppress(DatabaseError):
            await post(store, "x" * 100_000)

    health = Health(store, None, Limits(), probe, told.append)
    health._written = -1000.0
    await store.run(fill_disk)
    await health.look()
    assert "cannot store what workers send" in told[-1][0].reason
    await store.run(empty_disk)
    health._written = -1000.0
    await health.look()
    assert not [one for one in told[-1] if one.what == "router store"]


@pytest.fixture
def folder(tmp_path):
    write_config(tmp_path)
    lock = FileLock(tmp_path / "router.lock")
    lock.acquire()
    folder = RunFolder(RunFiles(tmp_path), lock)
    folder.announce({"pid": os.getpid()})
    yield folder
    folder.release()


def test_a_folder_that_was_emptied_gets_back_what_a_router_needs(folder, tmp_path):
    for path in (tmp_path / "router.lock", tmp_path / "router.json", tmp_path / "router_config.json"):
        path.unlink()
    assert folder.tend() is None
    assert read_config(tmp_path / "router_config.json").run_id == RUN_ID
    assert json.loads((tmp_path / "router.json").read_text()) == {"pid": os.getpid()}
    assert (tmp_path / "files").is_dir()
    with pytest.raises(Timeout):
        FileLock(tmp_path / "router.lock").acquire(timeout=0)


@pytest.mark.parametrize("name", ["router.json", "router_config.json"])
def test_a_file_of_an_earlier_state_is_written_over(folder, tmp_path, name):
    right = (tmp_path / name).read_text()
    (tmp_path / name).write_text('{"pid": 4242}')
    assert folder.tend() is None
    assert (tmp_path / name).read_text() == right


async def test_a_router_without_its_lock_gives_way(store, folder, tmp_path):
    ended = []
    health = Health(store, folder, Limits(), lambda: asyncio.sleep(0), lambda told: None, lambda: ended.append(True))
    (tmp_path / "router.lock").unlink()
    (tmp_path / "router.json").write_text("another's")
    with FileLock(tmp_path / "router.lock").acquire(timeout=0):
        await health.look()
        assert not ended
        await health.look()
    assert ended
    assert (tmp_path / "router.json").read_text() == "another's"


def test_a_page_that_is_gone_is_told(folder, tmp_path):
    os.rename(tmp_path / "site", tmp_path / "elsewhere")
    assert str(tmp_path / "site") in folder.tend()[0]
    os.rename(tmp_path / "elsewhere", tmp_path / "site")
    assert folder.tend() is None


def test_files_of_a_page_that_are_gone_are_told(folder, tmp_path):
    (tmp_path / "site" / "bundle.js").unlink()
    assert "not there any more: bundle.js, of" in folder.tend()[0]
    (tmp_path / "site" / "index.html").unlink()
    assert "not there any more: index.html, bundle.js, of" in folder.tend()[0]
    write_config(tmp_path)
    assert folder.tend() is None


def lasting(told, what):
    return [one.reason for one in told[-1] if one.what == what] if told else []


async def test_uploads_that_cannot_be_stored_are_told_before_any_comes(store, folder, tmp_path):
    told = []
    health = Health(store, folder, Limits(), lambda: asyncio.sleep(0), told.append)
    (tmp_path / "router.json").unlink()
    (tmp_path / "files").symlink_to(tmp_path / "not mounted")
    await health.look()
    (reason,) = lasting(told, "router uploads")
    assert f"{tmp_path / 'files'}: No such file or directory." in reason
    assert (tmp_path / "router.json").exists()
    (tmp_path / "not mounted").mkdir()
    health._written = -1000.0
    await health.look()
    assert lasting(told, "router uploads") == []
    assert list((tmp_path / "files").iterdir()) == []


async def test_what_a_quota_refuses_is_told_until_as_much_is_stored(store, folder):
    told = []
    health = Health(store, folder, Limits(), lambda: asyncio.sleep(0), told.append)
    for size, error, is_told in (
        (5000, OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (10, None, True),
        (5000, None, False),
        (7000, OSError(errno.EFBIG, "File too large"), True),
    ):
        health.note_upload(size, error)
        health._written = -1000.0
        await health.look()
        assert bool(lasting(told, "router uploads")) == is_told
    health._failed_at -= 1000.0
    health._written = -1000.0
    await health.look()
    assert lasting(told, "router uploads") == []


async def test_a_browser_whose_file_is_not_stored_is_told_and_so_are_you(store, folder, tmp_path):
    router = Router(RouterConfig(RUN_ID, "t" * 43), store, CurrentLink(), lambda reason: None, folder=folder)
    (tmp_path / "files").symlink_to(tmp_path / "not mounted")
    transport = httpx.ASGITransport(make_app(router, RunFiles(tmp_path)))
    form = {"USED_AGENT_ID": "a1", "final_data": "{}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://router") as client:
        answer = await client.post("/submit_task", data=form, files={"photo": b"meow"})
    assert answer.json()["error"]["code"] == "store_failed"
    assert [one.what for one in router.health.troubles] == ["router uploads"]


def test_a_second_router_of_the_same_folder_is_told(folder, tmp_path):
    (tmp_path / "router.lock").unlink()
    with FileLock(tmp_path / "router.lock").acquire(timeout=0):
        assert "Another router serves" in folder.tend()[0]


def test_the_state_of_a_router_that_may_end_is_not_put_back(folder, tmp_path):
    folder.leave(1.0)
    (tmp_path / "router.json").unlink()
    folder.tend()
    assert not (tmp_path / "router.json").exists()


def test_a_run_that_ends_without_its_state_still_says_so(folder, tmp_path):
    (tmp_path / "router.json").unlink()
    folder.leave(1.0)
    assert json.loads((tmp_path / "router.json").read_text()) == {"closed_at": 1.0, "pid": os.getpid()}


def test_the_state_of_another_router_stays_at_the_end(folder, tmp_path):
    state = json.dumps({"pid": os.getppid(), "born": machine.birth_of(os.getppid())})
    (tmp_path / "router.json").write_text(state)
    folder.leave(1.0)
    assert (tmp_path / "router.json").read_text() == state


async def test_the_end_of_a_run_does_not_wait_for_the_directory(folder, tmp_path):
    config, files = read_config(tmp_path / "router_config.json"), RunFiles(tmp_path)
    with socket.socket() as listener:
        router = _Server(config, folder, listener, Notifier(None))
    with folder._writing:  # as long as its disk does not answer
        noting = asyncio.create_task(router._note_closed(1.0))
        await asyncio.sleep(0)
        assert not noting.done()
    await noting
    assert json.loads(files.state.read_text())["closed_at"] == 1.0
    await router._store.close()


async def test_too_few_files_and_too_little_room_are_told(store, folder, monkeypatch):
    told = []
    monkeypatch.setattr(machine, "open_files", lambda: 256.0)
    health = Health(store, folder, Limits(disk_free=10**18), lambda: asyncio.sleep(0), told.append)
    await health.look()
    assert {one.what for one in told[-1]} == {"router files", "router disk"}
    monkeypatch.undo()


async def test_a_disk_that_does_not_answer_is_told(store, tmp_path):
    told = []
    health = Health(store, None, Limits(), lambda: asyncio.sleep(0), told.append)
    health.begin()
    health._looking_since -= 100.0
    health.begin()
    health.end()
    assert "does not answer" in told[-1][-1].reason


async def test_the_operator_hears_what_is_wrong_and_when_it_is_mended(start_router, tmp_path, session):
    router = start_router()
    async with shake_hands(router.address) as operator:
        assert not [told for told in operator.welcome["troubles"] if told["what"] == "router store"]
        browser, agent_id = Browser(router.address, session), await operator.give_agent()
        take_away(tmp_path / "inbox.db")
        assert (await browser.submit(agent_id, mood="grim"))[0] == 200
        (told,) = [one for one in (await operator.next_of("troubles"))["troubles"] if one["what"] == "router store"]
        assert "inbox.db was removed" in told["reason"]
    assert texts_after_a_kill(tmp_path / "inbox.db") == [None]


async def test_an_operator_who_cannot_be_taken_in_hears_why(start_router, tmp_path, session):
    router = start_router()
    async with shake_hands(router.address) as operator:
        await Browser(router.address, session).submit(await operator.give_agent(), mood="grim")
        seq = (await operator.next_of("messages"))["messages"][-1][0]
    os.rename(tmp_path, tmp_path.with_name("away"))
    try:
        async with shake_hands(router.address, last_seq=seq) as operator:
            assert operator.welcome["type"] == "troubles"
            assert "is not there any more" in str(operator.welcome["troubles"])
    finally:
        os.rename(tmp_path.with_name("away"), tmp_path)
