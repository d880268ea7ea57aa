"""A launch that fails half-way, or is cancelled, takes back what it had started."""

from __future__ import annotations

import asyncio
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from mephisto_nb.architects import local
from mephisto_nb.architects.local import LocalArchitect
from mephisto_nb.blueprints.mock import MockBlueprint
from mephisto_nb.errors import ConfigError, LaunchError, RunBusyError
from mephisto_nb.model.task_run_args import PartnerRules
from mephisto_nb.operator import Operator
from mephisto_nb.providers.link import LinkProvider
from mephisto_nb.run import TaskRun
from tests.kernel.runs import launch, nothing_is_left, run_directories


class Unwilling(Exception):
    """What a plugin or a researcher's generator raises."""


def dying(directory: Path, notify_port: int) -> list[str]:
    return [sys.executable, "-c", "raise SystemExit('no disk')", str(directory)]


def silent(directory: Path, notify_port: int) -> list[str]:
    return [sys.executable, "-c", "import signal; signal.pause()", str(directory)]


async def refuse(*args: Any) -> Any:
    raise Unwilling("not today")


def failing_rows(good: int) -> Iterator[dict[str, Any]]:
    yield from ({"index": index} for index in range(good))
    raise Unwilling("not today")


async def failing_rows_later() -> AsyncIterator[dict[str, Any]]:
    raise Unwilling("not today")
    yield {}


def only_supervised() -> bool:
    """Return whether no task is left but the test's own and the supervisor."""
    names = {task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}}
    return names <= {"mephisto_nb-supervisor"}


@pytest.mark.parametrize("rows", [lambda: failing_rows(0), lambda: failing_rows(3), failing_rows_later])
async def test_data_that_fails_at_once_fails_the_launch(
    rows: Callable[[], Any], operator: Operator, data_dir: Path
) -> None:
    with pytest.raises(Unwilling):
        await launch(operator, rows())
    assert nothing_is_left(data_dir)
    assert only_supervised()


