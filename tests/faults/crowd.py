"""Workers who write down everything that they are told, and whose pages do all that real pages do."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import RouterError
from mephisto_nb.testing.page_client import PageClient
from mephisto_nb.testing.simulated_workers import SimulatedWorker
from tests.faults.faulty_link import passes
from tests.faults.plan import Plan
from tests.faults.talk import Talk

#: For how long a worker tries again what is not answered.
_PATIENCE = 45.0
_ABSURD = [-1e300, 0, 4102444800000, "yesterday", None]


@dataclass
class Told:
    """What workers sent, and what they were told.

    By agent: `sent` are its answers, `received` those that were answered 2xx (and whether the router called them
    a repetition), `refused` those that were not taken, and why, `reloads` the agents that its page got when it was
    reloaded, `metadata` what else was received, `talks` what was said and heard. `returned` agents were told that their
    unit is back.
    """

    agents: dict[str, str] = field(default_factory=dict)
    sent: dict[str, list[JSONObject]] = field(default_factory=dict)
    received: dict[str, list[tuple[JSONObject, bool]]] = field(default_factory=dict)
    refused: dict[str, list[tuple[Any, str]]] = field(default_factory=dict)
    reloads: dict[str, list[str | None]] = field(default_factory=dict)
    metadata: dict[str, list[JSONObject]] = field(default_factory=dict)
    returned: set[str] = field(default_factory=set)
    statuses: dict[str, list[str]] = field(default_factory=dict)
    talks: dict[str, Talk] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


class Crowd:
    """The workers of one run.

    `on_progress` is called with the number of answers that were acknowledged, after each of them.
    """

    def __init__(self, plan: Plan, url: str, on_progress: Callable[[int], None]) -> None:
        self.plan, self.url, self.told = plan, url, Told()
        self._on_progress = on_progress
        self._chance = random.Random(f"crowd {plan.seed}")
        self._arrivals, self._registrations = count(1), count(1)
        self._acknowledged = 0

    async def work(self) -> None:
        """Work for ever: whoever is told that there is nothing to do comes again."""
        async with PageClient() as session, asyncio.TaskGroup() as group:
            for index in range(self.plan.workers):
                worker = SimulatedWorker(f"w{index}", self.url, session, patience=_PATIENCE)
                group.create_task(self._live(worker))

    async def _live(self, worker: SimulatedWorker) -> None:
        while True:
            try:
                await self._one_unit(worker)
            except RouterError as error:
                self.told.errors.append(f"{worker.name}: {error}")
                await passes(0.5)

    async def _one_unit(self, worker: SimulatedWorker) -> None:
        registration = f"r{next(self._registrations)}"
        details = await worker.register(registration)
        agent_id = details["agent_id"]
        if agent_id is None:
            if details["failure_code"] not in ("no_available_units", "run_over"):
                self.told.errors.append(f"{worker.name} was refused: {details['failure_reason']}")
            await passes(0.15)
            return
        self.told.agents[agent_id] = worker.name
        page = Page(self, worker, registration, agent_id, random.Random(f"{self.plan.seed} {registration}"))
        kind = self.plan.pages.get(next(self._arrivals), "submit")
        await passes(self._chance.uniform(0.0, 0.03))
        await getattr(page, kind)()

    def acknowledged(self) -> None:
        """Count one more answer."""
        self._acknowledged += 1
        self._on_progress(self._acknowledged)


@dataclass
class Page:
    """One worker's page with one unit; what may happen to it are the methods named in `plan.PAGE_FAULTS`."""

    crowd: Crowd
    worker: SimulatedWorker
    registration: str
    agent_id: str
    chance: random.Random

    async def submit(self, note: Any = None) -> None:
        """Send an answer, and again until the router answers."""
        told, agent_id = self.crowd.told, self.agent_id
        answer = {"by": self.worker.name, "agent": agent_id, "registration": self.registration, "note": note}
        told.sent.setdefault(agent_id, []).append(answer)
        try:
            packet = await self.worker.submit(agent_id, answer)
        except RouterError as error:
            if ": 409 " not in str(error):
                raise
            told.refused.setdefault(agent_id, []).append((answer, str(error)))
            return
        told.received.setdefault(agent_id, []).append((answer, bool(packet.get("duplicate"))))
        if len(told.received[agent_id]) == 1:
            self.crowd.acknowledged()

    async def page_reloaded(self) -> None:
        await self._reload()
        await self.submit()

    async def _reload(self) -> None:
        again = (await self.worker.register(self.registration))["agent_id"]
        if again is not None:
            self.crowd.told.agents[again] = self.worker.name
        self.crowd.told.reloads.setdefault(self.agent_id, []).append(again)
        if again is not None:
            self.agent_id = again

    async def page_doubled(self) -> None:
        await asyncio.gather(self._reload(), self._reload())
        await asyncio.gather(self.submit("left tab"), self.submit("right tab"))

    async def submitted_twice(self) -> None:
        await asyncio.gather(self.submit(), self.submit())

    async def page_listening(self) -> None:
        """Keep a socket, as the real page does, and write down what it says of the agent."""
        try:
            async with self.worker.session.open_socket(self.worker.url) as socket:
                for kind in ("alive", "heartbeat"):
                    await socket.send_json({"packet_type": kind, "subject_id": self.agent_id, "data": {}})
                    while "status" not in (packet := await asyncio.wait_for(socket.receive_json(), 10))["data"]:
                        pass  # what the task's code says
                    self.crowd.told.statuses.setdefault(self.agent_id, []).append(packet["data"]["status"])
        except ConnectionError:
            pass  # the router went away; the page goes on without a socket, and opens another later
        await self.submit()

    async def page_talking(self) -> None:
        """Talk to the task's code first."""
        talk = self.crowd.told.talks[self.agent_id] = Talk(self.worker, self.agent_id, self.registration)
        await talk.to_its_end()
        await self.submit()

    async def page_hanging(self) -> None:
        """Have the task's code hang, which is none of the worker's fault."""
        with contextlib.suppress(ConnectionError):
            await Talk(self.worker, self.agent_id, self.registration).hang_the_code()
        await self.submit()

    async def asleep(self) -> None:
        await passes(self.chance.uniform(0.3, 2.0))
        await self.submit()

    async def offline(self) -> None:
        """Lose the answer to an answer; the page keeps it, and sends it again later."""
        sending = asyncio.create_task(self.submit())
        await passes(self.chance.uniform(0.0, 0.02))
        sending.cancel()
        await asyncio.wait({sending})
        await passes(self.chance.uniform(0.1, 0.8))
        await self.submit()

    async def returned(self) -> None:
        try:
            await self.worker.give_back(self.agent_id)
        except RouterError as error:
            if ": 409 " not in str(error):
                raise
        else:
            self.crowd.told.returned.add(self.agent_id)
        if self.chance.random() < 0.5:
            await self.submit("after all")

    async def dropped_out(self) -> None:
        """Leave without a word."""

    async def wrong_client_clock(self) -> None:
        """Say what time it is, wrongly."""
        metadata = {"timestamp": self.chance.choice(_ABSURD), "agent": self.agent_id}
        try:
            await self.worker.post("/submit_metadata", {"USED_AGENT_ID": self.agent_id, "metadata": metadata})
        except RouterError as error:
            if ": 409 " not in str(error):  # said no, because the run has ended: it was not received
                raise
        else:
            self.crowd.told.metadata.setdefault(self.agent_id, []).append(metadata)
        await self.submit({"started": self.chance.choice(_ABSURD), "ended": self.chance.choice(_ABSURD)})
