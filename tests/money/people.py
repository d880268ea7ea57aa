"""Runs with answers in them, and what was paid for these, as their kernel left them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mephisto_nb.config.hydra_config import compose
from mephisto_nb.config.task_run_settings import TaskRunSettings, resolve_config
from mephisto_nb.model import changes as c
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Agent, Assignment, Payment, Submission, Unit, Worker
from mephisto_nb.model.states import AgentStatus, PaymentKind, PaymentStatus, UnitStatus
from mephisto_nb.model.visits import Visit
from mephisto_nb.operator import Operator
from mephisto_nb.testing.contracts._samples import SampleRun
from mephisto_nb.utils.ids import new_id
from tests.kernel.runs import ABOUT

#: What a unit is paid.
PAY = Money.of("0.25")
#: 2026-11-10 12:00 UTC.
NOON = 1_794_312_000.0


def settings(provider: str = "link", blueprint: dict[str, Any] | None = None, **task: Any) -> TaskRunSettings:
    """Return the settings of a mock task that pays 0.10."""
    about = {**ABOUT, "task_reward": 0.1, **task}
    return resolve_config(compose("mock", provider=provider, blueprint_args=blueprint or {}, task=about))


def make_run(operator: Operator, task_name: str = "moods", **fields: Any) -> SampleRun:
    """Store a run that was opened at noon."""
    given = {"created_at": NOON, "opened_at": NOON, "generator_done": True}
    return SampleRun(operator._runs.database, task_name=task_name, **given | fields)


def add_units(run: SampleRun, status: UnitStatus, number: int) -> list[Unit]:
    """Store units in a status that nobody holds."""
    made = [Assignment(new_id(), run.id, len(run.assignments) + n, {}, [{}]) for n in range(number)]
    run.assignments += made
    units = [Unit(new_id(), one.assignment_id, 0, PAY, status) for one in made]
    run.commit(c.AddAssignments(made, units))
    return units


def add_person(run: SampleRun, name: str, *, is_simulated: bool = False) -> Worker:
    """Store somebody, or a program."""
    worker = Worker(new_id(), name, run.run.provider_type, is_simulated=is_simulated)
    run.commit(c.AddWorker(worker, NOON))
    return worker


def add_answers(
    run: SampleRun,
    worker: Worker,
    seconds: Sequence[float],
    begun: float = 0.0,
    status: UnitStatus = UnitStatus.ACCEPTED,
    agent: AgentStatus = AgentStatus.APPROVED,
    visit_id: str | None = None,
) -> list[Unit]:
    """Store what somebody answered, one after the other, from so many seconds after noon on; perhaps in a visit."""
    at, units = NOON + begun, list[Unit]()
    changes: list[c.Change] = []
    if visit_id is not None:
        changes.append(c.AddVisit(Visit(visit_id, worker.worker_id, visit_id, {}, len(seconds), at, at + 1800)))
    made = [Assignment(new_id(), run.id, len(run.assignments) + n, {}, [{}]) for n in range(len(seconds))]
    run.assignments += made
    for assignment, lasted in zip(made, seconds, strict=True):
        agent_id, pay = new_id(), PAY
        units.append(Unit(new_id(), assignment.assignment_id, 0, pay, status, agent_id, worker.worker_id))
        one = Agent(
            agent_id, units[-1].unit_id, worker.worker_id, new_id(), agent, at, at + 1800, at + lasted, visit_id
        )
        changes += [c.AddAgent(one), c.AddSubmission(Submission(agent_id, {}, at + lasted))]
        at += lasted
    run.commit(c.AddAssignments(made, units), *changes)
    return units


def add_leaving(run: SampleRun, worker: Worker, unit: Unit, begun: float, status: AgentStatus) -> None:
    """Store that somebody had a unit, and gave it back."""
    at = NOON + begun
    run.commit(c.AddAgent(Agent(new_id(), unit.unit_id, worker.worker_id, new_id(), status, at, at + 1800)))


def add_payment(
    run: SampleRun,
    worker: Worker,
    amount: Money,
    status: PaymentStatus,
    kind: PaymentKind = PaymentKind.BONUS,
    at: float = NOON,
    unit: Unit | None = None,
) -> None:
    """Store a payment."""
    sent_at = at if status is PaymentStatus.SENT else None
    about = (kind, amount, "well done", at, run.id, unit and unit.unit_id, status, sent_at)
    run.commit(c.AddPayment(Payment(new_id(), new_id(), worker.worker_id, *about)))
