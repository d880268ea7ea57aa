"""Conversations, many at once: how long a message takes from one person to the other, through the task's code."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from contextlib import AsyncExitStack
from subprocess import PIPE
from typing import Any

from mephisto_nb.testing.page_client import PageClient, PageSocket
from mephisto_nb.testing.simulated_workers import SimulatedWorker
from tests.benchmarks.harness import Figure, launched
from tests.faults.faulty_link import passes

MANY, ROUNDS = 100, 8
#: How long a person thinks before they write, in seconds.
THINKING = 2.0


async def chats() -> list[Figure]:
    alone, many = [await _median(count) for count in (1, MANY)]
    what = f"a message to the partner and one back, {MANY} conversations at once"
    return [Figure(what, many, "ms", alone, "one conversation", "≤ 3")]


async def _median(conversations: int) -> float:
    async with launched(conversations, "chat", {"conversation": relay}) as run:
        command = (sys.executable, "-m", "tests.benchmarks.chat_bench", run.url, str(conversations))
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
        output, _ = await process.communicate()
    seconds: list[float] = json.loads(output)
    assert len(seconds) == conversations * ROUNDS, len(seconds)
    return 1000 * statistics.median(seconds)


async def relay(data: Any, agents: Any) -> None:
    """Let everybody hear everybody."""
    while True:
        agent, message = await agents.get_live_update()
        await agents.observe({"text": message["text"], "id": agent.name}, but=agent)


class Person:
    """One side of a conversation."""

    def __init__(self, agent_id: str, socket: PageSocket) -> None:
        self._agent_id, self._socket = agent_id, socket

    async def say(self, text: str) -> None:
        data = {"update_id": text, "text": text}
        packet = {"packet_type": "mephisto_bound_live_update", "subject_id": self._agent_id, "data": data}
        await self._socket.send_json(packet)

    async def hear(self, text: str) -> None:
        while (await self._socket.receive_json())["data"].get("text") != text:
            pass


async def arrive(name: str, url: str, session: PageClient, sockets: AsyncExitStack) -> Person:
    agent_id = (await SimulatedWorker(name, url, session).register())["agent_id"]
    socket = await sockets.enter_async_context(session.open_socket(url))
    await socket.send_json({"packet_type": "alive", "subject_id": agent_id, "data": {}})
    return Person(agent_id, socket)


async def converse(ann: Person, bob: Person, index: int) -> list[float]:
    seconds = []
    for number in range(ROUNDS):
        await passes(THINKING * ((index * 37 % 100) / 100 if number == 0 else 1))
        start = time.perf_counter()
        await ann.say(f"{index}-{number} there")
        await bob.hear(f"{index}-{number} there")
        await bob.say(f"{index}-{number} back")
        await ann.hear(f"{index}-{number} back")
        seconds.append(time.perf_counter() - start)
    return seconds


async def main(url: str, conversations: int) -> list[float]:
    async with PageClient() as session, AsyncExitStack() as sockets:
        # One after the other, so that it is known who sits with whom.
        people = [await arrive(f"{index}", url, session, sockets) for index in range(2 * conversations)]
        pairs = zip(people[::2], people[1::2], strict=True)
        found = await asyncio.gather(*(converse(ann, bob, index) for index, (ann, bob) in enumerate(pairs)))
    return [one for seconds in found for one in seconds]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], int(sys.argv[2])))))
