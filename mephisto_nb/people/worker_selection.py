"""The workers that somebody means: by name, in a list, or in a column of a DataFrame.

The names of people who are to get links, as somebody writes them down.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any, TypeAlias, cast

import pandas as pd

from mephisto_nb.errors import ConfigError, NotFoundError
from mephisto_nb.kernel.live_run import LiveRun
from mephisto_nb.model.people import WorkerKey


def read_names(names: Iterable[Any]) -> list[str]:
    """Give names without the space around them.

    Raises
    ------
    ConfigError
        One is no text, or empty; or two are the same, but for capital letters and spaces.

    Examples
    --------
    >>> read_names(["ann", " Bob Lee"])
    ['ann', 'Bob Lee']
    """
    if isinstance(names, str):
        raise ConfigError(f"{names!r} is one name, not a list of names. Write get_worker_urls([{names!r}]).")
    known: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise ConfigError(f"{name!r} is no name, so there is no link for it. Give text, such as 'ann'.")
        bare = "".join(name.split()).casefold()
        if bare in known:
            raise ConfigError(
                f"{known[bare]!r} and {name!r} are too much alike: as names of two people they would be mixed up, and "
                "one person needs one link. Give each person one name of their own."
            )
        known[bare] = name
    return [name.strip() for name in known.values()]


#: A name, several, a column ``worker_name`` or ``worker_id``, or a frame that has one of them.
Whom: TypeAlias = "str | WorkerKey | Iterable[str | WorkerKey] | pd.Series[Any] | pd.DataFrame"
Values: TypeAlias = "int | Sequence[int] | pd.Series[Any]"


def pick_workers(given: Whom, provider: str, known: Sequence[Sequence[Any]]) -> list[WorkerKey]:
    """Give the workers that are meant, in their order; a name may be new, an id may not.

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
    return WorkerKey(given, provider)


def pair_values(workers: Sequence[WorkerKey], value: Values) -> dict[WorkerKey, int]:
    """Give each worker a value: the same, or the one in their place.

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
        One is no name; or two are the same, but for capital letters and spaces.
    """
    found = read_names(names)
    return pd.DataFrame({"worker_name": found, "url": [run.get_worker_url(name) for name in found]}, dtype="string")
