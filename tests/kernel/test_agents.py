"""Workers come, leave, come again and send things twice; live tasks talk to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from mephisto_nb.blueprints.mock import EchoRunner, MockBlueprint
from mephisto_nb.errors import RouterError
from mephisto_nb.model.states import AgentStatus
from mephisto_nb.operator import Operator
from mephisto_nb.rules.departures import leave
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.fake_clock import FakeClock
from tests.inside import parts_of
from tests.kernel.runs import crowd_of, kill, launch, router_pid, rows, take


async def status_of(run: TaskRun, agent_id: str, status: AgentStatus) -> None:
    await parts_of(run).engine.wait_until(lambda state: state.agents[agent_id].status is status)


@asynccontextmanager
async def page_of(run: TaskRun, agent_id: str) -> AsyncIterator[ClientConnection]:
    """The socket of an agent's page."""
    async with connect(run.url.replace("http", "ws"), proxy=None) as socket:
        await say(socket, "alive", agent_id)
        yield socket


async def say(socket: ClientConnection, kind: str, agent_id: str, data: Any = None) -> None:
    await socket.send(json.dumps({"packet_type": kind, "subject_id": agent_id, "data": data or {}}))


async def hear(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """Wait for the next packet of a kind; give its data."""
    async for text in socket:
        packet: dict[str, Any] = json.loads(text)
        if packet["packet_type"] == kind:
            return dict(packet["data"])
    raise AssertionError("the router closed the socket")


async def test_a_unit_that_is_given_back_goes_to_somebody_else(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        await worker("ann").give_back(agent_id)
        await status_of(run, agent_id, AgentStatus.RETURNED)
        with pytest.raises(RouterError, match="409 You have returned this task"):
            await worker("ann").submit(agent_id, {})
        await worker("bob").submit(await take(worker("bob")), {"by": "bob"})
    await run.completed()
    assert list(run.results()["worker_name"]) == ["bob"]


async def test_a_worker_whose_connection_is_lost_loses_the_unit(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MockBlueprint, "disconnect_after", 0.05)
    run = await launch(operator, rows(1))
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        async with page_of(run, agent_id) as socket:
            assert (await hear(socket, "update_status"))["status"] == "in task"
        await status_of(run, agent_id, AgentStatus.DISCONNECT)
        await take(worker("bob"))
    assert "the worker's connection was lost" in set(run.events()["why"])


async def test_an_answer_sent_twice_is_kept_once(operator: Operator) -> None:
    run = await launch(operator, rows(2))
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        both = await asyncio.gather(*(worker("ann").submit(agent_id, {"n": 1}) for _ in range(2)))
        assert sorted("duplicate" in answer for answer in both) == [False, True]
        await kill(router_pid(run))
        assert "duplicate" in await worker("ann").submit(agent_id, {"n": 1})
        with pytest.raises(RouterError, match="already, perhaps from another window, and that one is kept"):
            await worker("ann").submit(agent_id, {"n": 3})
        await worker("bob").submit(await take(worker("bob")), {"n": 4})
    await run.completed()
    assert list(run.results()["worker_name"]) == ["ann", "bob"]


async def test_a_page_that_is_opened_again_finds_its_work(make_operator: Callable[..., Operator]) -> None:
    operator = make_operator()
    run = await launch(operator, rows(3))
    async with crowd_of(run.url) as worker:
        first = await worker("ann").register("r")
        assert await worker("ann").register("r") | {"request_id": 0} == first | {"request_id": 0} | {
            "deadline_in_seconds": pytest.approx(first["deadline_in_seconds"], abs=100)
        }
        await operator.detach()
        waiting = asyncio.create_task(worker("ann").register("r"))
        again = await make_operator().reconnect(run.task_run_id)
        found = await waiting
        assert {key: found[key] for key in ("agent_id", "init_task_data")} == {
            key: first[key] for key in ("agent_id", "init_task_data")
        }
        assert again.counts.get("assigned", 0) == 1
        assert await take(worker("bob"), "r") != first["agent_id"]


async def test_answers_received_while_all_are_timed_out_count(operator: Operator) -> None:
    run = await launch(operator, rows(20))
    received: set[str] = set()
    async with crowd_of(run.url) as worker:
        agents = await asyncio.gather(*(take(worker(f"worker-{i}")) for i in range(20)))

        async def submit(agent_id: str) -> None:
            try:
                await worker("any").submit(agent_id, {})
                received.add(agent_id)
            except RouterError as error:
                assert "409" in str(error)  # noqa: PT017 - either is right, depending on who comes first

        time_out = partial(leave, how=AgentStatus.TIMEOUT, why="the time was over", who="clock")
        await asyncio.gather(
            *(submit(agent_id) for agent_id in agents),
            *(parts_of(run).engine.do(partial(time_out, agent_id=agent_id)) for agent_id in agents),
        )
    await run.force_shutdown()
    assert set(run.results()["agent_id"]) == received


async def test_what_is_received_while_a_run_is_shut_down_at_once_counts(operator: Operator) -> None:
    run = await launch(operator, rows(30))
    received: set[str] = set()
    async with crowd_of(run.url) as worker:
        agents = await asyncio.gather(*(take(worker(f"worker-{i}")) for i in range(30)))

        async def submit(agent_id: str) -> None:
            try:
                await worker("any").submit(agent_id, {})
                received.add(agent_id)
            except RouterError as error:
                assert "409" in str(error)  # noqa: PT017

        await asyncio.gather(*map(submit, agents[:15]), run.force_shutdown(), *map(submit, agents[15:]))
    assert set(run.results()["agent_id"]) == received


async def test_what_a_page_reports_beside_its_answer_is_kept(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        await worker("ann").post("/submit_metadata", {"USED_AGENT_ID": agent_id, "metadata": {"tip": "be kind"}})
        await worker("ann").post("/log_error", {"USED_AGENT_ID": agent_id, "error_data": {"text": "<b>oh</b>"}})
        await worker("ann").submit(agent_id, {})
    await run.completed()
    (report,) = [event for event in run.events().itertuples() if event.who == "worker" and event.detail]
    assert (report.subject_id, report.detail) == (agent_id, {"text": "<b>oh</b>"})


async def test_a_live_task_talks_to_each_page_until_it_is_done(timed_operator: Operator, clock: FakeClock) -> None:
    run = await launch(timed_operator, rows(2), blueprint={"run_live": True}, submission_timeout=60)
    async with crowd_of(run.url) as worker:
        ann, bob = await take(worker("ann")), await take(worker("bob"))
        for agent_id in (ann, bob):
            async with page_of(run, agent_id) as socket:
                assert (await hear(socket, "client_bound_live_update"))["init_data"]["text"].startswith("text")
                await say(socket, "mephisto_bound_live_update", agent_id, {"update_id": "1", "text": "hello"})
                assert (await hear(socket, "client_bound_live_update"))["echo"]["text"] == "hello"
                await say(socket, "mephisto_bound_live_update", agent_id, {"update_id": "2", "done": True})
                assert (await hear(socket, "client_bound_live_update"))["echo"]["done"] is True
        soon = clock.now() + 60
        await parts_of(run).engine.wait_until(lambda state: all(state.agents[a].deadline == soon for a in (ann, bob)))
        await worker("ann").submit(ann, {})
        clock.advance(60)
        await status_of(run, bob, AgentStatus.TIMEOUT)
        await status_of(run, ann, AgentStatus.COMPLETED)


async def test_whose_live_tasks_code_fails_may_send_and_loses_nothing(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run_unit(self: EchoRunner, init_data: Any, agent: Any) -> None:
        if init_data["text"] == "text 0":
            raise ZeroDivisionError("a bug")
        await agent.get_live_update()

    monkeypatch.setattr(EchoRunner, "run_unit", run_unit)

    run = await launch(operator, rows(2), blueprint={"run_live": True})
    async with crowd_of(run.url) as worker:
        ann = await take(worker("ann"))
        bob = await take(worker("bob"))
        await worker("bob").submit(bob, {})
        await status_of(run, bob, AgentStatus.COMPLETED)
        assert parts_of(run).engine.state.agents[ann].status is AgentStatus.IN_TASK
        await worker("ann").submit(ann, {"kept": 1})
        await status_of(run, ann, AgentStatus.COMPLETED)
    assert run.events()["why"].str.contains("the task's code failed: ZeroDivisionError").any()


async def test_a_page_that_only_looks_for_more_work_takes_none(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    async with crowd_of(run.url) as worker:

        async def look(name: str) -> dict[str, Any]:
            who = {"worker_name": name, "agent_registration_id": f"look-{name}", "only_looks": True}
            details: dict[str, Any] = (await worker(name).post("/request_agent", {"provider_data": who}))["data"]
            return details

        assert (await look("ann"))["has_more"] is True
        agent_id = await take(worker("ann"))
        assert (await look("bob"))["may_pass"] is True
        assert set(parts_of(run).engine.state.agents) == {agent_id}
