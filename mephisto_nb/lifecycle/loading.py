"""A stored run comes back to memory."""

from __future__ import annotations

from mephisto_nb.model.gates import OnboardingAgent, StoredGates
from mephisto_nb.model.records import Agent, RunSnapshot
from mephisto_nb.model.states import AGENT_ACTIVE, AGENT_LEFT, Gate
from mephisto_nb.rules.gates.state import gate_of
from mephisto_nb.rules.run_state import RunRules, RunState


def state_from_snapshot(snapshot: RunSnapshot, rules: RunRules) -> RunState:
    """Build the state of a run from its rows, as it was after the last step that was committed.

    Parameters
    ----------
    snapshot
        The run as a database gives it.
    rules
        The limits of the run at its launch, which are not stored in this form.

    Returns
    -------
    RunState
        Its units are in the order of the data, and registrations find the agents that are at work. `closing` is None:
        whether a run goes on after a restart is for the caller to say.
    """
    run = snapshot.run
    state = RunState(
        task_run_id=run.task_run_id,
        rules=rules,
        opened_at=run.opened_at,
        generator_done=run.generator_done,
        last_seq=snapshot.last_seq,
        last_n=snapshot.last_n,
        last_submission_at=snapshot.last_submission_at,
        ended_at=run.ended_at,
        steering=run.steering,
        worker_names=snapshot.worker_names,
        payments=dict(snapshot.payments),
        assignments={a.assignment_id: a for a in sorted(snapshot.assignments, key=lambda a: a.index)},
    )
    index_of = {a.assignment_id: a.index for a in snapshot.assignments}
    for unit in sorted(snapshot.units, key=lambda u: (index_of[u.assignment_id], u.unit_index)):
        state.add_unit(unit)
    for agent in sorted(snapshot.agents, key=_arrival_order):
        state.add_agent(agent)
    _load_gates(state, snapshot.gates)
    return state


def _load_gates(state: RunState, stored: StoredGates) -> None:
    """Take in what is known of gates, and find the answers that no verdict was come to yet."""
    book = state.gates
    for onboarding in stored.onboarding:
        book.add_onboarding(onboarding)
        if onboarding.submitted_at is not None:
            state.last_submission_at = max(onboarding.submitted_at, state.last_submission_at or 0.0)
    book.units.update((unit.unit_id, unit) for unit in stored.units)
    for held in stored.held:
        book.held.setdefault(held.worker_id, {})[held.request_id] = held
        state.worker_names.setdefault(held.worker_id, held.worker_name)  # they may never have had an agent
    agents: list[Agent | OnboardingAgent] = [*state.agents.values(), *stored.onboarding]
    workers = {agent.agent_id: agent.worker_id for agent in agents}
    for verdict in stored.verdicts:
        book.note_verdict(workers[verdict.agent_id], verdict)
    judged = {(verdict.agent_id, verdict.gate) for verdict in stored.verdicts}
    failed = {verdict.agent_id for verdict in stored.verdicts if verdict.passed is False}
    for agent in agents:
        gate = gate_of(book, state.agents.get(agent.agent_id))
        if agent.submitted_at is None or (agent.agent_id, gate) in judged:
            continue
        if gate is not Gate.ATTENTION or (state.rules.gates.judges_attention and agent.agent_id not in failed):
            book.await_verdict(agent.worker_id, agent.agent_id)


def _arrival_order(agent: Agent) -> tuple[bool, bool, float, str]:
    # Who left and came again must be found by the agent that is at work, or else by the one that answered: whatever
    # the clock said meanwhile, which somebody may have put right.
    return agent.status in AGENT_ACTIVE, agent.status not in AGENT_LEFT, agent.accepted_at, agent.agent_id
