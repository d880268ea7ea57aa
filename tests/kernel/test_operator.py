"""An operator: one for a database and kernel, with many runs, and ends that leave nothing behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.architects.websocket_channel import WebSocketChannel
from mephisto_nb.errors import ClosedError, LoopError, NotFoundError, RouterError, RunFailedError
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.operator import Operator
from mephisto_nb.ports.architect import Channel
from mephisto_nb.providers.link import LinkProvider
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.simulated_workers import simulate_workers
from mephisto_nb.utils.proofs import Secret
from tests.inside import frames_of, live_of, parts_of
from tests.kernel.runs import crowd_of, end_routers, has_ended, kill, launch, router_pid, routers_in, rows, take


def tasks() -> set[str]:
    """Return the names of the tasks that are running, but for this test's own."""
    return {task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}}


async def test_two_runs_at_once_do_not_disturb_each_other(operator: Operator) -> None:
    texts, numbers = await asyncio.gather(
        launch(operator, rows(20)), launch(operator, [{"n": n} for n in range(20)], task_name="numbers")
    )
    assert operator.get_running_task_runs() == [texts, numbers] or operator.get_running_task_runs() == [numbers, texts]
    await asyncio.gather(
        simulate_workers(texts.url, lambda data: {"seen": data["text"]}),
        simulate_workers(numbers.url, lambda data: {"seen": data["n"]}),
    )
    await asyncio.gather(texts.completed(), numbers.completed())
    for run, column in ((texts, "text"), (numbers, "n")):
        assert list(run.results()["answer.seen"]) == list(run.results()[f"input.{column}"])
    assert set(texts.units()["task_run_id"]) == {texts.task_run_id}
    assert sorted(operator.task_runs()["completed"]) == [20, 20]


async def test_a_database_has_one_operator_until_it_is_shut_down(make_operator: Callable[..., Operator]) -> None:
    operator = make_operator()
    assert make_operator() is operator
    await operator.shutdown()
    await operator.shutdown()
    await operator.force_shutdown()
    assert repr(operator) == "<Operator: shut down>"
    with pytest.raises(ClosedError, match=r"operator = mephisto_nb\.Operator\(\)"):
        await launch(operator)
    again = make_operator()
    assert again is not operator
    assert repr(again) == "<Operator: no task runs under way>"


async def test_a_run_that_has_ended_says_how_to_go_on_with_it(make_operator: Callable[..., Operator]) -> None:
    operator = make_operator()
    task_run_id = (await launch(operator, rows(1))).task_run_id
    await operator.force_shutdown()
    run = make_operator().get_task_run(task_run_id)
    for act in (run.steering.pause_launching(), run.steering.expire_units()):
        with pytest.raises(ClosedError, match=r"has ended\. To go on with it: .*resume_incomplete_run=true"):
            await act
    with pytest.raises(ClosedError, match="has ended"):
        run.get_worker_url("ann")


def test_an_operator_whose_loop_has_ended_gives_way_to_a_new_one(data_dir: Path) -> None:
    async def leave() -> tuple[Operator, str]:
        operator = Operator(data_dir=data_dir)
        return operator, (await launch(operator, rows(1))).task_run_id

    async def take_up() -> None:
        async with Operator(data_dir=data_dir) as again:
            assert again is not operator
            assert task_run_id in repr(again)
            await (await again.reconnect(task_run_id)).force_shutdown()
        await end_routers(data_dir)

    operator, task_run_id = asyncio.run(leave())
    asyncio.run(take_up())


@pytest.mark.parametrize("waits_for", ["completed", "force_shutdown"])
def test_a_waiting_task_is_released_when_the_loop_ends(data_dir: Path, waits_for: str) -> None:
    async def leave() -> None:
        async def use() -> None:
            async with Operator(data_dir=data_dir) as operator:
                run = await launch(operator, rows(1))
                launched.set()
                await (run.completed() if waits_for == "completed" else asyncio.Event().wait())

        launched = asyncio.Event()
        tasks.append(asyncio.create_task(use()))
        await launched.wait()

    tasks: list[asyncio.Task[None]] = []
    asyncio.run(leave())  # cancels all that is left, and waits for it
    assert tasks[0].done()
    asyncio.run(end_routers(data_dir))


@pytest.mark.parametrize(
    "act",
    [
        lambda operator, run: operator.wait_for_runs_then_shutdown(),
        lambda operator, run: operator.shutdown(),
        lambda operator, run: operator.force_shutdown(),
        lambda operator, run: operator.detach(),
        lambda operator, run: run.shutdown(),
        lambda operator, run: run.completed(),
        lambda operator, run: run.steering.pause_launching(),
    ],
)
def test_an_operator_is_used_on_one_loop_only(data_dir: Path, act: Callable[[Operator, TaskRun], Any]) -> None:
    async def use() -> None:
        await act(operator, run)

    operator = Operator(data_dir=data_dir)
    with asyncio.Runner() as runner:
        run = runner.run(launch(operator, rows(1)))
        with pytest.raises(LoopError, match="lives on another event loop"):
            asyncio.run(use())
        runner.run(operator.force_shutdown())


