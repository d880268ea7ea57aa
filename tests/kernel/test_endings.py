"""Whatever state a run and its people are in: each ending ends it, and no absence of ours ends anything.

Eight people in one run, in each state that one can be in while it goes on; a clock that is put forward tells the time.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mephisto_nb.errors import ClosedError
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.model.states import AGENT_ACTIVE, UnitStatus
from mephisto_nb.operator import Operator
from mephisto_nb.rules.steering import shut_down
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.fake_clock import FakeClock
from tests.inside import parts_of
from tests.kernel.chats import launch_chat
from tests.kernel.runs import Crowd, crowd_of, kill, router_pid

PAIRS = 5
WEEKEND, WAIT = 60 * 3600.0, 250.0
#: How people are when the scene begins.
STATES = {
    "newcomer": "onboarding", "gil": "waiting", "ann": "in task", "bob": "in task", "cleo": "partner disconnect",
    "dan": "returned", "eve": "completed", "fay": "partner disconnect",
}  # fmt: skip
AT_WORK = ("ann", "bob", "cleo", "fay")


@dataclass
class Scene:
    """A run, and who is where in it."""

    make: Callable[..., Operator]
    clock: FakeClock
    operator: Operator
    run: TaskRun
    worker: Crowd
    directory: Path
    ids: dict[str, str] = field(default_factory=dict)
    endings: list[asyncio.Task[None]] = field(default_factory=list)

    def states(self) -> dict[str, str]:
        state = parts_of(self.run).engine.state
        agents = {**state.gates.onboarding, **state.agents}
        return {name: agents[agent_id].status.value for name, agent_id in self.ids.items()}

    async def until(self, **wanted: str) -> None:
        """Wait until people are in the states that are given, or the run is over."""
        with contextlib.suppress(ClosedError):
            await parts_of(self.run).engine.wait_until(lambda _: wanted.items() <= self.states().items())

    async def come(self, name: str) -> None:
        """Let somebody come, pass the introduction, and take a seat."""
        introduced = await self.worker(name).register()
        seated = await self.worker(name).hand_in(introduced["agent_id"], {})
        self.ids[name] = seated["agent_id"]

    async def send_all(self) -> None:
        """Let all send their answers who are at work."""
        for name, status in self.states().items():
            if status in ("in task", "partner disconnect", "waiting"):
                await self.worker(name).submit(self.ids[name], {"comment": name})

    async def take_up(self) -> None:
        """Take the run up with a kernel of its own."""
        self.operator = self.make(clock=self.clock)
        self.run = await self.operator.reconnect(self.run.task_run_id, INTRODUCED)


INTRODUCED = SharedTaskState(validate_onboarding=lambda data: True)


@pytest.fixture
async def scene(make_operator: Callable[..., Operator], clock: FakeClock, data_dir: Path) -> AsyncIterator[Scene]:
    operator = make_operator(clock=clock)
    introduction = {"onboarding_qualification": "introduced", "onboarding_html": "<input name=kind>"}
    blueprint = {**introduction, "waiting_room_timeout": WAIT}
    run = await launch_chat(operator, [{}] * PAIRS, blueprint=blueprint, validate_onboarding=lambda data: True)
    async with crowd_of(run.url) as worker:
        one = Scene(make_operator, clock, operator, run, worker, data_dir)
        for name in ("ann", "bob", "cleo", "dan", "eve", "fay", "gil"):
            await one.come(name)
        one.ids["newcomer"] = (await worker("newcomer").register())["agent_id"]
        await worker("dan").give_back(one.ids["dan"])
        await one.until(cleo="partner disconnect")
        await worker("eve").submit(one.ids["eve"], {"comment": "eve"})
        await one.until(**STATES)
        yield one
        for ending in one.endings:
            ending.cancel()
        await asyncio.gather(*one.endings, return_exceptions=True)


# -- how a run is ------------------------------------------------------------------------------------------------


async def live(scene: Scene) -> None:
    """It is as it was launched."""


async def paused(scene: Scene) -> None:
    await scene.run.steering.pause_launching()


async def closing_gently(scene: Scene) -> None:
    await parts_of(scene.run).engine.do(shut_down)
    await scene.until(gil="timeout", newcomer="expired")


RUN_STATES = [live, paused, closing_gently]

# -- how it may end ----------------------------------------------------------------------------------------------


async def run_shutdown(scene: Scene) -> Awaitable[None]:
    return scene.run.shutdown()


async def run_force_shutdown(scene: Scene) -> Awaitable[None]:
    return scene.run.force_shutdown()


async def operator_shutdown(scene: Scene) -> Awaitable[None]:
    return scene.operator.shutdown()


async def operator_force_shutdown(scene: Scene) -> Awaitable[None]:
    return scene.operator.force_shutdown()


async def expire_then_wait(scene: Scene) -> Awaitable[None]:
    await scene.run.steering.expire_units()
    return scene.operator.wait_for_runs_then_shutdown()


ENDINGS = [run_shutdown, run_force_shutdown, operator_shutdown, operator_force_shutdown, expire_then_wait]


@pytest.mark.parametrize("end", ENDINGS)
@pytest.mark.parametrize("state", RUN_STATES)
async def test_every_ending_ends_a_run_in_any_state(
    scene: Scene, state: Callable[[Scene], Awaitable[None]], end: Callable[[Scene], Awaitable[Awaitable[None]]]
) -> None:
    await state(scene)
    engine = parts_of(scene.run).engine
    ending = asyncio.ensure_future(await end(scene))
    if "force" not in end.__name__:
        await engine.wait_until(lambda state: not state.launched)
        await scene.send_all()
    await ending
    assert scene.run.status == "ended"
    left = scene.states()
    assert not {status for status in left.values() if status in AGENT_ACTIVE}
    assert (left["eve"], left["dan"], left["gil"]) == ("completed", "returned", "timeout")
    sent = {"eve"} if "force" in end.__name__ else {"eve", *AT_WORK}
    assert set(scene.run.results()["answer.comment"]) == sent
    assert scene.run.counts == {"completed": len(sent), "expired": 2 * PAIRS - len(sent)}


# -- how we may be away --------------------------------------------------------------------------------------------


def rewrite(path: str, sql: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(sql)


async def kernel_busy(scene: Scene) -> None:
    scene.clock.jump(2 * WAIT)  # longer than anybody waits for a partner, and shorter than they may be at work


async def router_killed(scene: Scene) -> None:
    await kill(router_pid(scene.run))


async def asleep(scene: Scene) -> None:
    store = parts_of(scene.run).directory / "inbox.db"
    await kill(router_pid(scene.run))
    rewrite(str(store), f"UPDATE meta SET value = value - {WEEKEND} WHERE key = 'last_here'")
    scene.clock.jump(WEEKEND)


async def router_store_lost(scene: Scene) -> None:
    await kill(router_pid(scene.run))
    for path in parts_of(scene.run).directory.glob("inbox.db*"):
        path.unlink()


async def kernel_gone(scene: Scene) -> None:
    await scene.operator.detach()
    scene.clock.jump(2 * WAIT)
    await scene.take_up()


async def both_gone(scene: Scene) -> None:
    await scene.operator.detach()
    await asleep(scene)
    await scene.take_up()


async def database_put_back(scene: Scene) -> None:
    copy = scene.directory / "earlier.db"
    rewrite(str(scene.directory / "mephisto_nb.db"), f"VACUUM INTO '{copy}'")
    await scene.worker("passer-by").register()
    await parts_of(scene.run).link.catch_up()
    await scene.operator.detach()
    for path in scene.directory.glob("mephisto_nb.db*"):
        path.unlink()
    copy.rename(scene.directory / "mephisto_nb.db")
    await scene.take_up()


ABSENCES = [kernel_busy, router_killed, asleep, router_store_lost, kernel_gone, both_gone, database_put_back]


@pytest.mark.parametrize("be_away", ABSENCES)
@pytest.mark.parametrize("state", RUN_STATES)
async def test_no_absence_ends_anything(
    scene: Scene, state: Callable[[Scene], Awaitable[None]], be_away: Callable[[Scene], Awaitable[None]]
) -> None:
    await state(scene)
    status, states = scene.run.status, scene.states()
    await be_away(scene)
    await parts_of(scene.run).link.catch_up()
    await scene.until(**states)
    assert (scene.run.status in (status, "done", "ended"), scene.states()) == (True, states)
    await scene.send_all()
    sent = {name for name, how in states.items() if how in ("completed", "in task", "partner disconnect", "waiting")}
    await parts_of(scene.run).engine.wait_until(lambda state: state.counts[UnitStatus.COMPLETED] == len(sent))
    assert set(scene.run.results()["answer.comment"]) == sent
