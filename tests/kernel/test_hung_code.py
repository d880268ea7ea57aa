"""Code of a researcher that never comes back, and does not let itself be ended, holds up no ending."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from mephisto_nb.kernel import gates, hooks, run_tasks
from mephisto_nb.kernel.talk import task_code
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from tests.inside import parts_of
from tests.kernel.chats import launch_chat
from tests.kernel.runs import crowd_of, launch, rows, take

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {hooks: "TIMEOUT", run_tasks: "END_TIMEOUT", gates: "PATIENCE", task_code: "_LAST_WORDS"}
    for module, name in limits.items():
        monkeypatch.setattr(module, name, 0.2)


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Set at the end of a test, so that nothing outlives it."""
    event = threading.Event()
    yield event
    event.set()


async def hang(release: threading.Event) -> None:
    """Never come back, whoever cancels."""
    while not release.is_set():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.05)


# -- what may hang: a run whose code does, with one answer on its way -------------------------------------------------


async def conversation(operator: Operator, release: threading.Event) -> TaskRun:
    async def talk(data: Any, agent: Any) -> None:
        await hang(release)

    run = await launch_chat(operator, [{}], blueprint={"units_per_assignment": 1}, conversation=talk)
    return await answered(run)


async def hook(operator: Operator, release: threading.Event) -> TaskRun:
    return await answered(await launch(operator, rows(2), shared={"on_unit_submitted": lambda unit: hang(release)}))


async def hook_in_a_thread(operator: Operator, release: threading.Event) -> TaskRun:
    return await answered(await launch(operator, rows(2), shared={"on_unit_submitted": lambda unit: release.wait()}))


async def choice_of_unit(operator: Operator, release: threading.Event) -> TaskRun:
    async def can_do(worker: Any, unit: Any) -> bool:
        if worker.worker_name == "bob":
            await hang(release)
        return True

    run = await launch(operator, rows(2), shared={"worker_can_do_unit": can_do})
    async with crowd_of(run.url) as worker:
        arriving = asyncio.create_task(worker("bob").register())
        await answered(run)
        arriving.cancel()
        await asyncio.wait({arriving})
    return run


async def judge(operator: Operator, release: threading.Event) -> TaskRun:
    introduction = {"onboarding_qualification": "introduced"}
    shared = {"validate_onboarding": lambda data: hang(release)}
    run = await launch(operator, rows(2), blueprint=introduction, shared=shared)
    async with crowd_of(run.url) as worker:
        agent_id = (await worker("ann").register())["agent_id"]
        sending = asyncio.create_task(worker("ann").hand_in(agent_id, {}))
        await parts_of(run).engine.wait_until(lambda state: state.last_submission_at is not None)
        sending.cancel()
        await asyncio.wait({sending})
    return run


async def data(operator: Operator, release: threading.Event) -> TaskRun:
    async def rows_that_stop() -> AsyncIterator[Any]:
        yield {"text": "one"}
        await hang(release)

    return await answered(await launch(operator, rows_that_stop()))


async def data_in_a_thread(operator: Operator, release: threading.Event) -> TaskRun:
    def rows_that_stop() -> Iterator[Any]:
        yield {"text": "one"}
        release.wait()

    return await answered(await launch(operator, rows_that_stop()))


async def answered(run: TaskRun) -> TaskRun:
    async with crowd_of(run.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {"label": "cat"})
    await parts_of(run).engine.wait_until(lambda state: state.counts[UnitStatus.COMPLETED] == 1)
    return run


KINDS = [conversation, hook, hook_in_a_thread, choice_of_unit, judge, data, data_in_a_thread]
ENDINGS: dict[str, Callable[[Operator, TaskRun], Awaitable[None]]] = {
    "run.shutdown": lambda operator, run: run.shutdown(),
    "run.force_shutdown": lambda operator, run: run.force_shutdown(),
    "operator.shutdown": lambda operator, run: operator.shutdown(),
    "operator.force_shutdown": lambda operator, run: operator.force_shutdown(),
    "operator.detach": lambda operator, run: operator.detach(),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("launched", KINDS)
async def test_code_that_hangs_holds_up_no_ending(
    operator: Operator,
    release: threading.Event,
    launched: Callable[[Operator, threading.Event], Awaitable[TaskRun]],
    ending: str,
) -> None:
    run = await launched(operator, release)
    async with asyncio.timeout(10):
        await ENDINGS[ending](operator, run)
    assert run.status == ("detached" if "detach" in ending else "ended")
    assert len(run.results()) == (launched is not judge)
    release.set()
