"""A run beside another of its task, and a run that another kernel drives, are called so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.errors import RunBusyError
from mephisto_nb.kernel.run_tasks import find_driver, take_lock
from mephisto_nb.operator import Operator
from tests.inside import frames_of, parts_of
from tests.kernel.runs import launch, rows


async def test_a_second_run_of_a_task_is_launched_and_the_first_one_told(operator: Operator, caplog: Any) -> None:
    first = await launch(operator, rows(1))
    assert "Another run" not in caplog.text
    await launch(operator, rows(1))
    assert f"Another run of 'moods' is live: {first.task_run_id} at {first.url}. It goes on" in caplog.text
    await operator.force_shutdown()


async def test_a_run_of_another_task_or_one_that_has_ended_is_no_news(operator: Operator, caplog: Any) -> None:
    await launch(operator, rows(1), task_name="other")
    await (await launch(operator, rows(1))).force_shutdown()
    await launch(operator, rows(1))
    assert "Another run" not in caplog.text
    await operator.force_shutdown()


async def test_who_drives_a_run_is_named(operator: Operator, tmp_path: Path) -> None:
    run = await launch(operator, rows(1))
    directory = parts_of(run).directory
    pid = os.getpid()
    with pytest.raises(RunBusyError, match=rf"driven by another kernel \(pid {pid}, since .*\): what workers"):
        take_lock(directory, frames_of(run).task_run)
    assert str(find_driver(directory)).startswith(f"another kernel (pid {pid}, since 2")
    assert operator.find_driver(run.task_run_id) is None  # it is driven from here
    other = Operator(
        operator._runs.directory.parent, database=operator._runs._url.replace("mephisto_nb.db", "./mephisto_nb.db")
    )
    assert f"is driven by another kernel (pid {pid}, since " in repr(other)
    await other.detach()
    await run.force_shutdown()
    assert find_driver(directory) is None
    assert find_driver(tmp_path / "nowhere") is None


async def test_another_kernels_run_is_shown_as_driven_there(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    other = Operator(
        operator._runs.directory.parent, database=operator._runs._url.replace("mephisto_nb", "./mephisto_nb")
    )
    shown = other.get_task_run(run.task_run_id)._repr_mimebundle_()["text/html"]
    for page in (shown, other._repr_mimebundle_()["text/html"]):
        assert "driven elsewhere" in page
        assert f"(pid {os.getpid()}, since " in page
        assert "taken in there" in page
        assert "not taken up" not in page
        assert "waits in the router" not in page
    await other.detach()
    await run.force_shutdown()
    assert "driven elsewhere" not in other.get_task_run(run.task_run_id)._repr_mimebundle_()["text/html"]
