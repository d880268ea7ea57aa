"""Which answers a decision is about: ids, a frame, a mask, a filter, or all that wait for one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import pandas as pd

from mephisto_nb.errors import ConfigError, NotFoundError
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.ports.database import Database

#: By unit, the status in which it was seen; None: nobody has looked.
Wanted: TypeAlias = dict[str, UnitStatus | None]
Units: TypeAlias = "str | Iterable[str] | pd.DataFrame | pd.Series[bool] | Callable[[pd.DataFrame], object] | None"

_HOW = (
    "Give unit ids, rows of a frame with the column unit_id, a mask over results(), a function that takes results() "
    "and gives rows or a mask, or nothing for all that wait for a decision."
)


class Selectable(Protocol):
    """Where answers are selected from."""

    def units(self) -> pd.DataFrame:
        """Return one row a unit."""

    def results(self) -> pd.DataFrame:
        """Return one row an answer."""


def select(
    run: Selectable,
    units: Units = None,
    worker: str | Iterable[str] | None = None,
    meant: Collection[UnitStatus] = frozenset({UnitStatus.COMPLETED}),
) -> Wanted:
    """Return which units are meant, in order, each once.

    Parameters
    ----------
    run
        Where they are.
    units
        Ids; rows with the column ``unit_id`` (with ``status``, each is decided on only if it is still in the status
        that these rows show; of what a decision gave back, those alone that it was ``done`` to); a mask over
        ``results()``; a function of ``results()``; None: all whose status is `meant`, those of gates too.
    worker
        Names of workers: their units alone.
    meant
        Which those are that nobody has to name: all that wait for a decision, unless told otherwise.

    Raises
    ------
    ConfigError
        It cannot be told which units are meant.
    """
    wanted = _all(run, meant) if units is None else _from(run, units)
    if worker is None:
        return wanted
    names = {worker} if isinstance(worker, str) else set(worker)
    frame = run.units()
    theirs = set(frame.loc[frame["worker_name"].isin(names), "unit_id"])
    return {unit_id: seen for unit_id, seen in wanted.items() if unit_id in theirs}


def refuse_namesakes(worker: str | Iterable[str], frame: pd.DataFrame) -> list[str]:
    """Return names of workers, each of which is that of one alone in the rows of a frame.

    Raises
    ------
    ConfigError
        A name is that of two workers, in different crowds.
    """
    names = [worker] if isinstance(worker, str) else list(worker)
    many = frame.loc[frame["worker_name"].isin(names)].groupby("worker_name")["worker_id"].nunique()
    for name, number in many.items():
        if number > 1:
            raise ConfigError(
                f"{name!r} is the name of {number} workers, in different crowds. Choose the rows that are meant by "
                "their worker_id."
            )
    return names


def _all(run: Selectable, meant: Collection[UnitStatus]) -> Wanted:
    frame = run.units()
    return _from_rows(frame.loc[frame["status"].isin([status.value for status in meant]), ["unit_id", "status"]])


def _from(run: Selectable, units: object) -> Wanted:
    if isinstance(units, str):
        return {units: None}
    if isinstance(units, pd.DataFrame):
        return _from_rows(units)
    if isinstance(units, pd.Series):
        return _from_mask(run.results(), units) if _is_mask(units) else _from_ids(units)
    if callable(units):
        chosen = units(results := run.results())
        if isinstance(chosen, pd.Series) and _is_mask(chosen):
            return _from_mask(results, chosen)
        return _refuse(chosen) if callable(chosen) else _from(run, chosen)
    return _from_ids(units) if isinstance(units, Iterable) else _refuse(units)


def _from_rows(rows: pd.DataFrame) -> Wanted:
    if "unit_id" not in rows:
        raise ConfigError(f"These rows have no column unit_id, so nobody can tell which answers they are. {_HOW}")
    if "done" in rows:  # what a decision gave back: it is about what it did alone
        rows = rows[rows["done"].astype(bool)]
    seen = next((name for name in ("status", "after") if name in rows), None)
    if seen is None:
        return dict.fromkeys(rows["unit_id"])
    known: Mapping[str, UnitStatus] = {status.value: status for status in UnitStatus}
    return {unit_id: known.get(status) for unit_id, status in zip(rows["unit_id"], rows[seen], strict=True)}


def _is_mask(units: pd.Series[Any]) -> bool:
    return units.dtype == bool or isinstance(units.dtype, pd.BooleanDtype)


def _from_mask(results: pd.DataFrame, mask: pd.Series[bool]) -> Wanted:
    if len(mask) != len(results) or not mask.index.equals(results.index):
        raise ConfigError(
            f"The mask has {len(mask)} values, and results() has {len(results)} rows by now, so it may mean others. "
            "Give the rows themselves, results[mask], or a function that makes the mask."
        )
    # Of a number that is missing, pandas says that nobody knows whether it is more than another.
    return _from_rows(results[mask.fillna(False).astype(bool)])


def _from_ids(ids: Iterable[object]) -> Wanted:
    found = list(ids)
    wrong = [one for one in found if not isinstance(one, str)]
    return _refuse(wrong[0]) if wrong else dict.fromkeys(str(one) for one in found)


def _refuse(given: object) -> Wanted:
    raise ConfigError(f"Answers cannot be chosen by {given!r}. {_HOW}")


def find_run_ids(database: Database, runs: str | Iterable[str] | pd.DataFrame) -> Sequence[str]:
    """Return the ids of runs: of all of a task by its name, of rows with the column ``task_run_id``, or as they are.

    Raises
    ------
    NotFoundError
        There is no run of such a task.
    ConfigError
        The rows have no column ``task_run_id``.
    """
    if not isinstance(runs, str):
        return ids_in(runs, "task_run_id")
    ids = [run.task_run_id for run in database.runs.find_runs(task_name=runs)]
    if not ids:
        raise NotFoundError(f"There is no run of a task {runs!r} in this database. See operator.task_runs().")
    return ids


def ids_in(given: str | Iterable[str] | pd.DataFrame, column: str) -> Sequence[str]:
    """Return ids that were given by themselves, or in a column of rows; raise `ConfigError` if there is none such."""
    if isinstance(given, str):
        return [given]
    if isinstance(given, pd.DataFrame):
        if column not in given:
            raise ConfigError(f"These rows have no column {column}, so nobody can tell what they are of.")
        return list(given[column].dropna().unique())
    return list(given)
