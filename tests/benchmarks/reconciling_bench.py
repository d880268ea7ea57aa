"""Holding ten thousand visits against a crowd's books, and repairing what differs, at the crowd's own pace."""

from __future__ import annotations

import gc
import os
import tempfile
import time
from typing import Any

import mephisto_nb as mnb
from mephisto_nb.config.task_run_settings import resolve_config
from mephisto_nb.model import changes as c
from mephisto_nb.model.money import Money
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.records import Payment, Worker
from mephisto_nb.model.states import PaymentKind, PaymentStatus
from mephisto_nb.model.visits import Visit
from mephisto_nb.testing.contracts._samples import SampleRun
from mephisto_nb.testing.fake_clock import FakeClock
from mephisto_nb.testing.prolific import ProlificStandIn, StandInSettings, submissions
from mephisto_nb.utils.ids import new_id
from tests.benchmarks.bulk_bench import Pulse
from tests.benchmarks.harness import ABOUT, Figure
from tests.inside import frames_of
from tests.prolific import BEGIN
from tests.providers.prolific.offers import Memory, offer, provider_of

VISITS, A_SECOND = 10_000, 10
PAY = Money.of("1.50", "GBP")


def _fill(prolific: ProlificStandIn, study_id: str) -> list[tuple[str, str]]:
    """Have ten thousand people hand in, and be paid; return their submissions, and who they are."""
    people = prolific.participants(VISITS)
    code = next(iter(prolific.world.study(study_id).fields["completion_codes"]))["code"]
    assert people.submit_at_once(study_id, code) == VISITS
    prolific.advance(60)
    for one in list(prolific.world.submissions.values()):
        submissions.approve(prolific.world, one)
    prolific.advance(60)
    return [(one.id, one.participant_id) for one in prolific.world.submissions.values()]


def _store(run: SampleRun, visits: list[tuple[str, str]], at: float) -> None:
    """Store the same of our side: each has finished, and was asked to be paid."""
    for start in range(0, len(visits), 1000):
        changes: list[Any] = []
        for registration, name in visits[start : start + 1000]:
            worker = Worker(new_id(), name, "prolific")
            times: dict[str, Any] = {"begun_at": at, "deadline": at + 600, "ended_at": at + 300, "told_at": at + 300}
            visit = Visit(new_id(), worker.worker_id, registration, {}, 1, **times, outcome=Outcome.COMPLETED)
            key = f"visit:{visit.visit_id}:0"
            about = (PaymentKind.REWARD, PAY, "", at, run.id, None, PaymentStatus.SENT, at)
            payment = Payment(new_id(), key, worker.worker_id, *about, visit_id=visit.visit_id)
            changes += [c.AddWorker(worker, at), c.AddVisit(visit), c.AddPayment(payment)]
        run.commit(*changes)


async def reconciling() -> list[Figure]:
    settings = StandInSettings(balance=10**9, requests_per_second=A_SECOND)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEPHISTO_CONFIG"] = f"{folder}/config.yml"
        async with ProlificStandIn(settings, clock=FakeClock(BEGIN)) as prolific:
            os.environ["PROLIFIC_TOKEN"] = prolific.token.reveal()
            provider = provider_of(prolific)
            offered = offer(places=VISITS, reward=PAY)
            await provider.recruiter.quote(offered)
            prolific.advance(60)  # what is measured begins later
            study = await provider.recruiter.open(offered, Memory())
            prolific.advance(60)
            visits = _fill(prolific, study.study_id)
            operator = mnb.Operator(data_dir=folder, clock=prolific.clock)
            config = mnb.compose("mock", provider="prolific", task={**ABOUT, "currency": "GBP", "task_reward": 1.5})
            about: dict[str, Any] = {"provider_type": "prolific", "currency": "GBP", "ended_at": BEGIN}
            run = SampleRun(operator._runs.database, config=resolve_config(config).as_dict(), **about)
            run.database.runs.keep_crowd_memory(run.id, {"study_id": study.study_id})
            _store(run, visits, prolific.clock.now() - 10_000)
            face = operator.get_task_run(run.id)
            frames_of(face).crowd.find = lambda: provider
            gc.collect()
            gc.freeze()  # the people of the stand-in are elsewhere, as those of a crowd are
            began, start, pulse = prolific.clock.now(), time.perf_counter(), Pulse()
            repaired = await face.reconcile.repair()
            seconds, held, took = time.perf_counter() - start, pulse.end(), prolific.clock.now() - began
            gc.unfreeze()
            assert repaired["done"].sum() == VISITS
            assert set(face.payments()["status"]) == {"confirmed"}
            await operator.force_shutdown()
    return [
        Figure("reconciling 10,000 visits at 10 requests a second, in the crowd's time", took, "s", limit="< 30 s"),
        Figure("the same on this machine, with the stand-in's own work", seconds, "s"),
        Figure("the longest that the loop was held meanwhile", 1000 * held, "ms", limit="< 50 ms"),
    ]
