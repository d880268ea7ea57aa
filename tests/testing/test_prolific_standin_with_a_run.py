"""Participants of the stand-in do the work of a real run, and are paid for it by their server."""

from __future__ import annotations

import asyncio

import pytest

from mephisto_nb.operator import Operator
from mephisto_nb.providers.prolific.api import ProlificAPI
from mephisto_nb.testing.page_client import PageClient
from mephisto_nb.testing.prolific import Habit, Participant, ProlificStandIn
from mephisto_nb.testing.simulated_workers import make_worker
from tests.kernel.conftest import data_dir, make_operator, operator
from tests.kernel.runs import launch, rows
from tests.prolific import DONE, SERVER, draft

__all__ = ["data_dir", "make_operator", "operator"]
pytestmark = pytest.mark.slow


async def test_work_is_done_handed_in_and_paid(operator: Operator, api: ProlificAPI, prolific: ProlificStandIn) -> None:
    run = await launch(operator, rows(6))
    address = f"{run.url}/?worker_id={{{{%PROLIFIC_PID%}}}}"
    study = await api.studies.create(draft(external_study_url=address, total_available_places=6))
    await api.studies.publish(study.id)
    prolific.advance(10)

    async def work(entry_url: str, participant: Participant) -> str | None:
        assert entry_url == f"{run.url}/?worker_id={participant.id}"
        async with PageClient() as session:
            assert (await session.get(entry_url)).status == 200
            worker = make_worker(run.url, participant.id, session)
            details = await worker.register(participant.submission_id)
            await participant.wait(300)
            await worker.submit(details["agent_id"], {"mood": "glad"})
        return DONE

    crowd = prolific.participants(8, seed=1, habits={Habit.CLOSE_TAB: 0.4, Habit.RETURN_BEFORE: 0.2})
    coming = asyncio.create_task(crowd.come(work))
    await prolific.pass_time(3600)
    report = await coming
    await run.completed()
    done = set(run.results()["worker_name"])
    async for one in api.submissions.of_study(study.id):
        if one.participant_id in done and one.status in ("ACTIVE", "TIMED-OUT"):
            await api.submissions.complete(one.id, SERVER)
        if one.participant_id in done:
            await api.submissions.approve(one.id)
    prolific.advance(10)
    paid = {one.participant_id for one in prolific.books.payments}
    assert (len(done), paid) == (6, done)
    assert report.counts.get("RETURNED", 0) >= 1
    assert prolific.books.paid().total == 6 * 210
