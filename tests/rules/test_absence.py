"""Deadlines stand still while whom they bind could not act, or nobody could hear of it."""

from __future__ import annotations

from typing import Any

import pytest

from mephisto_nb.model.states import AgentStatus, UnitStatus
from mephisto_nb.model.task_run_args import PartnerRules
from mephisto_nb.rules.absence import is_served, kernel_was_away, router_was_away
from mephisto_nb.rules.departures import pass_time
from tests.rules.rehearsal import Rehearsal

AWAY = (100.0, 700.0)


def at(run: Rehearsal, now: float) -> Rehearsal:
    """Let time pass, and do what is due."""
    run.now = now
    pass_time(run.step())
    return run


def waiting(**limits: Any) -> Rehearsal:
    """Return a run of two who talk together, for whom nobody waits longer than 300 s."""
    return Rehearsal(2, partners=PartnerRules(waiting_timeout=300.0), assignment_duration=1000.0, **limits)


def test_who_waits_for_a_partner_is_not_sent_home_for_our_absence() -> None:
    run = waiting()
    agent = run.take("ann")
    run.now = AWAY[1]
    kernel_was_away(run.step(), *AWAY)
    assert at(run, 899.0).state.agents[agent.agent_id].status is AgentStatus.WAITING
    assert at(run, 901.0).state.agents[agent.agent_id].status is AgentStatus.TIMEOUT


def test_who_works_alone_needs_no_kernel() -> None:
    run = Rehearsal(1, assignment_duration=500.0)
    agent = run.take("ann")
    run.now = AWAY[1]
    kernel_was_away(run.step(), *AWAY)
    assert at(run, AWAY[1]).state.agents[agent.agent_id].status is AgentStatus.TIMEOUT


def test_without_a_router_nobodys_time_passes() -> None:
    run = Rehearsal(1, assignment_duration=500.0)
    agent = run.take("ann")
    run.now = AWAY[1]
    router_was_away(run.step(), *AWAY)
    assert at(run, 1099.0).state.agents[agent.agent_id].status is AgentStatus.IN_TASK
    assert at(run, 1101.0).state.agents[agent.agent_id].status is AgentStatus.TIMEOUT


def test_a_deadline_that_began_after_an_absence_stays() -> None:
    run = Rehearsal(1, assignment_duration=500.0)
    run.now = AWAY[1] + 1  # what came before it is decided upon only now, and so is the absence
    agent = run.take("ann")
    router_was_away(run.step(), *AWAY)
    assert agent.deadline == AWAY[1] + 501


def test_what_was_over_before_stays_over() -> None:
    run = Rehearsal(1, assignment_duration=50.0)
    agent = run.take("ann")
    run.now = AWAY[1]
    router_was_away(run.step(), *AWAY)
    assert at(run, AWAY[1]).state.agents[agent.agent_id].status is AgentStatus.TIMEOUT


@pytest.mark.parametrize(("limit", "ends"), [("patience", 1100.0), ("lifetime", 1100.0)])
def test_a_run_does_not_end_by_an_absence(limit: str, ends: float) -> None:
    run = Rehearsal(1, **{limit: 500.0})
    run.now = AWAY[1]
    kernel_was_away(run.step(), *AWAY)
    assert at(run, ends - 1).state.closing is None
    assert at(run, ends + 1).state.steering.closed_by == "clock"


def test_an_absence_of_both_counts_once() -> None:
    run = waiting(patience=500.0)
    agent = run.take("ann")
    run.now = 800.0
    router_was_away(run.step(), *AWAY)
    kernel_was_away(run.step(), 90.0, 800.0)
    assert (run.state.service.away, run.state.patience_ends, agent.deadline) == (700.0, 1200.0, 1000.0)


def test_an_answer_of_that_time_is_as_new_as_its_end() -> None:
    run = Rehearsal(2, patience=500.0)
    agent = run.take("ann")
    run.now = 650.0
    run.submit(agent)
    run.now = AWAY[1]
    kernel_was_away(run.step(), *AWAY)
    assert run.state.quiet_since == AWAY[1]


def test_a_run_that_waits_for_nothing_never_ends_by_itself() -> None:
    run = at(Rehearsal(1), 1e9)
    assert run.state.closing is None
    assert run.state.next_deadline() is None
    assert [unit.status for unit in run.units] == [UnitStatus.LAUNCHED]


def test_it_is_stored_now_and_then_that_a_run_is_served() -> None:
    run = Rehearsal(1)
    told = []
    for run.now in (0.0, 1.0, 29.0, 31.0, 40.0, 10.0):
        is_served(run.step())
        told.append(run.state.service.served_until)
    assert told == [0.0, 0.0, 0.0, 31.0, 31.0, 10.0]  # a clock that was put back is believed
