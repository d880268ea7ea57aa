"""Which gate a worker has to pass before their next unit, and what those hear who do not pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mephisto_nb.model.gates import GateRow
from mephisto_nb.model.records import Worker, WorkerFacts
from mephisto_nb.model.states import Gate
from mephisto_nb.rules.eligibility import Refusal, RefusalCode
from mephisto_nb.rules.gates.gate_rules import GateRules

if TYPE_CHECKING:
    from mephisto_nb.rules.run_state import RunState
    from mephisto_nb.rules.step import Step


@dataclass(slots=True)
class Supply:
    """What an errand has brought for a worker; the first arrival that needs it uses it up.

    `row` is None if there is none left for them. `failed`: a function of the researcher did not do its work.
    """

    gate: Gate | None = None
    row: GateRow | None = None
    failed: bool = False


def facts_now(step: Step, worker_id: str | None, facts: WorkerFacts) -> WorkerFacts:
    """Give what is known of a worker, with what this very step has granted them."""
    granted = step.granted.get(worker_id or "")
    if not granted:
        return facts
    grants = {name: value for name, value in {**facts.grants, **granted}.items() if value is not None}
    return replace(facts, grants=grants)


def turned_away(state: RunState, worker_id: str | None, facts: WorkerFacts) -> Refusal | None:
    """Tell those so who have not passed a gate."""
    rules, grants = state.rules.gates, facts.grants
    if rules.onboarding and (grants.get(rules.onboarding) == 0 or rules.onboarding_failed in grants):
        return Refusal(
            RefusalCode.ONBOARDING_FAILED,
            "Thank you for going through the introduction. Your answers there were not what this task needs, so it is "
            "not open to you.",
        )
    if rules.screening and rules.screening_failed in grants:
        return Refusal(
            RefusalCode.SCREENING_FAILED,
            "Thank you for the first unit, which was a try-out. It was not done as this task needs it, so there is no "
            "more of this work for you.",
        )
    if rules.gold and (rules.gold_disqualified in grants or not _qualifies(state, worker_id, facts)):
        return Refusal(
            RefusalCode.GOLD_FAILED,
            "Thank you for your work. Some units have answers that are known beforehand, and too many of yours were "
            "different, so there is no more of this work for you.",
        )
    if rules.checks and rules.max_failed_checks is not None and rules.checks_blocked in grants:
        return Refusal(
            RefusalCode.CHECKS_FAILED,
            "Thank you for your work. Some of your answers did not pass the checks of this task, which look at whether "
            "it was read with care, so there is no more of this work for you.",
        )
    return None


def next_gate(state: RunState, worker_id: str, facts: WorkerFacts) -> Gate | None:
    """Tell which gate a worker who may work has to pass before their next unit of the work."""
    rules, grants = state.rules.gates, facts.grants
    if rules.onboarding and rules.onboarding not in grants:
        return Gate.ONBOARDING
    if rules.screening and not grants.get(rules.screening):
        return Gate.SCREENING
    if rules.gold and rules.needs_gold(*_record(state, worker_id, facts), rules.min_golds):
        return Gate.GOLD
    return None


def is_at_gate(state: RunState, worker_id: str) -> bool:
    """Tell whether a worker has a screening or gold unit in hand."""
    agents = state.active_agents.get(worker_id, ())
    return any(not state.units[state.agents[agent_id].unit_id].is_real for agent_id in agents)


def budget_is_used_up(state: RunState, gate: Gate) -> bool:
    """Tell whether no more units of a gate may be given out."""
    rules = state.rules.gates
    limit = rules.max_screening_units if gate is Gate.SCREENING else rules.max_gold_units
    return limit is not None and state.gates.num_used(gate) >= limit


def may_go_on_without(state: RunState, gate: Gate, facts: WorkerFacts) -> bool:
    """Tell whether a worker for whom a gate has no unit may do the work all the same: they have been looked at."""
    if gate is not Gate.GOLD:
        return False
    rules = state.rules.gates
    return sum(_golds(rules, facts.grants)) >= rules.min_golds


def no_room(state: RunState, gate: Gate, *, is_budget: bool) -> Refusal:
    """Tell a worker that nobody can be looked at any more, and note it for the researcher."""
    note_no_room(state, gate, is_budget=is_budget)
    code = RefusalCode.SCREENING_FULL if gate is Gate.SCREENING else RefusalCode.GOLD_FULL
    return Refusal(
        code,
        "This task first looks at how its workers do, and can do so for nobody new at the moment. It has nothing to do "
        "with you. You may try again later.",
    )


def note_no_room(state: RunState, gate: Gate, *, is_budget: bool) -> None:
    """Note for the researcher that a gate has no more units to give."""
    rules = state.rules.gates
    key, limit = (
        ("max_screening_units", rules.max_screening_units)
        if gate is Gate.SCREENING
        else ("max_gold_units", rules.max_gold_units)
    )
    if is_budget:
        text = f"All {limit} {gate.value} units are used up ({key}), so nobody new can be looked at."
    else:
        text = f"Somebody has seen all {gate.value} rows there are, and was due for another. Give more rows."
    state.gates.notices[f"{gate.value} room"] = text


def not_judged() -> Refusal:
    """Tell a worker whose answer could not be judged so."""
    return Refusal(
        RefusalCode.NOT_JUDGED,
        "Your last answer has arrived safely. Something went wrong on our side when it was looked at, so we cannot "
        "give you more work yet. That is not your fault: please try again later.",
    )


def trouble() -> Refusal:
    """Tell a worker so for whom a row should have been found, and the function that finds it has failed."""
    text = (
        "Something went wrong on our side, so we cannot give you work at the moment. That is not your fault: please "
        "try again later."
    )
    return Refusal(RefusalCode.TROUBLE, text)


def still_judging() -> Refusal:
    """Tell a worker whose many pages wait that one is enough."""
    text = "Your last answer is still being looked at. Please try again in a minute."
    return Refusal(RefusalCode.BEING_JUDGED, text)


def at_gate() -> Refusal:
    """Tell a worker that what they have in hand comes first."""
    text = "You are already working on another unit of this task, maybe in another tab. Finish or return that first."
    return Refusal(RefusalCode.TOO_MANY_CONCURRENT, text)


def _golds(rules: GateRules, grants: Mapping[str, int]) -> tuple[int, int]:
    return grants.get(rules.golds_correct, 0), grants.get(rules.golds_wrong, 0)


def _record(state: RunState, worker_id: str | None, facts: WorkerFacts) -> tuple[int, int, int]:
    """Give how many units a worker has taken, and how many golds they got right and wrong."""
    units = state.units_of_worker[worker_id or ""] + facts.units_elsewhere
    return units, *_golds(state.rules.gates, facts.grants)


def _qualifies(state: RunState, worker_id: str | None, facts: WorkerFacts) -> bool:
    rules = state.rules.gates
    return rules.qualifies(*_record(state, worker_id, facts), rules.max_incorrect_golds)


def count_gold(step: Step, worker: Worker, facts: WorkerFacts, *, is_right: bool) -> tuple[dict[str, int], bool]:
    """Give a worker's golds with one more, by the names of the qualifications; and whether they may go on."""
    rules = step.state.rules.gates
    correct, wrong = _golds(rules, facts.grants)
    counts = {rules.golds_correct: correct + is_right, rules.golds_wrong: wrong + (not is_right)}
    after = replace(facts, grants={**facts.grants, **counts})
    return counts, _qualifies(step.state, worker.worker_id, after)
