"""A run's study at its crowd: what it costs, how it is opened and closed, and how many places it has.

What it was brought to is kept with the run, so that a kernel that dies leaves nothing undone, and nothing done twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import BudgetExceededError, ConfigError, CrowdRefusedError
from mephisto_nb.kernel.launching.spending import SpendingCheck
from mephisto_nb.kernel.writer import DatabaseWriter, in_thread
from mephisto_nb.model.changes import Guard
from mephisto_nb.model.crowd import CrowdStudy, CrowdVisitStatus, Offer, RecruitingQuote, StudyStatus
from mephisto_nb.model.money import Money, count
from mephisto_nb.model.records import TaskRun
from mephisto_nb.model.task_run_args import unit_share
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.database import Database
from mephisto_nb.ports.recruiter import Recruiter
from mephisto_nb.rules.visits import count_places_used, count_visits_needed, places_wanted

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine

#: Under which name a run's memory holds what is kept here; all else in it is the recruiter's own.
KEPT = "study"
#: How far a study is.
OPENING, OPEN, CLOSED = "opening", "open", "closed"
#: How often it is looked at most whether there have to be more places; and how long it is waited before budgets are
#: asked again that refused them (seconds).
LOOK_EVERY, ASK_AGAIN = 30.0, 600.0
#: Visits that are under way at a crowd.
AT_WORK = (CrowdVisitStatus.RESERVED, CrowdVisitStatus.ACTIVE)


class RunMemory:
    """A `CrowdMemory` in the database. `load` it before it is read.

    Parameters
    ----------
    task_run_id
        Of which run.
    database, writer
        Where it is kept.
    """

    def __init__(self, task_run_id: str, database: Database, writer: DatabaseWriter) -> None:
        self._task_run_id, self._database, self._writer = task_run_id, database, writer
        self._kept: JSONObject = {}

    async def load(self) -> None:
        """Read what was kept."""
        self._kept = await in_thread(self._database.runs.read_crowd_memory, self._task_run_id)

    def read(self) -> JSONObject:
        """Return all that was kept."""
        return dict(self._kept)

    async def keep(self, values: Mapping[str, object], guard: Guard | None = None) -> None:
        """Keep values, beside those that are there, unless the guard refuses; returns once they are committed."""
        await self._writer.call(self._database.runs.keep_crowd_memory, self._task_run_id, dict(values), guard)
        self._kept.update(values)


@dataclass(frozen=True, slots=True)
class RecruitedRun:
    """What is to be known of a run that is offered to a crowd.

    Parameters
    ----------
    run
        The run.
    make_offer
        ``f(places)``: what is offered, with so many places.
    spending
        Who is asked before more money is committed; None: nobody has to be.
    notes
        Where is noted what somebody should know, by what it is of: a reason, and behind ". " what to do.
    remarks
        Where is noted what is worth knowing, and hinders nothing.
    """

    run: TaskRun
    make_offer: Callable[[int], Offer]
    spending: SpendingCheck | None
    notes: dict[str, str]
    remarks: list[str]


class RunStudy:
    """The study of one run. Whoever asks something of it that changes it has its `turn`.

    Parameters
    ----------
    recruiter
        Who offers the run.
    recruited
        The run.
    engine, memory, clock
        What drives the run, where is kept how far its study is, and what time it is.
    """

    def __init__(
        self, recruiter: Recruiter, recruited: RecruitedRun, engine: RunEngine, memory: RunMemory, clock: Clock
    ) -> None:
        self.recruiter, self.recruited, self.memory = recruiter, recruited, memory
        self._engine, self._clock = engine, clock
        #: Set once the study is there, as far as this kernel knows: before, nothing can be read of it.
        self.is_there = asyncio.Event()
        #: Set when the study may have to be brought to where the run is.
        self.news = asyncio.Event()
        self.turn = asyncio.Lock()
        self._offer: Offer | None = None
        self._quote: RecruitingQuote | None = None
        self._places, self._looked_at = 0, 0.0
        self._must_read = False
        self._at_work: Collection[str] | None = None

    @property
    def kept(self) -> JSONObject:
        """What is kept of the study: its ``stage``, ``places``, whether it is ``paused``, what ``each`` place costs."""
        kept = self.memory.read().get(KEPT)
        return kept if isinstance(kept, dict) else {}

    @property
    def is_open(self) -> bool:
        """Whether it is open, or is being opened, as far as is known here."""
        return self.kept.get("stage") in (OPENING, OPEN)

    @property
    def was_offered(self) -> bool:
        """Whether its crowd was offered it, or may have been: what a visit is paid stays as it was said then."""
        return self.kept.get("stage") is not None

    async def load(self) -> None:
        """Read how far the study of an earlier kernel is."""
        await self.memory.load()
        self._places = int(self.kept.get("places") or 0)
        self.recruiter.recall(self._engine.task_run_id, self.memory)

    # -- opening and closing

    async def check(self, confirm: Callable[[Money], None] | None = None) -> None:
        """Ask the crowd what the offer would cost, and whether anything stands in its way. Nothing is posted.

        Raises
        ------
        ConfigError
            The crowd would refuse it; the message says all that it would say.
        BudgetExceededError
            It does not fit in a budget.
        ConfirmationNeededError
            It costs so much that somebody has to confirm it: `confirm` says so.
        WorldError
            The crowd cannot be asked.
        """
        # At least one: a generator may not have given any work yet, and no crowd takes an offer of nothing.
        offer = self.recruited.make_offer(max(1, count_visits_needed(self._engine.state)))
        quote = await self.recruiter.quote(offer)
        if quote.troubles:
            name = self.recruited.run.task_name
            raise ConfigError(f"{name!r} cannot be offered to its crowd, and nothing was. {' '.join(quote.troubles)}")
        if (check := self._guard(offer.places, quote.total)) is not None:
            await in_thread(check)
        if confirm is not None:
            confirm(quote.total)
        self.recruited.remarks.extend(one for one in quote.remarks if one not in self.recruited.remarks)
        self._offer, self._quote = offer, quote

    async def open(self) -> None:
        """Open the study, after `check`. Raises `WorldError`, or `UsageError`, where the crowd refuses."""
        async with self.turn:
            await self._open()

    async def _take_up(self) -> None:
        if self.kept.get("stage") is None:  # a kernel died before it offered anything
            await self.check()
        await self._open()

    async def _open(self) -> None:
        """Open the study, or find it."""
        offer, kept = self._offer, self.kept
        if offer is None:
            offer = self.recruited.make_offer(int(kept.get("places") or 1))
        is_reopened = kept.get("stage") == CLOSED
        if self._quote is not None:
            each = _price_of_each(self._quote, offer.places)
            guard = self._guard(offer.places, self._quote.total)
            await self._keep(guard, stage=OPENING, places=offer.places, each=each, paused=False)
        study = await self.recruiter.open(offer, self.memory)
        if is_reopened:
            study = await self._reopen(study, offer.places)
        self._places = study.places or offer.places
        # A crowd may offer more places than were asked for, as its settings say: the quote was for these.
        if self._quote is not None and not is_reopened:
            await self._keep(stage=OPEN, places=self._places, each=_price_of_each(self._quote, self._places))
        else:
            await self._keep(stage=OPEN, places=self._places)
        self._mind_status(study)
        self.is_there.set()

    async def _reopen(self, study: CrowdStudy, places: int) -> CrowdStudy:
        """Have a study go on that was closed when its run ended; raises what the crowd says where it cannot."""
        more = min(places, self.recruiter.fixed_places or places)
        study = await self.recruiter.set_places(study.places_taken + more)
        if study.status is not StudyStatus.OPEN:
            await self.recruiter.resume()
        return await self.recruiter.read_study()

    async def close(self) -> None:
        """Have nobody sent any more; again: nothing. Raises `WorldError`."""
        if self.kept.get("stage") != CLOSED:
            await self.recruiter.close()
            await self._keep(stage=CLOSED)
            self.recruited.notes.pop("study", None)
            self.recruited.notes.pop("places", None)

    async def _keep(self, guard: Guard | None = None, /, **values: object) -> None:
        await self.memory.keep({KEPT: {**self.kept, **values}}, guard)

    # -- following the run

    def look_again(self, at_work: Collection[str] | None = None) -> None:
        """Read how the study stands: somebody at the crowd may have changed it, or given a place back.

        `at_work` are the visits that the crowd says are under way, where they were read a moment ago.
        """
        self._must_read, self._at_work = True, at_work
        self._looked_at = 0.0
        self.news.set()

    async def follow(self) -> float:
        """Bring the study to where the run is; return after how many seconds to look again, 0: once there is news.

        Raises
        ------
        WorldError, UsageError
            The crowd, or a budget, refuses, or cannot be asked.
        """
        if self.kept.get("stage") == CLOSED:
            return 0.0
        if not self.is_there.is_set():
            await self._take_up()
        state = self._engine.state
        if state.closing is not None or state.is_complete:
            await self.close()
            return 0.0
        if state.is_paused != bool(self.kept.get("paused")):
            await (self.recruiter.pause() if state.is_paused else self.recruiter.resume())
            await self._keep(paused=state.is_paused)
        return await self._mind_places()

    async def _mind_places(self) -> float:
        now = self._clock.now()
        if now < self._looked_at + LOOK_EVERY:
            return self._looked_at + LOOK_EVERY - now
        self._looked_at = now
        state = self._engine.state
        if self._must_read:
            study = await self.recruiter.read_study()
            self._must_read, self._places, used = False, study.places, study.places_taken
            if study.places != self.kept.get("places"):  # somebody has had more there, or nobody heard that we had
                await self._keep(places=study.places)
            self._mind_status(study)
        else:
            study, used = None, count_places_used(state)
        if used + count_visits_needed(state) <= self._places:
            return 0.0
        if fixed := self.recruiter.fixed_places:
            _remark_on_fixed(fixed, self.recruited.remarks)
            return 0.0
        return await self._add_places(study or await self.recruiter.read_study())

    async def _add_places(self, study: CrowdStudy) -> float:
        """See with the crowd's own numbers whether there have to be more places, and have them if so."""
        coming = await self._count_coming()
        wanted = places_wanted(study.places_taken, coming, count_visits_needed(self._engine.state))
        self._places = study.places
        if wanted <= study.places:
            return LOOK_EVERY  # the crowd may not have heard yet of all that has ended here
        cost = self._cost_of(wanted, study)
        try:
            # What is promised is committed before it is asked for: no budget can give it to somebody else meanwhile.
            await self._keep(self._guard(wanted, cost), places=wanted)
        except BudgetExceededError as error:
            self.recruited.notes["places"] = (
                f"The run needs {count(wanted - study.places, 'more place')} at its crowd, and no budget has room. "
                f"{error} It is asked again in {ASK_AGAIN / 60:.0f} minutes."
            )
            return ASK_AGAIN
        try:
            study = await self.recruiter.set_places(wanted)
        except CrowdRefusedError:
            await self._keep(places=self._places)
            raise
        self._places = study.places or wanted
        await self._keep(places=self._places)
        self.recruited.notes.pop("places", None)
        self._mind_status(study, is_grown=True)
        return 0.0

    async def _count_coming(self) -> int:
        """Count the people who have a place, and have not come here yet."""
        at_work, self._at_work = self._at_work, None
        if at_work is None:
            at_work = [one.registration_id async for one in self.recruiter.read_visits() if one.status in AT_WORK]
        here = {visit.registration_id for visit in self._engine.state.visits.visits.values()}
        return len(set(at_work) - here)

    def _cost_of(self, places: int, study: CrowdStudy) -> Money:
        each = self.kept.get("each")
        if isinstance(each, int):
            return Money(each * places, self.recruited.run.currency)
        if study.cost is not None and study.places:
            return unit_share(study.cost, study.places).rounded_up() * places
        return self.recruited.make_offer(places).reward * places

    def _guard(self, places: int, cost: Money) -> Guard | None:
        """Return what asks the budgets about so many places; None: nobody has to be asked."""
        spending = self.recruited.spending
        return None if spending is None else partial(spending.check_places, self.recruited.run, places, cost)

    def _mind_status(self, study: CrowdStudy, *, is_grown: bool = False) -> None:
        """Note where the study stands otherwise than the run: somebody has changed it at the crowd.

        One that `is_grown` has more places since a moment ago, which may let it go on a little later.
        """
        where = f" ({study.page})" if study.page else ""
        said = ""
        if study.status is StudyStatus.OVER or study.status is StudyStatus.DRAFT:
            remedy = "End the run, or offer what is left by a new one: await run.shutdown()."
            said = f"The study{where} is {study.status.value} at its crowd, so nobody is sent any more. {remedy}"
        elif study.status is StudyStatus.FULL and study.places_taken < study.places and not is_grown:
            remedy = "Give it more places there, by which it goes on, or end the run: await run.shutdown()."
            said = f"The study{where} was stopped at its crowd, not from here, so nobody is sent any more. {remedy}"
        elif study.status is StudyStatus.PAUSED and not self.kept.get("paused"):
            said = f"The study{where} was paused at its crowd, not from here, so nobody is sent. Resume it there."
        if said and count_visits_needed(self._engine.state):
            self.recruited.notes["study"] = said
        else:
            self.recruited.notes.pop("study", None)


def _price_of_each(quote: RecruitingQuote, places: int) -> int:
    """Return what one of so many places costs that were quoted for, in thousandths of the smallest unit."""
    return -(-quote.total.thousandths // max(1, places))


def _remark_on_fixed(fixed: int, remarks: list[str]) -> None:
    said = (
        f"The study has the {count(fixed, 'place')} that it was given, and the run has work for more. None are added: "
        "end the run when they are done, and offer the rest by a new one."
    )
    if said not in remarks:
        remarks.append(said)
