"""Who gets which unit, who gets none, and what they read."""

from __future__ import annotations

import pytest

from mephisto_nb.model.changes import AddAgent, AddWorker, ChangeAgent, ChangeUnit, SetReal
from mephisto_nb.model.packets import PacketType
from mephisto_nb.model.qualifications import make_requirement
from mephisto_nb.model.records import Agent, Assignment, Unit, Worker, WorkerFacts
from mephisto_nb.model.states import AgentStatus, UnitStatus
from mephisto_nb.rules.arrivals import Arrival, answer, arrive, look_ahead
from mephisto_nb.rules.eligibility import MOST_LEFT, Refusal, RefusalCode
from tests.rules.rehearsal import Rehearsal, facts_of


def test_a_worker_gets_a_unit_and_time_for_it() -> None:
    run = Rehearsal(1, assignment_duration=60.0)
    run.now = 5.0
    agent = run.take("ann")
    assert (agent.status, agent.accepted_at, agent.deadline) == (AgentStatus.IN_TASK, 5.0, 65.0)
    unit = run.unit_of(agent)
    assert (unit.status, unit.agent_id, unit.worker_id) == (UnitStatus.ASSIGNED, agent.agent_id, agent.worker_id)
    assert run.last.started == [agent]


def test_what_is_to_be_stored_of_an_arrival() -> None:
    run = Rehearsal(1)
    agent = run.take("ann")
    add_worker, add_agent, change_unit = run.last.changes.changes
    assert add_worker == AddWorker(Worker(agent.worker_id, "ann", "mock"), 0.0)
    assert add_agent == AddAgent(agent)  # as it is at the end of the step: no ChangeAgent follows
    assert change_unit == ChangeUnit(agent.unit_id, "launched", "assigned", agent.agent_id, agent.worker_id)
    assert [(event.subject, event.after) for event in run.last.changes.events] == [
        ("worker", None), ("agent", "accepted"), ("unit", "assigned"), ("agent", "in task")
    ]  # fmt: skip


def test_a_worker_seen_before_is_not_added_again() -> None:
    run = Rehearsal(1)
    agent = run.take("ann", facts=facts_of("ann"))
    assert agent.worker_id == "id of ann"
    assert not any(isinstance(change, AddWorker) for change in run.last.changes.changes)


def test_two_pages_of_a_newcomer_add_one_worker() -> None:
    run = Rehearsal(1, 1)
    agents = [run.take("ann", facts=WorkerFacts()) for _ in range(2)]
    assert agents[0].worker_id == agents[1].worker_id


def test_a_page_opened_again_after_its_answer_finds_that() -> None:
    run = Rehearsal(1, 1)
    agent = run.take("ann", "r")
    run.submit(agent)
    assert run.take("ann", "r") is agent


def test_a_page_that_cannot_know_gets_another_unit_instead() -> None:
    run = Rehearsal(1, 1, page_knows_its_end=False, serves_again=True)
    taken = []
    for _ in range(2):
        taken.append(run.take("ann", "r"))
        assert run.take("ann", "r") is taken[-1]  # until it is answered
        run.submit(taken[-1])
    assert [agent.unit_id for agent in taken] == [unit.unit_id for unit in run.units]
    assert run.refuse("ann", registration="r").code is RefusalCode.NO_AVAILABLE_UNITS


def test_who_has_their_own_link_finds_their_unit_from_any_device() -> None:
    run = Rehearsal(1, 1, has_own_links=True)
    held = run.take("ann", "phone")
    assert run.take("ann", "laptop") is held
    run.submit(held)
    assert run.take("ann", "laptop").unit_id == run.units[1].unit_id


def test_who_may_do_several_units_at_once_gets_them_first() -> None:
    run = Rehearsal(1, 1, 1, has_own_links=True, allowed_concurrent=2)
    held = [run.take("ann", device) for device in ("phone", "laptop", "tablet")]
    assert held[0] is not held[1]
    assert held[2] is held[1]


def test_where_a_registration_is_one_piece_of_work_it_stays_sent() -> None:
    run = Rehearsal(1, 1, page_knows_its_end=False)
    run.submit(run.take("ann", "r"))
    assert run.refuse("ann", registration="r").code is RefusalCode.SENT_ALREADY
    assert run.take("ann", "another").unit_id == run.units[1].unit_id


def test_units_are_given_out_in_the_order_of_the_data() -> None:
    run = Rehearsal(1, 2, 1)
    taken = [run.take(name).unit_id for name in ("ann", "ben", "eve", "zoe")]
    assert taken == [unit.unit_id for unit in run.units]


