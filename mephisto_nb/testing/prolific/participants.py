"""Simulated participants: they find a study, take a place, open its page over HTTP, and do what people do."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import UsageError
from mephisto_nb.testing.prolific import submissions
from mephisto_nb.testing.prolific.entry_links import EntryKeys, entry_address
from mephisto_nb.testing.prolific.filters import TRAITS
from mephisto_nb.testing.prolific.records import (
    ACTIVE,
    PUBLISHING,
    StandInMessage,
    StandInPerson,
    StandInStudy,
    StandInSubmission,
)
from mephisto_nb.testing.prolific.world import ProlificWorld
from mephisto_nb.utils.extras import needs

_WEEK = 7 * 86_400.0
#: What a report says of somebody who was offered no place.
NO_PLACE = "NO PLACE"


class Habit(StrEnum):
    """What a participant does with a study."""

    #: Works, and hands in with the code that they were shown; shown none, they close the tab.
    WORK = "work"
    #: Works, and says that they have no code.
    NO_CODE = "no_code"
    #: Works, and types another code.
    WRONG_CODE = "wrong_code"
    #: Takes a place, opens the page, and returns it before they begin.
    RETURN_BEFORE = "return_before"
    #: Works, and returns it all the same.
    RETURN_AFTER = "return_after"
    #: Opens the page, and never comes back.
    TIME_OUT = "time_out"
    #: Opens the page, comes back a week later by the same address, works, and tries to hand in.
    COME_BACK = "come_back"
    #: Works, and closes the tab without handing in.
    CLOSE_TAB = "close_tab"


@dataclass(slots=True, eq=False)
class Participant:
    """Somebody who may take part.

    Parameters
    ----------
    id
        Their ``PROLIFIC_PID``.
    habit
        What they do.
    random
        Their own chance, for whoever does the work in their place.
    """

    id: str
    habit: Habit
    random: random.Random
    _world: ProlificWorld = field(repr=False)
    _keys: EntryKeys = field(repr=False)
    #: The submission they are at, or had last.
    submission: StandInSubmission | None = field(default=None, repr=False)
    #: The address by which they came, or come.
    entry_url: str = field(default="", repr=False)

    @property
    def submission_id(self) -> str | None:
        """The id of their submission."""
        return None if self.submission is None else self.submission.id

    @property
    def status(self) -> str:
        """The state that their submission is in now; ``NO PLACE`` where they have none."""
        return NO_PLACE if self.submission is None else self.submission.status

    def begin(self, study_id: str) -> str | None:
        """Take a place in a study, open it, and return the address by which they come; None: there is no place."""
        study, person = self._world.study(study_id), self._world.people[self.id]
        return self._open(submissions.reserve(self._world, study, person))

    def hand_in(self, code: str | None) -> bool:
        """Hand in with a code, or none, and return whether Prolific takes it."""
        return self.submission is not None and submissions.submit(self._world, self.submission, code)

    def give_back(self) -> bool:
        """Return their submission, and say whether they still could."""
        return self.submission is not None and submissions.give_back(self._world, self.submission)

    async def wait(self, seconds: float) -> None:
        """Wait for so long, in the stand-in's time."""
        await self._world.clock.sleep(seconds)

    def write(self, body: str) -> None:
        """Write to the researcher, about the study they are in."""
        world, study = self._world, None if self.submission is None else self.submission.study.id
        world.messages.append(StandInMessage(world.new_id(), self.id, world.user_id, body, study, world.now()))
        world.wake()

    def _open(self, submission: StandInSubmission | None) -> str | None:
        """Open the study that they hold a place in, and return its address; None: they no longer hold it."""
        self.submission = submission
        if submission is None or not submissions.start(self._world, submission):
            return None
        self.entry_url = entry_address(submission, self._keys, self._world.clock.signing_time())
        return self.entry_url


