"""A crowd that pays, rejects, writes and blocks is asked to, once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from mephisto_nb.config import registry
from mephisto_nb.errors import ConfigError, UsageError, WorldError
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.model.money import Money
from mephisto_nb.operator import Operator
from mephisto_nb.ports.crowd_desk import BonusQuote, CrowdDesk, CrowdVerb, CrowdWork, Receipt
from mephisto_nb.providers.link import LinkProvider, LinkProviderArgs
from mephisto_nb.review import crowd_sync
from tests.inside import frames_of
from tests.review.answers import said, stored_run


@dataclass(slots=True)
class GenerousArgs(LinkProviderArgs):
    _provider_type: str = "generous"


class GenerousDesk(CrowdDesk):
    """Does all it is asked for, unless its money has run out."""

    CAN = frozenset(CrowdVerb)
    asked: ClassVar[list[tuple[str, CrowdWork]]] = []
    is_broke: ClassVar[bool] = False
    #: By worker: what happens while the crowd does something for them.
    before: ClassVar[dict[str, Callable[[], Awaitable[Any]]]] = {}

    async def _do(self, verb: str, work: CrowdWork) -> None:
        if self.is_broke and work.amount:
            raise WorldError("The account holds 0.00 USD. Put more in.")
        if before := self.before.pop(work.worker_name, None):
            await before()
        self.asked.append((verb, work))

    async def approve_work(self, work: CrowdWork) -> Receipt:
        await self._do("approve", work)
        return Receipt(f"paid {work.worker_name}", work.amount.share("0.2"))

    async def reject_work(self, work: CrowdWork) -> None:
        await self._do("reject", work)

    async def pay_bonuses(self, quote: BonusQuote) -> Receipt:
        for work in quote.works:
            await self._do("bonus", work)
        return Receipt()

    async def send_message(self, work: CrowdWork) -> None:
        await self._do("message", work)

    async def block_worker(self, work: CrowdWork) -> None:
        await self._do("block", work)


class Generous(LinkProvider):
    """A crowd that does all it is asked for, unless its money has run out."""

    PROVIDER_TYPE, ALIASES, ArgsClass, FEE_RATE = "generous", (), GenerousArgs, Decimal("0.2")
    DESK = GenerousDesk


def register_generous(monkeypatch: pytest.MonkeyPatch, *, is_broke: bool = False) -> None:
    """Let runs be of the generous crowd for the length of a test."""
    GenerousDesk.asked.clear()
    monkeypatch.setattr(GenerousDesk, "is_broke", is_broke)
    monkeypatch.setattr(GenerousDesk, "before", {})
    monkeypatch.setattr(registry.PROVIDERS, "_classes", dict(registry.PROVIDERS._classes))
    registry.PROVIDERS.register(Generous, replace=True)


@pytest.fixture
def run(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An ended run of a crowd that pays, with an answer of ann and one of bob."""
    register_generous(monkeypatch)
    rows = [said(0, "ann", "glad"), said(0, "bob", "grim")]
    return stored_run(operator, rows, crowd="generous")


def asked() -> list[tuple[str, str, float]]:
    return [(verb, work.worker_name, float(work.amount)) for verb, work in GenerousDesk.asked]


async def test_what_was_decided_is_asked_for_once(run: Any) -> None:
    await run.review.approve(worker="ann", bonus=0.5, message="Thanks")
    await run.review.approve(worker="ann", bonus=0.5, message="Thanks")
    assert asked() == [("message", "ann", 0.0), ("approve", "ann", 0.25), ("bonus", "ann", 0.5)]
    assert set(run.payments()["status"]) == {"sent"}
    await run.review.reject(worker="bob", block=True)
    assert asked()[3:] == [("reject", "bob", 0.0), ("block", "bob", 0.0)]
    assert await run.review.tell_crowd() == []
    assert len(asked()) == 5
    assert len({work.key for _, work in GenerousDesk.asked}) == 5


async def test_what_the_crowd_refuses_stays_owed_and_is_asked_for_again(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GenerousDesk, "is_broke", True)
    outcome = await run.review.approve(worker="ann")
    assert (list(outcome["done"]), list(run.payments()["status"])) == ([True], ["owed"])
    assert run.events()["why"].str.contains("The account holds").sum() == 1
    assert (await run.review.tell_crowd())[0].startswith("approve for ann: The account holds 0.00 USD")
    monkeypatch.setattr(GenerousDesk, "is_broke", False)
    assert await run.review.tell_crowd() == []
    assert (asked(), list(run.payments()["status"])) == ([("approve", "ann", 0.25)], ["sent"])


