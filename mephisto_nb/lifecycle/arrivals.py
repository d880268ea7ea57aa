"""A worker's page asks for work."""

from __future__ import annotations

from dataclasses import dataclass

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.data_model.packets import PacketType
from mephisto_nb.data_model.records import Agent, Unit, Worker
from mephisto_nb.data_model.snapshots import WorkerFacts
from mephisto_nb.data_model.states import AGENT_LEFT, AgentStatus, UnitStatus
from mephisto_nb.lifecycle.eligibility import Refusal, check_worker, no_units, paused
from mephisto_nb.lifecycle.partners import begin, on_offer, room_of
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
    outcome = _arrive(step, arrival)
    if isinstance(outcome, Refusal):
        step.refused.append((arrival.worker_name, outcome.code.value))
    return outcome


def _arrive(step: Step, arrival: Arrival) -> Agent | Refusal:
    worker = arrival.facts.worker or step.state.new_workers.get(arrival.worker_name)
    agent = _find_again(step, worker, arrival.registration_id) if worker else None
    if agent is not None:
        return agent
    if step.state.closing is not None:
        return no_units(step.state, "")
    refusal = check_worker(step.state, worker.worker_id if worker else None, arrival.facts)
    if refusal is not None:
        return refusal
    if step.state.is_paused:
        return paused()
    if worker is None:
        worker = Worker(step.new_id(), arrival.worker_name, step.state.rules.provider_type)
        step.add_worker(worker)
    unit = _pick_unit(step, worker)
    return no_units(step.state, worker.worker_id) if unit is None else _take(step, unit, worker, arrival)


def _find_again(step: Step, worker: Worker, registration_id: str) -> Agent | None:
    agent_id = step.state.by_registration.get((worker.worker_id, registration_id), "")
    agent = step.state.agents.get(agent_id)
    return None if agent is None or agent.status in AGENT_LEFT else agent


def _pick_unit(step: Step, worker: Worker) -> Unit | None:
    state, asked = step.state, _Asked(step, worker)
    for assignment_id, unit_ids in on_offer(state):
        if state.holds_one_of(assignment_id, worker.worker_id):
            continue
        for unit_id in unit_ids:
            if asked.may_do(state.units[unit_id]):
                return state.units[unit_id]
    return None


@dataclass(slots=True)
class _Asked:
    """The researcher's own function, asked about one worker; the log has room for one of its failures."""

    step: Step
    worker: Worker
    failed: bool = False

    def may_do(self, unit: Unit) -> bool:
        can_do_unit = self.step.state.rules.can_do_unit
        if can_do_unit is None:
            return True
        try:
            return bool(can_do_unit(self.worker, unit, self.step.state.assignments[unit.assignment_id]))
        except Exception as error:  # noqa: BLE001 - a researcher's function; its failure must not stop the run
            self._tell(unit, error)
            return False

    def _tell(self, unit: Unit, error: Exception) -> None:
        if not self.failed:
            why = f"worker_can_do_unit raised {error!r}; taken as no"
            self.step.log("unit", unit.unit_id, None, None, why, "operator")
        self.failed = True


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
    step.state.worker_names[worker.worker_id] = worker.worker_name
    step.add_agent(agent)
    step.change_unit(unit, UnitStatus.ASSIGNED, "taken by a worker", "worker", agent)
    begin(step, agent)
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
        if (room := room_of(step, outcome)) is not None:
            data["waiting_room"] = room
    step.send(PacketType.AGENT_DETAILS, request_id, {"request_id": request_id, **data})
