"""What is owed to whom, and what was paid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from mephisto_nb.config import registry
from mephisto_nb.errors import ConfigError, NotFoundError
from mephisto_nb.model.states import PaymentStatus
from mephisto_nb.operator import Operator
from mephisto_nb.providers.link import LinkProvider, LinkProviderArgs
from mephisto_nb.review.payments import OWED_COLUMNS, PAID_COLUMNS
from tests.inside import frames_of
from tests.review.answers import said, stored_run


@dataclass(slots=True)
class ElsewhereArgs(LinkProviderArgs):
    _provider_type: str = "elsewhere"


class Elsewhere(LinkProvider):
    """Another crowd, which pays nobody either."""

    PROVIDER_TYPE, ALIASES, ArgsClass = "elsewhere", (), ElsewhereArgs


@pytest.fixture
async def run(operator: Operator) -> Any:
    run = stored_run(operator, [said(0, "ann", "glad"), said(0, "bob", "grim"), said(1, "ann", "grim")])
    await run.review.approve(bonus=0.5, worker="bob")
    await run.review.approve()
    return run


async def test_what_is_owed_is_summed_by_worker(operator: Operator, run: Any) -> None:
    owed = operator.payments.owed()
    assert tuple(owed.columns) == OWED_COLUMNS
    assert owed[["worker_name", "owed", "payments", "sent"]].to_numpy().tolist() == [
        ["bob", 0.75, 2, 0.0],
        ["ann", 0.5, 2, 0.0],
    ]


async def test_what_was_paid_is_noted_once(operator: Operator, run: Any) -> None:
    when = datetime(2026, 1, 2, 12, tzinfo=UTC)
    owed = operator.payments()
    paid = await operator.payments.mark_paid(worker="bob", at=when, who="eve")
    assert tuple(paid.columns) == PAID_COLUMNS
    assert (list(paid["done"]), paid["amount"].sum()) == ([True, True], 0.75)
    again = await operator.payments.mark_paid(owed[owed["worker_name"] == "bob"], who="mia")
    assert list(again["why"]) == ["was sent already at 2026-01-02 12:00 UTC"] * 2
    assert operator.payments.owed().set_index("worker_name")["owed"].to_dict() == {"ann": 0.5, "bob": 0.0}
    events = run.events()
    assert list(events.loc[events["subject"] == "payment", "who"]) == ["eve", "eve"]


async def test_payments_of_no_name_are_refused(operator: Operator, run: Any) -> None:
    with pytest.raises(ConfigError, match="Name the payments"):
        await operator.payments.mark_paid()
    with pytest.raises(NotFoundError, match="no payment 'nothing'"):
        await operator.payments.mark_paid("nothing")
    with pytest.raises(ConfigError, match="no column payment_id"):
        await operator.payments.mark_paid(run.units())
    assert set(operator.payments()["status"]) == {"owed"}


async def test_who_was_paid_is_one_person_and_known(
    operator: Operator, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.PROVIDERS, "_classes", dict(registry.PROVIDERS._classes))
    registry.PROVIDERS.register(Elsewhere, replace=True)
    other = stored_run(operator, [said(0, "ann", "glad")], crowd="elsewhere")
    await other.review.approve()
    with pytest.raises(ConfigError, match="'ann' is the name of 2 workers, in different crowds"):
        await operator.payments.mark_paid(worker="ann")
    with pytest.raises(NotFoundError, match="Nothing was ever owed to a worker 'anne'"):
        await operator.payments.mark_paid(worker="anne")
    assert "sent" not in set(operator.payments()["status"])
    owed = operator.payments.owed()
    assert owed["worker_name"].tolist() == ["bob", "ann", "ann"]
    paid = await operator.payments.mark_paid(other.payments())
    assert paid["done"].tolist() == [True]
    assert len(await operator.payments.mark_paid(run.payments(), worker="ann")) == 2


async def test_books_of_nothing_are_empty_frames(operator: Operator) -> None:
    assert operator.payments.owed().empty
    assert tuple(operator.payments.owed().columns) == OWED_COLUMNS
    assert (operator.payments().empty, operator.review.decisions().empty) == (True, True)


async def test_decisions_of_all_runs_are_joined_by_ids(operator: Operator, run: Any) -> None:
    reviews = operator.review.decisions().merge(run.units(), on="unit_id", suffixes=("", "_of_unit"))
    assert list(reviews["after"]) == list(reviews["status"])
    paid = operator.review.decisions().merge(operator.payments(), left_on="bonus_payment_id", right_on="payment_id")
    assert list(paid["amount"]) == list(paid["bonus"]) == [0.5]


def test_a_task_of_no_run_is_refused(operator: Operator) -> None:
    with pytest.raises(NotFoundError, match="no run of a task 'none'"):
        operator.review.of("none")
    with pytest.raises(NotFoundError, match="No run is named"):
        operator.review.of([])


async def test_what_is_owed_is_told_by_run(operator: Operator, run: Any) -> None:
    other = stored_run(operator, [said(0, "ann", "glad")], "other")
    await other.review.approve()
    everything = operator.payments.owed().set_index("worker_name")
    assert everything["tasks"].to_dict() == {"bob": "moods", "ann": "moods, other"}
    assert everything["providers"].to_dict() == {"bob": "link", "ann": "link"}
    assert everything["owed"].to_dict() == {"bob": 0.75, "ann": 0.75}
    for owed in (other.payments.owed(), operator.payments.owed("other"), operator.payments.owed([other.task_run_id])):
        assert owed[["worker_name", "owed", "tasks"]].to_numpy().tolist() == [["ann", 0.25, "other"]]
    assert tuple(other.payments.owed().columns) == OWED_COLUMNS
    with pytest.raises(NotFoundError, match="no run of a task 'none'"):
        operator.payments.owed("none")


async def test_what_will_be_marked_as_paid_is_said_first(operator: Operator, run: Any) -> None:
    foreseen = operator.payments.preview_paid(run.payments())
    assert (foreseen.payments, foreseen.workers, str(foreseen.total)) == (4, 2, "$1.25")
    assert str(foreseen) == "4 payments to 2 workers (of 'moods'), $1.25 in all, will be marked as paid."
    assert set(operator.payments()["status"]) == {"owed"}
    await operator.payments.mark_paid(worker="ann")
    assert str(operator.payments.preview_paid(run.payments())) == (
        "2 payments to 1 worker (of 'moods'), $0.75 in all, will be marked as paid. "
        "2 payments will be left alone: sent already."
    )
    with pytest.raises(ConfigError, match="Name the payments"):
        operator.payments.preview_paid()


async def test_what_is_owed_to_programs_is_told_before_it_is_marked_as_paid(operator: Operator, run: Any) -> None:
    with operator._runs.database.connections.writer.begin() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("UPDATE workers SET is_simulated = 1 WHERE worker_name = 'ann'")
    assert str(operator.payments.preview_paid(run.payments())) == (
        "4 payments to 2 workers (of 'moods'), $1.25 in all, will be marked as paid. "
        "$0.50 of that is owed to simulated workers, and so to nobody."
    )


async def test_what_was_marked_as_paid_by_mistake_is_owed_again(operator: Operator, run: Any) -> None:
    paid = await operator.payments.mark_paid(run.payments(), who="eve")
    back = await operator.payments.unmark_paid(paid, who="mia")
    assert (tuple(back.columns), back["done"].tolist()) == (PAID_COLUMNS, [True] * 4)
    payments = operator.payments()
    assert (set(payments["status"]), payments["sent_at"].notna().any()) == ({"owed"}, False)
    events = run.events().query("subject == 'payment'")
    assert events["who"].tolist() == ["eve"] * 4 + ["mia"] * 4
    again = await operator.payments.unmark_paid(paid)
    assert set(again["why"]) == {"was owed already"}
    await operator.payments.mark_paid(worker="ann")
    assert (await operator.payments.unmark_paid(worker="ann"))["done"].tolist() == [True, True]
    with pytest.raises(ConfigError, match="Name the payments"):
        await operator.payments.unmark_paid()


async def test_what_the_crowd_has_paid_itself_stays_paid(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.PROVIDERS, "_classes", dict(registry.PROVIDERS._classes))
    registry.PROVIDERS.register(Elsewhere, replace=True)
    theirs = stored_run(operator, [said(0, "ann", "glad"), said(0, "bob", "glad")], crowd="elsewhere")
    await theirs.review.approve(worker="bob")
    await operator.payments.mark_paid(worker="bob")
    await theirs.review.approve(worker="ann")
    ids = theirs.payments().set_index("worker_name")["payment_id"]
    await frames_of(theirs).writer.call(
        frames_of(theirs).database.reviews.settle_payments,
        [ids["ann"]],
        PaymentStatus.OWED,
        PaymentStatus.SENT,
        9.0,
        "elsewhere",
    )
    back = await operator.payments.unmark_paid(theirs.payments())
    assert back.set_index("worker_name")["done"].to_dict() == {"ann": False, "bob": True}
    assert "was not marked by hand" in back.set_index("worker_name")["why"]["ann"]
