"""People who do an assignment together: who waits, who begins, and what the others hear when one leaves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mephisto_nb.model.changes import AddPayment
from mephisto_nb.model.packets import PacketType
from mephisto_nb.model.records import Agent
from mephisto_nb.model.states import AGENT_ACTIVE, AgentStatus, UnitStatus
from mephisto_nb.model.task_run_args import PartnerRules, WhenLeft, WhenWaited
from mephisto_nb.rules.departures import expire_open, pass_time
from mephisto_nb.rules.seating import finish
from mephisto_nb.rules.steering import launch_more
from tests.rules.rehearsal import Rehearsal

WAITING, AT_WORK = AgentStatus.WAITING, AgentStatus.IN_TASK


def pairs(*sizes: int, limits: dict[str, Any] | None = None, waiting_pay: float = 0, **rules: Any) -> Rehearsal:
    return Rehearsal(*(sizes or (2,)), partners=PartnerRules(**rules), waiting_pay=waiting_pay, **(limits or {}))


def statuses(run: Rehearsal, *agents: Agent) -> list[str]:
    return [run.state.agents[agent.agent_id].status.value for agent in agents]


def told(run: Rehearsal, agent: Agent) -> list[Any]:
    """What the latest step tells an agent's page."""
    return [packet.data for packet in run.last.changes.packets if packet.subject_id == agent.agent_id]


def wait_over(run: Rehearsal, seconds: float = 300.0) -> None:
    run.now += seconds
    pass_time(run.step())


def test_the_first_waits_and_all_begin_when_the_last_is_there() -> None:
    run = pairs(3)
    ann, bob = run.take("ann"), run.take("bob")
    (room,) = [data["waiting_room"] for data in told(run, ann)]
    assert (room["here"], room["wanted"], statuses(run, ann, bob)) == (2, 3, ["waiting"] * 2)
    cleo = run.take("cleo")
    assert statuses(run, ann, bob, cleo) == ["in task"] * 3
    (meeting,) = run.last.meetings
    assert meeting.seats == [ann.agent_id, bob.agent_id, cleo.agent_id]
    assert {"status": "in task"} in told(run, ann)


def test_an_assignment_of_one_begins_at_once() -> None:
    run = pairs(1)
    assert run.take("ann").status is AT_WORK
    assert not run.last.meetings


def test_who_comes_goes_where_somebody_waits() -> None:
    run = pairs(2, 2, 2)
    ann = run.take("ann")
    run.state.launched = dict(reversed(run.state.launched.items()))
    assert run.unit_of(run.take("bob")).assignment_id == run.unit_of(ann).assignment_id


def test_nobody_meets_themselves() -> None:
    run = pairs(2, 2)
    ann, again = run.take("ann"), run.take("ann")
    assert run.unit_of(ann).assignment_id != run.unit_of(again).assignment_id
    assert statuses(run, ann, again) == ["waiting"] * 2


def test_leaving_the_waiting_room_frees_the_seat_and_informs_others() -> None:
    run = pairs(3)
    ann, bob = run.take("ann"), run.take("bob")
    run.leave(bob)
    assert told(run, ann)[-1]["waiting_room"]["here"] == 1
    assert run.unit_of(bob).status is UnitStatus.LAUNCHED


def test_who_waits_in_vain_is_sent_home_and_paid_once() -> None:
    run = pairs(when_waited=WhenWaited.PAY, waiting_pay=0.25)
    for times in (1, 0):
        ann = run.take("ann")
        wait_over(run)
        keys = [change.payment.key for change in run.last.changes.changes if isinstance(change, AddPayment)]
        owed = [event.subject_id for event in run.last.changes.events if event.why.startswith("is owed")]
        assert (keys, owed) == ([f"run:waiting:{ann.worker_id}"] * times, [ann.worker_id] * times)
        assert (statuses(run, ann), run.unit_of(ann).status) == (["timeout"], UnitStatus.LAUNCHED)


def test_a_program_takes_the_seat_that_nobody_has_taken() -> None:
    run = pairs(when_waited=WhenWaited.BOT)
    ann = run.take("ann")
    wait_over(run)
    assert (statuses(run, ann), run.last.meetings[0].seats) == (["in task"], [ann.agent_id, None])
    assert [unit.status for unit in run.units] == [UnitStatus.ASSIGNED, UnitStatus.EXPIRED]


def test_fewer_begin_if_they_are_enough() -> None:
    run = pairs(3, 3, when_waited=WhenWaited.FEWER, minimum=2)
    ann, bob = run.take("ann"), run.take("bob")
    wait_over(run, 300)
    assert statuses(run, ann, bob) == ["in task"] * 2
    cleo = run.take("cleo")
    wait_over(run, 300)
    assert statuses(run, cleo) == ["timeout"]


def test_a_partner_who_is_left_may_submit_and_the_seat_stays_closed() -> None:
    run = pairs(2, 2)
    ann, bob = run.take("ann"), run.take("bob")
    run.leave(ann, AgentStatus.DISCONNECT)
    assert told(run, bob) == [{"status": "partner disconnect"}]
    assert run.last.dissolved == [run.unit_of(bob).assignment_id]
    assert run.unit_of(ann).status is UnitStatus.EXPIRED
    run.submit(bob, {})
    assert (statuses(run, bob), run.unit_of(bob).status) == (["completed"], UnitStatus.COMPLETED)


