"""An async `worker_can_do_unit`: who arrives waits for it, and nobody else does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mephisto_nb.errors import DatabaseError
from mephisto_nb.kernel import can_do_unit
from mephisto_nb.kernel.worker_pool import WorkerPool
from mephisto_nb.model.money import Money
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from tests.inside import frames_of, parts_of
from tests.kernel.runs import crowd_of, launch, rows, take


async def launch_with(operator: Operator, hook: Callable[..., Any], count: int = 2) -> TaskRun:
    return await launch(operator, rows(count), shared={"worker_can_do_unit": hook})


def why(run: TaskRun) -> list[str]:
    """Return the reasons in the event log that are about requests."""
    events = run.events()
    return list(events[events["subject"] == "request"]["why"])


async def test_the_function_decides_who_gets_which_unit(operator: Operator) -> None:
    asked: list[tuple[str, Money]] = []

    async def only_the_second(worker: Any, unit: Any) -> bool:
        asked.append((worker.worker_name, unit.pay_amount))
        await asyncio.sleep(0)
        return len(asked) == 2

    run = await launch_with(operator, only_the_second)
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
    units = run.units().set_index("agent_id")
    assert units.at[agent_id, "assignment_index"] == 1
    assert asked == [("ann", Money.of(0.1))] * 2
    assert why(run) == [can_do_unit.ASKED, can_do_unit.ANSWERED]
    assert parts_of(run).tally.turned_away == {}


async def test_no_for_every_unit_turns_the_worker_away(operator: Operator) -> None:
    async def no(worker: Any, unit: Any) -> bool:
        return False

    run = await launch_with(operator, no)
    async with crowd_of(run.url) as worker:
        details = await worker("ann").register()
    assert (details["agent_id"], details["failure_code"]) == (None, "no_available_units")
    assert list(parts_of(run).tally.turned_away) == ["ann"]


async def test_nobody_waits_for_what_is_asked_about_another(operator: Operator) -> None:
    free = asyncio.Event()

    async def slow_for_ann(worker: Any, unit: Any) -> bool:
        if worker.worker_name == "ann":
            await free.wait()
        return True

    run = await launch_with(operator, slow_for_ann)
    async with crowd_of(run.url) as worker:
        slow = asyncio.create_task(take(worker("ann")))
        await parts_of(run).engine.wait_until(lambda state: "ann" in state.new_workers)
        await take(worker("bob"))
        assert not slow.done()
        free.set()
        await slow
    assert run.counts.get("assigned", 0) == 2


async def test_a_unit_that_was_taken_meanwhile_is_not_given_twice(operator: Operator) -> None:
    both, asked = asyncio.Barrier(2), []

    async def together(worker: Any, unit: Any) -> bool:
        asked.append(unit.unit_id)
        if len(asked) <= 2:
            await both.wait()
        return True

    run = await launch_with(operator, together)
    async with crowd_of(run.url) as worker:
        agents = await asyncio.gather(take(worker("ann")), take(worker("bob")))
    assert set(run.units()["agent_id"]) == set(agents)
    assert (asked[0], len(asked)) == (asked[1], 3)


async def test_a_failing_hook_means_no_and_is_told(operator: Operator) -> None:
    async def fail(worker: Any, unit: Any) -> bool:
        raise KeyError("age")

    run = await launch_with(operator, fail)
    async with crowd_of(run.url) as worker:
        assert (await worker("ann").register())["agent_id"] is None
    assert "worker_can_do_unit raised KeyError('age'); taken as no" in run.attention
    assert why(run)[1] == "worker_can_do_unit raised KeyError('age'); taken as no"


async def test_a_hook_that_takes_too_long_means_no(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(can_do_unit, "TIMEOUT", 0.01)

    async def never(worker: Any, unit: Any) -> bool:
        await asyncio.Event().wait()
        return True

    run = await launch_with(operator, never)
    async with crowd_of(run.url) as worker:
        assert (await worker("ann").register())["agent_id"] is None
    assert "worker_can_do_unit took more than 0.01 seconds; taken as no" in run.attention


async def test_a_reload_finds_the_agent_and_asks_nothing(operator: Operator) -> None:
    asked: list[str] = []

    async def yes(worker: Any, unit: Any) -> bool:
        asked.append(unit.unit_id)
        return True

    run = await launch_with(operator, yes)
    async with crowd_of(run.url) as worker:
        first, second = [await take(worker("ann"), "registration") for _ in range(2)]
    assert first == second
    assert len(asked) == 1


async def test_who_waits_when_a_kernel_goes_is_asked_about_by_the_next(make_operator: Callable[..., Operator]) -> None:
    reached = asyncio.Event()

    async def hang(worker: Any, unit: Any) -> bool:
        reached.set()
        await asyncio.Event().wait()
        return True

    async def yes(worker: Any, unit: Any) -> bool:
        return True

    before = make_operator()
    run = await launch_with(before, hang)
    async with crowd_of(run.url) as worker:
        waiting = asyncio.create_task(take(worker("ann")))
        await reached.wait()
        await before.detach()
        again = await make_operator().reconnect(run.task_run_id, SharedTaskState(worker_can_do_unit=yes))
        agent_id = await waiting
    assert agent_id in set(again.units()["agent_id"])


async def test_the_introduction_is_for_workers_whom_a_unit_would_suit(
    operator: Operator,
) -> None:
    asked: list[tuple[str, str]] = []

    async def only_the_second_for_ann(worker: Any, unit: Any) -> bool:
        asked.append((worker.worker_name, unit.unit_id))
        await asyncio.sleep(0)
        return (worker.worker_name, unit.unit_id) == ("ann", second)

    shared = {"worker_can_do_unit": only_the_second_for_ann, "validate_onboarding": lambda data: data["ok"]}
    run = await launch(operator, rows(2), blueprint={"onboarding_qualification": "trained"}, shared=shared)
    first, second = run.units().sort_values("assignment_index")["unit_id"]
    async with crowd_of(run.url) as worker:
        assert (await worker("bob").register())["failure_code"] == "no_available_units"
        newcomer = await take(worker("ann"))
        assert (newcomer.startswith("onboarding_"), len(run.agents())) == (True, 0)
        details = await worker("ann").hand_in(newcomer, {"ok": True})
    assert details["init_task_data"] == {"text": "text 1"}
    assert asked == [("bob", first), ("bob", second), *[("ann", first), ("ann", second)] * 2]
    assert run.gates()["worker_name"].tolist() == ["ann"]
    assert why(run) == [can_do_unit.ASKED, can_do_unit.ANSWERED] * 3


async def test_a_step_that_is_done_again_asks_once(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def yes(worker: Any, unit: Any) -> bool:
        asked.append(worker.worker_name)
        return True

    def apply(steps: Any) -> Any:
        if not failed and any(event.why == can_do_unit.ASKED for step in steps for event in step.events):
            failed.append(True)
            return [DatabaseError("locked")] * len(steps)
        return real(steps)

    run, failed = await launch_with(operator, yes), list[bool]()
    database = frames_of(run).database
    real = database.apply
    monkeypatch.setattr(database, "apply", apply)
    async with crowd_of(run.url) as worker:
        await take(worker("ann"))
    await parts_of(run).engine.do(lambda step: None)
    assert (failed, asked) == ([True], ["ann"])


async def test_a_failure_of_ours_leaves_no_page_waiting(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    async def yes(worker: Any, unit: Any) -> bool:
        return True

    async def fail(self: WorkerPool, worker_name: str) -> Any:
        raise ZeroDivisionError("our own mistake")

    monkeypatch.setattr(WorkerPool, "look_up", fail)
    run = await launch_with(operator, yes)
    async with crowd_of(run.url) as worker, asyncio.timeout(20):
        assert (await worker("ann").register())["failure_code"] == "bad_registration"
    await parts_of(run).engine.do(lambda step: None)
    assert "our own mistake" in "".join(run.attention)