async def test_a_crowd_that_cannot_be_set_up_is_tidied_up_after(
    operator: Operator, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidied = []

    async def tidy(self: LinkProvider, task_run_id: str) -> None:
        tidied.append(task_run_id)

    monkeypatch.setattr(LinkProvider, "setup_resources_for_task_run", refuse)
    monkeypatch.setattr(LinkProvider, "cleanup_resources_from_task_run", tidy)
    with pytest.raises(Unwilling):
        await launch(operator)
    assert (len(tidied), operator.get_running_task_runs()) == (1, [])
    assert nothing_is_left(data_dir)
    monkeypatch.undo()
    assert (await launch(operator)).status == "live"


async def test_an_architect_that_cannot_deploy_fails_the_launch(
    operator: Operator, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalArchitect, "deploy", refuse)
    with pytest.raises(Unwilling):
        await launch(operator)
    assert nothing_is_left(data_dir)


async def test_a_router_that_dies_at_its_start_is_noticed_and_quoted(
    operator: Operator, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "command", dying)
    with pytest.raises(LaunchError, match=r"did not start: .*no disk"):
        await launch(operator)
    assert nothing_is_left(data_dir)


async def test_a_router_that_never_answers_is_ended(
    operator: Operator, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "command", silent)
    monkeypatch.setattr(local, "START_TIMEOUT", 0.01)
    with pytest.raises(LaunchError, match=r"did not answer in 0\.01 s"):
        await launch(operator)
    assert nothing_is_left(data_dir)


async def test_a_launch_cancelled_while_the_crowd_is_set_up_is_taken_back(
    operator: Operator, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = asyncio.Event()

    async def wait(*args: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(LinkProvider, "setup_resources_for_task_run", wait)
    await cancel_when(reached, operator)
    assert nothing_is_left(data_dir)
    assert only_supervised()


async def test_a_launch_cancelled_while_the_router_starts_is_taken_back(
    operator: Operator, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, spawn = asyncio.Event(), local.spawn

    def spawn_and_tell(*args: Any) -> Any:
        reached.set()
        return spawn(*args)

    monkeypatch.setattr(local, "spawn", spawn_and_tell)
    await cancel_when(reached, operator)
    assert nothing_is_left(data_dir)


async def test_a_launch_cancelled_while_the_page_is_written_is_taken_back(
    operator: Operator, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, reached, go_on, build_site = asyncio.get_running_loop(), asyncio.Event(), threading.Event(), []

    def build(self: MockBlueprint, directory: Path) -> None:
        loop.call_soon_threadsafe(reached.set)
        go_on.wait(10)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "index.html").write_text("late")
        build_site.append(directory)

    monkeypatch.setattr(MockBlueprint, "build_site", build)
    launching = asyncio.create_task(launch(operator))
    await reached.wait()
    launching.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await launching
    assert build_site
    assert nothing_is_left(data_dir)


async def test_a_launch_cancelled_before_its_first_row_is_undone(operator: Operator, data_dir: Path) -> None:
    reached, closed = asyncio.Event(), []

    async def slow_rows() -> AsyncIterator[dict[str, Any]]:
        try:
            reached.set()
            await asyncio.Event().wait()
            yield {}
        finally:
            closed.append(True)

    await cancel_when(reached, operator, slow_rows())
    assert closed
    assert nothing_is_left(data_dir)
    assert only_supervised()


async def cancel_when(reached: asyncio.Event, operator: Operator, data: Any = None) -> None:
    """Launch, and cancel it at a given point."""
    launching = asyncio.create_task(launch(operator, data))
    await reached.wait()
    launching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await launching


async def test_another_launch_goes_on_while_one_fails(
    operator: Operator, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = await asyncio.gather(launch(operator), launch(operator, failing_rows(0)), return_exceptions=True)
    assert isinstance(bad, Unwilling)
    assert not isinstance(good, BaseException)
    assert [path.name for path in run_directories(data_dir)] == [good.task_run_id]
    assert operator.get_running_task_runs() == [good]


async def ended_with_work_left(operator: Operator) -> TaskRun:
    """Return a run that has ended, and could be resumed."""
    run = await launch(operator, [{}, {}])
    await run.force_shutdown()
    return run


async def test_a_resumed_run_that_another_kernel_drives_keeps_its_site(operator: Operator, data_dir: Path) -> None:
    run = await ended_with_work_left(operator)
    directory = data_dir / "runs" / run.task_run_id
    mark = directory / "site" / "of the other kernel"
    mark.write_text("here")
    with FileLock(directory / "operator.lock"), pytest.raises(RunBusyError):
        await launch(operator, [{}, {}], resume_incomplete_run=True)
    assert mark.exists()


async def test_a_run_without_its_directory_is_not_resumed(operator: Operator, data_dir: Path) -> None:
    run = await ended_with_work_left(operator)
    shutil.rmtree(data_dir / "runs" / run.task_run_id)
    with pytest.raises(LaunchError, match="no directory"):
        await launch(operator, [{}, {}], resume_incomplete_run=True)
    assert run_directories(data_dir) == []


async def test_rows_of_gates_are_made_once_and_away_from_the_loop(operator: Operator) -> None:
    made_in: list[threading.Thread] = []

    def make() -> Iterator[dict[str, Any]]:
        made_in.append(threading.current_thread())
        return iter([])

    shared = {"screening_data_factory": make, "judge_screening": lambda answer, row: True}
    await launch(operator, [{}], shared=shared, blueprint={"use_screening_task": True})
    assert [thread is threading.main_thread() for thread in made_in] == [False]


async def test_code_that_lacks_what_it_is_called_by_is_refused(
    operator: Operator, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MockBlueprint, "get_partner_rules", lambda self: PartnerRules())
    with pytest.raises(ConfigError, match="EchoRunner has no run_assignment"):
        await launch(operator, blueprint={"run_live": True, "units_per_assignment": 2})
    assert nothing_is_left(data_dir)