def test_nobody_gets_two_units_of_one_assignment() -> None:
    run = Rehearsal(3, 1)
    first, second = run.take("ann"), run.take("ann")
    assert run.unit_of(first).assignment_id != run.unit_of(second).assignment_id
    run.submit(first)
    assert run.refuse("ann") == Refusal(
        RefusalCode.NO_AVAILABLE_UNITS, "You have done all the work here that is open to you. Thank you!"
    )


def test_a_late_answer_excludes_its_worker_from_the_assignment() -> None:
    run = Rehearsal(3)
    first = run.take("ann")
    run.leave(first)
    run.take("ben")
    second = run.take("ann")
    assert run.take("eve").unit_id == first.unit_id
    run.submit(first)  # ann's late answer: one unit more
    run.leave(second)
    assert run.refuse("ann").code is RefusalCode.NO_AVAILABLE_UNITS


def test_a_unit_given_back_may_be_taken_by_the_same_worker() -> None:
    run = Rehearsal(1)
    first = run.take("ann")
    run.leave(first)
    second = run.take("ann")
    assert (second.unit_id, second.agent_id != first.agent_id) == (first.unit_id, True)


# -- coming back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answered", [False, True])
def test_the_same_page_finds_its_agent_again(answered: bool) -> None:
    run = Rehearsal(1, 1)
    agent = run.take("ann", "page")
    if answered:
        run.submit(agent)
    assert run.ask("ann", "page") is agent
    assert not run.last.changes


def test_the_same_page_finds_its_agent_in_a_run_that_is_closing() -> None:
    run = Rehearsal(1, 1)
    agent = run.take("ann", "page")
    run.step().close_run("enough", "operator")
    assert run.ask("ann", "page") is agent


@pytest.mark.parametrize("how", ["returned", "timeout", "disconnect"])
def test_a_page_whose_agent_has_left_gets_a_new_one(how: str) -> None:
    run = Rehearsal(1)
    first = run.take("ann", "page")
    run.leave(first, AgentStatus(how))
    second = run.take("ann", "page")
    assert second is not first
    assert run.ask("ann", "page") is second


def test_a_late_answer_is_found_by_its_page() -> None:
    run = Rehearsal(1)
    agent = run.take("ann", "page")
    run.leave(agent, AgentStatus.TIMEOUT)
    run.submit(agent)
    assert run.ask("ann", "page") is agent


def test_a_registration_of_another_worker_does_not_give_their_agent() -> None:
    run = Rehearsal(1, 1)
    ann = run.take("ann", "page")
    eve = run.take("eve", "page")
    assert eve.unit_id != ann.unit_id
    assert (run.ask("ann", "page"), run.ask("eve", "page")) == (ann, eve)


# -- refusals ------------------------------------------------------------------------------------------------


def test_a_blocked_worker_is_told_so() -> None:
    assert Rehearsal(1).refuse("ann", facts_of(blocked=True)) == Refusal(
        RefusalCode.BLOCKED, "The requester of this task no longer offers their tasks to you."
    )


@pytest.mark.parametrize(
    ("comparator", "value", "suits"),
    [
        ("GreaterThan", 4, {5, 6}),
        ("GreaterThanOrEqualTo", 5, {5, 6}),
        ("LessThan", 5, {4}),
        ("LessThanOrEqualTo", 5, {4, 5}),
        ("EqualTo", 5, {5}),
        ("NotEqualTo", 5, {4, 6}),
        ("Exists", None, {4, 5, 6}),
        ("DoesNotExist", None, {None}),
        ("In", [4, 6], {4, 6}),
        ("NotIn", [4, 6], {5}),
    ],
)
def test_each_comparator_lets_in_whom_it_should(comparator: str, value: object, suits: set[int | None]) -> None:
    requirement = make_requirement("careful", comparator, value)
    let_in = set()
    for granted in (None, 4, 5, 6):
        facts = facts_of(grants={} if granted is None else {"careful": granted})
        if not isinstance(Rehearsal(1, requirements=(requirement,)).ask("ann", facts=facts), Refusal):
            let_in.add(granted)
    assert let_in == suits


def test_the_unqualified_are_told_what_kind_of_condition_it_was() -> None:
    wants = Rehearsal(1, requirements=(make_requirement("careful", "Exists"),))
    assert wants.refuse("ann") == Refusal(
        RefusalCode.NOT_QUALIFIED, "This task asks for a qualification that you do not have."
    )
    excludes = Rehearsal(1, requirements=(make_requirement("did it", "DoesNotExist"),))
    assert excludes.refuse("ann", facts_of(grants={"did it": 1})) == Refusal(
        RefusalCode.NOT_QUALIFIED,
        "This task is not open to you: its requester has set a condition that leaves you out.",
    )


def test_all_requirements_have_to_be_met() -> None:
    both = (make_requirement("careful", "Exists"), make_requirement("quick", "GreaterThan", 2))
    run = Rehearsal(1, requirements=both)
    assert run.refuse("ann", facts_of(grants={"careful": 1, "quick": 2})).code is RefusalCode.NOT_QUALIFIED
    run.take("ann", facts=facts_of(grants={"careful": 1, "quick": 3}))


