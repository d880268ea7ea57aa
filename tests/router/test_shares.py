"""One person has one share of what the router keeps and does, over all agents, introductions and returns."""

import asyncio
import contextlib
import json
import sqlite3
import threading
from types import SimpleNamespace

import pytest
from starlette.requests import Request

from mephisto_nb.errors import ConfigError
from mephisto_nb.model.states import AgentStatus
from mephisto_nb.router import codec
from mephisto_nb.router.config import Limits, RouterConfig, parse_config
from mephisto_nb.router.http.answers import Refused
from mephisto_nb.router.inbox.store import Store
from mephisto_nb.router.intake.bodies import BodyReader, Readings
from mephisto_nb.router.intake.desk import Desk, _Line
from mephisto_nb.router.intake.naming import Roll
from mephisto_nb.router.intake.quota import DiskQuota
from mephisto_nb.router.intake.shares import Shares
from mephisto_nb.router.rules import KnownAgent
from mephisto_nb.router.workers.hub import Hub, Registrations, WorkerSocket
from mephisto_nb.router.workers.worker_routes import _whom
from mephisto_nb.router.workers.worker_socket import WorkerEndpoint, _Connection
from tests.router.harness import RUN_ID, TOKEN, Browser, close_code, shake_hands

PEOPLE = {"a1": "ann", "a2": "ann", "b1": "bob"}
KIB = 1024
#: A run of one megabyte, of which one worker may have a tenth.
FORM = b'--b\r\nContent-Disposition: form-data; name="final_data"\r\n\r\n"%s"\r\n--b--\r\n'
TENTH = {"worker_share": 0.1, "limits": {"run_stored": 1000 * KIB, "disk_free": 1}}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def shares(share=0.1, clock=None, **limits):
    return Shares(share, Limits(**limits), PEOPLE.__getitem__, clock or Clock())


def test_what_is_stored_counts_over_all_agents_of_a_person():
    quota = DiskQuota(Limits(run_stored=1000), {"a1": 60}, shares(run_stored=1000))
    quota.take("a2", 40)
    with pytest.raises(Refused, match="413 quota"):
        quota.take("a1", 1)
    quota.take("b1", 100)


def test_whose_an_agent_is_may_be_told_later():
    people = {"x": "agent x", "y": "ann"}
    quota = DiskQuota(Limits(run_stored=1000), {"x": 60}, Shares(0.1, Limits(), people.__getitem__, Clock()))
    quota.take("y", 60)
    people["x"] = "ann"
    with pytest.raises(Refused, match="413 quota"):
        quota.take("x", 1)


def test_a_small_disk_is_shared_as_a_small_run_is():
    limits = Limits(json_body=10)
    quota = DiskQuota(limits, {}, Shares(0.1, limits, PEOPLE.__getitem__, Clock()), room=1000)
    with pytest.raises(Refused, match="413 quota"):
        quota.take("a1", 101)


def test_time_is_given_back_as_it_passes():
    clock = Clock()
    one = shares(clock=clock)
    one.check("a1")
    one.spent("a2", 10.0)
    with pytest.raises(Refused, match="429 busy"):
        one.check("a1")
    one.check("b1")
    clock.now = 200.0
    one.check("a1")


def test_bodies_that_are_read_count_until_they_are_read():
    one = shares(bodies=10, share=0.8)
    with contextlib.ExitStack() as stack:
        for agent in ("a1", "a2") * 4:
            stack.enter_context(one.body(agent))
        with pytest.raises(Refused, match="429 busy"), one.body("a2"):
            pass
        with one.body("b1"):
            pass
    with one.body("a1"):
        pass


def test_what_is_said_counts_over_all_sockets():
    one = shares(messages_per_second=1)
    assert [one.may_speak(agent) for agent in ("a1", "a2") * 5] == [True] * 8 + [False] * 2
    assert one.may_speak("b1")


def test_reports_of_errors_count_over_all_agents_of_a_person():
    clock = Clock()
    one = shares(share=0.5, clock=clock, errors_per_second=2)
    assert [one.may_report(agent) for agent in ("a1", "a2") * 6] == [True] * 10 + [False] * 2
    assert one.may_report("b1")
    clock.now = 1.0
    assert [one.may_report("a1"), one.may_report("a2")] == [True, False]


def test_what_strangers_report_has_room_again_as_time_passes():
    clock = Clock()
    quota = DiskQuota(Limits(errors_stored=2400), {"mephisto": 10**6}, now=clock)
    for hours in (0, 2, 26):  # all had been taken before this began
        clock.now = hours * 3600.0
        quota.take("mephisto", 100 * min(hours, 24))
        with pytest.raises(Refused, match="429 busy"):
            quota.take("mephisto", 1)


