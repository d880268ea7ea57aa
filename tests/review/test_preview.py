"""What a decision will do is told before it is made, and comes true."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

import pytest

from mephisto_nb.errors import ConfigError
from mephisto_nb.model.money import Money, Sums
from mephisto_nb.money import fees
from mephisto_nb.operator import Operator
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.review.decide import find_crowd
from tests.review.answers import said, stored_run


def dollars(amount: float) -> Sums:
    return Sums.of([Money.of(amount)])


ROWS = [said(0, "ann", "glad"), said(0, "bob", "grim"), said(1, "ann", "grim")]


@pytest.fixture
def run(operator: Operator) -> Any:
    return stored_run(operator, ROWS)


async def test_a_preview_says_what_comes_true(run: Any) -> None:
    await run.review.reject(worker="bob")
    rows = run.units()
    foreseen = run.review.preview("approve", rows, bonus=0.5, grant="careful", block=True)
    assert (foreseen.units, foreseen.workers) == (2, 1)
    assert (foreseen.reward, foreseen.bonus, foreseen.total) == (dollars(0.5), dollars(1), dollars(1.5))
    assert (foreseen.grants, foreseen.blocks) == (1, 1)
    assert dict(foreseen.refused) == {"was decided on before": 1}
    assert len(run.review.decisions()) == 1  # nothing was done
    outcome = await run.review.approve(rows, bonus=0.5, grant="careful", block=True)
    assert (outcome["done"].sum(), run.payments()["amount"].sum()) == (2, 1.5)


async def test_a_preview_reads_as_sentences(run: Any) -> None:
    assert str(run.review.preview("approve", bonus=0.5, message="Thanks")) == (
        "3 answers of 2 workers will be approved. $2.25 will be owed: $0.75 of pay, $1.50 of bonuses. "
        "The provider 'link' pays nobody: the sum stays owed until operator.payments.mark_paid(). "
        "The provider 'link' sends no messages: yours is kept, and not sent."
    )
    await run.review.approve(worker="bob", block=True)
    assert str(run.review.preview("reject")) == "2 answers of 1 worker will be rejected."
    assert str(run.review.preview("undo", worker="bob")) == (
        "1 answer of 1 worker will be undone. 1 payment will be owed no longer. 1 worker will be unblocked."
    )


async def test_fees_are_part_of_the_sum(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dear(CrowdProvider[Any]):  # type: ignore[misc]
        PROVIDER_TYPE: ClassVar[str] = "dear"
        FEE_RATE: ClassVar[Decimal] = Decimal("0.2")

    monkeypatch.setattr(fees, "get_crowd_provider_from_type", lambda _: Dear)
    foreseen = run.review.preview("approve", worker="bob", bonus=0.75)
    assert (foreseen.fees, foreseen.total) == (dollars(0.2), dollars(1.2))
    assert "$0.20 of fees" in str(foreseen)


def test_a_crowd_that_is_not_installed_is_none() -> None:
    assert find_crowd("gone") is None


async def test_several_runs_add_up(operator: Operator, run: Any) -> None:
    stored_run(operator, ROWS[:1])
    foreseen = operator.review.of("moods").preview("approve")
    assert (foreseen.units, foreseen.total) == (4, dollars(1))


@pytest.mark.parametrize("verdict", ["approve", "undo"])
def test_what_cannot_come_with_a_decision_is_refused_by_name(run: Any, verdict: str) -> None:
    with pytest.raises(ConfigError, match=r"'bonsu' cannot come with a decision\. There are: note, bonus"):
        run.review.preview(verdict, run.units(), bonsu=1)


def test_a_verdict_that_does_not_exist_is_refused(run: Any) -> None:
    with pytest.raises(ConfigError, match="There is no verdict 'praise'"):
        run.review.preview("praise")