async def test_a_run_whose_units_are_done_says_so_before_its_router_ends(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    async with crowd_of(run.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {})
    await run.completed()
    assert (run.status, live_of(run).is_running, live_of(run).over.is_set()) == ("done", True, False)
    assert "done: 1 of 1 units answered" in repr(run)
    await live_of(run).over.wait()
    assert (run.status, live_of(run).is_running) == ("ended", False)


async def test_a_gentle_end_waits_for_active_workers_and_leaves_nothing(operator: Operator) -> None:
    run = await launch(operator, rows(3))
    pid = router_pid(run)
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        ending = asyncio.create_task(operator.shutdown())
        await parts_of(run).engine.wait_until(lambda state: state.counts[UnitStatus.EXPIRED] == 2)
        assert (run.status, ending.done()) == ("closing", False)
        await worker("ann").submit(agent_id, {"n": 1})
        await ending
    assert (run.status, run.counts) == ("ended", {"completed": 1, "expired": 2})
    assert tasks() == set()
    await has_ended(pid)
    assert list(run.results()["answer.n"]) == [1]


async def test_an_end_by_force_sends_home_who_is_at_work(operator: Operator) -> None:
    run = await launch(operator, rows(2))
    pid = router_pid(run)
    async with crowd_of(run.url) as worker:
        await take(worker("ann"))
        await operator.force_shutdown()
    assert run.counts == {"expired": 2}
    assert list(run.agents()["status"]) == ["expired"]
    assert tasks() == set()
    await has_ended(pid)


async def test_a_router_ends_after_its_run_and_leaves_no_zombie(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    pid = router_pid(run)
    async with crowd_of(run.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {})
        await run.completed()
    await live_of(run).over.wait()
    await has_ended(pid)
    await asyncio.to_thread(parts_of(run).architect._reaper.join)  # type: ignore[attr-defined]
    assert routers_in(parts_of(run).directory) == []
    assert operator.get_running_task_runs() == []


async def test_a_run_that_is_about_to_end_by_itself_can_be_shut_down(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        await worker("ann").submit(agent_id, {})
        await run.completed()
        await asyncio.gather(run.shutdown(), run.force_shutdown(), live_of(run).over.wait())
        await run.shutdown()
    assert (run.status, run.counts) == ("ended", {"completed": 1})


async def test_units_can_be_taken_back(operator: Operator) -> None:
    run = await launch(operator, rows(3))
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        assert await run.steering.expire_units() == 2
        assert await run.steering.expire_units() == 0
        await worker("ann").submit(agent_id, {})
    await run.completed()
    assert run.counts == {"completed": 1, "expired": 2}


async def test_waiting_for_runs_ends_when_all_their_work_is_done(operator: Operator) -> None:
    runs = [await launch(operator, rows(2)) for _ in range(2)]
    waiting = asyncio.create_task(operator.wait_for_runs_then_shutdown())
    await asyncio.gather(*(simulate_workers(run.url, lambda data: data, num_workers=2) for run in runs))
    await waiting
    assert [run.status for run in runs] == ["ended", "ended"]
    assert tasks() == set()


async def test_the_operators_context_ends_gently_or_on_an_error_by_force(data_dir: Path) -> None:
    async def fail() -> TaskRun:
        async with Operator(data_dir=data_dir) as operator:
            run = await launch(operator, rows(2))
            async with crowd_of(run.url) as worker:
                await take(worker("ann"))
            runs.append(run)
            raise ValueError("a mistake of the cell's")

    runs: list[TaskRun] = []
    with pytest.raises(ValueError, match="a mistake"):
        await fail()
    assert runs[0].counts == {"expired": 2}
    async with Operator(data_dir=data_dir) as operator:
        run = await launch(operator, rows(1))
    assert run.counts == {"expired": 1}
    assert tasks() == set()
    await end_routers(data_dir)


async def test_a_run_that_is_let_go_of_lives_on_and_is_taken_up(make_operator: Callable[..., Operator]) -> None:
    operator = make_operator()
    run = await launch(operator, rows(2))
    url, pid = run.url, router_pid(run)
    await operator.detach()
    assert (run.status, tasks()) == ("detached", set())
    with pytest.raises(ClosedError):
        await run.completed()
    again = make_operator()
    assert [left.task_run_id for left in again._runs.left_behind] == [run.task_run_id]
    taken_up = await again.reconnect(run.task_run_id)
    assert await again.reconnect(run.task_run_id) is taken_up
    assert (taken_up.url, router_pid(taken_up), again._runs.left_behind) == (url, pid, [])
    await simulate_workers(url, lambda data: data, num_workers=1)
    await taken_up.completed()
    await live_of(taken_up).over.wait()
    with pytest.raises(NotFoundError, match="resume_incomplete_run=true"):
        await again.reconnect(run.task_run_id)
    with pytest.raises(NotFoundError):
        await again.reconnect("no-such-run")


async def test_a_stranger_in_the_routers_place_is_not_trusted(operator: Operator, data_dir: Path) -> None:
    run = await launch(operator, rows(1))
    async with crowd_of(run.url) as worker:
        await take(worker("ann"))
    config = parts_of(run).directory / "router_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"token": "f" * 64}))
    await parts_of(run).link.catch_up()
    await parts_of(run).link._channel.close()  # type: ignore[union-attr]
    with pytest.raises(RunFailedError, match="stopped working"):
        await run.completed()
    assert (run.status, bool(run.attention)) == ("failed", True)
    with pytest.raises(RunFailedError):
        await operator.shutdown()
    assert tasks() == set()


async def test_a_stranger_who_was_quick_to_take_a_port_ends_no_run(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await launch(operator, rows(1))
    architect, strangers = parts_of(run).architect, [Secret("f" * 64), Secret("e" * 64)]
    get_channel = architect.get_channel

    def get_wrong_channel() -> Channel:
        return WebSocketChannel(run.url, run.task_run_id, strangers.pop()) if strangers else get_channel()

    async with crowd_of(run.url) as worker:
        agent = await take(worker("ann"))
        monkeypatch.setattr(architect, "get_channel", get_wrong_channel)
        await parts_of(run).link._channel.close()  # type: ignore[union-attr]
        await worker("ann").submit(agent, {})
    await run.completed()
    assert strangers == []


async def test_a_router_is_ended_though_the_crowd_cannot_be_tidied_up(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: LinkProvider, task_run_id: str) -> None:
        raise OSError("the crowd does not answer")

    run, other = await launch(operator, rows(1)), await launch(operator, rows(1))
    pid = router_pid(run)
    with monkeypatch.context() as patch:
        patch.setattr(LinkProvider, "cleanup_resources_from_task_run", fail)
        with pytest.raises(RunFailedError, match="the crowd does not answer"):
            await run.force_shutdown()
    await has_ended(pid)
    async with crowd_of(other.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {})
    await other.completed()  # it goes on


async def test_a_router_that_cannot_be_revived_is_told_of_and_tried_again(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await launch(operator, rows(1))
    revive, tried = parts_of(run).architect.revive, asyncio.Event()

    async def fail() -> Any:
        tried.set()
        raise RouterError("there is no disk")

    monkeypatch.setattr(parts_of(run).architect, "revive", fail)
    await kill(router_pid(run))
    await tried.wait()
    await asyncio.sleep(0)
    assert any("The router cannot be reached" in reason for reason in run.attention)
    monkeypatch.setattr(parts_of(run).architect, "revive", revive)
    async with crowd_of(run.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {})
    await run.completed()
    assert run.attention == []


async def test_a_display_that_fails_ends_no_run(operator: Operator) -> None:
    def fail() -> None:
        raise ValueError("a display's own mistake")

    run = await launch(operator, rows(1))
    for told in (live_of(run), parts_of(run).link, operator._runs):
        told.listeners.append(fail)
    async with crowd_of(run.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {})
    await live_of(run).over.wait()
    await operator.shutdown()
    assert (run.status, live_of(run).failure) == ("ended", None)


async def test_a_listener_that_leaves_hides_no_step_from_the_next(operator: Operator) -> None:
    heard: list[str] = []
    engine = parts_of(await launch(operator, rows(1))).engine

    def once(step: object) -> None:
        engine.listeners.remove(once)

    engine.listeners += [once, lambda step: heard.append("the next")]
    await engine.do(lambda step: None)
    assert "the next" in heard


async def test_a_run_driven_from_here_is_driven_by_no_other_kernel(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    assert operator.find_driver(run.task_run_id) is None


async def test_a_run_that_cannot_be_ended_is_named_in_the_log(
    operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    run, other = await launch(operator, rows(1)), await launch(operator, rows(1))
    live_of(run).fail(OSError("the disk is gone"))
    await operator.force_shutdown()
    (told,) = [message for message in caplog.messages if "did not end" in message]
    assert (run.task_run_id in told, "operator.reconnect" in told, other.status) == (True, True, "ended")


async def test_a_run_let_go_of_while_it_settles_has_not_ended(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    settling = asyncio.Event()

    async def hang(*_: object) -> None:
        settling.set()
        await asyncio.Event().wait()

    run = await launch(operator, rows(1))
    monkeypatch.setattr(parts_of(run).link, "settle", hang)
    async with crowd_of(run.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {})
    await settling.wait()
    await operator.detach()
    assert run.status == "detached"
    assert frames_of(run).database.runs.find_runs(live=True) != []