def test_room_for_a_report_that_is_not_taken_is_given_back():
    quota = DiskQuota(Limits(errors_stored=100), {}, now=Clock())
    for _ in range(3):
        with quota.claim("mephisto") as claim:
            claim.resize(100)


async def test_sockets_count_over_all_agents_of_a_person():
    closed, hub = [], Hub(100, lambda *_: None, shares(), of_all=80)
    sockets = [WorkerSocket(print, lambda code, n=n: closed.append(n), None) for n in range(10)]
    for number, socket in enumerate(sockets):
        hub.bind(socket, ("a1", "a2")[number % 2])
        hub.bind(socket, ("a1", "a2")[number % 2])  # a second word counts no more
    assert closed == [0, 1]
    for socket in sockets:
        hub.unbind(socket)
    assert hub.present() == {}


async def test_of_those_who_ask_by_one_name_the_oldest_gives_way():
    waiting = Registrations(80, shares())
    answers = [waiting.open(name)[1] for name in ["bob", *["ann"] * 10]]
    assert [waiting.has_given_way(answer) for answer in answers] == [False, True, True, *[False] * 8]
    assert len(waiting) == 9


async def test_who_has_an_agent_and_asks_too_often_is_refused():
    waiting = Registrations(80, shares())
    ids = [waiting.open("ann", is_known=True)[0] for _ in range(8)]
    with pytest.raises(Refused, match="429 busy"):
        waiting.open("ann", is_known=True)
    waiting.open("bob", is_known=True)
    waiting.close(ids[0])
    waiting.open("ann", is_known=True)


def test_who_lacks_the_key_of_a_name_is_not_counted_as_its_owner():
    ann = {"worker_name": "ann", "worker_key": "secret", "agent_registration_id": "1"}
    others = [{**ann, "worker_key": key} for key in ("guessed", None, 7, ["secret"])] + [{"worker_name": "ann"}]
    assert _whom(ann) == _whom({**ann, "agent_registration_id": "2"})
    assert _whom(ann) not in [_whom(other) for other in others]
    assert "secret" not in _whom(ann)
    assert _whom({}) == ""


async def test_a_stranger_who_waits_longest_gives_way():
    waiting = Registrations(3, shares())
    _, known = waiting.open("worker ann", is_known=True)
    answers = [waiting.open(f"asks as {name}")[1] for name in ("bob", "cid", "dan")]
    assert [waiting.has_given_way(answer) for answer in (known, *answers)] == [False, True, False, False]
    with pytest.raises(Refused, match="429 busy"):
        await answers[0]
    assert len(waiting) == 3


async def test_those_who_have_an_agent_give_way_to_nobody():
    waiting = Registrations(1, shares())
    waiting.open("worker ann", is_known=True)
    with pytest.raises(Refused, match="429 busy"):
        waiting.open("asks as bob")


async def served_of(*wanted, first=("ann", 1000)):
    """Return in which order a desk serves persons, who come with so much while it is at work for the first."""
    line, served = _Line(), []

    async def serve(person, size):
        await line.wait(person, size)
        served.append(person)
        line.go_on()

    await line.wait(*first)
    tasks = [asyncio.create_task(serve(*one)) for one in wanted]
    await asyncio.sleep(0)
    tasks[-1].cancel()  # who goes away holds up nobody
    line.go_on()
    await asyncio.gather(*tasks, return_exceptions=True)
    return served


async def test_little_passes_much_at_the_desk():
    assert await served_of(("ann", 1000), ("ann", 1000), ("bob", 60), ("cid", 60), ("gone", 1)) == [
        "bob",
        "cid",
        "ann",
        "ann",
    ]


async def test_much_is_not_passed_for_ever():
    served = await served_of(("dan", 500), *[("bob", 60)] * 20, ("gone", 1))
    assert served.index("dan") == 8


async def test_what_waits_at_the_desk_is_counted_before_it_is_done():
    share, may_end = shares(), threading.Event()
    desk = Desk(share.spent, share.person_of)
    work = asyncio.create_task(desk.do(may_end.wait, 11 * KIB * KIB, "a1"))
    await asyncio.sleep(0)
    with pytest.raises(Refused, match="429 busy"):
        share.check("a2")
    share.check("b1")
    may_end.set()
    await work
    share.check("a2")  # it took less than was thought
    desk.close()


