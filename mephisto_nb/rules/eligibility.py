"""Who may work, and what those hear who may not: always the true reason, in words that mean something to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.qualifications import Comparator, Requirement
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.rules.shares import OF_SMALL, OPEN

if TYPE_CHECKING:
    from mephisto_nb.model.records import WorkerFacts
    from mephisto_nb.rules.run_state import RunState

#: A worker who has left so many units of a run gets no more: each leaves rows behind, and could be taken for ever.
MOST_LEFT = 200


class RefusalCode(StrEnum):
    """Why a worker gets no unit, for programs; gates before the work have codes of their own (`GateWords.code`)."""

    BAD_REGISTRATION = "bad_registration"
    BLOCKED = "blocked"
    NOT_QUALIFIED = "not_qualified"
    TOO_MANY_CONCURRENT = "too_many_concurrent"
    MAX_FOR_TASK = "max_for_task"
    NO_AVAILABLE_UNITS = "no_available_units"
    CHECKS_FAILED = "checks_failed"
    BEING_JUDGED = "being_judged"
    NOT_JUDGED = "not_judged"
    TROUBLE = "trouble"
    PAUSED = "paused"
    RUN_OVER = "run_over"
    SENT_ALREADY = "sent_already"
    VISIT_OVER = "visit_over"
    NOT_VOUCHED = "not_vouched"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a worker gets no unit; `code` is for programs, `text` is shown to them.

    `may_pass` says that asking again in a while is worth it. Where a visit ends by it, `outcome` is how, unless
    something was sent before; `visit_id` is the visit that has ended.
    """

    code: str
    text: str
    may_pass: bool = field(default=False, compare=False)
    outcome: Outcome | None = field(default=None, compare=False)
    visit_id: str | None = field(default=None, compare=False)


def check_worker(state: RunState, worker_id: str | None, facts: WorkerFacts) -> Refusal | None:
    """Return why a worker may not take any unit of a run; None: they may."""
    rules = state.rules
    if facts.worker is not None and facts.worker.blocked:
        text = "The requester of this task no longer offers their tasks to you."
        return Refusal(RefusalCode.BLOCKED, text, outcome=Outcome.SCREENED_OUT)
    for requirement in rules.requirements:
        if requirement.applies_to(rules.provider_type) and not requirement.is_met_by(facts.grants):
            return Refusal(RefusalCode.NOT_QUALIFIED, _unmet(requirement), outcome=Outcome.SCREENED_OUT)
    if worker_id is None:
        return None
    holding = len(state.active_agents.get(worker_id, ()))
    most = most_at_once(state)
    if most is not None and holding >= most:
        return Refusal(RefusalCode.TOO_MANY_CONCURRENT, _too_many(holding))
    done = state.units_of_worker[worker_id] + facts.units_elsewhere
    if rules.maximum_units_per_worker and done >= rules.maximum_units_per_worker:
        return Refusal(
            RefusalCode.MAX_FOR_TASK,
            f"You have done {done} of these, which is as many as one person may do. Thank you for your work!",
            outcome=Outcome.QUOTA_FULL,
        )
    if state.left_by_worker[worker_id] >= MOST_LEFT:
        return Refusal(
            RefusalCode.MAX_FOR_TASK,
            f"You have taken {MOST_LEFT} of these without finishing them, so you get no more. "
            "If that is a mistake, please tell whoever sent you the link.",
            outcome=Outcome.QUOTA_FULL,
        )
    return None


def most_at_once(state: RunState) -> int | None:
    """Return how many units one person may hold at once; None: any number."""
    rules = state.rules
    if rules.allowed_concurrent or not rules.part_of_open:
        return rules.allowed_concurrent or None
    if sum(state.counts.values()) < rules.part_of_open:
        return OF_SMALL
    return max(1, sum(state.counts[status] for status in OPEN) // rules.part_of_open)


def paused() -> Refusal:
    """Return the refusal for a worker who may work, while nothing is handed out for the time being."""
    text = "The researcher has paused this task: no work is given out until it goes on. Please come back later."
    return Refusal(RefusalCode.PAUSED, text, may_pass=True)


def sent_already() -> Refusal:
    """Return the refusal for a page that is opened again, and has been answered."""
    return Refusal(RefusalCode.SENT_ALREADY, "Your work has been sent already. Thank you! You can close this page.")


def no_units(state: RunState, worker_id: str) -> Refusal:
    """Return why there is no unit for a worker who may work."""
    if state.closing is not None:
        text = "This task has ended: no more work is given out."
        return Refusal(RefusalCode.RUN_OVER, text, outcome=Outcome.QUOTA_FULL)
    if state.launched:
        text = "You have done all the work here that is open to you. Thank you!"
        return Refusal(RefusalCode.NO_AVAILABLE_UNITS, text, outcome=Outcome.QUOTA_FULL)
    if state.counts[UnitStatus.ASSIGNED] or state.next_created() or not state.generator_done:
        text = (
            "Others are working on everything that is open right now. Some may come free: try again in a few minutes."
        )
        return Refusal(RefusalCode.NO_AVAILABLE_UNITS, text, may_pass=True, outcome=Outcome.QUOTA_FULL)
    text = "All the work of this task has been done. Thank you for coming!"
    return Refusal(RefusalCode.NO_AVAILABLE_UNITS, text, outcome=Outcome.QUOTA_FULL)


def _unmet(requirement: Requirement) -> str:
    if requirement.comparator is Comparator.DOES_NOT_EXIST:
        return "This task is not open to you: its requester has set a condition that leaves you out."
    return "This task asks for a qualification that you do not have."


def _too_many(holding: int) -> str:
    works = "another unit" if holding == 1 else f"{holding} other units"
    return f"You are already working on {works} of this task, maybe in another tab. Finish or return that first."
