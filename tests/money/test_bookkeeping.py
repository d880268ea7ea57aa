"""A run's books are kept in step with its crowd's: within seconds of being told, and every few minutes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from mephisto_nb.errors import CrowdError, CrowdRefusedError
from mephisto_nb.model.crowd import CrowdVisitStatus
from mephisto_nb.model.money import Money
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.money import bookkeeping
from mephisto_nb.money.bookkeeping import Bookkeeper
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.fake_clock import FakeClock
from mephisto_nb.utils import logging
from tests.inside import dashboard_watch, frames_of, parts_of
from tests.kernel.recruiting import Market, register_fair
from tests.kernel.visiting import Town, launch_visits, people_of

S = CrowdVisitStatus


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> tuple[Market, Town]:
    return register_fair(monkeypatch)


@pytest.fixture
def market(crowd: tuple[Market, Town]) -> Market:
    return crowd[0]


async def launch(operator: Operator, units: int = 3) -> TaskRun:
    run = await launch_visits(operator, units, provider="fair")
    await quiet()
    return run


async def tell(run: TaskRun, *names: str) -> None:
    """Have the crowd post events, and wait until the kernel has heard them."""
    async with aiohttp.ClientSession() as session:
        for name in names:
            async with session.post(parts_of(run).events_url, data=name.encode()) as answer:
                assert answer.status == 200
    await parts_of(run).link.catch_up()


async def quiet() -> None:
    """Let what was woken do what it can without the database's thread."""
    for _ in range(20):
        await asyncio.sleep(0)


async def idle(operator: Operator, run: TaskRun) -> None:
    """Wait until the bookkeeper has nothing to do."""
    await quiet()
    (keeper,) = [one for one in operator._runs._tasks[run.task_run_id]._helpers if isinstance(one, Bookkeeper)]
    await keeper.is_idle.wait()
    await quiet()


async def test_who_returned_it_there_has_it_no_longer_here(
    timed_operator: Operator, clock: FakeClock, market: Market
) -> None:
    run = await launch(timed_operator)
    async with people_of(run) as person:
        await person("ann").take()
        assert run.counts["assigned"] == 1
        market.put("s-ann", S.RETURNED)
        await tell(run, "s-ann")
        clock.advance(bookkeeping.TOGETHER)
        await parts_of(run).engine.wait_until(lambda state: state.counts[UnitStatus.LAUNCHED] == 3)
    assert market.asked == ["quote", "open", "visit s-ann"]
    assert run.visits()["outcome"].to_list() == ["returned"]
    assert run.events().query("subject == 'visit' and after == 'returned'")["who"].to_list() == ["fair"]


async def test_events_of_one_visit_are_looked_at_together(
    timed_operator: Operator, clock: FakeClock, market: Market
) -> None:
    run = await launch(timed_operator)
    await tell(run, "s-ann", "s-bob", "s-ann", "s-ann")
    await quiet()
    assert market.asked == ["quote", "open"]
    clock.advance(bookkeeping.TOGETHER)
    await market.heard("visit s-bob")
    assert market.asked[2:] == ["visit s-ann", "visit s-bob"]


async def test_a_flood_of_events_becomes_one_reading(
    timed_operator: Operator, clock: FakeClock, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bookkeeping, "FLOOD", 3)
    run = await launch(timed_operator)
    await tell(run, *(f"s-{n}" for n in range(5)))
    clock.advance(bookkeeping.TOGETHER)
    await market.heard("visits")
    assert not [one for one in market.asked if one.startswith("visit ")]


async def test_what_is_forged_is_heard_by_nobody(timed_operator: Operator, clock: FakeClock, market: Market) -> None:
    run = await launch(timed_operator)
    await tell(run, "forged", "study")
    await market.heard("study")
    clock.advance(bookkeeping.TOGETHER)
    await quiet()
    assert market.asked == ["quote", "open", "study"]


@pytest.mark.parametrize(("is_told", "every"), [(False, bookkeeping.EVERY_UNTOLD), (True, bookkeeping.EVERY)])
async def test_everything_is_read_every_few_minutes(
    timed_operator: Operator, clock: FakeClock, market: Market, is_told: bool, every: float
) -> None:
    run = await launch(timed_operator)
    if is_told:
        await tell(run, "study")
    clock.advance(bookkeeping.EVERY_UNTOLD + 1)
    await idle(timed_operator, run)
    times = market.asked.count("visits")
    clock.advance(every - 2)
    await quiet()
    assert market.asked.count("visits") == times
    clock.advance(3)
    await market.heard("visits", times + 1)


