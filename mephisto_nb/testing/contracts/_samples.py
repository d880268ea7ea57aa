"""What the parts of the database contract share: a database to look at, and runs with rows in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mephisto_nb._typing import JSON
from mephisto_nb.model import changes as c
from mephisto_nb.model.gates import ONBOARDING_PREFIX, GateRow, GateUnit, OnboardingAgent
from mephisto_nb.model.money import Money
from mephisto_nb.model.people import Act, ActKind, WorkerKey
from mephisto_nb.model.records import LINK, Agent, Assignment, Event, Payment, Submission, TaskRun, Unit, Worker
from mephisto_nb.model.reviews import Review
from mephisto_nb.model.states import AGENT_OF_DECIDED, AgentStatus, Gate, PaymentKind, UnitStatus
from mephisto_nb.ports.database import Database
from mephisto_nb.utils.ids import new_id

#: What a unit pays, and what a bonus is.
PAY, THANKS = Money.of("0.25"), Money.of("0.5")


class SampleRun:
    """A run that is in a database, and rows for it.

    Parameters
    ----------
    database
        Where it is stored at once.
    task_name, provider_type
        What it is a run of, and whose workers it is for.
    fields
        Fields of `TaskRun` that are to be otherwise.
    """

    def __init__(
        self, database: Database, *, task_name: str = "survey", provider_type: str = LINK, **fields: Any
    ) -> None:
        self.database = database
        task = database.runs.get_or_create_task(task_name)
        requester = database.people.get_or_create_requester("a lab", provider_type)
        given: dict[str, Any] = {
            "task_run_id": new_id(),
            "task_id": task.task_id,
            "task_name": task.name,
            "requester_id": requester.requester_id,
            "blueprint_type": "mock",
            "architect_type": "local",
            "provider_type": provider_type,
            "config": {"mephisto": {"task": {"task_name": task_name}}},
            "qualifications": [],
            "created_at": 1000.0,
            "opened_at": 1000.5,
        }
        self.run = TaskRun(**given | fields)
        self.assignments: list[Assignment] = []
        database.runs.add_run(self.run)

    @property
    def id(self) -> str:
        """The id of the run."""
        return self.run.task_run_id

    def step(self, *changes: c.Change, **link: Any) -> c.Changes:
        """Make one step of the run; `link` are the other fields of `Changes`."""
        return c.Changes(self.id, list(changes), **link)

    def commit(self, *changes: c.Change, **link: Any) -> None:
        """Store one step of the run."""
        (error,) = self.database.apply([self.step(*changes, **link)])
        if error is not None:
            raise error

    def refusal(self, *changes: c.Change, **link: Any) -> Exception | None:
        """Return the reason why a step is not stored."""
        return self.database.apply([self.step(*changes, **link)])[0]

    def make_work(self, num_units: int = 1, shared: JSON = None, pay: Money = PAY) -> c.AddAssignments:
        """Make an assignment, which is not stored yet."""
        shared = {"text": "Is this a cat?"} if shared is None else shared
        index = len(self.assignments)
        assignment = Assignment(new_id(), self.id, index, shared, [{"n": n} for n in range(num_units)])
        self.assignments.append(assignment)
        return c.AddAssignments(
            [assignment], [Unit(new_id(), assignment.assignment_id, n, pay) for n in range(num_units)]
        )

    def add_unit(self, shared: JSON = None, pay: Money = PAY) -> Unit:
        """Store an assignment of one unit, and put it on offer."""
        return self.add_units(1, shared, pay)[0]

    def add_units(self, num_units: int, shared: JSON = None, pay: Money = PAY) -> list[Unit]:
        """Store an assignment, and put its units on offer."""
        work = self.make_work(num_units, shared, pay)
        self.commit(work)
        self.commit(*(change_unit(unit, UnitStatus.LAUNCHED) for unit in work.units))
        return list(work.units)

    def add_worker(self, name: str = "ann") -> Worker:
        """Store a worker."""
        worker = Worker(new_id(), name, self.run.provider_type)
        self.commit(c.AddWorker(worker, 1001.0))
        return worker

    def add_agent(self, unit: Unit, worker: Worker, **fields: Any) -> Agent:
        """Let a worker take a unit."""
        given: dict[str, Any] = {"registration_id": new_id(), "status": AgentStatus.IN_TASK, "accepted_at": 1002.0}
        agent = Agent(new_id(), unit.unit_id, worker.worker_id, **given | fields)
        self.commit(c.AddAgent(agent), change_unit(unit, UnitStatus.ASSIGNED, agent))
        return agent

    def add_answer(self, agent: Agent, unit: Unit, data: JSON, received_at: float = 1003.0) -> None:
        """Store an agent's answer."""
        self.commit(
            c.AddSubmission(Submission(agent.agent_id, data, received_at)),
            change_agent(agent, AgentStatus.COMPLETED),
            change_unit(unit, UnitStatus.COMPLETED, agent),
        )
        agent.submitted_at = received_at

    def add_onboarding(self, worker_name: str) -> OnboardingAgent:
        """Let a worker begin the introduction."""
        worker, id_ = self.add_worker(worker_name), f"{ONBOARDING_PREFIX}{new_id()}"
        agent = OnboardingAgent(id_, worker.worker_id, new_id(), AgentStatus.ONBOARDING, 1001.5, 1060.0)
        self.commit(c.AddOnboarding(agent))
        return agent

    def add_gate_unit(self, worker_name: str) -> tuple[Agent, GateUnit]:
        """Let a worker take a gold unit; the first of the run."""
        worker, row = (
            self.add_worker(worker_name),
            GateRow("key", {"text": "A cat?"}, {"text": "A cat?", "label": "no"}),
        )
        assignment = Assignment(new_id(), self.id, -1, row.shared, [{}])
        unit = Unit(new_id(), assignment.assignment_id, -2, PAY, UnitStatus.LAUNCHED)
        kept = GateUnit(unit.unit_id, Gate.GOLD, worker.worker_id, row)
        self.commit(c.AddAssignments([assignment], [unit]), c.AddGateUnit(kept))
        return self.add_agent(unit, worker), kept

    def make_payment(self, agent: Agent, **fields: Any) -> Payment:
        """Make a bonus for an agent's unit, which is not stored yet."""
        given: dict[str, Any] = {"key": "thanks", "amount": THANKS, "reason": "Well done!", "kind": PaymentKind.BONUS}
        owed = {"worker_id": agent.worker_id, "unit_id": agent.unit_id, "task_run_id": self.id, "created_at": 1005.0}
        return Payment(payment_id=new_id(), **given | owed | fields)

    def make_review(self, agent: Agent, after: UnitStatus = UnitStatus.ACCEPTED, **fields: Any) -> Review:
        """Make a decision on an agent's answer, which is not stored yet."""
        given: dict[str, Any] = {"note": "clear", "message": "", "who": "eve", "at": 1006.0}
        given |= {"unit_id": agent.unit_id, "agent_id": agent.agent_id, "worker_id": agent.worker_id}
        return Review(review_id=new_id(), after=after, **given | {"before": UnitStatus.COMPLETED} | fields)

    def review(self, agent: Agent, after: UnitStatus = UnitStatus.ACCEPTED, **fields: Any) -> Review:
        """Store a decision on an agent's answer, and what it makes of its unit."""
        review = self.make_review(agent, after, **fields)
        self.commit(
            c.AddReview(review),
            c.ChangeUnit(agent.unit_id, review.before, after, agent.agent_id, agent.worker_id),
            change_agent(agent, AGENT_OF_DECIDED[after]),
        )
        return review

    def add_answered_unit(self, data: JSON, worker_name: str = "ann", pay: Money = PAY) -> Agent:
        """Store a unit with its answer."""
        unit = self.add_unit(pay=pay)
        agent = self.add_agent(unit, self.add_worker(worker_name))
        self.add_answer(agent, unit, data)
        return agent


