"""Fires requests at a router, and looks whether it stands.

``python -m tests.security.fuzz --requests 100000 --seed 0``

All go to one router of this machine, over connections that are kept. Nothing may be answered with a 5xx, the
run has to work afterwards, and the router may not have grown much.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import aiohttp
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.router.harness import Browser, RouterProcess, shake_hands, write_config
from tests.security.shots import EVENTS_KEY, Gunner
from tests.security.strangers import hang_up, resident_bytes

PATIENCE = 20.0
GUNS = 8
#: How much a router may grow, whatever is sent to it: its database keeps all that is not taken back.
GROWTH = 96 * 1024 * 1024
LIMITS = {"errors_per_second": 1_000_000, "errors_kept": 1_000_000, "events_per_second": 1_000_000}
SETTINGS = {"content_security_policy": "default-src 'self'", "crowd_events_key": EVENTS_KEY, "limits": LIMITS}


class Tally:
    """What came back."""

    def __init__(self):
        self.requests = self.messages = 0
        self.statuses, self.failures = Counter(), []

    def answered(self, shot, head, body):
        """Note an answer, and what is wrong with it."""
        status = int(head.split(b" ", 2)[1])
        self.requests += 1
        self.statuses[status] += 1
        if status >= 500 or b"content-security-policy" not in head.lower():
            self.failures.append((status, shot.raw[:500], body[:500]))

    def __str__(self):
        statuses = ", ".join(f"{status}: {count:,}" for status, count in sorted(self.statuses.items()))
        return f"{self.requests:,} requests ({statuses}), {self.messages:,} socket messages"


class Gun:
    """One connection that is kept as long as the router keeps it."""

    def __init__(self, address, tally):
        self._address, self._tally = address, tally
        self._reader = self._writer = None

    async def fire(self, shot):
        """Send one shot and wait for what it does."""
        async with asyncio.timeout(PATIENCE):
            if shot.messages:
                await self._fire_messages(shot)
            else:
                await self._fire_request(shot)

    async def _fire_request(self, shot):
        if self._writer is None:
            host, port = self._address.split(":")
            self._reader, self._writer = await asyncio.open_connection(host, port)
        self._writer.write(shot.raw)
        head, body = await self._answer(shot)
        self._tally.answered(shot, head, body)
        # What a spoilt body left behind would be read as the next request.
        if b"connection: close" in head.lower() or b" 4" in head[:12]:
            await self.close()

    async def _answer(self, shot):
        while (head := await self._reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 1"):
            pass
        length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        has_body = length and not shot.raw.startswith(b"HEAD ") and b" 304 " not in head[:14]
        return head, await self._reader.readexactly(int(length[0].split(b":")[1])) if has_body else b""

    async def _fire_messages(self, shot):
        with contextlib.suppress(ConnectionClosed):
            async with connect(f"ws://{self._address}{shot.path}", ping_interval=None) as socket:
                for message in shot.messages:
                    self._tally.messages += 1
                    await socket.send(message)

    async def close(self):
        if self._writer is not None:
            await hang_up(self._writer)
        self._reader = self._writer = None


async def refuse_everybody(operator):
    """Be an operator who has no work, and takes note of everything."""
    while True:
        _, packet = await operator.message()
        request_id = packet["data"].get("request_id")
        if packet["packet_type"] in ("register_agent", "submit_onboarding"):
            await operator.tell("agent_details", request_id, {"request_id": request_id, "agent_id": None})


async def fire(address, operator, shots, guns=GUNS):
    """Fire all shots, several at once; give what came back."""
    tally, queue = Tally(), iter(shots)
    answering = asyncio.create_task(refuse_everybody(operator))

    async def man_a_gun():
        gun = Gun(address, tally)
        try:
            for shot in queue:
                await gun.fire(shot)
        finally:
            await gun.close()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(guns):
                group.create_task(man_a_gun())
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
    return tally


async def make_targets(operator, at_work):
    """Return agents of every kind: many at work, some in their introduction, and some that are gone."""
    statuses = ["in task"] * at_work + ["onboarding", "returned", "completed", "waiting", "expired"]
    return [await operator.give_agent(status=status) for status in statuses]


async def read_schema(address, session):
    """Return the schema that a router publishes."""
    return await (await Browser(address, session).get("/openapi.json")).json()


async def check_that_the_run_goes_on(address, session):
    """Let a worker come, submit and be heard of."""
    async with shake_hands(address) as operator:
        await operator.forget_the_past()
        agent, browser = await operator.give_agent(), Browser(address, session)
        async with browser.socket(agent):
            assert await browser.submit(agent, mood="calm") == (200, {"status": "Submitted!"})
        _, packet = await operator.message("submit_unit")
        assert packet["data"]["final_data"] == {"mood": "calm"}


def shots_of(gunner, requests):
    """Make shots until there are so many requests and messages."""
    made = 0
    while made < requests:
        shot = gunner.shot()
        made += shot.count
        yield shot


async def bombard(router, requests, seed):
    """Fire at a router; give the tally, and how far the router has grown."""
    async with aiohttp.ClientSession() as session:
        async with shake_hands(router.address) as operator:
            agents = await make_targets(operator, at_work=10 + requests // 200)
            before = resident_bytes(router.process.pid)
            gunner = Gunner(await read_schema(router.address, session), agents, random.Random(seed))
            tally = await fire(router.address, operator, shots_of(gunner, requests))
        await check_that_the_run_goes_on(router.address, session)
        return tally, resident_bytes(router.process.pid) - before


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.security.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        write_config(Path(directory), **SETTINGS)
        router, started = RouterProcess(Path(directory)), time.monotonic()
        try:
            tally, growth = asyncio.run(bombard(router, options.requests, options.seed))
            crashes = router.log.count("Traceback")
        finally:
            router.kill()
    seconds = time.monotonic() - started
    print(f"{tally}\nin {seconds:.0f} s; the router grew by {growth / 2**20:.0f} MiB; {crashes} tracebacks in its log")
    for failure in tally.failures[:10]:
        print("FAILED", *failure)
    sys.exit(bool(tally.failures) or growth > GROWTH)


if __name__ == "__main__":
    main()