async def test_what_the_crowd_has_paid_is_confirmed_by_itself(
    timed_operator: Operator, clock: FakeClock, market: Market
) -> None:
    run = await launch(timed_operator)
    async with people_of(run) as person:
        market.put("s-ann", S.SUBMITTED)
        await person("ann").do(1)
        await parts_of(run).link.catch_up()
        await run.review.approve()
        assert run.payments()["status"].to_list() == ["sent"]
        clock.advance(bookkeeping.EVERY_UNTOLD + 1)
        await settled(run, ["confirmed"])


async def settled(run: TaskRun, statuses: list[str]) -> None:
    """Wait until payments stand so."""
    news = asyncio.Event()
    frames_of(run).writer.call_listeners.append(news.set)
    async with asyncio.timeout(10):
        while run.payments()["status"].to_list() != statuses:
            news.clear()
            await news.wait()


async def test_what_was_refused_before_is_asked_for_again(
    timed_operator: Operator, clock: FakeClock, market: Market
) -> None:
    run = await launch(timed_operator)
    async with people_of(run) as person:
        market.put("s-ann", S.ACTIVE)
        market.fails["approve"] = CrowdRefusedError("It was not handed in yet.")
        await person("ann").do(1)
        await parts_of(run).link.catch_up()
        await run.review.approve()
        assert run.payments()["status"].to_list() == ["owed"]
        clock.advance(bookkeeping.EVERY_UNTOLD + 1)
        await idle(timed_operator, run)
        assert market.asked.count("approve s-ann") == 2
        del market.fails["approve"]
        await tell(run, "s-ann")  # who is at work there still can be paid nothing
        clock.advance(bookkeeping.TOGETHER)
        await idle(timed_operator, run)
        assert market.asked.count("approve s-ann") == 2
        market.put("s-ann", S.SUBMITTED)
        await tell(run, "s-ann")
        clock.advance(bookkeeping.TOGETHER)
        await settled(run, ["sent"])


async def test_what_a_person_has_to_decide_is_on_the_dashboard(
    timed_operator: Operator, clock: FakeClock, market: Market
) -> None:
    run = await launch(timed_operator)
    market.put("s-dan", S.SUBMITTED, code="LUCKY")
    market.put("s-eve", S.SUBMITTED, code="LUCKY")
    clock.advance(bookkeeping.EVERY_UNTOLD + 1)
    await idle(timed_operator, run)
    (told,) = run.attention
    assert told.startswith("The visit s-dan of dan, and 1 other: nobody came by this id; the crowd's is submitted")
    assert "await run.reconcile.repair(rows[rows['repair'] == 'ask to return'])" in told
    state = dashboard_watch(frames_of(run)).state()
    (notice,) = [one for one in state["attention"] if one["key"].startswith("crowd")]
    assert notice["severity"] == "warning"
    market.visits.clear()
    clock.advance(bookkeeping.EVERY_UNTOLD + 1)
    await idle(timed_operator, run)
    assert run.attention == []


async def test_books_that_cannot_be_read_are_read_later(
    timed_operator: Operator, clock: FakeClock, market: Market
) -> None:
    run = await launch(timed_operator)
    market.fails["visits"] = CrowdError("The crowd is away.")
    clock.advance(bookkeeping.EVERY_UNTOLD + 1)
    await idle(timed_operator, run)
    (told,) = run.attention
    assert told == "The crowd's books could not be read: The crowd is away. They are read again by themselves."
    del market.fails["visits"]
    clock.advance(bookkeeping.FIRST + 1)
    await idle(timed_operator, run)
    assert (run.attention, run.status) == ([], "live")


async def test_a_crowd_that_is_away_is_asked_after_growing_pauses(
    timed_operator: Operator, clock: FakeClock, market: Market
) -> None:
    run = await launch(timed_operator)
    market.fails["visits"] = CrowdError("The crowd is away.")
    clock.advance(bookkeeping.EVERY_UNTOLD + 1)
    await idle(timed_operator, run)
    for number, pause in enumerate((bookkeeping.FIRST, 2 * bookkeeping.FIRST, 4 * bookkeeping.FIRST), 1):
        clock.advance(pause - 1)
        await idle(timed_operator, run)
        assert market.asked.count("visits") == number
        clock.advance(1)
        await idle(timed_operator, run)
        assert market.asked.count("visits") == number + 1