def test_when_both_partners_leave_no_seat_is_open() -> None:
    run = pairs(2)
    ann, bob = run.take("ann"), run.take("bob")
    run.leave(ann)
    run.leave(bob)
    assert {unit.status for unit in run.units} == {UnitStatus.EXPIRED}
    assert run.state.is_complete


@pytest.mark.parametrize("rule", [WhenLeft.CONTINUE, WhenLeft.BOT])
def test_the_others_may_go_on(rule: WhenLeft) -> None:
    run = pairs(2, when_left=rule)
    ann, bob = run.take("ann"), run.take("bob")
    run.leave(ann)
    assert (statuses(run, bob), [agent.agent_id for agent in run.last.parted]) == (["in task"], [ann.agent_id])
    run.leave(bob)
    assert run.last.dissolved == [run.unit_of(ann).assignment_id]


def test_who_is_left_may_wait_for_somebody_else() -> None:
    run = pairs(2, when_left=WhenLeft.REQUEUE)
    ann, bob = run.take("ann"), run.take("bob")
    run.leave(ann)
    assert statuses(run, bob) == ["waiting"]
    cleo = run.take("cleo")
    assert statuses(run, bob, cleo) == ["in task"] * 2
    assert run.last.meetings[0].seats == [cleo.agent_id, bob.agent_id]


def test_who_leaves_when_all_is_said_is_missed_by_nobody() -> None:
    run = pairs(2)
    ann, bob = run.take("ann"), run.take("bob")
    finish(run.step(), run.unit_of(ann).assignment_id)
    run.leave(ann)
    assert statuses(run, bob) == ["in task"]
    assert run.unit_of(ann).status is UnitStatus.EXPIRED


def test_who_submits_in_the_middle_has_left_the_others() -> None:
    run = pairs(2)
    ann, bob = run.take("ann"), run.take("bob")
    run.submit(ann, {})
    assert statuses(run, ann, bob) == ["completed", "partner disconnect"]


def test_nobody_waits_for_a_seat_that_was_taken_back() -> None:
    run = pairs(2)
    ann = run.take("ann")
    expire_open(run.step(), "expired", "operator")
    assert statuses(run, ann) == ["timeout"]


def test_seats_are_put_on_offer_together_and_taken_back_together() -> None:
    run = pairs(2, 2, 2, limits={"max_num_concurrent_units": 3})
    assert run.state.counts[UnitStatus.LAUNCHED] == 2
    for _ in range(2):
        launch_more(run.step())
    assert run.state.counts[UnitStatus.LAUNCHED] == 2


ACTS = st.lists(
    st.tuples(st.sampled_from(["come", "leave", "submit", "wait", "finish"]), st.integers(0, 30)), max_size=60
)


@settings(max_examples=150, deadline=None)
@given(
    acts=ACTS,
    size=st.integers(2, 4),
    when_waited=st.sampled_from(list(WhenWaited)),
    when_left=st.sampled_from(list(WhenLeft)),
)
def test_seats_hold_whatever_happens(
    acts: list[tuple[str, int]], size: int, when_waited: WhenWaited, when_left: WhenLeft
) -> None:
    run = pairs(size, size, size, when_waited=when_waited, when_left=when_left, minimum=2, waiting_pay=0.1)
    for act, number in acts:
        active = [agent for agent in run.state.agents.values() if agent.status in AGENT_ACTIVE]
        agent = active[number % len(active)] if active else None
        if act == "come":
            run.ask(f"worker {number % 9}")
        elif act == "wait":
            wait_over(run, 150)
        elif agent is not None and act == "leave":
            was_at_work = agent.status is AT_WORK
            run.leave(agent)
            check_told(run, agent, was_at_work)
        elif agent is not None and act == "submit":
            run.submit(agent, {})
        elif agent is not None and agent.status is AT_WORK:
            finish(run.step(), run.unit_of(agent).assignment_id)
        check_seats(run, size)
    wait_over(run, 5000)
    wait_over(run, 5000)
    assert not run.state.rooms.waiting


def check_seats(run: Rehearsal, size: int) -> None:
    """Nobody twice in one assignment, no more than there are seats, nobody at work beside somebody who waits."""
    for assignment_id in run.state.assignments:
        here = [
            agent
            for agent in run.state.agents.values()
            if agent.status in AGENT_ACTIVE and run.unit_of(agent).assignment_id == assignment_id
        ]
        assert len(here) <= size
        assert len({agent.worker_id for agent in here}) == len({agent.unit_id for agent in here}) == len(here)
        assert len({agent.status is WAITING for agent in here}) <= 1
        waiting = {agent.agent_id for agent in here if agent.status is WAITING}
        assert waiting == set(run.state.rooms.waiting.get(assignment_id, {}))
        assert all(agent.deadline is not None for agent in here)


def check_told(run: Rehearsal, leaver: Agent, was_at_work: bool) -> None:
    """Whoever is still at work beside a leaver hears of it, by a status or by the code that goes on."""
    assignment_id = run.unit_of(leaver).assignment_id
    if not was_at_work or assignment_id in run.state.rooms.over:
        return
    others = [
        agent
        for agent in run.state.agents.values()
        if agent.status in (AT_WORK, WAITING) and run.unit_of(agent).assignment_id == assignment_id
    ]
    for other in others:
        heard = any(packet.packet_type is PacketType.UPDATE_STATUS for packet in run.last.changes.packets)
        assert leaver in run.last.parted or (heard and told(run, other))