@pytest.mark.parametrize(
    ("providers", "held_to_it"), [(None, True), (["mock"], True), (["link"], True), (["mturk"], False), ([], False)]
)
def test_a_requirement_holds_for_its_providers(providers: list[str] | None, held_to_it: bool) -> None:
    requirement = make_requirement("careful", "Exists", applicable_providers=providers)
    outcome = Rehearsal(1, requirements=(requirement,)).ask("ann")
    assert isinstance(outcome, Refusal) is held_to_it


def test_a_worker_may_hold_so_many_units_at_once() -> None:
    run = Rehearsal(1, 1, 1, allowed_concurrent=1)
    agent = run.take("ann")
    assert run.refuse("ann") == Refusal(
        RefusalCode.TOO_MANY_CONCURRENT,
        "You are already working on another unit of this task, maybe in another tab. Finish or return that first.",
    )
    run.take("ben")
    run.submit(agent)
    run.take("ann")


def test_the_number_of_units_held_is_told() -> None:
    run = Rehearsal(1, 1, 1, allowed_concurrent=2)
    run.take("ann")
    run.take("ann")
    assert "working on 2 other units" in run.refuse("ann").text


def test_a_worker_may_do_so_many_units() -> None:
    run = Rehearsal(1, 1, 1, maximum_units_per_worker=2)
    run.submit(run.take("ann"))
    run.take("ann")  # counts while it is held
    assert run.refuse("ann") == Refusal(
        RefusalCode.MAX_FOR_TASK,
        "You have done 2 of these, which is as many as one person may do. Thank you for your work!",
    )


def test_units_of_other_runs_count_and_units_given_back_do_not() -> None:
    run = Rehearsal(1, 1, maximum_units_per_worker=2)
    facts = facts_of(units_elsewhere=1)
    run.leave(run.take("ann", facts=facts))
    run.take("ann", facts=facts)
    assert run.refuse("ann", facts).code is RefusalCode.MAX_FOR_TASK


def test_those_who_come_when_all_is_taken_are_asked_to_come_again() -> None:
    run = Rehearsal(1)
    agent = run.take("ann")
    busy = "Others are working on everything that is open right now. Some may come free: try again in a few minutes."
    assert run.refuse("ben") == Refusal(RefusalCode.NO_AVAILABLE_UNITS, busy)
    run.submit(agent)
    done = "All the work of this task has been done. Thank you for coming!"
    assert run.refuse("ben") == Refusal(RefusalCode.NO_AVAILABLE_UNITS, done)
    run.state.generator_done = False
    assert run.refuse("ben").text == busy


def test_a_run_that_is_closing_gives_nothing_out() -> None:
    run = Rehearsal(1)
    run.step().close_run("enough", "operator")
    assert run.refuse("ann") == Refusal(RefusalCode.RUN_OVER, "This task has ended: no more work is given out.")
    assert not run.last.changes


def test_a_refusal_adds_a_newcomer_only_where_they_might_have_worked() -> None:
    run = Rehearsal(0, requirements=(make_requirement("careful", "Exists"),))
    run.refuse("ann")
    assert not run.last.changes


# -- the researcher's own function ---------------------------------------------------------------------------


def test_worker_can_do_unit_chooses_among_all_units_on_offer() -> None:
    def may(worker: Worker, unit: Unit, assignment: Assignment) -> bool:
        return worker.worker_name == "ann" and unit.unit_index == 1 and assignment.index == 1

    run = Rehearsal(2, 2, can_do_unit=may)
    assert run.refuse("ben").code is RefusalCode.NO_AVAILABLE_UNITS
    unit = run.unit_of(run.take("ann"))
    assert (unit.unit_index, run.state.assignments[unit.assignment_id].index) == (1, 1)


@pytest.mark.parametrize("error", [KeyError("age"), SystemExit(3)])
def test_worker_can_do_unit_that_raises_means_no_and_is_logged_once(error: BaseException) -> None:
    def may(worker: Worker, unit: Unit, assignment: Assignment) -> bool:
        raise error

    run = Rehearsal(1, 1, 1, can_do_unit=may)
    assert run.refuse("ann").code is RefusalCode.NO_AVAILABLE_UNITS
    logged = [event for event in run.last.changes.events if event.subject == "unit"]
    assert [event.why for event in logged] == [f"worker_can_do_unit raised {error!r}; taken as no"]


# -- the answer to the page ----------------------------------------------------------------------------------


