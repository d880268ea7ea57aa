"""A payment is noted before its crowd is asked for it; what nobody heard of is never asked for again by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from mephisto_nb.config import registry
from mephisto_nb.errors import ConfigError, ConflictError, CrowdRefusedError, NotFoundError, OutcomeUnknown, WorldError
from mephisto_nb.model.changes import AddPayment, Changes
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Payment
from mephisto_nb.model.states import PaymentKind
from mephisto_nb.model.states import PaymentStatus as P
from mephisto_nb.money.paying import GIVEN_UP_AFTER
from mephisto_nb.operator import Operator
from mephisto_nb.ports.crowd_desk import BonusQuote, CrowdDesk, CrowdVerb, CrowdWork, InBooks, Receipt
from mephisto_nb.providers.link import LinkProvider, LinkProviderArgs
from mephisto_nb.testing.fake_clock import FakeClock
from tests.inside import frames_of, watch
from tests.review.answers import said, stored_run


@dataclass(slots=True)
class ForgetfulArgs(LinkProviderArgs):
    _provider_type: str = "forgetful"


class ForgetfulDesk(CrowdDesk):
    """Pays, and may lose its answer after it did, or before; its books may be read, or tell nothing."""

    CAN = frozenset({CrowdVerb.APPROVE, CrowdVerb.BONUS})
    LARGEST_BATCH = 10
    paid: ClassVar[list[tuple[str, str]]] = []
    answers: ClassVar[list[Exception | Callable[[], Awaitable[Any]]]] = []
    books: ClassVar[InBooks] = InBooks.NOBODY_KNOWS

    async def _pay(self, verb: str, works: Sequence[CrowdWork]) -> Receipt:
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, WorldError) and not isinstance(answer, OutcomeUnknown):
            raise answer
        if not (verb == "approve" and ("approve", works[0].key) in self.paid):
            self.paid.extend((verb, work.key) for work in works)
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            await answer()
        return Receipt("a batch", sum((work.amount for work in works[1:]), works[0].amount).share("0.25"))

    async def approve_work(self, work: CrowdWork) -> Receipt:
        return await self._pay("approve", [work])

    async def pay_bonuses(self, quote: BonusQuote) -> Receipt:
        return await self._pay("bonus", quote.works)

    async def find_payments(self, works: Sequence[CrowdWork], verb: CrowdVerb) -> Mapping[str, InBooks]:
        return {work.key: self.books for work in works}


class ForgetfulCrowd(LinkProvider):
    PROVIDER_TYPE, ALIASES, ArgsClass, DESK = "forgetful", (), ForgetfulArgs, ForgetfulDesk


@pytest.fixture
def run(timed_operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An ended run of that crowd, with an answer of ann and one of bob."""
    monkeypatch.setattr(ForgetfulDesk, "paid", [])
    monkeypatch.setattr(ForgetfulDesk, "answers", [])
    monkeypatch.setattr(registry.PROVIDERS, "_classes", dict(registry.PROVIDERS._classes))
    registry.PROVIDERS.register(ForgetfulCrowd, replace=True)
    return stored_run(timed_operator, [said(0, "ann", "glad"), said(0, "bob", "grim")], crowd="forgetful")


def paid() -> list[str]:
    return [verb for verb, _ in ForgetfulDesk.paid]


def statuses(run: Any) -> dict[str, str]:
    frame = run.payments()
    return dict(zip(frame["kind"], frame["status"], strict=True))


async def test_a_payment_is_noted_before_the_crowd_hears_of_it(run: Any) -> None:
    seen: list[dict[str, str]] = []

    async def look() -> None:
        seen.append(statuses(run))

    ForgetfulDesk.answers = [look]
    await run.review.approve(worker="ann")
    assert (seen, statuses(run)) == ([{"reward": "sending"}], {"reward": "sent"})


async def test_what_was_refused_for_sure_is_owed_again(run: Any) -> None:
    ForgetfulDesk.answers = [WorldError("The account is empty.")]
    outcome = await run.review.approve(worker="ann")
    assert outcome["trouble"][0] == "approve for ann: The account is empty."
    assert statuses(run) == {"reward": "owed"}
    await run.review.tell_crowd()
    assert (paid(), statuses(run)) == (["approve"], {"reward": "sent"})


