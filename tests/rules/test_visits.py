"""A visit of several units: how it goes on, how it ends, and what its worker and their crowd are told."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from mephisto_nb.errors import UsageError
from mephisto_nb.model.changes import AddVisit, EndVisit
from mephisto_nb.model.gates import OnboardingAgent
from mephisto_nb.model.money import Money
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.packets import PacketType
from mephisto_nb.model.qualifications import make_requirement
from mephisto_nb.model.records import Agent, Steering, WorkerFacts
from mephisto_nb.model.states import AgentStatus, UnitStatus
from mephisto_nb.model.visits import Share, Short, ShortPay, Visit, VisitRules
from mephisto_nb.rules.absence import router_was_away
from mephisto_nb.rules.arrivals import Arrival, answer, look_ahead
from mephisto_nb.rules.departures import expire_assigned
from mephisto_nb.rules.eligibility import RefusalCode
from mephisto_nb.rules.steering import pause, resume
from mephisto_nb.rules.visit_pay import share_due
from mephisto_nb.rules.visits import end_all, end_for_crowd, outcome_for_crowd, tell_rules, too_many
from tests.rules.gated import WRONG, Gated, code_of
from tests.rules.rehearsal import Rehearsal, facts_of

CROWD, LINK = VisitRules(3), VisitRules(3, serves_again=True)
#: The crowd's registration is a visit of one unit.
ONE = VisitRules()


def visit_of(run: Rehearsal, name: str = "ann") -> Visit:
    """Return the newest visit of a worker."""
    worker = run.state.new_workers[name]
    return run.state.visits.visits[run.state.visits.of_worker[worker.worker_id][-1]]


def end_of(run: Rehearsal, name: str = "ann") -> tuple[Outcome | None, Short | None, int]:
    visit = visit_of(run, name)
    return visit.outcome, visit.short, visit.done


def do(run: Rehearsal, units: int, name: str = "ann", page: str = "page") -> None:
    for _ in range(units):
        run.submit(run.take(name, page))


# -- going on ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [CROWD, LINK], ids=["crowd", "link"])
def test_the_same_page_gets_one_unit_after_another(rules: VisitRules) -> None:
    run = Rehearsal(1, 1, 1, 1, visits=rules)
    taken = []
    for _ in range(3):
        taken.append(run.take("ann", "page"))
        run.submit(taken[-1])
    assert [agent.unit_id for agent in taken] == [unit.unit_id for unit in run.units[:3]]
    assert {agent.visit_id for agent in taken} == {visit_of(run).visit_id}
    assert end_of(run) == (Outcome.COMPLETED, None, 3)
    assert run.refuse("ann", registration="page").code is RefusalCode.VISIT_OVER


def test_a_page_that_is_loaded_again_finds_its_unit() -> None:
    run = Rehearsal(1, 1, 1, visits=CROWD)
    do(run, 1)
    agent = run.take("ann", "page")
    assert run.take("ann", "page") is agent
    assert not run.last.changes


def test_a_second_device_finds_the_unit_where_links_serve_again() -> None:
    run = Rehearsal(1, 1, 1, visits=LINK)
    do(run, 1, page="phone")
    assert run.take("ann", "laptop") is run.take("ann", "phone")
    assert len(run.state.visits.visits) == 1


def test_another_registration_of_a_crowd_is_another_visit() -> None:
    run = Rehearsal(1, 1, 1, visits=CROWD)
    assert run.take("ann", "first").visit_id != run.take("ann", "second").visit_id


def test_a_page_is_told_its_place() -> None:
    run = Rehearsal(1, 1, 1, visits=CROWD)
    do(run, 1)
    agent = run.take("ann", "page")
    answer(step := run.step(), "request", agent, {})
    assert step.changes.packets[0].packet_type is PacketType.AGENT_DETAILS
    assert step.changes.packets[0].data["visit"] == {"position": 2, "of": 3}


def test_a_page_without_a_visit_is_told_no_place() -> None:
    run = Rehearsal(1)
    answer(step := run.step(), "request", run.take("ann"), {})
    assert "visit" not in step.changes.packets[0].data


def test_all_units_have_the_time_of_the_visit() -> None:
    run = Rehearsal(1, 1, 1, visits=CROWD, assignment_duration=60.0)
    do(run, 1)
    run.now = 50.0
    assert run.take("ann", "page").deadline == 60.0


def test_a_unit_pays_its_part_of_the_visit() -> None:
    rules = Rehearsal(1, visits=VisitRules(3), task_reward=Money.of("1.00")).state.rules
    assert (rules.unit_pay(Money.of("1.00")), rules.visit_pay) == (Money.of("0.33333"), Money.of("1.00"))
    assert rules.steered(Steering(task_reward=Money.of("3.00"))).pay_amount == Money.of("1.00")
    assert Rehearsal(1).state.rules.unit_pay(Money.of("2.00")) == Money.of("2.00")


def test_what_is_to_be_stored_of_a_visit() -> None:
    run = Rehearsal(1, 1, visits=VisitRules(2))
    run.take("ann", "page")
    (added,) = [one for one in run.last.changes.changes if isinstance(one, AddVisit)]
    assert added.visit is visit_of(run)
    begun = [event.after for event in run.last.changes.events if event.subject == "visit"]
    run.submit(run.take("ann", "page"))
    step = run.submit(run.take("ann", "page"))
    assert [one.outcome for one in step.changes.changes if isinstance(one, EndVisit)] == [Outcome.COMPLETED]
    assert begun + [event.after for event in step.changes.events if event.subject == "visit"] == ["begun", "completed"]


def test_a_visit_that_begins_and_ends_in_one_step_is_stored_once() -> None:
    run = Rehearsal(visits=CROWD)
    run.refuse("ann", registration="page")
    kinds = [type(one) for one in run.last.changes.changes]
    assert kinds.count(AddVisit) == 1
    assert EndVisit not in kinds


# -- ends --------------------------------------------------------------------------------------------------------


def test_where_nothing_is_left_the_visit_is_short() -> None:
    run = Rehearsal(1, 1, visits=CROWD)
    do(run, 2)
    assert run.refuse("ann", registration="page").code is RefusalCode.VISIT_OVER
    assert end_of(run) == (Outcome.COMPLETED, Short.FEWER_UNITS, 2)


def test_what_others_hold_is_not_waited_for_in_a_visit() -> None:
    run = Rehearsal(1, 1, visits=CROWD)
    held = run.take("ben", "other")
    do(run, 1)
    run.refuse("ann", registration="page")
    assert end_of(run) == (Outcome.COMPLETED, Short.FEWER_UNITS, 1)
    assert visit_of(run, "ben").ended_at is None
    assert held.status is AgentStatus.IN_TASK


def test_work_that_is_still_to_come_is_waited_for() -> None:
    run = Rehearsal(1, visits=CROWD)
    run.state.generator_done = False
    do(run, 1)
    assert run.refuse("ann", registration="page").may_pass
    assert visit_of(run).ended_at is None


def test_room_that_an_answer_makes_is_there_in_the_same_step() -> None:
    run = Rehearsal(1, 1, 1, visits=CROWD, max_num_concurrent_units=1)
    do(run, 1)
    assert run.take("ann", "page").unit_id == run.units[1].unit_id


@pytest.mark.parametrize(
    ("sent", "reason", "ended"),
    [
        (0, "", (Outcome.RETURNED, None, 0)),
        (2, "", (Outcome.RETURNED, Short.STOPPED_EARLY, 2)),
        (0, "no_consent", (Outcome.NO_CONSENT, None, 0)),
        (1, "no_consent", (Outcome.NO_CONSENT, Short.STOPPED_EARLY, 1)),
    ],
)
def test_who_gives_a_unit_back_ends_their_visit(sent: int, reason: str, ended: tuple[Any, ...]) -> None:
    run = Rehearsal(1, 1, 1, visits=CROWD)
    do(run, sent)
    agent = run.take("ann", "page")
    run.give_back(agent, reason)
    assert end_of(run) == ended
    assert run.unit_of(agent).status is UnitStatus.LAUNCHED
    assert run.refuse("ann", registration="page").code is RefusalCode.VISIT_OVER
    assert len([unit for unit in run.units if unit.status is UnitStatus.COMPLETED]) == sent


@pytest.mark.parametrize(("sent", "short"), [(0, None), (1, Short.STOPPED_EARLY)])
def test_at_its_deadline_a_visit_ends_and_frees_its_unit(sent: int, short: Short | None) -> None:
    run = Rehearsal(1, 1, 1, visits=CROWD, assignment_duration=60.0)
    do(run, sent)
    agent = run.take("ann", "page")
    assert run.state.next_deadline() == 60.0
    run.pass_time(60.0)
    assert end_of(run) == (Outcome.TIMED_OUT, short, sent)
    assert (agent.status, run.unit_of(agent).status) == (AgentStatus.TIMEOUT, UnitStatus.LAUNCHED)
    assert run.refuse("ann", registration="page").code is RefusalCode.VISIT_OVER


def test_who_waits_for_more_at_the_deadline_has_done_their_part() -> None:
    run = Rehearsal(1, 1, visits=CROWD, assignment_duration=60.0)
    do(run, 1)
    pause(run.step())
    assert run.refuse("ann", registration="page").code is RefusalCode.PAUSED
    run.pass_time(60.0)
    assert end_of(run) == (Outcome.COMPLETED, Short.FEWER_UNITS, 1)


def test_after_a_pause_the_visit_goes_on() -> None:
    run = Rehearsal(1, 1, visits=CROWD)
    do(run, 1)
    pause(run.step())
    run.refuse("ann", registration="page")
    resume(run.step())
    assert run.take("ann", "page").visit_id == visit_of(run).visit_id


def test_who_was_kept_waiting_beyond_their_time_gets_it_back() -> None:
    run = Rehearsal(1, 1, visits=CROWD, assignment_duration=600.0)
    run.now = 100.0
    do(run, 1)
    run.now = 5000.0  # the kernel was away; nobody has looked at the clock since
    assert run.take("ann", "page").deadline == 5000.0 + 600.0
    assert visit_of(run).deadline == 5600.0


def test_time_without_a_router_is_no_part_of_a_visit() -> None:
    run = Rehearsal(1, 1, visits=CROWD, assignment_duration=60.0)
    agent = run.take("ann", "page")
    run.now = 50.0
    router_was_away(run.step(), 10.0, 40.0)
    assert (agent.deadline, visit_of(run).deadline) == (90.0, 90.0)


def test_who_is_lost_comes_back_to_their_visit() -> None:
    run = Rehearsal(1, 1, visits=CROWD)
    do(run, 1)
    run.leave(run.take("ann", "page"), AgentStatus.DISCONNECT)
    assert run.take("ann", "page").visit_id == visit_of(run).visit_id


def test_a_run_that_ends_ends_its_visits() -> None:
    run = Rehearsal(1, 1, 1, visits=CROWD)
    do(run, 1)
    run.take("ann", "page")
    run.take("ben", "other")
    step = run.step()
    step.close_run("enough", "operator")
    expire_assigned(step, "enough", "operator")
    end_all(step)
    assert end_of(run) == (Outcome.COMPLETED, Short.FEWER_UNITS, 1)
    assert end_of(run, "ben") == (Outcome.QUOTA_FULL, None, 0)


def test_a_late_answer_counts_for_its_visit_and_changes_no_end() -> None:
    run = Rehearsal(1, 1, visits=CROWD, assignment_duration=60.0)
    agent = run.take("ann", "page")
    run.pass_time(60.0)
    run.submit(agent)
    assert end_of(run) == (Outcome.TIMED_OUT, None, 1)


# -- on arrival --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "code", "outcome"),
    [
        (facts_of(blocked=True), RefusalCode.BLOCKED, Outcome.SCREENED_OUT),
        (WorkerFacts(), RefusalCode.NOT_QUALIFIED, Outcome.SCREENED_OUT),
    ],
)
def test_who_is_turned_away_by_a_crowds_run_has_had_a_visit(
    facts: WorkerFacts, code: RefusalCode, outcome: Outcome
) -> None:
    run = Rehearsal(1, visits=ONE, requirements=(make_requirement("able", "Exists"),))
    refusal = run.refuse("ann", facts, "page")
    assert (refusal.code, refusal.visit_id is not None) == (code, True)
    visit = run.state.visits.visits[refusal.visit_id or ""]
    assert (visit.outcome, visit.why) == (outcome, refusal.text)
    again = run.refuse("ann", facts_of(grants={"able": 1}) if facts.worker else None, "page")
    assert (again.code, again.text, again.visit_id) == (RefusalCode.VISIT_OVER, refusal.text, refusal.visit_id)


def test_who_finds_nothing_has_had_a_visit_of_their_crowd() -> None:
    run = Rehearsal(visits=ONE)
    assert run.refuse("ann", registration="page").code is RefusalCode.NO_AVAILABLE_UNITS
    assert end_of(run) == (Outcome.QUOTA_FULL, None, 0)


def test_what_may_come_free_ends_no_visit() -> None:
    run = Rehearsal(1, visits=ONE)
    run.take("ben", "other")
    assert run.refuse("ann", registration="page").may_pass
    assert len(run.state.visits.visits) == 1


def test_a_run_that_is_over_is_full() -> None:
    run = Rehearsal(1, visits=ONE)
    run.step().close_run("enough", "operator")
    assert run.refuse("ann", registration="page").code is RefusalCode.RUN_OVER
    assert visit_of(run).outcome is Outcome.QUOTA_FULL


def test_by_a_link_nobody_is_turned_away_for_good() -> None:
    run = Rehearsal(visits=LINK)
    assert run.refuse("ann", registration="page").visit_id is None
    assert not run.state.visits.visits


def test_a_decision_that_is_put_off_ends_no_visit() -> None:
    run = Rehearsal(1, 1, visits=CROWD, can_do_unit=lambda *_: False, is_undecided=lambda name: name == "ann")
    run.refuse("ann", registration="page")
    assert not run.state.visits.visits
    run.refuse("ben", registration="page")
    assert visit_of(run, "ben").outcome is Outcome.QUOTA_FULL


@pytest.mark.parametrize(
    ("most", "ended", "may"),
    [
        (0, Outcome.COMPLETED, True),
        (1, Outcome.COMPLETED, False),
        (2, Outcome.COMPLETED, True),
        (1, Outcome.RETURNED, True),  # with nothing sent it was none
        (1, Outcome.SCREENED_OUT, False),
    ],
)
def test_nobody_makes_more_visits_than_they_may(most: int, ended: Outcome, may: bool) -> None:
    run = Rehearsal(1, visits=VisitRules(2, most_per_worker=most))
    worker_id = run.take("ann", "page").worker_id
    visit = visit_of(run)
    visit.outcome, visit.done = ended, int(ended is Outcome.COMPLETED)
    assert (too_many(run.state, worker_id) is None) == may


def test_a_further_visit_beyond_the_limit_is_full() -> None:
    run = Rehearsal(1, 1, 1, visits=VisitRules(1, most_per_worker=1))
    do(run, 1, page="first")
    refusal = run.refuse("ann", registration="second")
    assert (refusal.code, visit_of(run).outcome) == (RefusalCode.MAX_FOR_TASK, Outcome.QUOTA_FULL)


def test_by_a_link_another_visit_may_begin() -> None:
    run = Rehearsal(1, 1, 1, 1, visits=VisitRules(2, serves_again=True))
    do(run, 2, page="first")
    assert run.refuse("ann", registration="first").code is RefusalCode.VISIT_OVER
    assert run.take("ann", "second").visit_id != run.state.agents[min(run.state.agents)].visit_id


@pytest.mark.parametrize(
    ("rules", "page", "expected"),
    [
        (LINK, "page", None),
        (LINK, "another", None),
        (CROWD, "page", RefusalCode.VISIT_OVER),
        (replace(LINK, most_per_worker=1), "another", RefusalCode.MAX_FOR_TASK),
    ],
)
def test_looking_ahead_tells_whether_there_is_another_visit(
    rules: VisitRules, page: str, expected: RefusalCode | None
) -> None:
    run = Rehearsal(1, 1, 1, 1, visits=rules)
    do(run, 3)
    facts = WorkerFacts(run.state.new_workers["ann"])
    found = look_ahead(run.step(), Arrival("request", "ann", page, facts))
    assert (found.code if found else None) == expected
    assert not run.last.changes


# -- gates -------------------------------------------------------------------------------------------------------


def test_gold_units_take_places_of_a_visit() -> None:
    run = Gated(1, 1, 1, visits=CROWD, gold="moods", min_golds=1)
    indexes = []
    for _ in range(3):
        agent = run.come("ann", "page")
        indexes.append(run.index_of(agent))
        answer(step := run.step(), "request", agent, {})
        assert step.changes.packets[0].data["visit"] == {"position": len(indexes), "of": 3}
        run.do(agent)
    assert (indexes.count(-2), len(indexes)) == (1, 3)
    assert code_of(run.come("ann", "page")) == "visit_over"
    assert end_of(run) == (Outcome.COMPLETED, None, 3)


def test_screening_comes_before_the_places_of_a_visit() -> None:
    run = Gated(1, 1, visits=VisitRules(2), screening="able")
    for _ in range(3):
        run.do(run.come("ann", "page"))
    assert end_of(run) == (Outcome.COMPLETED, None, 3)
    assert visit_of(run).asked == 3


@pytest.mark.parametrize(
    ("gate", "outcome"),
    [({"screening": "able"}, Outcome.SCREENED_OUT), ({"gold": "moods"}, Outcome.FAILED_CHECKS)],
)
def test_who_fails_a_gates_unit_is_at_the_end(gate: dict[str, str], outcome: Outcome) -> None:
    run = Gated(1, 1, visits=CROWD, **gate)
    agent = run.come("ann", "page")
    run.do(agent, WRONG)  # and no page asks
    assert visit_of(run).outcome is outcome
    assert code_of(run.come("ann", "page")) == "visit_over"


def test_who_fails_the_introduction_is_screened_out() -> None:
    run = Gated(1, visits=ONE, onboarding="trained")
    newcomer = run.come("ann", "page")
    assert isinstance(newcomer, OnboardingAgent)
    answer(step := run.step(), "request", newcomer, {})
    assert step.changes.packets[0].data["visit"] == {"position": 0, "of": 1}
    assert code_of(run.introduce(newcomer, WRONG)) == "visit_over"
    assert end_of(run) == (Outcome.SCREENED_OUT, None, 0)


@pytest.mark.parametrize(("reason", "outcome"), [("", Outcome.RETURNED), ("no_consent", Outcome.NO_CONSENT)])
def test_who_leaves_the_introduction_ends_their_visit(reason: str, outcome: Outcome) -> None:
    run = Gated(1, visits=ONE, onboarding="trained")
    run.give_back(run.come("ann", "page"), reason)
    assert end_of(run) == (outcome, None, 0)


def test_the_introduction_is_done_within_the_time_of_the_visit() -> None:
    run = Gated(1, 1, visits=CROWD, onboarding="trained", assignment_duration=60.0)
    newcomer = run.come("ann", "page")
    run.now = 20.0
    agent = run.introduce(newcomer)
    assert (newcomer.deadline, agent.deadline, agent.visit_id) == (60.0, 60.0, visit_of(run).visit_id)


def test_the_last_answer_is_judged_before_the_visit_ends() -> None:
    run = Gated(1, 1, visits=VisitRules(1), judges_attention=True, attention={"catch": "x"}, max_failed_checks=0)
    agent = run.come("ann", "page")
    run.submit(agent, WRONG)
    run.commit(run.last)
    assert visit_of(run).ended_at is None
    run.run_jobs()
    assert end_of(run) == (Outcome.FAILED_CHECKS, None, 1)


def test_a_check_that_tells_at_once_ends_the_visit_at_once() -> None:
    run = Gated(1, 1, visits=CROWD, minimum_seconds=10, max_failed_checks=0)
    agent = run.come("ann", "page")
    run.submit(agent, {})
    assert visit_of(run).outcome is Outcome.FAILED_CHECKS


# -- what is told, and what is due -----------------------------------------------------------------------------------


def ended(outcome: Outcome, done: int, short: Short | None = None, asked: int = 4) -> Visit:
    return Visit("v", "w", "r", {}, asked, 0.0, 60.0, 50.0, outcome, short, done=done)


STOPPED, FEWER = Short.STOPPED_EARLY, Short.FEWER_UNITS
FULL, UNIT, BACK = ShortPay.PAY_FULL, ShortPay.PAY_BY_UNIT, ShortPay.RETURN


@pytest.mark.parametrize(
    ("visit", "rule", "expected"),
    [
        (ended(Outcome.COMPLETED, 4), BACK, Outcome.COMPLETED),
        (ended(Outcome.RETURNED, 0), UNIT, Outcome.RETURNED),
        (ended(Outcome.RETURNED, 2, STOPPED), UNIT, Outcome.COMPLETED),
        (ended(Outcome.RETURNED, 2, STOPPED), FULL, Outcome.COMPLETED),
        (ended(Outcome.RETURNED, 2, STOPPED), BACK, Outcome.RETURNED),
        (ended(Outcome.COMPLETED, 2, FEWER), FULL, Outcome.COMPLETED),
        (ended(Outcome.COMPLETED, 2, FEWER), BACK, Outcome.RETURNED),
        (ended(Outcome.TIMED_OUT, 2, STOPPED), UNIT, Outcome.TIMED_OUT),
        (ended(Outcome.NO_CONSENT, 2, STOPPED), UNIT, Outcome.NO_CONSENT),
        (ended(Outcome.SCREENED_OUT, 0), UNIT, Outcome.SCREENED_OUT),
    ],
)
def test_the_crowd_is_told_what_the_rule_makes_of_it(visit: Visit, rule: ShortPay, expected: Outcome) -> None:
    assert outcome_for_crowd(visit, VisitRules(4, rule, rule)) is expected


@pytest.mark.parametrize(
    ("visit", "rule", "accepted", "decided", "kind", "fraction"),
    [
        (ended(Outcome.COMPLETED, 4), BACK, 4, 4, Share.FULL, 1),
        (ended(Outcome.COMPLETED, 4), BACK, 3, 4, Share.FULL, 1),  # it is paid as a whole
        (ended(Outcome.COMPLETED, 4), UNIT, 0, 4, Share.NONE, 0),
        (ended(Outcome.COMPLETED, 4), UNIT, 2, 2, Share.FULL, 1),
        (ended(Outcome.COMPLETED, 2, FEWER), FULL, 2, 2, Share.FULL, 1),
        (ended(Outcome.COMPLETED, 2, FEWER), FULL, 1, 2, Share.FULL, 1),
        (ended(Outcome.COMPLETED, 2, FEWER), FULL, 0, 2, Share.NONE, 0),
        (ended(Outcome.COMPLETED, 2, FEWER), UNIT, 2, 2, Share.BY_UNIT, Fraction(1, 2)),
        (ended(Outcome.COMPLETED, 2, FEWER), BACK, 2, 2, Share.NONE, 0),
        (ended(Outcome.RETURNED, 1, STOPPED), UNIT, 1, 1, Share.BY_UNIT, Fraction(1, 4)),
        (ended(Outcome.RETURNED, 1, STOPPED), FULL, 1, 1, Share.FULL, 1),
        (ended(Outcome.RETURNED, 1, STOPPED), BACK, 1, 1, Share.NONE, 0),
        (ended(Outcome.RETURNED, 0), FULL, 0, 0, Share.NONE, 0),
        (ended(Outcome.TIMED_OUT, 0), FULL, 0, 0, Share.NONE, 0),
        (ended(Outcome.TIMED_OUT, 3, STOPPED), UNIT, 3, 3, Share.BY_UNIT, Fraction(3, 4)),
        (ended(Outcome.TIMED_OUT, 1), UNIT, 1, 1, Share.BY_UNIT, Fraction(1, 4)),  # it came in late
        (ended(Outcome.TIMED_OUT, 4), UNIT, 4, 4, Share.FULL, 1),  # the last one did
        (ended(Outcome.NO_CONSENT, 0), FULL, 0, 0, Share.NONE, 0),
        (ended(Outcome.NO_CONSENT, 2, STOPPED), UNIT, 2, 2, Share.BY_UNIT, Fraction(1, 2)),
        (ended(Outcome.FAILED_CHECKS, 2), FULL, 1, 2, Share.BY_UNIT, Fraction(1, 4)),
        (ended(Outcome.SCREENED_OUT, 1), FULL, 1, 1, Share.NONE, 0),
        (ended(Outcome.QUOTA_FULL, 0), FULL, 0, 0, Share.NONE, 0),
    ],
)
def test_which_share_is_due(
    visit: Visit, rule: ShortPay, accepted: int, decided: int, kind: Share, fraction: Fraction
) -> None:
    share = share_due(visit, VisitRules(4, rule, rule), accepted, decided)
    assert (share.kind, share.fraction) == (kind, fraction)
    assert share.is_final == (decided >= visit.done)


def test_for_a_visit_that_goes_on_nothing_can_be_said() -> None:
    with pytest.raises(UsageError, match="has not ended"):
        share_due(replace(ended(Outcome.COMPLETED, 1), outcome=None), VisitRules(4), 1, 1)


def test_the_crowd_hears_what_it_gave_along() -> None:
    run = Rehearsal(1, 1, visits=ONE)
    do(run, 1)
    end = end_for_crowd(run.state, visit_of(run))
    assert (end.worker_name, end.registration_id, end.outcome) == ("ann", "page", Outcome.COMPLETED)
    assert (end.done, end.asked, end.short) == (1, 1, None)


@pytest.mark.parametrize("rule", ShortPay)
@pytest.mark.parametrize("is_paid", [True, False])
def test_workers_are_told_what_stopping_means(rule: ShortPay, is_paid: bool) -> None:
    told = tell_rules(VisitRules(20, when_stopped_early=rule), is_paid=is_paid, seconds=1800)
    assert told["about"].startswith("items, one after the other. You have 30 minutes")
    assert ("paid" in told["if_nothing"]) == is_paid
    assert ("paid" in told["if_stopped"]) == is_paid
    run = Rehearsal(1, 1, 1, visits=VisitRules(3, rule), pay_amount=Money.of(0.1 if is_paid else 0))
    do(run, 1)
    run.give_back(run.take("ann", "page"))
    assert told["when_stopped"] in visit_of(run).why


def test_an_agent_of_no_visit_is_none_of_its() -> None:
    run = Rehearsal(1)
    agent = run.take("ann")
    assert isinstance(agent, Agent)
    assert agent.visit_id is None
    run.give_back(agent)
    assert agent.status is AgentStatus.RETURNED


@pytest.mark.parametrize(
    ("units", "reason", "about"),
    [
        (3, "", "You are paid once they are accepted."),
        (2, "", "You are paid for the items that you have sent."),
        (0, "", "As nothing was sent, nothing is paid."),
        (0, "no_consent", "As nothing was sent, nothing is paid."),
    ],
)
def test_an_end_says_what_it_means_for_pay(units: int, reason: str, about: str) -> None:
    for pay in (0.1, 0):
        run = Rehearsal(1, 1, 1, 1, visits=CROWD, pay_amount=Money.of(pay))
        do(run, units)
        if units < 3:
            run.give_back(run.take("ann", "page"), reason)
        assert (about in visit_of(run).why) == bool(pay)


def test_who_fails_a_check_reads_that_they_are_paid_for_what_is_good() -> None:
    run = Gated(1, 1, visits=CROWD, pay_amount=Money.of(0.1), minimum_seconds=10, max_failed_checks=0)
    run.do(run.come("ann", "page"))
    (visit,) = run.state.visits.visits.values()
    assert visit.why.endswith("What you have sent is looked at, and paid if it is accepted.")
