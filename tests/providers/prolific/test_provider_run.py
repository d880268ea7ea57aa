"""A whole run with a stand-in of Prolific: people come, close their tabs, are approved, and are paid to the penny."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any

import pytest

from mephisto_nb.config import registry
from mephisto_nb.config.hydra_config import compose
from mephisto_nb.display.summary import summarize
from mephisto_nb.kernel.visits import telling
from mephisto_nb.model.crowd import CrowdEvent
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.operator import Operator
from mephisto_nb.providers.prolific import ProlificProvider
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.page_client import PageClient
from mephisto_nb.testing.prolific import Participant, ProlificStandIn, StandInSettings
from mephisto_nb.testing.simulated_workers import SimulatedWorker
from tests.display.test_money_agrees import shown as check_shown_money
from tests.inside import frames_of, parts_of, watch
from tests.kernel.conftest import data_dir, make_operator
from tests.kernel.conftest import operator as real_operator
from tests.kernel.runs import ABOUT, rows

__all__ = ["data_dir", "make_operator", "real_operator"]


@pytest.fixture
async def crowd(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> AsyncIterator[ProlificStandIn]:
    """A stand-in that goes by the real time, and takes none for what it does."""
    async with ProlificStandIn(StandInSettings(publishing=0, processing=0)) as prolific:
        monkeypatch.setenv("PROLIFIC_TOKEN", prolific.token.reveal())
        monkeypatch.setenv("MEPHISTO_CONFIG", str(tmp_path / "config.yml"))
        monkeypatch.setattr(telling, "HEARD_WITHIN", 0.1)  # their tabs are closed: nobody asks how it ended
        monkeypatch.setattr(registry.PROVIDERS, "_classes", dict(registry.PROVIDERS._classes))
        registry.PROVIDERS.register(ProlificProvider, replace=True)
        yield prolific


async def launch(
    operator: Operator, crowd: ProlificStandIn, units: int, *, places: int = 0, **more: Any
) -> tuple[TaskRun, ProlificProvider]:
    """Launch a run, which opens its study."""
    task = {**ABOUT, "task_reward": 0.5, "currency": "GBP", "assignment_duration_in_seconds": 600, **more}
    own = {"base_url": crowd.url, "estimated_minutes": 3, "submission_places": places}
    config = compose("mock", provider="prolific", provider_args=own, task=task)
    run = await operator.launch_task_run(config, SharedTaskState(static_task_data=rows(units)))
    provider = parts_of(run).provider
    assert isinstance(provider, ProlificProvider)
    return run, provider


async def work(run: TaskRun, entry_url: str, participant: Participant) -> None:
    """Do the work of somebody who came by this address, and close the tab."""
    async with PageClient() as session:
        worker = SimulatedWorker("", run.url, session, link=entry_url)
        details = await worker.register()
        assert details["agent_id"], details
        await worker.submit(details["agent_id"], {"mood": "glad"})


def listen(run: TaskRun, provider: ProlificProvider) -> list[CrowdEvent]:
    """Return what Prolific posts to the run from now on."""
    heard: list[CrowdEvent] = []

    def take(at: float, headers: Mapping[str, str], body: bytes) -> None:
        event = provider.recruiter.read_event(headers, body, at)
        assert event is not None
        heard.append(event)

    parts_of(run).link.crowd_events.listeners.append(take)
    return heard


async def test_people_are_paid_who_only_closed_their_tabs(real_operator: Operator, crowd: ProlificStandIn) -> None:
    run, provider = await launch(real_operator, crowd, 3)

    heard = listen(run, provider)
    people = crowd.participants(5)
    report = await people.come(partial(work, run))
    assert report.counts["NO PLACE"] == 2
    await run.completed()
    told = {one.id: one.status for one in crowd.world.submissions.values()}
    assert list(told.values()) == ["AWAITING REVIEW"] * 3
    assert {one.registration_id for one in heard if one.registration_id} == set(told)
    outcome = await run.review.approve(bonus=0.2)
    assert set(outcome["trouble"]) == {""}
    crowd.advance(120)
    paid = sorted((one.kind, one.price.amount) for one in crowd.books.payments)
    assert paid == [("bonus", 20)] * 3 + [("reward", 50)] * 3
    payments = run.payments()
    assert set(payments["status"]) == {"sent"}
    taken = sum(one.price.total - one.price.amount for one in crowd.books.payments)
    assert round(payments["fees"].sum() * 100) == taken
    assert crowd.books.problems() == []
    await check_shown_money(real_operator, run)
    fees = watch(run).state()["money"]
    assert (round(fees["fees"]["spent"] * 100), fees["fees_estimated"]) == (taken, 0.0)
    assert (await run.reconcile())["kind"].to_list() == ["paid there"] * 6
    assert (await run.reconcile.repair())["done"].to_list() == [True] * 6
    assert set(run.payments()["status"]) == {"confirmed"}
    assert (await run.reconcile()).empty
    (study,) = crowd.world.studies.values()
    assert (study.fields["metadata"], study.status) == (run.task_run_id, "COMPLETED")


async def test_the_next_kernel_lets_people_in_without_the_rows(
    make_operator: Callable[..., Operator], crowd: ProlificStandIn
) -> None:
    first = make_operator()
    task = {**ABOUT, "task_reward": 0.5, "currency": "GBP"}
    own = {"base_url": crowd.url, "estimated_minutes": 3}
    page = "<p>${text}</p> <input name=mood required>"
    config = compose(
        "static_html", provider="prolific", provider_args=own, blueprint_args={"task_html": page}, task=task
    )
    run = await first.launch_task_run(config, [{"text": "What a day!"}])
    await first.detach()
    run = await make_operator().reconnect(run.task_run_id)
    await crowd.participants(1).come(partial(work, run))
    await run.completed()
    (told,) = crowd.world.submissions.values()
    assert (run.attention, told.status) == ([], "AWAITING REVIEW")


async def test_who_returns_there_frees_their_unit_within_seconds(
    real_operator: Operator, crowd: ProlificStandIn
) -> None:
    run, _ = await launch(real_operator, crowd, 2)
    (study_id,) = crowd.world.studies
    (ann,) = crowd.participants(1)
    address = ann.begin(study_id)
    assert address
    async with PageClient() as session:
        worker = SimulatedWorker("", run.url, session, link=address)
        assert (await worker.register())["agent_id"]
    assert run.counts["assigned"] == 1
    ann.give_back()
    async with asyncio.timeout(10):
        await parts_of(run).engine.wait_until(lambda state: state.counts[UnitStatus.LAUNCHED] == 2)
    assert run.visits()["outcome"].to_list() == ["returned"]


async def test_a_run_that_is_looked_up_is_paid_and_compared(
    make_operator: Callable[..., Operator], crowd: ProlificStandIn
) -> None:
    first = make_operator()
    run, _ = await launch(first, crowd, 1)
    await crowd.participants(1).come(partial(work, run))
    await run.completed()
    await first.shutdown()
    later = make_operator().get_task_run(run.task_run_id)
    assert set((await later.review.approve())["trouble"]) == {""}
    crowd.advance(120)
    assert (await later.reconcile.repair())["repair"].to_list() == ["confirm"]
    assert later.payments()["status"].to_list() == ["confirmed"]


async def test_places_that_were_set_are_not_added_to(real_operator: Operator, crowd: ProlificStandIn) -> None:
    run, _ = await launch(real_operator, crowd, 4, places=1)
    report = await crowd.participants(3).come(partial(work, run))
    assert report.counts["NO PLACE"] == 2
    study = parts_of(run).study
    assert study is not None
    study.look_again()
    async with asyncio.timeout(10), study.turn:
        await study.follow()
    (there,) = crowd.world.studies.values()
    assert there.fields["total_available_places"] == 1
    told = [one for one in run.attention if one.startswith("The study has the 1 place that it was given")]
    assert len(told) == 1, run.attention


async def test_a_visit_is_rejected_there_once_all_of_it_is(real_operator: Operator, crowd: ProlificStandIn) -> None:
    run, _ = await launch(real_operator, crowd, 2, units_per_visit=2)

    async def do_both(entry_url: str, participant: Participant) -> None:
        async with PageClient() as session:
            worker = SimulatedWorker("", run.url, session, link=entry_url)
            while agent_id := (await worker.register())["agent_id"]:
                await worker.submit(agent_id, {"mood": "glad"})

    await crowd.participants(1).come(do_both)
    await run.completed()
    (there,) = crowd.world.submissions.values()
    first, second = run.results().iloc[:1], run.results().iloc[1:]
    assert (await run.review.reject(first))["trouble"].to_list() == [""]  # nobody else is told of a part
    assert there.status == "AWAITING REVIEW"
    outcome = await run.review.reject(second, message="You sent the same word for everything that we asked. " * 2)
    assert (outcome["trouble"].to_list(), there.status) == ([""], "REJECTED")


async def test_who_decides_hears_of_a_visit_that_was_returned(real_operator: Operator, crowd: ProlificStandIn) -> None:
    run, _ = await launch(real_operator, crowd, 2)
    people = crowd.participants(2)
    await people.come(partial(work, run))
    await run.completed()
    returned, *_ = people
    assert returned.give_back()
    outcome = (await run.review.approve()).merge(run.results()[["unit_id", "worker_name"]], on="unit_id")
    by_name = dict(outcome[["worker_name", "trouble"]].to_numpy())
    assert "'RETURNED'" in by_name.pop(returned.id)
    assert list(by_name.values()) == [""]
    shown = watch(frames_of(run)).state()
    assert "Paste" not in summarize(shown).entry_words  # and nobody makes a link for a name
    assert "Prolific" in summarize(shown).entry_words


async def test_who_comes_by_ids_that_were_changed_is_nobody(real_operator: Operator, crowd: ProlificStandIn) -> None:
    run, _ = await launch(real_operator, crowd, 1)
    refused: list[str] = []

    async def pretend(entry_url: str, participant: Participant) -> None:
        async with PageClient() as session:
            changed = entry_url.replace(participant.id, "5f" + "0" * 22)
            details = await SimulatedWorker("", run.url, session, link=changed).register()
            assert details["agent_id"] is None
            refused.append(details["failure_reason"])

    await crowd.participants(1).come(pretend)
    assert "Prolific has made it for somebody else" in refused[0]
    assert run.agents().empty


async def test_the_token_is_in_nothing_that_a_run_keeps(
    real_operator: Operator, crowd: ProlificStandIn, data_dir: Any
) -> None:
    _, provider = await launch(real_operator, crowd, 1)
    await provider.recruiter.close()
    await real_operator.shutdown()
    token = crowd.token.reveal().encode()
    kept = [path for path in data_dir.rglob("*") if path.is_file()]
    assert len(kept) > 5
    assert [path.name for path in kept if token in path.read_bytes()] == []
