"""A worker's page asks for work."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.model.changes import SetReal
from mephisto_nb.model.gates import HeldArrival, OnboardingAgent
from mephisto_nb.model.outcomes import ExitLink
from mephisto_nb.model.packets import MADE_ANEW, PacketType
from mephisto_nb.model.records import Agent, Unit, Worker, WorkerFacts
from mephisto_nb.model.shared_state import find_rounded, for_browsers
from mephisto_nb.model.states import AGENT_ANSWERED, AGENT_LEFT, AgentStatus, UnitStatus
from mephisto_nb.model.visits import Visit
from mephisto_nb.rules import visits
from mephisto_nb.rules.eligibility import Refusal, RefusalCode, check_worker, no_units, paused, sent_already
from mephisto_nb.rules.gates import verdicts
from mephisto_nb.rules.gates._base import EntryGate, UnitGate
from mephisto_nb.rules.gates.state import MOST_HELD, GateJob, GateJobKind, gate_of
from mephisto_nb.rules.gates.steps import add_gate_unit, hold, let_go
from mephisto_nb.rules.gates.verdicts import Supply
from mephisto_nb.rules.seating import begin, on_offer, room_of
from mephisto_nb.rules.steering import launch_more
from mephisto_nb.utils.json_size import surely_fits

if TYPE_CHECKING:
    from mephisto_nb.rules.step import Step


#: What a page gets is written down a second time until it has it, unless it may be larger than this (bytes).
_KEPT_TWICE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing can be said yet: what has to be known first is on its way."""


