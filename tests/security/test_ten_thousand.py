"""Ten thousand connections from one address, held open: ``make load`` (some tens of seconds)."""

import asyncio
import contextlib
import resource
import secrets
import time

import aiohttp
import pytest

from tests.router.harness import Browser, shake_hands
from tests.security.strangers import JSON, request, resident_bytes, upgrade

pytestmark = [pytest.mark.load, pytest.mark.timeout(300)]

COUNT = 10_000
#: What this process needs beside them.
SPARE = 200
AT_ONCE = 200
MIB = 1024 * 1024
#: How much the router may grow, and how long a worker may wait amid the crowd, in seconds.
GROWTH, PATIENCE = 400 * MIB, 5.0


@pytest.fixture(autouse=True)
def many_files():
    """Let this process have so many sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < COUNT + SPARE:
        pytest.skip(f"this machine lets a process have {hard:,} open files, and {COUNT + SPARE:,} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, COUNT + SPARE), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
async def session():
    """A browser that opens a connection for each request: one that waits for its next request may give way."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield session


class Idle(asyncio.Protocol):
    """A connection that sends its opening, and then only listens."""

    def __init__(self, opening):
        self._opening, self.lost = opening, False

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self._opening)

    def connection_lost(self, error):
        self.lost = True


@contextlib.asynccontextmanager
async def crowd(port, opening):
    """Open all of them, some hundred at a time."""
    loop, gate, standing = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE), []

    async def come():
        async with gate:
            standing.append((await loop.create_connection(lambda: Idle(opening), "127.0.0.1", port))[1])

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(COUNT):
                group.create_task(come())
        yield standing
    finally:
        for one in standing:
            one.transport.abort()
        while not all(one.lost for one in standing):
            await asyncio.sleep(0)


async def work(operator, browser):
    """Let a worker register, speak on a socket and submit; give how long that took."""
    started = time.monotonic()
    asking = browser.request_agent()
    _, packet = await operator.message("register_agent")
    request_id, agent = packet["data"]["request_id"], f"agent_{secrets.token_hex(4)}"
    details = {"request_id": request_id, "agent_id": agent, "worker_id": "w", "status": "in task"}
    await operator.tell("agent_details", request_id, details)
    assert (await asking)[1]["data"]["agent_id"] == agent
    async with browser.socket(agent):
        assert await browser.submit(agent, mood="calm") == (200, {"status": "Submitted!"})
    await operator.message("submit_unit")
    return time.monotonic() - started


OPENINGS = {
    "silent": b"",
    "half a head": b"POST /submit_task HTTP/1.1\r\nHost: x\r\n",
    "half a body": request("POST", "/submit_task", JSON, "Content-Length: 1000", body=b"{"),
    "kept alive": request("GET", "/is_alive"),
    "two at once": request("GET", "/is_alive") + request("POST", "/log_error", JSON, "Content-Length: 9", body=b"{"),
    "sockets": upgrade(),
    "operators": upgrade("/operator"),
}


@pytest.mark.parametrize("opening", OPENINGS.values(), ids=OPENINGS)
async def test_ten_thousand_connections_leave_the_run_to_its_workers(start_router, session, opening):
    router = start_router()
    browser, before = Browser(router.address, session), resident_bytes(router.process.pid)
    async with shake_hands(router.address) as operator:
        alone = await work(operator, browser)
        started = time.monotonic()
        async with crowd(router.line["port"], opening) as standing:
            came = time.monotonic() - started
            amid = await work(operator, browser)
            grown, held = resident_bytes(router.process.pid) - before, sum(not one.lost for one in standing)
        afterwards = await work(operator, browser)
    print(
        f"\n{COUNT:,} came in {came:.1f} s, {held:,} of them are held; the router grew by {grown / MIB:.0f} MiB; "
        f"a worker took {alone:.3f} s before, {amid:.3f} s amid them, {afterwards:.3f} s afterwards"
    )
    assert grown < GROWTH
    assert max(amid, afterwards) < PATIENCE
    assert "Traceback" not in router.log
