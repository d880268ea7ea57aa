"""Thousands of sockets from one address: who only occupies a place gives way, and the run goes on."""

import asyncio
import contextlib
import resource

from websockets.asyncio.client import connect

from tests.router.harness import Browser, close_code, shake_hands
from tests.security.strangers import Stranger, request, resident_bytes, upgrade

MIB = 1024 * 1024


def as_many_as_allowed(wanted):
    """Give how many sockets this machine lets one process have, `wanted` at most."""
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
    """Registrations may wait; those that are too many hear so at once, and a worker's answer still gets in."""
    router = start_router(limits={"pending_requests": 5})
    body = b'{"provider_data":{}}'
    asking = request("POST", "/request_agent", f"Content-Length: {len(body)}", body=body)
    async with crowd(router.line["port"], 12, asking) as strangers:
        refused = [asyncio.create_task(stranger.status()) for stranger in strangers[5:]]
        assert {await status for status in refused} == {429}
        async with shake_hands(router.address) as operator:
            agent = await operator.give_agent()
        assert (await Browser(router.address, session).submit(agent))[0] == 200