#: What a page that asks for work gets: a unit, the introduction, the reason why neither, or an answer later on.
Outcome: TypeAlias = Agent | OnboardingAgent | Refusal | Held


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who asks: the request to answer, the worker's name, what their page calls itself, what is known of them.

    `is_simulated` says that a program asks, to rehearse the task; or somebody whose coming was noted before. `captured`
    is what their crowd gave along.
    """

    request_id: str
    worker_name: str
    registration_id: str
    facts: WorkerFacts
    is_simulated: bool = False
    captured: JSONObject = field(default_factory=dict)


def arrive(step: Step, arrival: Arrival, supply: Supply | None = None) -> Outcome:
    """Find a worker a unit, or the reason why there is none. The same registration finds its agent again.

    Nobody is given two units of one assignment, and no unit is given to two workers. Who has gates to pass gets what
    these ask for, if there is work for them afterwards; `supply` is what a job has brought for that.
    """
    if (known := _known(step, arrival)) is not None and known.is_simulated and not arrival.is_simulated:
        _take_for_real(step, known)
    outcome = _arrive(step, arrival, supply or Supply())
    if isinstance(outcome, Refusal):
        outcome = _end_visit_by(step, arrival, outcome)
        if outcome.code != RefusalCode.VISIT_OVER:
            step.refused.append((arrival.worker_name, str(outcome.code)))
    return outcome


def _known(step: Step, arrival: Arrival) -> Worker | None:
    """Return the record of who asks; None: they come for the first time."""
    return arrival.facts.worker or step.state.new_workers.get(arrival.worker_name)


def _arrive(step: Step, arrival: Arrival, supply: Supply) -> Outcome:
    state, worker = step.state, _known(step, arrival)
    visit = visits.find(state, worker.worker_id, arrival.registration_id) if worker else None
    again = _find_again(step, worker, arrival.registration_id, visit) if worker else None
    if again is not None:
        return again
    if state.closing is not None:
        return no_units(state, "")
    if worker is not None and worker.worker_id in state.gates.unjudged:
        return _await_verdict(step, worker, arrival, supply)
    worker_id = worker.worker_id if worker else None
    facts = verdicts.facts_now(step, worker_id, arrival.facts)
    refusal = verdicts.turned_away(state, worker_id, facts)
    if refusal is None and visit is not None and visit.done >= visit.asked:
        visits.finish(step, visit, "worker")
        return visits.over(state, visit)
    refusal = refusal or check_worker(state, worker_id, facts)
    if refusal is None and visit is None and worker_id is not None:
        refusal = visits.too_many(state, worker_id)
    if refusal is not None:
        return refusal
    if state.is_paused:
        return paused()
    if worker is None:
        worker = _add_worker(step, arrival)
    unit = _pick_unit(step, worker)
    if unit is None:
        return no_units(state, worker.worker_id)
    if verdicts.is_at_gate(state, worker.worker_id):
        return verdicts.at_gate()
    if visit is None:
        visit = visits.begin(step, worker, arrival.registration_id, arrival.captured, facts)
    else:
        visits.go_on(step, visit)
    gate = verdicts.next_gate(state, worker.worker_id, facts)
    at_gate = None if gate is None else _pass(step, gate, worker, arrival, facts, supply, visit)
    return _take(step, unit, worker, arrival, visit) if at_gate is None else at_gate


def _add_worker(step: Step, arrival: Arrival) -> Worker:
    provider_type = step.state.rules.provider_type
    worker = Worker(step.new_id(), arrival.worker_name, provider_type, is_simulated=arrival.is_simulated)
    step.add_worker(worker)
    return worker


def _end_visit_by(step: Step, arrival: Arrival, refusal: Refusal) -> Refusal:
    """Return what somebody is told who gets nothing; in a run with visits, theirs may end by it."""
    rules, is_undecided = step.state.rules.visits, step.state.rules.is_undecided
    if rules is None or refusal.outcome is None or (is_undecided is not None and is_undecided(arrival.worker_name)):
        return refusal
    worker = _known(step, arrival)
    visit = visits.find(step.state, worker.worker_id, arrival.registration_id) if worker else None
    if worker is None and not rules.serves_again and not refusal.may_pass:
        worker = _add_worker(step, arrival)
    return visits.refused(step, worker, visit, refusal, arrival.captured, arrival.registration_id)


def look_ahead(step: Step, arrival: Arrival) -> Refusal | None:
    """Return why there is no work for a worker just now; None: there is some, or only asking for it would tell.

    Nothing is taken, and nothing is changed.
    """
    state, facts = step.state, arrival.facts
    worker = facts.worker or state.new_workers.get(arrival.worker_name)
    if state.closing is not None:
        return no_units(state, "")
    worker_id = worker.worker_id if worker else None
    if worker_id in state.gates.unjudged:
        return None
    facts = verdicts.facts_now(step, worker_id, facts)
    refusal = verdicts.turned_away(state, worker_id, facts) or check_worker(state, worker_id, facts)
    if refusal is None and worker_id is not None and state.rules.visits is not None:
        refusal = _look_at_visits(step, worker_id, arrival.registration_id)
    if refusal is None and state.is_paused:
        refusal = paused()
    if refusal is None and (not state.launched if worker is None else _pick_unit(step, worker) is None):
        refusal = no_units(state, worker_id or "")
    return refusal


def _look_at_visits(step: Step, worker_id: str, registration_id: str) -> Refusal | None:
    """Return why a worker may begin no further visit by another registration; None: they may, or are in one."""
    rules, state = step.state.rules.visits, step.state
    visit = visits.find(state, worker_id, registration_id)
    if rules is not None and visit is not None and visit.ended_at is not None and not rules.serves_again:
        return visits.over(state, visit)
    return None if visit is not None and visit.ended_at is None else visits.too_many(state, worker_id)


def _take_for_real(step: Step, worker: Worker) -> None:
    """Note that a person has come by a name by which only a program had; they stay one, whatever comes by it later."""
    step.note(SetReal(worker.worker_id))
    step.state.new_workers[worker.worker_name] = replace(worker, is_simulated=False)
    step.log("worker", worker.worker_id, None, None, "came in person", "worker")


def _await_verdict(step: Step, worker: Worker, arrival: Arrival, supply: Supply) -> Outcome:
    """Let a page wait until its worker's last answer is judged; what could not be judged is tried once more."""
    book, worker_id = step.state.gates, worker.worker_id
    if supply.failed:
        return verdicts.not_judged()
    for agent_id in book.stuck_of(worker_id):
        book.stuck.discard(agent_id)
        gate = gate_of(book, book.onboarding.get(agent_id) or step.state.agents[agent_id])
        step.gate_jobs.append(GateJob(GateJobKind.JUDGE, worker_id, agent_id, gate))
    return _hold(step, worker, arrival)


