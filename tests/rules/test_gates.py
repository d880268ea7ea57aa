"""Introductions, screening, gold and checks: who is led where, what follows, and what people read."""

from __future__ import annotations

from typing import Any

import pytest

from mephisto_nb.display.actions._base import at_work
from mephisto_nb.model.gates import ONBOARDING_PREFIX, HeldArrival, OnboardingAgent, StoredGates
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Agent, RunSnapshot, TaskRun
from mephisto_nb.model.states import AgentStatus, Gate, PaymentKind, UnitStatus
from mephisto_nb.rules.arrivals import Held
from mephisto_nb.rules.departures import expire_open, leave, pass_time
from mephisto_nb.rules.gates.gold import gold_is_due
from mephisto_nb.rules.run_state import RunRules, state_from_snapshot
from mephisto_nb.rules.steering import launch_more, reopen_expired
from tests.rules.gated import RIGHT, WRONG, Gated, code_of

TRAINED = {"onboarding": "trained"}
SCREENED = {"screening": "able", "block": "banned"}
GOLD = {"gold": "moods", "min_golds": 2}


# -- introductions -------------------------------------------------------------------------------------------


def test_a_newcomer_gets_the_introduction_and_then_a_unit() -> None:
    run = Gated(1, **TRAINED)
    agent = run.come("ann", "page")
    assert isinstance(agent, OnboardingAgent)
    assert agent.agent_id.startswith(ONBOARDING_PREFIX)
    got = run.introduce(agent)
    assert (run.index_of(got), got.registration_id) == (0, "page")
    assert (agent.status, run.worker("ann")) == (AgentStatus.APPROVED, {"trained": 1})


def test_who_fails_the_introduction_hears_so_now_and_at_each_return() -> None:
    run = Gated(1, **TRAINED)
    refusal = run.introduce(run.come("ann"), WRONG)
    assert code_of(refusal) == code_of(run.come("ann")) == "onboarding_failed"
    assert "introduction" in refusal.text
    assert run.worker("ann") == {"trained": 0, "trained-failed": 1}
    assert run.state.counts[UnitStatus.LAUNCHED] == 1


def test_who_passed_it_anywhere_does_not_see_it_again() -> None:
    run = Gated(2, **TRAINED)
    run.do(run.introduce(run.come("ann")))
    assert isinstance(run.come("bob"), OnboardingAgent)
    run.grants[run.workers["bob"].worker_id] = {"trained": 1}
    assert isinstance(run.ask("bob"), Agent)


def test_whoever_is_given_a_second_chance_gets_the_introduction_again() -> None:
    run = Gated(1, **TRAINED)
    first = run.come("ann", "page")
    run.introduce(first, WRONG)
    run.worker("ann").clear()
    second = run.come("ann", "page")
    assert second.agent_id != first.agent_id
    assert isinstance(run.introduce(second), Agent)


def test_all_tabs_of_a_worker_find_the_same_introduction() -> None:
    run = Gated(1, **TRAINED)
    assert run.come("ann", "one") is run.come("ann", "two") is run.come("ann", "one")


def test_an_introduction_handed_in_twice_counts_once() -> None:
    run = Gated(1, **TRAINED)
    agent = run.come("ann")
    got = run.introduce(agent, RIGHT, "first")
    assert run.introduce(agent, WRONG, "second") is got
    assert (agent.data, run.worker("ann")) == (RIGHT, {"trained": 1})


def test_nobody_gets_an_introduction_to_work_that_is_not_there() -> None:
    run = Gated(1, **TRAINED)
    run.introduce(run.come("ann"))
    assert code_of(run.come("bob")) == "no_available_units"
    assert run.state.gates.at_onboarding() == []


@pytest.mark.parametrize("how", [AgentStatus.RETURNED, AgentStatus.DISCONNECT])
def test_who_leaves_the_introduction_may_begin_anew(how: AgentStatus) -> None:
    run = Gated(1, **TRAINED)
    first = run.come("ann", "page")
    assert leave(run.step(), first.agent_id, how, "left", "worker")
    assert run.come("ann", "page").agent_id != first.agent_id


def test_an_introduction_sent_before_its_time_is_over_counts() -> None:
    run = Gated(1, **TRAINED)
    agent = run.come("ann")
    run.now = agent.deadline + 1
    assert run.state.next_deadline() == agent.deadline
    pass_time(run.step())
    assert agent.status is AgentStatus.TIMEOUT
    assert isinstance(run.introduce(agent), Agent)  # it was in the router's inbox by then


