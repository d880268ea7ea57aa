"""Who has sent their last answer learns from the router how to go back, whether or not a kernel is there."""

from __future__ import annotations

from typing import Any

import pytest

from mephisto_nb.architects.local import LocalArchitect
from mephisto_nb.operator import Operator
from tests.inside import live_of
from tests.kernel.visiting import Town, Visitor, launch_visits, people_of

CHECKED = {"blueprint": {"minimum_seconds": 1, "max_failed_checks": 0}}


async def send(visitor: Visitor, agent_id: str) -> dict[str, Any] | None:
    """Send an answer; return the way back that came with it."""
    told = await visitor.page.submit(agent_id, {"label": "x"})
    found: dict[str, Any] | None = told.get("exit")
    return found


async def test_the_last_answer_leads_back_without_a_kernel(make_operator: Any, town: Town) -> None:
    first = make_operator()
    run = await launch_visits(first, 3, units_per_visit=2)
    async with people_of(run) as person:
        ann = person("ann")
        assert await send(ann, await ann.take()) is None
        last = await ann.take()
        await first.detach()
        led = await send(ann, last)
        assert led is not None
        assert (led["outcome"], led["code"], led["text"]) == ("completed", "C0DE1", "2 of 2.")
        await make_operator().reconnect(run.task_run_id)
        ended = await ann.ask()
        assert (ended["visit_ended"]["outcome"], ended["exit"]) == ("completed", led)


@pytest.mark.parametrize(("task", "shows"), [({}, True), (CHECKED, False)], ids=["free", "checked"])
async def test_where_a_check_may_change_the_end_nothing_is_told(
    operator: Operator, town: Town, task: dict[str, Any], shows: bool
) -> None:
    run = await launch_visits(operator, 2, **task)
    async with people_of(run) as person:
        ann = person("ann")
        assert bool(await send(ann, await ann.take())) is shows


async def test_no_page_sees_it_before_its_answer(operator: Operator, town: Town) -> None:
    run = await launch_visits(operator, 2)
    async with people_of(run) as person:
        assert "C0DE1" not in str(await person("ann").ask())


async def test_who_is_blocked_meanwhile_has_finished_all_the_same(operator: Operator, town: Town) -> None:
    run = await launch_visits(operator, 2)
    async with people_of(run) as person:
        ann = person("ann")
        agent_id = await ann.take()
        await operator.workers.block("ann")
        assert (await send(ann, agent_id) or {})["outcome"] == "completed"
        assert (await ann.ask())["visit_ended"]["outcome"] == "completed"


async def test_who_waits_knows_how_to_go_back_if_the_run_ends(operator: Operator, town: Town) -> None:
    run = await launch_visits(operator, 1)
    async with people_of(run) as person:
        await person("ann").take()
        waiting = await person("ben").ask()
    assert (waiting["may_pass"], waiting["exit_if_over"]["outcome"]) == (True, "quota_full")
    assert waiting["exit_if_over"]["code"] != "C0DE1"


async def test_who_waits_within_a_visit_sees_no_code_of_success(operator: Operator, town: Town) -> None:
    run = await launch_visits(operator, 2, units_per_visit=3)
    async with people_of(run) as person:
        await person("ann").do(1)
        await run.steering.pause_launching()
        waiting = await person("ann").ask()
    assert (waiting["failure_code"], "exit_if_over" in waiting) == ("paused", False)
    assert "C0DE1" not in str(waiting)


@pytest.mark.parametrize("late_exits_fail", [False, True])
async def test_who_comes_when_the_run_is_over_goes_back(
    operator: Operator, town: Town, late_exits_fail: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalArchitect, "closed_notice", 10.0)
    town.late_exits_fail = late_exits_fail
    run = await launch_visits(operator, 1)
    async with people_of(run) as person:
        await person("ann").do(1)
        await person("ann").ask()
        await live_of(run).over.wait()
        late = await person("ben").ask(parameters={"who": "b n"})
    assert late["failure_code"] == "run_over"
    assert late.get("exit", {}).get("url") == (None if late_exits_fail else "https://crowd.example/?who=b%20n")
    assert [one for one, _ in town.told] == ["s-ann"]
