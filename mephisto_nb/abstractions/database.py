"""The port of storage.

Every method blocks and may be called from any thread; `operations.writer` is the one place that calls the
writing ones, in a thread of its own. All raise `DatabaseError` when the database cannot be used.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.people import Act, ActKind, WorkerKey

if TYPE_CHECKING:
    from mephisto_nb.model.changes import Changes
    from mephisto_nb.model.people import Outcome
    from mephisto_nb.model.records import (
        Agent,
        Event,
        Qualification,
        Requester,
        RunPay,
        RunSnapshot,
        Task,
        TaskRun,
        Unit,
        WorkerFacts,
    )
    from mephisto_nb.model.reviews import KeptReview
    from mephisto_nb.model.states import PaymentStatus


class PeopleStore(ABC):
    """Where workers, those who ask them, and what workers are granted are kept."""

    @abstractmethod
    def get_or_create_task(self, name: str) -> Task:
        """Find the task of this name, or make it."""

    @abstractmethod
    def get_or_create_requester(self, name: str, provider_type: str) -> Requester:
        """Find the requester of this name and provider, or make it."""

    @abstractmethod
    def create_qualification(self, name: str, description: str = "") -> Qualification:
        """Make a qualification, or find the one of this name."""

    def grant_qualification(self, name: str, worker_name: str, provider_type: str, value: int) -> None:
        """Grant a qualification, or change the value granted; worker and qualification are made if they are new."""
        self.perform(Act(ActKind.GRANT, name, (WorkerKey(worker_name, provider_type),), (value,), why="granted"))

    def revoke_qualification(self, name: str, worker_name: str, provider_type: str) -> bool:
        """Take a grant back; tell whether there was one."""
        act = Act(ActKind.REVOKE, name, (WorkerKey(worker_name, provider_type),), (None,), why="revoked")
        return self.perform(act).has_changed

    def set_worker_blocked(self, worker_name: str, provider_type: str, blocked: bool) -> None:
        """Block or unblock a worker; one to be blocked is made if they are new."""
        kind = ActKind.BLOCK if blocked else ActKind.UNBLOCK
        worker = WorkerKey(worker_name, provider_type)
        self.perform(Act(kind, workers=(worker,), values=(int(blocked),), why=f"{kind}ed"))

    @abstractmethod
    def foresee(self, act: Act) -> Outcome:
        """Say what an act would do now; nothing is written.

        Raises
        ------
        ConflictError
            It undoes another one, and somebody has changed the same things since.
        """

    @abstractmethod
    def perform(self, act: Act, at: float | None = None) -> Outcome:
        """Do an act on people in one transaction, with its rows of the event log; `at` is when (None: now).

        Raises
        ------
        ConflictError
            It undoes another one, and somebody has changed the same things since; nothing was written.
        """

    @abstractmethod
    def read_qualifications(self) -> list[JSONObject]:
        """Give one row a qualification, by name (see `export.people_frames.qualifications_frame`)."""

    @abstractmethod
    def read_grants(self) -> Sequence[Sequence[Any]]:
        """Give one row a grant: the values of `export.people_frames.GRANT_COLUMNS`."""

    @abstractmethod
    def read_values(self) -> Mapping[str, Mapping[str, int]]:
        """Give, by worker's id, the values of the qualifications that they hold, by name."""

    @abstractmethod
    def read_workers(self) -> Sequence[Sequence[Any]]:
        """Give one row a worker, by name: id, name, provider, whether blocked, when they were first known."""

    @abstractmethod
    def find_gone_workers(self) -> set[str]:
        """Give the ids of workers whom an act made that was undone, and of whom there is nothing else.

        They have come to no unit and no introduction, hold nothing, are not blocked, and nothing was noted or paid.
        """

    @abstractmethod
    def read_work(self) -> Sequence[Sequence[Any]]:
        """Give one row a worker at a unit.

        The run's id, the worker's id, the agent's status, when it was accepted and submitted (None: not), and the
        unit's status (None where the worker no longer has it) and pay.
        """

    @abstractmethod
    def read_people_events(
        self,
        *,
        worker_id: str | None = None,
        qualification_name: str | None = None,
        notes: bool = False,
        newest: int | None = None,
    ) -> list[JSONObject]:
        """Give what the event log says of workers and qualifications, oldest first.

        Only of one worker, of one qualification, of notes, or the `newest` so many, where that is asked for.
        """

    @abstractmethod
    def find_people_news(self, after: int) -> tuple[int, bool]:
        """Say how far the event log goes, and whether any of it after the row `after` is about people; cheap."""

    @abstractmethod
    def get_worker_facts(
        self, task_run_id: str, provider_type: str, worker_names: Sequence[str]
    ) -> dict[str, WorkerFacts]:
        """Give what is known of these workers, by name; names never seen are missing."""

    @abstractmethod
    def read_gates(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Give one row for each time that a worker was looked at (see `export.frames.gates_frame`)."""


class ReviewStore(ABC):
    """Where decisions on answers, and what is paid, are read from; `Database.apply` writes them."""

    @abstractmethod
    def read_reviews(self, task_run_ids: Sequence[str] | None) -> list[JSONObject]:
        """Give one row a decision (see `export.frames.reviews_frame`); None: of all runs."""

    @abstractmethod
    def count_reviews(self) -> int:
        """Count the decisions of all runs; none is ever changed or taken away, so another number means news."""

    @abstractmethod
    def find_kept_reviews(self, task_run_id: str, unit_ids: Sequence[str]) -> dict[str, KeptReview]:
        """Give, by unit, the latest decision that was not undone; units without one are missing."""

    @abstractmethod
    def load_answers(self, task_run_id: str, unit_ids: Sequence[str]) -> tuple[list[Unit], list[Agent]]:
        """Read some units of a run, and the agents that hold them; ids that are none of the run's are missing."""

    @abstractmethod
    def read_payments(self, task_run_ids: Sequence[str] | None) -> list[JSONObject]:
        """Give one row a payment (see `export.frames.payments_frame`); None: of all runs, and of none."""

    @abstractmethod
    def read_payment_statuses(self, payment_ids: Sequence[str]) -> dict[str, PaymentStatus]:
        """Give how payments stand, by their ids; those that there are not are missing."""

    @abstractmethod
    def read_payers(self, payment_ids: Sequence[str]) -> dict[str, str]:
        """Give who has noted payments as sent: a person, or a crowd by its type; of what nobody noted, nothing."""

    @abstractmethod
    def settle_payments(
        self, payment_ids: Sequence[str], before: PaymentStatus, after: PaymentStatus, at: float, who: str
    ) -> set[str]:
        """Bring payments from one status to another in one transaction, and tell which were in it; others stay.

        Each leaves a row in the event log of its run. `at` (epoch seconds) becomes `sent_at` of those that are sent.
        """


class Database(PeopleStore, ReviewStore):
    """Where everything is kept."""

    # -- writing ---------------------------------------------------------------------------------------------

    @abstractmethod
    def apply(self, group: Sequence[Changes]) -> list[Exception | None]:
        """Commit several runs' changes together; each stands or falls alone.

        Returns
        -------
        list of Exception or None
            For each of `group`: None where it was committed, or why nothing of it was (`ConflictError` where a
            row was not in the state it should start from).
        """

    @abstractmethod
    def add_run(self, run: TaskRun) -> None:
        """Store a new run, with its task and requester if they are new."""

    @abstractmethod
    def delete_run(self, task_run_id: str) -> None:
        """Take back a run whose launch failed, with all that hangs on it."""

    # -- reading ---------------------------------------------------------------------------------------------

    @abstractmethod
    def load_run(self, task_run_id: str) -> RunSnapshot:
        """Read all that is needed to go on with a run.

        Raises
        ------
        NotFoundError
            There is no such run.
        """

    @abstractmethod
    def find_runs(self, *, task_name: str | None = None, live: bool | None = None) -> list[TaskRun]:
        """Give the runs, newest first; `live` keeps those that have not ended (True) or have (False)."""

    @abstractmethod
    def read_units(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Give one row a unit (see `export.frames.units_frame` for the columns)."""

    @abstractmethod
    def read_agents(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Give one row an agent (see `export.frames.agents_frame`)."""

    @abstractmethod
    def read_results(self, task_run_ids: Sequence[str], *, agent_ids: Sequence[str] | None = None) -> list[JSONObject]:
        """Give one row a submission, its JSON already parsed (see `export.frames.results_frame`).

        With `agent_ids`, only theirs: a few hundred at most.
        """

    @abstractmethod
    def read_live_updates(
        self, task_run_ids: Sequence[str], *, agent_ids: Sequence[str] | None = None
    ) -> list[JSONObject]:
        """Give one row a turn of a live task, in the order in which they were recorded (see `frames.messages_frame`).

        With `agent_ids`, only theirs.
        """

    @abstractmethod
    def read_metadata(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Give one row for each thing that was sent beside an answer, its JSON parsed, in the order received."""

    @abstractmethod
    def read_events(self, task_run_ids: Sequence[str], *, why: str | None = None) -> Iterator[Event]:
        """Give the event log in the order in which it was written; with `why`, only what happened for that reason."""

    @abstractmethod
    def count_units(self, task_run_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """Give, by run, how many units of the work itself have which status: those of gates are left out."""

    @abstractmethod
    def read_pay(self, task_run_ids: Sequence[str]) -> dict[str, RunPay]:
        """Give, by run, how many units of a status are paid how much, and what comes beside it."""

    @abstractmethod
    def release(self) -> None:
        """Close all connections, until one is needed again: the operator is done, but frames may be asked for."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections. Must bear being called twice."""
