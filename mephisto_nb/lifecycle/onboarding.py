"""The introduction that newcomers go through before any unit: begun, handed in, left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mephisto_nb._typing import JSON
from mephisto_nb.model.gates import HeldArrival, OnboardingAgent
from mephisto_nb.model.records import Worker
from mephisto_nb.model.states import AGENT_LEFT, AgentStatus, Gate
from mephisto_nb.rules.gates.state import Errand, ErrandKind
from mephisto_nb.rules.gates.steps import add_onboarding, change_onboarding, hold, keep_onboarding_answer

if TYPE_CHECKING:
    from mephisto_nb.rules.step import Step


def begin(step: Step, worker: Worker, registration_id: str) -> OnboardingAgent:
    """Give a worker the introduction, in whatever tab they ask: it is one and the same."""
    current = step.state.gates.current(worker.worker_id)
    if current is not None and current.status is AgentStatus.ONBOARDING:
        return current
    return add_onboarding(step, worker, registration_id)


def hand_in(
    step: Step, agent_id: str, data: JSON, received_at: float, request_id: str, registration_id: str | None
) -> bool:
    """Keep what a worker has handed in, the first time; their page waits for what it is found to be worth.

    `registration_id` is what the page calls itself, if it says so. Gives False if there is no such agent.
    """
    agent = step.state.gates.onboarding.get(agent_id)
    if agent is None:
        return False
    errand = Errand(ErrandKind.RELEASE, agent.worker_id)
    if agent.submitted_at is None:
        is_late = agent.status in AGENT_LEFT
        keep_onboarding_answer(step, agent, data, received_at)
        after = AgentStatus.COMPLETED if is_late else AgentStatus.WAITING
        change_onboarding(step, agent, after, "handed in the introduction", "worker")
    if step.state.gates.is_unjudged(agent.worker_id, agent_id):
        step.state.gates.stuck.discard(agent_id)
        errand = Errand(ErrandKind.JUDGE, agent.worker_id, agent_id, Gate.ONBOARDING)
    name = step.state.worker_names[agent.worker_id]
    registration = registration_id or agent.registration_id
    hold(step, HeldArrival(request_id, agent.worker_id, name, registration, step.now))
    step.errands.append(errand)
    return True
