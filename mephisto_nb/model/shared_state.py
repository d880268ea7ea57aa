"""What a researcher gives a run besides its configuration: data to be worked on, and functions of this very process.

The values that notebooks hold become values that JSON can carry here, too.
"""

from __future__ import annotations

import datetime
import enum
import json
import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import DataFileError
from mephisto_nb.model.qualifications import Requirement
from mephisto_nb.utils.calling import brief, known_options
from mephisto_nb.utils.json_size import has_many_values


@brief
@dataclass(slots=True)
class InitializationData:
    """The data of one assignment.

    Parameters
    ----------
    shared
        What every worker of the assignment sees.
    unit_data
        One object a unit: its length is the number of different workers wanted.
    """

    shared: JSONObject
    unit_data: list[JSONObject] = field(default_factory=lambda: [{}])


@known_options
@brief
@dataclass(slots=True, repr=False)
class SharedTaskState:
    """Data and hooks of a run.

    Parameters
    ----------
    static_task_data
        The work: a list of rows (dictionaries), a pandas DataFrame, or an iterable, generator or async
        generator of rows or of `InitializationData`. None: the configuration names a data file. A DataFrame's index
        goes in as columns of its levels' names (or as ``index``), unless it only counts the rows from 0.
    task_config
        Sent to every worker's page as ``/task_config.json``.
    qualifications
        What workers must have, as made by `make_requirement` or in Mephisto's dictionary form.
    worker_can_do_unit
        ``f(worker, unit) -> bool``, asked before a unit is given to a worker. A plain one must be quick: everybody
        waits for it. An async one may take its time (up to 10 seconds for each worker who arrives), while that worker
        alone waits. One that raises, or takes longer, counts as False and leaves a row in the event log.
    on_unit_submitted
        ``f(unit)``, plain (in a thread) or async, called after a unit's answer is stored, with what was asked and
        answered, and with ``unit.bonus(amount, reason)``, ``grant``, ``revoke`` and ``block`` to act on it. A failure
        is logged, and told by `run.attention`. Called once for each answer; a second time only where a kernel died
        in the middle. Screening and gold units have a `unit_index` of -1 and -2.
    function_registry
        Of a 'remote_procedure' task: the functions that its page may call, by name; plain ones, which run in threads,
        or async ones. A parameter ``agent_state`` is told what is known of the unit.
    onboarding_data
        What the page gets for the introduction.
    validate_onboarding
        ``f(data) -> bool``, plain or async: whether what was handed in at the end of the introduction is good enough.
    screening, golds
        Rows whose right answers are known, as a DataFrame or a list of dictionaries, for screening and gold units.
        Each is shown to a worker once at most.
    screening_answer, gold_answer
        The columns of these rows, one name or several, that hold the right values of the answer's fields of the same
        names. No page gets to see them.
    judge_screening, judge_gold
        ``f(answer, row) -> bool``, plain or async, where comparing these columns is not enough.
    screening_data_factory
        In place of `screening`: a generator of rows, or a function that gives one.
    get_gold_for_worker
        In place of `golds`: ``f(worker) -> row``, plain or async; None: there is none left for them.
    worker_needs_gold
        ``f(units_completed, num_correct, num_incorrect, min_golds) -> bool``, in place of Mephisto's schedule. Like
        `worker_qualifies`, it must be quick and plain; where it raises, the usual rule holds.
    worker_qualifies
        ``f(units_completed, num_correct, num_incorrect, max_incorrect_golds) -> bool``: whether a worker may go on.
    judge_attention
        ``f(answer, row) -> bool``, plain or async: whether an answer of the work itself was given with care.

    A function that judges may take its time: it holds up nobody but the worker whose answer it judges. Where it raises,
    or takes more than five minutes, the answer is judged again when its worker comes again or the run is taken up
    again, and until then they are given nothing; an answer that `judge_attention` fails on is taken to be good.
    conversation
        Of a chat: ``async def f(data, agents)``, or ``async def f(data, agent)`` where each talks alone; or a subclass
        of `TaskRunner`. None: people talk freely with each other.
    bot
        Of a chat: a `Bot`, or its function, which takes the seats that nobody has taken or that somebody has left.
    """

    static_task_data: Any = None
    task_config: JSONObject = field(default_factory=dict)
    qualifications: list[Requirement | JSONObject] = field(default_factory=list)
    worker_can_do_unit: Callable[..., bool | Awaitable[bool]] | None = None
    on_unit_submitted: Callable[..., Any] | None = None
    function_registry: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    onboarding_data: JSON = field(default_factory=dict)
    validate_onboarding: Callable[..., Any] | None = None
    screening: Any = None
    screening_answer: str | Sequence[str] | None = None
    judge_screening: Callable[..., Any] | None = None
    screening_data_factory: Any = None
    golds: Any = None
    gold_answer: str | Sequence[str] | None = None
    judge_gold: Callable[..., Any] | None = None
    get_gold_for_worker: Callable[..., Any] | None = None
    worker_needs_gold: Callable[..., bool] | None = None
    worker_qualifies: Callable[..., bool] | None = None
    judge_attention: Callable[..., Any] | None = None
    conversation: Any = None
    bot: Any = None


