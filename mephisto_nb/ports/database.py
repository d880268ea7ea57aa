"""The port of storage: a `Database` has four parts (runs, people, reviews, messages), and commits the steps of runs.

Every method blocks, and may be called from any thread. `kernel.writer` is the one place that calls those that write,
in a thread of its own; those that read are called by whoever needs the answer, from a thread where that must not wait.

Every method may raise `DatabaseError` where the database cannot be read or written, and `ClosedError` once it was
closed; what else one raises, it says itself. ``task_run_ids`` are the runs asked about: rows of all of them come
together. Times are epoch seconds, amounts are `Money`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.changes import Changes, Guard
from mephisto_nb.model.money import Money
from mephisto_nb.model.people import Act, ActOutcome
from mephisto_nb.model.records import (
    Agent,
    Assignment,
    Event,
    KnownPayment,
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
from mephisto_nb.model.visits import Visit, VisitBooks, VisitStanding
from mephisto_nb.utils.machine import MachineTrouble

#: How much of a history is read at a time (bytes of JSON).
HISTORY_PAGE = 4 * 1024 * 1024


class Database(ABC):
    """Where everything is kept.

    An operator opens one for its URL, and closes it when it is shut down.

    Parameters
    ----------
    runs
        Task runs: their units and agents, what was answered, how workers were looked at, what happened.
    people
        Workers, those who ask them, qualifications and who holds them.
    reviews
        Decisions on answers, and what is paid.
    messages
        What was said beside answers: conversations and metadata.
    """

    def __init__(self, runs: RunStore, people: PeopleStore, reviews: ReviewStore, messages: MessageStore) -> None:
        self.runs, self.people, self.reviews, self.messages = runs, people, reviews, messages

    @abstractmethod
    def apply(self, group: Sequence[Changes]) -> list[Exception | None]:
        """Commit several runs' changes together; each stands or falls alone.

        Called by the writer for the steps of runs and for decisions on answers: all that wait at a moment are one
        group. It raises nothing itself. Those that have a `guard` are written alone, and it is asked within their
        transaction: what it finds in the database must still hold, as far as others are asked so, when it is committed.

        Returns
        -------
        list of Exception or None
            For each of `group`: None where it was committed, or why nothing of it was (`ConflictError` where a
            row was not in the state it should start from).
        """

    @property
    def troubles(self) -> tuple[MachineTrouble, ...]:
        """What is wrong with where this is kept, or was: none, unless a database can tell."""
        return ()

    @property
    def directory(self) -> Path | None:
        """The folder on this machine that this is kept in; None: it is on a server, or in no file."""
        return None

    def stay_in_place(self) -> None:  # noqa: B027 - a database may have nothing to look after
        """See to it that what was committed is found again; what is wrong is among the `troubles` from then on.

        Called every few seconds by `MachineWatch`, in the writer's thread. Raises `DatabaseError`.
        """

    @abstractmethod
    def release(self) -> None:
        """Close all connections until one is needed again.

        Called when the operator is shut down: the frames of its runs may still be asked for.
        """

    @abstractmethod
    def close(self) -> None:
        """Close all connections for good. Called by who opened the database; may be called twice."""


class RunStore(ABC):
    """Task runs, and what hangs on them; `Database.apply` writes what happens while one lasts."""

    # -- writing

    @abstractmethod
    def get_or_create_task(self, name: str) -> Task:
        """Find the task of this name, or make it. Called when a run is launched or imported."""

    @abstractmethod
    def add_run(self, run: TaskRun, guard: Guard | None = None) -> None:
        """Store a new run, whose task and requester are stored already. Called by a launch, before anything is served.

        `guard` is asked as that of `Changes` is, and what it raises goes on to the caller.

        Raises
        ------
        ConflictError
            There is one with its id, or its task or requester is missing.
        """

    @abstractmethod
    def delete_run(self, task_run_id: str) -> None:
        """Take back a run with all that hangs on it; one that is not there is no error. Called when a launch failed."""

    @abstractmethod
    def keep_crowd_memory(self, task_run_id: str, values: Mapping[str, object], guard: Guard | None = None) -> None:
        """Store values beside those that a run's recruiter has kept. Called for its `CrowdMemory`.

        `guard` is asked as that of `Changes` is, and what it raises goes on to the caller.

        Raises
        ------
        ConflictError
            There is no such run.
        """

    # -- reading

    @abstractmethod
    def read_crowd_memory(self, task_run_id: str) -> JSONObject:
        """Return what a run's recruiter has kept; of a run that has none, nothing.

        Called when a run is launched, taken up again, or compared with its crowd.
        """

    @abstractmethod
    def load_run(self, task_run_id: str) -> RunSnapshot:
        """Return all that is needed to go on with a run, as it was at one moment.

        Called when a run is launched or taken up again, when its engine goes on after an error, and by displays of
        past runs.

        Raises
        ------
        NotFoundError
            There is no such run.
        """

    def fetch_data(self, assignments: Sequence[Assignment]) -> None:  # noqa: B027 - most have read all that there is
        """Read the data of some assignments before it is asked for, where `load_run` left it where it was.

        What it left may be asked for at any time, and blocks then. Called before workers get these assignments.
        """

    @abstractmethod
    def find_runs(self, *, task_name: str | None = None, live: bool | None = None) -> list[TaskRun]:
        """Return the runs, newest first; `live` keeps those that have not ended (True) or have (False).

        Called by the operator for its lists of runs, and by whatever has to look through all of them.
        """

    @abstractmethod
    def count_units(self, task_run_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """Return, by run, how many units of the work itself have which status: those of gates are left out.

        Called by the lists of runs, and by the review room to see whether there is something new; cheap.
        """

    @abstractmethod
    def read_units(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Return one row a unit, in the order of the data. Called for `frames.frames.units_frame`."""

    @abstractmethod
    def read_agents(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Return one row an agent, in the order in which they came. Called for `frames.frames.agents_frame`."""

    @abstractmethod
    def read_results(self, task_run_ids: Sequence[str], *, agent_ids: Sequence[str] | None = None) -> list[JSONObject]:
        """Return one row a submission, its JSON parsed, in the order of the data; with `agent_ids`, only theirs.

        Called for `frames.frames.results_frame`; by dashboards and gates, with a few hundred `agent_ids` at most.
        """

    @abstractmethod
    def read_visits(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Return one row a visit, in the order in which they began. Called for `frames.visits.visits_frame`."""

    @abstractmethod
    def read_gates(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Return one row for each time that a worker was looked at, in the order in which that began.

        Called for `frames.frames.gates_frame`, and for reviews.
        """

    @abstractmethod
    def read_events(self, task_run_ids: Sequence[str], *, why: str | None = None) -> Iterator[Event]:
        """Yield the event log in the order in which it was written; with `why`, only what happened for that reason.

        Called for `frames.frames.events_frame`, and by whoever looks for one kind of event. It may be left half-read;
        errors come while it is read.
        """


class PeopleStore(ABC):
    """Workers, those who ask them, and qualifications; steps of runs write grants and blocks by `Database.apply`."""

    # -- writing

    @abstractmethod
    def get_or_create_requester(self, name: str, provider_type: str) -> Requester:
        """Find the requester of this name and provider, or make it. Called when a run is launched or imported."""

    @abstractmethod
    def create_qualification(self, name: str, description: str = "") -> Qualification:
        """Make a qualification, or find the one of this name, which stays as it is. Called when data are imported."""

    @abstractmethod
    def foresee(self, act: Act) -> ActOutcome:
        """Return what an act would do now; nothing is written. Called before a person confirms it.

        Raises
        ------
        ConflictError
            It undoes another one, and somebody has changed the same things since.
        """

    @abstractmethod
    def perform(self, act: Act, at: float | None = None) -> ActOutcome:
        """Do an act on people in one transaction, with its rows of the event log; `at` is when (None: now).

        Called for all that a person does with qualifications, blocks and notes.

        Raises
        ------
        ConflictError
            It undoes another one, and somebody has changed the same things since; nothing was written.
        """

    # -- reading

    @abstractmethod
    def get_worker_facts(
        self, task_run_id: str, provider_type: str, worker_names: Sequence[str]
    ) -> dict[str, WorkerFacts]:
        """Return what is known of these workers, by name; names never seen are missing.

        Called when workers arrive, before the rules say what they get; and where workers are judged or imported.
        """

    @abstractmethod
    def read_qualifications(self) -> list[JSONObject]:
        """Return one row a qualification, by name, with how many hold it and what values they have.

        Called for `frames.people_frames.qualifications_frame`, and to offer their names.
        """

    @abstractmethod
    def read_grants(self) -> Sequence[Sequence[Any]]:
        """Return one row a grant, the latest first: the values of `frames.people_frames.GRANT_COLUMNS`.

        Called for `frames.people_frames.grants_frame`.
        """

    @abstractmethod
    def read_values(self) -> Mapping[str, Mapping[str, int]]:
        """Return, by worker's id, the values of the qualifications that they hold, by name.

        Called for the tables of workers: one column a qualification, and who may take part.
        """

    @abstractmethod
    def read_workers(self) -> Sequence[Sequence[Any]]:
        """Return one row a worker, by name: id, name, provider, whether blocked, when first known, whether simulated.

        Called for the tables of workers, and to find out whom an act means.
        """

    @abstractmethod
    def find_gone_workers(self) -> set[str]:
        """Return the ids of workers whom an act made that was undone, and of whom there is nothing else.

        They have come to no unit and no introduction, hold nothing, are not blocked, and nothing was noted or paid.
        Called with `read_workers`, to leave them out.
        """

    @abstractmethod
    def read_work(self) -> Sequence[Sequence[Any]]:
        """Return one row a worker at a unit, in any order. Called for `frames.people_frames.workers_frame`.

        The run's id, the worker's id, the agent's status, when it was accepted and submitted (None: not), the unit's
        status and pay (None where the worker no longer has it), and the currency of that, of whose smallest unit the
        pay is given in thousandths: there are many rows. Last comes the visit's id; None: it was in none.
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
        """Return what the event log says of workers and qualifications, oldest first.

        Only of one worker, of one qualification, of notes, or the `newest` so many, where that is asked for.
        Called for `frames.people_frames.history_frame` and `notes_frame`.
        """

    @abstractmethod
    def find_people_news(self, after: int) -> tuple[int, bool]:
        """Return how far the event log goes, and whether any of it after the row `after` is about people; cheap.

        Called by the panels of people, to see whether they have to read anything.
        """


class ReviewStore(ABC):
    """Decisions on answers, and what is paid; `Database.apply` writes them, but for `settle_payments`."""

    @abstractmethod
    def settle_payments(
        self,
        payment_ids: Sequence[str],
        before: PaymentStatus,
        after: PaymentStatus,
        at: float,
        who: str,
        *,
        reference: str = "",
        fees: Mapping[str, Money] | None = None,
    ) -> set[str]:
        """Bring payments from one status to another in one transaction, and return which were in it; others stay.

        `reference` is what the crowd calls them, and `fees` what it takes on top, by payment; what is not given stays.

        Each leaves a row in the event log of its run; `at` becomes `asked_at` of those that are being sent, `sent_at`
        of those that are sent, and `confirmed_at` of those that are confirmed. Called when a person notes what they
        have paid, or takes that back, and when a crowd has paid for us. Raises `TransitionError` for a way that no
        payment may go.
        """

    @abstractmethod
    def load_answers(self, task_run_id: str, unit_ids: Sequence[str]) -> tuple[list[Unit], list[Agent]]:
        """Return some units of a run, and the agents that hold them; ids that are none of the run's are missing.

        Called before answers are decided on.
        """

    @abstractmethod
    def load_visit_books(
        self, task_run_id: str, unit_ids: Sequence[str]
    ) -> tuple[list[Visit], list[VisitBooks], list[str]]:
        """Return the visits in which some units were done, what was booked for each, and all units of these visits.

        Called before answers are decided on, as a visit is paid once all of its answers are.
        """

    @abstractmethod
    def find_kept_reviews(self, task_run_id: str, unit_ids: Sequence[str]) -> dict[str, KeptReview]:
        """Return, by unit, the latest decision that was not undone; units without one are missing.

        Called before decisions are undone or changed, and before a crowd is told of one.
        """

    @abstractmethod
    def read_reviews(self, task_run_ids: Sequence[str] | None) -> list[JSONObject]:
        """Return one row a decision, oldest first; None: of all runs. Called for `frames.frames.reviews_frame`."""

    @abstractmethod
    def count_reviews(self) -> int:
        """Return how many decisions there are in all runs.

        None is ever changed or taken away, so another number means news: the review room asks for it.
        """

    @abstractmethod
    def read_payments(self, task_run_ids: Sequence[str] | None) -> list[JSONObject]:
        """Return one row a payment, in the order in which they came to be owed; None: of all runs, and of none.

        Called for `frames.frames.payments_frame`, and for what is owed.
        """

    @abstractmethod
    def read_payment_statuses(self, payment_ids: Sequence[str]) -> dict[str, PaymentStatus]:
        """Return how payments stand, by their ids; those that there are not are missing.

        Called before a crowd is asked to pay.
        """

    @abstractmethod
    def read_payers(self, payment_ids: Sequence[str]) -> dict[str, str]:
        """Return who has noted payments as sent: a person, or a crowd by its type; of what nobody noted, nothing.

        Called before a note is taken back, which only a person's can be.
        """

    @abstractmethod
    def load_payments(self, task_run_id: str) -> dict[str, KnownPayment]:
        """Return all payments of a run, by their keys. Called for what a run costs, while it is driven."""

    @abstractmethod
    def read_pay(self, task_run_ids: Sequence[str], *, people_only: bool = False) -> dict[str, RunPay]:
        """Return, by run, how many units and visits stand how, and what is booked.

        With `people_only`, what programs did that rehearsed a task is left out. Called for the lists of runs, for what
        a run costs, and for budgets.
        """

    @abstractmethod
    def read_standings(self, task_run_ids: Sequence[str]) -> list[tuple[str, str, str, VisitStanding]]:
        """Return how visits stand, each with the ids of its run, its own, and its worker's.

        Called for `frames.people_frames.workers_frame`.
        """


class MessageStore(ABC):
    """What workers and task code said beside answers; `Database.apply` writes it."""

    @abstractmethod
    def read_live_updates(
        self, task_run_ids: Sequence[str], *, agent_ids: Sequence[str] | None = None
    ) -> list[JSONObject]:
        """Return one row a turn of a live task, in the order in which they were recorded.

        With `agent_ids`, only theirs. Called for `frames.frames.messages_frame` and
        `frames.run_frames.requests_frame`.
        """

    @abstractmethod
    def read_history(
        self, task_run_id: str, agent_ids: Sequence[str], *, after: int = 0, most: int = HISTORY_PAGE
    ) -> list[JSONObject]:
        """Return the next page of what some agents said and heard, behind the turn whose ``id`` is `after`.

        Rows of ``id``, ``agent_id``, ``sender`` and ``data``, in the order in which they were recorded: at least one,
        if there is any, and no more of them than take `most` bytes together. Called with a few hundred `agent_ids` at
        most, page by page, when a run with live tasks is taken up again.
        """

    @abstractmethod
    def read_metadata(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Return one row for each thing that was sent beside an answer, its JSON parsed, in the order received.

        Called for `frames.run_frames.metadata_frame`.
        """
