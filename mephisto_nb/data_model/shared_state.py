"""What a researcher gives a run besides its configuration: data and functions of this very process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.data_model.qualifications import Requirement


@dataclass(slots=True)
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
        ``f(worker, unit) -> bool``, asked before a unit is given to a worker. Must be quick and plain.
        One that raises counts as False and leaves a row in the event log.
    on_unit_submitted
        ``f(unit)``, plain or async, called after a unit's answer is stored; a failure is logged.
    conversation
        Of a chat: ``async def f(data, agents)``, or ``async def f(data, agent)`` where each talks alone; or a subclass
        of `TaskRunner`. None: people talk freely with each other.
    bot
        Of a chat: a `Bot`, or its function, which takes the seats that nobody has taken or that somebody has left.
    """

    static_task_data: Any = None
    task_config: JSONObject = field(default_factory=dict)
    qualifications: list[Requirement | JSONObject] = field(default_factory=list)
    worker_can_do_unit: Callable[..., bool] | None = None
    on_unit_submitted: Callable[..., Any] | None = None
    conversation: Any = None
    bot: Any = None
