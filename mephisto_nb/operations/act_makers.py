"""Makes acts on people of what a script, or a click, asks for.

Each maker has the arguments of the method of its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from mephisto_nb.errors import ConfigError, NotFoundError
from mephisto_nb.model.people import Act, ActKind, WorkerKey
from mephisto_nb.people.worker_selection import Values, Whom, pair_values, pick_workers
from mephisto_nb.utils.ids import login_name

#: Reads the rows of `PeopleStore.read_workers`.
Known: TypeAlias = Callable[[], Sequence[Sequence[Any]]]


def _create(known: Known, name: str, description: str = "", *, why: str = "created", who: str | None = None) -> Act:
    return Act(ActKind.CREATE, _checked(name), text=description, why=why, who=_name(who))


def _describe(known: Known, name: str, description: str, *, why: str = "described", who: str | None = None) -> Act:
    return Act(ActKind.DESCRIBE, _checked(name), text=description, why=why, who=_name(who))


def _delete(known: Known, name: str, *, why: str = "the qualification was deleted", who: str | None = None) -> Act:
    return Act(ActKind.DELETE, _checked(name), why=why, who=_name(who))


def _grant(
    known: Known,
    name: str,
    workers: Whom,
    value: Values = 1,
    *,
    why: str = "granted",
    who: str | None = None,
    provider: str = "mock",
) -> Act:
    paired = pair_values(pick_workers(workers, provider, known()), value)
    return Act(ActKind.GRANT, _checked(name), tuple(paired), tuple(paired.values()), why=why, who=_name(who))


def _revoke(
    known: Known, name: str, workers: Whom, *, why: str = "revoked", who: str | None = None, provider: str = "mock"
) -> Act:
    found = _once(pick_workers(workers, provider, known()))
    return Act(ActKind.REVOKE, _checked(name), found, (None,) * len(found), why=why, who=_name(who))


def _block(known: Known, workers: Whom, *, why: str = "blocked", who: str | None = None, provider: str = "mock") -> Act:
    found = _once(pick_workers(workers, provider, known()))
    return Act(ActKind.BLOCK, workers=found, values=(1,) * len(found), why=why, who=_name(who))


def _unblock(
    known: Known, workers: Whom, *, why: str = "unblocked", who: str | None = None, provider: str = "mock"
) -> Act:
    found = _once(pick_workers(workers, provider, known()))
    return Act(ActKind.UNBLOCK, workers=found, values=(0,) * len(found), why=why, who=_name(who))


def _note(known: Known, workers: Whom, text: str, *, who: str | None = None, provider: str = "mock") -> Act:
    if not text.strip():
        raise ConfigError("The note is empty. Write what is to be remembered of the worker.")
    found = _once(pick_workers(workers, provider, known()))
    unknown = set(found) - {WorkerKey(row[1], row[2]) for row in known()}
    if unknown:
        raise NotFoundError(f"There is no worker {min(unknown).worker_name!r} to note anything about ({len(unknown)}).")
    return Act(ActKind.NOTE, workers=found, values=(None,) * len(found), text=text, why="noted", who=_name(who))


def _once(workers: Sequence[WorkerKey]) -> tuple[WorkerKey, ...]:
    return tuple(dict.fromkeys(workers))


def _name(who: str | None) -> str:
    """Give the name of who does it: the one that is given, or else that of whoever sits here."""
    if who is not None and not isinstance(who, str):
        raise ConfigError(f"who is {who!r}. Give a name.")
    return login_name() if who is None else who


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
