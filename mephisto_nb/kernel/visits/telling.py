"""Tells a run's crowd how visits have ended, once that is stored, until the crowd has heard it.

What was told is noted with the visit. So a kernel that dies in between tells it again, and of nothing else.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ClosedError, WorldError
from mephisto_nb.kernel.run_tasks import OnFailure, RunHelper, Supervisor
from mephisto_nb.kernel.writer import DatabaseWriter, in_thread
from mephisto_nb.model.changes import Changes, NoteVisitTold
from mephisto_nb.model.outcomes import Outcome, VisitEnd
from mephisto_nb.model.records import Event
from mephisto_nb.model.visits import Short, Visit, VisitRules
from mephisto_nb.ports.clock import Clock, Timer
from mephisto_nb.ports.crowd_provider import VisitExits
from mephisto_nb.ports.database import Database
from mephisto_nb.ports.progress import Troubles
from mephisto_nb.rules.steering import ends_at_once
from mephisto_nb.rules.step import Step
from mephisto_nb.rules.visit_steps import TOLD, note_told
from mephisto_nb.rules.visits import end_all, end_for_crowd, outcome_for_crowd
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.patience import patience

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine

logger = get_logger(__name__)

#: The first and the longest pause before a crowd is told again, and how long it may take to answer (seconds).
FIRST, MOST, TIMEOUT = 5.0, 600.0, 60.0
#: How long the end of a run waits for pages to ask how their visit has ended, and for the crowd (seconds).
HEARD_WITHIN, TOLD_WITHIN = 30.0, 60.0
_REMEDY = "They are told again by themselves while the run lasts, when it is taken up, and when answers are reviewed"


class VisitTeller(RunHelper):
    """Sees to it that the visits of one run have an end, and that its crowd and pages hear of it.

    Parameters
    ----------
    exits
        How people go back; None: the crowd is told nothing, and pages thank by themselves.
    engine, supervisor, clock
        The run, the owner of its tasks, and what time it is.
    troubles, on_failure
        Hear of what the researcher should know, and of what failed unforeseen.
    """

    def __init__(
        self,
        exits: VisitExits | None,
        engine: RunEngine,
        supervisor: Supervisor,
        clock: Clock,
        troubles: Troubles,
        on_failure: OnFailure,
    ) -> None:
        self._exits, self._engine, self._supervisor, self._clock = exits, engine, supervisor, clock
        self._troubles, self._on_failure = troubles, on_failure
        #: Those to be told, each with the pause after which it is tried again, and when that is.
        self._due: dict[str, tuple[float, float]] = {}
        self._news, self._all_told = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._timer: Timer | None = None
        self._has_waited = False
        engine.listeners.append(self._on_step)

    async def start(self) -> None:
        """Begin, with what earlier kernels have left to tell."""
        if self._exits is not None and self._exits.TELLS_CROWD:
            name = f"telling the crowd of run {self._engine.task_run_id}"
            self._task = self._supervisor.spawn(name, self._serve(self._exits), self._on_failure)
            await self._engine.do(lambda step: None, retry=True)

    async def finish(self) -> None:
        """End the visits that are open, and wait until pages and the crowd have heard, but not for ever."""
        if self._engine.state.visits.open:
            await self._engine.do(end_all, retry=True)
        is_at_once = ends_at_once(self._engine.state)
        if self._exits is not None and not self._has_waited and not is_at_once:
            self._has_waited = True
            await self._wait_for_pages()
        if self._task is not None and self._due:
            self._all_told.clear()
            self._news.set()
            try:
                async with patience(TOLD_WITHIN / 20 if is_at_once else TOLD_WITHIN):
                    await self._all_told.wait()
            except TimeoutError:
                logger.warning("the crowd could not be told how %d visits have ended", len(self._due))

    def stop(self) -> None:
        """Tell nothing more; the next kernel does."""
        self._engine.listeners.remove(self._on_step)
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    async def _wait_for_pages(self) -> None:
        try:
            async with patience(HEARD_WITHIN):
                await self._engine.wait_until(lambda state: not state.visits.unheard)
        except TimeoutError:
            return  # they have closed their page

    def _on_step(self, step: Step) -> None:
        # All that has ended by now is committed: nothing is decided between that and this.
        new = [id_ for id_ in step.state.visits.untold if id_ not in self._due]
        if new and self._task is not None:
            self._due.update((id_, (0.0, 0.0)) for id_ in new)
            self._news.set()

    async def _serve(self, exits: VisitExits) -> None:
        while True:
            self._news.clear()
            now = self._clock.now()
            for visit_id in [id_ for id_, (_, at) in self._due.items() if at <= now]:
                try:
                    await self._tell(exits, visit_id)
                except ClosedError:
                    return  # the run is no longer driven from here
            self._arm()
            if not self._due:
                self._all_told.set()
            await self._news.wait()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        times = [at for _, at in self._due.values()]
        self._timer = self._clock.call_at(min(times), self._news.set) if times else None

    async def _tell(self, exits: VisitExits, visit_id: str) -> None:
        state = self._engine.state
        visit = state.visits.visits.get(visit_id)
        if visit is None or visit_id not in state.visits.untold:
            self._due.pop(visit_id, None)
            return
        trouble = await tell(exits, end_for_crowd(state, visit))
        if not trouble:
            await self._engine.do(partial(note_told, visit_id=visit_id), retry=True)
            self._due.pop(visit_id, None)
            return
        pause = min(MOST, 2 * self._due[visit_id][0]) or FIRST
        self._due[visit_id] = pause, self._clock.now() + pause
        words = f"The crowd could not be told how a visit has ended: {trouble.rstrip('.')}. {_REMEDY}."
        self._troubles.note(words, "telling the crowd of visits")


async def tell(exits: VisitExits, end: VisitEnd) -> str:
    """Tell a crowd how a visit has ended; return what went wrong, or ''."""
    try:
        async with patience(TIMEOUT):
            await exits.finish(end)
    except (WorldError, TimeoutError) as error:
        return str(error) or "it did not answer in time"
    except Exception as error:
        logger.exception("a crowd could not be told how visit %s has ended", end.visit_id)
        return f"{type(error).__name__}: {error}"
    return ""


async def tell_later(
    task_run_id: str, exits: VisitExits, rules: VisitRules, database: Database, writer: DatabaseWriter, clock: Clock
) -> list[str]:
    """Tell a crowd of the visits of a run that nobody drives any more; return what went wrong, once for each.

    Raises
    ------
    DatabaseError, ClosedError
        What there is to tell could not be read, or what was told not be noted.
    """
    rows = await in_thread(database.runs.read_visits, [task_run_id])
    troubles = []
    for row in rows:
        if row["ended_at"] is None or row["told_at"] is not None:
            continue
        if trouble := await tell(exits, end_of_row(row, rules)):
            troubles.append(f"the end of a visit of {row['worker_name']}: {trouble}")
            continue
        await note_told_of_stored(task_run_id, row["visit_id"], writer, clock)
    return troubles


async def note_told_of_stored(task_run_id: str, visit_id: str, writer: DatabaseWriter, clock: Clock) -> None:
    """Note that a crowd was told how a visit has ended, of a run that nobody drives."""
    at = clock.now()
    event = Event(at, "visit", visit_id, None, None, TOLD, "operator")
    await writer.commit(Changes(task_run_id, [NoteVisitTold(visit_id, at)], [event]))


def end_of_row(row: JSONObject, rules: VisitRules) -> VisitEnd:
    """Return how a visit has ended, as its crowd is told; `row` is as `RunStore.read_visits` gives it."""
    own: dict[str, Any] = {name: row[name] for name in _STORED}
    short = None if row["short"] is None else Short(row["short"])
    visit = Visit(**own, outcome=Outcome(row["outcome"]), short=short, done=row["done"])
    return VisitEnd(
        visit_id=visit.visit_id,
        worker_name=row["worker_name"],
        registration_id=visit.registration_id,
        outcome=outcome_for_crowd(visit, rules),
        done=visit.done,
        asked=visit.asked,
        captured=visit.captured,
        short=row["short"],
    )


_STORED = ("visit_id", "worker_id", "registration_id", "captured", "asked", "begun_at", "deadline", "ended_at", "why")
