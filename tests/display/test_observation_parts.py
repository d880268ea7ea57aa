"""Money, previews, and what steps add up to."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from mephisto_nb.display.dashboard.moment import LONGEST, describe_money, describe_unpaid, preview_of
from mephisto_nb.display.dashboard.statistics import NEWEST, RunningMedian, RunStatistics
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import BookedSum, RunPay
from mephisto_nb.model.states import AgentStatus, PaymentKind, PaymentStatus, UnitStatus
from mephisto_nb.money.costs import CostTerms
from mephisto_nb.rules.steering import change_limits, pause, resume
from tests.rules.rehearsal import Rehearsal

S = UnitStatus


def hourly(*amounts: float) -> RunningMedian:
    """Return what answers earned by the hour."""
    found = RunningMedian()
    for amount in amounts:
        found.add(amount)
    return found


def test_money_is_counted_by_what_has_become_of_units_with_fees() -> None:
    counted = {
        (S.COMPLETED, 0.1): 3, (S.ACCEPTED, 0.2): 1, (S.SOFT_REJECTED, 0.1): 1, (S.REJECTED, 0.1): 7,
        (S.ASSIGNED, 0.1): 2, (S.CREATED, 0.25): 4, (S.LAUNCHED, 0.1): 1, (S.EXPIRED, 0.1): 9,
    }  # fmt: skip
    pay = {(status, Money.of(amount)): count for (status, amount), count in counted.items()}
    terms = CostTerms(Money.of(0.25), Decimal("0.2"))
    approved = BookedSum(Money.of("0.30"), Money.of("0.06"), Money(0))
    booked = {(PaymentKind.REWARD, PaymentStatus.OWED): approved}
    money = describe_money(RunPay(pay, booked=booked), terms, Money.of(0.25), hourly(7.0, 9.0, 11.0), Money.of(8))
    assert {name: money[name] for name in ("spent", "committed", "to_come", "total")} == {
        "spent": 0.72, "committed": 0.24, "to_come": 1.32, "total": 2.28
    }  # fmt: skip
    assert money["fees"] == {"spent": 0.12, "committed": 0.04, "to_come": 0.22}
    assert (money["per_hour"], money["below"], money["timed"]) == (9.0, 1, 3)
    assert money["below_minimum"] is False


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (
            {S.REJECTED: 9, S.EXPIRED: 31, S.SOFT_REJECTED: 4},
            "9 rejected and 31 expired units cost nothing; soft-rejected ones are paid",
        ),
        ({S.EXPIRED: 1, S.COMPLETED: 8}, "1 expired unit costs nothing"),
        ({S.SOFT_REJECTED: 1}, "soft-rejected units are paid"),
        ({S.COMPLETED: 5}, ""),
    ],
)
def test_what_costs_nothing_is_said_where_there_is_any(counts: dict[UnitStatus, int], words: str) -> None:
    assert describe_unpaid(Counter(counts)) == words


@pytest.mark.parametrize(
    ("reward", "per_hour", "minimum", "below"),
    [
        (0.1, 7.99, 8.0, True),
        (0.1, 8.0, 8.0, False),
        (0.1, None, 8.0, False),
        (0.1, 1.0, 0.0, False),
        (0.0, 0.0, 8.0, False),
    ],
)
def test_pay_is_below_the_minimum_only_where_there_is_pay(
    reward: float, per_hour: float | None, minimum: float, below: bool
) -> None:
    pay = Money.of(reward)
    earned = hourly(*([] if per_hour is None else [per_hour]))
    assert describe_money(RunPay(), CostTerms(pay), pay, earned, Money.of(minimum))["below_minimum"] is below


@pytest.mark.parametrize(
    ("answer", "preview"),
    [
        ({"label": "cat", "sure": True}, "label: cat; sure: True"),
        ("plain", "plain"),
        (None, "None"),
        ({"a": {"b": [1, 2.5, None]}}, "a: b: 1, 2.5, None"),
        ({"a": "two\nlines\t\x1b[31m"}, "a: two lines [31m"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ({}, ""),
    ],
)
def test_a_preview_is_one_plain_line(answer: Any, preview: str) -> None:
    assert preview_of(answer) == preview


@pytest.mark.parametrize("answer", ["x" * 10**6, {"x" * 500: "y" * 500}, ["z" * 200] * 1000, {"a": list(range(10**5))}])
def test_a_preview_of_much_is_short(answer: Any) -> None:
    assert len(preview_of(answer)) <= LONGEST


def test_a_preview_looks_only_so_deep() -> None:
    answer: Any = "bottom"
    for _ in range(50):
        answer = [answer]
    assert preview_of(answer) == "…"


class Watched:
    """A rehearsal whose statistics hear of each step."""

    def __init__(self, *units: int, **limits: Any) -> None:
        self.run = Rehearsal(*units, **limits)
        self.statistics = RunStatistics(self.run.state)

    def tell(self) -> None:
        self.statistics.take(self.run.last)

    def same_from_scratch(self) -> bool:
        """Return whether a second look, at everything, says the same."""
        again = RunStatistics(self.run.state)
        return all(_facts(one) == _facts(self.statistics) for one in (again, self.statistics))


def _facts(one: RunStatistics) -> dict[str, Any]:
    return {
        "counts": {status: count for status, count in one.counts.items() if count},
        "pay": one.pay,
        "at_work": list(one.at_work),
        "left": +one.left,
        "answered": one.num_answered,
        "seconds": one.seconds.value,
        "hourly": one.hourly.value,
        "newest": [answer.agent.agent_id for answer in one.newest],
        "often_left": one.often_left,
        "per_hour": one.pace.per_hour(1000.0),
        "recent": one.pace.recent(1000.0),
    }


def test_statistics_updated_by_steps_equal_those_of_a_full_read() -> None:
    watched = Watched(*[1] * 30, pay_amount=0.5)
    run = watched.run
    for n in range(25):
        run.now += 7.0 + n
        agent = run.take(f"worker {n % 6}")
        watched.tell()
        run.now += 3.0 + n % 4
        if n % 5 == 3:
            run.leave(agent, [AgentStatus.RETURNED, AgentStatus.TIMEOUT, AgentStatus.DISCONNECT][n % 3])
        elif n % 5 != 4:
            run.submit(agent, {"n": n})
        else:
            change_limits(run.step(), {"task_reward": Money.of(0.5 + n / 10)})
        watched.tell()
        assert watched.same_from_scratch()
    assert len(watched.statistics.newest) == NEWEST


def test_a_pause_in_between_is_left_out_of_the_pace_either_way() -> None:
    watched = Watched(1, 1, 1)
    run = watched.run
    for act in (None, pause, resume, None):
        run.now += 10.0
        if act is None:
            agent = run.take("ann")
            watched.tell()
            run.submit(agent)
        else:
            act(run.step())
        watched.tell()
    assert watched.same_from_scratch()
    assert watched.statistics.pace.per_hour(40.0) == 3600 / 10


def test_what_a_step_that_is_not_committed_yet_changes_is_not_told() -> None:
    watched = Watched(1)
    watched.run.take("ann")
    assert watched.statistics.counts == {S.CREATED: 0, S.LAUNCHED: 1}
    watched.tell()
    assert watched.statistics.counts[S.ASSIGNED] == 1


def test_a_unit_left_repeatedly_is_listed_until_it_is_answered() -> None:
    watched = Watched(1)
    for n in range(3):
        agent = watched.run.take(f"worker {n}")
        watched.tell()
        watched.run.leave(agent)
        watched.tell()
    assert list(watched.statistics.often_left.values()) == [3]
    agent = watched.run.take("diligent")
    watched.tell()
    watched.run.submit(agent)
    watched.tell()
    assert watched.statistics.often_left == {}