#: Does the work of a participant who came by an address; returns the completion code that they were shown, or None.
Work: TypeAlias = Callable[[str, Participant], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class CrowdReport:
    """What became of a crowd: the state of each one's submission at the end, and whose work raised an error."""

    outcomes: dict[str, str]
    failures: dict[str, Exception]

    @property
    def counts(self) -> dict[str, int]:
        """How many ended in each state."""
        return dict(Counter(self.outcomes.values()))


class Crowd:
    """Some participants; `ProlificStandIn.participants` makes one.

    Examples
    --------
    >>> async def work(entry_url, participant):
    ...     await participant.wait(300)  # five minutes, in the stand-in's time
    ...     return "C7K2Q9ZD"
    >>> async def rehearse(prolific):
    ...     crowd = prolific.participants(100, seed=1, habits={Habit.CLOSE_TAB: 0.1})
    ...     return await crowd.come(work)
    """

    def __init__(
        self, world: ProlificWorld, keys: EntryKeys, count: int, *, seed: int, habits: Mapping[Habit, float]
    ) -> None:
        if sum(habits.values()) > 1 + 1e-9:
            raise UsageError(f"The shares of habits are {dict(habits)}: more than all. Let them add up to 1 at most.")
        self._world, self._keys = world, keys
        self._random = random.Random(seed)
        self._at_work = 0
        self._session: Any = None
        self.participants = [self._make(habits) for _ in range(count)]

    def __iter__(self) -> Iterator[Participant]:
        return iter(self.participants)

    def __len__(self) -> int:
        return len(self.participants)

    async def come(
        self,
        how: Work | None = None,
        *,
        study_id: str | None = None,
        seconds: tuple[float, float] = (0.0, 0.0),
        at_once: int | None = None,
        may_fail: bool = False,
    ) -> CrowdReport:
        """Have everybody come, do what they do, and return what became of them once the last one is gone.

        A study that is being published is waited for; where no place is free, people wait as long as somebody of this
        crowd is at work, who may give one back. Whoever comes back a week later does so in the stand-in's time:
        run this as a task then, and let the time pass.

        Parameters
        ----------
        how
            Does their work; None: the page is opened, and nothing is done.
        study_id
            Which study; None: whichever they are offered.
        seconds
            How long they take for it, from and to, in the stand-in's time.
        at_once
            How many of them work at the same time; None: as many as are let in.
        may_fail
            Whether an error in `how` is only reported. That participant never hands in.

        Raises
        ------
        ExceptionGroup
            What `how` raised, once everybody is gone.
        """
        failures: dict[str, Exception] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for one in self.participants:
                    group.create_task(self._live(one, how, study_id, seconds, at_once, failures))
        finally:
            if self._session is not None:
                await self._session.close()
                self._session = None
        if failures and not may_fail:
            raise ExceptionGroup(f"The work of {len(failures)} participants failed", list(failures.values()))
        return CrowdReport({one.id: one.status for one in self.participants}, failures)

    def submit_at_once(self, study_id: str, code: str | None) -> int:
        """Have everybody who gets a place hand in at this moment, with a code, and no page be opened; return how many.

        For ten thousand of them.
        """
        study, handed_in = self._world.study(study_id), 0
        for one in self.participants:
            one.submission = submissions.reserve(self._world, study, self._world.people[one.id])
            if one.submission is not None and submissions.start(self._world, one.submission):
                handed_in += one.hand_in(code)
        return handed_in

    async def open_page(self, url: str) -> None:
        """Open an address, as a browser does that is closed again."""
        with needs("prolific"):
            import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False)
        async with self._session.get(url) as answer:
            await answer.read()

    def _make(self, habits: Mapping[Habit, float]) -> Participant:
        chance = random.Random(self._random.getrandbits(64))
        draw, habit = chance.random(), Habit.WORK
        for one, share in habits.items():
            draw -= share
            if draw < 0:
                habit = one
                break
        # Not the world's ids: people have theirs, whatever else happens there.
        person = StandInPerson(f"5f{chance.getrandbits(88):022x}", _traits(chance))
        self._world.people[person.id] = person
        return Participant(person.id, habit, chance, self._world, self._keys)

    async def _live(
        self,
        one: Participant,
        how: Work | None,
        study_id: str | None,
        seconds: tuple[float, float],
        at_once: int | None,
        failures: dict[str, Exception],
    ) -> None:
        one.submission, one.entry_url = None, ""
        with self._world.clock.busy():
            if not await self._find_place(one, study_id, at_once):
                return
            try:
                await self._take_part(one, how, seconds)
            except Exception as error:  # noqa: BLE001  whatever the caller's function raises is reported
                failures[one.id] = error
            finally:
                self._at_work -= 1
                self._world.wake()

    async def _find_place(self, one: Participant, study_id: str | None, at_once: int | None) -> bool:
        person = self._world.people[one.id]
        while True:
            studies = [found for found in self._world.studies.values() if study_id in (None, found.id)]
            for study in studies if at_once is None or self._at_work < at_once else []:
                made = submissions.reserve(self._world, study, person)
                if made is not None:
                    one.submission = made
                    self._at_work += 1
                    return True
            if not any(self._may_open(study) for study in studies):
                return False
            await self._world.change()

    def _may_open(self, study: StandInStudy) -> bool:
        return study.status == PUBLISHING or (study.status == ACTIVE and self._at_work > 0)

    async def _take_part(self, one: Participant, how: Work | None, seconds: tuple[float, float]) -> None:
        if one._open(one.submission) is None:
            return
        if how is None or one.habit in (Habit.RETURN_BEFORE, Habit.TIME_OUT, Habit.COME_BACK):
            await self.open_page(one.entry_url)
        if one.habit is Habit.RETURN_BEFORE:
            one.give_back()
        if one.habit in (Habit.RETURN_BEFORE, Habit.TIME_OUT):
            return
        if one.habit is Habit.COME_BACK:
            await one.wait(_WEEK)
        code = None if how is None else await how(one.entry_url, one)
        await one.wait(one.random.uniform(*seconds))
        self._leave(one, code)

    def _leave(self, one: Participant, code: str | None) -> None:
        """Hand in, or not, as this participant does."""
        if one.habit is Habit.CLOSE_TAB:
            return
        if one.habit is Habit.RETURN_AFTER:
            one.give_back()
        elif one.habit is Habit.NO_CODE:
            one.hand_in(submissions.NOCODE)
        elif one.habit is Habit.WRONG_CODE:
            one.hand_in(f"WRONG{one.random.randrange(1000):03}")
        elif code is not None:
            one.hand_in(code)


def _traits(chance: random.Random) -> JSONObject:
    """Return what filters may ask about somebody."""
    return {
        name: chance.randint(max(18, one["min"]), min(80, one["max"]))
        if one["type"] == "range"
        else chance.choice(list(one["choices"]))
        for name, one in TRAITS.items()
    }
