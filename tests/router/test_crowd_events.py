"""What a crowd posts is kept as it came, for whoever knows the key; all others see nothing there."""

import asyncio
import base64
import sqlite3

import pytest

from mephisto_nb.errors import ConfigError
from mephisto_nb.model.packets import PacketType
from mephisto_nb.router.config import RouterConfig, parse_config
from mephisto_nb.router.inbox import writes
from mephisto_nb.router.inbox.store import Store
from mephisto_nb.router.inbox.writes import Txn
from mephisto_nb.router.intake.crowd_events import kept_headers
from mephisto_nb.router.rules import SubmissionResult
from tests.router.harness import RUN_ID, TOKEN, Browser, shake_hands
from tests.security.strangers import Stranger, request

KEY = "k" * 22
PATH = f"/crowd_events/{KEY}"
KIB = 1024


@pytest.fixture
def start(start_router, session):
    """Start a router with an address for events; give a browser that asks it, and the router."""

    def begin(**limits):
        router = start_router(crowd_events_key=KEY, limits=limits)
        return Browser(router.address, session), router

    return begin


async def post(browser, body=b"{}", path=PATH, **headers):
    return await browser.post(path, data=body, headers=headers)


async def heard(router, count=1):
    """Return the headers and bodies of the next events that the operator hears of."""
    async with shake_hands(router.address) as operator:
        packets = [(await operator.message("crowd_event"))[1] for _ in range(count)]
    assert {packet["subject_id"] for packet in packets} == {"mephisto"}
    return [(one["data"]["headers"], base64.b64decode(one["data"]["body"])) for one in packets]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (bytes(range(256)), "application/octet-stream"),
        (b'{"a":1e999, "a": NaN}\r\n ', "application/json"),
        (b"a=%20b&c", "application/x-www-form-urlencoded"),
        ("é\ud800".encode("utf-8", "surrogatepass"), "text/plain; charset=nonsense"),
        (b"--b\r\n\r\n", "multipart/form-data; boundary=b"),
    ],
)
async def test_each_byte_is_kept_whatever_its_type(start, body, kind):
    browser, router = start()
    signed = {"Content-Type": kind, "X-Sig-Stamp": "17", "Authorization": "secret", "Cookie": "a=b"}
    assert await post(browser, body, **signed) == (200, {"status": "Received!"})
    [(headers, found)] = await heard(router)
    assert found == body
    assert headers == {"content-type": kind, "x-sig-stamp": "17", "user-agent": headers["user-agent"]}


async def test_an_empty_body_is_an_event_too(start):
    browser, router = start()
    assert (await post(browser, b""))[0] == 200
    assert (await heard(router))[0][1] == b""


async def test_what_was_taken_outlives_the_death_of_the_router(start, start_router):
    browser, router = start()
    bodies = [f"{number}".encode() for number in range(5)]
    answers = await asyncio.gather(*(post(browser, body) for body in bodies))
    router.kill()
    assert [status for status, _ in answers] == [200] * 5
    found = await heard(start_router(crowd_events_key=KEY), 5)
    assert sorted(body for _, body in found) == bodies


async def test_a_wrong_key_finds_the_same_as_where_there_is_none(start_router, session):
    seen = []
    for key in ("", KEY):
        router = start_router(crowd_events_key=key)
        seen.append([await look(router, session, wrong, method) for wrong in WRONG for method in METHODS])
        await router.terminate()
    assert seen[0] == seen[1]
    assert [status for status, *_ in seen[1][: len(METHODS)]] == [404, 404, 405, 405]


WRONG = ("x" * 22, KEY[:-1], KEY + "k", KEY.upper(), "%00", "é", "\N{SNOWMAN}", "k" * 5000)
METHODS = ("POST", "GET", "OPTIONS", "DELETE")


async def look(router, session, key, method):
    async with session.request(method, f"http://{router.address}/crowd_events/{key}") as answer:
        told = {name: value for name, value in answer.headers.items() if name != "Date"}
        return answer.status, told, await answer.read()


async def test_without_a_key_nothing_is_taken(start_router, session):
    browser = Browser(start_router().address, session)
    for path in ("/crowd_events/", "/crowd_events", "/crowd_events//", PATH):
        assert (await post(browser, path=path))[0] in (404, 405)


