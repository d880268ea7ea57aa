"""What of a budget is gone, as a database has it: payments, work that is out, and nothing that programs did."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

import mephisto_nb as mnb
from mephisto_nb.errors import BudgetExceededError
from mephisto_nb.model import changes as c
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Raise
from mephisto_nb.model.states import AgentStatus, PaymentKind, PaymentStatus, UnitStatus
from mephisto_nb.money.budget import check_bonuses, check_places, check_raise, read_books
from mephisto_nb.money.fees import FeeRate, read_rate, with_fees
from mephisto_nb.operator import Operator
from mephisto_nb.providers.link import LinkProvider
from mephisto_nb.rules.budget import Booked, Budget, BudgetScope
from tests.money.people import NOON, add_answers, add_payment, add_person, add_units, make_run

TASK = Budget(BudgetScope.TASK, "moods", Money.of(100), "")
MONTH = Budget(BudgetScope.MONTH, "2026-11", Money.of(100), "")
DAY = 86400.0
WriteConfig = Callable[[str], None]


def gone(operator: Operator, budget: Budget = TASK) -> tuple[float, float]:
    booked: Booked = read_books(operator._runs.database).of(budget)
    return float(booked.spent), float(booked.committed)


def test_a_new_database_has_spent_nothing(operator: Operator) -> None:
    assert gone(operator) == (0, 0)


def test_payments_are_spent_or_committed_by_status(operator: Operator) -> None:
    run = make_run(operator, ended_at=NOON + 1)
    ann = add_person(run, "ann")
    for dollars, status in ((1, PaymentStatus.SENT), (2, PaymentStatus.OWED), (4, PaymentStatus.CANCELLED)):
        add_payment(run, ann, Money.of(dollars), status)
    add_payment(run, ann, Money.of(8), PaymentStatus.FAILED)
    assert gone(operator) == (1, 2)


def test_work_that_is_out_is_committed_while_the_run_lasts(operator: Operator) -> None:
    live, ended = make_run(operator), make_run(operator, ended_at=NOON + 1)
    for run in (live, ended):
        for status in (UnitStatus.CREATED, UnitStatus.LAUNCHED, UnitStatus.EXPIRED):
            add_units(run, status, 2)
    assert gone(operator) == (0, 4 * 0.25)


def test_undecided_answers_are_committed_after_the_end_too(operator: Operator) -> None:
    run = make_run(operator, ended_at=NOON + 1)
    add_answers(run, add_person(run, "ann"), [9, 9], status=UnitStatus.COMPLETED, agent=AgentStatus.COMPLETED)
    assert gone(operator) == (0, 0.5)


def test_approved_answers_count_once_by_their_payment(operator: Operator) -> None:
    run = make_run(operator)
    ann = add_person(run, "ann")
    (unit,) = add_answers(run, ann, [9])
    add_payment(run, ann, Money.of("0.25"), PaymentStatus.OWED, PaymentKind.REWARD, unit=unit)
    assert gone(operator) == (0, 0.25)


def test_what_programs_did_costs_nothing(operator: Operator) -> None:
    run = make_run(operator)
    robot = add_person(run, "robot", is_simulated=True)
    add_answers(run, robot, [9, 9], status=UnitStatus.COMPLETED, agent=AgentStatus.COMPLETED)
    add_answers(run, add_person(run, "ann"), [9], status=UnitStatus.COMPLETED, agent=AgentStatus.COMPLETED)
    add_payment(run, robot, Money.of(5), PaymentStatus.OWED)
    add_units(run, UnitStatus.LAUNCHED, 1)
    assert gone(operator) == (0, 0.5)


def test_a_month_has_what_was_sent_in_it_and_all_that_is_to_come(operator: Operator) -> None:
    run = make_run(operator, ended_at=NOON + 1)
    ann = add_person(run, "ann")
    for at, status in ((NOON, PaymentStatus.SENT), (NOON - 15 * DAY, PaymentStatus.SENT)):
        add_payment(run, ann, Money.of(1), status, at=at)
    add_payment(run, ann, Money.of(2), PaymentStatus.OWED, at=NOON - 60 * DAY)
    assert gone(operator, MONTH) == (1, 2)
    assert gone(operator) == (2, 2)


def test_tasks_and_runs_are_told_apart(operator: Operator) -> None:
    run, other = make_run(operator, ended_at=NOON + 1), make_run(operator, "colours", ended_at=NOON + 1)
    add_payment(run, add_person(run, "ann"), Money.of(1), PaymentStatus.SENT)
    add_payment(other, add_person(other, "bob"), Money.of(8), PaymentStatus.SENT)
    assert gone(operator) == (1, 0)
    assert gone(operator, Budget(BudgetScope.RUN, other.id, Money.of(1), "")) == (8, 0)
    assert gone(operator, MONTH) == (9, 0)


def test_a_frame_shows_what_is_free(operator: Operator, write_config: WriteConfig) -> None:
    write_config("budget: {month: 500 USD, tasks: {moods: 10 USD, colours: 7 GBP}}")
    run = make_run(operator)
    add_payment(run, add_person(run, "ann"), Money.of(1), PaymentStatus.SENT)
    add_units(run, UnitStatus.LAUNCHED, 4)
    frame = mnb.budgets(operator)
    moods = frame.set_index("name").loc["moods"]
    assert (moods.limit, moods.spent, moods.committed, moods.free) == (10, 1, 1, 8)
    assert set(frame["scope"]) == {"month", "task"}
    assert frame.set_index("name").loc["colours", "currency"] == "GBP"


def test_a_frame_without_budgets_has_its_columns(operator: Operator, write_config: WriteConfig) -> None:
    frame = mnb.budgets(operator)
    assert frame.empty
    assert frame["limit"].dtype == "float64"


def test_a_budget_of_a_live_run_is_in_the_frame(operator: Operator, write_config: WriteConfig) -> None:
    run = make_run(operator, config={"mephisto": {"task": {"task_name": "moods", "budget": 3.0}}})
    add_units(run, UnitStatus.LAUNCHED, 4)
    (row,) = mnb.budgets(operator).to_dict("records")
    assert (row["scope"], row["name"], row["limit"], row["free"]) == ("run", run.id, 3, 2)


def raised(units: int, after: str, cost: str, noun: str = "unit") -> Raise:
    return Raise(Money.of("0.25"), Money.of(after), units, noun, Money.of(cost))


def test_a_raise_is_checked_by_what_it_adds(operator: Operator, write_config: WriteConfig) -> None:
    write_config("budget: {tasks: {moods: 10 USD}}")
    run, database = make_run(operator), operator._runs.database
    add_units(run, UnitStatus.LAUNCHED, 20)  # 5.00 is committed
    assert check_raise(database, run.run, raised(20, "0.50", "5.00"), NOON).allowed
    words = (
        r"of a unit of 'moods' from \$0.25 to \$0.51, for 20 units, comes to \$5.20 with fees, but .* \$5.00 is free"
    )
    with pytest.raises(BudgetExceededError, match=words):
        check_raise(database, run.run, raised(20, "0.51", "5.20"), NOON)
    assert check_raise(database, run.run, raised(20, "0.01", "-4.80"), NOON).allowed


def test_places_count_for_what_they_add_to_the_work_that_is_booked(
    operator: Operator, write_config: WriteConfig
) -> None:
    write_config("budget: {run: 10 USD}")
    run, database = make_run(operator), operator._runs.database
    add_units(run, UnitStatus.LAUNCHED, 20)  # 5.00 is committed, and the places are for this work
    assert check_places(database, run.run, 40, Money.of(10), NOON).allowed
    with pytest.raises(BudgetExceededError, match=r"Offering 41 places of 'moods'.*comes to \$5.25"):
        check_places(database, run.run, 41, Money.of("10.25"), NOON)


def test_taxes_on_fees_are_counted() -> None:
    taxed = FeeRate(*read_rate((0.3, 0.5), "fee"), *read_rate((0.1, 0.2), "tax"))
    assert (taxed.point, taxed.most) == (Decimal("0.4"), Decimal("0.60"))
    assert with_fees(Money.of(2), taxed) == Money.of("3.20")


def test_bonuses_are_checked_together(operator: Operator, write_config: WriteConfig) -> None:
    write_config("budget: {month: 2 USD}")
    run, database = make_run(operator), operator._runs.database
    assert check_bonuses(database, [(run.run, [Money.of(1)] * 2)], NOON)[0].allowed
    with pytest.raises(BudgetExceededError, match=r"Giving 2 bonuses in 'moods' comes to \$2.02"):
        check_bonuses(database, [(run.run, [Money.of("1.01")] * 2)], NOON)


def test_bonuses_of_several_runs_are_checked_together(operator: Operator, write_config: WriteConfig) -> None:
    write_config("budget: {month: 2 USD, tasks: {moods: 1 USD}}")
    one, other, database = make_run(operator), make_run(operator, "colours"), operator._runs.database
    given = [(one.run, [Money.of(1)]), (other.run, [Money.of(1)])]
    assert all(one.allowed for one in check_bonuses(database, given, NOON))
    words = r"in 'colours', beside those of 1 other run, comes to \$1.01.*\$1.00 is free"
    with pytest.raises(BudgetExceededError, match=words):
        check_bonuses(database, [given[0], (other.run, [Money.of("1.01")])], NOON)


def test_fees_are_by_one_rule(operator: Operator, monkeypatch: pytest.MonkeyPatch, write_config: WriteConfig) -> None:
    write_config("budget: {month: 12 USD}")
    monkeypatch.setattr(LinkProvider, "FEE_RATE", Decimal("0.2"))
    run, database = make_run(operator), operator._runs.database
    add_units(run, UnitStatus.LAUNCHED, 20)  # 5.00, and fees of 1.00
    add_payment(run, add_person(run, "ann"), Money.of(1), PaymentStatus.OWED)
    assert gone(operator) == (0, 7.2)
    assert check_bonuses(database, [(run.run, [Money.of(4)])], NOON)[0].allowed
    with pytest.raises(BudgetExceededError, match=r"comes to \$4.92 with fees"):
        check_raise(database, run.run, raised(20, "0.455", "4.10"), NOON)


def test_a_launch_that_goes_on_counts_as_a_whole(operator: Operator) -> None:
    run = make_run(operator, config={"mephisto": {}, "reserved": 300_000}, generator_done=False)
    add_units(run, UnitStatus.LAUNCHED, 4)
    assert gone(operator) == (0, 3)
    run.commit(c.GeneratorDone())
    assert gone(operator) == (0, 1)


def test_places_at_a_crowd_count_until_they_are_closed(operator: Operator) -> None:
    run, keep = make_run(operator), operator._runs.database.runs.keep_crowd_memory
    add_units(run, UnitStatus.LAUNCHED, 4)
    keep(run.id, {"study": {"stage": "open", "places": 5, "each": 40_000}})
    assert gone(operator) == (0, 2)
    keep(run.id, {"study": {"stage": "closed", "places": 5, "each": 40_000}})
    assert gone(operator) == (0, 1)
