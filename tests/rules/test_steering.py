"""Pausing, changing limits, and what else a researcher does to a run while it lasts."""

from __future__ import annotations

from typing import Any

import pytest

from mephisto_nb.model.changes import ChangePay, Steer
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import AS_LAUNCHED, Event, Raise, Steering
from mephisto_nb.model.shared_state import InitializationData
from mephisto_nb.model.states import AgentStatus
from mephisto_nb.model.visits import VisitRules
from mephisto_nb.rules.departures import pass_time
from mephisto_nb.rules.steering import (
    change_limits,
    create,
    expire,
    launch_more,
    pause,
    resume,
    shut_down,
    shut_down_at_once,
)
from mephisto_nb.rules.visits import raise_to
from tests.rules.rehearsal import Rehearsal, facts_of

LESS, MORE = Money.of("0.1"), Money.of("0.2")


def _row(run: Rehearsal) -> Event:
    """The one row about the run that the last step left."""
    (row,) = (event for event in run.last.changes.events if event.subject == "run")
    assert row.who == "operator"
    return row


def _pay(run: Rehearsal) -> list[float]:
    return [float(unit.pay_amount) for unit in run.units]


def _counts(run: Rehearsal) -> dict[str, int]:
    return {status.value: count for status, count in run.state.counts.items() if count}


def _change(run: Rehearsal, **limits: Any) -> bool:
    changed = change_limits(run.step(), limits)
    launch_more(run.last)
    return changed


def test_a_paused_run_hands_nothing_out_until_it_is_resumed() -> None:
    run = Rehearsal(1, 1, 1, max_num_concurrent_units=2)
    ann = run.take("ann")
    assert pause(run.step())
    assert run.refuse("ben").code == "paused"
    assert run.last.refused == [("ben", "paused")]
    run.submit(ann)
    assert launch_more(run.step()) == 0
    assert resume(run.step())
    assert launch_more(run.last) == 1
    run.take("ben")


def test_a_paused_run_tells_those_first_who_may_not_work_at_all() -> None:
    run = Rehearsal(1)
    pause(run.step())
    assert run.refuse("ann", facts_of(blocked=True)).code == "blocked"


def test_a_worker_finds_their_unit_again_while_the_run_is_paused() -> None:
    run = Rehearsal(1)
    agent = run.take("ann", "page")
    pause(run.step())
    assert run.take("ann", "page") is agent
    run.leave(agent)
    assert run.refuse("ann").code == "paused"
    resume(run.step())
    assert run.take("ann").unit_id == agent.unit_id


def test_repeated_pausing_and_resuming_leave_one_row_each() -> None:
    run = Rehearsal(1)
    run.now = 5.0
    pause(run.step())
    assert run.last.changes.changes == [Steer(Steering(paused_at=5.0))]
    row = _row(run)
    assert (row.before, row.after, row.why) == ("live", "paused", "paused by the researcher")
    assert row.detail == {"before": {"paused": False}, "after": {"paused": True}}
    assert not pause(run.step())
    assert not run.last.changes
    run.now = 9.0
    resume(run.step())
    assert run.last.changes.changes == [Steer(Steering(resumed_at=9.0))]
    assert (_row(run).before, _row(run).after) == ("paused", "live")
    assert not resume(run.step())
    assert not run.last.changes


def test_patience_stops_during_a_pause_and_counts_from_resumption() -> None:
    run = Rehearsal(1, patience=100.0, lifetime=10_000.0)
    pause(run.step())
    assert run.state.next_deadline() == 10_000.0
    run.now = 500.0
    pass_time(run.step())
    assert run.state.closing is None
    resume(run.step())
    assert run.state.next_deadline() == 600.0
    run.now = 600.0
    pass_time(run.step())
    assert run.state.closing == "nothing was submitted for 100 seconds"


def test_a_paused_run_ends_with_its_lifetime_and_with_its_last_unit() -> None:
    run = Rehearsal(1, lifetime=100.0)
    agent = run.take("ann")
    pause(run.step())
    assert not run.state.is_complete
    run.submit(agent)
    assert run.state.is_complete
    run = Rehearsal(1, lifetime=100.0)
    pause(run.step())
    run.now = 100.0
    pass_time(run.step())
    assert run.state.closing == "the task's lifetime is over"


def test_another_reward_is_for_open_units_and_for_later_ones() -> None:
    run = Rehearsal(1, 1, 1, 1, pay_amount=0.1, max_num_concurrent_units=3)
    run.submit(run.take("ann"))
    run.take("ben")
    assert _change(run, task_reward=MORE)
    assert _pay(run) == [0.1, 0.1, 0.2, 0.2]
    assert ChangePay([unit.unit_id for unit in run.units[2:]], MORE) in run.last.changes.changes
    create(run.step(), [InitializationData({})])
    assert _pay(run)[-1] == 0.2
    assert {amount: sum(n for (_, pay), n in run.state.pay.items() if pay == amount) for amount in (LESS, MORE)} == {
        LESS: 2,
        MORE: 3,
    }


