"""What is stored of gates: what stands between a worker and the work, and what is looked at in each answer.

What each gate is, and does, is said in `rules.gates`.
"""

from __future__ import annotations

from collections.abc import Sequence
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
class GateFinding:
    """What one gate has found of one answer, by the gate's name.

    `passed` is None where the function that judges has failed, and the worker was given the benefit of the doubt.
    """

    gate: str
    passed: bool | None
    detail: JSONObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What was found at a gate. `agent_id` is the onboarding agent's, or that of the agent at the unit.

    There is one for each agent and `Gate`. The findings of several checks can stand in one: then they are under
    ``checks`` in `detail`, by the check's name, and `passed` sums them up.
    """

    agent_id: str
    gate: Gate
    passed: bool | None
    at: float
    detail: JSONObject = field(default_factory=dict)

    @property
    def findings(self) -> list[GateFinding]:
        """What each gate has found."""
        return split_findings(self.gate.value, self.passed, self.detail)


def join_findings(agent_id: str, gate: Gate, findings: Sequence[GateFinding], at: float) -> GateVerdict:
    """Make one verdict of what was found of an answer.

    Examples
    --------
    >>> join_findings("a1", Gate.ATTENTION, [GateFinding("attention", True), GateFinding("haste", False)], 5.0).passed
    False
    """
    if [found.gate for found in findings] == [gate.value]:
        return GateVerdict(agent_id, gate, findings[0].passed, at, findings[0].detail)
    all_passed = {found.passed for found in findings}
    passed = False if False in all_passed else None if None in all_passed else True
    checks: JSONObject = {found.gate: {**found.detail, "passed": found.passed} for found in findings}
    return GateVerdict(agent_id, gate, passed, at, {"checks": checks})


def split_findings(gate: str, passed: bool | None, detail: JSONObject | None) -> list[GateFinding]:
    """Return what each gate has found, of a verdict as it is stored."""
    checks = (detail or {}).get("checks")
    if not isinstance(checks, dict):
        return [GateFinding(gate, passed, detail or {})]
    return [
        GateFinding(name, found["passed"], {key: value for key, value in found.items() if key != "passed"})
        for name, found in checks.items()
        if isinstance(found, dict)
    ]


@dataclass(frozen=True, slots=True)
class HeldArrival:
    """A page that asks for work, and is answered once its worker's last answer has been judged.

    `captured` is what the crowd gave along (see `Identity`).
    """

    request_id: str
    worker_id: str
    worker_name: str
    registration_id: str
    held_at: float
    captured: JSONObject = field(default_factory=dict)


@dataclass(slots=True)
class StoredGates:
    """All that is stored of the gates of a run."""

    onboarding: list[OnboardingAgent] = field(default_factory=list)
    units: list[GateUnit] = field(default_factory=list)
    verdicts: list[GateVerdict] = field(default_factory=list)
    held: list[HeldArrival] = field(default_factory=list)
