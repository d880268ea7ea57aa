"""Somebody decides on answers: approves, soft-rejects, rejects, and takes that back.

A step of a live run has all its units; one for a run that nobody drives has those alone that are decided on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.changes import AddReview
from mephisto_nb.model.money import Money, total
from mephisto_nb.model.records import Agent, Unit, WorkerFacts
from mephisto_nb.model.reviews import DECIDED, SAID, Decision, KeptReview, Review, ReviewOutcome
from mephisto_nb.model.states import (
    AGENT_OF_DECIDED,
    PAYMENT_GONE,
    UNIT_ANSWERED,
    UNIT_PAID_FOR,
    UNIT_REVIEWED,
    UNIT_TRANSITIONS,
    UNIT_WAYS_BACK,
    PaymentKind,
    PaymentStatus,
    UnitStatus,
)
from mephisto_nb.model.visits import VisitBooks
from mephisto_nb.rules import people
from mephisto_nb.rules.visit_pay import pay_visits

if TYPE_CHECKING:
    from mephisto_nb.rules.step import Step


def decide(
    step: Step,
    decision: Decision,
    wanted: Mapping[str, UnitStatus | None],
    known: Mapping[str, WorkerFacts],
    *,
    fixed: Mapping[str, str] = MappingProxyType({}),
    paid: Collection[str] = (),
    books: Sequence[VisitBooks] = (),
) -> list[ReviewOutcome]:
    """Decide on units, each of which may refuse for itself.

    Parameters
    ----------
    step
        Has the units that are wanted, and the agents that hold them.
    decision
        What is decided.
    wanted
        The units, each with the status in which it was seen (None: any).
    known
        What is known of the workers, by id: what they held before is put back when the decision is undone.
    fixed
        Units that nobody may decide on anew, and why not.
    paid
        Units whose own pay was sent already, and is not owed once more.
    books
        What was booked for the visits in which they were done, each of which is paid once all its answers are decided.
    """
    outcomes, done_to = [], set[str]()
    for unit_id, seen in wanted.items():
        unit = step.state.units[unit_id]
        agent = step.state.agents.get(unit.agent_id or "")
        why = _why_not(unit, agent, decision, seen) or fixed.get(unit_id, "")
        if why or agent is None:
            outcomes.append(ReviewOutcome(unit_id, unit.worker_id, unit.status, unit.status, done=False, why=why))
            continue
        first = agent.worker_id not in done_to
        done_to.add(agent.worker_id)
        effects = _change_standing(step, decision, agent.worker_id, known) if first else {}
        outcomes.append(_decide_on(step, unit, agent, decision, effects, is_paid=unit_id in paid))
    return _with_visits(step, outcomes, books, decision.who)


def _with_visits(
    step: Step, outcomes: list[ReviewOutcome], books: Sequence[VisitBooks], who: str
) -> list[ReviewOutcome]:
    """Owe what visits are worth as their answers stand now; what changes by that stands with the last of each."""
    changed = pay_visits(step, books, who)
    for place in reversed(range(len(outcomes)) if changed else ()):
        one = outcomes[place]
        change = changed.pop(_visit_of(step, one.unit_id) or "", None) if one.done else None
        if change is not None:
            outcomes[place] = replace(one, owed=change if one.owed is None else one.owed + change)
    return outcomes


def _visit_of(step: Step, unit_id: str) -> str | None:
    agent = step.state.agents.get(step.state.units[unit_id].agent_id or "")
    return None if agent is None else agent.visit_id


def _why_not(unit: Unit, agent: Agent | None, decision: Decision, seen: UnitStatus | None) -> str:
    if unit.status not in UNIT_ANSWERED or agent is None:
        return f"has no answer: it is {unit.status.value}"
    if unit.status is decision.verdict or (seen is not None and unit.status is not seen):
        return DECIDED
    if unit.status in UNIT_REVIEWED and not decision.again:
        return DECIDED
    if decision.verdict not in UNIT_TRANSITIONS[unit.status]:
        return f"is {_said(unit.status)}, which cannot become {_said(decision.verdict)}: take that decision back first"
    return ""


def _said(status: UnitStatus) -> str:
    return SAID.get(status, status.value)


def _decide_on(
    step: Step, unit: Unit, agent: Agent, decision: Decision, effects: JSONObject, *, is_paid: bool
) -> ReviewOutcome:
    before, why, review_id = unit.status, SAID[decision.verdict], step.new_id()

    def owe(kind: PaymentKind, amount: Money, reason: str) -> str | None:
        if not amount:
            return None
        about = {"key": _key(review_id, kind), "unit_id": unit.unit_id, "who": decision.who}
        return people.pay(step, agent.worker_id, kind, amount, reason, **about).payment_id

    step.change_unit(unit, decision.verdict, why, decision.who, agent)
    step.change_agent(agent, AGENT_OF_DECIDED[decision.verdict], why, decision.who)
    earns = decision.verdict in UNIT_PAID_FOR and before not in UNIT_PAID_FOR and not is_paid and agent.visit_id is None
    nothing = Money(0, unit.pay_amount.currency)
    reward, bonus = unit.pay_amount if earns else nothing, decision.bonus or nothing
    review = Review(
        review_id=review_id,
        unit_id=unit.unit_id,
        agent_id=agent.agent_id,
        worker_id=agent.worker_id,
        before=before,
        after=decision.verdict,
        note=decision.note,
        message=decision.message,
        who=decision.who,
        at=step.now,
        reward_payment_id=owe(PaymentKind.REWARD, reward, "your answer"),
        bonus_payment_id=owe(PaymentKind.BONUS, bonus, decision.message or "a bonus for your work"),
        effects=effects | ({"category": decision.category} if decision.category else {}),
    )
    step.note(AddReview(review))
    about: dict[str, Any] = {"review_id": review_id, "owed": reward + bonus, "also": _also(effects)}
    return ReviewOutcome(unit.unit_id, agent.worker_id, before, decision.verdict, done=True, **about)


def _also(effects: JSONObject) -> str:
    granted = [f"granted {name!r}" for name in effects.get("granted", {})]
    return ", ".join([*granted, *(["blocked"] if effects.get("blocked") else [])])


def _key(review_id: str, kind: PaymentKind) -> str:
    return f"review:{review_id}:{kind.value}"


def _change_standing(step: Step, decision: Decision, worker_id: str, known: Mapping[str, WorkerFacts]) -> JSONObject:
    facts, effects = known.get(worker_id, WorkerFacts()), dict[str, object]()
    why = f"came with a decision: {SAID[decision.verdict]}"
    granted = {name: [value, facts.grants.get(name)] for name, value in decision.grants.items()}
    for name, value in decision.grants.items():
        people.grant(step, worker_id, name, value, why, decision.who)
    if granted:
        effects["granted"] = granted
    if decision.block and not (facts.worker and facts.worker.blocked):
        people.block(step, worker_id, why, decision.who)
        effects["blocked"] = True
    return effects


def undo(
    step: Step,
    kept: Sequence[KeptReview],
    who: str,
    note: str,
    known: Mapping[str, WorkerFacts],
    books: Sequence[VisitBooks] = (),
) -> list[ReviewOutcome]:
    """Take decisions back, the latest of each unit; what is paid already, or has changed since, refuses for itself.

    What came with the last of them is put back first, so that what a worker held before the first is what stays.
    """
    outcomes, standing = [], _Standing(step, who, known)
    gone = {one.visit_id: pay.status for one in books for pay in one.payments if pay.status in PAYMENT_GONE}
    for one in sorted(kept, key=lambda one: one.review.at, reverse=True):
        review, unit = one.review, step.state.units[one.review.unit_id]
        agent = step.state.agents[review.agent_id]
        why = _why_not_back(unit, one, agent, gone.get(agent.visit_id or ""))
        if why:
            outcomes.append(
                ReviewOutcome(unit.unit_id, review.worker_id, unit.status, unit.status, done=False, why=why)
            )
            continue
        said = f"no longer {SAID[review.after]}"
        step.change_unit(unit, review.before, said, who, agent, undoing=True)
        step.change_agent(agent, AGENT_OF_DECIDED[review.before], said, who, undoing=True)
        for payment_id in one.payments:
            kind = PaymentKind.REWARD if payment_id == review.reward_payment_id else PaymentKind.BONUS
            people.cancel(step, payment_id, _key(review.review_id, kind))
        also = ", ".join(standing.restore(review))
        undoing = _undoing(step, review, who, note)
        step.note(AddReview(undoing))
        owed = -total(one.amounts.values(), unit.pay_amount.currency)
        about: dict[str, Any] = {"review_id": undoing.review_id, "owed": owed, "also": also}
        outcomes.append(ReviewOutcome(unit.unit_id, review.worker_id, review.after, review.before, done=True, **about))
    return _with_visits(step, outcomes, books, who)


def _why_not_back(unit: Unit, kept: KeptReview, agent: Agent, visit_pay: PaymentStatus | None) -> str:
    if unit.status is not kept.review.after:
        return DECIDED
    if kept.review.before not in UNIT_WAYS_BACK[unit.status]:
        return f"is {_said(unit.status)}, from where no way leads back to {_said(kept.review.before)}"
    pays = kept.review.after in UNIT_PAID_FOR and kept.review.before not in UNIT_PAID_FOR and agent.visit_id is None
    if pays and unit.pay_amount and kept.review.reward_payment_id is None:
        return "it was paid for elsewhere, which cannot be taken back"
    if visit_pay is not None:
        return f"the payment of its visit is {visit_pay.value}, and cannot be taken back"
    settled = [status for status in kept.payments.values() if status is not PaymentStatus.OWED]
    return f"its payment is {settled[0].value}, and cannot be taken back" if settled else ""


def _undoing(step: Step, review: Review, who: str, note: str) -> Review:
    return Review(
        review_id=step.new_id(),
        unit_id=review.unit_id,
        agent_id=review.agent_id,
        worker_id=review.worker_id,
        before=review.after,
        after=review.before,
        note=note,
        message="",
        who=who,
        at=step.now,
        undoes=review.review_id,
    )


class _Standing:
    """What workers hold while decisions are taken back, and who takes them back."""

    def __init__(self, step: Step, who: str, known: Mapping[str, WorkerFacts]) -> None:
        self._step, self._who = step, who
        self._grants = {worker_id: dict(facts.grants) for worker_id, facts in known.items()}
        self._blocked = {id_ for id_, facts in known.items() if facts.worker is not None and facts.worker.blocked}

    def restore(self, review: Review) -> list[str]:
        """Put back what a decision has changed of a worker, unless somebody has changed it since; say what was."""
        restored: list[str] = []
        why, worker_id = f"the decision that it came with is undone: {SAID[review.after]}", review.worker_id
        held = self._grants.get(worker_id, {})
        for name, (value, earlier) in review.effects.get("granted", {}).items():
            if held.get(name) != value or earlier == value:
                continue
            if earlier is None:
                del held[name]
                people.revoke(self._step, worker_id, name, why, self._who)
                restored.append(f"revoked {name!r}")
            else:
                held[name] = earlier
                people.grant(self._step, worker_id, name, earlier, why, self._who)
                restored.append(f"{name!r} is {earlier} again")
        if review.effects.get("blocked") and worker_id in self._blocked:
            self._blocked.remove(worker_id)
            people.unblock(self._step, worker_id, why, self._who)
            restored.append("unblocked")
        return restored
