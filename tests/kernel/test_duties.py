"""The duties that readers of Mephisto 1.x know, each by the method that has it; documentation says the same.

Each duty is held by a small real run, in which its method has to be called.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from mephisto_nb.blueprints.mock import EchoRunner
from mephisto_nb.kernel.client_io_handler import ClientIOHandler
from mephisto_nb.kernel.talk.agents import RunningAgent
from mephisto_nb.kernel.task_launcher import TaskLauncher
from mephisto_nb.kernel.worker_pool import WorkerPool
from mephisto_nb.model.packets import PacketType
from mephisto_nb.model.qualifications import make_requirement
from mephisto_nb.model.states import AgentStatus, UnitStatus
from mephisto_nb.operator import Operator
from mephisto_nb.ports.task_runner import LiveAgent
from mephisto_nb.providers.link import LinkProvider
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.fake_clock import FakeClock
from tests.inside import live_of, parts_of
from tests.kernel.runs import crowd_of, launch, rows, take, work_to_the_end
from tests.kernel.test_agents import hear, page_of, say, status_of

#: Works on a run, and holds what came of it against the duty.
Check = Callable[["Bench"], Awaitable[None]]


@dataclass(frozen=True)
class Bench:
    """What checks work with: an operator whose clock stands still, and a patch that is undone at the end."""

    operator: Operator
    clock: FakeClock
    patch: pytest.MonkeyPatch


@dataclass(frozen=True)
class Duty:
    """What one method is there for."""

    owner: type[Any]
    method: str
    says: str
    check: Check

    def __str__(self) -> str:
        return f"{self.owner.__name__}.{self.method}: {self.says}"


DUTIES: list[Duty] = []


def duty(owner: type[Any], method: str, says: str) -> Callable[[Check], Check]:
    """Enter a check in the table of duties."""

    def enter(check: Check) -> Check:
        DUTIES.append(Duty(owner, method, says, check))
        return check

    return enter


def drawn() -> Iterator[dict[str, Any]]:
    yield from rows(3)


async def drawn_later() -> AsyncIterator[dict[str, Any]]:
    for row in rows(3):
        yield row


# TaskLauncher


@duty(TaskLauncher, "create_assignments", "goes through a list or generator, and writes assignments and units")
async def check_created(bench: Bench) -> None:
    for data in (rows(3), drawn(), drawn_later()):
        run = await launch(bench.operator, data, blueprint={"units_per_assignment": 2}, max_num_concurrent_units=6)
        await parts_of(run).engine.wait_until(lambda state: state.generator_done)
        assert list(run.units()["assignment_index"]) == [0, 0, 1, 1, 2, 2]


@duty(TaskLauncher, "launch_units", "offers what was written to the crowd, at the address of the task")
async def check_launched(bench: Bench) -> None:
    offered: list[str] = []

    async def offer(self: LinkProvider, task_run_id: str, url: str) -> None:
        stored = bench.operator._runs.database.runs.load_run(task_run_id).units
        assert {unit.status for unit in stored} == {UnitStatus.CREATED}
        offered.append(url)

    bench.patch.setattr(LinkProvider, "setup_resources_for_task_run", offer)
    run = await launch(bench.operator, rows(2))
    assert (offered, run.counts) == ([run.url], {"launched": 2})


@duty(
    TaskLauncher, "launch_limited_units", "keeps at most max_num_concurrent_units out; one's end lets the next go out"
)
async def check_limited(bench: Bench) -> None:
    run = await launch(bench.operator, rows(3), max_num_concurrent_units=1)
    out: list[int] = []
    parts_of(run).engine.listeners.append(lambda step: out.append(step.state.num_out))
    await work_to_the_end(run)
    assert (len(run.results()), max(out)) == (3, 1)


@duty(TaskLauncher, "expire_units", "takes back what nobody works on")
async def check_expired(bench: Bench) -> None:
    run = await launch(bench.operator, rows(3))
    async with crowd_of(run) as worker:
        await take(worker("ann"))
    assert (await run.steering.expire_units(), run.counts) == (2, {"assigned": 1, "expired": 2})


@duty(TaskLauncher, "resume_assignments", "brings units of an ended run back that nobody answered")
async def check_resumed(bench: Bench) -> None:
    run = await launch(bench.operator, rows(3))
    await run.force_shutdown()
    again = await launch(bench.operator, rows(3), resume_incomplete_run=True)
    assert (again.task_run_id, again.counts) == (run.task_run_id, {"launched": 3})


@duty(TaskLauncher, "get_assignments_are_all_created", "knows whether the data has come to its end")
async def check_all_created(bench: Bench) -> None:
    run = await launch(bench.operator, drawn(), max_num_concurrent_units=1)
    assert not parts_of(run).launcher.get_assignments_are_all_created()
    await work_to_the_end(run)
    assert parts_of(run).launcher.get_assignments_are_all_created()


@duty(TaskLauncher, "shutdown", "lets go of the data")
async def check_data_closed(bench: Bench) -> None:
    run = await launch(bench.operator, drawn(), max_num_concurrent_units=1)
    data: Any = parts_of(run).launcher._source
    assert inspect.getgeneratorstate(data) == inspect.GEN_SUSPENDED
    await run.force_shutdown()
    assert inspect.getgeneratorstate(data) == inspect.GEN_CLOSED


# WorkerPool


@duty(WorkerPool, "register_worker", "knows by the crowd's provider who a page belongs to")
async def check_worker(bench: Bench) -> None:
    run = await launch(bench.operator, rows(2))
    async with crowd_of(run.url) as worker:
        await take(worker("ann"))
        assert (await worker("").register())["failure_code"] == "bad_registration"
    assert list(run.agents()["worker_name"]) == ["ann"]


@duty(WorkerPool, "read_facts", "evaluates qualifications")
async def check_qualified(bench: Bench) -> None:
    run = await launch(bench.operator, rows(1), shared={"qualifications": [make_requirement("fluent", "Exists")]})
    async with crowd_of(run.url) as worker:
        assert (await worker("ann").register())["failure_code"] == "not_qualified"
        await bench.operator.qualifications.grant("fluent", "ann")
        await take(worker("ann"))


@duty(WorkerPool, "register_agent", "finds a unit that a worker may do, reserves it, and makes an agent of the two")
async def check_agent(bench: Bench) -> None:
    run = await launch(bench.operator, rows(2), blueprint={"units_per_assignment": 2})
    async with crowd_of(run.url) as worker:
        taken = [await take(worker("ann")), await take(worker("ann")), await take(worker("bob"))]
    units = run.units().set_index("agent_id").loc[taken]
    assert list(units["assignment_index"]) == [0, 1, 0]
    assert list(units["status"]) == ["assigned"] * 3


@duty(WorkerPool, "register_agent", "leads who comes again to the agent that they had")
async def check_reconnected(bench: Bench) -> None:
    run = await launch(bench.operator, rows(2))
    async with crowd_of(run.url) as worker:
        assert await take(worker("ann"), "page") == await take(worker("ann"), "page")
        assert await take(worker("ann"), "another page") not in {"", run.agents()["agent_id"][0]}


@duty(WorkerPool, "register_agent", "passes those who begin on to the task's code")
async def check_task_code(bench: Bench) -> None:
    run = await launch(bench.operator, rows(1), blueprint={"run_live": True})
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
    async with page_of(run, agent_id) as socket:
        assert (await hear(socket, PacketType.LIVE_UPDATE_TO_CLIENT.value))["init_data"] == {"text": "text 0"}


@duty(WorkerPool, "register_agent_from_onboarding", "evaluates the onboarding, and gives a unit to who passes")
async def check_onboarded(bench: Bench) -> None:
    shared = {"validate_onboarding": lambda data: data["ok"]}
    run = await launch(bench.operator, rows(2), blueprint={"onboarding_qualification": "trained"}, shared=shared)
    async with crowd_of(run.url) as worker:
        for name, passes in (("ann", True), ("bob", False)):
            details = await worker(name).hand_in(await take(worker(name)), {"ok": passes})
            assert (details["init_task_data"] is not None) == passes


@duty(WorkerPool, "complete_agent", "follows a worker until the unit is completed")
async def check_completed(bench: Bench) -> None:
    run = await launch(bench.operator, rows(1))
    async with crowd_of(run.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {"mood": "good"})
    await run.completed()
    assert (list(run.agents()["status"]), run.counts) == (["completed"], {"completed": 1})


@duty(WorkerPool, "handle_updated_agent_status", "follows a worker until the unit is given back, or their page is gone")
async def check_returned(bench: Bench) -> None:
    run = await launch(bench.operator, rows(1))
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        await worker("ann").give_back(agent_id)
        await status_of(run, agent_id, AgentStatus.RETURNED)
    assert run.counts == {"launched": 1}


@duty(WorkerPool, "pass_time", "lets those go whose time is over")
async def check_timed_out(bench: Bench) -> None:
    run = await launch(bench.operator, rows(1), assignment_duration_in_seconds=60)
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        bench.clock.advance(61)
        await status_of(run, agent_id, AgentStatus.TIMEOUT)
    assert run.counts == {"launched": 1}


# ClientIOHandler


@duty(ClientIOHandler, "launch_channels", "opens a channel to where the architect says that the router is")
async def check_channels(bench: Bench) -> None:
    run = await launch(bench.operator, rows(1))
    async with crowd_of(run.url) as worker:
        await take(worker("ann"))
    assert (parts_of(run).link.is_connected, parts_of(run).link.trouble) == (True, None)


@duty(ClientIOHandler, "add_channel", "replaces a channel that breaks, and goes on where both sides were")
async def check_channel_replaced(bench: Bench) -> None:
    run = await launch(bench.operator, rows(1))
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        first = parts_of(run).link._channel
        await first.close()  # type: ignore[union-attr]
        await worker("ann").submit(agent_id, {})
    await run.completed()
    assert parts_of(run).link._channel is not first


@duty(ClientIOHandler, "handle", "directs packets from pages to the right place")
async def check_directed(bench: Bench) -> None:
    run = await launch(bench.operator, rows(1))
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        await worker("ann").post("/submit_metadata", {"USED_AGENT_ID": agent_id, "metadata": {"tips": "none"}})
        await worker("ann").submit(agent_id, {"mood": "good"})
    await run.completed()
    assert (len(run.metadata()), list(run.results()["answer.mood"])) == (1, ["good"])


@duty(ClientIOHandler, "send_live_update", "pushes what observe is given to the channel at once")
async def check_pushed(bench: Bench) -> None:
    pushed: list[Any] = []
    send = ClientIOHandler.send_live_update

    async def watch(link: ClientIOHandler, after: str, packet: Any) -> None:
        pushed.append(packet.data["update_id"])
        await send(link, after, packet)

    bench.patch.setattr(ClientIOHandler, "send_live_update", watch)
    await talk_with_echo(bench)
    assert pushed


@duty(ClientIOHandler, "pass_time", "asks the router about its agents before any is timed out")
async def check_asked(bench: Bench) -> None:
    run = await launch(bench.operator, rows(1), assignment_duration_in_seconds=60)
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        synced = parts_of(run).link._synced
        parts_of(run).link._synced = None
        bench.clock.advance(61)
        await status_of(run, agent_id, AgentStatus.TIMEOUT)
    assert synced is not None
    assert parts_of(run).link._synced is not None


@duty(ClientIOHandler, "settle", "leaves nothing behind in the router when a run ends")
async def check_settled(bench: Bench) -> None:
    run = await launch(bench.operator, rows(1))
    async with crowd_of(run.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {})
    await live_of(run).over.wait()
    assert (run.status, len(parts_of(run).engine.outbox)) == ("ended", 0)


# The two ends of an agent


async def talk_with_echo(bench: Bench) -> list[dict[str, Any]]:
    """Say something to task code that says it again; give what the page heard."""
    run: TaskRun = await launch(bench.operator, rows(1), blueprint={"run_live": True})
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
    async with page_of(run, agent_id) as socket:
        first = await hear(socket, PacketType.LIVE_UPDATE_TO_CLIENT.value)
        await say(socket, PacketType.LIVE_UPDATE_TO_OPERATOR.value, agent_id, {"update_id": "1", "text": "Hello"})
        return [first, await hear(socket, PacketType.LIVE_UPDATE_TO_CLIENT.value)]


@duty(RunningAgent, "observe", "sends something to the page")
async def check_observe(bench: Bench) -> None:
    first, _ = await talk_with_echo(bench)
    assert first["init_data"] == {"text": "text 0"}


@duty(RunningAgent, "get_live_update", "takes the next of the pending actions, which the link has put there")
async def check_get_live_update(bench: Bench) -> None:
    free, heard = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def hear_late(self: EchoRunner, init_data: Any, agent: LiveAgent) -> None:
        await free.wait()
        heard.set_result(await agent.get_live_update())

    bench.patch.setattr(EchoRunner, "run_unit", hear_late)
    run = await launch(bench.operator, rows(1), blueprint={"run_live": True})
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
    agent = parts_of(run).link._agents.get(agent_id)
    assert agent is not None
    async with page_of(run, agent_id) as socket:
        await say(socket, PacketType.LIVE_UPDATE_TO_OPERATOR.value, agent_id, {"update_id": "1", "text": "Hello"})
        await parts_of(run).engine.wait_until(lambda state: bool(agent.pending_actions))
    free.set()
    assert ((await heard)["text"], agent.pending_actions) == ("Hello", [])


def test_each_duty_has_a_method_that_says_what_it_does() -> None:
    for one in DUTIES:
        assert inspect.getdoc(getattr(one.owner, one.method)), str(one)


@pytest.mark.parametrize("one", DUTIES, ids=str)
async def test_the_method_does_its_duty_in_a_run(
    one: Duty, timed_operator: Operator, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, called = getattr(one.owner, one.method), []

    def watched(*args: Any, **kwargs: Any) -> Any:
        called.append(one.method)
        return method(*args, **kwargs)

    monkeypatch.setattr(one.owner, one.method, watched)
    await one.check(Bench(timed_operator, clock, monkeypatch))
    assert called
