"""Visits on a real router: pages learn how each ends by asking, and the crowd is told, once and for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mephisto_nb.errors import ConfigError, WorldError
from mephisto_nb.kernel.visits import telling
from mephisto_nb.model.outcomes import VisitEnd
from mephisto_nb.model.qualifications import make_requirement
from mephisto_nb.operator import Operator
from mephisto_nb.testing.fake_clock import FakeClock
from mephisto_nb.testing.simulated_workers import simulate_workers
from tests.inside import live_of, parts_of
from tests.kernel.visiting import Town, TownExits, launch_visits, people_of


def outcome_of(details: dict[str, Any]) -> tuple[str, str, int]:
    ended = details["visit_ended"]
    return details["failure_code"], ended["outcome"], ended["done"]


async def told(town: Town, run: Any, count: int = 1) -> None:
    """Wait until the crowd was told so often, and that is noted."""
    await parts_of(run).engine.wait_until(lambda state: len(town.told) >= count and not state.visits.untold)


async def test_a_visit_goes_from_unit_to_unit_to_its_exit(operator: Operator, town: Town) -> None:
    run = await launch_visits(operator, 4, units_per_visit=3)
    async with people_of(run) as person:
        ann = person("ann")
        for position in (1, 2, 3):
            details = await ann.ask()
            assert details["visit"] == {"position": position, "of": 3}
            await ann.page.submit(details["agent_id"], {"n": position})
        ended = await ann.ask()
        assert outcome_of(ended) == ("visit_over", "completed", 3)
        assert ended["exit"] == {
            "outcome": "completed", "url": "https://crowd.example/?cc=C0DE1", "code": "C0DE1", "text": "3 of 3.",
            "automatic": True,
        }  # fmt: skip
        assert await ann.ask() | {"request_id": None} == ended | {"request_id": None}
        await told(town, run)
    assert town.told == [("s-ann", "completed")]
    (row,) = run.visits().to_dict("records")
    assert (row["worker_name"], row["asked"], row["done"], row["outcome"]) == ("ann", 3, 3, "completed")
    assert row["captured.STUDY_ID"] == "s1"
    assert not row["told_at"] < row["ended_at"]
    assert set(run.results()["visit_id"]) == {row["visit_id"]}
    assert run.units()["pay_amount"].to_list() == [pytest.approx(0.1)] * 4
    assert run.events().query("subject == 'visit'")["after"].to_list()[:2] == ["begun", "completed"]


async def test_the_last_of_a_run_hears_how_to_go_back(operator: Operator, town: Town) -> None:
    run = await launch_visits(operator, 2, units_per_visit=3)
    async with people_of(run) as person:
        ann = person("ann")
        await ann.do(2)
        await parts_of(run).engine.wait_until(lambda state: state.is_complete)
        ended = await ann.ask()
        assert outcome_of(ended) == ("visit_over", "completed", 2)
        assert ended["exit"]["code"] == "C0DE1"
        await run.completed()
    assert run.visits()["short"].to_list() == ["fewer_units"]
    assert town.told == [("s-ann", "completed")]


async def test_an_exit_that_fails_leaves_thanks_and_a_notice(operator: Operator, town: Town) -> None:
    run = await launch_visits(operator, 2)
    town.exits_fail = True
    async with people_of(run) as person:
        await person("ann").do(1)
        ended = await person("ann").ask()
    assert (ended["failure_code"], ended["exit"]) == ("visit_over", None)
    assert any("no codes" in text for text in run.attention)


async def test_who_is_turned_away_goes_back_the_same_way_each_time(operator: Operator, town: Town) -> None:
    requirement = make_requirement("able", "Exists").to_dict()
    run = await launch_visits(operator, 2, shared={"qualifications": [requirement]})
    async with people_of(run) as person:
        first, again = await person("ann").ask(), await person("ann").ask()
        await told(town, run)
    assert outcome_of(first) == ("not_qualified", "screened_out", 0)
    assert outcome_of(again) == ("visit_over", "screened_out", 0)
    assert first["exit"] == again["exit"] != {}
    assert first["failure_reason"] == again["failure_reason"]
    assert town.told == [("s-ann", "screened_out")]


@pytest.mark.parametrize(("reason", "outcome"), [({}, "returned"), ({"reason": "no_consent"}, "no_consent")])
async def test_who_leaves_says_why(operator: Operator, town: Town, reason: dict[str, str], outcome: str) -> None:
    run = await launch_visits(operator, 2)
    async with people_of(run) as person:
        ann = person("ann")
        await ann.give_back(await ann.take(), **reason)
        ended = await ann.ask()
        assert outcome_of(ended) == ("visit_over", outcome, 0)
        await told(town, run)
        assert await person("ben").take()  # the unit is free at once
    assert town.told == [("s-ann", outcome)]


async def test_who_stops_early_is_returned_only_if_they_are_not_paid(operator: Operator, town: Town) -> None:
    runs = [
        await launch_visits(operator, 3, units_per_visit=3, when_stopped_early=how) for how in ("pay_by_unit", "return")
    ]
    for run in runs:
        async with people_of(run) as person:
            ann = person("ann", run.task_run_id)
            await ann.do(1)
            await ann.give_back(await ann.take())
            assert outcome_of(await ann.ask()) == ("visit_over", "returned", 1)
            await told(town, run)
    assert [how for _, how in town.told] == ["completed", "returned"]


async def test_at_the_deadline_the_visit_is_over(timed_operator: Operator, clock: FakeClock, town: Town) -> None:
    run = await launch_visits(timed_operator, 3, units_per_visit=3, assignment_duration_in_seconds=60)
    async with people_of(run) as person:
        ann = person("ann")
        await ann.do(1)
        await ann.take()
        clock.advance(61)
        await parts_of(run).engine.wait_until(lambda state: not state.visits.open)
        assert outcome_of(await ann.ask()) == ("visit_over", "timed_out", 1)
        await told(town, run)


async def test_by_links_a_further_visit_may_begin(operator: Operator) -> None:
    run = await launch_visits(operator, 5, provider="link", units_per_visit=2)
    async with people_of(run) as person:
        first, second = person("ann", "a"), person("ann", "b")
        await first.do(2)
        ended = await first.ask()
        assert (outcome_of(ended), ended["exit"]) == (("visit_over", "completed", 2), None)
        assert (await second.ask(only_looks=True))["has_more"] is True
        assert (await second.ask())["visit"] == {"position": 1, "of": 2}
    assert run.visits()["registration_id"].to_list() == ["a-ann", "b-ann"]


async def test_simulated_workers_make_visits(operator: Operator) -> None:
    run = await launch_visits(operator, 5, provider="link", units_per_visit=2)
    report = await simulate_workers(run.url, lambda data: data, num_workers=1)
    assert len(report.submitted) == 5
    await run.completed()
    visits = run.visits()
    assert visits["done"].to_list() == [2, 2, 1]
    assert visits["short"].fillna("").to_list() == ["", "", "fewer_units"]


async def test_an_async_worker_can_do_unit_ends_no_visit_too_early(operator: Operator, town: Town) -> None:
    async def only_even(worker: Any, unit: Any) -> bool:
        await asyncio.sleep(0)
        return bool(unit.assignment.index % 2 == 0) if hasattr(unit, "assignment") else True

    run = await launch_visits(operator, 2, units_per_visit=2, shared={"worker_can_do_unit": only_even})
    async with people_of(run) as person:
        await person("ann").do(2)
        assert outcome_of(await person("ann").ask()) == ("visit_over", "completed", 2)
    assert run.visits()["short"].isna().all()
    assert run.visits()["captured.STUDY_ID"].to_list() == ["s1"]


# -- telling the crowd -------------------------------------------------------------------------------------------


async def test_a_crowd_that_is_closed_is_told_later(timed_operator: Operator, clock: FakeClock, town: Town) -> None:
    run = await launch_visits(timed_operator, 3)
    town.is_open = False
    async with people_of(run) as person:
        await person("ann").do(1)
        await person("ann").ask()
        while not any("could not be told" in text for text in run.attention):
            await asyncio.sleep(0)
        town.is_open = True
        assert town.told == []
        clock.advance(telling.FIRST + 1)
        await told(town, run)
    assert town.told == [("s-ann", "completed")]


async def test_a_crowd_that_stays_closed_is_told_after_growing_pauses(
    timed_operator: Operator, clock: FakeClock, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[str] = []

    async def finish(_: TownExits, end: VisitEnd) -> None:
        attempts.append(end.registration_id)
        raise WorldError("the crowd is closed")

    async def tried() -> int:
        for _ in range(20):
            await asyncio.sleep(0)
        return len(attempts)

    monkeypatch.setattr(TownExits, "finish", finish)
    run = await launch_visits(timed_operator, 3)
    async with people_of(run) as person:
        await person("ann").do(1)
        await person("ann").ask()
        await parts_of(run).link.catch_up()
        for number, pause in enumerate((telling.FIRST, 2 * telling.FIRST, 4 * telling.FIRST), 1):
            clock.advance(pause - 1)
            assert await tried() == number
            clock.advance(1)
            assert await tried() == number + 1
    monkeypatch.undo()


async def test_what_a_kernel_did_not_tell_the_next_one_tells(
    make_operator: Callable[..., Operator], town: Town
) -> None:
    first = make_operator()
    run = await launch_visits(first, 3)
    town.is_open = False
    async with people_of(run) as person:
        await person("ann").do(1)
        await person("ann").ask()
    await first.detach()
    town.is_open = True
    second = make_operator()
    again = await second.reconnect(run.task_run_id)
    await told(town, again)
    assert town.told == [("s-ann", "completed")]
    await second.detach()
    third = await make_operator().reconnect(run.task_run_id)
    await parts_of(third).engine.do(lambda step: None)
    assert town.count("s-ann") == 1


async def test_what_a_run_could_not_tell_is_told_when_it_is_reviewed(
    operator: Operator, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "TOLD_WITHIN", 0.1)
    run = await launch_visits(operator, 1)
    town.is_open = False
    async with people_of(run) as person:
        await person("ann").do(1)
        await person("ann").ask()
        await live_of(run).over.wait()
    assert town.told == []
    town.is_open = True
    await run.review.approve()
    assert town.told == [("s-ann", "completed")]
    assert run.visits()["told_at"].notna().all()


# -- vouching ----------------------------------------------------------------------------------------------------


async def test_a_slow_crowd_holds_up_nobody_else(operator: Operator, town: Town) -> None:
    run = await launch_visits(operator, 3)
    answered = asyncio.Event()
    town.vouch["slow"] = answered.wait
    async with people_of(run) as person:
        waiting = asyncio.create_task(person("slow").ask())
        await parts_of(run).engine.wait_until(lambda state: bool(state.visits.unvouched))
        await person("ann").do(1)
        assert not waiting.done()
        answered.set()
        assert (await waiting)["agent_id"] is not None
    assert parts_of(run).engine.state.visits.unvouched == {}


async def test_two_pages_of_a_registration_are_vouched_for_once(operator: Operator, town: Town) -> None:
    run = await launch_visits(operator, 3)
    answered = asyncio.Event()
    town.vouch["ann"] = answered.wait
    async with people_of(run) as person:
        pages = [asyncio.create_task(person("ann").ask()) for _ in range(2)]
        await parts_of(run).engine.wait_until(lambda state: len(state.visits.unvouched) == 2)
        answered.set()
        first, second = await asyncio.gather(*pages)
        assert first["agent_id"] == second["agent_id"] is not None
        await person("ann").ask()
    assert town.asked == ["ann"]


async def test_who_is_not_vouched_for_reads_why(operator: Operator, town: Town) -> None:
    def refuse() -> None:
        raise ValueError("This visit is somebody else's.")

    run = await launch_visits(operator, 3)
    town.vouch["eve"] = refuse
    async with people_of(run) as person:
        details = await person("eve").ask()
    assert (details["failure_code"], details["failure_reason"]) == (
        "bad_registration",
        "This visit is somebody else's.",
    )
    assert run.visits().empty


async def test_a_crowd_that_cannot_be_asked_is_asked_again(operator: Operator, town: Town) -> None:
    def fail() -> None:
        raise WorldError("503")

    run = await launch_visits(operator, 3)
    town.vouch["ann"] = fail
    async with people_of(run) as person:
        details = await person("ann").ask()
        assert (details["failure_code"], details["may_pass"]) == ("not_vouched", True)
        del town.vouch["ann"]
        assert (await person("ann").ask())["agent_id"] is not None
    assert town.asked == ["ann", "ann"]
    assert run.attention == []  # it is no fault of ours


async def test_who_waits_for_work_is_vouched_for_once(operator: Operator, town: Town) -> None:
    run = await launch_visits(operator, 1)
    async with people_of(run) as person:
        await person("bob").take()
        for _ in range(2):
            assert (await person("ann").ask())["may_pass"]
    assert town.asked == ["bob", "ann"]


async def test_who_waits_to_be_vouched_for_outlasts_a_kernel(
    make_operator: Callable[..., Operator], town: Town
) -> None:
    first = make_operator()
    run = await launch_visits(first, 3)
    town.vouch["ann"] = asyncio.Event().wait
    async with people_of(run) as person:
        waiting = asyncio.create_task(person("ann").ask())
        await parts_of(run).engine.wait_until(lambda state: bool(state.visits.unvouched))
        await first.detach()
        del town.vouch["ann"]
        again = await make_operator().reconnect(run.task_run_id)
        agent_id = (await waiting)["agent_id"]
        assert agent_id is not None
        await person("ann").ask()
        assert town.asked == ["ann", "ann"]
        await again.steering.expire_units()


async def test_who_was_vouched_for_is_not_asked_about_again(make_operator: Callable[..., Operator], town: Town) -> None:
    first = make_operator()
    run = await launch_visits(first, 3, units_per_visit=2)
    async with people_of(run) as person:
        await person("ann").do(1)
        await first.detach()
        await make_operator().reconnect(run.task_run_id)
        await person("ann").do(1)
    assert town.asked == ["ann"]


# -- what cannot be ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ({"units_per_visit": 0}, "units_per_visit"),
        ({"visits_per_worker": -1}, "visits_per_worker"),
        ({"when_stopped_early": "pay_half"}, "pay_full, pay_by_unit, return"),
        ({"when_fewer_units": "none"}, "when_fewer_units"),
        ({"units_per_visit": 5, "maximum_units_per_worker": 3}, "nobody could finish"),
    ],
)
async def test_visits_that_cannot_be_are_refused(operator: Operator, task: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        await launch_visits(operator, provider="link", **task)


async def test_a_visit_of_nothing_but_gold_units_is_refused(operator: Operator, town: Town) -> None:
    shared = {"golds": [{"text": "a", "label": "x"}], "gold_answer": "label"}
    with pytest.raises(ConfigError, match="newcomers would do nothing else"):
        await launch_visits(operator, shared=shared)
