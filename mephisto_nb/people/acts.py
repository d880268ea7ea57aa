"""The one place through which a researcher's acts on people go: previewed, done in one transaction, undone.

On the way of an act: who is meant (`pick_workers`), what is asked for (`make_act`), what it would do or has done in
words (`foretell`, `tell`), and who does it (`PeopleActs`).
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice
from numbers import Integral, Real
from typing import Any, Protocol, TypeAlias, cast

import pandas as pd

from mephisto_nb.config.whole_frame import WholeFrame
from mephisto_nb.errors import ConfigError, ConflictError, NotFoundError
from mephisto_nb.kernel.live_run import LiveRun
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
from mephisto_nb.model.people import (
    OF_ALL,
    OF_BLOCKS,
    OF_WORKERS,
    Act,
    ActKind,
    ActOutcome,
    WorkerChange,
    WorkerKey,
    alike,
    find_unusable,
    plain_name,
)
from mephisto_nb.model.records import LINK, crowd_of
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.database import Database
from mephisto_nb.rules.people import undo_of
from mephisto_nb.utils.ids import acting_name, login_name
from mephisto_nb.utils.logging import get_logger


def read_names(names: Iterable[Any]) -> list[str]:
    """Return names as they are known by: without space around them, and without what shows nothing.

    Parameters
    ----------
    names
        A list or anything else that gives one name after the other; of a DataFrame, its column ``worker_name``, or its
        only one.

    Raises
    ------
    ConfigError
        It cannot be told which names are meant; one is no text, empty, too long, or holds what nobody can read; or two
        are the same, but for capital letters, spaces and marks that nobody sees.

    Examples
    --------
    >>> read_names(["ann", " Bob Lee"])
    ['ann', 'Bob Lee']
    """
    known: dict[str, str] = {}
    for number, name in enumerate(_listed(names), start=1):
        if not isinstance(name, str) or not plain_name(name):
            raise ConfigError(
                f"{name!r} is no name, so there is no link for it (number {number} of those given). "
                "Give text, such as 'ann'; leave out who has none."
            )
        if why := find_unusable(plain_name(name)):
            raise ConfigError(
                f"The name {name[:60]!r} (number {number} of those given) {why}, so no link of it would work. "
                "Give this person another name."
            )
        if (bare := alike(name)) in known:
            raise ConfigError(
                f"{known[bare]!r} and {name!r} are too much alike: as names of two people they would be mixed up, and "
                "one person needs one link. Give each person one name of their own."
            )
        known[bare] = name
    return [plain_name(name) for name in known.values()]


def _listed(names: Any) -> Iterable[Any]:
    if isinstance(names, str | bytes):
        raise ConfigError(f"{names!r} is one name, not a list of names. Write get_worker_urls([{names!r}]).")
    if isinstance(names, pd.DataFrame):
        if "worker_name" in names.columns and names.columns.tolist().count("worker_name") == 1:
            return names["worker_name"]
        if len(names.columns) == 1:
            return names.iloc[:, 0]
        columns = ", ".join(map(repr, names.columns[:8])) or "none"
        raise ConfigError(
            f"A DataFrame was given, and it cannot be told which of its columns holds the names; it has: {columns}. "
            "Choose one: get_worker_urls(df['name']), or its index: get_worker_urls(df.index)."
        )
    if isinstance(names, Mapping) or not isinstance(names, Iterable):
        how = "get_worker_urls(list(names))" if isinstance(names, Mapping) else "get_worker_urls(['ann', 'bob'])"
        raise ConfigError(f"The names are a {type(names).__name__}, not a list of names. Write {how}.")
    return names


#: A name, several, a column ``worker_name`` or ``worker_id``, or a frame that has one of them.
Whom: TypeAlias = "str | WorkerKey | Iterable[str | WorkerKey] | pd.Series[Any] | pd.DataFrame"
Values: TypeAlias = "int | Sequence[int] | pd.Series[Any]"


def pick_workers(given: Whom, provider: str, known: Sequence[Sequence[Any]]) -> list[WorkerKey]:
    """Return the workers that are meant, in their order; a name may be new, an id may not.

    Parameters
    ----------
    given
        See `Whom`. A frame is asked for ``worker_id`` first, then for ``worker_name`` with ``provider_type``.
    provider
        The crowd of those that are given by name alone.
    known
        The rows of `PeopleStore.read_workers`.

    Raises
    ------
    ConfigError
        Nobody can be read from what is given.
    NotFoundError
        There is no worker of an id.
    """
    if isinstance(given, pd.DataFrame):
        return _of_frame(given, provider, known)
    if isinstance(given, pd.Series) and given.name == "worker_id":
        return _of_ids(given, known)
    if isinstance(given, (str, WorkerKey)):
        given = [given]
    if not isinstance(given, (Iterable, pd.Series)):
        raise ConfigError(f"Workers are given as a name, a list of names, or a DataFrame, not as {given!r}.")
    return [_of_name(one, provider) for one in given]


def _of_frame(frame: pd.DataFrame, provider: str, known: Sequence[Sequence[Any]]) -> list[WorkerKey]:
    if "worker_id" in frame:
        return _of_ids(frame["worker_id"], known)
    if "worker_name" not in frame:
        columns = ", ".join(map(str, frame.columns[:8]))
        raise ConfigError(f"The DataFrame has neither a column worker_id nor worker_name; it has {columns}.")
    providers = frame["provider_type"] if "provider_type" in frame else [provider] * len(frame)
    return [_of_name(name, one) for name, one in zip(frame["worker_name"], providers, strict=True)]


def _of_ids(ids: Iterable[Any], known: Sequence[Sequence[Any]]) -> list[WorkerKey]:
    by_id = {row[0]: WorkerKey(row[1], row[2]) for row in known}
    found = list(ids)
    missing = [one for one in found if one not in by_id]
    if missing:
        raise NotFoundError(
            f"There is no worker with the id {missing[0]!r} in this database ({len(missing):,} such). "
            "Rows without a worker (units that nobody has) have to be left out."
        )
    return [by_id[one] for one in found]


def _of_name(given: object, provider: str) -> WorkerKey:
    if isinstance(given, WorkerKey):
        return given
    if not isinstance(given, str) or not given.strip():
        raise ConfigError(f"A worker is known by name, but {given!r} is none. Leave rows without a worker out.")
    crowd = crowd_of(provider)
    return WorkerKey(plain_name(given) if crowd == LINK else given.strip(), crowd)


def pair_values(workers: Sequence[WorkerKey], value: Values) -> dict[WorkerKey, int]:
    """Return the value of each worker: the same, or the one in their place.

    Raises
    ------
    ConfigError
        A value is no whole number, there are not as many as workers, or a worker would get two different ones.
    """
    values: list[Any] = [value] * len(workers) if isinstance(value, (Real, str)) else list(cast("Any", value))
    if len(values) != len(workers):
        raise ConfigError(f"{len(values):,} values were given for {len(workers):,} workers. Give one, or one for each.")
    paired: dict[WorkerKey, int] = {}
    for worker, one in zip(workers, values, strict=True):
        if (
            isinstance(one, bool)
            or not isinstance(one, (int, float, Integral))
            or not math.isfinite(one)
            or int(one) != one
        ):
            raise ConfigError(
                f"The value of a qualification is a whole number, but {worker.worker_name!r} gets {one!r}."
            )
        if paired.setdefault(worker, int(one)) != one:
            raise ConfigError(f"{worker.worker_name!r} is given twice, with {paired[worker]} and {one}. Keep one row.")
    return paired


def make_worker_urls(run: LiveRun, names: Iterable[str]) -> pd.DataFrame:
    """Return the links of several workers, one row a name (columns: ``worker_name``, ``url``).

    Raises
    ------
    ConfigError
        One is no name; or two are the same, but for capital letters and spaces (see `read_names`).
    """
    found = read_names(names)
    return WholeFrame({"worker_name": found, "url": [run.get_worker_url(name) for name in found]}, dtype="string")


#: Reads the rows of `PeopleStore.read_workers`.
Known: TypeAlias = Callable[[], Sequence[Sequence[Any]]]


def _create(known: Known, name: str, description: str = "", *, why: str = "created", who: str | None = None) -> Act:
    return Act(ActKind.CREATE, _checked(name), text=description, why=why, who=acting_name(who))


def _describe(known: Known, name: str, description: str, *, why: str = "described", who: str | None = None) -> Act:
    return Act(ActKind.DESCRIBE, _checked(name), text=description, why=why, who=acting_name(who))


def _delete(known: Known, name: str, *, why: str = "the qualification was deleted", who: str | None = None) -> Act:
    return Act(ActKind.DELETE, _checked(name), why=why, who=acting_name(who))


def _grant(
    known: Known,
    name: str,
    workers: Whom,
    value: Values = 1,
    *,
    why: str = "granted",
    who: str | None = None,
    provider: str = LINK,
) -> Act:
    paired = pair_values(pick_workers(workers, provider, known()), value)
    return Act(ActKind.GRANT, _checked(name), tuple(paired), tuple(paired.values()), why=why, who=acting_name(who))


def _revoke(
    known: Known, name: str, workers: Whom, *, why: str = "revoked", who: str | None = None, provider: str = LINK
) -> Act:
    found = _once(pick_workers(workers, provider, known()))
    return Act(ActKind.REVOKE, _checked(name), found, (None,) * len(found), why=why, who=acting_name(who))


def _block(known: Known, workers: Whom, *, why: str = "blocked", who: str | None = None, provider: str = LINK) -> Act:
    found = _once(pick_workers(workers, provider, known()))
    return Act(ActKind.BLOCK, workers=found, values=(1,) * len(found), why=why, who=acting_name(who))


def _unblock(
    known: Known, workers: Whom, *, why: str = "unblocked", who: str | None = None, provider: str = LINK
) -> Act:
    found = _once(pick_workers(workers, provider, known()))
    return Act(ActKind.UNBLOCK, workers=found, values=(0,) * len(found), why=why, who=acting_name(who))


def _note(known: Known, workers: Whom, text: str, *, who: str | None = None, provider: str = LINK) -> Act:
    if not isinstance(text, str):
        raise ConfigError(f"The note is {text!r}. Give text.")
    if not text.strip():
        raise ConfigError("The note is empty. Write what is to be remembered of the worker.")
    found = _once(pick_workers(workers, provider, known()))
    unknown = set(found) - {WorkerKey(row[1], row[2]) for row in known()}
    if unknown:
        raise NotFoundError(f"There is no worker {min(unknown).worker_name!r} to note anything about ({len(unknown)}).")
    return Act(ActKind.NOTE, workers=found, values=(None,) * len(found), text=text, why="noted", who=acting_name(who))


def _once(workers: Sequence[WorkerKey]) -> tuple[WorkerKey, ...]:
    return tuple(dict.fromkeys(workers))


def _checked(name: str) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"A qualification is known by name, but {name!r} is none.")
    return name


_MAKERS: Mapping[str, Callable[..., Act]] = {
    "create": _create,
    "describe": _describe,
    "delete": _delete,
    "grant": _grant,
    "revoke": _revoke,
    "block": _block,
    "unblock": _unblock,
    "note": _note,
}


def make_act(action: str, known: Known, arguments: Mapping[str, Any]) -> Act:
    """Make an act.

    Raises
    ------
    ConfigError
        There is no such action, or it cannot be done so.
    NotFoundError
        A worker is given by an id that nobody has.
    """
    maker = _MAKERS.get(action)
    if maker is None:
        raise ConfigError(f"There is no action {action!r}. Name one of {', '.join(_MAKERS)}.")
    try:
        return maker(known, **arguments)
    except TypeError as error:
        raise ConfigError(f"The action {action!r} cannot be done so: {error}.") from error


#: How many workers are named.
_NAMED = 4


def foretell(outcome: ActOutcome) -> str:
    """Say what an act would do."""
    said = _foretell_workers(outcome) if outcome.act.workers else _foretell_qualification(outcome)
    return " ".join(part for part in (said, _unchanged(outcome), _new(outcome.changes)) if part)


def tell(outcome: ActOutcome) -> str:
    """Say what an act did."""
    act, count = outcome.act, _workers(len(outcome.changes))
    if not outcome.has_changed:
        return "Nothing had to be changed: it was so already."
    if act.undoes is not None:
        return f"Undone: {tell(act.undoes)[:1].lower()}{tell(act.undoes)[1:]}"
    name = repr(act.qualification_name)
    return {
        ActKind.CREATE: f"Created {name}.",
        ActKind.DESCRIBE: f"Described {name}.",
        ActKind.DELETE: f"Deleted {name}; {count} held it.",
        ActKind.GRANT: f"Granted {name} to {count}.",
        ActKind.REVOKE: f"Revoked {name} from {count}.",
        ActKind.BLOCK: f"Blocked {count}.",
        ActKind.UNBLOCK: f"Unblocked {count}.",
        ActKind.NOTE: f"Noted about {count}.",
        ActKind.WITHDRAW: f"Withdrew a note about {count}.",
    }[act.kind]


def _foretell_workers(outcome: ActOutcome) -> str:
    act, changes = outcome.act, outcome.changes
    names, name = _named(changes), repr(act.qualification_name)
    if not changes:
        return "Nothing will change."
    if act.kind is ActKind.GRANT:
        made = "" if outcome.was is not None else f" {name} will be made for it."
        return f"{names} {_gets(changes, name)}.{made}"
    if act.kind is ActKind.REVOKE:
        return f"{names} will lose {name}."
    if act.kind in OF_BLOCKS:
        offered = "offered nothing any more, in any run" if act.kind is ActKind.BLOCK else "offered work again"
        return f"{names} will be {offered}."
    return f"A note will be kept about {names}."


def _gets(changes: Sequence[WorkerChange], name: str) -> str:
    first = sum(change.before is None for change in changes)
    parts = []
    if first:
        parts.append(f"will get {name} ({_values(changes)})")
    if first and first < len(changes):
        parts.append(f"of whom {len(changes) - first:,} had another value")
    if not first:
        parts.append(f"will get another value of {name} ({_values(changes)})")
    return ", ".join(parts)


def _values(changes: Sequence[WorkerChange]) -> str:
    values = sorted({change.after for change in changes if change.after is not None})
    return f"{values[0]}" if len(values) == 1 else f"{values[0]} to {values[-1]}"


def _foretell_qualification(outcome: ActOutcome) -> str:
    act, name = outcome.act, repr(outcome.act.qualification_name)
    if act.kind is ActKind.CREATE:
        return f"{name} will be created." if outcome.was is None else f"There is {name} already: nothing will change."
    if act.kind is ActKind.DESCRIBE:
        return f"{name} will be described otherwise." if outcome.has_changed else "Nothing will change."
    if act.kind is ActKind.DELETE:
        held = f"{_workers(len(outcome.changes))} will lose it"
        names = f": {_names(outcome.changes)}" if outcome.changes else ""
        return f"{name} will be deleted. {held if outcome.changes else 'Nobody holds it'}{names}."
    return "Nobody is meant: nothing will change."


def _unchanged(outcome: ActOutcome) -> str:
    if not outcome.unchanged:
        return ""
    have = {ActKind.GRANT: "have it so already", ActKind.REVOKE: "do not have it"}
    state = have.get(outcome.act.kind, "are so already")
    if outcome.unchanged == 1:
        state = state.replace("have it", "has it").replace("do not", "does not").replace("are so", "is so")
        state = state.replace("does not has", "does not have")
    return f"{_workers(outcome.unchanged)} {state}."


def _new(changes: Sequence[WorkerChange]) -> str:
    new = [change for change in changes if change.is_new]
    return f"Not known here until now: {_named(new)}." if new else ""


def _named(changes: Sequence[WorkerChange]) -> str:
    few = len(changes) <= _NAMED
    return _names(changes) if few else f"{_workers(len(changes))} ({_names(changes)})"


def _names(changes: Sequence[WorkerChange]) -> str:
    names = ", ".join(change.worker.worker_name[:60] for change in islice(changes, _NAMED))
    return names if len(changes) <= _NAMED else f"{names} and {len(changes) - _NAMED:,} more"


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count:,} workers"


logger = get_logger(__name__)

#: So many acts can be undone, one after the other.
_KEPT = 50
#: What runs and decisions change of people, and of what is counted of them.
_ABOUT_PEOPLE = (AddWorker, AddAgent, AddSubmission, AddPayment, ChangeUnit, SetGrant, SetBlocked)


class Panel(Protocol):
    """How a notebook shows something."""

    @property
    def model(self) -> Any:
        """The widget."""
        ...

    def bundle(self) -> dict[str, Any]:
        """Return what a notebook shows, by MIME type."""
        ...

    def show(self) -> None:
        """Put it out so that it can be put out anew; raise `NotImplementedError` where IPython shows it by itself."""
        ...


class PeopleActs:
    """Does acts, and remembers what they did.

    Parameters
    ----------
    database, writer, clock
        Where people are kept, who writes there, and what time it is.
    """

    def __init__(self, database: Database, writer: DatabaseWriter, clock: Clock) -> None:
        self.database = database
        #: Called, on the loop, after each act, and whenever a run or a decision here has changed people.
        self.listeners: list[Callable[[], None]] = []
        self._writer, self._clock, self.home = writer, clock, writer.home
        self._done: deque[ActOutcome] = deque(maxlen=_KEPT)
        self._turn = asyncio.Lock()
        writer.listeners.append(self._take_in)

    def last(self, kinds: Collection[ActKind] = OF_ALL) -> ActOutcome | None:
        """Return what `undo` would take back of acts of these kinds."""
        return next((one for one in reversed(self._done) if one.act.kind in kinds), None)

    def known_workers(self) -> Sequence[Sequence[Any]]:
        """Return the rows of `PeopleStore.read_workers`, without those who were known by mistake."""
        workers, gone = self.database.people.read_workers(), self.database.people.find_gone_workers()
        return [row for row in workers if row[0] not in gone] if gone else workers

    def tell(self) -> None:
        """Call every listener: something about people may have changed."""
        for listener in list(self.listeners):
            listener()

    async def do(self, action: str, **arguments: Any) -> ActOutcome:
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
        outcome = self.database.people.foresee(self._make(action, arguments))
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
    ) -> ActOutcome:
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

    def _last_or_refuse(self, kinds: Collection[ActKind]) -> ActOutcome:
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
            "What came with a decision on an answer goes back with that decision: run.review.undo(...)."
        )

    def _forget(self, done: ActOutcome) -> None:
        self._done.remove(done)
        self.tell()

    def _take_in(self, changes: Changes) -> None:
        """Called when something is committed in this kernel beside acts; calls the listeners if it is about people."""
        if any(isinstance(change, _ABOUT_PEOPLE) for change in changes.changes):
            self.tell()

    def _make(self, action: str, arguments: dict[str, Any]) -> Act:
        return make_act(action, self.database.people.read_workers, arguments)

    async def _perform(self, act: Act) -> ActOutcome:
        outcome: ActOutcome = await self._writer.call(self.database.people.perform, act, self._clock.now())
        _check(outcome)
        logger.debug("%s", tell(outcome))
        return outcome


def _check(outcome: ActOutcome) -> None:
    """Refuse what is about a qualification that is not there."""
    act, of_what_is = outcome.act, (ActKind.DELETE, ActKind.DESCRIBE, ActKind.REVOKE)
    if outcome.was is None and act.undoes is None and act.kind in of_what_is:
        name = act.qualification_name
        raise NotFoundError(f"There is no qualification {name!r} in this database. See operator.qualifications().")
