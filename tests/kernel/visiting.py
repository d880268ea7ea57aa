"""A crowd that sends each person once, as tests want it, and its people's pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from mephisto_nb._typing import JSONObject
from mephisto_nb.config.hydra_config import compose
from mephisto_nb.errors import WorldError
from mephisto_nb.model.outcomes import ExitLink, LateExit, Outcome, VisitEnd
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from mephisto_nb.ports.crowd_provider import CrowdProvider, Identity, VisitExits
from mephisto_nb.providers.link import LinkProvider
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.page_client import PageClient
from mephisto_nb.testing.simulated_workers import SimulatedWorker
from tests.kernel.runs import ABOUT, rows

CODES = {"completed": "C0DE1", "returned": "GAVEBACK"}


@dataclass
class Town:
    """What the crowd's side does, and has heard: one for all providers of a test."""

    #: How the crowd was told that visits have ended: their registrations, and how.
    told: list[tuple[str, str]] = field(default_factory=list)
    #: Set while the crowd takes what it is told.
    is_open: bool = True
    #: What happens to who is vouched for, by their name; and who was, in order.
    vouch: dict[str, Callable[[], Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    exits_fail: bool = False
    late_exits_fail: bool = False
    tells: bool = True
    #: How often somebody was made out by what their page sent.
    identified: int = 0

    def count(self, registration: str) -> int:
        """Return how often the crowd was told of a visit."""
        return [one for one, _ in self.told].count(registration)


class TownExits(VisitExits):
    TELLS_CROWD: ClassVar[bool] = True

    def __init__(self, town: Town) -> None:
        self._town = town

    def get_exit(self, end: VisitEnd) -> ExitLink | None:
        if self._town.exits_fail:
            raise RuntimeError("no codes")
        code = CODES.get(end.outcome, "OTHER")
        return ExitLink(end.outcome, f"https://crowd.example/?cc={code}", code, f"{end.done} of {end.asked}.")

    def get_exit_if_over(self) -> LateExit | None:
        if self._town.late_exits_fail:
            raise RuntimeError("no codes")
        return LateExit(ExitLink(Outcome.QUOTA_FULL, "https://crowd.example/?who={name}"), {"name": "who"})

    async def finish(self, end: VisitEnd) -> None:
        if not self._town.is_open:
            raise WorldError("the crowd is closed")
        self._town.told.append((end.registration_id, end.outcome.value))


@dataclass
class TownArgs:
    _provider_type: str = "town"
    requester_name: str = "lab"


class TownProvider(CrowdProvider[TownArgs]):
    """Believes every name; `town` is what a test has put there."""

    PROVIDER_TYPE: ClassVar[str] = "town"
    ArgsClass = TownArgs
    town: ClassVar[Town]

    def get_wrapper_js_path(self) -> Path:
        path: Path = LinkProvider.get_wrapper_js_path(self)  # type: ignore[arg-type]
        return path

    def identify(self, provider_data: JSONObject) -> Identity:
        self.town.identified += 1
        name, registration = provider_data["worker_name"], provider_data["agent_registration_id"]
        return Identity(name, registration, {"STUDY_ID": provider_data.get("study", "s1")})

    async def vouch_for(self, identity: Identity, provider_data: JSONObject) -> None:
        self.town.asked.append(identity.worker_name)
        done = self.town.vouch.get(identity.worker_name, lambda: None)()
        if asyncio.iscoroutine(done) or isinstance(done, asyncio.Future):
            await done

    @property
    def exits(self) -> VisitExits:
        return TownExits(self.town)


@dataclass
class Visitor:
    """One person's page, which asks again and again by one registration."""

    page: SimulatedWorker
    registration: str = "s"

    @property
    def name(self) -> str:
        return f"{self.registration}-{self.page.name}"

    async def ask(self, **more: Any) -> JSONObject:
        data = {"worker_name": self.page.name, "agent_registration_id": self.name, **more}
        packet = await self.page.post("/request_agent", {"provider_data": data})
        return dict(packet["data"])

    async def take(self) -> str:
        details = await self.ask()
        assert details["agent_id"] is not None, details
        return str(details["agent_id"])

    async def do(self, units: int) -> None:
        for _ in range(units):
            await self.page.submit(await self.take(), {"label": "x"})

    async def give_back(self, agent_id: str, **more: str) -> JSONObject:
        return await self.page.post("/return_unit", {"USED_AGENT_ID": agent_id, **more})


async def launch_visits(
    operator: Operator,
    num_rows: int = 3,
    *,
    provider: str = "town",
    blueprint: dict[str, Any] | None = None,
    shared: dict[str, Any] | None = None,
    confirm: bool | None = None,
    **task: Any,
) -> TaskRun:
    """Launch a mock task with visits."""
    provider_args = {"signed_links": False} if provider == "link" else {}
    config = compose(
        "mock",
        provider=provider,
        blueprint_args=blueprint or {},
        provider_args=provider_args,
        task={**ABOUT, "task_reward": 0.3, **task},
    )
    state = SharedTaskState(static_task_data=rows(num_rows), **(shared or {}))
    return await operator.launch_task_run(config, state, confirm=confirm)


@asynccontextmanager
async def people_of(run: TaskRun) -> AsyncIterator[Callable[..., Visitor]]:
    """Return the people who come to a run."""
    async with PageClient() as session:
        yield lambda name, registration="s": Visitor(SimulatedWorker(name, run.url, session), registration)
