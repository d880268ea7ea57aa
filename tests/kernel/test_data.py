"""Work is created from lists at once, and from generators only as workers need it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from mephisto_nb.config.hydra_config import compose
from mephisto_nb.errors import RunFailedError
from mephisto_nb.kernel import task_launcher
from mephisto_nb.model.shared_state import InitializationData
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.operator import Operator
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.step import Step
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.page_client import PageClient
from mephisto_nb.testing.simulated_workers import SimulatedWorker, simulate_workers
from mephisto_nb.utils.user_code import in_own_thread
from tests.inside import parts_of
from tests.kernel.runs import ABOUT, crowd_of, launch, rows, take, work_to_the_end


class Counted:
    """A generator's rows, and how many of them were asked for."""

    def __init__(self, count: int) -> None:
        self.count, self.drawn = count, 0

    def plain(self) -> Iterator[dict[str, Any]]:
        for index in range(self.count):
            self.drawn += 1
            yield {"index": index}

    async def later(self) -> AsyncIterator[dict[str, Any]]:
        for row in self.plain():
            yield row


def watch(run: TaskRun, check: Callable[[RunState], bool]) -> list[Step]:
    """Hold every committed step against a condition; give those that broke it."""
    broken: list[Step] = []
    parts_of(run).engine.listeners.append(lambda step: None if check(step.state) else broken.append(step))
    return broken


def indexes(run: TaskRun) -> list[int]:
    return sorted(run.results()["input.index"])


async def test_a_list_is_created_at_once_and_in_order(operator: Operator) -> None:
    run = await launch(operator, rows(5), blueprint={"units_per_assignment": 2}, max_num_concurrent_units=3)
    units = run.units()
    assert list(units["assignment_index"]) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert run.counts == {"created": 7, "launched": 3}


async def test_a_frame_goes_in_as_it_comes_out(operator: Operator) -> None:
    run = await launch(operator, [{"text": text} for text in pd.DataFrame(rows(3))["text"]])
    await simulate_workers(run.url, lambda data: {"seen": data["text"]}, num_workers=2)
    await run.completed()
    results = run.results()
    assert list(results["input.text"]) == list(results["answer.seen"]) == ["text 0", "text 1", "text 2"]


async def test_whole_numbers_come_out_as_they_went_in(operator: Operator) -> None:
    ids = pd.array([1234567890123456789, None, 5], dtype="Int64")
    run = await launch(operator, pd.DataFrame({"id": ids}).to_dict("records"))
    await simulate_workers(run.url, lambda data: {"seen": data["id"]} if data["id"] else {}, num_workers=2)
    await run.completed()
    for name in ("input.id", "answer.seen"):
        assert run.results()[name].tolist() == [1234567890123456789, pd.NA, 5]
        assert str(run.results()[name].dtype) == "Int64"


async def test_what_a_rehearsal_owes_is_told_from_real_debts(operator: Operator) -> None:
    run = await launch(operator, rows(2))
    await simulate_workers(run.url, lambda data: data, num_workers=1, units_per_worker=1)
    async with PageClient() as session:
        ann = SimulatedWorker("ann", run.url, session)
        registration = {"worker_name": "ann", "agent_registration_id": "page-ann", "provider_type": "link"}
        packet = await ann.post("/request_agent", {"provider_data": registration})
        await ann.submit(packet["data"]["agent_id"], {})
    await run.completed()
    await run.review.approve()
    for frame in (operator.workers.frame(), run.payments(), operator.payments(), run.payments.owed()):
        assert dict(zip(frame["worker_name"], frame["simulated"], strict=True)) == {"simulated-000": True, "ann": False}
    assert list(operator.payments.owed()["worker_name"]) == ["ann", "simulated-000"]


