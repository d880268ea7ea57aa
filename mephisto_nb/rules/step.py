"""One step of a run: every change made through it is legal, logged, and known to the database.

A rule calls the methods of a `Step`; they change the `RunState` at once and note what has to be committed.
If the commit fails, the whole `RunState` is thrown away and read again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.changes import (
    AddAgent,
    AddAssignments,
    AddLiveUpdate,
    AddSubmission,
    AddWorker,
    Change,
    ChangeAgent,
    ChangeDeadline,
    ChangePay,
    Changes,
    ChangeUnit,
    EndRun,
    GeneratorDone,
    ReopenRun,
    Serve,
    SetGrant,
    Steer,
)
from mephisto_nb.model.money import Money
from mephisto_nb.model.packets import SEALED_EXIT, Packet, PacketType
from mephisto_nb.model.records import AS_LAUNCHED, Agent, Assignment, Event, Service, Steering, Submission, Unit, Worker
from mephisto_nb.model.states import (
    AGENT_LEFT,
    AgentStatus,
    UnitStatus,
    check_agent_transition,
    check_unit_transition,
)
from mephisto_nb.rules.gates.state import GateJob
from mephisto_nb.rules.run_state import Meeting, RunState


@dataclass(slots=True)
class Step:
    """What one step of one run changes.

    `now` is when it happens; `new_id` makes ids. `started` and `ended` are the agents whose task code is to be
    started and stopped once the step is committed, `submitted` the units whose answer came in, and
    `live_updates` the messages to hand to task code. `meetings` are those who begin together, `parted` the agents who
    have left others that go on, `dissolved` the assignments that end or begin anew because somebody has left.
    `refused` are the names of workers who got no unit, with the code of the reason, and `page_errors` the agents whose
    pages reported an error. `gate_jobs` are to be done once the step is committed; `granted` is what it has granted
    (None: taken back), by worker. `troubles` are what befell the researcher's own code, for them to read, and
    `failures` the same of what fails again and again: what that is, and the trouble.
    """

    state: RunState
    now: float
    new_id: Callable[[], str]
    changes: Changes = field(init=False)
    started: list[Agent] = field(default_factory=list)
    ended: list[Agent] = field(default_factory=list)
    submitted: list[Unit] = field(default_factory=list)
    live_updates: list[tuple[str, JSONObject]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    page_errors: list[str] = field(default_factory=list)
    meetings: list[Meeting] = field(default_factory=list)
    parted: list[Agent] = field(default_factory=list)
    dissolved: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    gate_jobs: list[GateJob] = field(default_factory=list)
    granted: dict[str, dict[str, int | None]] = field(default_factory=dict)
    #: Agents and units whose rows are written for the first time, as they are at the end of the step.
    _new: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.changes = Changes(self.state.task_run_id, first_n=self.state.last_n + 1)

    # -- what can happen -------------------------------------------------------------------------------------

    def add_assignments(self, assignments: list[Assignment], units: list[Unit]) -> None:
        """Take new work in."""
        self.note(AddAssignments(assignments, units))
        for assignment in assignments:
            self.state.assignments[assignment.assignment_id] = assignment
        for unit in units:
            self._new.add(unit.unit_id)
            self.state.add_unit(unit)
            self.log("unit", unit.unit_id, None, unit.status, "created", "operator")

    def add_worker(self, worker: Worker) -> None:
        """Take somebody in who was never seen before."""
        self.note(AddWorker(worker, self.now))
        self.state.new_workers[worker.worker_name] = worker
        self.log("worker", worker.worker_id, None, None, "came for the first time", "worker")

    def add_agent(self, agent: Agent) -> None:
        """Let a worker take a unit."""
        self._new.add(agent.agent_id)
        self.note(AddAgent(agent))
        self.state.add_agent(agent)
        self.log("agent", agent.agent_id, AgentStatus.NONE, agent.status, "took a unit", "worker")

    def change_unit(
        self, unit: Unit, after: UnitStatus, why: str, who: str, agent: Agent | None = None, *, undoing: bool = False
    ) -> None:
        """Bring a unit to another status; `agent` holds it from now on."""
        before = unit.status
        check_unit_transition(unit.unit_id, before, after, why, undoing=undoing)
        self.state.unindex_unit(unit)
        unit.status = after
        unit.agent_id, unit.worker_id = (agent.agent_id, agent.worker_id) if agent else (None, None)
        self.state.index_unit(unit)
        if unit.unit_id not in self._new:
            self.note(ChangeUnit(unit.unit_id, before, after, unit.agent_id, unit.worker_id))
        self.log("unit", unit.unit_id, before, after, why, who)

    def change_pay(self, units: Sequence[Unit], pay_amount: Money) -> None:
        """Pay otherwise for units that nobody has yet."""
        changed = [unit for unit in units if unit.pay_amount != pay_amount]
        for unit in changed:
            self.state.pay.remove(unit)
            unit.pay_amount = pay_amount
            self.state.pay.enter(unit)
        if stored := [unit.unit_id for unit in changed if unit.unit_id not in self._new]:
            self.note(ChangePay(stored, pay_amount))

    def change_agent(self, agent: Agent, after: AgentStatus, why: str, who: str, *, undoing: bool = False) -> None:
        """Bring an agent to another status."""
        before = agent.status
        check_agent_transition(agent.agent_id, before, after, why, undoing=undoing)
        self.state.unindex_agent(agent)
        agent.status = after
        self.state.index_agent(agent)
        if agent.agent_id not in self._new:
            self.note(ChangeAgent(agent.agent_id, before, after, agent.unit_id))
        self.log("agent", agent.agent_id, before, after, why, who)

    def change_deadline(self, agent: Agent, deadline: float | None) -> None:
        """Set the time by which an agent's work has to be sent; None: there is no such time."""
        agent.deadline = deadline
        self.state.index_agent(agent)
        if agent.agent_id not in self._new:
            self.note(ChangeDeadline(agent.agent_id, deadline))

    def add_submission(self, submission: Submission) -> None:
        """Keep an answer."""
        self.note(AddSubmission(submission))
        self.state.agents[submission.agent_id].submitted_at = submission.received_at
        self.state.last_submission_at = max(submission.received_at or 0.0, self.state.last_submission_at or 0.0)

    def add_live_update(self, agent_id: str, sender: str, data: JSONObject, at: float) -> None:
        """Keep one turn of a live task, and hand a worker's on to the task's code."""
        self.note(AddLiveUpdate(agent_id, sender, data, at))
        if sender == "worker":
            self.live_updates.append((agent_id, data))

    def finish_generator(self) -> None:
        """Note that all assignments have been created."""
        self.state.generator_done = True
        self.note(GeneratorDone())

    def steer(self, steering: Steering) -> None:
        """Pause the run, let it go on, or change its limits."""
        self.state.steer(steering)
        self.note(Steer(steering))

    def close_run(self, why: str, who: str, detail: JSONObject | None = None) -> None:
        """Hand out nothing more; what workers hold may still come in."""
        if self.state.closing is None:
            self.steer(replace(self.state.steering, closing=why, closed_by=who))
            self.log("run", self.state.task_run_id, None, "closing", why, who, detail)

    def end_run(self, why: str) -> None:
        """Note that the run is over."""
        self.state.ended_at = self.now
        self.note(EndRun(self.now))
        self.log("run", self.state.task_run_id, None, "ended", why, "operator")

    def reopen_run(self, budget: float | None = None) -> None:
        """Note that a run that was over is worked on again, within the limits, and the budget, of its resumption."""
        self.state.opened_at, self.state.ended_at = self.now, None
        self.note(ReopenRun(self.now, budget))
        self.steer(AS_LAUNCHED)
        self.state.service = Service(served_until=self.now)
        self.note(Serve(self.state.service))
        self.log("run", self.state.task_run_id, "ended", None, "resumed", "operator")

    # -- what others hear of it ------------------------------------------------------------------------------

    def send(self, packet_type: PacketType, subject_id: str, data: JSONObject, kept: JSONObject | None = None) -> None:
        """Send a packet to a worker's page, once the step is committed; `kept` is what is stored of it (None: all)."""
        self.changes.packets.append(Packet(packet_type, subject_id, data, kept))
        self.state.last_n += 1

    def send_status(self, agent: Agent) -> None:
        """Send a worker's page what became of it; who has left has no way back of who has finished any more."""
        data: JSONObject = {"status": agent.status.value}
        if agent.visit_id is not None and agent.status in AGENT_LEFT:
            data[SEALED_EXIT] = None
        self.send(PacketType.UPDATE_STATUS, agent.agent_id, data)

    def log(
        self,
        subject: str,
        subject_id: str,
        before: str | None,
        after: str | None,
        why: str,
        who: str,
        detail: JSONObject | None = None,
    ) -> None:
        """Add a row to the event log."""
        before = None if before is None else str(before)
        after = None if after is None else str(after)
        self.changes.events.append(Event(self.now, subject, subject_id, before, after, why, who, detail))

    def note(self, change: Change) -> None:
        """Have a change committed with the step; the caller has made it in memory, where there is anything to make."""
        self.changes.changes.append(change)
        if isinstance(change, SetGrant):
            self.granted.setdefault(change.worker_id, {})[change.qualification_name] = change.value


def add_unit_again(step: Step, unit: Unit) -> Unit:
    """Make one more unit of an assignment, with the data of `unit` and at today's price; it is not on offer yet."""
    of_assignment = (one for one in step.state.units.values() if one.assignment_id == unit.assignment_id)
    taken = {one.unit_index for one in of_assignment}
    assignment = step.state.assignments[unit.assignment_id]
    indexes = count(assignment.place_of(unit.unit_index), max(1, assignment.num_parts))
    index = next(index for index in indexes if index not in taken)
    again = Unit(step.new_id(), unit.assignment_id, index, step.state.rules.pay_amount)
    step.add_assignments([], [again])
    return again