class NotJSONError(ValueError):
    """A value that JSON cannot carry."""


def to_json(value: Any) -> JSON:
    """Return `value` as JSON can carry it.

    NaN and NaT become null, dates and times ISO text, numpy's scalars Python's. Exact decimals, durations, periods,
    intervals, paths and UUIDs become the text that pandas and Python read them from, and members of an enumeration
    their values.

    Raises
    ------
    NotJSONError
        JSON has nothing like it; the message says what it is, where, and what to do.

    Examples
    --------
    >>> to_json({"price": Decimal("0.10"), "length": datetime.timedelta(seconds=90)})
    {'price': '0.10', 'length': '0 days 00:01:30'}
    """
    return _convert(value, "")


#: Beyond this, JavaScript rounds whole numbers; it has so many digits.
_MOST_EXACT = 2**53 - 1
_LONG_NUMBER = re.compile(r"(?<![.0-9])[0-9]{16}")


def for_browsers(value: JSON) -> JSON:
    """Return JSON whose whole numbers a browser reads as they are: those that it would round are text.

    Examples
    --------
    >>> for_browsers({"id": 1234567890123456789, "likes": 3})
    {'id': '1234567890123456789', 'likes': 3}
    """
    return _exactly(value) if _may_be_rounded(value) else value


def _exactly(value: JSON) -> JSON:
    if isinstance(value, dict):
        return {key: _exactly(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_exactly(item) for item in value]
    return str(value) if _is_rounded(value) else value


def find_rounded(value: JSON) -> list[list[str | int]]:
    """Return where the whole numbers are that `for_browsers` turns into text: the keys and indices to each.

    Examples
    --------
    >>> find_rounded({"ids": [1234567890123456789], "likes": 3})
    [['ids', 0]]
    """
    return _paths_to_rounded(value) if _may_be_rounded(value) else []


def _paths_to_rounded(value: JSON) -> list[list[str | int]]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [[key, *path] for key, item in items for path in _paths_to_rounded(item)]
    return [[]] if _is_rounded(value) else []


def _may_be_rounded(value: JSON) -> bool:
    """Return False where no number in a value can be too long: millions of values are not looked at one by one."""
    return not has_many_values(value) or _LONG_NUMBER.search(json.dumps(value)) is not None


def _is_rounded(value: JSON) -> bool:
    return isinstance(value, int) and abs(value) > _MOST_EXACT


def times_in(rows: Any) -> dict[str, str]:
    """Return which columns of rows hold days and times alone, and of which type they are.

    Parameters
    ----------
    rows
        A DataFrame or a list; of rows that come one by one, nothing is known before.

    Returns
    -------
    dict
        By column ``date``, ``time`` (of a day), or a type of pandas such as ``datetime64[us, UTC]``.
    """
    if isinstance(rows, pd.DataFrame):
        known = {str(name): str(dtype) for name, dtype in rows.dtypes.items() if str(dtype).startswith("datetime64[")}
        others = rows.select_dtypes(exclude=["datetime", "datetimetz", "number", "bool"])
        return known | (times_in(others.to_dict("records")) if len(others.columns) else {})
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        return {}
    kinds: dict[str, set[str]] = {}
    for row in rows:
        for part in (row.shared, *row.unit_data) if isinstance(row, InitializationData) else (row,):
            for name, value in part.items() if isinstance(part, Mapping) else ():
                if kind := _kind_of_time(value):
                    kinds.setdefault(str(name), set()).add(kind)
    return {name: kind for name, (kind, *more) in kinds.items() if not more and kind != _NO_TIME}


_NO_TIME = "no time"


def _kind_of_time(value: Any) -> str:
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, datetime.datetime):
        return "datetime64[us]" if value.tzinfo is None else "datetime64[us, UTC]"
    if isinstance(value, datetime.date):
        return "date"
    is_of_day = isinstance(value, datetime.time) and value.tzinfo is None
    return "time" if is_of_day else "datetime64[us]" if isinstance(value, np.datetime64) else _NO_TIME