@pytest.mark.parametrize("kind", ["plain", "later"])
async def test_a_generator_is_drawn_from_only_as_far_as_workers_need(kind: str, operator: Operator) -> None:
    counted = Counted(30)
    run = await launch(operator, getattr(counted, kind)(), max_num_concurrent_units=2)
    assert counted.drawn <= 4
    out = watch(run, lambda state: state.num_out <= 2)
    ahead = watch(run, lambda state: counted.drawn <= 4 + len(state.units) - state.counts[UnitStatus.CREATED])
    await simulate_workers(run.url, lambda data: data, num_workers=4, units_per_worker=5)
    assert not out
    assert not ahead
    assert counted.drawn < 30
    await work_to_the_end(run)
    assert indexes(run) == list(range(30))


async def test_a_generator_is_drawn_from_by_units_not_by_assignments(operator: Operator) -> None:
    counted = Counted(30)
    run = await launch(operator, counted.plain(), max_num_concurrent_units=3, blueprint={"units_per_assignment": 3})
    assert counted.drawn == 2
    assert run.counts == {"created": 3, "launched": 3}


async def test_a_row_is_offered_before_the_next_one_comes(operator: Operator) -> None:
    more, closed = asyncio.Event(), asyncio.Event()

    async def trickle() -> AsyncIterator[dict[str, Any]]:
        try:
            yield {"index": 0}
            await more.wait()
            yield {"index": 1}
        finally:
            closed.set()

    run = await launch(operator, trickle())
    async with crowd_of(run.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {})
        await parts_of(run).engine.wait_until(lambda state: state.counts[UnitStatus.COMPLETED] == 1)
        assert run.status == "live"
        more.set()
        await parts_of(run).engine.wait_until(lambda state: bool(state.launched))
        await worker("ann").submit(await take(worker("ann")), {})
    await run.completed()
    assert indexes(run) == [0, 1]
    await closed.wait()


async def test_a_run_whose_generator_hangs_can_be_shut_down(operator: Operator) -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[dict[str, Any]]:
        try:
            yield {"index": 0}
            await asyncio.Event().wait()
        finally:
            closed.set()

    run = await launch(operator, endless())
    await run.shutdown()
    assert (run.status, run.counts) == ("ended", {"expired": 1})
    await closed.wait()


async def test_rows_that_come_while_a_run_is_closing_are_not_offered(operator: Operator) -> None:
    more = asyncio.Event()

    async def late() -> AsyncIterator[dict[str, Any]]:
        yield {"index": 0}
        await more.wait()
        yield {"index": 1}

    run = await launch(operator, late())
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        ending = asyncio.create_task(run.shutdown())
        await parts_of(run).engine.wait_until(lambda state: state.closing is not None)
        more.set()
        await parts_of(run).engine.do(lambda step: None)
        await worker("ann").submit(agent_id, {})
        await ending
    assert run.counts == {"completed": 1}


@pytest.mark.parametrize("error", [OSError("the disk is gone"), SystemExit("the disk is gone")])
async def test_data_that_fails_later_ends_the_run_after_what_there_was(
    error: BaseException, operator: Operator
) -> None:
    def failing() -> Iterator[dict[str, Any]]:
        yield from ({"index": index} for index in range(4))
        raise error

    run = await launch(operator, failing(), max_num_concurrent_units=1)
    async with crowd_of(run.url) as worker:
        for _ in range(4):
            await parts_of(run).engine.wait_until(lambda state: state.counts[UnitStatus.LAUNCHED] == 1)
            details = await worker("ann").register()
            await worker("ann").submit(details["agent_id"], details["init_task_data"])
    with pytest.raises(RunFailedError, match=r"its data failed: .*the disk is gone"):
        await run.completed()
    assert indexes(run) == [0, 1, 2, 3]
    assert any("the disk is gone" in reason for reason in run.attention)
    assert run.events()["why"].str.contains("the task's data failed").any()


