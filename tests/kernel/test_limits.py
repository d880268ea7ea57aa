"""Every field of a task's settings does what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mephisto_nb.errors import RouterError
from mephisto_nb.model.qualifications import make_requirement
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.fake_clock import FakeClock
from mephisto_nb.testing.simulated_workers import SimulatedWorker
from tests.inside import live_of, parts_of
from tests.kernel.runs import crowd_of, launch, rows, take

HOUR = 3600.0


async def refusal(worker: SimulatedWorker) -> tuple[str, str]:
    """Let a worker ask for work in vain; give the code and the reason."""
    details = await worker.register()
    assert details["agent_id"] is None
    return details["failure_code"], details["failure_reason"]


async def expired(run: TaskRun, count: int) -> None:
    await parts_of(run).engine.wait_until(lambda state: state.counts[UnitStatus.EXPIRED] == count)


async def test_a_worker_holds_as_many_units_as_allowed_concurrent_says(operator: Operator) -> None:
    run = await launch(operator, rows(3), allowed_concurrent=1)
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        code, reason = await refusal(worker("ann"))
        assert (code, "already working on another unit" in reason) == ("too_many_concurrent", True)
        await worker("ann").submit(agent_id, {})
        await take(worker("ann"))


async def test_maximum_units_per_worker_limits_units_over_a_task(operator: Operator) -> None:
    first = await launch(operator, rows(3), maximum_units_per_worker=2)
    second = await launch(operator, rows(3), maximum_units_per_worker=2)
    other = await launch(operator, rows(1), maximum_units_per_worker=2, task_name="colours")
    async with crowd_of(first.url) as worker, crowd_of(second.url) as again, crowd_of(other.url) as elsewhere:
        await worker("ann").submit(await take(worker("ann")), {})
        await again("ann").submit(await take(again("ann")), {})
        for ann in (worker("ann"), again("ann")):
            code, reason = await refusal(ann)
            assert (code, "done 2 of these" in reason) == ("max_for_task", True)
        await take(elsewhere("ann"))
        await take(worker("bob"))


async def test_a_worker_without_a_required_qualification_is_told_so(operator: Operator) -> None:
    wanted = [make_requirement("fluent", "GreaterThanOrEqualTo", 2)]
    run = await launch(operator, rows(2), shared={"qualifications": wanted})
    await operator.qualifications.grant("fluent", "ann", 1)
    async with crowd_of(run.url) as worker:
        for name in ("ann", "bob"):
            assert await refusal(worker(name)) == (
                "not_qualified",
                "This task asks for a qualification that you do not have.",
            )
        await operator.qualifications.grant("fluent", "ann", 2)
        await take(worker("ann"))


async def test_blocked_workers_and_block_qualification_holders_are_refused(operator: Operator) -> None:
    run = await launch(operator, rows(2), blueprint={"block_qualification": "banned"})
    await operator.qualifications.grant("banned", "ann")
    await operator.workers.block("bob")
    async with crowd_of(run.url) as worker:
        assert (await refusal(worker("ann")))[0] == "not_qualified"
        assert (await refusal(worker("bob")))[0] == "blocked"
        await operator.qualifications.revoke("banned", "ann")
        await operator.workers.unblock("bob")
        await take(worker("ann"))
        await take(worker("bob"))


async def test_worker_can_do_unit_chooses_who_gets_what(operator: Operator) -> None:
    def can_do(worker: Any, unit: Any) -> bool:
        if worker.worker_name == "eve":
            raise KeyError("eve")
        return bool(worker.worker_name == "ann")

    run = await launch(operator, rows(2), shared={"worker_can_do_unit": can_do})
    async with crowd_of(run.url) as worker:
        assert (await refusal(worker("bob")))[0] == "no_available_units"
        assert (await refusal(worker("eve")))[0] == "no_available_units"
        await take(worker("ann"))
    assert run.events()["why"].str.contains("worker_can_do_unit raised KeyError").any()


async def test_no_more_units_are_out_than_max_num_concurrent_units_says(operator: Operator) -> None:
    run = await launch(operator, rows(20), max_num_concurrent_units=3)
    most: list[int] = []
    parts_of(run).engine.listeners.append(lambda step: most.append(step.state.num_out))
    async with crowd_of(run.url) as worker:

        async def work(name: str) -> None:
            while (agent_id := (await worker(name).register())["agent_id"]) is not None:
                await worker(name).submit(agent_id, {})

        await asyncio.gather(*(work(f"worker-{i}") for i in range(8)))
        while live_of(run).progress != (20, 20, 0):
            await parts_of(run).engine.wait_until(lambda state: bool(state.launched) or state.is_complete)
            await work("last")
    await run.completed()
    assert max(most) == 3


async def test_on_unit_submitted_is_called_plain_or_async_and_may_fail(operator: Operator) -> None:
    plain, later, all_called = [], [], asyncio.Event()

    async def call_later(unit: Any) -> None:
        later.append(unit.unit_id)
        if len(later) == 2:
            all_called.set()

    def fail(unit: Any) -> None:
        raise ValueError("no such label")

    runs = [
        await launch(operator, rows(2), shared={"on_unit_submitted": hook})
        for hook in (lambda unit: plain.append(unit.unit_id), call_later, fail)
    ]
    for run in runs:
        async with crowd_of(run.url) as worker:
            for _ in range(2):
                await worker("ann").submit(await take(worker("ann")), {})
        await run.completed()
        await live_of(run).over.wait()
    await all_called.wait()
    assert (len(set(plain)), len(set(later))) == (2, 2)
    assert [bool(run.attention) for run in runs] == [False, False, True]
    assert "on_unit_submitted failed 2 times: ValueError('no such label')" in runs[2].attention


async def test_a_worker_who_takes_too_long_loses_the_unit_to_another(
    timed_operator: Operator, clock: FakeClock
) -> None:
    run = await launch(timed_operator, rows(1), assignment_duration_in_seconds=HOUR)
    async with crowd_of(run.url) as worker:
        late = await take(worker("ann"))
        clock.advance(HOUR - 1)
        assert (await refusal(worker("bob")))[0] == "no_available_units"
        clock.advance(1)
        await parts_of(run).engine.wait_until(lambda state: bool(state.launched))
        await worker("bob").submit(await take(worker("bob")), {"by": "bob"})
        await run.completed()
        with pytest.raises(RouterError, match="409 The time for this task is over"):
            await worker("ann").submit(late, {"by": "ann"})
    assert list(run.results()["answer.by"]) == ["bob"]
    assert set(run.agents()["status"]) == {"timeout", "completed"}


async def test_an_answer_in_time_counts_though_the_kernel_hears_it_later(
    make_operator: Callable[..., Operator], clock: FakeClock
) -> None:
    operator = make_operator(clock=clock)
    run = await launch(operator, rows(1), assignment_duration_in_seconds=HOUR)
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        await operator.detach()
        await worker("ann").submit(agent_id, {"by": "ann"})
    clock.advance(2 * HOUR)
    again = await make_operator(clock=clock).reconnect(run.task_run_id)
    await again.completed()
    assert list(again.agents()["status"]) == ["completed"]
    assert not again.events()["after"].eq("timeout").any()


async def test_units_that_nobody_took_expire_at_the_end_of_the_tasks_life(
    timed_operator: Operator, clock: FakeClock
) -> None:
    run = await launch(timed_operator, rows(3), task_lifetime_in_seconds=HOUR, assignment_duration_in_seconds=2 * HOUR)
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        clock.advance(HOUR)
        await expired(run, 2)
        assert (run.status, (await refusal(worker("bob")))[0]) == ("closing", "run_over")
        await worker("ann").submit(agent_id, {})
        await run.completed()
    assert run.counts == {"completed": 1, "expired": 2}


async def test_a_run_in_which_nothing_is_submitted_is_shut_down(timed_operator: Operator, clock: FakeClock) -> None:
    run = await launch(timed_operator, rows(2), no_submission_patience=HOUR)
    clock.advance(HOUR / 2)
    async with crowd_of(run.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {})
        await parts_of(run).engine.wait_until(lambda state: state.last_submission_at is not None)
    clock.advance(HOUR / 2)
    await parts_of(run).engine.do(lambda step: None)
    assert run.status == "live"
    clock.advance(HOUR)
    await run.completed()
    assert run.counts == {"completed": 1, "expired": 1}
    assert run.events()["why"].str.contains("nothing was submitted for 3600 seconds").any()


async def test_an_unfinished_run_is_gone_on_with_however_long_it_rested(
    timed_operator: Operator, clock: FakeClock
) -> None:
    run = await launch(timed_operator, rows(3), no_submission_patience=HOUR)
    async with crowd_of(run.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {"n": 1})
    await run.shutdown()
    clock.advance(48 * HOUR)
    resumed = await launch(timed_operator, rows(3), no_submission_patience=HOUR, resume_incomplete_run=True)
    assert (resumed.task_run_id, resumed.counts) == (run.task_run_id, {"launched": 2, "completed": 1})
    clock.advance(HOUR / 2)
    async with crowd_of(resumed.url) as worker:
        for _ in range(2):
            await worker("bob").submit(await take(worker("bob")), {"n": 2})
    await resumed.completed()
    assert sorted(resumed.results()["answer.n"]) == [1, 2, 2]


async def test_force_rebuild_is_accepted_and_patience_may_be_endless(
    timed_operator: Operator, clock: FakeClock
) -> None:
    run = await launch(timed_operator, force_rebuild=True, no_submission_patience=0)
    clock.advance(30 * 24 * HOUR)
    await parts_of(run).engine.do(lambda step: None)
    assert run.status == "live"