def test_a_unit_given_back_is_offered_for_what_is_paid_now() -> None:
    run = Rehearsal(1, pay_amount=0.1)
    agent = run.take("ann")
    _change(run, task_reward=MORE)
    run.leave(agent, AgentStatus.RETURNED)
    assert _pay(run) == [0.2]
    assert ChangePay([agent.unit_id], MORE) in run.last.changes.changes


def test_units_over_a_lower_limit_wait_and_come_back_in_order() -> None:
    run = Rehearsal(1, 1, 1, 1)
    run.take("ann")
    _change(run, max_num_concurrent_units=2)
    assert [unit.status.value for unit in run.units] == ["assigned", "launched", "created", "created"]
    _change(run, max_num_concurrent_units=3)
    assert [unit.status.value for unit in run.units] == ["assigned", "launched", "launched", "created"]
    _change(run, max_num_concurrent_units=0)
    assert _counts(run) == {"assigned": 1, "launched": 3}


def test_a_lower_limit_spares_active_workers_but_returned_units_wait() -> None:
    run = Rehearsal(1, 1)
    ann = run.take("ann")
    run.take("ben")
    _change(run, max_num_concurrent_units=1)
    assert _counts(run) == {"assigned": 2}
    run.leave(ann)
    launch_more(run.last)
    assert _counts(run) == {"assigned": 1, "created": 1}


def test_the_limit_per_worker_changes_for_those_who_come_again() -> None:
    run = Rehearsal(1, 1, maximum_units_per_worker=1)
    run.submit(run.take("ann"))
    assert run.refuse("ann").code == "max_for_task"
    _change(run, maximum_units_per_worker=2)
    run.take("ann")


def test_a_change_of_limits_says_what_was_before_and_what_is_after() -> None:
    run = Rehearsal(1, pay_amount=0.1)
    assert _change(run, task_reward=MORE, maximum_units_per_worker=0, max_num_concurrent_units=5)
    row = _row(run)
    assert row.why == "task_reward and max_num_concurrent_units were changed by the researcher"
    assert row.detail == {
        "before": {"task_reward": 0.1, "max_num_concurrent_units": 0, "currency": "USD"},
        "after": {"task_reward": 0.2, "max_num_concurrent_units": 5, "currency": "USD"},
    }


def test_limits_that_are_in_force_already_change_nothing() -> None:
    run = Rehearsal(1, pay_amount=0.1)
    assert not _change(run, task_reward=LESS)
    assert not run.last.changes


def test_expiring_leaves_a_row_only_if_there_was_something_to_expire() -> None:
    run = Rehearsal(1, 1)
    run.take("ann")
    assert expire(run.step()) == 1
    assert _row(run).detail == {
        "before": {"created": 0, "launched": 1, "assigned": 1},
        "after": {"created": 0, "launched": 0, "assigned": 1},
    }
    assert expire(run.step()) == 0
    assert not run.last.changes


@pytest.mark.parametrize("first", [shut_down, None])
def test_each_way_to_end_a_run_leaves_its_row(first: Any) -> None:
    run = Rehearsal(1, 1)
    run.take("ann")
    if first is not None:
        first(run.step())
        assert (_row(run).after, _row(run).why) == ("closing", "shut down by the researcher")
    shut_down_at_once(run.step())
    assert (_row(run).after, _row(run).why) == ("closing", "shut down at once by the researcher")
    assert _counts(run) == {"expired": 2}
    shut_down_at_once(run.step())
    assert not run.last.changes


def test_a_run_that_is_about_to_end_cannot_be_steered() -> None:
    run = Rehearsal(1)
    shut_down(run.step())
    run.step()
    assert not any((pause(run.last), resume(run.last), change_limits(run.last, {"task_reward": Money.of(1)})))
    assert not run.last.changes


def test_a_run_opened_again_has_the_limits_it_is_opened_with() -> None:
    run = Rehearsal(1, pay_amount=0.1)
    _change(run, task_reward=MORE)
    pause(run.step())
    shut_down(run.step())
    run.step().reopen_run()
    assert (run.state.steering, run.state.rules.pay_amount) == (AS_LAUNCHED, LESS)


def test_a_raise_costs_what_each_unit_would_be_paid_more() -> None:
    run = Rehearsal(1, 1, 1, pay_amount=Money.of("0.5"))
    first = run.take("ann")
    change_limits(run.step(), {"task_reward": Money.of("0.8")})
    run.leave(first)
    assert raise_to(run.state, Money.of(1)) == Raise(Money.of("0.8"), Money.of(1), 3, "unit", Money.of("0.6"))
    assert raise_to(run.state, Money.of("0.7")).cost == Money.of("-0.3")


def test_a_raise_of_visits_is_for_those_that_nobody_has_begun() -> None:
    run = Rehearsal(*[1] * 8, visits=VisitRules(units=3), task_reward=Money.of(3), pay_amount=Money.of(1))
    run.take("ann", "page")  # her visit takes 3 of the 8 units; 5 units make 2 visits
    assert raise_to(run.state, Money.of(4)) == Raise(Money.of(3), Money.of(4), 2, "visit", Money.of(2))
