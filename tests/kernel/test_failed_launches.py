"""A launch that fails half-way, or is cancelled, takes back what it had started."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.architects import local
from mephisto_nb.architects.local import LocalArchitect
from mephisto_nb.blueprints.mock import MockBlueprint
from mephisto_nb.errors import LaunchError
from mephisto_nb.operator import Operator
from mephisto_nb.providers.link import LinkProvider
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
