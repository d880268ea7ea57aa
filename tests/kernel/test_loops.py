"""Whatever is awaited belongs to the loop of its operator, and says so on any other, before it has done anything."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mephisto_nb import Operator, TaskRun
from mephisto_nb.errors import LoopError
from mephisto_nb.kernel.talk.agents import BotAgent, Group, RunningAgent, Seat
from mephisto_nb.kernel.talk.talk import Talk
from mephisto_nb.utils.run_sync import HomeLoop
from tests.kernel.runs import launch, rows


def holders_of(operator: Operator, run: TaskRun) -> list[Any]:
    """Return all that a person types coroutines of: the operator, a run, and every menu that hangs on either."""
    hanging = [one for face in (operator, run) for name, one in vars(face).items() if not name.startswith("_")]
    menus = [one for one in hanging if type(one).__module__.startswith("mephisto_nb.")]
    return [operator, run, operator.review.of(run.task_name), *menus]


def coroutines_of(*holders: Any) -> dict[str, Callable[..., Any]]:
    """Return the public coroutine methods of some objects, by their names."""
    return {
        f"{type(holder).__name__}.{name}": getattr(holder, name)
        for holder in holders
        for name, function in inspect.getmembers(type(holder), inspect.isfunction)
        if not name.startswith("_") and inspect.iscoroutinefunction(inspect.unwrap(function))
    }


def call(function: Callable[..., Any]) -> Any:
    """Call a function with something for each argument that it needs."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [one for one in inspect.signature(function).parameters.values() if one.default is one.empty]
    by_name = {one.name: "anything" for one in needed if one.kind is one.KEYWORD_ONLY}
    return function(*("anything" for one in needed if one.kind in kinds), **by_name)


def elsewhere(function: Callable[..., Any]) -> Any:
    """Return what a coroutine gives, or raises, on a loop of its own in another thread."""
    outcome: list[Any] = []

    async def wait() -> Any:
        return await call(function)

    def do() -> None:
        try:
            outcome.append(asyncio.run(wait()))
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            outcome.append(error)

    thread = threading.Thread(target=do, name="elsewhere", daemon=True)
    thread.start()
    thread.join(10)
    return outcome[0] if outcome else "it hangs"


async def test_every_public_coroutine_knows_its_loop(operator: Operator) -> None:
    run = await launch(operator, rows(2))
    known = coroutines_of(*holders_of(operator, run))
    before = run.events()
    said = {name: await asyncio.to_thread(elsewhere, function) for name, function in known.items()}
    assert {name: repr(error) for name, error in said.items() if not isinstance(error, LoopError)} == {}
    assert all(name in str(error) for name, error in said.items())
    assert len(known) > 30
    assert (run.status, len(run.events())) == ("live", len(before))
    await operator.shutdown()
    assert run.status == "ended"


async def test_those_who_talk_know_their_loop() -> None:
    home = HomeLoop()
    home.settle()
    agent = RunningAgent("a", None, None, home=home)  # type: ignore[arg-type]
    bot = BotAgent(None, agent, Seat("bot"))  # type: ignore[arg-type]
    known = coroutines_of(agent, bot, Group([agent], Talk()))
    said = {name: await asyncio.to_thread(elsewhere, function) for name, function in known.items()}
    assert {name: repr(error) for name, error in said.items() if not isinstance(error, LoopError)} == {}


def test_a_script_may_use_one_loop_after_the_other_until_it_launches(data_dir: Path) -> None:
    operator = Operator(data_dir=data_dir)

    async def create(name: str) -> None:
        await operator.qualifications.create(name)

    with asyncio.Runner() as runner:
        runner.run(create("a"))
        asyncio.run(create("b"))  # the first loop stands still
        runner.run(create("c"))
        assert sorted(operator.qualifications.frame()["qualification_name"]) == ["a", "b", "c"]
        runner.run(operator.shutdown())


def test_an_operator_made_again_after_asyncio_run_is_the_same(data_dir: Path) -> None:
    operator = Operator(data_dir=data_dir)

    async def create(name: str) -> None:
        await operator.qualifications.create(name)

    asyncio.run(create("reads well"))
    assert Operator(data_dir=data_dir) is operator
    asyncio.run(create("writes well"))
    asyncio.run(operator.force_shutdown())
