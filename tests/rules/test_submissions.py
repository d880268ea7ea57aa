"""Whatever was received counts, once: in time, late, twice, or from nobody."""

from __future__ import annotations

import pytest

from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Agent, Submission
from mephisto_nb.model.states import AGENT_LEFT, AgentStatus, UnitStatus
from mephisto_nb.rules.departures import expire_assigned, expire_open
from mephisto_nb.rules.steering import change_limits, reopen_expired
from mephisto_nb.rules.submissions import submit
from tests.rules.rehearsal import Rehearsal


def _late(*units_each: int) -> tuple[Rehearsal, Agent]:
    """Return a run and an agent who was timed out."""
    run = Rehearsal(*units_each)
    agent = run.take("ann")
    run.leave(agent, AgentStatus.TIMEOUT)
    return run, agent


def _check_counted(run: Rehearsal, agent: Agent) -> None:
    unit = run.unit_of(agent)
    assert (agent.status, unit.status) == (AgentStatus.COMPLETED, UnitStatus.COMPLETED)
    assert (unit.agent_id, unit.worker_id) == (agent.agent_id, agent.worker_id)


def test_an_answer_completes_agent_and_unit() -> None:
    run = Rehearsal(1)
    agent = run.take("ann")
    run.now = 7.0
    step = run.submit(agent, {"label": "cat"})
    _check_counted(run, agent)
    assert (agent.submitted_at, run.state.last_submission_at) == (7.0, 7.0)
    assert (step.ended, step.submitted) == ([agent], [run.unit_of(agent)])
    assert run.state.is_complete


def test_a_second_answer_is_set_aside_and_noted() -> None:
    run = Rehearsal(1)
    agent = run.take("ann")
    run.submit(agent, 1)
    step = run.submit(agent, 2)
    assert step.changes.changes == []
    [event] = step.changes.events
    assert (event.why, event.detail) == ("a second answer was set aside", {"answer": 2})
    assert "second answer" in step.troubles[0]


def test_an_answer_of_nobody_is_set_aside_and_noted() -> None:
    run = Rehearsal(1)
    step = run.step()
    submit(step, Submission("nobody", {}, 1.0))
    assert step.changes.changes == []
    assert step.changes.events[0].subject_id == "nobody"


@pytest.mark.parametrize("how", sorted(AGENT_LEFT))
def test_a_late_answer_gets_its_unit_back_where_nobody_has_it(how: AgentStatus) -> None:
    run = Rehearsal(1)
    agent = run.take("ann")
    run.leave(agent, how)
    run.submit(agent)
    _check_counted(run, agent)
    assert len(run.units) == 1
    assert not run.state.launched


def test_a_late_answer_says_in_the_log_how_the_run_had_it() -> None:
    run, agent = _late(1)
    step = run.submit(agent)
    assert "sent in time, while the run had it as 'timeout'" in [event.why for event in step.changes.events]


@pytest.mark.parametrize("answered", [False, True])
def test_a_late_answer_gets_another_unit_if_its_own_has_been_taken(answered: bool) -> None:
    run, agent = _late(1)
    other = run.take("ben")
    assert other.unit_id == agent.unit_id
    if answered:
        run.submit(other)
    run.submit(agent)
    _check_counted(run, agent)
    assert (run.unit_of(agent).unit_index, run.unit_of(other).agent_id) == (1, other.agent_id)
    run.submit(other)
    _check_counted(run, other)


def test_two_late_answers_to_one_unit_both_count() -> None:
    run, first = _late(1)
    second = run.take("ben")
    run.leave(second, AgentStatus.TIMEOUT)
    run.take("eve")
    for agent in (second, first):
        run.submit(agent)
        _check_counted(run, agent)
    assert [unit.unit_index for unit in run.units] == [0, 1, 2]


def test_an_extra_unit_has_the_part_and_todays_price_of_its_unit() -> None:
    run = Rehearsal(2, pay_amount=0.5)
    first, _ = run.take("ann"), run.take("cleo")
    assignment = run.state.assignments[run.unit_of(first).assignment_id]
    assignment.unit_data[:] = [{"side": "left"}, {"side": "right"}]
    run.leave(first, AgentStatus.TIMEOUT)
    run.take("ben")
    change_limits(run.step(), {"task_reward": Money.of("0.75")})
    run.submit(first)
    extra = run.unit_of(first)
    assert (assignment.own_data(extra.unit_index), extra.pay_amount) == ({"side": "left"}, Money.of("0.75"))
    assert (extra.unit_index, assignment.place_of(extra.unit_index)) == (2, 0)


def test_a_late_answer_to_a_unit_that_expired_counts() -> None:
    run, agent = _late(1)
    expire_open(run.step(), "over", "clock")
    run.submit(agent)
    _check_counted(run, agent)


def test_a_late_answer_of_somebody_sent_home_counts() -> None:
    run = Rehearsal(1)
    agent = run.take("ann")
    run.step().close_run("enough", "operator")
    expire_assigned(run.step(), "enough", "operator")
    assert (agent.status, run.unit_of(agent).status) == (AgentStatus.EXPIRED, UnitStatus.EXPIRED)
    run.submit(agent)
    _check_counted(run, agent)


def test_a_late_answer_to_a_unit_that_awaits_its_relaunch_counts() -> None:
    run, agent = _late(1)
    run.step().close_run("enough", "operator")
    expire_open(run.step(), "enough", "operator")
    step = run.step()
    step.reopen_run()
    reopen_expired(step)
    run.submit(agent)
    _check_counted(run, agent)
    assert run.state.next_created() is None


def test_a_late_answer_to_a_unit_its_worker_took_again_counts() -> None:
    run, first = _late(1)
    second = run.take("ann")
    run.submit(first)
    _check_counted(run, first)
    run.submit(second)
    _check_counted(run, second)


def test_the_time_of_the_last_answer_never_goes_back() -> None:
    run = Rehearsal(1, 1)
    agents = [run.take("ann"), run.take("ben")]
    for agent, at in zip(agents, (9.0, 4.0), strict=True):
        run.now = at
        run.submit(agent)
    assert run.state.last_submission_at == 9.0
