"""A worker's page asks for work."""

from __future__ import annotations

from dataclasses import dataclass

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.abstractions.database import WorkerFacts
from mephisto_nb.data_model.packets import PacketType
from mephisto_nb.data_model.records import Agent, Unit, Worker
from mephisto_nb.data_model.states import AGENT_LEFT, AgentStatus, UnitStatus
from mephisto_nb.lifecycle.eligibility import Refusal, check_worker, no_units
from mephisto_nb.lifecycle.step import Step


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who asks: the request to answer, the worker's name, what their page calls itself, what is known of them."""

    request_id: str
    worker_name: str
    registration_id: str
    facts: WorkerFacts


def arrive(step: Step, arrival: Arrival) -> Agent | Refusal:
    """Give a worker a unit, or the reason why not. The same registration finds its agent again.

    Nobody is given two units of one assignment, and no unit is given to two workers.
    """
    agent = _find_again(step, arrival)
    if agent is not None:
        return agent
    if step.state.closing is not None:
        return no_units(step.state, "")
    worker = _known(step, arrival)
    refusal = check_worker(step.state, worker.worker_id if worker else None, arrival.facts)
    if refusal is not None:
        return refusal
    if worker is None:
        worker = Worker(step.new_id(), arrival.worker_name, step.state.rules.provider_type)
        step.add_worker(worker)
    unit = _pick_unit(step, worker)
    return no_units(step.state, worker.worker_id) if unit is None else _take(step, unit, worker, arrival)


def _find_again(step: Step, arrival: Arrival) -> Agent | None:
    agent = step.state.agents.get(step.state.by_registration.get(arrival.registration_id, ""))
    if agent is None or (agent.status in AGENT_LEFT and agent.submitted_at is None):
        return None
    known = _known(step, arrival)
    if known is None or known.worker_id != agent.worker_id:  # a registration belongs to one worker
        return None
    return agent


def _known(step: Step, arrival: Arrival) -> Worker | None:
    return arrival.facts.worker or step.state.new_workers.get(arrival.worker_name)


def _pick_unit(step: Step, worker: Worker) -> Unit | None:
    state = step.state
    for assignment_id, unit_ids in state.launched.items():
        if worker.worker_id in state.workers_of[assignment_id]:
            continue
        unit = state.units[unit_ids[0]]
        if state.rules.can_do_unit is None or _may_do(step, worker, unit):
            return unit
    return None


def _may_do(step: Step, worker: Worker, unit: Unit) -> bool:
    can_do_unit = step.state.rules.can_do_unit
    try:
        return bool(can_do_unit and can_do_unit(worker, unit, step.state.assignments[unit.assignment_id]))
    except Exception as error:  # noqa: BLE001 - a researcher's function; its failure must not stop the run
        step.log("unit", unit.unit_id, None, None, f"worker_can_do_unit raised {error!r}; taken as no", "operator")
        return False


def _take(step: Step, unit: Unit, worker: Worker, arrival: Arrival) -> Agent:
    rules = step.state.rules
    agent = Agent(
        agent_id=step.new_id(),
        unit_id=unit.unit_id,
        worker_id=worker.worker_id,
        registration_id=arrival.registration_id,
        status=AgentStatus.ACCEPTED,
        accepted_at=step.now,
        deadline=step.now + rules.assignment_duration,
    )
    step.add_agent(agent)
    step.change_unit(unit, UnitStatus.ASSIGNED, "taken by a worker", "worker", agent)
    step.change_agent(agent, AgentStatus.IN_TASK, "got the work", "operator")
    step.started.append(agent)
    return agent


def answer(step: Step, request_id: str, outcome: Agent | Refusal, init_data: JSON = None) -> None:
    """Answer a page's request with its agent and work, or with the reason why not."""
    if isinstance(outcome, Refusal):
        data: JSONObject = {"worker_id": None, "agent_id": None, "status": None, "init_task_data": None}
        data |= {"failure_reason": outcome.text, "failure_code": outcome.code.value}
    else:
        data = {"worker_id": outcome.worker_id, "agent_id": outcome.agent_id, "status": outcome.status.value}
        data |= {"init_task_data": init_data, "failure_reason": None, "failure_code": None}
        if outcome.deadline is not None:
            data["deadline_in_seconds"] = max(0.0, outcome.deadline - step.now)
    step.send(PacketType.AGENT_DETAILS, request_id, {"request_id": request_id, **data})
