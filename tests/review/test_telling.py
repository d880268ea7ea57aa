"""A crowd that pays, rejects, writes and blocks is asked to, once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from mephisto_nb.config import registry
from mephisto_nb.errors import UsageError, WorldError
from mephisto_nb.operator import Operator
from mephisto_nb.ports.crowd_provider import CrowdVerb, CrowdWork
from mephisto_nb.providers.link import LinkProvider, LinkProviderArgs
from tests.review.answers import said, stored_run


@dataclass(slots=True)
class GenerousArgs(LinkProviderArgs):
    _provider_type: str = "generous"


class Generous(LinkProvider):
    """A crowd that does all it is asked for, unless its money has run out."""

    PROVIDER_TYPE, ALIASES, ArgsClass, FEE_RATE = "generous", (), GenerousArgs, 0.2
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

    async def approve_work(self, work: CrowdWork) -> None:
        await self._do("approve", work)

    async def reject_work(self, work: CrowdWork) -> None:
        await self._do("reject", work)

    async def pay_bonus(self, work: CrowdWork) -> None:
        await self._do("bonus", work)

    async def send_message(self, work: CrowdWork) -> None:
        await self._do("message", work)

    async def block_worker(self, work: CrowdWork) -> None:
        await self._do("block", work)


@pytest.fixture
def run(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An ended run of a crowd that pays, with an answer of ann and one of bob."""
    Generous.asked.clear()
    monkeypatch.setattr(Generous, "is_broke", False)
    monkeypatch.setattr(Generous, "before", {})
    monkeypatch.setattr(registry.PROVIDERS, "_classes", dict(registry.PROVIDERS._classes))
    registry.PROVIDERS.register(Generous, replace=True)
    rows = [said(0, "ann", "glad"), said(0, "bob", "grim")]
    return stored_run(operator, rows, crowd="generous")


def asked() -> list[tuple[str, str, float]]:
    return [(verb, work.worker_name, work.amount) for verb, work in Generous.asked]


async def test_what_was_decided_is_asked_for_once(run: Any) -> None:
    await run.review.approve(worker="ann", bonus=0.5, message="Thanks")
    await run.review.approve(worker="ann", bonus=0.5, message="Thanks")
    assert asked() == [("message", "ann", 0.0), ("approve", "ann", 0.25), ("bonus", "ann", 0.5)]
    assert set(run.payments()["status"]) == {"sent"}
    await run.review.reject(worker="bob", block=True)
    assert asked()[3:] == [("reject", "bob", 0.0), ("block", "bob", 0.0)]
    assert await run.review.tell_crowd() == []
    assert len(asked()) == 5
    assert len({work.key for _, work in Generous.asked}) == 5


async def test_what_the_crowd_refuses_stays_owed_and_is_asked_for_again(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Generous, "is_broke", True)
    outcome = await run.review.approve(worker="ann")
    assert (list(outcome["done"]), list(run.payments()["status"])) == ([True], ["owed"])
    assert run.events()["why"].str.contains("The account holds").sum() == 1
    assert (await run.review.tell_crowd())[0].startswith("approve for ann: The account holds 0.00 USD")
    monkeypatch.setattr(Generous, "is_broke", False)
    assert await run.review.tell_crowd() == []
    assert (asked(), list(run.payments()["status"])) == ([("approve", "ann", 0.25)], ["sent"])


async def test_what_is_taken_back_while_the_crowd_is_told_is_not_paid(run: Any) -> None:
    """The crowd is slow: the first is being paid when somebody takes the decision on the other's answer back."""
    units = run.results().set_index("worker_name")["unit_id"]
    Generous.before = {
        "ann": lambda: run.review.undo(units["bob"]),
        "bob": lambda: run.review.undo(units["ann"]),
    }
    await run.review.approve(bonus=0.5)
    (first,) = {name for _, name, _ in asked()}
    (other,) = {"ann", "bob"} - {first}
    payments = run.payments().groupby("worker_name")["status"].agg(set).to_dict()
    assert payments == {first: {"sent"}, other: {"cancelled"}}
    assert run.units().set_index("unit_id")["status"][units[other]] == "completed"


async def test_who_is_approved_after_all_is_not_rejected_first(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unreachable(self: Generous, work: CrowdWork) -> None:
        raise WorldError("The crowd cannot be reached.")

    with monkeypatch.context() as cut_off:
        cut_off.setattr(Generous, "reject_work", unreachable)
        await run.review.reject(worker="ann")
    await run.review.approve(worker="ann", units=lambda results: results["worker_name"] == "ann", again=True)
    assert asked() == [("approve", "ann", 0.25)]


async def test_what_is_taken_back_in_the_very_moment_of_payment_is_told(run: Any) -> None:
    ann = run.results().set_index("worker_name")["unit_id"]["ann"]
    await run.review.approve(worker="bob")
    Generous.before = {"ann": lambda: run.review.undo(ann)}
    await run.review.approve(worker="ann")
    assert [one[:2] for one in asked()] == [("approve", "bob"), ("approve", "ann")]
    (event,) = run.events().query("subject == 'payment' and why.str.contains('nonetheless')").to_dict("records")
    assert "0.25" in event["why"]
    assert await run.review.tell_crowd() == []


async def test_what_the_crowd_was_told_is_not_undone(run: Any) -> None:
    outcome = await run.review.approve(worker="ann")
    rejected = await run.review.reject(worker="bob")
    assert list((await run.review.undo(outcome))["why"]) == ["its payment is sent, and cannot be taken back"]
    assert list((await run.review.undo(rejected))["why"]) == ["the crowd was told, and takes nothing back"]


async def test_fees_are_foreseen(run: Any) -> None:
    foreseen = run.review.preview("approve")
    assert (foreseen.fees, foreseen.remarks) == (pytest.approx(0.1), ())


async def test_a_crowd_without_verbs_refuses_them_by_name() -> None:
    with pytest.raises(UsageError, match="'link' cannot approve"):
        await LinkProvider(LinkProviderArgs()).approve_work(CrowdWork("k", "u", "a", "ann", "r"))
