"""What a run says of a kernel that was away, and what of its time does not count."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mephisto_nb.kernel.absence import Absence
from mephisto_nb.kernel.run_tasks import ROUTER_TIMEOUT
from mephisto_nb.model.packets import Packet, PacketType, Received
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.operator import Operator
from mephisto_nb.testing.fake_clock import FakeClock
from tests.inside import live_of, parts_of, watch
from tests.kernel.chats import launch_chat, talk
from tests.kernel.runs import crowd_of, launch, rows, take

HOUR = 3600.0


def sent(at: float, *kinds: PacketType) -> list[Received]:
    return [Received(seq, at, Packet(kind, "a")) for seq, kind in enumerate(kinds)]


def test_what_waited_is_counted_with_how_long_it_waited() -> None:
    absence = Absence()
    absence.note(sent(100.0, PacketType.SUBMIT_UNIT, PacketType.SUBMIT_UNIT, PacketType.REGISTER_AGENT), now=143.0)
    assert str(absence) == "The kernel was away for 43 s; 2 answers and 1 arrival were caught up."


def test_all_that_came_during_an_absence_belongs_to_it() -> None:
    absence = Absence()
    absence.note(sent(100.0, PacketType.SUBMIT_UNIT), now=143.0)
    absence.note(sent(130.0, PacketType.SUBMIT_UNIT), now=144.0)
    assert str(absence) == "The kernel was away for 43 s; 2 answers and 0 arrivals were caught up."


def test_a_later_absence_is_another() -> None:
    absence = Absence()
    absence.note(sent(100.0, PacketType.SUBMIT_UNIT), now=143.0)
    absence.note(sent(200.0, PacketType.REGISTER_AGENT), now=205.0)
    assert str(absence) == "The kernel was away for 5 s; 0 answers and 1 arrival was caught up."


def test_a_kernel_that_is_there_says_nothing() -> None:
    absence = Absence()
    absence.note(sent(100.0, PacketType.SUBMIT_UNIT), now=100.1)
    absence.note([], now=200.0)
    assert str(absence) == ""


async def test_a_run_left_for_a_weekend_goes_on(make_operator: Callable[..., Operator], clock: FakeClock) -> None:
    limits = {"no_submission_patience": 12 * HOUR, "task_lifetime_in_seconds": 24 * HOUR}
    friday = make_operator(clock=clock)
    run = await launch(friday, rows(3), **limits)
    await friday.detach()
    clock.jump(60 * HOUR)
    run = await make_operator(clock=clock).reconnect(run.task_run_id)
    await parts_of(run).link.catch_up()
    await parts_of(run).engine.do(lambda step: None)
    assert (run.status, run.counts) == ("live", {"launched": 3})
    assert "ends by itself in 12 h" in str(watch(run).state()["attention"])


async def test_a_run_ends_by_itself_after_its_own_time_alone(timed_operator: Operator, clock: FakeClock) -> None:
    run = await launch(timed_operator, rows(60), no_submission_patience=HOUR)
    async with crowd_of(run.url) as worker:
        for _ in range(5):
            await worker("ann").submit(await take(worker("ann")), {})
    await parts_of(run).engine.wait_until(lambda state: state.counts[UnitStatus.COMPLETED] == 5)
    clock.jump(10 * HOUR)
    await parts_of(run).link.catch_up()
    await parts_of(run).engine.do(lambda step: None)
    assert run.status == "live"
    clock.advance(HOUR)
    await run.completed()
    assert "5 of 60 units answered; 55 expired" in repr(run)
    assert "The run ended by itself: nothing was submitted for 3600 seconds." in str(watch(run).state()["attention"])


async def test_a_cell_that_computes_after_the_last_answer_fails_nothing(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    async with crowd_of(run.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {})
    await run.completed()
    loop = asyncio.get_running_loop()
    before, away = loop.time, 2 * ROUTER_TIMEOUT
    loop.time = lambda: before() + away  # type: ignore[method-assign]
    await live_of(run).over.wait()
    assert (run.status, run.attention) == ("ended", [])


async def test_a_run_that_is_resumed_keeps_its_address(operator: Operator) -> None:
    run = await launch(operator, rows(2))
    await run.shutdown()
    again = await launch(operator, rows(2), resume_incomplete_run=True)
    assert again.url == run.url


async def test_what_is_said_while_a_cell_computes_is_said_in_time(operator: Operator) -> None:
    heard: list[str] = []

    async def interview(data: Any, agent: Any) -> None:
        await agent.observe({"text": "Well?", "id": "Interviewer"})
        try:
            heard.append((await agent.get_live_update(timeout=30))["text"])
        except TimeoutError:
            heard.append("nothing")

    run = await launch_chat(operator, [{}], blueprint={"units_per_assignment": 1}, conversation=interview)
    loop = asyncio.get_running_loop()

    async def reply(messages: list[dict[str, Any]]) -> str | None:
        before = loop.time
        loop.time = lambda: before() + 60.0  # type: ignore[method-assign]
        return "Hi" if len(messages) == 1 else None

    async with crowd_of(run.url) as worker:
        await talk(worker("ann"), reply)
    assert heard == ["Hi"]