async def test_pay_that_happens_once_is_asked_for_again(run: Any) -> None:
    """The crowd takes a second approval of the same work for the first: nobody has to be asked."""
    ForgetfulDesk.answers = [OutcomeUnknown("The connection was cut.")]
    outcome = await run.review.approve(worker="ann")
    assert "asked for again, which pays it once" in outcome["trouble"][0]
    assert statuses(run) == {"reward": "sending"}
    assert await run.review.tell_crowd() == []
    assert (paid(), statuses(run)) == (["approve"], {"reward": "sent"})


async def test_a_bonus_nobody_heard_of_is_never_sent_again(
    run: Any, clock: FakeClock, timed_operator: Operator
) -> None:
    ForgetfulDesk.answers = [lambda: asyncio.sleep(0), OutcomeUnknown("The connection was cut.")]
    outcome = await run.review.approve(worker="ann", bonus=0.5)
    assert "Either it was, and asking again would pay it twice" in outcome["trouble"][0]
    for _ in range(3):
        clock.advance(1000)
        (trouble,) = await run.review.tell_crowd()
        assert "operator.ledger.settle(" in trouble
    assert paid() == ["approve", "bonus"]
    doubts = timed_operator.ledger.doubts()
    assert doubts[["kind", "amount", "currency", "status"]].to_dict("records") == [
        {"kind": "bonus", "amount": 0.5, "currency": "USD", "status": "sending"}
    ]


async def test_a_payment_in_doubt_is_on_the_dashboard_with_the_call(
    run: Any, clock: FakeClock, timed_operator: Operator
) -> None:
    ForgetfulDesk.answers = [lambda: asyncio.sleep(0), OutcomeUnknown("The connection was cut.")]
    await run.review.approve(worker="ann", bonus=0.5)
    await watch(run).load()
    state = watch(run).state()
    assert [one["key"] for one in state["attention"]] == []  # the crowd may still answer
    assert (state["money"]["asked"], state["money"]["paid"]) == (0.5, 0.25)
    assert (state["money"]["fees"]["spent"], state["money"]["fees_estimated"]) == (0.0625, 0.0)
    clock.advance(GIVEN_UP_AFTER)
    (notice,) = watch(run).state()["attention"]
    (doubt,) = timed_operator.ledger.doubts()["payment_id"]
    assert notice["reason"] == "A bonus of $0.50 was asked for 5 min ago, and nobody heard whether it was made."
    assert f"await operator.ledger.settle('{doubt}', paid=True), or paid=False" in notice["remedy"]
    await timed_operator.ledger.settle(doubt, paid=True)
    await watch(run).load()
    state = watch(run).state()
    assert (state["attention"], state["money"]["paid"]) == ([], 0.75)


@pytest.mark.parametrize(("was_paid", "status", "times"), [(True, "confirmed", 1), (False, "owed", 2)])
async def test_a_person_says_what_became_of_it(
    run: Any, timed_operator: Operator, was_paid: bool, status: str, times: int
) -> None:
    ForgetfulDesk.answers = [lambda: asyncio.sleep(0), OutcomeUnknown("The connection was cut.")]
    await run.review.approve(worker="ann", bonus=0.5)
    payment = run.payments().query("kind == 'bonus'")["payment_id"].iloc[0]
    settled = await timed_operator.ledger.settle(payment, paid=was_paid, who="eve")
    assert list(settled["status"]) == [status]
    assert await run.review.tell_crowd() == []
    assert paid().count("bonus") == times


async def test_what_is_owed_is_in_no_doubt(run: Any, timed_operator: Operator) -> None:
    ForgetfulDesk.answers = [WorldError("The account is empty.")]
    await run.review.approve(worker="ann")
    (payment,) = run.payments()["payment_id"]
    with pytest.raises(ConflictError, match="is owed: there is nothing to settle"):
        await timed_operator.ledger.settle(payment, paid=True)