async def test_what_is_taken_back_while_the_crowd_is_told_is_not_paid(run: Any) -> None:
    """The crowd is slow: the first is being paid when somebody takes the decision on the other's answer back."""
    units = run.results().set_index("worker_name")["unit_id"]
    GenerousDesk.before = {
        "ann": lambda: run.review.undo(units["bob"]),
        "bob": lambda: run.review.undo(units["ann"]),
    }
    await run.review.approve(bonus=0.5)
    first = asked()[0][1]
    (other,) = {"ann", "bob"} - {first}
    assert asked() == [("approve", first, 0.25), ("bonus", first, 0.5)]
    payments = run.payments().groupby("worker_name")["status"].agg(set).to_dict()
    assert payments == {first: {"sent"}, other: {"cancelled"}}
    assert run.units().set_index("unit_id")["status"][units[other]] == "completed"


async def test_two_who_tell_the_crowd_at_once_ask_for_each_thing_once(run: Any, operator: Operator) -> None:
    again = operator.get_task_run(run.task_run_id)
    GenerousDesk.before = {"ann": again.review.tell_crowd}
    everything = {"message": "Try harder", "block": True}
    ann, bob = (run.review.soft_reject(worker=name, **everything) for name in ("ann", "bob"))
    await asyncio.gather(ann, bob, again.review.tell_crowd())
    verbs = ("approve", 0.25), ("block", 0.0), ("message", 0.0)
    assert sorted(asked()) == sorted((verb, name, amount) for verb, amount in verbs for name in ("ann", "bob"))
    assert frames_of(run).crowd.in_flight == set()


async def test_what_was_listed_as_due_and_told_since_is_not_told_again(run: Any, monkeypatch: Any) -> None:
    """Somebody has told the crowd of a decision between the listing of what is due and its turn."""
    await run.review.reject(worker="ann", message="Try harder")
    monkeypatch.setattr(crowd_sync, "_due", lambda run, can, due=crowd_sync._due: due(Forgetful(run), can))
    assert await run.review.tell_crowd() == []
    assert asked() == [("reject", "ann", 0.0), ("message", "ann", 0.0)]


class Forgetful:
    """A run as it was before its crowd was told of anything."""

    def __init__(self, run: RunFrames) -> None:
        reviews = run.database.reviews
        self.task_run = run.task_run
        self.database = SimpleNamespace(reviews=reviews, runs=SimpleNamespace(read_events=lambda *_, **__: ()))


@pytest.mark.parametrize("error", [WorldError("No money."), KeyError("amount")], ids=["refused", "failed"])
async def test_who_decides_hears_what_the_crowd_did_not_do(run: Any, monkeypatch: Any, error: Exception) -> None:
    async def fail(self: GenerousDesk, work: CrowdWork) -> None:
        raise error

    monkeypatch.setattr(GenerousDesk, "approve_work", fail)
    outcome = await run.review.approve(worker="ann", bonus=0.5)
    is_refused = isinstance(error, WorldError)
    told = "No money." if is_refused else "KeyError: 'amount'"
    assert list(outcome["done"]) == [True]
    assert outcome["trouble"][0].startswith(f"approve for ann: {told}")
    assert asked() == [("bonus", "ann", 0.5)]
    (event,) = run.events().query("after == 'approve'").to_dict("records")
    said = "the crowd did not do it" if is_refused else "nobody heard whether the crowd did it"
    assert event["why"] == f"{said}: {told}"
    assert set(run.payments()["status"]) == {"owed" if is_refused else "sending", "sent"}
    assert event["subject_id"] in set(run.payments()["payment_id"])


async def test_what_is_being_paid_is_not_marked_as_paid(run: Any, operator: Operator) -> None:
    async def mark() -> None:
        assert (await operator.payments.mark_paid(worker="ann", who="eve")).empty

    GenerousDesk.before = {"ann": mark}
    outcome = await run.review.approve(worker="ann")
    assert (outcome["trouble"][0], asked()) == ("", [("approve", "ann", 0.25)])


async def test_a_crowd_is_made_once_for_a_run_that_is_looked_up(run: Any, monkeypatch: Any) -> None:
    made: list[LinkProviderArgs] = []
    monkeypatch.setattr(Generous, "__init__", lambda self, args: made.append(args))
    for name in ("ann", "bob"):
        await run.review.approve(worker=name)
    assert (len(made), len(asked())) == (1, 2)


