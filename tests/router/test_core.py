"""The router without a process around it: its timers, on a clock of ours, and requests that break off."""

import asyncio
import json

import pytest

from mephisto_nb.errors import DatabaseError
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.model.states import AgentStatus
from mephisto_nb.router.config import RouterConfig, RunFiles
from mephisto_nb.router.core import Exit, Router
from mephisto_nb.router.deadlines import Departures, Vigil
from mephisto_nb.router.inbox import numbers, writes
from mephisto_nb.router.inbox.store import Store
from mephisto_nb.router.operator.link import CurrentLink
from mephisto_nb.router.rules import KnownAgent
from mephisto_nb.router.server import make_app


class Clock:
    """The loop's timers, rung by hand."""

    def __init__(self):
        self.now, self._timers = 100.0, []

    def time(self):
        return self.now

    def call_at(self, when, callback, *args):
        loop = asyncio.get_running_loop()
        timer = asyncio.TimerHandle(when, callback, args, loop)
        self._timers.append(timer)
        return timer

    def call_later(self, delay, callback, *args):
        return self.call_at(self.now + delay, callback, *args)

    def advance(self, seconds):
        self.now += seconds
        due = [timer for timer in self._timers if timer.when() <= self.now and not timer.cancelled()]
        self._timers = [timer for timer in self._timers if timer.when() > self.now]
        for timer in due:
            timer._run()


class Link:
    """An operator's link that sends nothing."""

    def __init__(self):
        self.replaced = False

    def replace(self):
        self.replaced = True

    def wake(self):
        pass

    def waiting(self):
        return None


@pytest.fixture
async def store(tmp_path):
    store = Store.open(tmp_path / "inbox.db", "run1")
    store.start()
    yield store
    await store.close()


@pytest.fixture
async def clock(monkeypatch, store):
    clock, loop = Clock(), asyncio.get_running_loop()
    for name in ("time", "call_at", "call_later"):
        monkeypatch.setattr(loop, name, getattr(clock, name))
    return clock


@pytest.fixture
def ends():
    return []


@pytest.fixture
async def router(store, ends):
    return Router(RouterConfig("run1", "t" * 43, operator_absence_in_seconds=60), store, CurrentLink(), ends.append)


async def test_the_patience_with_the_operator_begins_when_he_leaves(router, clock, ends):
    router.start()
    clock.advance(59)
    router.link_opened(link := Link())
    clock.advance(1000)
    router.link_closed(link)
    clock.advance(59)
    assert ends == []
    clock.advance(1)
    assert ends == [Exit.OPERATOR_AWAY]


async def test_a_link_that_was_replaced_may_go_unnoticed(router, clock, ends):
    older, newer = Link(), Link()
    router.link_opened(older)
    router.link_opened(newer)
    router.link_closed(older)
    clock.advance(1000)
    assert older.replaced
    assert (ends, router.link.state()) == ([], "here")


async def test_a_finished_run_does_not_wait_for_the_operator(router, clock, ends):
    router.link_opened(link := Link())
    router.finish(linger=300)
    router.link_closed(link)
    router.link_opened(Link())
    clock.advance(299)
    assert ends == []
    clock.advance(1)
    assert ends == [Exit.DONE]


async def test_a_run_ends_though_its_end_cannot_be_noted(store, clock, ends):
    tried = asyncio.Event()

    async def fail(closed_at):
        tried.set()
        raise OSError("No space left on device")

    router = Router(RouterConfig("run1", "t" * 43), store, CurrentLink(), ends.append, fail)
    running = asyncio.create_task(router.run())
    router.finish(linger=300)
    await tried.wait()
    clock.advance(300)
    assert (ends, running.done()) == ([Exit.DONE], False)
    running.cancel()


async def test_what_cannot_be_written_keeps_nothing_else_back(router):
    written = asyncio.Event()

    async def fail():
        raise RuntimeError("a mistake of ours")

    async def write():
        written.set()

    router._unwritten.put_nowait(fail)
    router._unwritten.put_nowait(write)
    running = asyncio.create_task(router.run())
    await written.wait()
    assert not running.done()
    running.cancel()


async def test_signs_of_life_put_a_departure_off(clock):
    gone = []
    departures = Departures(10, gone.append)
    departures.seen("a")
    departures.seen("b")
    clock.advance(9)
    departures.seen("a")
    clock.advance(1)
    assert gone == ["b"]
    clock.advance(9)
    assert gone == ["b", "a"]
    clock.advance(100)
    assert gone == ["b", "a"]


async def test_without_a_patience_nobody_departs(clock):
    departures = Departures(None, pytest.fail)
    departures.seen("a")
    clock.advance(10**6)


JSON = (b"content-type", b"application/json")


async def ask(router, tmp_path, path, body, then):
    """Call the application directly: send `body`, then whatever the coroutine `then` gives. Give the status."""
    steps = [{"type": "http.request", "body": body, "more_body": False}]
    sent = []

    async def receive():
        return steps.pop() if steps else await then()

    async def send(event):
        sent.append(event)

    scope = {"type": "http", "method": "POST", "path": path, "headers": [JSON], "query_string": b""}
    await make_app(router, RunFiles(tmp_path))(scope, receive, send)
    return sent[0]["status"]


