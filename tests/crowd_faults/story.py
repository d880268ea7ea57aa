"""One seed: people have handed in, a researcher decides and pays, and everything fails that can."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from mephisto_nb.config.hydra_config import compose
from mephisto_nb.config.task_run_settings import resolve_config
from mephisto_nb.model import changes as c
from mephisto_nb.model.money import Money
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.states import AgentStatus, UnitStatus
from mephisto_nb.model.visits import Visit
from mephisto_nb.ports.clock import Clock
from mephisto_nb.storage.sql_database import SQLDatabase
from mephisto_nb.testing.contracts._samples import SampleRun, change_agent, change_unit
from mephisto_nb.testing.fake_clock import FakeClock
from mephisto_nb.testing.prolific import Mishap, Mishaps, ProlificStandIn, StandInSettings
from mephisto_nb.utils.ids import new_id
from tests.faults.zygote import Zygote
from tests.kernel.runs import ABOUT
from tests.prolific import BEGIN, REASON, draft

REWARD = Money.of("1.50", "GBP")
#: What goes wrong by chance, while anything does.
_SHARES = {
    Mishap.TOO_MANY: 0.05, Mishap.ERROR: 0.03, Mishap.BAD_GATEWAY: 0.02, Mishap.CUT_BEFORE: 0.03,
    Mishap.ERROR_AFTER: 0.04, Mishap.GARBAGE_AFTER: 0.04, Mishap.LOST_AFTER: 0.06, Mishap.HANG_AFTER: 0.02,
}  # fmt: skip
#: So long may a kernel take at most (seconds).
PATIENCE = 60.0


class Deadly(Mishaps):
    """Mishaps, one of which is a death: as a request is there, before it is carried out, or after."""

    def arm(self, at: int, *, before: bool) -> None:
        """Have somebody die at the next request but so many."""
        self.left, self.dies_before = at, before

    left: int = -1
    dies_before: bool = True
    #: Kills them; returns whether anybody has died, for whom the answer is lost.
    strike: Callable[[], bool] = staticmethod(lambda: False)

    def of_request(self, method: str, path: str) -> Mishap | None:
        """Return what happens to a request."""
        if self.left == 0 and self.strike():
            self.left = -1
            return Mishap.CUT_BEFORE if self.dies_before else Mishap.LOST_AFTER
        self.left -= self.left > 0
        return super().of_request(method, path)


class InFlight:
    """Counts the requests that a stand-in is carrying out."""

    def __init__(self, crowd: ProlificStandIn) -> None:
        door = crowd._door
        assert door is not None
        self._app, self._number, self._idle = door._app, 0, asyncio.Event()
        self._idle.set()
        door._app = self

    async def __call__(self, *request: Any) -> None:
        self._number += 1
        self._idle.clear()
        try:
            await self._app(*request)
        finally:
            self._number -= 1
            if not self._number:
                self._idle.set()

    async def none(self) -> None:
        """Wait until all is carried out that a kernel asked for which is gone: some of it may lie unread."""
        for _ in range(100):  # turns of the loop, in which the server takes up what was sent
            await asyncio.sleep(0)
        await self._idle.wait()


@dataclass
class StoryOutcome:
    """What came of a seed: what is wrong, and what has happened on the way."""

    seed: int
    problems: list[str] = field(default_factory=list)
    mishaps: Counter[str] = field(default_factory=Counter)
    doubts: int = 0
    payments: int = 0


class Story:
    """One seed.

    Parameters
    ----------
    seed
        Of all that is left to chance.
    zygote
        Forks kernels.
    """

    SHARES = _SHARES

    def __init__(self, seed: int, zygote: Zygote) -> None:
        self._chance, self._zygote = random.Random(seed), zygote
        self._outcome = StoryOutcome(seed)
        self._mishaps = Deadly(seed)
        self._mishaps.strike = self._kill_kernel
        self._pid: int | None = None  # of the kernel
        self._people: dict[str, str] = {}  # participants, and their submissions
        self._decided: dict[str, tuple[str, int]] = {}  # participants: the verdict, and the bonus
        self._decisions: dict[str, dict[str, Any]] = {}  # the same, as kernels are told it

    async def tell(self) -> StoryOutcome:
        """Run it, and return what came of it."""
        settings = StandInSettings(balance=1_000_000, publishing=0, processing=0)
        async with ProlificStandIn(settings, self._mishaps, clock=self._clock(), seed=self._outcome.seed) as crowd:
            with tempfile.TemporaryDirectory() as folder:
                self._crowd, self._folder, self._requests = crowd, Path(folder), InFlight(crowd)
                (self._folder / "data").mkdir(mode=0o700)
                server = await asyncio.start_server(self._listen, "127.0.0.1", 0)
                self._port = server.sockets[0].getsockname()[1]
                async with server:
                    await self._answer()
                    await self._research()
                self._check()
        self._outcome.mishaps.update(str(mishap) for mishap, _ in self._mishaps.happened)
        return self._outcome

    # -- before --------------------------------------------------------------------------------------------------

    def _clock(self) -> Clock | None:
        return FakeClock(BEGIN)

    async def _answer(self) -> None:
        """Have people answer, in a run that is over then."""
        self._store(await self._hand_in())

    async def _hand_in(self) -> str:
        """Have people hand in; return the study."""
        fields = draft(total_available_places=6, reward=REWARD.units)
        world, crowd = self._crowd, self._crowd
        study = await _ask(world, "POST", "/studies/", fields)
        await _ask(world, "POST", f"/studies/{study['id']}/transition/", {"action": "PUBLISH"})
        crowd.advance(10)
        for person in crowd.participants(self._chance.randint(2, 5), seed=self._outcome.seed):
            person.begin(str(study["id"]))
            crowd.advance(600)
            person.hand_in("C7K2Q9ZD")
            self._people[person.id] = str(person.submission_id)
        crowd.advance(60)
        return str(study["id"])

    def _store(self, study: str) -> None:
        """Store an ended run of these people, as a kernel left it."""
        task = {**ABOUT, "task_reward": 1.5, "currency": "GBP", "task_name": "moods"}
        own = {"base_url": self._crowd.url, "estimated_minutes": 10}
        config = resolve_config(compose("mock", provider="prolific", provider_args=own, task=task)).as_dict()
        database = SQLDatabase(f"sqlite:///{self._folder / 'data' / 'mephisto_nb.db'}")
        about = {"ended_at": BEGIN, "config": config, "generator_done": True, "currency": "GBP"}
        run = SampleRun(database, task_name="moods", provider_type="prolific", **about)
        for name, submission in self._people.items():
            worker, unit = run.add_worker(name), run.add_unit(pay=REWARD)
            times = {"begun_at": BEGIN - 60, "deadline": BEGIN, "ended_at": BEGIN, "outcome": Outcome.COMPLETED}
            visit = Visit(
                new_id(), worker.worker_id, submission, {"study": study}, asked=1, **times, told_at=BEGIN, reward=REWARD
            )
            run.commit(c.AddVisit(visit), change_unit(unit, UnitStatus.LAUNCHED))
            agent = run.add_agent(unit, worker, registration_id=submission, visit_id=visit.visit_id)
            agent.status = AgentStatus.IN_TASK
            run.commit(
                c.AddSubmission(c.Submission(agent.agent_id, {"mood": "glad"}, 1003.0)),
                change_agent(agent, AgentStatus.COMPLETED),
                change_unit(unit, UnitStatus.COMPLETED, agent),
            )
        self._run = run.id
        database.close()

    # -- the kernels ---------------------------------------------------------------------------------------------

    async def _research(self) -> None:
        decisions = [self._decide(name) for name in self._people]
        self._mishaps.shares.update(_SHARES)
        self._mishaps.burst = self._chance.choice([0, 3])
        for _ in range(self._chance.randint(1, 4)):
            self._mishaps.arm(self._chance.randint(0, 12), before=self._chance.random() < 0.5)
            await self._kernel(decisions=decisions)
            self._crowd.advance(self._chance.choice([1, 60, 1000]))
        self._mishaps.shares.clear()
        self._mishaps.burst = self._mishaps._left_of_burst = 0
        self._mishaps.left = -1
        self._crowd.advance(1000)
        told = await self._kernel(decisions=decisions)
        self._crowd.advance(1000)
        for _ in range(2):  # what a person says may lead to one more request
            told = await self._kernel()
            doubts = [row for row in told["ledger"] if row["in_doubt"]]
            self._look_at_doubts(told, doubts)
            if not doubts:
                break
            told = await self._kernel(settle=self._look_up(told["ledger"], doubts))
            self._crowd.advance(1000)
        self._told = told
        self._crowd.advance(1000)  # what was paid last arrives

    def _decide(self, name: str) -> dict[str, Any]:
        """Decide on somebody's answer, and on their bonus, once and for all."""
        if name in self._decisions:
            return self._decisions[name]
        verdict = self._chance.choice(["approve", "approve", "approve", "reject"])
        bonus = self._chance.choice([0, 20, 20, 50]) if verdict == "approve" else 0
        self._decided[name] = verdict, bonus
        extras: dict[str, Any] = {"bonus": f"{bonus / 100:.2f}"} if bonus else {}
        if verdict == "reject":
            extras = {"message": REASON, "category": "LOW_EFFORT"}
        self._decisions[name] = {"verdict": verdict, "worker": name, "extras": extras}
        return self._decisions[name]

    def _look_at_doubts(self, told: dict[str, Any], doubts: list[dict[str, Any]]) -> None:
        """A person is asked of each, and told both possibilities, and what to type."""
        self._outcome.doubts += len(doubts)
        said = "\n".join(told["troubles"])
        for doubt in doubts:
            call = f"operator.ledger.settle('{doubt['payment_id']}', paid=True), or paid=False"
            if call not in said or "would pay it twice" not in said or "still owed" not in said:
                self._outcome.problems.append(f"a doubt nobody is asked of as they should be: {said!r}")

    def _look_up(self, ledger: list[dict[str, Any]], doubts: list[dict[str, Any]]) -> dict[str, bool]:
        """Say of each payment in doubt whether it was made, as a person sees it on the crowd's own page."""
        left: Counter[tuple[str, int]] = Counter()
        for payment in self._crowd.books.payments:
            if payment.kind == "bonus":
                left[payment.participant_id, payment.price.amount] += 1
        for row in ledger:
            if row["kind"] != "reward" and row["status"] in ("sent", "confirmed"):
                left[row["worker_name"], round(row["amount"] * 100)] -= 1
        found = {}
        for doubt in doubts:
            like = doubt["worker_name"], round(doubt["amount"] * 100)
            found[doubt["payment_id"]] = left[like] > 0
            left[like] -= 1
        return found

    async def _kernel(self, **work: Any) -> dict[str, Any]:
        """Fork a kernel, and return what it told; nothing if it was killed."""
        lines: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._lines = lines
        self._zygote.fork({**self._order(), "run": self._run, **work})
        async with asyncio.timeout(PATIENCE):
            self._pid = int((await lines.get() or {})["pid"])
            told = await lines.get()
            if told is not None:
                await lines.get()  # it has ended
        self._pid = None
        await self._requests.none()
        return told or {}

    def _order(self) -> dict[str, Any]:
        """Return what every kernel is told."""
        environment = {
            "PROLIFIC_TOKEN": self._crowd.token.reveal(),
            "MEPHISTO_CONFIG": str(self._folder / "config.yml"),
        }
        place = {"data_dir": str(self._folder / "data"), "port": self._port, "environment": environment}
        return {**place, "now": self._crowd.clock.now(), "seed": self._outcome.seed}

    def _kill_kernel(self) -> bool:
        if self._pid is None:
            return False
        self._outcome.mishaps["the kernel dies"] += 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        return True

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines, self._to_kernel = self._lines, writer
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                lines.put_nowait(json.loads(line))
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        lines.put_nowait(None)

    # -- after ---------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        books, problems = self._crowd.books, self._outcome.problems
        problems += books.problems()
        ledger = self._told["ledger"]
        self._outcome.payments = len(ledger)
        for name, submission in self._people.items():
            verdict, bonus = self._decided[name]
            paid = sorted((one.kind, one.price.amount) for one in books.of_submission(submission))
            wanted = [("bonus", bonus)] if bonus else []
            wanted += [("reward", REWARD.units)] if verdict == "approve" else []
            if paid != sorted(wanted):
                problems.append(f"{submission} was to be paid {wanted}, and was paid {paid}")
            ours = sorted((row["kind"], round(row["amount"] * 100)) for row in ledger if row["worker_name"] == name)
            if ours != sorted(wanted):
                problems.append(f"{submission} was to be paid {wanted}, and the ledger has {ours}")
            if verdict == "reject" and self._crowd.world.submissions[submission].status != "REJECTED":
                problems.append(f"{submission} was to be rejected")
        if left := [row for row in ledger if row["status"] not in ("sent", "confirmed")]:
            problems.append(f"payments that are not settled: {left}")
        fees = sum(one.price.total - one.price.amount for one in books.payments)
        known = [row["fees"] for row in ledger]
        if None not in known and round(sum(known) * 100) != fees:
            problems.append(f"fees of {fees}, and the ledger has {known}")


async def _ask(crowd: ProlificStandIn, method: str, path: str, body: Any) -> Any:
    headers = {"Authorization": f"Token {crowd.token.reveal()}"}
    url = f"{crowd.url}/api/v1{path}"
    async with aiohttp.ClientSession() as session, session.request(method, url, json=body, headers=headers) as answer:
        return await answer.json(content_type=None)