async def test_one_visit_that_cannot_be_read_is_read_with_all_others(
    timed_operator: Operator, clock: FakeClock, market: Market
) -> None:
    run = await launch(timed_operator)
    market.fails["visit"] = CrowdError("The crowd is away.")
    await tell(run, "s-ann")
    clock.advance(bookkeeping.TOGETHER)
    await idle(timed_operator, run)
    assert market.asked[2:] == ["visit s-ann"]
    clock.advance(bookkeeping.FIRST)
    await market.heard("visits")
    assert market.asked.count("visit s-ann") == 1


async def test_the_next_kernel_reads_everything_at_once(make_operator: Callable[..., Operator], market: Market) -> None:
    first = make_operator()
    run = await launch(first)
    async with people_of(run) as person:
        await person("ann").take()
    await first.detach()
    market.put("s-ann", S.TIMED_OUT)
    await tell_router(run)
    again = await make_operator().reconnect(run.task_run_id)
    await parts_of(again).engine.wait_until(lambda state: state.counts[UnitStatus.LAUNCHED] == 3)
    assert again.visits()["outcome"].to_list() == ["timed_out"]


async def test_what_comes_before_the_study_is_there_alarms_nobody(
    timed_operator: Operator, market: Market, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "_warned", set())
    run = await launch(timed_operator)
    study = parts_of(run).study
    assert study is not None
    study.is_there.clear()
    await tell(run, "forged")
    assert "is not its crowd's" not in caplog.text
    study.is_there.set()
    await tell(run, "forged")
    assert "is not its crowd's: not signed" in caplog.text


async def tell_router(run: TaskRun) -> None:
    """Post an event while no kernel is there."""
    url = parts_of(run).events_url
    async with aiohttp.ClientSession() as session, session.post(url, data=b"s-ann") as answer:
        assert answer.status == 200


async def test_a_bonus_paid_by_hand_there_is_booked(timed_operator: Operator, clock: FakeClock, market: Market) -> None:
    run = await launch(timed_operator)
    async with people_of(run) as person:
        market.put("s-ann", S.SUBMITTED, bonuses=(Money.of("0.2"),))
        await person("ann").do(1)
        await parts_of(run).link.catch_up()
        clock.advance(bookkeeping.EVERY_UNTOLD + 1)
        await idle(timed_operator, run)
    frame: Any = run.payments()
    assert frame[["kind", "status", "amount"]].to_numpy().tolist() == [["bonus", "confirmed", 0.2]]


async def test_what_cannot_be_put_right_is_told(
    timed_operator: Operator, clock: FakeClock, crowd: tuple[Market, Town]
) -> None:
    market, _ = crowd
    run = await launch(timed_operator)
    async with people_of(run) as person:
        market.put("s-ann", S.APPROVED)  # by whom, and how much, nobody knows
        await person("ann").do(1)
        await parts_of(run).link.catch_up()
        clock.advance(bookkeeping.EVERY_UNTOLD + 1)
        await idle(timed_operator, run)
    (told,) = run.attention
    assert told == (
        "What differs from the crowd's books could not be put right: book for ann: the crowd does not say how much it "
        "has paid. It is tried again by itself."
    )


async def test_what_is_refused_again_and_again_is_asked_for_less_often(
    timed_operator: Operator, clock: FakeClock, market: Market
) -> None:
    run = await launch(timed_operator)
    async with people_of(run) as person:
        market.put("s-ann", S.SUBMITTED)
        market.fails["approve"] = CrowdRefusedError("The account is empty.")
        await person("ann").do(1)
        await parts_of(run).link.catch_up()
        await run.review.approve()
    for _ in range(16):
        clock.advance(bookkeeping.EVERY_UNTOLD)
        await idle(timed_operator, run)
    assert market.asked.count("visits") >= 15
    assert market.asked.count("approve s-ann") <= 6
    (told,) = run.attention
    assert told == "approve for ann: The account is empty. It is asked for again by itself."
