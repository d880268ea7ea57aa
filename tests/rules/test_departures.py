"""Leaving, time-outs, and the end of a run's life and patience."""

from __future__ import annotations

import pytest

from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.model.states import AGENT_LEFT, AgentStatus, UnitStatus
from mephisto_nb.rules.departures import expire_assigned, expire_open, pass_time
from mephisto_nb.rules.eligibility import RefusalCode
from tests.rules.rehearsal import Rehearsal


def _pass_time(run: Rehearsal, now: float) -> None:
    run.now = now
    pass_time(run.step())


@pytest.mark.parametrize("how", sorted(AGENT_LEFT))
def test_a_unit_is_on_offer_again_when_its_worker_leaves(how: AgentStatus) -> None:
    run = Rehearsal(1)
    agent = run.take("ann")
    assert run.leave(agent, how)
    unit = run.unit_of(agent)
    assert (agent.status, unit.status, unit.agent_id, unit.worker_id) == (how, UnitStatus.LAUNCHED, None, None)
    assert run.last.ended == [agent]
    assert run.last.changes.packets == [Packet(PacketType.UPDATE_STATUS, agent.agent_id, {"status": how.value})]
    assert run.take("ben").unit_id == unit.unit_id


def test_leaving_twice_or_after_the_answer_changes_nothing() -> None:
    run = Rehearsal(1, 1)
    gone, done = run.take("ann"), run.take("ben")
    run.leave(gone)
    run.submit(done)
    for agent in (gone, done):
        assert not run.leave(agent, AgentStatus.DISCONNECT)
        assert not run.last.changes


def test_a_unit_left_while_the_run_closes_is_not_offered_again() -> None:
    run = Rehearsal(1)
    agent = run.take("ann")
    run.step().close_run("enough", "operator")
    run.leave(agent)
    assert run.unit_of(agent).status is UnitStatus.EXPIRED
    assert run.state.is_complete


def test_agents_are_timed_out_at_their_deadline_and_not_before() -> None:
    run = Rehearsal(1, 1, assignment_duration=60.0)
    first = run.take("ann")
    run.now = 10.0
    second = run.take("ben")
    assert run.state.next_deadline() == 60.0
    _pass_time(run, 59.9)
    assert not run.last.changes
    _pass_time(run, 60.0)
    assert (first.status, second.status) == (AgentStatus.TIMEOUT, AgentStatus.IN_TASK)
    assert run.state.next_deadline() == 70.0


def test_all_that_are_overdue_are_timed_out_at_once() -> None:
    run = Rehearsal(1, 1, 1, assignment_duration=60.0)
    agents = [run.take(name) for name in ("ann", "ben", "eve")]
    run.submit(agents[1])
    _pass_time(run, 1000.0)
    assert [agent.status for agent in agents] == ["timeout", "completed", "timeout"]
    assert run.last.ended == [agents[0], agents[2]]


@pytest.mark.parametrize(("deadline", "status"), [(500.0, "in task"), (30.0, "timeout"), (None, "in task")])
def test_a_deadline_that_was_moved_is_the_one_that_counts(deadline: float | None, status: str) -> None:
    run = Rehearsal(1, assignment_duration=60.0)
    agent = run.take("ann")
    run.step().change_deadline(agent, deadline)
    _pass_time(run, 100.0)
    assert agent.status == status
    _pass_time(run, 600.0)
    assert agent.status == ("in task" if deadline is None else "timeout")


def test_a_run_closes_at_the_end_of_its_lifetime() -> None:
    run = Rehearsal(1, 1, lifetime=100.0, assignment_duration=60.0)
    run.now = 90.0
    agent = run.take("ann")
    _pass_time(run, 100.0)
    assert run.state.closing == "the task's lifetime is over"
    assert [unit.status for unit in run.units] == ["assigned", "expired"]
    assert run.refuse("ben").code is RefusalCode.RUN_OVER
    run.submit(agent)
    assert run.state.is_complete


def test_a_timeout_while_the_run_closes_leaves_no_unit_on_offer() -> None:
    run = Rehearsal(1, lifetime=60.0, assignment_duration=60.0)
    run.take("ann")
    _pass_time(run, 60.0)
    assert [unit.status for unit in run.units] == ["expired"]


def test_patience_counts_from_the_last_answer() -> None:
    run = Rehearsal(1, 1, patience=50.0)
    run.now = 30.0
    run.submit(run.take("ann"))
    assert run.state.next_deadline() == 80.0
    _pass_time(run, 79.0)
    assert run.state.closing is None
    _pass_time(run, 80.0)
    assert run.state.closing == "nothing was submitted for 50 seconds"


def test_patience_counts_from_the_opening_where_nothing_came_since() -> None:
    run = Rehearsal(1, 1, patience=50.0)
    run.submit(run.take("ann"))
    run.now = 1000.0
    run.step().reopen_run()
    assert run.state.next_deadline() == 1050.0
    _pass_time(run, 1049.0)
    assert run.state.closing is None
    _pass_time(run, 1050.0)
    assert run.state.closing is not None


def test_a_patience_of_zero_has_no_end() -> None:
    run = Rehearsal(1, patience=0.0, lifetime=1e9)
    _pass_time(run, 1e8)
    assert run.state.closing is None
    assert run.state.next_deadline() == 1e9


def test_a_run_that_is_closing_is_not_closed_again() -> None:
    run = Rehearsal(1, lifetime=10.0)
    run.step().close_run("enough", "ben")
    run.step().close_run("more than enough", "eve")
    _pass_time(run, 20.0)
    assert run.state.closing == "enough"
    assert run.state.next_deadline() is None


def test_nothing_happens_twice_at_one_time() -> None:
    run = Rehearsal(1, lifetime=10.0)
    _pass_time(run, 10.0)
    _pass_time(run, 10.0)
    assert not run.last.changes


def test_expiring_what_is_open_leaves_those_at_work_alone() -> None:
    run = Rehearsal(1, 1, 1, max_num_concurrent_units=2)
    agent = run.take("ann")
    assert expire_open(run.step(), "enough", "operator") == 2
    assert [unit.status for unit in run.units] == ["assigned", "expired", "expired"]
    assert agent.status is AgentStatus.IN_TASK


def test_those_at_work_are_sent_home_and_told() -> None:
    run = Rehearsal(1, 1)
    agents = [run.take("ann"), run.take("ben")]
    run.submit(agents[1])
    assert expire_assigned(run.step(), "enough", "operator") == 1
    assert [agent.status for agent in agents] == ["expired", "completed"]
    assert [packet.data for packet in run.last.changes.packets] == [{"status": "expired"}]
    assert run.last.ended == [agents[0]]
