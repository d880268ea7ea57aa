"""Keeps a run's books in step with its crowd's, for as long as it lasts.

What the crowd tells of by itself is looked at within seconds, and everything every few minutes. Repairs that need
nobody are carried out, and what is owed is asked for again; what a person has to say is put on the dashboard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING

from mephisto_nb.errors import UsageError, WorldError
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.kernel.live_run import LiveRun
from mephisto_nb.kernel.recruiting.study import AT_WORK, RunStudy
from mephisto_nb.kernel.run_tasks import RunHelper, Supervisor
from mephisto_nb.model.crowd import CrowdVisitStatus
from mephisto_nb.model.money import count
from mephisto_nb.model.states import PaymentStatus
from mephisto_nb.money.paying import Trouble, pay_due
from mephisto_nb.money.reconciliation import Comparison, Repaired, compare_all, compare_some, repair_all, what_to_do
from mephisto_nb.rules.reconciling import Difference
from mephisto_nb.utils.logging import get_logger, warn_once

if TYPE_CHECKING:
    from mephisto_nb.ports.clock import Timer

logger = get_logger(__name__)

#: How often everything is read, where the crowd tells of things by itself, and where it does not (seconds).
EVERY, EVERY_UNTOLD = 600.0, 120.0
#: The first and the longest pause before a crowd is asked again that could not be (seconds).
FIRST, MOST = 30.0, 600.0
#: Events of one visit so near to each other are looked at together (seconds), and so many visits at once are a reason
#: to read everything instead.
TOGETHER, FLOOD = 1.0, 50
#: How long it is waited at most until the crowd is asked again for pay that it has refused (seconds).
LONGEST_UNPAID = 6 * 3600.0
_BOOKS, _PAY = "books", "pay"


class Bookkeeper(RunHelper):
    """Compares one live run with its crowd, again and again, and repairs what needs nobody.

    Parameters
    ----------
    run
        The run.
    live
        The same, as this kernel drives it.
    study
        Its study.
    supervisor
        The owner of its tasks.
    """

    def __init__(self, run: RunFrames, live: LiveRun, study: RunStudy, supervisor: Supervisor) -> None:
        self._run, self._live, self._study, self._supervisor = run, live, study, supervisor
        self._clock, self._notes = live.parts.clock, live.parts.tally.crowd
        #: The visits that the crowd has told of, by what it calls them.
        self._told_of: dict[str, None] = {}
        self._is_all_due, self._has_heard = False, False
        self._pause, self._pay_pause, self._pays_from = 0.0, 0.0, 0.0
        self._news = asyncio.Event()
        #: Set while there is nothing to look at.
        self.is_idle = asyncio.Event()
        self._next_all: Timer | None = None
        self._next_some: Timer | None = None
        self._task: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Hear of what waits in the router. Called before the link to it opens."""
        self._live.parts.link.crowd_events.listeners.append(self._hear)

    async def start(self) -> None:
        """Begin: at once where the run is taken up, and after some minutes where it is launched."""
        name = f"bookkeeper of run {self._live.task_run_id}"
        is_taken_up = self._study.kept.get("stage") is not None
        self._task = self._supervisor.spawn(name, self._serve(at_once=is_taken_up), self._live.parts.tally.note_failure)

    def stop(self) -> None:
        """Do nothing more; the next kernel does."""
        self._live.parts.link.crowd_events.listeners.remove(self._hear)
        for timer in (self._next_all, self._next_some):
            if timer is not None:
                timer.cancel()
        if self._task is not None:
            self._task.cancel()

    # -- being told

    def _hear(self, at: float, headers: Mapping[str, str], body: bytes) -> None:
        try:
            event = self._study.recruiter.read_event(headers, body, at)
        except ValueError as error:
            if not self._study.is_there.is_set():
                return  # who sent it can be known once the study is there, and then everything is compared
            warn_once(logger, f"Something was posted to a run's address for events that is not its crowd's: {error}")
            return
        if event is None:
            return
        self._has_heard = True
        if event.registration_id:
            self._told_of[event.registration_id] = None
            if self._next_some is None:
                self._next_some = self._clock.call_at(self._clock.now() + TOGETHER, self._look_at_some)
        elif self._study.is_there.is_set():
            self._study.look_again()

    def _look_at_some(self) -> None:
        self._next_some = None
        self._news.set()

    def _look_at_all(self) -> None:
        self._is_all_due = True
        self._news.set()

    # -- looking

    async def _serve(self, *, at_once: bool) -> None:
        await self._study.is_there.wait()
        self._is_all_due = at_once
        if not at_once:
            self._arm()
        while True:
            if self._is_all_due or len(self._told_of) > FLOOD:
                await self._try(self._read_all())
            elif self._told_of and self._next_some is None:
                await self._try(self._read_some())
            else:
                self.is_idle.set()
                await self._news.wait()
                self._news.clear()
                self.is_idle.clear()

    async def _try(self, work: Awaitable[None]) -> None:
        try:
            await work
        except (WorldError, UsageError) as error:
            self._pause = min(MOST, 2 * self._pause) or FIRST
            reason = f"The crowd's books could not be read: {error}"
            self._notes[_BOOKS] = f"{reason.rstrip('.')}. They are read again by themselves."
            self._is_all_due = False
            self._told_of.clear()  # all is read the next time
            self._arm()
        else:
            self._pause = 0.0

    def _arm(self) -> None:
        if self._next_all is not None:
            self._next_all.cancel()
        wait = self._pause or (EVERY if self._has_heard else EVERY_UNTOLD)
        self._next_all = self._clock.call_at(self._clock.now() + wait, self._look_at_all)

    async def _read_all(self) -> None:
        self._is_all_due = False
        self._told_of.clear()
        found = await compare_all(self._run, self._study.recruiter)
        repaired = await repair_all(self._run, self._study.recruiter, found)
        self._study.look_again([id_ for id_, one in found.theirs.items() if one.status in AT_WORK])
        self._note_differences([one for one in found.differences if one.needs_person])
        self._note_failed([one for one in repaired if not one.done])
        if self._clock.now() >= self._pays_from:
            await self._pay()
        self._arm()

    async def _read_some(self) -> None:
        ids = list(self._told_of)
        found = await compare_some(self._run, self._study.recruiter, ids)
        for id_ in ids:
            self._told_of.pop(id_, None)
        await repair_all(self._run, self._study.recruiter, found)
        if _may_be_paid_now(found):
            await self._pay()

    async def _pay(self) -> None:
        troubles = await pay_due(self._run)
        if not troubles:
            self._notes.pop(_PAY, None)
            self._pay_pause = 0.0
            return
        # Each refusal is a row of the event log, and what was refused for hours will hardly be paid in two minutes.
        self._pay_pause = min(LONGEST_UNPAID, 2 * self._pay_pause) or EVERY_UNTOLD
        self._pays_from = self._clock.now() + self._pay_pause
        more = f" ({count(len(troubles) - 1, 'more payment')} like this.)" if len(troubles) > 1 else ""
        self._notes[_PAY] = f"{_first_sentence(troubles)}{more}"

    def _note_failed(self, failed: Sequence[Repaired]) -> None:
        if failed:
            reason = f"What differs from the crowd's books could not be put right: {_first_of(failed)}"
            self._notes[f"{_BOOKS} failed"] = f"{reason.rstrip('.')}. It is tried again by itself."

    def _note_differences(self, differences: Sequence[Difference]) -> None:
        """Put what a person has to decide on the dashboard: each kind once, with how many there are."""
        for key in [key for key in self._notes if key.startswith(_BOOKS)]:
            del self._notes[key]
        groups: dict[tuple[str, str], list[Difference]] = {}
        for one in differences:
            groups.setdefault((one.kind.value, one.repair.value), []).append(one)
        for (kind, repair), own in groups.items():
            first = own[0]
            others = f", and {count(len(own) - 1, 'other')}" if len(own) > 1 else ""
            here = f"here it {first.ours}" if first.visit_id is not None and first.payment_id is None else first.ours
            reason = (
                f"The visit {first.registration_id} of {first.worker_name}{others}: {here}; the crowd's {first.theirs}"
            )
            self._notes[f"{_BOOKS} {kind} {repair}"] = f"{reason.rstrip('.')} ({kind}). {what_to_do(first)}"


def _first_of(repaired: Sequence[Repaired]) -> str:
    first = repaired[0]
    more = f", and {count(len(repaired) - 1, 'other')}" if len(repaired) > 1 else ""
    return f"{first.difference.repair.value} for {first.difference.worker_name}{more}: {first.why}"


def bookkeepers_of(run: RunFrames, live: LiveRun, supervisor: Supervisor) -> list[Bookkeeper]:
    """Return who keeps the books of a run; nobody, where its crowd does not recruit, or counts no visits."""
    study = live.parts.study
    if study is None or live.parts.engine.rules.visits is None:
        return []
    return [Bookkeeper(run, live, study, supervisor)]


def _first_sentence(troubles: Sequence[Trouble]) -> str:
    words = troubles[0].words
    return words if ". " in words else f"{words.rstrip('.')}. It is asked for again by itself."


def _may_be_paid_now(found: Comparison) -> bool:
    """Return whether the crowd can be asked now for pay that it could not give before the visit was handed in."""
    for visit in found.ours.values():
        other = found.theirs[visit.registration_id]
        is_owed = visit.reward is not None and visit.reward.status is PaymentStatus.OWED
        if is_owed and other.status is CrowdVisitStatus.SUBMITTED:
            return True
    return False