async def unreachable(self: GenerousDesk, work: CrowdWork) -> None:
    raise WorldError("The crowd cannot be reached.")


async def test_who_is_approved_after_all_is_not_rejected_first(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as cut_off:
        cut_off.setattr(GenerousDesk, "reject_work", unreachable)
        await run.review.reject(worker="ann")
    await run.review.approve(worker="ann", units=lambda results: results["worker_name"] == "ann", again=True)
    assert asked() == [("approve", "ann", 0.25)]


async def test_what_is_being_paid_cannot_be_taken_back(run: Any) -> None:
    ann = run.results().set_index("worker_name")["unit_id"]["ann"]
    undone: list[Any] = []

    async def undo() -> None:
        undone.append(await run.review.undo(ann))

    GenerousDesk.before = {"ann": undo}
    await run.review.approve(worker="ann")
    assert list(undone[0]["why"]) == ["its payment is sending, and cannot be taken back"]
    assert (asked(), list(run.payments()["status"])) == ([("approve", "ann", 0.25)], ["sent"])
    assert await run.review.tell_crowd() == []


async def test_what_the_crowd_was_told_is_not_undone(run: Any) -> None:
    outcome = await run.review.approve(worker="ann")
    rejected = await run.review.reject(worker="bob")
    assert list((await run.review.undo(outcome))["why"]) == ["its payment is sent, and cannot be taken back"]
    assert list((await run.review.undo(rejected))["why"]) == ["the crowd was told, and takes nothing back"]
    anew = await run.review.approve(rejected["unit_id"], again=True)
    assert list(anew["why"]) == ["the crowd was told, and takes nothing back"]
    assert (asked()[-1][0], run.review.preview("undo", rejected).units) == ("reject", 0)


async def test_what_the_crowd_is_being_told_is_not_undone(run: Any) -> None:
    undone: list[Any] = []

    async def undo() -> None:
        undone.append(await run.review.undo(None, worker="bob"))

    GenerousDesk.before = {"bob": undo}
    await run.review.reject(worker="bob")
    assert list(undone[0]["done"]) == [False]
    assert asked() == [("reject", "bob", 0.0)]


async def test_a_rejection_that_the_crowd_never_heard_of_is_undone(run: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(GenerousDesk, "reject_work", unreachable)
    rejected = await run.review.reject(worker="ann")
    assert list((await run.review.undo(rejected))["done"]) == [True]
    assert set(run.results()["status"]) == {"completed"}


async def test_fees_are_foreseen(run: Any) -> None:
    foreseen = run.review.preview("approve")
    assert (str(foreseen.fees), foreseen.remarks) == ("$0.10", ())


@pytest.mark.parametrize(
    ("can", "bonus", "told"),
    [
        ([CrowdVerb.APPROVE], 0.5, "pays no bonuses: that stays owed until"),
        ([CrowdVerb.APPROVE], 0.0, ""),
        ([CrowdVerb.BONUS], 0.5, "pays no pay of answers: that stays owed until"),
        ([], 0.5, "pays nobody: the sum stays owed until"),
    ],
)
def test_a_preview_tells_which_payments_the_crowd_leaves(
    run: Any, monkeypatch: Any, can: list[CrowdVerb], bonus: float, told: str
) -> None:
    monkeypatch.setattr(GenerousDesk, "CAN", frozenset(can))
    remarks = " ".join(run.review.preview("approve", bonus=bonus).remarks)
    assert told in remarks
    assert bool(told) is bool(remarks)


async def test_a_crowd_without_verbs_refuses_them_by_name() -> None:
    desk, work = LinkProvider(LinkProviderArgs()).make_desk(), CrowdWork("k", "u", "a", "ann", "r", Money(0))
    with pytest.raises(UsageError, match="CrowdDesk cannot approve"):
        await desk.approve_work(work)


async def test_a_rejection_that_the_crowd_would_refuse_is_none(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GenerousDesk, "check_rejection", lambda self, text, category="": "" if text else "Say why.")
    with pytest.raises(ConfigError, match=r"'generous' would refuse this rejection, so nothing was decided\. Say why"):
        await run.review.reject(worker="ann")
    assert (asked(), set(run.results()["status"])) == ([], {"completed"})
    await run.review.soft_reject(worker="bob")
    await run.review.reject(worker="ann", message="It is about the rain.")
    assert [verb for verb, *_ in asked()] == ["approve", "reject", "message"]