def _convert(value: Any, where: str) -> JSON:
    if isinstance(value, np.datetime64 | np.timedelta64):
        value = pd.Timestamp(value) if isinstance(value, np.datetime64) else pd.Timedelta(value)
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, enum.Enum):
        return _convert(value.value, where)
    if value is None or value is pd.NA or value is pd.NaT or isinstance(value, bool):
        return value if isinstance(value, bool) else None
    if isinstance(value, str):
        return _text(str.__str__(value), where)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _number(float(value), where)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    text = _as_text(value, where)
    return _convert_container(value, where) if text is _NO_TEXT else text


_NO_TEXT: Any = object()


def _as_text(value: Any, where: str) -> JSON:
    """Return what has one text by which it is read again as that text."""
    if isinstance(value, Decimal):
        return f"{value:f}" if _number(float(value), where) is not None else None
    if isinstance(value, datetime.timedelta):
        return str(pd.Timedelta(value))
    if isinstance(value, pd.Period | pd.Interval) or type(value).__module__ == "uuid":
        return str(value)
    if hasattr(value, "__fspath__"):
        path = value.as_posix() if hasattr(value, "as_posix") else value.__fspath__()
        return _convert(path, where)
    return _NO_TEXT


#: What to do about some things that JSON cannot carry.
_INSTEAD = {
    bytes: "Make text of it, as by .decode(); of a picture, write a file into extra_source_dir and give its name.",
    set: "JSON's lists have an order: give sorted(...) of it.",
    frozenset: "JSON's lists have an order: give sorted(...) of it.",
    complex: "Give its parts, .real and .imag.",
}


def _convert_container(value: Any, where: str) -> JSON:
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise NotJSONError(f"{where or 'it'} has the key {key!r}; keys must be text. Use str(key).")
        return {_text(key, where): _convert(item, f"{where}.{key}" if where else key) for key, item in value.items()}
    if isinstance(value, np.ndarray | pd.Series | pd.Index):
        return _convert(value.tolist(), where)
    if isinstance(value, list | tuple):
        return [_convert(item, f"{where}[{index}]") for index, item in enumerate(value)]
    instead = _INSTEAD.get(type(value), "Turn it into text, a number, a list or a dictionary first.")
    raise NotJSONError(f"{where or 'it'} is a {type(value).__name__}, which JSON cannot carry. {instead}")


def _text(value: str, where: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise NotJSONError(
            f"{where or 'it'} holds half of a character ({value[error.start]!a}), which JSON cannot carry. "
            "Read the text again with the right encoding."
        ) from error
    return value


def _number(value: float, where: str) -> float | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise NotJSONError(f"{where or 'it'} is {value!r}, which JSON cannot carry. Use None, or a finite number.")
    return value


def read_frame(
    frame: pd.DataFrame, name: str, *, unnamed_index: bool = True
) -> tuple[list[dict[Any, Any]], tuple[str, ...]]:
    """Return the rows of a DataFrame, its index among their columns, and the names of those that are its index.

    Parameters
    ----------
    name
        What error messages call it.
    unnamed_index
        Whether levels of the index that have no name become columns, too: ``index``, or ``level_0`` and so on. An
        index that only counts the rows from 0 never does.

    Raises
    ------
    DataFileError
        Two columns have one name, or one has the name of the index and holds something else.
    """
    columns = [column.strip() if isinstance(column, str) else column for column in frame.columns]
    twice = [column for number, column in enumerate(columns) if column in columns[:number]]
    if twice:
        raise DataFileError(f"{name} has more than one column {twice[0]!r}. Give each column its own name.")
    table = frame.set_axis(columns, axis="columns")
    levels = {level: values for level, values in _levels(table) if unnamed_index or level in (*table.index.names,)}
    for level, values in levels.items():
        if level in columns and not values.equals(pd.Index(table[level])):
            raise DataFileError(
                f"{name} has a column {level!r}, and an index of the same name that holds something else. Rename one "
                f"of them, as by df.rename_axis(index={{{level!r}: {f'{level}_id'!r}}}), or leave the index out: "
                "df.reset_index(drop=True)."
            )
    added = [dict(zip(levels, values, strict=True)) for values in zip(*levels.values(), strict=True)]
    rows = table.to_dict("records")
    return [{**one, **row} for one, row in zip(added or [{}] * len(rows), rows, strict=True)], tuple(levels)


def _levels(frame: pd.DataFrame) -> list[tuple[Any, pd.Index[Any]]]:
    """Return the levels of an index with their names; none of one that only counts the rows."""
    index = frame.index
    if index.nlevels == 1 and index.name is None and index.equals(pd.RangeIndex(len(frame))):
        return []
    plain = "level_0" if index.nlevels > 1 or "index" in frame.columns else "index"
    names = [
        (plain if not number else f"level_{number}") if level is None else level
        for number, level in enumerate(index.names)
    ]
    stripped = [level.strip() if isinstance(level, str) else level for level in names]
    return [(level, index.get_level_values(number)) for number, level in enumerate(stripped)]
