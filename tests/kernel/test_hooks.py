"""`on_unit_submitted` is called for every answer, whatever becomes of kernels; it pays once, and harms nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from mephisto_nb.errors import ConfigError, DatabaseError
from mephisto_nb.kernel import hooks
from mephisto_nb.kernel.run_tasks import Supervisor
from mephisto_nb.model.money import Money
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.simulated_workers import simulate_workers
from tests.inside import frames_of, live_of, parts_of, watch
from tests.kernel.runs import crowd_of, launch, rows, take


async def answer(run: TaskRun, name: str = "ann", **given: Any) -> None:
    """Let a worker do one unit."""
    async with crowd_of(run.url) as worker:
        await worker(name).submit(await take(worker(name)), {"mood": "glad", **given})


async def launch_with(operator: Operator, hook: Callable[..., Any], count: int = 1, **task: Any) -> TaskRun:
    return await launch(operator, rows(count), shared={"on_unit_submitted": hook}, **task)


async def test_a_hook_reads_what_was_asked_and_what_came_back(operator: Operator) -> None:
    seen: list[Any] = []
    run = await launch_with(operator, seen.append, task_reward=0.25)
    await answer(run)
    await run.completed()
    (unit,) = seen
    assert (unit.worker_name, unit.inputs, unit.answer, unit.pay_amount, unit.status) == (
        "ann", {"text": "text 0"}, {"mood": "glad"}, Money.of("0.25"), "completed",
    )  # fmt: skip
    (row,) = run.results().to_dict("records")
    for name in ("unit_id", "agent_id", "worker_id", "assignment_id", "assignment_index", "unit_index", "task_run_id"):
        assert getattr(unit, name) == row[name]
    assert unit.get_assigned_agent().state.get_data() == {"inputs": {"text": "text 0"}, "outputs": {"mood": "glad"}}


async def test_an_async_hook_pays_grants_and_blocks(operator: Operator) -> None:
    async def reward(unit: Any) -> None:
        await unit.bonus(0.5, "for care")
        await unit.grant("careful", 3)
        await unit.block("done is done")

    run = await launch_with(operator, reward)
    await answer(run)
    await run.completed()
    (paid,) = run.payments().to_dict("records")
    assert (paid["worker_name"], paid["kind"], paid["amount"], paid["reason"]) == ("ann", "bonus", 0.5, "for care")
    assert paid["unit_id"] == run.units()["unit_id"].item()
    facts = frames_of(run).database.people.get_worker_facts("another", "link", ["ann"])["ann"]
    assert facts.grants == {"careful": 3}
    assert facts.worker is not None
    assert facts.worker.blocked


async def test_a_plain_hook_does_the_same_from_its_thread(operator: Operator) -> None:
    threads: list[threading.Thread] = []

    def reward(unit: Any) -> None:
        threads.append(threading.current_thread())
        unit.bonus(0.5, "for care")
        unit.grant("careful")
        unit.revoke("careful")

    run = await launch_with(operator, reward)
    await answer(run)
    await run.completed()
    assert run.payments()["amount"].tolist() == [0.5]
    assert frames_of(run).database.people.get_worker_facts("another", "link", ["ann"])["ann"].grants == {}
    assert threads[0] is not threading.main_thread()


async def test_what_a_hook_began_and_did_not_await_is_done_all_the_same(operator: Operator) -> None:
    async def reward(unit: Any) -> None:
        unit.bonus(0.5, "for care")

    run = await launch_with(operator, reward)
    await answer(run)
    await run.completed()
    assert run.payments()["amount"].tolist() == [0.5]


async def test_a_bonus_is_owed_once_for_each_reason(operator: Operator) -> None:
    def reward(unit: Any) -> None:
        for reason in ("for care", "for speed", "for care"):
            unit.bonus(0.5, reason)

    run = await launch_with(operator, reward)
    await answer(run)
    await run.completed()
    assert run.payments()["reason"].tolist() == ["for care", "for speed"]
    assert run.events()["why"].str.startswith("is owed").sum() == 2
    assert watch(run).state()["money"]["spent"] == pytest.approx(0.1 + 1.0)


BAD = [(0, "care"), (-1, "care"), (float("nan"), "care"), (float("inf"), "care"), (True, "care"), ("much", "care"),
       (20.01, "care"), (0.000001, "care"), (Money.of(1, "GBP"), "care"), (1, ""), (1, None)]  # fmt: skip


@pytest.mark.parametrize(("amount", "reason"), BAD, ids=str)
async def test_a_bad_bonus_is_refused_before_anything_is_owed(operator: Operator, amount: Any, reason: Any) -> None:
    refused: list[Exception] = []

    def reward(unit: Any) -> None:
        with pytest.raises(ConfigError) as told:
            unit.bonus(amount, reason)
        refused.append(told.value)

    run = await launch_with(operator, reward)
    await answer(run)
    await run.completed()
    assert "bonus" in str(refused[0])
    assert run.payments().empty


async def test_the_most_that_a_bonus_may_be_is_a_setting(operator: Operator) -> None:
    run = await launch_with(operator, lambda unit: unit.bonus(0.5, "care"), maximum_bonus=0.4)
    await answer(run)
    await run.completed()
    assert run.payments().empty
    assert "more than mephisto.task.maximum_bonus, $0.40" in "".join(run.attention)


async def test_a_slow_hook_delays_neither_answers_nor_other_hooks(operator: Operator) -> None:
    free, quick = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow_for_ann(unit: Any) -> None:
        if unit.worker_name == "ann":
            free.wait(20)
        else:
            loop.call_soon_threadsafe(quick.set)

    run = await launch_with(operator, slow_for_ann, count=2)
    await answer(run, "ann")
    await answer(run, "bob")
    await quick.wait()
    assert live_of(run).progress == (2, 2, 0)
    free.set()
    await run.completed()
    assert run.attention == []


async def test_a_hook_that_never_ends_does_not_keep_a_run_from_ending(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "TIMEOUT", 0.01)

    async def never(unit: Any) -> None:
        await asyncio.Event().wait()

    run = await launch_with(operator, never)
    await answer(run)
    await run.completed()
    await live_of(run).over.wait()
    assert "1 calls had not ended" in "".join(run.attention)


async def test_a_failing_hook_is_told_and_the_other_answers_go_on(operator: Operator) -> None:
    def fail(unit: Any) -> None:
        raise ValueError(unit.answer["n"])

    run = await launch_with(operator, fail, count=2)
    for n in range(2):
        await answer(run, n=n)
    await run.completed()
    assert sorted(str(error) for error in live_of(run).failed_hooks) == ["0", "1"]
    marks = [event.detail for event in frames_of(run).database.runs.read_events([run.task_run_id], why=hooks.CALLED)]
    assert marks == [{"error": "ValueError(0)"}, {"error": "ValueError(1)"}]


async def test_a_hook_gets_answers_of_an_absence_once_and_no_earlier_ones(
    make_operator: Callable[..., Operator],
) -> None:
    first, second = [], []
    before = make_operator()
    run = await launch_with(before, lambda unit: first.append(unit.answer["n"]), count=3)
    await answer(run, n=1)
    await parts_of(run).engine.wait_until(lambda _: bool(first))
    await parts_of(run).engine.do(lambda step: None)  # the mark is on its way
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("bob"))
        await before.detach()
        await worker("bob").submit(agent_id, {"n": 2})
    shared = SharedTaskState(on_unit_submitted=lambda unit: second.append(unit.answer["n"]))
    again = await make_operator().reconnect(run.task_run_id, shared)
    await answer(again, "cyd", n=3)
    await again.completed()
    assert (first, sorted(second)) == ([1], [2, 3])


async def test_a_hook_cut_off_is_called_again_and_pays_one_bonus(
    make_operator: Callable[..., Operator],
) -> None:
    reached, calls = asyncio.Event(), []

    async def pay_and_hang(unit: Any) -> None:
        calls.append("first")
        await unit.bonus(0.5, "care")
        reached.set()
        await asyncio.Event().wait()

    async def pay(unit: Any) -> None:
        calls.append("second")
        await unit.bonus(0.5, "care")

    before = make_operator()
    run = await launch_with(before, pay_and_hang, count=2)
    await answer(run)
    await reached.wait()
    await before.detach()
    again = await make_operator().reconnect(run.task_run_id, SharedTaskState(on_unit_submitted=pay))
    await answer(again, "bob")
    await again.completed()
    assert calls == ["first", "second", "second"]
    assert again.payments()["worker_name"].tolist() == ["ann", "bob"]


async def test_a_database_that_does_not_answer_for_a_moment_costs_no_call(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    run = await launch(operator, rows(1), shared={"on_unit_submitted": lambda unit: told.append(unit.worker_name)})
    real, failures = hooks.read_answers, [DatabaseError("locked")]

    def read(*about: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(*about)

    monkeypatch.setattr(hooks, "read_answers", read)
    await simulate_workers(run.url, lambda data: data, num_workers=1)
    await run.completed()
    assert (len(told), live_of(run).failed_hooks) == (1, [])


async def test_an_answer_that_comes_as_a_call_ends_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    async def tell(self: hooks.SubmissionHooks, agent_id: str) -> None:
        told.append(agent_id)
        if agent_id == "first":  # it is published before the end of this call is known
            asyncio.get_running_loop().call_soon(helper._on_step, submitted("second"))

    def submitted(agent_id: str) -> Any:
        return SimpleNamespace(submitted=[SimpleNamespace(agent_id=agent_id)])

    monkeypatch.setattr(hooks, "_AT_ONCE", 1)
    monkeypatch.setattr(hooks.SubmissionHooks, "_tell", tell)
    run: Any = SimpleNamespace(task_run_id="run", task_run=SimpleNamespace(config={"mephisto": {"task": {}}}))
    run.parts, run.note_failed_hook = SimpleNamespace(engine=SimpleNamespace(listeners=[])), print
    supervisor = Supervisor()
    await supervisor.start()
    helper = hooks.SubmissionHooks(run, supervisor, print)
    helper._on_step(submitted("first"))
    await asyncio.wait(set(helper._tasks))
    await helper.finish()
    assert told == ["first", "second"]
    await supervisor.close()


async def test_what_a_failing_hook_began_is_done_before_it_counts_as_called(operator: Operator) -> None:
    async def begin_and_fail(unit: Any) -> None:
        unit.bonus(0.5, "for care")
        raise ValueError("the hook's own mistake")

    run = await launch_with(operator, begin_and_fail)
    await answer(run)
    await live_of(run).over.wait()
    told = [why for why in run.events()["why"] if why == hooks.CALLED or why.startswith("is owed")]
    assert [why == hooks.CALLED for why in told] == [False, True]
