"""What a researcher gives a run besides its configuration: data and functions of this very process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
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
        ``f(worker, unit) -> bool``, asked before a unit is given to a worker. A plain one must be quick: everybody
        waits for it. An async one may take its time (up to 10 seconds for each worker who arrives), while that worker
        alone waits. One that raises, or takes longer, counts as False and leaves a row in the event log.
    on_unit_submitted
        ``f(unit)``, plain (in a thread) or async, called after a unit's answer is stored, with what was asked and
        answered, and with ``unit.bonus(amount, reason)``, ``grant``, ``revoke`` and ``block`` to act on it. A failure
        is logged, and told by `run.attention`. Called once for each answer; a second time only where a kernel died
        in the middle.
    function_registry
        Of a 'remote_procedure' task: the functions that its page may call, by name; plain ones, which run in threads,
        or async ones. A parameter ``agent_state`` is told what is known of the unit.
    """

    static_task_data: Any = None
    task_config: JSONObject = field(default_factory=dict)
    qualifications: list[Requirement | JSONObject] = field(default_factory=list)
    worker_can_do_unit: Callable[..., bool | Awaitable[bool]] | None = None
    on_unit_submitted: Callable[..., Any] | None = None
    function_registry: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
