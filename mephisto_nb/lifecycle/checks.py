"""What is looked at in each answer as it comes in: whether it was given with care, and whether it came too soon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.model.records import Agent, Submission, Unit
from mephisto_nb.model.states import AgentStatus, Gate, UnitStatus
from mephisto_nb.rules.gates.state import Errand, ErrandKind
from mephisto_nb.rules.gates.steps import add_verdict
from mephisto_nb.rules.people import grant

if TYPE_CHECKING:
    from mephisto_nb.rules.step import Step


def look_at(step: Step, agent: Agent, unit: Unit, submission: Submission) -> None:
    """Check an answer that has come in, and have judged what a function has to judge."""
    rules = step.state.rules.gates
    kept = step.state.gates.units.get(unit.unit_id)
    if kept is not None:
        _await(step, agent, kept.gate)
        return
    if not unit.is_real:
        return
    failed = [gate for gate in (_time(step, agent), _attention(step, agent, unit, submission.data)) if gate]
    if failed:
        fail_checks(step, agent, unit, failed)
    elif rules.judges_attention:
        _await(step, agent, Gate.ATTENTION)


def _await(step: Step, agent: Agent, gate: Gate) -> None:
    step.state.gates.await_verdict(agent.worker_id, agent.agent_id)
    step.errands.append(Errand(ErrandKind.JUDGE, agent.worker_id, agent.agent_id, gate))


def _time(step: Step, agent: Agent) -> Gate | None:
    minimum = step.state.rules.gates.minimum_seconds
    if not minimum:
        return None
    took = (agent.submitted_at or 0.0) - agent.accepted_at
    passed = took >= minimum
    detail: JSONObject = {"seconds": round(took, 3), "minimum_seconds": minimum}
    add_verdict(step, agent.worker_id, agent.agent_id, Gate.TIME, passed, detail)
    return None if passed else Gate.TIME


def _attention(step: Step, agent: Agent, unit: Unit, data: JSON) -> Gate | None:
    """Hold the answer's fields against those of the row; None: right, or nothing to check, or left to a function."""
    rules = step.state.rules.gates
    assignment = step.state.assignments[unit.assignment_id]
    row = {**assignment.shared, **assignment.own_data(unit.unit_index)}
    given = data if isinstance(data, dict) else {}
    expected = {name: row[field] for name, field in rules.attention.items() if _plain(row.get(field))}
    if not expected:
        return None
    wrong = [name for name, right in expected.items() if not is_same(given.get(name), right)]
    if wrong or not rules.judges_attention:
        add_verdict(step, agent.worker_id, agent.agent_id, Gate.ATTENTION, not wrong, {"wrong": wrong})
    return Gate.ATTENTION if wrong else None


def is_same(given: JSON, right: JSON) -> bool:
    """Tell whether an answer says what is right; case, blanks around it, and 3 or "3" make no difference."""
    if isinstance(given, list) and isinstance(right, list):
        return sorted(map(_plain, given)) == sorted(map(_plain, right))
    return given == right or _plain(given) == _plain(right)


def _plain(value: JSON) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip().casefold()


def fail_checks(step: Step, agent: Agent, unit: Unit, gates: list[Gate]) -> None:
    """Let an answer that failed checks have its consequences, for its unit and for its worker."""
    rules = step.state.rules.gates
    what = " and ".join(gate.value for gate in gates)
    failed = step.state.gates.failed_checks[agent.worker_id]
    grant(step, agent.worker_id, rules.checks, failed, f"failed a check: {what}")
    if rules.max_failed_checks is not None and failed > rules.max_failed_checks:
        shut_out(step, agent.worker_id, rules.checks_blocked, f"failed {failed} checks")
    if rules.repeats_failed and step.state.closing is None:
        _repeat(step, agent, unit, f"failed a check ({what}); offered to somebody else")


def shut_out(step: Step, worker_id: str, qualification_name: str, why: str) -> None:
    """Grant a worker what keeps them out from now on."""
    grant(step, worker_id, qualification_name, 1, why)
    if block := step.state.rules.gates.block:
        grant(step, worker_id, block, 1, why)


def _repeat(step: Step, agent: Agent, unit: Unit, why: str) -> None:
    """Pay for an answer without counting it, and make another unit of its assignment for somebody else."""
    if unit.status is not UnitStatus.COMPLETED:
        return  # reviewed already
    siblings = [u.unit_index for u in step.state.units.values() if u.assignment_id == unit.assignment_id]
    step.change_agent(agent, AgentStatus.SOFT_REJECTED, why, "operator")
    step.change_unit(unit, UnitStatus.SOFT_REJECTED, why, "operator", agent)
    again = Unit(step.new_id(), unit.assignment_id, max(siblings) + 1, step.state.rules.pay_amount)
    step.add_assignments([], [again])
