"""What a researcher gives a run besides its configuration: data to be worked on, and functions of this very process.

The values that notebooks hold become values that JSON can carry here, too.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.model.qualifications import Requirement
from mephisto_nb.utils.calling import brief, known_options


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
        generator of rows or of `InitializationData`. None: the configuration names a data file.
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
    """Return `value` as JSON can carry it: NaN and NaT as null, dates as ISO text, numpy's scalars as Python's.

    Raises
    ------
    NotJSONError
        JSON has nothing like it; the message says what it is, where, and what to do.
    """
    return _convert(value, "")


def _convert(value: Any, where: str) -> JSON:
    if isinstance(value, np.datetime64 | np.timedelta64):
        value = pd.Timestamp(value) if isinstance(value, np.datetime64) else pd.Timedelta(value)
    elif isinstance(value, np.generic):
        value = value.item()
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
    return _convert_container(value, where)


def _convert_container(value: Any, where: str) -> JSON:
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise NotJSONError(f"{where or 'it'} has the key {key!r}; keys must be text. Use str(key).")
        return {_text(key, where): _convert(item, f"{where}.{key}" if where else key) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _convert(value.tolist(), where)
    if isinstance(value, list | tuple):
        return [_convert(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise NotJSONError(
        f"{where or 'it'} is a {type(value).__name__}, which JSON cannot carry. "
        "Turn it into text, a number, a list or a dictionary first."
    )


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
