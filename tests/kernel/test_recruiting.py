"""A run is offered to its crowd at the launch, and its study follows it until the end, whoever dies meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.config.config_handler import CONFIG_VARIABLE
from mephisto_nb.config.hydra_config import compose
from mephisto_nb.display.actions import preview
from mephisto_nb.display.actions._base import DrivenRun
from mephisto_nb.errors import BudgetExceededError, ConfigError, ConfirmationNeededError, CrowdError, CrowdRefusedError
from mephisto_nb.model.crowd import CrowdStudy, CrowdVisit, CrowdVisitStatus, RecruitingQuote, StudyStatus
from mephisto_nb.model.money import Money
from mephisto_nb.model.shared_state import InitializationData, SharedTaskState
from mephisto_nb.money.budget import read_books
from mephisto_nb.operator import Operator
from mephisto_nb.rules.steering import create
from mephisto_nb.testing.fake_clock import FakeClock
from tests.inside import frames_of, live_of, parts_of
from tests.kernel.recruiting import Market, register_fair
from tests.kernel.runs import ABOUT, nothing_is_left, rows
from tests.kernel.visiting import Town, launch_visits, people_of

S = CrowdVisitStatus


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> tuple[Market, Town]:
    return register_fair(monkeypatch)


@pytest.fixture
def market(crowd: tuple[Market, Town]) -> Market:
    return crowd[0]


async def launch(operator: Operator, units: int = 6, **task: Any) -> Any:
    return await launch_visits(operator, units, provider="fair", **{"units_per_visit": 2, **task})


def stage(run: Any) -> Any:
    return parts_of(run).database.runs.read_crowd_memory(run.task_run_id)["study"]["stage"]


async def its_turn(run: Any) -> None:
    """Wait until what is being asked of the crowd is over."""
    study = parts_of(run).study
    assert study is not None
    async with study.turn:
        pass


async def test_a_launch_offers_what_the_run_needs(operator: Operator, market: Market) -> None:
    run = await launch(operator, 5, max_num_concurrent_units=4, assignment_duration_in_seconds=600)
    (offer,) = market.offers
    assert market.asked == ["quote", "open"]
    assert (offer.task_run_id, offer.title, offer.url) == (run.task_run_id, "Moods", run.url)
    assert (offer.reward, offer.places, offer.visit_seconds, offer.concurrent) == (Money.of("0.3"), 3, 600, 4)
    assert offer.events_url == parts_of(run).events_url != ""
    kept = parts_of(run).database.runs.read_crowd_memory(run.task_run_id)
    assert kept["study_id"] == "s1"
    assert (kept["study"]["stage"], kept["study"]["places"]) == ("open", 3)
    # No place may cost more than what is asked of the budgets for it.
    assert 3 * kept["study"]["each"] >= market.quote.total.thousandths > 3 * (kept["study"]["each"] - 1)


async def test_what_the_crowd_would_refuse_is_not_launched(operator: Operator, market: Market, data_dir: Path) -> None:
    market.quote = replace(market.quote, troubles=("The account is empty.", "The pay is too low."))
    with pytest.raises(ConfigError, match=r"'moods' cannot be offered.*The account is empty\. The pay is too low\."):
        await launch(operator)
    assert market.asked == ["quote"]
    assert nothing_is_left(data_dir)


async def test_remarks_of_the_crowd_are_told(operator: Operator, market: Market) -> None:
    market.quote = replace(market.quote, remarks=("Few people are active. Give it time.",))
    assert (await launch(operator)).attention == ["Few people are active. Give it time."]


async def test_a_study_that_cannot_be_opened_undoes_the_launch(
    operator: Operator, market: Market, data_dir: Path
) -> None:
    market.fails["open"] = CrowdRefusedError("It was made otherwise than was asked for.")
    with pytest.raises(CrowdRefusedError, match="otherwise"):
        await launch(operator)
    assert market.asked == ["quote", "open", "close"]
    assert nothing_is_left(data_dir)


async def test_what_the_crowd_says_it_costs_has_to_fit_a_budget(
    operator: Operator, market: Market, data_dir: Path
) -> None:
    market.quote = RecruitingQuote(Money.of("0.9"), Money.of("0.45"))
    with pytest.raises(BudgetExceededError, match=r"3 places.*\$1\.35"):
        await launch(operator, budget=1.2)
    assert market.asked == ["quote"]
    assert nothing_is_left(data_dir)


async def test_work_that_is_booked_already_counts_for_its_places(operator: Operator, market: Market) -> None:
    market.quote = RecruitingQuote(Money.of("0.9"), Money.of("0.45"))
    run = await launch(operator, budget=1.36)
    assert run.status == "live"


async def test_a_second_study_of_a_task_has_to_be_meant(operator: Operator, market: Market) -> None:
    run = await launch(operator)
    again = rf"is live on 'fair' \({run.task_run_id}\).*operator\.reconnect\(.*launch it with confirm=True"
    with pytest.raises(ConfirmationNeededError, match=again):
        await launch(operator)
    assert market.asked == ["quote", "open"]
    assert len(operator.task_runs()) == 1
    beside = await launch(operator, confirm=True)
    assert (run.status, beside.status) == ("live", "live")


async def test_the_study_pauses_and_goes_on_with_the_run(operator: Operator, market: Market) -> None:
    run = await launch(operator)
    await run.steering.pause_launching()
    await market.heard("pause")
    await run.steering.resume_launching()
    await market.heard("resume")
    assert market.asked == ["quote", "open", "pause", "resume"]


async def test_the_study_is_closed_when_the_run_ends(operator: Operator, market: Market) -> None:
    run = await launch(operator, 2)
    async with people_of(run) as person:
        await person("ann").do(2)
        await run.completed()
    await operator.shutdown()
    assert market.asked[-1] == "close"
    assert market.asked.count("close") == 1
    assert stage(run) == "closed"


async def test_a_run_that_is_shut_down_sends_for_nobody_more(operator: Operator, market: Market) -> None:
    run = await launch(operator)
    await run.force_shutdown()
    assert market.asked == ["quote", "open", "close"]
    assert stage(run) == "closed"


async def test_the_end_of_a_run_does_not_hang_on_its_crowd(
    operator: Operator, market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    run = await launch(operator)
    market.fails["close"] = CrowdError("The crowd is away.")
    await run.force_shutdown()
    assert (run.status, stage(run)) == ("ended", "open")
    assert caplog.text.count("could not be closed") == 1


async def test_visits_that_ended_without_their_work_get_others(
    timed_operator: Operator, clock: FakeClock, market: Market
) -> None:
    run = await launch(timed_operator, 4)
    async with people_of(run) as person:
        ann = person("ann")
        market.put("s-ann", S.ACTIVE)
        market.put("s-bob", S.RESERVED)  # on his way
        await ann.do(1)
        market.put("s-ann", S.SUBMITTED)
        await ann.give_back(await ann.take())
        await parts_of(run).link.catch_up()
        for _ in range(20):
            await asyncio.sleep(0)
        assert market.asked == ["quote", "open"]  # it is not asked at each step
        clock.advance(31)
        await market.heard("places 3")
    assert market.asked[2:] == ["study", "visits", "places 3"]


async def test_what_the_crowd_has_free_is_not_asked_for_again(
    timed_operator: Operator, clock: FakeClock, market: Market
) -> None:
    run = await launch(timed_operator, 4)
    async with people_of(run) as person:
        ann = person("ann")
        await ann.do(1)
        await ann.give_back(await ann.take())
        market.put("s-ann", S.RETURNED)  # which we have not heard of
        clock.advance(31)
        await market.heard("visits")
        await its_turn(run)
    assert market.asked == ["quote", "open", "study", "visits"]


async def test_a_place_that_was_given_back_needs_no_other(
    timed_operator: Operator, clock: FakeClock, market: Market
) -> None:
    run = await launch(timed_operator, 4)
    async with people_of(run) as person:
        ann = person("ann")
        market.put("s-ann", S.ACTIVE)
        await ann.give_back(await ann.take())
        market.put("s-ann", S.RETURNED)
        clock.advance(31)
    await run.steering.pause_launching()
    await market.heard("pause")
    assert market.asked == ["quote", "open", "pause"]


async def test_work_that_comes_later_gets_places(timed_operator: Operator, clock: FakeClock, market: Market) -> None:
    run = await launch(timed_operator, 1, units_per_visit=1)
    more = [InitializationData(shared=row, unit_data=[{}]) for row in rows(3)]
    await parts_of(run).engine.do(lambda step: create(step, more))
    clock.advance(31)
    await market.heard("places 4")


async def test_a_budget_that_has_no_room_for_places_is_told(
    timed_operator: Operator, clock: FakeClock, market: Market
) -> None:
    market.quote = RecruitingQuote(Money.of("0.6"), Money(0))
    run = await launch(timed_operator, 4, budget=0.7)
    async with people_of(run) as person:
        ann = person("ann")
        market.put("s-ann", S.SUBMITTED)
        await ann.do(1)
        await ann.give_back(await ann.take())
        clock.advance(31)
        await market.heard("visits")
        await its_turn(run)
    (told,) = [text for text in run.attention if "more place" in text]
    assert "The run needs 1 more place at its crowd" in told
    assert not [one for one in market.asked if one.startswith("places")]


async def test_a_crowd_that_is_away_is_asked_again_later(
    timed_operator: Operator, clock: FakeClock, market: Market
) -> None:
    run = await launch(timed_operator)
    market.fails["pause"] = CrowdError("The crowd is away.")
    await run.steering.pause_launching()
    await market.heard("pause")
    await its_turn(run)
    assert "The crowd could not be asked to have the study follow the run: The crowd is away" in str(run.attention)
    clock.advance(6)
    await market.heard("pause", 2)
    del market.fails["pause"]
    clock.advance(5)
    assert market.asked.count("pause") == 2
    clock.advance(6)
    await market.heard("pause", 3)
    await its_turn(run)
    await run.steering.resume_launching()
    await market.heard("resume")
    assert (run.attention, run.status) == ([], "live")


async def test_the_next_kernel_finds_the_study(make_operator: Callable[..., Operator], market: Market) -> None:
    first = make_operator()
    run = await launch(first)
    await first.detach()
    assert market.asked == ["quote", "open"]
    await (await make_operator().reconnect(run.task_run_id)).steering.pause_launching()
    await market.heard("pause")
    assert [one for one in market.asked if one not in ("visits", "study")] == ["quote", "open", "open", "pause"]
    assert market.recalled[-1]["study_id"] == "s1"
    assert market.offers[1].places == market.offers[0].places


async def test_a_crowd_that_is_away_at_a_restart_harms_nothing(
    make_operator: Callable[..., Operator], market: Market, clock: FakeClock
) -> None:
    first = make_operator()
    run = await launch(first)
    await first.detach()
    market.fails["open"] = CrowdError("The crowd is away.")
    again = await make_operator(clock=clock).reconnect(run.task_run_id)
    await market.heard("open", 2)
    async with people_of(again) as person:
        await person("ann").do(2)
    del market.fails["open"]
    clock.advance(6)
    await market.heard("open", 3)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (StudyStatus.PAUSED, "was paused at its crowd, not from here"),
        (StudyStatus.FULL, "was stopped at its crowd, not from here"),
        (StudyStatus.OVER, "is over at its crowd"),
    ],
)
async def test_what_somebody_did_at_the_crowd_is_told(
    operator: Operator, market: Market, status: StudyStatus, words: str
) -> None:
    run = await launch(operator)
    market.study = replace(market.study, status=status, page="https://crowd.example/s1")
    study = parts_of(run).study
    assert study is not None
    study.look_again()
    await market.heard("study")
    await its_turn(run)
    (told,) = run.attention
    assert told.startswith(f"The study (https://crowd.example/s1) {words}, so nobody is sent")


async def test_a_study_that_was_paused_from_here_is_no_surprise(operator: Operator, market: Market) -> None:
    run = await launch(operator)
    await run.steering.pause_launching()
    await market.heard("pause")
    await its_turn(run)
    parts_of(run).study.look_again()  # type: ignore[union-attr]
    await market.heard("study")
    await its_turn(run)
    assert (run.attention, market.study.status) == ([], StudyStatus.PAUSED)


async def test_a_study_whose_places_are_all_taken_was_stopped_by_nobody(operator: Operator, market: Market) -> None:
    run = await launch(operator)
    taken = market.study.places
    market.study = replace(market.study, status=StudyStatus.FULL, places_taken=taken)
    market.visits = {f"s-{n}": CrowdVisit(f"s-{n}", f"{n}", S.RESERVED) for n in range(taken)}
    parts_of(run).study.look_again()  # type: ignore[union-attr]
    await market.heard("study")
    await its_turn(run)
    assert run.attention == []


async def test_what_was_not_offered_yet_the_next_kernel_offers(
    make_operator: Callable[..., Operator], market: Market
) -> None:
    first = make_operator()
    run = await launch(first)
    await first.detach()
    parts_of(run).database.runs.keep_crowd_memory(run.task_run_id, {"study": {}})
    market.study = replace(market.study, status=StudyStatus.DRAFT)
    again = await make_operator().reconnect(run.task_run_id)
    await market.heard("open", 2)
    await parts_of(again).study.is_there.wait()  # type: ignore[union-attr]
    assert [one for one in market.asked if one not in ("visits", "study")] == ["quote", "open", "quote", "open"]
    assert stage(again) == "open"


async def test_a_run_that_is_resumed_has_its_study_go_on(operator: Operator, market: Market) -> None:
    run = await launch(operator, 4)
    async with people_of(run) as person:
        market.put("s-ann", S.SUBMITTED)
        await person("ann").do(2)
        await parts_of(run).link.catch_up()
    await run.force_shutdown()
    again = await launch(operator, 4, resume_incomplete_run=True)
    assert again.task_run_id == run.task_run_id
    assert [one for one in market.asked if one != "study"] == [
        "quote", "open", "close", "quote", "open", "places 2", "resume"
    ]  # fmt: skip
    assert (stage(again), market.study.status) == ("open", StudyStatus.OPEN)


async def test_what_a_study_pays_is_not_changed(operator: Operator, market: Market) -> None:
    run = await launch(operator, 4)
    words = r"task_reward cannot become \$0.40: .* a visit is paid \$0.30, .* run.review.approve\(bonus=0.1\); or end"
    with pytest.raises(ConfigError, match=words):
        await run.steering.change_limits(task_reward=0.4, max_num_concurrent_units=2)
    await run.steering.change_limits(task_reward=0.3, max_num_concurrent_units=2)
    assert market.asked == ["quote", "open"]
    assert set(run.units()["pay_amount"]) == {0.15}


async def test_two_runs_do_not_share_what_is_free_for_places(
    operator: Operator, market: Market, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config.yml").write_text("budget: {month: 2 USD}")
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "config.yml"))
    market.quote = RecruitingQuote(Money.of(1), Money.of("0.4"))
    await launch(operator, 4)
    market.study = CrowdStudy("s2", StudyStatus.DRAFT)
    words = r"Offering 2 places of 'colours' .* \$0.80 with fees, but .* \$2.00 committed"
    with pytest.raises(BudgetExceededError, match=words):
        await launch(operator, 4, task_name="colours")
    assert market.asked == ["quote", "open", "quote"]


async def test_more_places_than_were_asked_for_cost_what_was_quoted(operator: Operator, market: Market) -> None:
    market.quote = RecruitingQuote(Money.of(1), Money.of("0.2"))
    market.study = CrowdStudy("s1", StudyStatus.OPEN, places=12)
    run = await launch(operator, 4)
    kept = parts_of(run).database.runs.read_crowd_memory(run.task_run_id)["study"]
    assert (kept["places"], kept["each"]) == (12, Money.of("0.1").thousandths)
    assert float(read_books(parts_of(run).database).work_of(parts_of(run).run)) == 1.2


async def test_places_that_the_crowd_refuses_are_not_committed(
    timed_operator: Operator, clock: FakeClock, market: Market
) -> None:
    run = await launch(timed_operator, 4)
    market.fails = {"places": CrowdRefusedError("No money.")}
    data = [InitializationData(shared={}, unit_data=[{}]) for _ in range(4)]
    await parts_of(run).engine.do(lambda step: create(step, data))
    clock.advance(60)
    await market.heard("places 4")
    await its_turn(run)
    assert parts_of(run).database.runs.read_crowd_memory(run.task_run_id)["study"]["places"] == 2


async def test_what_the_crowd_says_it_costs_has_to_be_confirmed(
    operator: Operator, market: Market, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config.yml").write_text("budget: {ask_above: 2 USD}")
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "config.yml"))
    market.quote = RecruitingQuote(Money.of("1.5"), Money.of("0.6"))
    words = r"costs up to \$2.10 by what its crowd says, .* above \$2.00. .* confirm='\$2.10', or confirm=True"
    with pytest.raises(ConfirmationNeededError, match=words):
        await launch(operator, 4)
    assert (market.asked, operator.get_running_task_runs()) == (["quote"], [])
    config = compose("mock", provider="fair", task={**ABOUT, "task_reward": 0.3, "units_per_visit": 2})
    await operator.launch_task_run(config, SharedTaskState(static_task_data=rows(4)), confirm="$2.10")
    assert market.asked == ["quote", "quote", "open"]


async def test_who_stops_a_run_reads_that_its_study_is_closed(operator: Operator, market: Market) -> None:
    run = await launch(operator)
    driven = DrivenRun(live_of(run), run.steering, frames_of(run))
    for name in ("shutdown", "force_shutdown"):
        assert "Its study is closed at the crowd" in preview(driven, name, {})