@pytest.mark.parametrize("kind", ["plain", "later"])
async def test_a_generator_of_a_reconnected_run_goes_on_where_it_was(
    kind: str, make_operator: Callable[..., Operator], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_launcher, "DRAWING", 0.0)  # a slow generator: one row at a time
    operator = make_operator()
    run = await launch(operator, getattr(Counted(12), kind)(), max_num_concurrent_units=3)
    await parts_of(run).engine.wait_until(lambda state: len(state.assignments) >= 6)
    await simulate_workers(run.url, lambda data: data, num_workers=1, units_per_worker=2)
    await operator.detach()
    shared = type(parts_of(run).blueprint.shared_state)(static_task_data=getattr(Counted(12), kind)())
    again = await make_operator().reconnect(run.task_run_id, shared)
    await work_to_the_end(again)
    assert indexes(again) == list(range(12))


async def test_rows_that_block_for_ever_take_no_thread_that_others_need(operator: Operator) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def blocking() -> Iterator[dict[str, Any]]:
        yield {}
        reached.set()
        go_on.wait(60)

    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    run = await launch(operator, blocking())
    async with asyncio.timeout(20):
        await in_own_thread(reached.wait)
        assert await asyncio.to_thread(lambda: run.counts) == {"launched": 1}
    go_on.set()


async def test_what_is_skipped_is_counted_by_assignments() -> None:
    empty = InitializationData({}, [])
    engine: Any = SimpleNamespace(state=SimpleNamespace(num_assignments=3), do=None)
    launcher = task_launcher.TaskLauncher(engine, engine, iter([empty] * 5))
    skipped, is_last = await launcher._draw(3)
    assert (len(skipped), is_last) == (3, False)


async def test_what_looks_wrong_in_the_data_is_told_from_the_start(operator: Operator) -> None:
    frame = pd.DataFrame({"text": ["one", None], "n": [1, None]}, index=pd.Index(["d1", "d2"], name="doc"))
    page = {"task_html": "<p>${text}</p><input name=mood>"}
    config = compose("static_html", blueprint_args=page, task={**ABOUT, "task_reward": 0.1})
    run = await operator.launch_task_run(config, frame)
    (told,) = run.attention
    assert "Left out as empty: row 1 (index 'd2') of static_task_data" in told
    await simulate_workers(run, lambda row: {"mood": row["text"]})
    await run.completed()
    assert run.results()[["input.doc", "answer.mood"]].values.tolist() == [["d1", "one"]]
    await run.force_shutdown()


async def test_a_picture_that_did_not_load_is_told_after_a_restart_too(make_operator: Callable[..., Operator]) -> None:
    operator = make_operator()
    run = await launch(operator, rows(1))
    report = {"error_type": "file", "file": "cat.png", "text": "cat.png could not be loaded"}
    async with PageClient() as client:
        for _ in range(2):
            body = {"USED_AGENT_ID": "mephisto", "error_data": report}
            await client.post_json(f"{run.url}/log_error", body)
        await parts_of(run).engine.wait_until(lambda state: bool(run.attention))
    await operator.detach()
    again = await make_operator().reconnect(run.task_run_id)
    assert any("could not load 'cat.png', and showed a gap" in told for told in again.attention)


async def test_a_simulated_worker_who_fails_holds_up_nobody(operator: Operator) -> None:
    run = await launch(operator, rows(2))
    with pytest.raises(KeyError, match="label"):
        await simulate_workers(run.url, lambda data: data["label"], num_workers=2)
    await parts_of(run).engine.wait_until(lambda state: state.counts[UnitStatus.LAUNCHED] == 2)


async def test_who_is_stopped_while_they_ask_for_a_unit_holds_none(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await launch(operator, rows(2))
    has_got, post = asyncio.Event(), PageClient.post_json

    async def lose_the_answer(client: PageClient, url: str, content: Any) -> Any:
        answer = await post(client, url, content)
        if "simulated-001" in str(content) and not has_got.is_set():
            has_got.set()
            await asyncio.Event().wait()
        return answer

    async def fail(data: Any) -> None:
        await has_got.wait()
        raise KeyError("label")

    monkeypatch.setattr(PageClient, "post_json", lose_the_answer)
    with pytest.raises(KeyError, match="label"):
        await simulate_workers(run.url, fail, num_workers=2)
    await parts_of(run).engine.wait_until(lambda state: state.counts[UnitStatus.LAUNCHED] == 2)
