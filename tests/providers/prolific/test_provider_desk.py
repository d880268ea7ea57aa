"""Prolific is asked to pay, reject, write and block; nothing of it happens twice, and doubt is told as such."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mephisto_nb.errors import CrowdError, CrowdRefusedError, OutcomeUnknown
from mephisto_nb.model.money import Money
from mephisto_nb.ports.crowd_desk import CrowdVerb, CrowdWork, InBooks
from mephisto_nb.providers.prolific.desk import ProlificDesk
from mephisto_nb.providers.prolific.objects import BonusSetUp
from mephisto_nb.providers.prolific.submission_calls import BonusCalls
from mephisto_nb.testing.prolific import Mishap, ProlificStandIn
from mephisto_nb.testing.prolific.records import StandInMessage
from mephisto_nb.testing.prolific.submissions import give_back
from mephisto_nb.testing.prolific.world import is_eligible
from tests.prolific import REASON, begin, hand_in
from tests.providers.prolific.offers import Memory, offer, opened, provider_of

PAY = Money.of("1.50", "GBP")


@pytest.fixture
async def study_id(registered: ProlificStandIn) -> str:
    """A study with places for many."""
    provider = provider_of(registered)
    return (await provider.recruiter.open(offer(places=20, concurrent=0), Memory())).study_id


@pytest.fixture
def desk(registered: ProlificStandIn) -> ProlificDesk:
    """A desk of a kernel that never opened the run."""
    return provider_of(registered).make_desk()


def work(prolific: ProlificStandIn, submission_id: str, key: str = "k", **changes: Any) -> CrowdWork:
    one = prolific.world.submission(submission_id)
    made = CrowdWork(key, "unit", "agent", one.participant_id, submission_id, PAY)
    return replace(made, **changes)


async def test_approval_pays_once_and_tells_the_fees(
    registered: ProlificStandIn, study_id: str, desk: ProlificDesk
) -> None:
    asked = work(registered, hand_in(registered, study_id))
    receipt = await desk.approve_work(asked)
    await desk.approve_work(asked)
    registered.advance(10)
    await desk.approve_work(asked)
    assert str(receipt.fees) == "£0.60"
    assert [one.price.total for one in registered.books.payments] == [210]
    assert await desk.find_payments([asked], CrowdVerb.APPROVE) == {"k": InBooks.PAID}


async def test_what_is_not_handed_in_yet_is_approved_later(
    registered: ProlificStandIn, study_id: str, desk: ProlificDesk
) -> None:
    asked = work(registered, begin(registered, study_id))
    with pytest.raises(CrowdError, match="noticed there some time after") as raised:
        await desk.approve_work(asked)
    assert not isinstance(raised.value, CrowdRefusedError | OutcomeUnknown)


async def test_what_was_returned_goes_by_a_bonus(
    registered: ProlificStandIn, study_id: str, desk: ProlificDesk
) -> None:
    submission_id = hand_in(registered, study_id)
    give_back(registered.world, registered.world.submission(submission_id))
    with pytest.raises(CrowdRefusedError, match="goes by a bonus"):
        await desk.approve_work(work(registered, submission_id))
    assert await desk.find_payments([work(registered, submission_id)], CrowdVerb.APPROVE) == {"k": InBooks.NOT_PAID}


async def test_an_approval_that_nobody_heard_of_is_no_refusal(
    registered: ProlificStandIn, study_id: str, desk: ProlificDesk
) -> None:
    asked = work(registered, hand_in(registered, study_id))
    registered.mishaps.happen(Mishap.ERROR_AFTER, on="POST /submissions/", times=6)
    with pytest.raises(OutcomeUnknown):
        await desk.approve_work(asked)
    registered.advance(10)
    await desk.approve_work(asked)
    assert len(registered.books.payments) == 1


async def test_another_currency_is_never_paid(registered: ProlificStandIn, study_id: str, desk: ProlificDesk) -> None:
    asked = work(registered, hand_in(registered, study_id), amount=Money.of("1.50", "USD"))
    for call in (desk.approve_work(asked), desk.quote_bonuses([asked])):
        with pytest.raises(CrowdRefusedError, match="pays in GBP"):
            await call
    assert registered.world.bonuses == {}


@pytest.mark.parametrize("amount", ["1", "2"])
async def test_an_approval_never_pays_another_sum(
    registered: ProlificStandIn, study_id: str, desk: ProlificDesk, amount: str
) -> None:
    asked = work(registered, hand_in(registered, study_id), amount=Money.of(amount, "GBP"))
    with pytest.raises(CrowdRefusedError, match=r"pays the study's reward of £1\.50"):
        await desk.approve_work(asked)
    assert registered.world.submission(asked.registration_id).status == "AWAITING REVIEW"


async def test_a_rejection_needs_a_reason_that_is_long_enough(
    registered: ProlificStandIn, study_id: str, desk: ProlificDesk
) -> None:
    submission_id = hand_in(registered, study_id)
    for text, category, words in (("Too short.", "", "90 more"), (REASON, "LAZY", "no reason that Prolific knows")):
        assert words in desk.check_rejection(text, category)
        with pytest.raises(CrowdRefusedError, match=words):
            await desk.reject_work(work(registered, submission_id, text=text, category=category))
    assert registered.world.submission(submission_id).rejection is None
    assert desk.check_rejection(REASON) == ""


async def test_a_rejection_is_told_once(registered: ProlificStandIn, study_id: str, desk: ProlificDesk) -> None:
    asked = work(registered, hand_in(registered, study_id), text=REASON, category="LOW_EFFORT")
    await desk.reject_work(asked)
    registered.advance(10)
    await desk.reject_work(asked)
    one = registered.world.submission(asked.registration_id)
    assert (one.status, one.rejection) == (
        "REJECTED",
        {"message": REASON, "rejection_category": "LOW_EFFORT"},
    )


async def test_bonuses_are_paid_to_the_penny(registered: ProlificStandIn, study_id: str, desk: ProlificDesk) -> None:
    amounts = ["0.05", "0.50", "12", "1.07"]
    works = [
        work(registered, hand_in(registered, study_id), str(number), amount=Money.of(amount, "GBP"))
        for number, amount in enumerate(amounts)
    ]
    quote = await desk.quote_bonuses(works)
    assert (quote.works, registered.books.payments) == (works, [])
    receipt = await desk.pay_bonuses(quote)
    registered.advance(120)
    assert [one.price.amount for one in registered.books.payments] == [5, 50, 1200, 107]
    taken = sum(one.price.total - one.price.amount for one in registered.books.payments)
    assert receipt.fees == quote.fees == Money.of_units(taken, "GBP")
    assert receipt.reference == quote.reference


async def test_a_bonus_whose_answer_is_lost_is_in_doubt(
    registered: ProlificStandIn, study_id: str, desk: ProlificDesk
) -> None:
    quote = await desk.quote_bonuses([work(registered, hand_in(registered, study_id))])
    registered.mishaps.happen(Mishap.LOST_AFTER, on="POST /bulk-bonus-payments/")
    with pytest.raises(OutcomeUnknown):
        await desk.pay_bonuses(quote)
    assert registered.world.bonuses[quote.reference].times_paid == 1


async def test_a_quote_whose_answer_is_lost_has_paid_nothing(
    registered: ProlificStandIn, study_id: str, desk: ProlificDesk
) -> None:
    asked = [work(registered, hand_in(registered, study_id))]
    registered.mishaps.happen(Mishap.LOST_AFTER, on="POST /submissions/bonus-payments/")
    with pytest.raises(CrowdError, match="nothing was paid") as raised:
        await desk.quote_bonuses(asked)
    assert not isinstance(raised.value, OutcomeUnknown)
    await desk.pay_bonuses(await desk.quote_bonuses(asked))
    registered.advance(120)
    assert len(registered.books.payments) == 1


async def test_a_bonus_for_a_visit_of_another_study_is_refused(
    registered: ProlificStandIn, study_id: str, desk: ProlificDesk
) -> None:
    other = await opened(registered)
    second = await other.recruiter.open(offer(task_run_id="another"), Memory())
    works = [work(registered, hand_in(registered, one)) for one in (study_id, second.study_id)]
    with pytest.raises(CrowdRefusedError, match="1 of 2 bonuses"):
        await desk.quote_bonuses(works)
    assert registered.world.bonuses == {}


async def test_a_bonus_is_found_where_it_can_be_no_other(
    registered: ProlificStandIn, study_id: str, desk: ProlificDesk
) -> None:
    asked = work(registered, hand_in(registered, study_id))

    async def found(**changes: Any) -> InBooks:
        return (await desk.find_payments([replace(asked, **changes)], CrowdVerb.BONUS))["k"]

    assert await found(paid_alike=0) is InBooks.NOBODY_KNOWS
    await desk.pay_bonuses(await desk.quote_bonuses([asked]))
    assert await found(paid_alike=0) is InBooks.NOBODY_KNOWS  # it has not arrived yet
    registered.advance(120)
    assert await found(paid_alike=0) is InBooks.PAID
    assert await found(paid_alike=1) is InBooks.NOBODY_KNOWS  # it is the other one
    assert await found() is InBooks.NOBODY_KNOWS  # how many others there are, nobody has counted
    assert await found(paid_alike=0, amount=Money.of(2, "GBP")) is InBooks.NOBODY_KNOWS
    twice = [replace(asked, paid_alike=0), replace(asked, key="l", paid_alike=0)]
    books = await desk.find_payments(twice, CrowdVerb.BONUS)
    assert list(books.values()) == [InBooks.PAID, InBooks.NOBODY_KNOWS]


async def test_a_message_is_sent_once(registered: ProlificStandIn, study_id: str, desk: ProlificDesk) -> None:
    asked = work(registered, hand_in(registered, study_id), text="Thank you!")
    registered.mishaps.happen(Mishap.LOST_AFTER, on="POST /messages/")
    with pytest.raises(OutcomeUnknown):
        await desk.send_message(asked)
    await desk.send_message(asked)
    await desk.send_message(replace(asked, text="And more."))
    assert [one.body for one in registered.world.messages] == ["Thank you!", "And more."]
    assert {one.study_id for one in registered.world.messages} == {study_id}


async def test_what_somebody_wrote_themselves_is_no_message_of_ours(
    registered: ProlificStandIn, study_id: str, desk: ProlificDesk
) -> None:
    asked = work(registered, hand_in(registered, study_id), text="Thank you!")
    world = registered.world
    world.messages.append(StandInMessage("m", asked.worker_name, world.user_id, "Thank you!", study_id, world.now()))
    await desk.send_message(asked)
    assert [one.sender_id for one in world.messages] == [asked.worker_name, world.user_id]


async def test_bonuses_that_come_to_another_sum_are_not_paid(
    registered: ProlificStandIn, study_id: str, desk: ProlificDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up = BonusCalls.set_up

    async def dearer(*args: Any, **more: Any) -> BonusSetUp:
        made = await set_up(*args, **more)
        return replace(made, amount=made.amount + 1)

    monkeypatch.setattr(BonusCalls, "set_up", dearer)
    with pytest.raises(CrowdRefusedError, match=r"would pay £1.51, and £1.50 was asked for. Nothing was paid"):
        await desk.quote_bonuses([work(registered, hand_in(registered, study_id))])


async def test_who_is_blocked_is_not_offered_a_study_that_runs(
    registered: ProlificStandIn, study_id: str, desk: ProlificDesk
) -> None:
    asked = work(registered, hand_in(registered, study_id))
    await desk.block_worker(asked)
    await desk.block_worker(asked)
    world = registered.world
    study, person = world.study(study_id), world.people[asked.worker_name]
    assert not is_eligible(world, study.fields["filters"], person)
    with pytest.raises(CrowdRefusedError, match="did not send"):
        await desk.block_worker(replace(asked, worker_name="ann"))


async def test_an_answer_of_nobody_from_there_is_refused(desk: ProlificDesk) -> None:
    asked = CrowdWork("k", "unit", "agent", "ann", "token-ann", PAY)
    for call in (desk.approve_work(asked), desk.send_message(asked), desk.quote_bonuses([asked])):
        with pytest.raises(CrowdRefusedError, match="came another way"):
            await call
