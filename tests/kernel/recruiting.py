"""Crowds that recruit, as far as a run sees it: a market, and providers whose people come from there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest

from mephisto_nb._typing import JSONObject
from mephisto_nb.config import registry
from mephisto_nb.config.hydra_config import compose
from mephisto_nb.config.registry import PluginShelf
from mephisto_nb.model.crowd import (
    CrowdEvent,
    CrowdStudy,
    CrowdVisit,
    CrowdVisitStatus,
    Offer,
    RecruitingQuote,
    StudyStatus,
)
from mephisto_nb.model.money import Money
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from mephisto_nb.ports.crowd_desk import BonusQuote, CrowdDesk, CrowdVerb, CrowdWork, Receipt
from mephisto_nb.ports.recruiter import CrowdMemory, Recruiter
from mephisto_nb.providers.link import LinkProvider, LinkProviderArgs
from mephisto_nb.run import TaskRun
from tests.kernel.runs import ABOUT, rows
from tests.kernel.visiting import Town, TownProvider

#: Launches a run of the crowd; its keywords are those of the provider, and ``architect_args``.
Recruit = Callable[..., Awaitable[TaskRun]]


@dataclass(slots=True)
class NoisyArgs(LinkProviderArgs):
    _provider_type: str = "noisy"
    is_here: bool = True


@dataclass
class Market:
    """A crowd's side of one study, and what was asked of it, in order."""

    quote: RecruitingQuote = field(default_factory=lambda: RecruitingQuote(Money.of("0.1"), Money(0)))
    study: CrowdStudy = field(default_factory=lambda: CrowdStudy("s1", StudyStatus.DRAFT))
    visits: dict[str, CrowdVisit] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)
    recalled: list[JSONObject] = field(default_factory=list)
    #: What is raised instead, by what is asked.
    fails: dict[str, Exception] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self, what: str) -> None:
        """Note what is asked for, and fail if that is to fail."""
        self.asked.append(what)
        self.news.set()
        if (error := self.fails.get(what.split()[0])) is not None:
            raise error

    async def heard(self, what: str, times: int = 1) -> None:
        """Wait until something was asked for so often."""
        async with asyncio.timeout(10):
            while self.asked.count(what) < times:
                self.news.clear()
                await self.news.wait()

    def put(self, registration: str, status: CrowdVisitStatus, **about: Any) -> CrowdVisit:
        """Have a visit stand so; places are taken by all that are not given back."""
        self.visits[registration] = CrowdVisit(registration, registration.rpartition("-")[2], status, **about)
        free = (CrowdVisitStatus.RETURNED, CrowdVisitStatus.TIMED_OUT)
        taken = sum(1 for one in self.visits.values() if one.status not in free)
        self.study = replace(self.study, places_taken=taken)
        return self.visits[registration]


class MarketRecruiter(Recruiter):
    """Offers a run in a `Market`; an event is the id of a visit, which nobody has signed."""

    def __init__(self, market: Market, *, is_here: bool = True) -> None:
        self.market, self._is_here = market, is_here

    @property
    def allows_local(self) -> bool:
        return self._is_here

    def recall(self, task_run_id: str, memory: CrowdMemory) -> None:
        self.market.recalled.append(memory.read())

    async def quote(self, offer: Offer) -> RecruitingQuote:
        self.market.ask("quote")
        return self.market.quote

    async def open(self, offer: Offer, memory: CrowdMemory) -> CrowdStudy:
        market = self.market
        await memory.keep({"study_id": "s1"})
        if market.study.status is StudyStatus.DRAFT:
            market.study = replace(market.study, status=StudyStatus.STARTING, places=offer.places)
        market.offers.append(offer)
        market.ask("open")
        if market.study.status is StudyStatus.STARTING:
            market.study = replace(market.study, status=StudyStatus.OPEN)
        return market.study

    async def read_study(self) -> CrowdStudy:
        self.market.ask("study")
        return self.market.study

    async def read_visits(self) -> AsyncIterator[CrowdVisit]:
        self.market.ask("visits")
        for visit in list(self.market.visits.values()):
            yield visit

    async def read_visit(self, registration_id: str) -> CrowdVisit | None:
        self.market.ask(f"visit {registration_id}")
        return self.market.visits.get(registration_id)

    async def pause(self) -> None:
        self.market.ask("pause")
        self.market.study = replace(self.market.study, status=StudyStatus.PAUSED)

    async def resume(self) -> None:
        self.market.ask("resume")
        self.market.study = replace(self.market.study, status=StudyStatus.OPEN)

    async def set_places(self, places: int) -> CrowdStudy:
        self.market.ask(f"places {places}")
        self.market.study = replace(self.market.study, places=places)
        return self.market.study

    async def close(self) -> None:
        self.market.ask("close")
        self.market.study = replace(self.market.study, status=StudyStatus.FULL)

    def read_event(self, headers: Mapping[str, str], body: bytes, now: float) -> CrowdEvent | None:
        name = body.decode()
        if name == "forged":
            raise ValueError("not signed")
        return CrowdEvent(name, study_id="s1") if name == "study" else CrowdEvent(name, registration_id=name)


