"""The one place through which a researcher's acts on people go: previewed, done in one transaction, undone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from mephisto_nb.abstractions.clock import Clock
from mephisto_nb.abstractions.database import Database
from mephisto_nb.data_model.changes import (
    AddAgent,
    AddPayment,
    AddSubmission,
    AddWorker,
    ChangeUnit,
    SetBlocked,
    SetGrant,
)
from mephisto_nb.data_model.people_acts import Act, ActKind, Outcome
from mephisto_nb.errors import NotFoundError
from mephisto_nb.lifecycle.people_acts import undo_of
from mephisto_nb.lifecycle.step import Step
from mephisto_nb.operations.act_makers import make_act
from mephisto_nb.operations.act_words import foretell, tell
from mephisto_nb.operations.threads import DatabaseWriter, in_thread
from mephisto_nb.utils.logging import get_logger

logger = get_logger(__name__)

#: So many acts can be undone, one after the other.
_KEPT = 50
#: What a step of a run changes of people, and of what is counted of them.
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
        #: Who is told, on the loop, after each act, and after each step of a run here that is about people.
        self.listeners: list[Callable[[], None]] = []
        self._writer, self._clock = writer, clock
        self._done: deque[Outcome] = deque(maxlen=_KEPT)

    @property
    def last(self) -> Outcome | None:
        """What `undo` would take back."""
        return self._done[-1] if self._done else None

    def take_in(self, step: Step) -> None:
        """Hear of a committed step of a run, and tell of it if it is about people."""
        if any(isinstance(change, _ABOUT_PEOPLE) for change in step.changes.changes):
            self.tell()

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

    async def undo(self) -> Outcome:
        """Take the last act back that was not undone yet.

        Raises
        ------
        NotFoundError
            There is none, in this kernel.
        ConflictError
            Somebody has changed the same things since; nothing was changed.
        """
        last = self.last
        if last is None:
            raise NotFoundError("There is nothing to undo: this operator has done nothing to people yet.")
        outcome = await self._perform(undo_of(last))
        self._done.remove(last)
        return outcome

    def _make(self, action: str, arguments: dict[str, Any]) -> Act:
        return make_act(action, self.database.read_workers, arguments)

    async def _perform(self, act: Act) -> Outcome:
        outcome: Outcome = await self._writer.call(self.database.perform, act, self._clock.now())
        _check(outcome)
        logger.debug("%s", tell(outcome))
        self.tell()
        return outcome


def _check(outcome: Outcome) -> None:
    """Refuse what is about a qualification that is not there; nothing was written."""
    act = outcome.act
    if outcome.was is None and act.undoes is None and act.kind in (ActKind.DELETE, ActKind.DESCRIBE, ActKind.REVOKE):
        raise NotFoundError(
            f"There is no qualification {act.qualification_name!r} in this database. See operator.qualifications()."
        )
