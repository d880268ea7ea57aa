"""Creating work, putting it on offer, and opening a run again."""

from __future__ import annotations

import pytest

from mephisto_nb.errors import TransitionError
from mephisto_nb.model.changes import AddAssignments, ChangeUnit, GeneratorDone, ReopenRun
from mephisto_nb.model.money import Money
from mephisto_nb.model.shared_state import InitializationData
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.rules.departures import expire_open
from mephisto_nb.rules.steering import create, launch_more, reopen_expired
from tests.rules.rehearsal import Rehearsal


def _statuses(run: Rehearsal) -> list[str]:
    return [unit.status.value for unit in run.units]


def test_an_assignment_has_a_unit_for_each_of_its_data() -> None:
    run = Rehearsal(2, 1, launched=False, pay_amount=0.15)
    pay = Money.of("0.15")
    assert [a.index for a in run.state.assignments.values()] == [0, 1]
    assert [(unit.unit_index, unit.pay_amount, unit.status) for unit in run.units] == [
        (0, pay, "created"), (1, pay, "created"), (0, pay, "created")
    ]  # fmt: skip
    added, done = run.last.changes.changes
    assert isinstance(added, AddAssignments)
    assert done == GeneratorDone()


def test_later_assignments_are_numbered_on() -> None:
    run = Rehearsal(1)
    create(run.step(), [InitializationData({})])
    assert [a.index for a in run.state.assignments.values()] == [0, 1]


def test_all_units_are_put_on_offer_where_there_is_no_limit() -> None:
    run = Rehearsal(2, 1, launched=False)
    assert launch_more(run.step()) == 3
    assert _statuses(run) == ["launched"] * 3
    assert run.last.changes.changes[0] == ChangeUnit(run.units[0].unit_id, "created", "launched", None, None)


def test_so_many_units_are_out_at_once() -> None:
    run = Rehearsal(1, 1, 1, 1, max_num_concurrent_units=2)
    assert _statuses(run) == ["launched", "launched", "created", "created"]
    agent = run.take("ann")
    assert launch_more(run.step()) == 0  # a unit that is being worked on counts
    run.submit(agent)
    assert launch_more(run.step()) == 1
    assert _statuses(run) == ["completed", "launched", "launched", "created"]


def test_a_unit_given_back_does_not_make_room() -> None:
    run = Rehearsal(1, 1, max_num_concurrent_units=1)
    run.leave(run.take("ann"))
    assert launch_more(run.step()) == 0


def test_a_run_that_is_closing_launches_nothing() -> None:
    run = Rehearsal(1, launched=False)
    run.step().close_run("enough", "operator")
    assert launch_more(run.step()) == 0


def test_a_run_opened_again_offers_what_nobody_answered() -> None:
    run = Rehearsal(1, 1, 1, max_num_concurrent_units=2)
    run.submit(run.take("ann"))
    run.step().close_run("enough", "operator")
    expire_open(run.step(), "enough", "operator")
    run.now = 50.0
    step = run.step()
    step.reopen_run()
    assert reopen_expired(step) == 2
    assert launch_more(step) == 2
    assert _statuses(run) == ["completed", "launched", "launched"]
    assert (run.state.opened_at, run.state.closing) == (50.0, None)
    assert step.changes.changes[0] == ReopenRun(50.0)
    run.take("ann")


def test_a_unit_that_expired_and_came_back_is_launched_once() -> None:
    run = Rehearsal(1, 1, launched=False)
    for _ in range(3):
        expire_open(run.step(), "enough", "operator")
        reopen_expired(run.step())
    assert launch_more(run.step()) == 2
    assert run.state.next_created() is None


def test_a_run_is_complete_when_all_is_created_and_nothing_is_open() -> None:
    run = Rehearsal(1)
    run.submit(run.take("ann"))
    assert run.state.is_complete
    run.state.generator_done = False
    assert not run.state.is_complete
    run.step().close_run("enough", "operator")
    assert run.state.is_complete


def test_a_change_that_the_table_forbids_tells_the_story() -> None:
    run = Rehearsal(1)
    unit = run.units[0]
    with pytest.raises(TransitionError, match=r"cannot go from 'launched' to 'accepted' \(good work\)\. From"):
        run.step().change_unit(unit, UnitStatus.ACCEPTED, "good work", "ben")
    assert (unit.status, run.last.changes.changes) == (UnitStatus.LAUNCHED, [])


def test_packets_are_numbered_on_from_the_last_one() -> None:
    run = Rehearsal(1, 1)
    for name, first_n in (("ann", 1), ("ben", 2)):
        run.leave(run.take(name))
        assert (run.last.changes.first_n, run.state.last_n) == (first_n, first_n)