def test_of_two_introductions_of_one_worker_the_first_verdict_stands() -> None:
    run = Gated(1, 1, **TRAINED)
    first = run.come("ann")
    run.now = first.deadline + 1
    pass_time(run.step())
    second = run.come("ann")
    assert isinstance(run.introduce(second, RIGHT, "second"), Agent)
    run.introduce(first, WRONG, "first")  # it was in the router's inbox all the time
    assert (second.status, first.status) == (AgentStatus.APPROVED, AgentStatus.COMPLETED)
    assert run.worker("ann") == {"trained": 1}


def test_a_closing_run_dismisses_workers_at_the_introduction() -> None:
    run = Gated(1, **TRAINED)
    agent = run.come("ann")
    expire_open(run.step(), "enough", "operator")
    assert agent.status is AgentStatus.EXPIRED
    assert [packet.data for packet in run.last.changes.packets] == [{"status": "expired"}]


# -- screening -----------------------------------------------------------------------------------------------


def test_a_newcomer_does_one_screening_unit_first_and_never_another() -> None:
    run = Gated(1, 1, **SCREENED)
    run.do(first := run.come("ann"))
    run.do(second := run.come("ann"))
    assert [run.index_of(agent) for agent in (first, second, run.come("ann"))] == [-1, 0, 0]
    assert run.worker("ann") == {"able": 1}


def test_who_does_a_screening_unit_is_at_work() -> None:
    run = Gated(1, 1, **SCREENED)
    agent = run.come("ann")
    assert at_work(run.state) == "1 worker at work goes on, and may submit."
    run.leave(agent)
    assert at_work(run.state) == "Nobody is at work."


def test_who_fails_screening_gets_nothing_more() -> None:
    run = Gated(1, **SCREENED)
    run.do(run.come("ann"), WRONG)
    refusal = run.come("ann")
    assert (code_of(refusal), "try-out" in refusal.text) == ("screening_failed", True)
    assert run.worker("ann") == {"able-failed": 1, "banned": 1}


def test_no_more_screening_units_are_given_out_than_allowed() -> None:
    run = Gated(1, 1, 1, max_screening_units=2, **SCREENED)
    first, second = run.come("ann"), run.come("bob")
    assert code_of(run.come("eve")) == "screening_full"
    assert "max_screening_units" in run.state.gates.notices["screening room"]
    run.leave(first)  # unanswered: somebody else can have the place
    assert run.unit_of(first).status is UnitStatus.EXPIRED
    assert run.index_of(run.come("eve")) == run.index_of(second) == -1


def test_who_has_a_screening_unit_in_hand_gets_no_other_unit() -> None:
    run = Gated(1, 1, **SCREENED)
    agent = run.come("ann", "one")
    assert code_of(run.come("ann", "two")) == "too_many_concurrent"
    assert run.come("ann", "one") is agent


def test_two_tabs_that_come_at_once_share_one_screening_unit() -> None:
    run = Gated(1, 1, **SCREENED)
    assert isinstance(run.ask("ann", "one"), Held)
    assert isinstance(run.ask("ann", "two"), Held)
    run.jobs = run.jobs[:1]
    decided = run.run_jobs()
    assert [type(outcome).__name__ for _, outcome in decided] == ["Agent", "Refusal"]


# -- gold ----------------------------------------------------------------------------------------------------


def test_the_first_units_are_gold_and_then_the_work_begins() -> None:
    run = Gated(*[1] * 4, **GOLD)
    indexes = []
    for _ in range(4):
        run.do(agent := run.come("ann"))
        indexes.append(run.index_of(agent))
    assert indexes == [-2, -2, 0, 0]
    assert run.worker("ann") == {"moods-correct-golds": 2}


def test_golds_become_rarer_as_mephistos_schedule_says() -> None:
    given, correct = [], 0
    for done in range(400):
        while gold_is_due(done, correct, 0, 1):
            given.append(done)
            correct += 1
    assert given[:6] == [0, 23, 44, 75, 119, 181]  # after so many units of the work


def test_each_gold_row_is_shown_to_a_worker_once() -> None:
    run = Gated(*[1] * 9, rows="abc", **GOLD | {"min_golds": 3})
    for _ in range(3):
        run.do(run.come("ann"))
    shown = [unit.row.key for unit in run.state.gates.units.values()]
    assert sorted(shown) == ["a", "b", "c"]


