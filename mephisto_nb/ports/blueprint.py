"""The port of task kinds: what a run asks of a Blueprint, and when."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.model.qualifications import Requirement
from mephisto_nb.model.shared_state import InitializationData, SharedTaskState, times_in
from mephisto_nb.model.task_run_args import PartnerRules
from mephisto_nb.ports.progress import Troubles
from mephisto_nb.ports.task_runner import TaskRunner
from mephisto_nb.utils.logging import get_logger, warn_once

logger = get_logger(__name__)

Args = TypeVar("Args")

#: Nothing from elsewhere, no inline code: what our own pages need.
STRICT_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src * data: blob:; media-src * data: blob:; "
    "font-src 'self' data:; connect-src 'self' ws: wss:; form-action 'self'; base-uri 'none'"
)


#: How a page names what it reports when a picture, sound or film did not load.
FILE_ERROR = "file"
_LONGEST = 200
#: So many remarks are kept: rows that come one by one may each give cause for one.
_MOST_REMARKS = 20


class Blueprint(ABC, Generic[Args]):
    """One kind of task: its settings, its work, and the page that a worker sees.

    The operator makes one instance per run, in the kernel's process. `assert_task_args` is called first;
    everything it refuses is refused before anything is written or started. `build_site` and
    `get_initialization_data` follow, once each.

    Parameters
    ----------
    args
        The run's ``mephisto.blueprint`` settings, an instance of `ArgsClass`.
    shared_state
        What the researcher handed to `Operator.launch_task_run`.
    """

    #: The name under which the blueprint is registered, and other names it answers to.
    BLUEPRINT_TYPE: ClassVar[str]
    ALIASES: ClassVar[tuple[str, ...]] = ()
    #: A dataclass of the settings, for Hydra.
    ArgsClass: ClassVar[type[Any]]
    #: Python that runs beside each worker (live tasks); None: the page does it all.
    TaskRunnerClass: ClassVar[type[TaskRunner] | None] = None
    #: Whether `results()` shows what was said, because people talk with each other or with a program.
    has_conversations: ClassVar[bool] = False
    #: Whether an answer is the values of the page's fields, by their names: a reviewer then sees the page filled in.
    ANSWERS_ARE_FIELDS: ClassVar[bool] = False
    #: Whether its page, opened again once the unit is answered, says so. One that looks at no status would show the
    #: unit as if it were new: who opens it again gets another unit instead, or hears that the work was sent.
    PAGE_KNOWS_ITS_END: ClassVar[bool] = True
    #: Seconds after which a worker whose connection is gone has left; None: only time-outs count.
    disconnect_after: ClassVar[float | None] = None

    def __init__(self, args: Args, shared_state: SharedTaskState) -> None:
        self.args = args
        self.shared_state = shared_state
        #: Fields of rows that no page may get to see, because they hold right answers.
        self.hidden_fields: frozenset[str] = frozenset((getattr(args, "attention_checks", None) or {}).values())
        #: What the researcher should know; the run's `attention` shows it.
        self.troubles = Troubles()
        #: What looks wrong in the settings or the data, and is no reason to refuse them.
        self.remarks = self.troubles.remarks

    def report(self, trouble: str) -> None:
        """Tell the researcher something by `run.attention`: a reason, and behind ". " a remedy. For subclasses."""
        self.troubles.note(trouble)

    def remark(self, remark: str) -> None:
        """Tell the researcher, before and after the launch, what looks wrong: a reason, and behind ". " a remedy.

        A preview shows it, the log has it once, and so does the run's `attention`. For subclasses.
        """
        if remark not in self.remarks and len(self.remarks) < _MOST_REMARKS:
            self.remarks.append(remark)
            warn_once(logger, remark)

    def assert_task_args(self) -> None:
        """Refuse settings and data that cannot work.

        Called before a launch writes or starts anything. It must not consume a generator.

        Raises
        ------
        ConfigError
            Naming the key, its value and the mend.
        """

    def get_required_qualifications(self) -> Sequence[Requirement | JSONObject]:
        """Return what workers must hold for tasks of this kind, beside what the researcher asks for.

        In the form that `SharedTaskState.qualifications` takes. Called before a launch.
        """
        return ()

    def check_row(self, label: str, row: JSONObject) -> None:
        """Refuse a screening or gold row that the page could not show; called before a launch.

        Raises
        ------
        ConfigError, DataFileError
            Naming the row by `label`, and what it lacks.
        """

    @abstractmethod
    def get_initialization_data(self) -> Iterable[InitializationData] | AsyncIterable[InitializationData]:
        """Return the assignments of the run. Called once, for its `TaskLauncher`."""

    @abstractmethod
    def build_site(self, directory: Path) -> None:
        """Write what workers' browsers load into `directory` (``index.html`` and beside it).

        Called once per launch, in a helper thread. The provider's ``wrap_crowd_source.js`` is added afterwards.
        """

    def get_linked_files(self) -> Mapping[str, Path]:
        """Return files that are served from where they lie, each time as they are then; by their names on the site."""
        return {}

    def explain_page_error(self, report: JSONObject) -> str | None:
        """Return what to do about an error that a worker's page reported, if the task knows; `report` is hostile.

        The answer is shown as `run.attention`, once for all reports that get the same one. A file that did not load is
        explained here.
        """
        return _explain_file(report) if report.get("error_type") == FILE_ERROR else None

    def get_frontend_args(self) -> JSONObject:
        """Return what the page reads from ``/task_config.json``. Called once per launch."""
        return {}

    def get_content_security_policy(self) -> str:
        """Return the Content-Security-Policy of the page (without ``frame-ancestors``, which the provider sets)."""
        return STRICT_CSP

    def get_init_data(self, shared: JSONObject, unit_data: JSONObject) -> JSON:
        """Return what one worker works on, their ``init_task_data``. Called in the kernel's loop, so be quick."""
        return {**shared, **unit_data}

    def get_page_data(self, init_data: JSON) -> JSON:
        """Return of what a worker works on (`get_init_data`) what their page gets to see; task code has all of it."""
        return init_data

    def get_inputs(self, shared: JSONObject, unit_data: JSONObject) -> JSONObject:
        """Return the columns that `results()` shows of the data a unit was made of."""
        return {**shared, **unit_data}

    def get_noted_args(self) -> JSONObject:
        """Return settings that a launch adds to those stored of the run, for the kernel that takes it up.

        Add to what this one returns: the columns that held times, where the settings have ``time_columns``.
        """
        times = self.get_input_times() if hasattr(self.args, "time_columns") else {}
        return {"time_columns": times} if times else {}

    def make_task_runner(self) -> TaskRunner | None:
        """Return the run's task code. Called once per run; None: the page does it all."""
        return None if self.TaskRunnerClass is None else self.TaskRunnerClass(self.shared_state)

    def get_partner_rules(self) -> PartnerRules | None:
        """Return how people do an assignment of several units together; None: each does a unit alone, at any time."""
        return None

    def get_agent_name(self, seat: int, data: JSONObject) -> str:
        """Return what the others call the worker of this seat; `data` is what their page is handed to work on."""
        return f"Person {seat + 1}"

    def get_answer_names(self) -> list[str]:
        """Return the columns that answers are known to have before there are any. Called for frames without answers."""
        return []

    def get_asked_fields(self) -> frozenset[str] | None:
        """Return the names of the fields of an answer that the page asks for; None: nobody can tell.

        These alone have columns, and are questions of agreement, review and charts; what else a page sends stands in
        one column. Called when a run begins, and when frames are built.
        """
        return None

    def get_file_fields(self) -> list[str]:
        """Return the names of the fields of an answer that are files, as an example of an answer is made of them."""
        return []

    def get_answer_times(self) -> dict[str, str]:
        """Return which columns of answers hold days and times. Called when frames are built.

        Returns
        -------
        dict
            By column ``date``, ``time`` (of a day) or the type of a column of times, such as ``datetime64[us]``.
        """
        return {}

    def get_input_times(self) -> dict[str, str]:
        """Return which columns of the data held days and times, as `get_answer_times` does, before they were JSON.

        Of a kind of task whose settings have ``time_columns``, a launch notes them there.
        """
        return self._input_times

    @cached_property
    def _input_times(self) -> dict[str, str]:
        return getattr(self.args, "time_columns", None) or times_in(self.shared_state.static_task_data)

    def get_answer(self, data: JSON) -> JSONObject:
        """Return what was submitted as the columns of `results()`. Called when frames are built."""
        return data if isinstance(data, dict) else {"answer": data}


def _explain_file(report: JSONObject) -> str:
    name = str(report.get("file"))[:_LONGEST]
    what = f"A worker's page could not load {name!r}, and showed a gap in its place."
    if name.lower().startswith(("http:", "https:")):
        return f"{what} Look whether that site still has it, and lets other pages show it."
    return (
        f"{what} A run's files stay as they were at its launch: put it into the folder of extra_source_dir, and launch "
        "the rest of the rows anew."
    )