async def test_a_worker_who_leaves_before_the_operator_comes_is_forgotten(router, store, tmp_path):
    seen = []

    async def leave():
        seen.extend(await store.run(lambda txn: writes.fetch(txn, 0, 10, 1000)))
        return {"type": "http.disconnect"}

    await ask(router, tmp_path, "/request_agent", b'{"provider_data": {"worker_name": "ann"}}', leave)
    assert len(seen) == 1
    assert await store.run(lambda txn: writes.fetch(txn, 0, 10, 1000)) == []
    assert len(router.registrations) == 0


async def test_an_onboarding_stays_when_its_worker_leaves(router, store, tmp_path):
    await store.run(lambda txn: txn.put(KnownAgent("o1", AgentStatus.ONBOARDING)))

    async def leave():
        return {"type": "http.disconnect"}

    body = json.dumps({"provider_data": {"USED_AGENT_ID": "o1", "onboarding_data": 1}}).encode()
    await ask(router, tmp_path, "/submit_onboarding", body, leave)
    assert len(await store.run(lambda txn: writes.fetch(txn, 0, 10, 1000))) == 1


async def test_too_many_who_wait_are_sent_away(store, tmp_path):
    router = Router(RouterConfig("run1", "t" * 43), store, CurrentLink(), lambda reason: None)
    router.registrations._limit = 0
    assert await ask(router, tmp_path, "/request_agent", b'{"provider_data": {}}', asyncio.Event().wait) == 429


async def test_who_gives_way_has_asked_for_nothing(router, store, tmp_path):
    router.registrations._limit = 1
    waits = asyncio.Event()

    async def wait():
        waits.set()
        return await asyncio.Event().wait()

    async def leave():
        return {"type": "http.disconnect"}

    asks = b'{"provider_data": {"worker_name": "%s"}}'
    first = asyncio.create_task(ask(router, tmp_path, "/request_agent", asks % b"ann", wait))
    await waits.wait()
    assert await ask(router, tmp_path, "/request_agent", asks % b"bob", leave) == 204
    assert await first == 429
    assert await store.run(lambda txn: writes.fetch(txn, 0, 10, 1000)) == []


async def test_a_time_in_which_nobody_could_reach_us_is_told_once(clock):
    wall, told = [1000.0], []
    vigil = Vigil(400.0, lambda *absence: told.append(absence), lambda: wall[0])
    vigil.begin()
    for wall[0] in (1002.0, 1004.0, 5000.0, 5002.0):
        clock.advance(2)
    assert told == [(400.0, 1000.0), (1004.0, 5000.0)]


async def test_the_first_router_of_a_run_was_never_away(clock):
    told = []
    Vigil(None, lambda *absence: told.append(absence)).begin()
    clock.advance(2)
    assert told == []


async def test_who_could_not_reach_us_has_not_left(router, store, clock):
    await store.run(lambda txn: txn.put(KnownAgent("a1", AgentStatus.IN_TASK, linked=True)))
    router.departures = Departures(10.0, router._on_departure)
    router.start()
    router.vigil._last -= 3600
    clock.advance(10)
    await router.write_absences()
    (row,) = await store.run(lambda txn: writes.fetch(txn, 0, 10, 10_000))
    assert json.loads(row.text)["packet_type"] == PacketType.ROUTER_AWAY
    clock.advance(9)
    assert router._unwritten.qsize() == 1  # the absence, and no departure


async def test_an_absence_is_told_once_though_the_router_is_killed_next(tmp_path, router, store):
    router.vigil._last = 1000.0
    await router.write_absences()
    again = Store.open(tmp_path / "inbox.db", "run1")
    assert again.last_here == router.vigil._last
    again._db.close()


async def test_an_absence_is_told_before_that_we_are_here_again(router, store, monkeypatch):
    failures = iter([DatabaseError("the disk is full")])

    async def run(step, real=store.run):
        if failure := next(failures, None):
            await asyncio.sleep(0)
            raise failure
        return await real(step)

    monkeypatch.setattr(store, "run", run)
    router.vigil._last = 1000.0
    await asyncio.gather(router.write_absences(), router.health.look())
    rows = await store.run(lambda txn: writes.fetch(txn, 0, 10, 10_000))
    assert [json.loads(row.text)["data"]["since"] for row in rows] == [1000.0]


async def test_an_absence_that_nobody_was_told_of_is_not_over(tmp_path, router, monkeypatch):
    def post(*_):
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(writes.Txn, "post", post)
    router.vigil._last = 1000.0
    await router.health.look()
    again = Store.open(tmp_path / "inbox.db", "run1")
    assert again.last_here is None
    again._db.close()


async def test_a_later_router_knows_when_the_last_one_was_here(tmp_path, router, store):
    router.vigil.look()
    await router.health.look()  # the first
    again = Store.open(tmp_path / "inbox.db", "run1")
    assert again.last_here == pytest.approx(router.vigil._last)
    again._db.close()


async def test_answers_in_a_store_made_anew_are_not_taken_for_others(store):
    for n in range(3):
        await store.run(lambda txn, n=n: txn.post(writes.message_of(Packet(PacketType.SUBMIT_UNIT, "a1", {"n": n}))))
    await store.run(lambda txn: numbers.agree(txn, 100))
    rows = await store.run(lambda txn: writes.fetch(txn, 100, 10, 10_000))
    assert [(row.seq, json.loads(row.text)["data"]["n"]) for row in rows] == [(101, 0), (102, 1), (103, 2)]
    await store.run(lambda txn: numbers.agree(txn, 102))
    assert [row.seq for row in await store.run(lambda txn: writes.fetch(txn, 0, 10, 10_000))] == [103]