async def test_who_names_no_agent_has_nothing_done_for_it(tmp_path):
    people, limits, desk = shares(), Limits(), Desk()
    reader = BodyReader(limits, tmp_path, DiskQuota(limits, {}), Roll(lambda agent: agent), desk, people)
    parts = [{"type": "http.request", "body": FORM % (b"x" * 64 * KIB)}]
    headers = [(b"content-type", b"multipart/form-data; boundary=b")]
    request = Request({"type": "http", "headers": headers}, lambda: asyncio.sleep(0, parts.pop()))
    with pytest.raises(Refused, match="400 bad_request"):
        async with reader.form(request, final=False):
            pytest.fail("It was read.")
    assert desk._thread._threads == set()


async def test_what_waits_to_be_read_keeps_nothing_small_out():
    readings = Readings(Limits(bodies_held=100 * KIB, small_body=KIB))

    async def stream():
        yield b"x" * 100 * KIB

    with readings.begin() as whole, readings.begin() as small:
        await whole.each_piece(SimpleNamespace(stream=stream), lambda piece: asyncio.sleep(0, whole.hold(len(piece))))
        small.hold(KIB)
        with readings.begin() as large, pytest.raises(Refused, match="429 busy"):
            large.hold(KIB + 1)
        whole.hold(1)


def test_even_small_bodies_are_held_in_bounded_memory():
    readings = Readings(Limits(bodies_held=100 * KIB, small_body=2 * KIB))
    with contextlib.ExitStack() as stack:
        for _ in range(124):
            stack.enter_context(readings.begin()).hold(KIB)
        with readings.begin() as reading, pytest.raises(Refused, match="429 busy"):
            reading.hold(2 * KIB)


async def test_what_waits_at_the_desk_is_held_and_counted(tmp_path):
    people, limits = shares(), Limits()
    desk, may_end = Desk(people.spent, people.person_of), threading.Event()
    reader = BodyReader(limits, tmp_path, DiskQuota(limits, {}), Roll(lambda agent: agent), desk, people)
    busy = asyncio.create_task(desk.do(may_end.wait, 64 * KIB))
    text = json.dumps({"USED_AGENT_ID": "a1", "final_data": "x" * 64 * KIB}).encode()
    parts = [{"type": "http.request", "body": text}]

    async def receive():
        return parts.pop()

    headers = [(b"content-type", b"application/json")]
    reading = asyncio.create_task(reader.json_object(Request({"type": "http", "headers": headers}, receive)))
    while not desk._line._waiting:
        await asyncio.sleep(0)
    assert (reader._readings._held, people._bodies["ann"]) == (len(text), 1)
    may_end.set()
    await asyncio.gather(busy, reading)
    assert (reader._readings._held, people._bodies["ann"]) == (0, 0)
    desk.close()


@pytest.mark.parametrize(("numbers", "is_beside"), [(10_000, True), (10, False)])
async def test_a_large_message_is_read_and_written_at_the_desk(monkeypatch, numbers, is_beside):
    places, taken, write = [], [], codec.dump

    def noted(value, *, gently=False):
        places.append(threading.current_thread() is not threading.main_thread())
        return write(value, gently=gently)

    monkeypatch.setattr(codec, "dump", noted)
    agent, desk, config = KnownAgent("a1", AgentStatus.IN_TASK), Desk(), RouterConfig(RUN_ID, TOKEN)
    live = SimpleNamespace(take=lambda *said: asyncio.sleep(0, taken.append(said)))
    store, departures = SimpleNamespace(agent=lambda _: agent), SimpleNamespace(seen=lambda _: None)
    endpoint = WorkerEndpoint(config, store, Roll(store.agent), None, live, departures, desk, shares())
    connection = _Connection(None, None)
    connection.agent_id = "a1"
    data = {"update_id": "u", "x": [index / 7 for index in range(numbers)]}
    packet = {"packet_type": "mephisto_bound_live_update", "subject_id": "a1", "data": data}
    await endpoint._take(connection, json.dumps(packet))
    assert places == [is_beside]
    ((agent_id, update_id, message),) = taken
    assert (agent_id, update_id, json.loads(message.text)) == ("a1", "u", packet)
    desk.close()


async def store_of(browser, operator, agent, size):
    said = {"text": "x" * size}
    return (await browser.post("/submit_metadata", {"USED_AGENT_ID": agent, "metadata": said}))[0]


