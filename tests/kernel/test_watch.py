"""What fails on a machine is told where the researcher looks, though nobody comes just then; and so is its end."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from mephisto_nb.kernel import watch as watch_module
from mephisto_nb.kernel.run_tasks import find_driver
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from mephisto_nb.utils import machine
from tests.inside import parts_of, watch
from tests.kernel.runs import crowd_of, launch, rows, take

pytestmark = pytest.mark.skipif(os.name != "posix", reason="elsewhere a file that is open cannot be taken away")

#: So long may pass before something is told.
TOLD_WITHIN = 10.0


def take_away(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()


@asynccontextmanager
async def told_in_time(run: TaskRun, condition: Callable[[str], bool]) -> AsyncIterator[None]:
    """After what is done inside, wait until `run.attention` is as it should be."""
    news, parts = asyncio.Event(), parts_of(run)
    for listeners in (parts.link.listeners, parts.watch.listeners):
        listeners.append(news.set)
    yield
    try:
        async with asyncio.timeout(TOLD_WITHIN):
            while not condition("\n".join(run.attention)):
                await news.wait()
                news.clear()
    except TimeoutError:
        pytest.fail(f"after {TOLD_WITHIN:g} s, run.attention says: {run.attention}")


async def test_a_database_that_is_removed_is_told_and_put_back(operator: Operator, data_dir: Path) -> None:
    run = await launch(operator, rows(1))
    async with told_in_time(run, lambda told: "mephisto_nb.db was removed while it was in use" in told):
        take_away(data_dir / "mephisto_nb.db")
    assert (data_dir / "mephisto_nb.db").exists()
    await run.force_shutdown()
    assert "mephisto_nb.db was removed" in "\n".join(run.attention)


async def test_an_inbox_that_is_removed_is_told_and_put_back(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    inbox = parts_of(run).directory / "inbox.db"
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        async with told_in_time(run, lambda told: "inbox.db was removed while it was in use" in told):
            take_away(inbox)
        await worker("ann").submit(agent_id, {"mood": "grim"})
    assert inbox.exists()
    await run.completed()
    assert run.results()["answer.mood"].tolist() == ["grim"]


async def test_a_folder_that_is_moved_is_told_until_it_is_back(operator: Operator, tmp_path: Path) -> None:
    run = await launch(operator, rows(1))
    folder, elsewhere = parts_of(run).directory, tmp_path / "elsewhere"
    words = f"{folder}, is not there any more"
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        async with told_in_time(run, lambda told: words in told):
            os.rename(folder, elsewhere)
        async with told_in_time(run, lambda told: not told):
            os.rename(elsewhere, folder)
        await worker("ann").submit(agent_id, {"mood": "grim"})
    await run.completed()
    assert run.results()["answer.mood"].tolist() == ["grim"]


async def test_a_folder_that_was_emptied_gets_back_what_a_kernel_needs(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    folder = parts_of(run).directory
    secret = (folder / "link_secret").read_text()
    for name in ("link_secret", "operator.lock", "operator.pid"):
        (folder / name).unlink()
    await parts_of(run).watch.look()
    assert (folder / "link_secret").read_text() == secret
    assert f"pid {os.getpid()}" in str(find_driver(folder))


async def test_a_lock_taken_again_is_given_back_with_its_loop(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    folder, tasks = parts_of(run).directory, operator._runs._tasks[run.task_run_id]
    (folder / "operator.lock").unlink()
    await parts_of(run).watch.look()
    assert find_driver(folder) is not None
    tasks.abandon()
    assert find_driver(folder) is None


async def test_a_database_that_takes_long_holds_up_no_look(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await launch(operator, rows(1))
    parts, is_tried = parts_of(run), asyncio.Event()

    async def wait_for_the_disk() -> None:
        is_tried.set()
        await asyncio.Event().wait()

    parts.watch.end()
    monkeypatch.setattr(parts.writer, "look_after", wait_for_the_disk)
    monkeypatch.setattr(watch_module, "LOOK_EVERY", 0.01)
    parts.watch.begin()
    await is_tried.wait()
    async with told_in_time(run, lambda told: "has all of the 10 files and connections open" in told):
        monkeypatch.setattr(machine, "open_files", lambda: 10.0)


@pytest.mark.slow
def test_who_drives_a_run_is_read_whatever_the_locale(tmp_path: Path) -> None:
    program = (
        "import platform, types; from pathlib import Path; from mephisto_nb.kernel import run_tasks\n"
        f"folder = Path({str(tmp_path)!r}); platform.node = lambda: 'b' + chr(252) + 'cherei'\n"
        "lock = run_tasks.take_lock(folder, types.SimpleNamespace())"
    )
    settings = {**os.environ, "LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-X", "utf8=0", "-c", program], check=True, env=settings)
    assert (tmp_path / "operator.pid").read_text("utf-8").endswith(" b\xfccherei")
    with FileLock(tmp_path / "operator.lock"):
        assert "on b\xfccherei" in str(find_driver(tmp_path))


async def test_files_of_an_earlier_state_are_written_over(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    folder, names = parts_of(run).directory, ("link_secret", "operator.pid")
    right = [(folder / name).read_text() for name in names]
    for name in names:
        (folder / name).write_text("4242 elsewhere")
    await parts_of(run).watch.look()
    assert [(folder / name).read_text() for name in names] == right


async def test_a_folder_that_was_removed_may_be_made_again(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    folder = parts_of(run).directory
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        async with told_in_time(run, lambda told: f"{folder}, is not there any more" in told):
            shutil.rmtree(folder)
        async with told_in_time(run, lambda told: f"{folder}, is not there any more" not in told):
            folder.mkdir()
        await worker("ann").submit(agent_id, {"mood": "grim"})
    await run.completed()
    assert run.results()["answer.mood"].tolist() == ["grim"]


async def test_the_dashboard_names_what_is_wrong_and_what_to_do(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await launch(operator, rows(1))
    monkeypatch.setattr(machine, "open_files", lambda: 10.0)
    await parts_of(run).watch.look()
    dashboard = watch(run)
    await dashboard.load()
    (notice,) = [one for one in dashboard.state()["attention"] if one["key"] == "kernel files"]
    assert "has all of the 10 files and connections open" in notice["reason"]
    assert notice["remedy"].startswith("Raise the limit")
    assert notice["severity"] == "error"
    dashboard.close()


async def test_a_database_that_does_not_answer_is_told_until_it_does(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOOK_EVERY", "_PATIENCE"):
        monkeypatch.setattr(watch_module, name, 0.05)
    run = await launch(operator, rows(1))
    answers = threading.Event()
    async with told_in_time(run, lambda told: "The database has not answered" in told):
        hanging = asyncio.ensure_future(parts_of(run).watch._writer.call(answers.wait))
    async with told_in_time(run, lambda told: not told):
        answers.set()
        await hanging


async def test_each_trouble_is_logged_once(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = await launch(operator, rows(1))
    monkeypatch.setattr(machine, "open_files", lambda: 10.0)
    for _ in range(3):
        await parts_of(run).watch.look()
    assert sum("files and connections open" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize("is_elsewhere", [True, False])
async def test_the_disk_of_a_database_elsewhere_is_looked_at(
    make_operator: Callable[..., Operator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_elsewhere: bool
) -> None:
    run = await launch(make_operator(database=f"sqlite:///{tmp_path / 'elsewhere' / 'my.db'}"), rows(1))
    parts = parts_of(run)
    devices = {parts.directory: 1, tmp_path / "elsewhere": 2 if is_elsewhere else 1}
    monkeypatch.setattr(watch_module, "device_of", devices.__getitem__)
    monkeypatch.setattr(watch_module, "say_little_room", lambda folder, whose: (f"{whose} {devices[folder]}", ""))
    await parts.watch.look()
    told = [one.reason for one in parts.watch.troubles]
    assert told == (["the run 1", "the database 2"] if is_elsewhere else ["the run 1"])
