"""What becomes of an answer that is decided on, and of the decision when it is undone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mephisto_nb.model import changes as c
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Agent, WorkerFacts
from mephisto_nb.model.reviews import DECIDED, Decision, KeptReview, Review, ReviewOutcome
from mephisto_nb.model.states import AgentStatus, PaymentKind, PaymentStatus, UnitStatus
from mephisto_nb.rules.reviewing import decide, undo
from tests.rules.rehearsal import Rehearsal, facts_of

U, A = UnitStatus, AgentStatus
VERDICTS = [U.ACCEPTED, U.SOFT_REJECTED, U.REJECTED]
PAY = Money.of("0.25")


def answered(*names: str, **limits: Any) -> tuple[Rehearsal, list[Agent]]:
    """A run in which each of these workers has answered a unit."""
    run = Rehearsal(*(1 for _ in names), **{"pay_amount": PAY, **limits})
    agents = [run.take(name, facts=facts_of(name)) for name in names]
    for agent in agents:
        run.submit(agent)
    return run, agents


def review(run: Rehearsal, agents: list[Agent], verdict: UnitStatus = U.ACCEPTED, **fields: Any) -> list[ReviewOutcome]:
    known = fields.pop("known", {})
    fields |= {"bonus": Money.of(fields["bonus"])} if "bonus" in fields else {}
    wanted = dict.fromkeys((agent.unit_id for agent in agents), fields.pop("seen", None))
    return decide(run.step(), Decision(verdict, "eve", **fields), wanted, known)


def noted(run: Rehearsal, kind: type[Any]) -> list[Any]:
    return [change for change in run.last.changes.changes if isinstance(change, kind)]


def kept(run: Rehearsal, status: PaymentStatus = PaymentStatus.OWED) -> list[KeptReview]:
    """What the last step has decided, as a database gives it back."""
    reviews: list[Review] = [change.review for change in noted(run, c.AddReview)]
    ids = [[id_ for id_ in (one.reward_payment_id, one.bonus_payment_id) if id_] for one in reviews]
    return [KeptReview(one, dict.fromkeys(owed, status)) for one, owed in zip(reviews, ids, strict=True)]


def _undo(
    run: Rehearsal, known: dict[str, WorkerFacts] | None = None, **payments: PaymentStatus
) -> list[ReviewOutcome]:
    reviews = kept(run, **payments)
    return undo(run.step(), reviews, "eve", "a slip", known or {})


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_verdict_changes_the_unit_and_its_agent_and_is_kept(verdict: UnitStatus) -> None:
    run, (ann,) = answered("ann")
    (outcome,) = review(run, [ann], verdict, note="hm")
    assert (outcome.done, outcome.before, outcome.after) == (True, U.COMPLETED, verdict)
    assert (run.unit_of(ann).status, run.unit_of(ann).agent_id) == (verdict, ann.agent_id)
    assert ann.status is {U.ACCEPTED: A.APPROVED, U.SOFT_REJECTED: A.SOFT_REJECTED, U.REJECTED: A.REJECTED}[verdict]
    (added,) = noted(run, c.AddReview)
    assert (added.review.note, added.review.who, added.review.worker_id) == ("hm", "eve", ann.worker_id)


@pytest.mark.parametrize(("verdict", "owed"), [(U.ACCEPTED, [PAY]), (U.SOFT_REJECTED, [PAY]), (U.REJECTED, [])])
def test_pay_is_owed_for_what_is_not_rejected(verdict: UnitStatus, owed: list[Money]) -> None:
    run, (ann,) = answered("ann")
    review(run, [ann], verdict)
    assert [add.payment.amount for add in noted(run, c.AddPayment)] == owed


def test_work_for_nothing_owes_nothing() -> None:
    run, (ann,) = answered("ann", pay_amount=0.0)
    review(run, [ann])
    assert noted(run, c.AddPayment) == []


def test_a_bonus_is_for_each_unit() -> None:
    run, agents = answered("ann", "bob")
    review(run, agents, bonus=0.5, message="Thank you!")
    bonuses = [a.payment for a in noted(run, c.AddPayment) if a.payment.kind is PaymentKind.BONUS]
    assert [(one.amount, one.reason, one.unit_id) for one in bonuses] == [
        (Money.of(0.5), "Thank you!", agent.unit_id) for agent in agents
    ]
    assert len({one.key for one in bonuses}) == 2


def test_the_second_press_does_nothing() -> None:
    run, (ann,) = answered("ann")
    review(run, [ann], bonus=1.0)
    (outcome,) = review(run, [ann], bonus=1.0)
    assert (outcome.done, outcome.why) == (False, DECIDED)
    assert not run.last.changes


def test_an_earlier_decision_stands_unless_it_is_to_be_changed() -> None:
    run, (ann,) = answered("ann")
    review(run, [ann], U.REJECTED)
    assert [one.done for one in review(run, [ann])] == [False]
    assert [one.done for one in review(run, [ann], again=True)] == [True]
    assert [add.payment.amount for add in noted(run, c.AddPayment)] == [PAY]


def test_pay_that_was_released_is_not_released_again() -> None:
    run, (ann,) = answered("ann")
    review(run, [ann], U.SOFT_REJECTED)
    assert [one.done for one in review(run, [ann], U.ACCEPTED, again=True)] == [True]
    assert noted(run, c.AddPayment) == []


def test_a_unit_that_was_seen_otherwise_is_left_alone() -> None:
    run, (ann,) = answered("ann")
    review(run, [ann], U.REJECTED)
    (outcome,) = review(run, [ann], again=True, seen=U.COMPLETED)
    assert (outcome.done, outcome.why) == (False, DECIDED)


def test_what_the_table_forbids_is_told_and_not_done() -> None:
    run, (ann,) = answered("ann")
    review(run, [ann])
    (outcome,) = review(run, [ann], U.REJECTED, again=True)
    assert (outcome.done, outcome.why) == (
        False,
        "is approved, which cannot become rejected: take that decision back first",
    )


def test_a_unit_without_an_answer_is_told() -> None:
    run = Rehearsal(1)
    ann = run.take("ann")
    (outcome,) = review(run, [ann])
    assert (outcome.done, outcome.why) == (False, "has no answer: it is assigned")


def test_grants_and_blocks_come_once_for_each_worker() -> None:
    run = Rehearsal(1, 1, pay_amount=0.1)
    agents = [run.take("ann", facts=facts_of()) for _ in range(2)]
    for agent in agents:
        run.submit(agent)
    review(run, agents, U.REJECTED, grants={"careful": 0}, block=True)
    assert noted(run, c.SetGrant) == [c.SetGrant("id of ann", "careful", 0, at=0.0)]
    assert noted(run, c.SetBlocked) == [c.SetBlocked("id of ann", True)]
    effects = [add.review.effects for add in noted(run, c.AddReview)]
    assert effects == [{"granted": {"careful": [0, None]}, "blocked": True}, {}]


@pytest.mark.parametrize("verdict", VERDICTS)
def test_undoing_brings_everything_back(verdict: UnitStatus) -> None:
    run, (ann,) = answered("ann")
    known = {ann.worker_id: facts_of(grants={"careful": 1})}
    review(run, [ann], verdict, bonus=0.5, grants={"careful": 5, "new": 1}, block=True, known=known)
    owed = {add.payment.payment_id for add in noted(run, c.AddPayment)}
    now = {ann.worker_id: facts_of(grants={"careful": 5, "new": 1}, blocked=True)}
    (outcome,) = _undo(run, now)
    assert (outcome.done, outcome.after) == (True, U.COMPLETED)
    assert (run.unit_of(ann).status, ann.status) == (U.COMPLETED, A.COMPLETED)
    assert {change.payment_id for change in noted(run, c.ChangePayment)} == owed
    assert [(g.qualification_name, g.value) for g in noted(run, c.SetGrant)] == [("careful", 1), ("new", None)]
    assert [change.blocked for change in noted(run, c.SetBlocked)] == [False]


def test_an_undoing_is_a_decision_of_its_own() -> None:
    run, (ann,) = answered("ann")
    review(run, [ann])
    (decided,) = kept(run)
    _undo(run)
    (added,) = noted(run, c.AddReview)
    assert (added.review.undoes, added.review.before, added.review.after, added.review.note) == (
        decided.review.review_id,
        U.ACCEPTED,
        U.COMPLETED,
        "a slip",
    )


def test_what_was_paid_is_not_undone() -> None:
    run, (ann,) = answered("ann")
    review(run, [ann])
    (outcome,) = _undo(run, status=PaymentStatus.SENT)
    assert (outcome.done, outcome.why) == (False, "its payment is sent, and cannot be taken back")
    assert run.unit_of(ann).status is U.ACCEPTED


def test_what_somebody_has_changed_since_is_not_undone() -> None:
    run, (ann,) = answered("ann")
    review(run, [ann], grants={"careful": 5}, block=True)
    earlier = kept(run)
    review(run, [ann], U.SOFT_REJECTED, again=True)
    (outcome,) = undo(run.step(), earlier, "eve", "", {})
    assert (outcome.done, outcome.why) == (False, DECIDED)


def test_standing_that_was_changed_since_stays() -> None:
    run, (ann,) = answered("ann")
    review(run, [ann], grants={"careful": 5}, block=True)
    _undo(run, {ann.worker_id: facts_of(grants={"careful": 7})})
    assert (noted(run, c.SetGrant), noted(run, c.SetBlocked)) == ([], [])


def test_a_decision_changes_nothing_that_the_run_goes_on_with() -> None:
    run, (ann,) = answered("ann", maximum_units_per_worker=1)
    before = (run.state.num_open, run.state.is_complete, dict(run.state.units_of_worker))
    review(run, [ann], U.REJECTED)
    assert (run.state.num_open, run.state.is_complete, dict(run.state.units_of_worker)) == before


def test_decisions_undone_together_are_undone_newest_first() -> None:
    run = Rehearsal(1, 1, pay_amount=0.1)
    first, second = [run.take("ann", facts=facts_of()) for _ in range(2)]
    for agent in (first, second):
        run.submit(agent)
    review(run, [first], grants={"careful": 1})
    earlier = kept(run)
    run.now += 1.0
    review(run, [second], grants={"careful": 2}, known={first.worker_id: facts_of(grants={"careful": 1})})
    both = [*earlier, *kept(run)]
    undo(run.step(), both, "eve", "", {first.worker_id: facts_of(grants={"careful": 2})})
    assert [grant.value for grant in noted(run, c.SetGrant)] == [1, None]


def test_pay_of_which_the_books_know_nothing_is_not_taken_back() -> None:
    run, (ann,) = answered("ann")
    review(run, [ann])
    (paid,) = kept(run)
    elsewhere = KeptReview(replace(paid.review, reward_payment_id=None), {})
    (outcome,) = undo(run.step(), [elsewhere], "eve", "", {})
    assert (outcome.done, outcome.why) == (False, "it was paid for elsewhere, which cannot be taken back")


def test_the_log_names_who_has_decided_and_who_has_undone() -> None:
    run, (ann,) = answered("ann")
    review(run, [ann], bonus=0.005, grants={"careful": 5}, block=True)
    told = {(event.after, event.why): event.who for event in run.last.changes.events if event.subject == "worker"}
    assert set(told.values()) == {"eve"}
    assert (None, "is owed $0.0050: a bonus for your work") in told
    now = {ann.worker_id: facts_of(grants={"careful": 5}, blocked=True)}
    decided = kept(run)
    undo(run.step(), decided, "bob", "", now)
    assert {event.who for event in run.last.changes.events} == {"bob"}


def test_a_bonus_that_is_owed_no_longer_costs_nothing() -> None:
    run, (ann,) = answered("ann")
    review(run, [ann], bonus=0.5)
    assert [one.status for one in run.state.payments.values() if one.amount == Money.of(0.5)] == [PaymentStatus.OWED]
    _undo(run)
    assert {one.status for one in run.state.payments.values()} == {PaymentStatus.CANCELLED}
