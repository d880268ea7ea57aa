"""`run_sync` in scripts, inside a running loop and interrupted; in other processes, for nesting cannot be undone."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mephisto_nb.utils.run_sync import run_sync


def run_script(text: str, *arguments: str) -> str:
    """Run a script with every warning an error; give what it writes."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(text), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_script_drives_an_operator_by_run_sync_without_nesting(data_dir: Path) -> None:
    told = run_script(
        """
        import asyncio, _asyncio, sys
        from mephisto_nb.operator import Operator
        from mephisto_nb.utils.run_sync import run_sync
        from mephisto_nb.testing.simulated_workers import simulate_workers
        from tests.kernel.runs import launch, rows
        asyncio.run(asyncio.sleep(0))
        operator = Operator(data_dir=sys.argv[1])
        run = run_sync(launch(operator, rows(4)))
        run_sync(simulate_workers(run.url, lambda data: data))
        run_sync(operator.wait_for_runs_then_shutdown())
        print(run.status, len(run.results()))
        print(asyncio.Task is _asyncio.Task, asyncio.run.__module__, hasattr(asyncio, "_nest_patched"))
        """,
        str(data_dir),
    )
    assert told.splitlines() == ["ended 4", "True asyncio.runners False"]


def test_an_interrupted_nested_call_leaves_the_operators_tasks_alive(data_dir: Path) -> None:
    told = run_script(
        """
        import asyncio, os, signal, sys
        from mephisto_nb.operator import Operator
        from mephisto_nb.utils.run_sync import run_sync
        from mephisto_nb.testing.simulated_workers import simulate_workers
        from tests.kernel.runs import launch, rows

        def plain_function():
            print(run_sync(asyncio.sleep(0, "nested")))
            asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGINT)
            try:
                run_sync(asyncio.Event().wait())
            except KeyboardInterrupt:
                print("interrupted")

        async def main():
            operator = Operator(data_dir=sys.argv[1])
            run = await launch(operator, rows(4))
            names = ("engine", "link", "keeper", "mephisto_nb-supervisor")
            before = [task for task in asyncio.all_tasks() if task.get_name().split()[0] in names]
            plain_function()
            print(len(before), sum(task.done() for task in before), run.status)
            await simulate_workers(run.url, lambda data: data)
            await operator.wait_for_runs_then_shutdown()
            print(run.status)

        asyncio.run(main())
        """,
        str(data_dir),
    )
    assert told.splitlines() == ["nested", "interrupted", "4 0 live", "ended"]


@pytest.mark.slow
def test_a_loop_that_cannot_be_nested_into_is_told_of() -> None:
    told = run_script(
        """
        import asyncio, uvloop
        from mephisto_nb.errors import LoopError
        from mephisto_nb.utils.run_sync import run_sync

        async def main():
            try:
                run_sync(asyncio.sleep(0))
            except LoopError as error:
                print(error)

        uvloop.run(main())
        """
    )
    assert "uvloop loop. Use `await` instead" in told


def test_what_a_script_runs_may_fail() -> None:
    async def fail() -> None:
        raise ZeroDivisionError("a mistake")

    with pytest.raises(ZeroDivisionError, match="a mistake"):
        run_sync(fail())