async def test_what_is_in_the_crowds_books_is_settled_for_good(run: Any, timed_operator: Operator) -> None:
    await run.review.approve(worker="ann")
    payment = run.payments()["payment_id"].iloc[0]
    await timed_operator.ledger.settle(payment, paid=True)
    with pytest.raises(ConflictError, match="is confirmed: there is nothing to settle"):
        await timed_operator.ledger.settle(payment, paid=False)


@pytest.mark.parametrize(
    ("books", "waits", "status", "times"),
    [
        (InBooks.PAID, 0, "confirmed", 1),
        (InBooks.NOT_PAID, 0, "sending", 1),  # whoever asked may still hear of it
        (InBooks.NOT_PAID, 1000, "sent", 2),
        (InBooks.NOBODY_KNOWS, 1000, "sending", 1),
    ],
)
async def test_the_crowds_books_are_read_first(
    run: Any, clock: FakeClock, monkeypatch: Any, books: InBooks, waits: float, status: str, times: int
) -> None:
    ForgetfulDesk.answers = [lambda: asyncio.sleep(0), OutcomeUnknown("The connection was cut.")]
    await run.review.approve(worker="ann", bonus=0.5)
    clock.advance(waits)
    monkeypatch.setattr(ForgetfulDesk, "books", books)
    await run.review.tell_crowd()
    assert (statuses(run)["bonus"], paid().count("bonus")) == (status, times)


async def test_a_kernel_that_dies_while_it_asks_leaves_a_doubt(run: Any, clock: FakeClock) -> None:
    asking = asyncio.Event()

    async def hang() -> None:
        asking.set()
        await asyncio.Event().wait()

    ForgetfulDesk.answers = [lambda: asyncio.sleep(0), hang]
    task = asyncio.create_task(run.review.approve(worker="ann", bonus=0.5))
    await asking.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    clock.advance(1000)
    assert len(await run.review.tell_crowd()) == 1
    assert (statuses(run)["bonus"], paid()) == ("sending", ["approve", "bonus"])


@pytest.mark.parametrize("ways", [[P.OWED], [P.OWED, P.CANCELLED]], ids=["owed", "cancelled"])
async def test_money_that_is_gone_is_noted_whatever_it_was_for(
    run: Any, timed_operator: Operator, clock: FakeClock, ways: list[P]
) -> None:
    settle = timed_operator._runs.database.reviews.settle_payments

    async def take_back() -> None:
        (id_,), before = run.payments()["payment_id"], P.SENDING
        for after in ways:
            assert settle([id_], before, after, clock.now(), "eve") == {id_}
            before = after

    ForgetfulDesk.answers = [take_back]
    outcome = await run.review.approve(worker="ann")
    assert f"was paid nonetheless ($0.25): it was {ways[-1]} again" in outcome["trouble"][0]
    assert (statuses(run), paid()) == ({"reward": "sent"}, ["approve"])


@pytest.mark.parametrize(("who", "is_twice"), [("eve", True), ("forgetful", False)])
async def test_what_somebody_marks_as_paid_meanwhile_is_paid_twice(
    run: Any, timed_operator: Operator, clock: FakeClock, who: str, is_twice: bool
) -> None:
    """But what another kernel has asked the same crowd for, which takes both for one, is not."""
    settle = timed_operator._runs.database.reviews.settle_payments

    async def mark() -> None:
        settle(list(run.payments()["payment_id"]), P.SENDING, P.SENT, clock.now(), who)

    ForgetfulDesk.answers = [mark]
    outcome = await run.review.approve(worker="ann")
    trouble = outcome["trouble"][0] or ""
    assert trouble.endswith("was paid twice ($0.25): eve has marked it as paid in the very moment" if is_twice else "")
    assert bool(trouble) == is_twice
    assert statuses(run) == {"reward": "sent"}


