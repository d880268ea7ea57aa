"""The one place through which a researcher's acts on people go: previewed, done in one transaction, undone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

from mephisto_nb.errors import ConflictError, NotFoundError
from mephisto_nb.kernel.writer import DatabaseWriter, in_thread
from mephisto_nb.model.changes import (
    AddAgent,
    AddPayment,
    AddSubmission,
    AddWorker,
    Changes,
    ChangeUnit,
    SetBlocked,
    SetGrant,
)
from mephisto_nb.model.people import OF_ALL, OF_WORKERS, Act, ActKind, Outcome
from mephisto_nb.people.acts import foretell, make_act, tell
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.database import Database
from mephisto_nb.rules.people import undo_of
from mephisto_nb.utils.ids import login_name
from mephisto_nb.utils.logging import get_logger

logger = get_logger(__name__)

#: So many acts can be undone, one after the other.
_KEPT = 50
#: What runs and decisions change of people, and of what is counted of them.
_ABOUT_PEOPLE = (AddWorker, AddAgent, AddSubmission, AddPayment, ChangeUnit, SetGrant, SetBlocked)


class PeopleActs:
    """Does acts, and remembers what they did.

    Parameters
    ----------
    database, writer, clock
        Where people are kept, who writes there, and what time it is.
    """

    def __init__(self, database: Database, writer: DatabaseWriter, clock: Clock) -> None:
        self.database = database
        #: Who is told, on the loop, after each act, and whenever a run or a decision here has changed people.
        self.listeners: list[Callable[[], None]] = []
        self._writer, self._clock = writer, clock
        self._done: deque[Outcome] = deque(maxlen=_KEPT)
        self._turn = asyncio.Lock()
        writer.listeners.append(self._take_in)

    def last(self, kinds: Collection[ActKind] = OF_ALL) -> Outcome | None:
        """Give what `undo` would take back of acts of these kinds."""
        return next((one for one in reversed(self._done) if one.act.kind in kinds), None)

    def known_workers(self) -> Sequence[Sequence[Any]]:
        """Give the rows of `PeopleStore.read_workers`, without those who were known for a moment alone, by mistake."""
        workers, gone = self.database.read_workers(), self.database.find_gone_workers()
        return [row for row in workers if row[0] not in gone] if gone else workers

    def tell(self) -> None:
        """Tell everybody that something about people may have changed."""
        for listener in list(self.listeners):
            listener()

    async def do(self, action: str, **arguments: Any) -> Outcome:
        """Do something, by the name of the method that does it and with its arguments.

        Raises
        ------
        ConfigError
            There is no such action, or it cannot be done so.
        NotFoundError
            There is no such worker or qualification.
        DatabaseError
            The database could not be written; nothing was done.
        """
        outcome = await self._perform(await in_thread(self._make, action, arguments))
        if outcome.has_changed:
            self._done.append(outcome)
        self.tell()
        return outcome

    def preview(self, action: str, **arguments: Any) -> str:
        """Say what an action would do now, in numbers; nothing is done.

        Raises
        ------
        ConfigError
            There is no such action, or it cannot be done so.
        NotFoundError
            There is no such worker or qualification.
        """
        outcome = self.database.foresee(self._make(action, arguments))
        _check(outcome)
        return foretell(outcome)

    def preview_undo(self, kinds: Collection[ActKind] = OF_ALL) -> str:
        """Say what `undo` would take back.

        Raises
        ------
        NotFoundError
            There is nothing.
        """
        return f"Will be undone: {tell(self._last_or_refuse(kinds))}"

    async def undo(
        self, kinds: Collection[ActKind] = OF_ALL, *, act_id: str | None = None, who: str | None = None
    ) -> Outcome:
        """Take the last act back that was not undone yet, or refuse to: then it stays, and the next is that before it.

        Parameters
        ----------
        kinds
            Of acts of which kinds.
        act_id
            Which act is meant: another one is not taken back in its place.
        who
            Who does it; None: the name that this computer knows you by.

        Raises
        ------
        NotFoundError
            There is none, in this kernel.
        ConflictError
            Somebody has changed the same things since, or done another act; nothing was changed.
        """
        async with self._turn:
            last = self._last_or_refuse(kinds)
            if act_id is not None and last.act_id != act_id:
                raise ConflictError(f"Nothing was undone: another act came in between. The last is now: {tell(last)}")
            try:
                outcome = await self._perform(undo_of(last, login_name() if who is None else who))
            except ConflictError as error:
                self._forget(last)
                before = self.last(kinds)
                next_ = f" Undo again for the act before it: {tell(before)}" if before else ""
                raise ConflictError(f"{error}{next_}") from error
            self._forget(last)
            return outcome

    def _last_or_refuse(self, kinds: Collection[ActKind]) -> Outcome:
        if (last := self.last(kinds)) is not None:
            return last
        if (other := self.last()) is not None:
            whose = "workers" if other.act.kind in OF_WORKERS else "qualifications"
            raise NotFoundError(
                f"There is nothing to undo here. The last act was one on {whose}: {tell(other)} "
                f"Take it back with operator.{whose}.undo()."
            )
        raise NotFoundError(
            "There is nothing to undo: this operator has done nothing to people yet, or all of it is undone. "
            "What came with a decision on an answer goes back with that decision: run.undo_review(...)."
        )

    def _forget(self, done: Outcome) -> None:
        self._done.remove(done)
        self.tell()

    def _take_in(self, changes: Changes) -> None:
        """Hear of what is committed in this kernel beside acts, and tell of it if it is about people."""
        if any(isinstance(change, _ABOUT_PEOPLE) for change in changes.changes):
            self.tell()

    def _make(self, action: str, arguments: dict[str, Any]) -> Act:
        return make_act(action, self.database.read_workers, arguments)

    async def _perform(self, act: Act) -> Outcome:
        outcome: Outcome = await self._writer.call(self.database.perform, act, self._clock.now())
        _check(outcome)
        logger.debug("%s", tell(outcome))
        return outcome


def _check(outcome: Outcome) -> None:
    """Refuse what is about a qualification that is not there; nothing was written."""
    act = outcome.act
    if outcome.was is None and act.undoes is None and act.kind in (ActKind.DELETE, ActKind.DESCRIBE, ActKind.REVOKE):
        raise NotFoundError(
            f"There is no qualification {act.qualification_name!r} in this database. See operator.qualifications()."
        )
