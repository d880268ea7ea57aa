"""Thousands of sockets from one address: who only occupies a place gives way, and the run goes on."""

import asyncio
import contextlib
import json
import math
import resource

import aiohttp
import pytest
from websockets.asyncio.client import connect

from mephisto_nb.router.config import Limits
from mephisto_nb.router.http.connections import Waiting
from tests.router.harness import Browser, close_code, shake_hands
from tests.security.strangers import JSON, Stranger, request, resident_bytes, upgrade

MIB = 1024 * 1024


def as_many_as_allowed(wanted):
    """Return how many sockets this machine lets one process have, `wanted` at most."""
    return min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)


@contextlib.asynccontextmanager
async def crowd(port, count, sent=b""):
    """Open so many raw connections, each of which sends this and then stays."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(standing(port, sent)) for _ in range(count)]


@contextlib.asynccontextmanager
async def standing(port, sent):
    async with Stranger.come(port) as stranger:
        with contextlib.suppress(ConnectionError):
            await stranger.send(sent)
        yield stranger


async def test_thousands_of_idle_connections_leave_the_run_to_its_workers(start_router, session):
    router = start_router(limits={"connections": 500})
    before = resident_bytes(router.process.pid)
    browser = Browser(router.address, session)
    async with shake_hands(router.address) as operator, crowd(router.line["port"], as_many_as_allowed(2000), b"GET "):
        agent = await operator.give_agent()
        async with browser.socket(agent):
            assert (await browser.submit(agent, mood="calm"))[0] == 200
        assert resident_bytes(router.process.pid) - before < 48 * MIB


async def test_thousands_of_nameless_sockets_leave_the_run_to_its_workers(start_router, session):
    router = start_router(limits={"sockets": 50})
    before = resident_bytes(router.process.pid)
    browser = Browser(router.address, session)
    async with shake_hands(router.address) as operator, crowd(router.line["port"], 300, upgrade()) as strangers:
        agent = await operator.give_agent()
        async with browser.socket(agent):
            assert (await browser.submit(agent, mood="calm"))[0] == 200
        assert b"too many sockets" in await strangers[0].rest()
        assert resident_bytes(router.process.pid) - before < 64 * MIB


HALF_A_BODY = request("POST", "/submit_task", JSON, "Content-Length: 1000", body=b"{")
PIPELINED = request("GET", "/is_alive") + HALF_A_BODY


@pytest.mark.parametrize(
    "opening",
    [HALF_A_BODY, PIPELINED, upgrade(), upgrade("/operator")],
    ids=["half a body", "half a body behind a request", "sockets", "operators"],
)
async def test_whoever_only_occupies_a_place_gives_way(start_router, session, opening):
    """The socket of an agent, and the operator's, are older than all of them, and stay."""
    router = start_router(limits={"connections": 60, "sockets": 40})
    browser = Browser(router.address, session)
    async with shake_hands(router.address) as operator:
        agent = await operator.give_agent()
        async with browser.socket(agent) as page, crowd(router.line["port"], 100, opening):
            assert (await browser.submit(agent, mood="calm"))[0] == 200
            await page.send("heartbeat", agent)
            assert (await page.receive())["packet_type"] == "heartbeat"
            await operator.give_agent()


async def test_whoever_does_not_read_gives_way(start_router, session):
    router = start_router(limits={"connections": 60})
    (router.directory / "site" / "film.bin").write_bytes(bytes(16 * MIB))
    browser = Browser(router.address, session)
    async with shake_hands(router.address) as operator, crowd(router.line["port"], 100, request("GET", "/film.bin")):
        agent = await operator.give_agent()
        async with asyncio.timeout(20):
            # As long as all of them are being served, a page has to try again.
            while not await is_taken(browser, agent):
                pass


async def is_taken(browser, agent):
    with contextlib.suppress(aiohttp.ClientError):
        return (await browser.submit(agent, mood="calm"))[0] == 200
    return False