def test_a_page_is_answered_with_its_agent_and_work() -> None:
    run = Rehearsal(1, assignment_duration=60.0)
    agent = run.take("ann")
    run.now = 10.0
    answer(run.step(), "q1", agent, {"text": "hi"})
    (packet,) = run.last.changes.packets
    assert (packet.packet_type, packet.subject_id) == (PacketType.AGENT_DETAILS, "q1")
    assert packet.data == {
        "request_id": "q1",
        "worker_id": agent.worker_id,
        "agent_id": agent.agent_id,
        "status": "in task",
        "init_task_data": {"text": "hi"},
        "failure_reason": None,
        "failure_code": None,
        "deadline_in_seconds": 50.0,
    }


def test_numbers_that_a_browser_would_round_are_sent_as_text() -> None:
    run = Rehearsal(1)
    data = {"ids": [{"of": 2**53}, -(2**53), 2**53 - 1], "share": 1e300, "no": False, "text": "1234567890123456789"}
    agent = run.take("ann")
    answer(run.step(), "q1", agent, data)
    (packet,) = run.last.changes.packets
    sent = {"ids": [{"of": str(2**53)}, str(-(2**53)), 2**53 - 1]}
    assert packet.data["init_task_data"] == data | sent
    assert packet.data["whole_numbers"] == [["ids", 0, "of"], ["ids", 1]]


def test_a_page_is_answered_with_the_reason_why_not() -> None:
    run = Rehearsal()
    refusal = run.refuse("ann")
    answer(run.step(), "q1", refusal)
    (packet,) = run.last.changes.packets
    nothing = dict.fromkeys(("worker_id", "agent_id", "status", "init_task_data"))
    reason = {"failure_reason": "All the work of this task has been done. Thank you for coming!"}
    assert packet.data == {"request_id": "q1", **nothing, **reason, "failure_code": "no_available_units"}


def test_a_unit_and_its_agent_say_who_took_it_when_both_change_again() -> None:
    run = Rehearsal(1)
    agent = run.take("ann")
    run.leave(agent)
    assert ChangeAgent(agent.agent_id, "in task", "returned", agent.unit_id) in run.last.changes.changes


@pytest.mark.parametrize("how", [AgentStatus.RETURNED, AgentStatus.TIMEOUT, AgentStatus.DISCONNECT])
def test_nobody_takes_and_leaves_units_for_ever(how: AgentStatus) -> None:
    run = Rehearsal(1)
    for _ in range(MOST_LEFT):
        assert run.leave(run.take("ann"), how)
    assert run.refuse("ann").code is RefusalCode.MAX_FOR_TASK
    run.take("bob")


def test_a_late_answer_makes_good_for_a_unit_that_was_left() -> None:
    run = Rehearsal(1)
    agent = run.take("ann")
    run.leave(agent, AgentStatus.TIMEOUT)
    assert run.state.left_by_worker[agent.worker_id] == 1
    run.submit(run.state.agents[agent.agent_id], {})
    assert run.state.left_by_worker[agent.worker_id] == 0


def test_a_program_that_comes_first_is_noted_as_one() -> None:
    run = Rehearsal(2)
    bot, ann = (arrive(run.step(), Arrival(n, n, n, WorkerFacts(), n == "bot")) for n in ("bot", "ann"))
    assert isinstance(bot, Agent)
    assert isinstance(ann, Agent)
    assert [run.state.new_workers[name].is_simulated for name in ("bot", "ann")] == [True, False]


def test_who_came_in_person_once_stays_a_person() -> None:
    run = Rehearsal(3)
    known = WorkerFacts(Worker("w", "ann", "link", is_simulated=True))
    changes = []
    for is_simulated in (True, False, True):
        step = run.step()
        arrive(step, Arrival("r", "ann", f"page {len(changes)}", known, is_simulated))
        changes.append([one for one in step.changes.changes if isinstance(one, SetReal)])
        known = WorkerFacts(run.state.new_workers.get("ann", known.worker))
    assert changes == [[], [SetReal("w")], []]


def ahead(run: Rehearsal, name: str) -> Refusal | None:
    """Return what somebody is told who only asks whether there is work; nothing may come of it."""
    step = run.step()
    told = look_ahead(step, Arrival("r", name, "reg", facts_of(name)))
    assert step.changes.changes == []
    return told


def test_who_only_asks_for_work_takes_none() -> None:
    run = Rehearsal(1)
    assert ahead(run, "ann") is None
    run.take("ann")
    others = ahead(run, "ben")
    assert others is not None
    assert (others.code, others.may_pass) == (RefusalCode.NO_AVAILABLE_UNITS, True)


def test_who_may_do_no_more_is_told_before_they_ask() -> None:
    run = Rehearsal(2, maximum_units_per_worker=1)
    run.take("ann", facts=facts_of("ann"))
    told = ahead(run, "ann")
    assert told is not None
    assert (told.code, told.may_pass) == (RefusalCode.MAX_FOR_TASK, False)
