"""What is sent again after a break is handled once, and a run is called ended when nothing more can come."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from mephisto_nb.kernel.client_io_handler import ClientIOHandler
from mephisto_nb.model.packets import Packet, PacketType, Received
from mephisto_nb.operator import Operator
from tests.inside import parts_of
from tests.kernel.runs import crowd_of, launch, rows, take


async def test_a_message_that_comes_again_while_it_waits_is_handled_once(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    engine = parts_of(run).engine
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
    packet = Packet(PacketType.LOG_ERROR, agent_id, {"error": "a script failed"})
    first = engine.committed_seq + 1
    messages = [Received(seq, time.time(), packet) for seq in (first, first + 1)]
    assert [engine.receive(messages), engine.receive(messages)] == [messages, []]
    await engine.handled(first + 1)
    reported = run.events().query('why == "the worker\'s page reported an error"')
    assert len(reported) == 2


async def test_an_acknowledgement_that_comes_late_takes_nothing_back(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    engine = parts_of(run).engine
    async with crowd_of(run.url) as worker:
        await take(worker("ann"))
    await parts_of(run).link.settle(10.0)
    engine.delivered(0)
    await engine.load()
    assert not engine.outbox


async def test_a_run_has_not_ended_before_its_router_knows(
    make_operator: Callable[..., Operator], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[float | None] = []
    operator = make_operator()
    run = await launch(operator, rows(1))
    finish = ClientIOHandler.finish

    async def watch(link: ClientIOHandler, linger: float) -> None:
        ended.append(parts_of(run).database.runs.load_run(run.task_run_id).run.ended_at)
        await finish(link, linger)

    monkeypatch.setattr(ClientIOHandler, "finish", watch)
    await run.force_shutdown()
    assert ended == [None]
    assert parts_of(run).database.runs.load_run(run.task_run_id).run.ended_at is not None