async def test_no_worker_fills_more_than_a_tenth(start_router, session):
    router = start_router(**TENTH)
    browser = Browser(router.address, session)
    async with shake_hands(router.address) as operator:
        agents = [await operator.give_agent(worker_id="ann") for _ in range(6)]
        await operator.effect("update_agent_status", agents[0], {"status": "returned"})
        codes = [await store_of(browser, operator, agent, 30 * KIB + n) for n, agent in enumerate(agents)]
        assert codes == [200] * 3 + [413] * 3
        bob = await operator.give_agent(worker_id="bob")
        assert await store_of(browser, operator, bob, 30 * KIB) == 200
    await router.terminate()
    again = start_router(**TENTH)
    async with shake_hands(again.address) as operator:
        new = await operator.give_agent(worker_id="ann")
        assert await store_of(Browser(again.address, session), operator, new, 30 * KIB) == 413


async def report(browser, agent, number, size=1):
    said = {"error_data": {"text": f"{number} " + "x" * size}, **({"USED_AGENT_ID": agent} if agent else {})}
    return (await browser.post("/log_error", said))[0]


async def test_no_worker_takes_all_reports_of_errors(start_router, session):
    browser = Browser(start_router(worker_share=0.5, limits={"errors_per_second": 1}).address, session)
    async with shake_hands(browser.address) as operator:
        anns = [await operator.give_agent(worker_id="ann") for _ in range(2)]
        bob = await operator.give_agent(worker_id="bob")
        codes = [await report(browser, anns[number % 2], number) for number in range(12)]
        assert (codes[:8], codes[-1]) == ([200] * 8, 429)
        assert [await report(browser, None, number) for number in range(12)][-1] == 429  # nor do strangers
        assert [await report(browser, bob, number) for number in range(5)] == [200] * 5


async def test_no_worker_fills_the_reports_that_wait(start_router, session):
    limits = {"errors_per_second": 1000, "errors_kept": 10}
    browser = Browser(start_router(worker_share=0.1, limits=limits).address, session)
    async with shake_hands(browser.address) as operator:
        anns = [await operator.give_agent(worker_id="ann") for _ in range(2)]
        bob = await operator.give_agent(worker_id="bob")
        assert [await report(browser, anns[number % 2], number) for number in range(9)] == [200] * 8 + [429]
        assert [await report(browser, None, number) for number in range(11)] == [200] * 10 + [429]
        assert await report(browser, bob, 1) == 200
        await operator.forget_the_past()
        assert [await report(browser, agent, "new") for agent in (anns[0], None)] == [200, 200]


async def test_no_worker_speaks_for_all(start_router, session):
    router = start_router(worker_share=0.1, limits={"messages_per_second": 5})
    browser = Browser(router.address, session)
    async with shake_hands(router.address) as operator:
        agents = [await operator.give_agent(worker_id="ann") for _ in range(4)]
        for number, agent in enumerate(agents):
            async with browser.socket(agent) as page:
                for text in range(15):
                    await page.send("mephisto_bound_live_update", agent, {"update_id": f"{number} {text}"})
                if number == 3:
                    assert await close_code(page.socket) == 1008


@pytest.mark.parametrize("share", [0, -1, 1.1, "a tenth", None, True])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ConfigError, match="worker_share"):
        parse_config({"run_id": RUN_ID, "token": TOKEN, "worker_share": share})


def test_a_database_of_the_first_schema_is_taken_up(tmp_path):
    with sqlite3.connect(tmp_path / "inbox.db") as db:
        db.executescript(
            "CREATE TABLE agents (agent_id TEXT PRIMARY KEY, status TEXT NOT NULL, submitted INTEGER NOT NULL, "
            "linked INTEGER NOT NULL) WITHOUT ROWID; INSERT INTO agents VALUES ('a', 'in task', 0, 1); "
            "PRAGMA user_version = 1;"
        )
    db.close()
    for _ in range(2):
        store = Store.open(tmp_path / "inbox.db", "run1")
        agent = store.agent("a")
        assert (agent.linked, agent.person) == (True, "")
        asyncio.run(store.close())


async def test_who_keeps_the_router_at_work_has_to_wait(start_router, session):
    """A worker whose texts take long to read is asked to wait; another one is not."""
    router = start_router(worker_share=0.001)
    browser = Browser(router.address, session)
    async with shake_hands(router.address) as operator:
        anns = [await operator.give_agent(worker_id="ann") for _ in range(20)]
        numbers = {"x": [index / 7 for index in range(20_000)]}
        codes = [(await browser.submit(agent, **numbers))[0] for agent in anns]
        assert (codes[0], codes[-1]) == (200, 429)
        assert (await browser.submit(await operator.give_agent(worker_id="bob"), mood="calm"))[0] == 200