def test_as_many_golds_may_be_wrong_as_the_limit_says() -> None:
    run = Gated(*[1] * 9, **GOLD, max_incorrect_golds=1, block="banned")
    run.do(run.come("ann"), WRONG)
    run.do(run.come("ann"), WRONG)
    assert code_of(run.come("ann")) == "gold_failed"
    assert run.worker("ann") == {"moods-wrong-golds": 2, "moods-disqualified": 1, "banned": 1}


def test_golds_of_other_runs_count() -> None:
    run = Gated(1, 1, **GOLD)
    run.do(run.come("ann"))
    run.do(run.come("ann"))
    run.worker("ann").update({"moods-correct-golds": 5})
    run.state.units_of_worker[run.workers["ann"].worker_id] = 75  # the sixth is due after 119 units
    assert run.index_of(run.come("ann")) == 0


def test_with_gold_used_up_checked_workers_go_on_and_new_ones_do_not() -> None:
    run = Gated(1, 1, 1, max_gold_units=2, **GOLD)
    run.do(run.come("ann"))
    run.do(run.come("ann"))
    assert code_of(run.come("bob")) == "gold_full"
    assert run.index_of(run.come("ann")) == 0
    assert "max_gold_units" in run.state.gates.notices["gold room"]


def test_a_returned_gold_unit_is_never_offered_again() -> None:
    run = Gated(1, **GOLD)
    agent = run.come("ann")
    run.leave(agent)
    assert run.unit_of(agent).status is UnitStatus.EXPIRED
    assert reopen_expired(run.step()) == 0


# -- while a verdict is awaited ------------------------------------------------------------------------------


def test_who_comes_before_the_verdict_waits_for_it() -> None:
    run = Gated(1, 1, **SCREENED)
    run.submit(run.come("ann"), WRONG)
    run.commit(run.last)
    assert isinstance(run.ask("ann", "early"), Held)
    ((held, outcome),) = run.run_jobs()
    assert (held.registration_id, code_of(outcome)) == ("early", "screening_failed")


def test_a_verdict_that_comes_twice_counts_once() -> None:
    run = Gated(1, **GOLD)
    run.submit(run.come("ann"), RIGHT)
    run.commit(run.last)
    run.jobs *= 2
    run.run_jobs()
    assert run.worker("ann") == {"moods-correct-golds": 1}
    assert run.state.gates.verdicts == {(Gate.GOLD, True): 1}


def test_an_unjudged_answer_fails_nobody_and_is_judged_on_return() -> None:
    run = Gated(1, **SCREENED)
    run.broken = {Gate.SCREENING}
    run.do(run.come("ann"), RIGHT)
    refusal = run.come("ann")
    assert (code_of(refusal), "not your fault" in refusal.text) == ("not_judged", True)
    assert "it raised" in run.state.gates.notices["screening judge"]
    run.broken = set()
    assert run.index_of(run.come("ann")) == 0


def test_a_run_is_incomplete_while_a_gate_or_a_verdict_is_open() -> None:
    run = Gated(1, **SCREENED)
    agent = run.come("ann")
    run.state.rules = run.state.rules.__class__("mock")  # the work goes to somebody else meanwhile
    run.submit(run.take("bob"))
    assert not run.state.is_complete
    run.submit(agent, RIGHT)
    assert not run.state.is_complete
    run.jobs = run.last.gate_jobs
    run.run_jobs()
    assert run.state.is_complete


def test_one_worker_cannot_let_any_number_of_pages_wait() -> None:
    run = Gated(1, **SCREENED)
    assert all(isinstance(run.ask("ann"), Held) for _ in range(5))
    assert code_of(run.ask("ann", "one too many")) == "being_judged"


# -- checks of the work --------------------------------------------------------------------------------------


def take_and_send(run: Gated, name: str, answer: Any, after: float = 60.0) -> Agent:
    agent = run.come(name)
    run.now += after
    run.do(agent, answer)
    return agent


def test_an_answer_that_comes_too_soon_is_marked() -> None:
    run = Gated(1, 1, minimum_seconds=5.0, checks="hasty")
    take_and_send(run, "ann", RIGHT, after=4.9)
    take_and_send(run, "ann", RIGHT, after=5.0)
    assert run.state.gates.verdicts == {(Gate.TIME, False): 1, (Gate.TIME, True): 1}
    assert run.worker("ann") == {"hasty": 1}
    assert run.state.counts[UnitStatus.COMPLETED] == 2