class NoisyProvider(LinkProvider):
    """A crowd that tells what happens; its people are here, too, where `is_here` says so."""

    PROVIDER_TYPE: ClassVar[str] = "noisy"
    ALIASES: ClassVar[tuple[str, ...]] = ()
    ArgsClass = NoisyArgs
    #: The runs that were offered.
    offered: ClassVar[list[str]] = []

    market: ClassVar[Market]

    @property
    def recruiter(self) -> Recruiter:
        """Who offers the run in the test's market."""
        return MarketRecruiter(self.market, is_here=self.args.is_here)

    async def setup_resources_for_task_run(self, task_run_id: str, url: str) -> None:
        """Note that the run is offered."""
        self.offered.append(task_run_id)


def register_noisy(monkeypatch: pytest.MonkeyPatch) -> Recruit:
    """Have the registry know the crowd, for one test; return what launches a run of it."""
    real = registry.PROVIDERS
    shelf = PluginShelf(real.kind, "mephisto_nb.providers", real.base, real._type_attribute)
    monkeypatch.setattr(registry, "PROVIDERS", shelf)
    monkeypatch.setattr(NoisyProvider, "offered", [])
    monkeypatch.setattr(NoisyProvider, "market", Market(), raising=False)
    shelf.register(NoisyProvider)

    async def recruit(operator: Operator, blueprint: str = "mock", **how: Any) -> TaskRun:
        config = compose(blueprint, provider="noisy", task={**ABOUT, "task_reward": 0.1}, **how)
        return await operator.launch_task_run(config, SharedTaskState(static_task_data=rows(1)))

    return recruit


@dataclass
class FairArgs:
    _provider_type: str = "fair"
    requester_name: str = "lab"


class FairDesk(CrowdDesk):
    """Pays whoever has handed in, and puts it in the market's books."""

    CAN = frozenset({CrowdVerb.APPROVE, CrowdVerb.BONUS})
    LARGEST_BATCH = 10
    market: ClassVar[Market]

    async def approve_work(self, work: CrowdWork) -> Receipt:
        self.market.ask(f"approve {work.registration_id}")
        self.market.put(work.registration_id, CrowdVisitStatus.APPROVED, paid=work.amount)
        return Receipt(work.registration_id, Money(0))

    async def pay_bonuses(self, quote: BonusQuote) -> Receipt:
        for work in quote.works:
            self.market.ask(f"bonus {work.registration_id}")
            there = self.market.visits[work.registration_id]
            self.market.visits[work.registration_id] = replace(there, bonuses=(*there.bonuses, work.amount))
        return Receipt("a batch")


class FairProvider(TownProvider):
    """A town that recruits in a market, sends each person for one visit, and pays by itself."""

    PROVIDER_TYPE: ClassVar[str] = "fair"
    ArgsClass = FairArgs
    DESK = FairDesk
    market: ClassVar[Market]

    @property
    def recruiter(self) -> Recruiter:
        return MarketRecruiter(self.market)


def register_fair(monkeypatch: pytest.MonkeyPatch) -> tuple[Market, Town]:
    """Have the registry know the crowd, for one test; return its market, and what it is told."""
    market, town = Market(), Town()
    monkeypatch.setattr(registry.PROVIDERS, "_classes", dict(registry.PROVIDERS._classes))
    monkeypatch.setattr(FairProvider, "market", market, raising=False)
    monkeypatch.setattr(FairDesk, "market", market, raising=False)
    monkeypatch.setattr(FairProvider, "town", town, raising=False)
    registry.PROVIDERS.register(FairProvider, replace=True)
    return market, town
