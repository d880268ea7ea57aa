"""A study of a hundred people with every mishap: at its end all books agree, and nobody is forgotten or paid twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from mephisto_nb.config.hydra_config import compose
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.page_client import PageClient
from mephisto_nb.testing.prolific import Habit, Mishap, Mishaps, Participant, ProlificStandIn, StandInSettings
from mephisto_nb.testing.simulated_workers import SimulatedWorker
from tests.faults.kernel import JumpingClock
from tests.kernel.conftest import data_dir, make_operator
from tests.kernel.runs import ABOUT, rows
from tests.prolific import REASON

__all__ = ["data_dir", "make_operator"]

pytestmark = pytest.mark.slow

PER_VISIT, UNITS = 3, 180
#: Every mishap that costs nobody a launch, while people are there.
_SHARES = {
    Mishap.TOO_MANY: 0.04, Mishap.ERROR: 0.04, Mishap.BAD_GATEWAY: 0.04, Mishap.CUT_BEFORE: 0.04,
    Mishap.ERROR_AFTER: 0.04, Mishap.GARBAGE_AFTER: 0.04, Mishap.LOST_AFTER: 0.04,
}  # fmt: skip
HABITS = {habit: 0.07 for habit in Habit if habit is not Habit.WORK}


@pytest.fixture
async def crowd(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> AsyncIterator[ProlificStandIn]:
    """A stand-in on which hooks get lost, come twice and late, and bonuses take their time."""
    settings = StandInSettings(balance=200_000, publishing=0, processing=0)
    mishaps = Mishaps(
        7, hooks_dropped=0.1, hooks_doubled=0.2, hooks_late=0.2, unknown_statuses=0.01, unknown_fields=True
    )
    async with ProlificStandIn(settings, mishaps) as prolific:
        monkeypatch.setenv("PROLIFIC_TOKEN", prolific.token.reveal())
        monkeypatch.setenv("MEPHISTO_CONFIG", str(tmp_path / "config.yml"))
        yield prolific


async def launch(operator: Operator, crowd: ProlificStandIn) -> TaskRun:
    """Launch a run, which opens its study."""
    task = {
        **ABOUT, "task_reward": 0.9, "currency": "GBP", "assignment_duration_in_seconds": 900,
        "units_per_visit": PER_VISIT,
    }  # fmt: skip
    own = {"base_url": crowd.url, "estimated_minutes": 5}
    config = compose("mock", provider="prolific", provider_args=own, task=task)
    return await operator.launch_task_run(config, SharedTaskState(static_task_data=rows(UNITS)))


async def work(run: TaskRun, entry_url: str, participant: Participant) -> str | None:
    """Do a whole visit, and return the code that its end shows."""
    async with PageClient() as browser:
        person = SimulatedWorker(participant.id, run.url, browser, link=entry_url)
        shown = await person.register()
        while agent_id := shown["agent_id"]:
            await person.submit(agent_id, {"mood": "glad"})
            shown = await person.register()
        code = (shown.get("exit") or {}).get("code")
        return str(code) if code else None


async def test_all_books_agree_after_a_hundred_people(
    make_operator: Callable[..., Operator], crowd: ProlificStandIn
) -> None:
    clock = JumpingClock()
    operator = make_operator(clock=clock)
    run = await launch(operator, crowd)
    crowd.mishaps.shares.update(_SHARES)
    crowd.mishaps.burst = 3
    people = crowd.participants(100, seed=3, habits=HABITS)
    coming = asyncio.create_task(people.come(lambda url, one: work(run, url, one), may_fail=True))
    await crowd.settled()
    await crowd.pass_time(8 * 24 * 3600)  # a week later the last come back, and times are over
    report = await coming
    for seed in range(10, 16):
        if not {"launched", "created"} & set(run.counts):
            break
        more = crowd.participants(20, seed=seed)
        await more.come(lambda url, one: work(run, url, one), may_fail=True)
        await run.reconcile.repair()
    crowd.mishaps.shares.clear()
    crowd.mishaps.burst = 0
    await run.reconcile.repair()
    async with asyncio.timeout(60):
        await run.completed()
    assert {one.habit for one in people} == {*HABITS, Habit.WORK}
    assert report.counts["TIMED-OUT"]
    assert report.counts["RETURNED"]

    # Nobody is left held, and every answer is there.
    assert run.units()["status"].to_list() == ["completed"] * UNITS
    visits = run.visits()
    careless, good = visits.query("outcome == 'completed'").iloc[0], visits.query("outcome == 'completed'")[1:]
    crowd.mishaps.shares.update(_SHARES)
    await run.review.reject(worker=careless["worker_name"], message=REASON, category="LOW_EFFORT")
    thanked = list(good["worker_name"][:10])
    await run.review.approve(worker=thanked, bonus=0.25)  # for each answer
    await run.review.approve()
    crowd.mishaps.shares.clear()
    await run.review.tell_crowd()
    returned = set()
    for _ in range(5):
        # Who gave a visit back after its work is paid by a bonus, once somebody has decided so; it may be seen late.
        rows_ = await run.reconcile()
        given_back = rows_[rows_["repair"] == "pay by bonus"]
        assert (await run.reconcile.repair(given_back))["done"].all()
        returned |= set(given_back["worker_name"])
        await crowd.pass_time(1000)
        clock.offset += 1000
        await run.reconcile.repair()
        for payment_id in operator.ledger.doubts()["payment_id"]:
            paid = await was_paid(crowd, operator, payment_id)
            await operator.ledger.settle(payment_id, paid=paid)
        await run.review.tell_crowd()

    assert {mishap for mishap, _ in crowd.mishaps.happened} == set(_SHARES)
    ledger = operator.ledger().query("status != 'cancelled'")
    assert set(ledger["status"]) == {"confirmed"}, run.attention
    kinds = ledger["kind"].replace("compensation", "bonus")
    ours = Counter(zip(ledger["worker_name"], kinds, (ledger["amount"] * 100).round().astype(int), strict=True))
    theirs = Counter((one.participant_id, one.kind, one.price.amount) for one in crowd.books.payments)
    assert ours == theirs
    assert returned
    wanted = Counter({(name, "bonus" if name in returned else "reward", 90): 1 for name in good["worker_name"]})
    assert theirs == wanted + Counter({(name, "bonus", 25): PER_VISIT for name in thanked})
    assert crowd.books.problems() == []
    total = operator.ledger.totals().iloc[0]
    assert round(total["total"] * 100) == crowd.books.paid().total
    worked = set(visits.loc[visits["done"] > 0, "worker_name"])
    assert worked - {name for name, *_ in ours} == {careless["worker_name"]}


async def was_paid(crowd: ProlificStandIn, operator: Operator, payment_id: str) -> bool:
    """Look at the crowd's own page, as a person does who is asked."""
    ledger = operator.ledger()
    row = ledger.set_index("payment_id").loc[payment_id]
    like = ledger.query("worker_name == @row.worker_name and kind == @row.kind and amount == @row.amount")
    known = int(like["status"].isin(["sent", "confirmed"]).sum())
    paid = [one for one in crowd.books.payments if one.participant_id == row["worker_name"] and one.kind == row["kind"]]
    return sum(one.price.amount == round(row["amount"] * 100) for one in paid) > known