def test_an_attention_check_takes_its_right_answer_from_the_row() -> None:
    run = Gated(1, 1, 1, 1, attention={"colour": "right_colour"}, checks="careless")
    for assignment, right in zip(run.state.assignments.values(), ("Blue", None, "", 3), strict=True):
        assignment.shared["right_colour"] = right
    for answer in (" blue ", "anything", "an empty cell of a CSV file", "4"):
        take_and_send(run, "ann", {"colour": answer})
    assert run.state.gates.verdicts == {(Gate.ATTENTION, True): 1, (Gate.ATTENTION, False): 1}


def test_a_failed_answer_is_paid_and_its_unit_goes_to_another_worker() -> None:
    run = Gated(1, minimum_seconds=5.0, checks="hasty", repeats_failed=True, pay_amount=0.5)
    agent = take_and_send(run, "ann", RIGHT, after=1.0)
    launch_more(run.step())
    assert (agent.status, run.unit_of(agent).status) == (AgentStatus.SOFT_REJECTED, UnitStatus.SOFT_REJECTED)
    assert run.owed == [("ann", PaymentKind.REWARD, Money.of("0.5"), agent.unit_id)]
    assert not run.state.is_complete
    assert code_of(run.come("ann")) == "no_available_units"
    take_and_send(run, "bob", RIGHT)
    assert run.state.is_complete


def test_a_repeated_unit_has_the_part_of_the_one_that_failed() -> None:
    run = Gated(2, minimum_seconds=5.0, checks="hasty", repeats_failed=True)
    (assignment,) = run.state.assignments.values()
    assignment.unit_data[:] = [{"side": "left"}, {"side": "right"}]
    failed = [take_and_send(run, name, RIGHT, after=1.0) for name in ("ann", "bob")]
    launch_more(run.step())
    again = [run.unit_of(take_and_send(run, name, RIGHT)) for name in ("cleo", "dan")]
    parts = [assignment.own_data(unit.unit_index)["side"] for unit in (*map(run.unit_of, failed), *again)]
    assert parts == ["left", "right"] * 2


def test_who_fails_more_checks_than_allowed_gets_no_more() -> None:
    run = Gated(1, 1, 1, 1, minimum_seconds=5.0, checks="hasty", max_failed_checks=1, block="banned")
    take_and_send(run, "ann", RIGHT, after=1.0)
    take_and_send(run, "ann", RIGHT, after=1.0)
    refusal = run.come("ann")
    assert (code_of(refusal), "with care" in refusal.text) == ("checks_failed", True)
    assert run.worker("ann") == {"hasty": 2, "hasty-blocked": 1, "banned": 1}


def test_an_attention_function_that_raises_discards_no_answer() -> None:
    run = Gated(1, 1, judges_attention=True, checks="careless", repeats_failed=True, max_failed_checks=0)
    run.broken = {Gate.ATTENTION}
    take_and_send(run, "ann", WRONG)
    assert run.state.gates.verdicts == {(Gate.ATTENTION, None): 1}
    run.broken = set()
    take_and_send(run, "ann", WRONG)
    assert code_of(run.come("ann")) == "checks_failed"


# -- what is counted -----------------------------------------------------------------------------------------


def test_units_of_gates_are_paid_but_are_no_part_of_the_work() -> None:
    run = Gated(1, **GOLD)
    run.do(run.come("ann"))
    assert (sum(run.state.counts.values()), run.state.num_assignments, run.state.num_out) == (1, 1, 1)
    assert sum(run.state.pay.values()) == 2
    assert run.state.units_of_worker[run.workers["ann"].worker_id] == 0


def test_a_newcomer_whose_page_waits_is_known_by_name_after_a_restart() -> None:
    run = TaskRun("run", "task", "moods", "lab", "mock", "local", "mock", {}, [], 0.0, 0.0)
    held = HeldArrival("request", "w1", "ann", "page", 1.0)
    state = state_from_snapshot(
        RunSnapshot(run, [], [], [], 0, 0, [], gates=StoredGates(held=[held])), RunRules("mock")
    )
    assert state.gates.held == {"w1": {"request": held}}
    assert state.worker_names == {"w1": "ann"}