async def test_a_wrong_key_is_refused_before_the_body_has_come(start):
    _, router = start()
    head = request("POST", "/crowd_events/" + "x" * 22, "Content-Length: 60000")
    async with Stranger.come(router.line["port"]) as stranger:
        await stranger.send(head)
        assert (await stranger.rest()).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_beyond_the_limit_is_refused(start, chunked):
    async def chunks():
        for _ in range(65):
            yield bytes(KIB)

    browser, router = start()
    assert (await post(browser, bytes(64 * KIB)))[0] == 200
    assert (await post(browser, chunks() if chunked else bytes(64 * KIB + 1)))[0] == 413
    assert [len(body) for _, body in await heard(router)] == [64 * KIB]


async def test_what_waits_for_the_operator_is_bounded(start):
    browser, router = start(events_kept=3)
    codes = [(await post(browser))[0] for _ in range(5)]
    assert codes == [200, 200, 200, 429, 429]
    async with shake_hands(router.address) as operator:
        await operator.forget_the_past()
        assert (await post(browser))[0] == 200


async def test_the_bytes_that_wait_are_bounded_and_workers_go_on(start):
    browser, router = start(events_stored=20 * KIB)
    async with shake_hands(router.address) as operator:
        agent = await operator.give_agent()
        codes = [(await post(browser, bytes(8 * KIB)))[0] for _ in range(3)]
        assert codes == [200, 429, 429]
        assert (await browser.submit(agent, text="x" * 30 * KIB))[0] == 200


async def test_so_many_may_come_at_once_and_large_ones_count_for_more(start):
    browser, _ = start(events_per_second=1)
    assert [(await post(browser, bytes(20 * KIB)))[0] for _ in range(4)] == [200, 200, 200, 429]


async def test_an_event_that_cannot_be_stored_is_not_taken(start, tmp_path):
    browser, router = start()
    assert (await post(browser))[0] == 200
    lock = await asyncio.to_thread(hold, tmp_path / "inbox.db")
    try:
        status, answer = await post(browser, b"later")
    finally:
        lock.close()
    assert (status, answer["error"]["code"]) == (503, "store_failed")
    assert (await post(browser, b"again"))[0] == 200
    assert [body for _, body in await heard(router, 2)] == [b"{}", b"again"]


def hold(path):
    """Keep all others from writing into a database."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("BEGIN IMMEDIATE")
    return db


async def test_the_key_is_in_no_log_and_no_error(start):
    browser, router = start(events_kept=1)
    for body in (b"", b"x", bytes(70 * KIB)):
        _, answer = await post(browser, body)
        assert KEY not in str(answer)
    async with Stranger.come(router.line["port"]) as stranger:
        await stranger.send(request("POST", PATH, "Host: evil.example") + b"\0\0")
        assert KEY.encode() not in await stranger.rest()
    await router.terminate()
    assert KEY not in router.log


def test_the_key_is_in_no_repr():
    assert KEY not in repr(RouterConfig("run", "t" * 16, crowd_events_key=KEY))


@pytest.mark.parametrize("key", ["short", "k" * 201, "with/slash/in/the/middle", "k" * 20 + "é"])
def test_a_key_that_could_be_guessed_or_is_no_path_is_refused(key):
    with pytest.raises(ConfigError, match="crowd_events_key") as refused:
        parse_config({"run_id": RUN_ID, "token": TOKEN, "crowd_events_key": key})
    assert key not in str(refused.value)


def test_of_headers_only_so_many_and_so_long_ones_are_kept():
    many = [(f"X-{number:03}".encode(), b"v") for number in range(99)]
    assert list(kept_headers(many)) == [f"x-{number:03}" for number in range(40)]
    long = [(b"x-" + b"n" * 99, b"v"), (b"x-long", b"v" * 4097), (b"x-fits", b"v" * 4096)]
    assert kept_headers(long) == {"x-fits": "v" * 4096}
    assert kept_headers([(b"x-a", b"1"), (b"X-A", b"\xe9"), (b"xa", b"3")]) == {"x-a": "1, é"}


def test_what_the_operator_has_makes_room_again(tmp_path):
    store = Store.open(tmp_path / "inbox.db", "run1")
    txn, message = Txn(store._db), writes.Message(PacketType.CROWD_EVENT, "{}", 1.0)
    assert [writes.keep_event(txn, message, 2, 99) for _ in range(3)] == [TAKEN, TAKEN, SubmissionResult.CLOSED]
    writes.acknowledge(txn, 1)
    assert [writes.keep_event(txn, message, 2, 99) for _ in range(2)] == [TAKEN, SubmissionResult.CLOSED]
    asyncio.run(store.close())


TAKEN = SubmissionResult.TAKEN