async def test_sockets_that_an_agent_has_too_many_of_keep_nobody_out(start_router, session):
    """They are closed, and wait for a browser that never answers."""
    router = start_router(limits={"connections": 60})
    browser = Browser(router.address, session)
    async with shake_hands(router.address) as operator:
        agent = await operator.give_agent()
        alive = json.dumps({"packet_type": "alive", "subject_id": agent, "data": {}}).encode()
        async with crowd(router.line["port"], 100, upgrade() + masked(alive)):
            assert (await browser.submit(agent, mood="calm"))[0] == 200


def masked(payload):
    """Write a text frame of a client, of any usual length."""
    return bytes([0x81, 0xFE, len(payload) >> 8, len(payload) & 255]) + bytes(4) + payload


class Place:
    """A connection that gave way, or not."""

    def __init__(self):
        self.transport, self.is_there = self, True

    def abort(self):
        self.is_there = False


@pytest.mark.parametrize(("open_files", "stay"), [(203, 2), (1000, 4), (math.inf, 4), (10, 1)])
def test_there_are_no_more_connections_than_files_may_be_open(open_files, stay):
    waiting, places = Waiting(Limits(connections=4), open_files), [Place() for _ in range(6)]
    for place in places:
        waiting.add(place, open_connections=1 + sum(one.is_there for one in places[: places.index(place)]))
    assert [place.is_there for place in places] == [False] * (6 - stay) + [True] * stay


def test_one_newcomer_over_the_limit_waits_while_all_are_served():
    waiting, newcomer = Waiting(Limits(connections=4)), Place()
    waiting.add(newcomer, open_connections=5)
    assert newcomer.is_there
    waiting.add(Place(), open_connections=6)
    assert not newcomer.is_there


async def test_a_stranger_at_the_operators_door_says_little(router):
    async with connect(f"ws://{router.address}/operator") as door:
        await door.send("x" * 70_000)
        assert await close_code(door) == 1009


async def test_the_operator_may_say_much(operator):
    await operator.give_agent(init_task_data={"text": "x" * 2_000_000})


async def test_sockets_that_speak_for_agents_do_not_give_way(start_router, session):
    router = start_router(limits={"sockets": 2})
    browser = Browser(router.address, session)
    async with shake_hands(router.address) as operator:
        first, second = [await operator.give_agent() for _ in range(2)]
        async with browser.socket(first), browser.socket(second) as newest, browser.socket() as refused:
            assert await close_code(refused.socket) == 1008
            assert refused.socket.close_reason == "too many sockets"
            await newest.send("heartbeat", second)
            assert (await newest.receive())["packet_type"] == "heartbeat"


async def test_strangers_at_the_operators_door_do_not_keep_the_operator_out(router):
    async with contextlib.AsyncExitStack() as stack:
        doors = [await stack.enter_async_context(connect(f"ws://{router.address}/operator")) for _ in range(40)]
        async with shake_hands(router.address) as operator:
            await operator.give_agent()
        assert await close_code(doors[0]) == 4408


async def test_a_stranger_who_waits_with_requests_can_be_outwaited(start_router, session):
    """Registrations may wait; those that are too many, the oldest, hear so, and a worker's answer still gets in."""
    router = start_router(limits={"pending_requests": 5})
    body = b'{"provider_data":{}}'
    asking = request("POST", "/request_agent", JSON, f"Content-Length: {len(body)}", body=body)
    async with crowd(router.line["port"], 12, asking) as strangers:
        statuses = [asyncio.create_task(stranger.status()) for stranger in strangers]
        refused = {await status for _, status in zip(range(7), asyncio.as_completed(statuses), strict=False)}
        async with shake_hands(router.address) as operator:
            agent = await operator.give_agent()
        assert (await Browser(router.address, session).submit(agent))[0] == 200
        for status in statuses:
            status.cancel()
        await asyncio.gather(*statuses, return_exceptions=True)
    assert refused == {429}