def _hold(step: Step, worker: Worker, arrival: Arrival) -> Outcome:
    waiting = step.state.gates.held.get(worker.worker_id, {})
    if len(waiting) >= MOST_HELD and arrival.request_id not in waiting:
        return verdicts.still_judging()
    step.state.worker_names[worker.worker_id] = worker.worker_name
    hold(
        step,
        HeldArrival(
            arrival.request_id,
            worker.worker_id,
            worker.worker_name,
            arrival.registration_id,
            step.now,
            arrival.captured,
        ),
    )
    return Held()


def _pass(
    step: Step,
    gate: EntryGate[Any],
    worker: Worker,
    arrival: Arrival,
    facts: WorkerFacts,
    supply: Supply,
    visit: Visit | None,
) -> Outcome | None:
    """Lead a worker to a gate; None: it lets them by for this time."""
    state = step.state
    if not isinstance(gate, UnitGate):
        return verdicts.begin(step, worker, arrival.registration_id, None if visit is None else visit.deadline)
    used_up = verdicts.budget_is_used_up(state, gate)
    if not used_up and supply.gate is not gate.KIND:
        step.gate_jobs.append(GateJob(GateJobKind.FETCH, worker.worker_id, gate=gate.KIND))
        return _hold(step, worker, arrival)
    if supply.failed and supply.gate is gate.KIND:
        return verdicts.trouble()
    row, supply.row = (None, supply.row) if used_up else (supply.row, None)
    if row is not None:
        return _take(step, add_gate_unit(step, gate, worker, row), worker, arrival, visit)
    if gate.may_go_on_without(verdicts.standing_of(state, worker.worker_id, facts)):
        verdicts.note_no_room(state, gate, is_budget=used_up)
        return None
    return verdicts.no_room(state, gate, is_budget=used_up)


def _find_again(step: Step, worker: Worker, registration_id: str, visit: Visit | None) -> Agent | Refusal | None:
    """Return what a page that was there before gets: its agent, or the news that it was answered; None: a new one."""
    rules = step.state.rules
    if rules.visits is not None:
        if visit is not None and visit.ended_at is not None:
            return visits.over(step.state, visit)
        return None if visit is None else step.state.visits.agent_at_work(visit)
    return _find_by_page(step, worker, registration_id) or _find_held(step, worker)


def _find_by_page(step: Step, worker: Worker, registration_id: str) -> Agent | Refusal | None:
    rules = step.state.rules
    agent_id = step.state.by_registration.get((worker.worker_id, registration_id), "")
    agent = step.state.agents.get(agent_id)
    if agent is None or agent.status in AGENT_LEFT:
        return None
    if rules.page_knows_its_end or agent.status not in AGENT_ANSWERED:
        return agent
    return None if rules.serves_again else sent_already()


def _find_held(step: Step, worker: Worker) -> Agent | None:
    """Return what somebody holds who comes by their own link from another device, or browser, than that they began on.

    Where they may explicitly do several units at once, another page gets another unit until that many are held.
    """
    state, allowed = step.state, step.state.rules.allowed_concurrent
    held: set[str] = state.active_agents.get(worker.worker_id, set())
    if not state.rules.has_own_links or not held or len(held) < allowed:
        return None
    return state.agents[max(held)]


def _pick_unit(step: Step, worker: Worker) -> Unit | None:
    found = _look_for_unit(step, worker)
    # An answer of this very step may have made room for more, which is put on offer at its end.
    if found is None and step.state.rules.visits is not None and launch_more(step):
        found = _look_for_unit(step, worker)
    return found


def _look_for_unit(step: Step, worker: Worker) -> Unit | None:
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
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a researcher's function; its failure must not stop the run
            self._tell(unit, error)
            return False

    def _tell(self, unit: Unit, error: BaseException) -> None:
        if not self.failed:
            why = f"worker_can_do_unit raised {error!r}; taken as no"
            self.step.log("unit", unit.unit_id, None, None, why, "operator")
            self.step.troubles.append(why)
        self.failed = True


def _take(step: Step, unit: Unit, worker: Worker, arrival: Arrival, visit: Visit | None) -> Agent:
    rules = step.state.rules
    agent = Agent(
        agent_id=step.new_id(),
        unit_id=unit.unit_id,
        worker_id=worker.worker_id,
        registration_id=arrival.registration_id,
        status=AgentStatus.ACCEPTED,
        accepted_at=step.now,
        deadline=step.now + rules.assignment_duration if visit is None else visit.deadline,
        visit_id=None if visit is None else visit.visit_id,
    )
    step.state.worker_names[worker.worker_id] = worker.worker_name
    step.add_agent(agent)
    step.change_unit(unit, UnitStatus.ASSIGNED, "taken by a worker", "worker", agent)
    begin(step, agent)
    return agent


