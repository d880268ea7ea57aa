"""One seed of a study that is going on: kernel and router die while people come, answer, and are paid."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from typing import Any

from mephisto_nb.testing.page_client import PageClient
from mephisto_nb.testing.prolific import Crowd, Participant
from mephisto_nb.testing.simulated_workers import SimulatedWorker
from tests.crowd_faults.story import PATIENCE, Story
from tests.faults.faulty_link import passes
from tests.kernel.runs import ABOUT, rows

#: What goes wrong by chance while people are there: what keeps nobody out for good.
_SHARES_MEANWHILE = 0.3


class LiveStory(Story):
    """One seed: people answer in a run that is going on, and are decided on; then as in any story."""

    def _clock(self) -> None:
        """A router checks what a crowd has signed by the real time."""

    async def _answer(self) -> None:
        people = self._crowd.participants(self._chance.randint(2, 5), seed=self._outcome.seed)
        self._url, self._run, self._to_kernel = "", None, None
        self._strikes = self._chance.randint(1, 4)
        self._driving = asyncio.Event()
        async with asyncio.timeout(2 * PATIENCE), asyncio.TaskGroup() as group:
            group.create_task(self._keep_kernels(len(people)))
            await self._driving.wait()
            self._mishaps.strike = self._strike
            self._mishaps.shares.update({one: _SHARES_MEANWHILE * share for one, share in self.SHARES.items()})
            self._aim()
            group.create_task(self._come(people))
        self._mishaps.strike = self._kill_kernel
        self._kill_router()  # the one that tells late-comers that the run is over: nobody comes any more

    async def _come(self, people: Crowd) -> None:
        await people.come(self._work)
        for one in people:
            self._people[one.id] = str(one.submission_id)
        # What they did is known by now; the rest of the run goes on in peace, or would never end.
        self._strikes = 0
        self._mishaps.shares.clear()

    async def _work(self, entry_url: str, one: Participant) -> str | None:
        async with PageClient() as browser:
            person = SimulatedWorker(one.id, self._url, browser, link=entry_url)
            shown = await _register(person)
            while agent_id := shown["agent_id"]:
                self._perhaps_strike()
                await person.submit(agent_id, {"mood": "glad"})
                self._perhaps_strike()
                shown = await _register(person)
            self._tell(self._decide(one.id))
            code = (shown.get("exit") or {}).get("code")
            return str(code) if code else None

    # -- kernels, one after the other ------------------------------------------------------------------------------

    async def _keep_kernels(self, people: int) -> None:
        """Start a kernel whenever there is none, until one says that the run is over."""
        fields = {**ABOUT, "task_reward": 1.5, "currency": "GBP", "task_name": "moods"}
        own = {"base_url": self._crowd.url, "estimated_minutes": 10}
        task = {"provider_args": own, "task": fields}
        over = False
        while not over:
            self._lines = lines = asyncio.Queue()
            self._zygote.fork({**self._order(), "run": self._run, "task": task, "units": rows(people)})
            while (told := await lines.get()) is not None:
                over = over or "over" in told
                self._pid = told.get("pid", self._pid)
                if "run" in told:
                    self._run, self._url = told["run"], told["url"]
                    self._driving.set()
            self._pid = None
            if not self._driving.is_set():
                raise RuntimeError("The run was not launched.")
        await self._requests.none()

    def _tell(self, decision: dict[str, Any]) -> None:
        """Have the kernel decide, if there is one; else it is decided later."""
        if self._pid is not None:
            self._to_kernel.write(f"{json.dumps(decision)}\n".encode())

    # -- deaths ----------------------------------------------------------------------------------------------------

    def _aim(self) -> None:
        if self._strikes > 0:
            self._mishaps.arm(self._chance.randint(0, 10), before=self._chance.random() < 0.5)

    def _perhaps_strike(self) -> None:
        if self._chance.random() < 0.2:
            self._strike()

    def _strike(self) -> bool:
        """Kill the kernel, the router, or both; say whether the kernel died, who then never hears the answer."""
        if self._strikes <= 0:
            return False
        self._strikes -= 1
        what = self._chance.choice(["kernel", "router", "both"])
        if what != "kernel":
            self._outcome.mishaps["the router dies"] += self._kill_router()
        died = what != "router" and self._kill_kernel()
        self._aim()
        return died

    def _kill_router(self) -> int:
        """Kill it, and return how many there were."""
        killed = 0
        for path in self._folder.glob("**/router.json"):
            with contextlib.suppress(ProcessLookupError, ValueError, KeyError):
                os.kill(int(json.loads(path.read_text())["pid"]), signal.SIGKILL)
                killed += 1
        return killed


async def _register(person: SimulatedWorker) -> dict[str, Any]:
    """Ask for a unit, again and again where what is in the way may pass, as a page does."""
    while (shown := await person.register()).get("may_pass"):
        await passes(0.2)
    return shown
