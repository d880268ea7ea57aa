"""What stands between a worker and the work: onboarding, screening, gold, and checks of the work itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.model.states import AgentStatus, Gate

#: What the id of an onboarding agent begins with: the browser packages of Mephisto 1.x look at that.
ONBOARDING_PREFIX = "onboarding_"


@dataclass(slots=True)
class OnboardingAgent:
    """One worker at the introduction of a run, before any unit.

    `deadline` is the time by which it has to be handed in, `submitted_at` when it was, `data` what was.
    """

    agent_id: str
    worker_id: str
    registration_id: str
    status: AgentStatus
    started_at: float
    deadline: float | None = None
    submitted_at: float | None = None
    data: JSON = None


@dataclass(frozen=True, slots=True)
class GateRow:
    """What a screening or gold unit is made of.

    `key` tells one row from another, `shared` is what the worker sees of it, `row` all of it, with the right answers.
    """

    key: str
    shared: JSONObject
    row: JSONObject


@dataclass(frozen=True, slots=True)
class GateUnit:
    """For whom a screening or gold unit was made, and of what."""

    unit_id: str
    gate: Gate
    worker_id: str
    row: GateRow


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found at a gate. `agent_id` is the onboarding agent's, or that of the agent at the unit.

    `passed` is None where the function that judges has failed, and the worker was given the benefit of the doubt.
    """

    agent_id: str
    gate: Gate
    passed: bool | None
    at: float
    detail: JSONObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HeldArrival:
    """A page that asks for work, and is answered once its worker's last answer has been judged."""

    request_id: str
    worker_id: str
    worker_name: str
    registration_id: str
    held_at: float


@dataclass(slots=True)
class StoredGates:
    """All that is stored of the gates of a run."""

    onboarding: list[OnboardingAgent] = field(default_factory=list)
    units: list[GateUnit] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    held: list[HeldArrival] = field(default_factory=list)