def release(
    step: Step, worker_id: str, facts: WorkerFacts, supply: Supply | None = None
) -> list[tuple[Arrival, Outcome]]:
    """Decide about the pages of a worker that wait; return the answer to each that waits no longer."""
    book = step.state.gates
    if book.being_judged(worker_id):
        return []
    visits.settle(step, worker_id, facts)
    decided: list[tuple[HeldArrival, Arrival, Outcome]] = []
    for held in list(book.held.get(worker_id, {}).values()):
        arrival = Arrival(
            held.request_id, held.worker_name, held.registration_id, facts, is_simulated=True, captured=held.captured
        )
        outcome = arrive(step, arrival, supply)
        if not isinstance(outcome, Held):
            decided.append((held, arrival, outcome))
    let_go(step, [held for held, _, _ in decided])
    return [(arrival, outcome) for _, arrival, outcome in decided]


def answer(
    step: Step,
    request_id: str,
    outcome: Agent | OnboardingAgent | Refusal,
    init_data: JSON = None,
    exit_link: ExitLink | None = None,
) -> None:
    """Answer a page's request with its agent and work, or with the reason why not, and (`exit_link`) the way back.

    With an agent that is the way back once its answer is taken; its router keeps it until then. Who may still come gets
    the way back should the run end before.
    """
    if isinstance(outcome, Refusal):
        data: JSONObject = {"worker_id": None, "agent_id": None, "status": None, "init_task_data": None}
        data |= {"failure_reason": outcome.text, "failure_code": str(outcome.code)}
        if outcome.may_pass:
            data["may_pass"] = True
            if exit_link is not None:
                data["exit_if_over"] = exit_link.to_dict()
        if outcome.visit_id is not None:
            data |= _told_of_end(step, outcome.visit_id, exit_link)
    else:
        data = {"worker_id": outcome.worker_id, "agent_id": outcome.agent_id, "status": outcome.status.value}
        shown = for_browsers(init_data)
        data |= {"init_task_data": shown, "failure_reason": None, "failure_code": None}
        if shown is not init_data and (whole_numbers := find_rounded(init_data)):
            data["whole_numbers"] = whole_numbers  # for who is no browser
        if outcome.deadline is not None:
            data["deadline_in_seconds"] = max(0.0, outcome.deadline - step.now)
        if isinstance(outcome, Agent) and (room := room_of(step, outcome)) is not None:
            data["waiting_room"] = room
        if (place := visits.place_of(step.state, outcome)) is not None:
            data["visit"] = place
            data |= visits.seal(exit_link)
    data = {"request_id": request_id, **data}
    kept = None
    if isinstance(outcome, Agent) and not surely_fits(init_data, _KEPT_TWICE):
        kept = {**data, "init_task_data": None, MADE_ANEW: outcome.agent_id}
    step.send(PacketType.AGENT_DETAILS, request_id, data, kept)


def _told_of_end(step: Step, visit_id: str, exit_link: ExitLink | None) -> JSONObject:
    visit = step.state.visits.visits[visit_id]
    outcome = None if visit.outcome is None else visit.outcome.value
    ended: JSONObject = {"outcome": outcome, "done": visit.done, "asked": visit.asked}
    return {"visit_ended": ended, "exit": None if exit_link is None else exit_link.to_dict()}


def tell_ahead(step: Step, request_id: str, refusal: Refusal | None, exit_link: ExitLink | None = None) -> None:
    """Answer a page that asked whether there is more work for its worker: why not, or, for None, that there is."""
    if refusal is not None:
        answer(step, request_id, refusal, exit_link=exit_link)
        return
    nothing: JSONObject = dict.fromkeys(("worker_id", "agent_id", "status", "init_task_data"))
    nothing |= {"failure_reason": None, "failure_code": None, "has_more": True}
    step.send(PacketType.AGENT_DETAILS, request_id, {"request_id": request_id, **nothing})
