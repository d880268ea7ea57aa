"""What earlier runs say of people, and what of that is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mephisto_nb.model.changes import AddReview
from mephisto_nb.model.money import Money
from mephisto_nb.model.reviews import Review
from mephisto_nb.model.states import AgentStatus, PaymentStatus, UnitStatus
from mephisto_nb.money.evidence import Evidence, read_evidence
from mephisto_nb.operator import Operator
from tests.money.people import NOON, add_answers, add_leaving, add_payment, add_person, add_units, make_run


def read(operator: Operator, task_name: str = "moods", crowd: str = "link") -> Evidence:
    return read_evidence(operator._runs.database, task_name, crowd, now=NOON + 7200)


def test_without_runs_nothing_is_known(operator: Operator) -> None:
    found = read(operator)
    assert (found.runs, found.answers, found.rehearsed) == ((), 0, 0)


def test_answers_one_after_the_other_are_one_visit(operator: Operator) -> None:
    run = make_run(operator)
    add_answers(run, add_person(run, "ann"), [10, 20, 30], begun=3600)
    (visit,) = read(operator).visits
    assert visit.seconds == pytest.approx((10, 20, 30))
    assert visit.begun == pytest.approx(1.0)


def test_who_comes_back_much_later_comes_twice(operator: Operator) -> None:
    run = make_run(operator)
    ann = add_person(run, "ann")
    add_answers(run, ann, [10])
    add_answers(run, ann, [20], begun=3600)
    assert [len(visit.seconds) for visit in read(operator).visits] == [1, 1]


def test_who_leaves_is_counted_and_how_long_they_hold(operator: Operator) -> None:
    run = make_run(operator)
    (unit,) = add_units(run, UnitStatus.LAUNCHED, 1)
    add_leaving(run, add_person(run, "ann"), unit, 0, AgentStatus.TIMEOUT)
    add_leaving(run, add_person(run, "bob"), unit, 5, AgentStatus.RETURNED)
    timeout, returned = read(operator).visits
    assert (timeout.left, timeout.by_timeout, timeout.held) == (True, True, 1800.0)
    assert (returned.left, returned.by_timeout) == (True, False)


def test_programs_are_counted_and_say_nothing_else(operator: Operator) -> None:
    run = make_run(operator)
    robot = add_person(run, "robot", is_simulated=True)
    (unit,) = add_answers(run, robot, [0.1])
    add_payment(run, robot, Money.of("0.05"), PaymentStatus.OWED, unit=unit)
    found = read(operator)
    assert (found.rehearsed, found.answers, found.reviewed) == (1, 0, 0)
    assert found.rehearsed_bonus == pytest.approx(0.05)
    assert not found.bonuses.any()


def test_what_a_reviewer_gave_a_program_is_no_bonus_to_come(operator: Operator) -> None:
    run = make_run(operator)
    robot = add_person(run, "robot", is_simulated=True)
    (unit,) = add_answers(run, robot, [0.1])
    add_payment(run, robot, Money.of("0.30"), PaymentStatus.OWED, unit=unit)
    (paid,) = run.database.reviews.read_payments([run.id])
    states = UnitStatus.COMPLETED, UnitStatus.ACCEPTED
    given = Review("r1", unit.unit_id, str(unit.agent_id), robot.worker_id, *states, "", "", "mia", NOON)
    run.commit(AddReview(replace(given, bonus_payment_id=paid["payment_id"])))
    assert read(operator).rehearsed_bonus == 0


def test_decisions_are_counted(operator: Operator) -> None:
    run = make_run(operator)
    add_answers(run, add_person(run, "ann"), [10, 10, 10])
    add_answers(run, add_person(run, "bob"), [10], status=UnitStatus.REJECTED, agent=AgentStatus.REJECTED)
    add_answers(run, add_person(run, "cid"), [10], status=UnitStatus.COMPLETED, agent=AgentStatus.COMPLETED)
    found = read(operator)
    assert (found.reviewed, found.rejected) == (4, 1)


def test_bonuses_are_one_for_each_answer(operator: Operator) -> None:
    run = make_run(operator)
    ann = add_person(run, "ann")
    units = add_answers(run, ann, [10, 10, 10, 10])
    add_payment(run, ann, Money.of("0.05"), PaymentStatus.OWED, unit=units[0])
    add_payment(run, ann, Money.of("0.05"), PaymentStatus.CANCELLED, unit=units[1])
    found = read(operator).bonuses
    assert (found.size, found.sum()) == (4, pytest.approx(0.05))


def test_runs_of_the_same_crowd_come_first(operator: Operator) -> None:
    for crowd in ("link", "other"):
        run = make_run(operator, provider_type=crowd)
        add_answers(run, add_person(run, "ann"), [10] if crowd == "link" else [99])
    assert [visit.seconds for visit in read(operator).visits] == [(10.0,)]


def test_another_crowd_is_better_than_nothing(operator: Operator) -> None:
    run = make_run(operator, provider_type="other")
    add_answers(run, add_person(run, "ann"), [99])
    found = read(operator)
    assert (found.answers, found.same_crowd) == (1, False)


def test_other_tasks_say_nothing(operator: Operator) -> None:
    run = make_run(operator, "colours")
    add_answers(run, add_person(run, "ann"), [10])
    assert read(operator).answers == 0


def test_who_finds_nothing_left_is_no_sign_of_few(operator: Operator) -> None:
    run = make_run(operator)
    add_answers(run, add_person(run, "ann"), [600])
    add_answers(run, add_person(run, "bob"), [60], begun=300)
    (seen,) = read(operator).runs
    assert seen.closed[0][0] == pytest.approx(300 / 3600)
    assert seen.until == pytest.approx(300 / 3600)


def test_while_work_is_left_time_without_anybody_counts(operator: Operator) -> None:
    run = make_run(operator)
    add_units(run, UnitStatus.LAUNCHED, 5)
    add_answers(run, add_person(run, "ann"), [60])
    (seen,) = read(operator).runs
    assert (seen.closed, seen.until) == ((), pytest.approx(2.0))


def test_a_limit_of_open_units_hides_who_comes(operator: Operator) -> None:
    run = make_run(operator, config={"mephisto": {"task": {"task_name": "moods", "max_num_concurrent_units": 1}}})
    add_units(run, UnitStatus.LAUNCHED, 5)
    add_answers(run, add_person(run, "ann"), [360])
    (seen,) = read(operator).runs
    assert seen.closed == (pytest.approx((0.0, 0.1)),)


def test_answers_of_two_visits_are_two_though_they_follow(operator: Operator) -> None:
    run = make_run(operator)
    ann = add_person(run, "ann")
    add_answers(run, ann, [10, 20], visit_id="first")
    add_answers(run, ann, [30], begun=31, visit_id="second")
    assert [visit.seconds for visit in read(operator).visits] == [pytest.approx((10, 20)), pytest.approx((30,))]