async def test_pay_for_answers_is_cleared_up_before_bonuses(
    run: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Crowds pay bonuses only for work that is approved, whichever was owed first."""
    monkeypatch.setattr(ForgetfulDesk, "REPEATABLE", frozenset())
    monkeypatch.setattr(ForgetfulDesk, "books", InBooks.NOT_PAID)
    ForgetfulDesk.answers = [OutcomeUnknown("The connection was cut.")]
    await run.review.approve(worker="ann")
    (row,) = run.payments().to_dict("records")
    bonus = Payment(
        "b", "b", row["worker_id"], PaymentKind.BONUS, Money.of(1), "", 0.0, run.task_run_id, row["unit_id"]
    )
    frames = frames_of(run)
    await frames.writer.commit(Changes(run.task_run_id, [AddPayment(replace(bonus, status=P.SENDING))]))
    ForgetfulDesk.paid.clear()
    clock.advance(GIVEN_UP_AFTER)
    assert await run.review.tell_crowd() == []
    assert paid() == ["approve", "bonus"]


@pytest.mark.parametrize("is_lost", [False, True])
async def test_fees_that_were_quoted_are_kept_where_none_are_told_later(
    run: Any, timed_operator: Operator, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, is_lost: bool
) -> None:
    async def quote(_: CrowdDesk, works: Sequence[CrowdWork]) -> BonusQuote:
        return BonusQuote(works, "a quote", Money.of("0.3"))

    async def pay(_: CrowdDesk, __: BonusQuote) -> Receipt:
        if is_lost:
            raise OutcomeUnknown("The connection was cut.")
        return Receipt()

    monkeypatch.setattr(ForgetfulDesk, "quote_bonuses", quote)
    monkeypatch.setattr(ForgetfulDesk, "pay_bonuses", pay)
    await run.review.approve(bonus=0.5)
    clock.advance(GIVEN_UP_AFTER)
    for payment in timed_operator.ledger.doubts()["payment_id"]:
        await timed_operator.ledger.settle(payment, paid=True)
    ledger = timed_operator.ledger().query("kind == 'bonus'")
    assert (list(ledger["fees"]), set(ledger["reference"])) == ([0.15, 0.15], {"a quote"})


async def test_bonuses_are_paid_in_one_batch_and_share_its_fees(run: Any, timed_operator: Operator) -> None:
    await run.review.approve(bonus=0.5)
    ledger = timed_operator.ledger().query("kind == 'bonus'")
    assert list(ledger["fees"]) == [0.125, 0.125]
    assert list(ledger["reference"]) == ["a batch", "a batch"]
    totals = timed_operator.ledger.totals("kind").set_index("kind")
    assert totals.loc["bonus", ["sent", "fees", "total"]].tolist() == [1.0, 0.25, 1.25]
    assert totals.loc["reward", "sent"] == 0.5
    with pytest.raises(ConfigError, match="has no column 'colour'"):
        timed_operator.ledger.totals("colour")


async def test_a_payment_that_is_not_there_cannot_be_settled(run: Any, timed_operator: Operator) -> None:
    with pytest.raises(NotFoundError, match="no payment 'none'"):
        await timed_operator.ledger.settle("none", paid=True)
    assert timed_operator.ledger().empty
    assert timed_operator.ledger.totals().empty


async def test_a_bonus_that_cannot_be_paid_holds_up_no_other(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    quote = ForgetfulDesk.quote_bonuses

    async def refuse_ann(desk: ForgetfulDesk, works: Any) -> Any:
        if any(work.worker_name == "ann" for work in works):
            raise CrowdRefusedError("ann has no visit there.")
        return await quote(desk, works)

    monkeypatch.setattr(ForgetfulDesk, "quote_bonuses", refuse_ann)
    outcome = await run.review.approve(bonus=0.5)
    assert outcome["trouble"].tolist() == ["bonus for ann: ann has no visit there.", ""]
    bonuses = run.payments().query("kind == 'bonus'")
    assert dict(zip(bonuses["worker_name"], bonuses["status"], strict=True)) == {"ann": "owed", "bob": "sent"}


async def test_a_bonus_of_a_part_of_a_cent_is_refused_at_once(run: Any) -> None:
    with pytest.raises(ConfigError, match=r"bonus of \$0.0050 cannot be paid by 'forgetful'.* Give \$0.01"):
        await run.review.approve(bonus=0.005)
    assert run.payments().empty