def change_unit(unit: Unit, after: UnitStatus, agent: Agent | None = None) -> c.ChangeUnit:
    """Bring a unit to another status, and make the change that says so."""
    before, unit.status = unit.status, after
    unit.agent_id, unit.worker_id = (agent.agent_id, agent.worker_id) if agent else (None, None)
    return c.ChangeUnit(unit.unit_id, before, after, unit.agent_id, unit.worker_id)


def change_agent(agent: Agent, after: AgentStatus) -> c.ChangeAgent:
    """Bring an agent to another status, and make the change that says so."""
    before, agent.status = agent.status, after
    return c.ChangeAgent(agent.agent_id, before, after, agent.unit_id)


def make_event(why: str = "put on offer", **fields: Any) -> Event:
    """Make a row of the event log."""
    given: dict[str, Any] = {"at": 1004.0, "subject": "unit", "subject_id": "u1", "before": None, "after": None}
    return Event(**given | {"why": why, "who": "operator"} | fields)


OpenDatabase = Callable[[], Database]


def grant_to(
    database: Database, qualification_name: str, worker_name: str, value: int, provider_type: str = LINK
) -> None:
    """Grant a qualification to one worker, or change the value granted; both are made if they are new."""
    workers = (WorkerKey(worker_name, provider_type),)
    database.people.perform(Act(ActKind.GRANT, qualification_name, workers, (value,), why="granted"))


def revoke_from(database: Database, qualification_name: str, worker_name: str, provider_type: str = LINK) -> bool:
    """Take a grant back from one worker, and return whether there was one."""
    workers = (WorkerKey(worker_name, provider_type),)
    return database.people.perform(Act(ActKind.REVOKE, qualification_name, workers, (None,), why="revoked")).has_changed


def set_blocked(database: Database, worker_name: str, *, blocked: bool) -> None:
    """Block or unblock one worker; one to be blocked is made if they are new."""
    kind = ActKind.BLOCK if blocked else ActKind.UNBLOCK
    database.people.perform(Act(kind, workers=(WorkerKey(worker_name, LINK),), values=(int(blocked),), why=f"{kind}ed"))


class DatabaseFixtures:
    """A database, another one on the same data, and a run."""

    @pytest.fixture
    def open_database(self) -> OpenDatabase:
        """Supplied by the subclass: a function that opens the same database each time it is called."""
        raise NotImplementedError(f"{type(self).__name__} has to supply the fixture 'open_database'.")

    @pytest.fixture
    def database(self, open_database: OpenDatabase) -> Iterator[Database]:
        """The database under test, empty at the start."""
        database = open_database()
        yield database
        database.close()

    @pytest.fixture
    def another(self, database: Database, open_database: OpenDatabase) -> Iterator[Database]:
        """The same database once more, as another kernel would open it."""
        database = open_database()
        yield database
        database.close()

    @pytest.fixture
    def run(self, database: Database) -> SampleRun:
        """A run without work."""
        return SampleRun(database)
