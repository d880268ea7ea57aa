"""What a forecast says: sums that add up, intervals, what it rests on; and how it looks."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from time import process_time
from typing import Any

import pandas as pd
import pytest

import mephisto_nb as mnb
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.money import Money, total
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.money.fees import FeeRate, fee_rate_of, read_rate
from mephisto_nb.money.forecast import Forecast, lasting
from mephisto_nb.money.forecast_input import ForecastOptions, forecast_of
from mephisto_nb.operator import Operator
from mephisto_nb.providers.link import LinkProvider
from tests.kernel.runs import mock_config
from tests.money.people import NOON, add_answers, add_person, make_run, settings

NO_DATA = SharedTaskState()
FEES = ForecastOptions(fee_rate=(0.3, 0.4), tax_rate=0.2)


def made(units: int = 200, options: ForecastOptions | None = None, **task: Any) -> Forecast:
    return forecast_of(settings(**task), NO_DATA, None, NOON, replace(options or ForecastOptions(), units=units))


def piloted(operator: Operator, **options: Any) -> Forecast:
    run = make_run(operator, ended_at=NOON + 7200)
    for n in range(48):
        status = UnitStatus.REJECTED if n % 16 == 0 else UnitStatus.ACCEPTED
        add_answers(run, add_person(run, f"worker {n}"), [50 + n % 20], begun=100 * n, status=status)
    known = ForecastOptions(units=400, **options)
    return forecast_of(settings(), NO_DATA, operator._runs.database, NOON + 86400, known)


def test_the_lines_add_up_exactly() -> None:
    found = made(options=FEES, task_reward=0.07)
    assert len(found.lines) > 2
    assert total((line.amount.point for line in found.lines), "USD") == found.cost.point
    for line in found.lines:
        if line.count is not None and line.each is not None:
            assert line.each * line.count == line.amount.point


def test_fees_and_taxes_are_shares_of_what_is_paid() -> None:
    found = {line.what: line.amount.point for line in made(options=FEES).lines}
    paid = total((amount for what, amount in found.items() if "fees" not in what), "USD")
    assert found["the crowd's fees (30 to 40 %)"] == paid.share(Decimal("0.35"))
    assert found["taxes on the fees (20 %)"] == paid.share(Decimal("0.35")).share(Decimal("0.2"))


@pytest.mark.parametrize("name", ["cost", "duration", "duration_most", "pay_per_hour"])
def test_an_interval_holds_its_point(name: str) -> None:
    estimate = getattr(made(options=FEES), name)
    assert estimate.low <= estimate.point <= estimate.high


def test_a_pilot_makes_it_narrow(operator: Operator) -> None:
    known, unknown = piloted(operator), made(400)
    assert known.pay_per_hour.high / known.pay_per_hour.low < 1.6
    assert unknown.pay_per_hour.high / unknown.pay_per_hour.low > 5
    assert known.duration.high / known.duration.low < unknown.duration.high / unknown.duration.low
    assert known.pay_per_hour.low < 0.1 * 3600 / 60 < known.pay_per_hour.high


def test_it_says_from_which_run_it_knows(operator: Operator) -> None:
    sources = {one.about: one for one in piloted(operator).assumptions}
    assert sources["time for a unit"].source.startswith("from 48 answers of run ")
    assert sources["rejected answers"].words.startswith("3 of 48")
    assert not sources["who comes"].is_assumed


def test_without_a_pilot_it_says_what_it_assumes() -> None:
    assumed = {one.about for one in made().assumptions if one.is_assumed}
    assert {"who comes", "time for a unit", "units that are left", "rejected answers", "bonuses"} <= assumed


def test_a_rehearsal_says_nothing_of_times(operator: Operator) -> None:
    run = make_run(operator)
    add_answers(run, add_person(run, "robot", is_simulated=True), [0.1] * 20)
    found = forecast_of(settings(), NO_DATA, operator._runs.database, NOON + 9999, ForecastOptions(units=100))
    by_name = {one.about: one for one in found.assumptions}
    assert by_name["time for a unit"].is_assumed
    assert by_name["rehearsals"].source == "from a rehearsal"
    assert (
        found.pay_per_hour
        == forecast_of(settings(), NO_DATA, None, NOON + 9999, ForecastOptions(units=100)).pay_per_hour
    )


def test_a_hook_that_may_pay_is_told_of() -> None:
    state = SharedTaskState(static_task_data=[{}] * 5, on_unit_submitted=lambda unit: None)
    found = forecast_of(settings(), state, None, NOON)
    assert "nobody knows what on_unit_submitted pays" in str(found)


def test_the_same_seed_makes_the_same_forecast() -> None:
    assert made() == made()
    assert made() != made(options=ForecastOptions(seed=1))


def test_units_are_those_of_the_data() -> None:
    given = settings(blueprint={"units_per_assignment": 3})
    assert forecast_of(given, NO_DATA, None, NOON, ForecastOptions(rows=10)).units == 30
    assert forecast_of(given, SharedTaskState(static_task_data=[{}] * 7), None, NOON).units == 21


def test_data_that_come_one_by_one_are_not_drawn() -> None:
    rows = iter([{"a": 1}])
    with pytest.raises(ConfigError, match="units=1000"):
        forecast_of(settings(), SharedTaskState(static_task_data=rows), None, NOON)
    assert next(rows) == {"a": 1}


def test_a_thousand_units_take_less_than_two_seconds(operator: Operator) -> None:
    begun = process_time()  # the machine's other users do not count
    made(1000)
    assert process_time() - begun < 2


def test_a_frame_has_a_row_for_each_part() -> None:
    found = made(options=FEES)
    frame = found.to_frame()
    assert frame["what"].tolist()[-4:] == [
        "cost", "until the last answer", "until 90 % of the answers", "pay per hour",
    ]  # fmt: skip
    assert frame.loc[frame["what"] == "cost", "point"].item() == pytest.approx(float(found.cost.point))
    assert frame["count"].dtype == pd.Int64Dtype()


def test_the_page_is_escaped_and_scrolls(operator: Operator) -> None:
    task = {"task_name": "<b>moods</b>"}
    shown: Any = mnb.forecast(mock_config(**task), 20, operator=operator)
    page = shown._repr_html_()
    assert "&lt;b&gt;moods&lt;/b&gt;" in page
    assert "<b>" not in page
    assert page.count("overflow: auto") == 2


def test_text_names_cost_time_and_pay() -> None:
    words = str(made())
    assert all(name in words for name in ("Cost", "Until the last answer", "Until 90 % of them", "Pay per hour"))
    assert "It rests on:" in words


def test_a_number_of_rows_or_of_units_not_both(operator: Operator) -> None:
    with pytest.raises(ConfigError, match="Give one of them"):
        mnb.forecast(mock_config(), 20, units=5, operator=operator)


def test_nothing_is_written_by_it(operator: Operator) -> None:
    mnb.forecast(mock_config(), [{"text": "a"}], operator=operator)
    assert operator.task_runs().empty


@pytest.mark.parametrize("given", [-0.1, 3, "much", (0.4, 0.3), (0.1, 0.2, 0.3), None])
def test_a_rate_is_a_share(given: object) -> None:
    with pytest.raises(ConfigError, match="fee_rate"):
        read_rate(given, "fee_rate")


def test_a_provider_says_its_fees() -> None:
    assert fee_rate_of(LinkProvider) == FeeRate(source="the provider 'link'")
    assert FeeRate(Decimal("0.3"), Decimal("0.4"), Decimal(0), Decimal("0.2")).most == Decimal("0.48")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(30, "30 s"), (90, "1.5 min"), (7200, "2 h"), (86400 * 3, "3 d"), (math.inf, "never")],
)
def test_times_are_said_roughly(seconds: float, words: str) -> None:
    assert lasting(seconds) == words


def test_rejected_answers_are_not_paid(operator: Operator) -> None:
    found = piloted(operator)
    (line,) = [line for line in found.lines if line.what == "rejected answers, not paid"]
    assert line.amount.point < Money(0)
    assert found.cost.point < Money.of("0.10") * 400


@pytest.mark.parametrize("units", [0, -3, 2.5, True])
def test_units_are_a_whole_number_above_nothing(units: Any) -> None:
    with pytest.raises(ConfigError, match="whole number of 1 or more"):
        made(units)


def test_limits_of_the_run_are_told_and_kept(operator: Operator) -> None:
    found = made(200, max_num_concurrent_units=5, task_lifetime_in_seconds=7200)
    told = {one.about: one.words for one in found.assumptions}
    assert told["open to people"].startswith("5 units at a time")
    assert told["lifetime"].startswith("after 2 h")
    assert found.duration.high <= 7200


def test_a_task_that_pays_nothing_costs_nothing() -> None:
    found = made(50, task_reward=0)
    assert (found.cost.point, found.cost.high, found.pay_per_hour.point) == (Money(0), Money(0), 0.0)


def test_a_number_of_rows_keeps_the_functions(operator: Operator) -> None:
    task = mock_config(), SharedTaskState(on_unit_submitted=lambda unit: None)
    assert "on_unit_submitted" in str(mnb.forecast(task, 20, operator=operator))


def test_amounts_are_of_the_tasks_currency() -> None:
    found = made(50, currency="GBP")
    assert found.currency == "GBP"
    assert "\N{POUND SIGN}5.00" in str(found)


def test_visits_are_paid_once_and_their_parts_by_unit() -> None:
    found = made(200, task_reward=2.0, units_per_visit=20)
    lines = {line.what: line for line in found.lines}
    assert lines["visits"].each == Money.of(2)
    assert lines["visits"].count in range(9, 13)
    assert 18 < float(found.cost.point) < 23


def test_gold_units_take_places_among_those_of_a_visit() -> None:
    rows = {"golds": [{"text": "a", "mood": "glad"}] * 3, "gold_answer": "mood"}
    known = ForecastOptions(units=160)
    task = settings(task_reward=2.0, units_per_visit=20, blueprint={"min_golds": 4})
    without = forecast_of(task, NO_DATA, None, NOON, known)
    with_golds = forecast_of(task, SharedTaskState(**rows), None, NOON, known)  # 16 of 20 units are work
    visits = [next(line.count for line in one.lines if line.what == "visits") for one in (without, with_golds)]
    assert visits[1] > visits[0]
    assert "4 among the units of a visit" in str(with_golds)
