"""What task code hears and says: at once, once, in order, and recorded in the order in which it was said."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mephisto_nb._typing import JSONObject
from mephisto_nb.abstractions.task_runner import Turn
from mephisto_nb.data_model.packets import Packet
from mephisto_nb.operations.running_agent import RunningAgent, Seat, Together
from mephisto_nb.operations.talk import Talk


class Engine:
    """Records one thing after the other."""

    def __init__(self) -> None:
        self.recorded: list[JSONObject] = []
        self.open = asyncio.Event()
        self.open.set()

    async def do(self, rule: Any, *, patiently: bool = False) -> None:
        await self.open.wait()
        self.recorded.append(rule.keywords["data"])


class Ahead:
    """What was sent to the page at once."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    async def __call__(self, after: str, packet: Packet) -> None:
        self.sent.append((after, packet.data["update_id"]))


@pytest.fixture
async def engine() -> Engine:
    return Engine()


@pytest.fixture
def ahead() -> Ahead:
    return Ahead()


@pytest.fixture
def agent(engine: Engine, ahead: Ahead) -> RunningAgent:
    return RunningAgent("agent", engine, ahead)  # type: ignore[arg-type]


async def heard(agent: RunningAgent) -> list[Any]:
    """Give all that task code can hear now."""
    found = []
    while agent._talk._inbox:
        found.append((await agent.get_live_update())["update_id"])
    return found


async def test_what_comes_ahead_and_again_in_its_place_is_heard_once(agent: RunningAgent) -> None:
    agent.put({"update_id": "a"})
    agent.put_ahead("a", {"update_id": "b"})
    agent.put_ahead("b", {"update_id": "c"})
    agent.put({"update_id": "b"})
    agent.put({"update_id": "c"})
    agent.put({"update_id": "d"})
    assert await heard(agent) == ["a", "b", "c", "d"]


async def test_the_history_holds_what_was_said_once_and_in_order(engine: Engine, ahead: Ahead) -> None:
    agent = RunningAgent("agent", engine, ahead, history=[Turn("worker", {"update_id": "old"})])  # type: ignore[arg-type]
    agent.put({"update_id": "a"})
    agent.put_ahead("a", {"update_id": "b"})
    agent.put({"update_id": "b"})
    assert await heard(agent) == ["a", "b"]
    await agent.observe({"update_id": "c"})
    said = [(turn.sender, turn.data["update_id"]) for turn in agent.history]
    assert said == [("worker", "old"), ("worker", "a"), ("worker", "b"), ("operator", "c")]


@pytest.mark.parametrize("after", ["z", "b"])
async def test_what_is_not_next_waits_for_its_place(agent: RunningAgent, after: str) -> None:
    agent.put_ahead(after, {"update_id": "c"})
    for update_id in "abc":
        agent.put({"update_id": update_id})
    assert await heard(agent) == ["a", "b", "c"]


@pytest.mark.parametrize("strange", [None, 7, ["a"], {}])
async def test_a_page_may_call_its_messages_anything(agent: RunningAgent, strange: Any) -> None:
    agent.put({"update_id": strange})
    agent.put_ahead("a", {"update_id": strange})
    assert await heard(agent) == [strange]


async def test_an_answer_is_said_at_once_and_recorded_after_what_it_answers(
    agent: RunningAgent, engine: Engine, ahead: Ahead
) -> None:
    await agent.observe({"update_id": "hello"})
    agent.put({"update_id": "a"})
    agent.put_ahead("a", {"update_id": "b"})
    answering = asyncio.create_task(agent.observe({"update_id": "answer to b"}))
    await asyncio.sleep(0)
    assert ahead.sent == [("hello", "answer to b")]
    assert [data["update_id"] for data in engine.recorded] == ["hello"]
    agent.put({"update_id": "b"})
    await answering
    assert [data["update_id"] for data in engine.recorded] == ["hello", "answer to b"]


async def test_several_answers_keep_their_order(agent: RunningAgent, engine: Engine, ahead: Ahead) -> None:
    engine.open.clear()
    saying = [asyncio.create_task(agent.observe({"update_id": str(number)})) for number in range(4)]
    await asyncio.sleep(0)
    engine.open.set()
    await asyncio.gather(*saying)
    assert [data["update_id"] for data in engine.recorded] == ["0", "1", "2", "3"]
    assert ahead.sent == [("0", "1"), ("1", "2"), ("2", "3")]


@pytest.mark.parametrize("update_id", ["b", None])
async def test_a_record_that_never_comes_holds_up_nobody(
    agent: RunningAgent, engine: Engine, update_id: str | None
) -> None:
    agent.put({"update_id": "a"})
    agent.put_ahead("a", {"update_id": "b"})
    agent.wait_no_longer(update_id)
    await agent.observe({"update_id": "answer"})
    assert len(engine.recorded) == 1
    agent.put({"update_id": "b"})  # the page has sent it again
    assert await heard(agent) == ["a", "b"]


async def test_nobody_hears_by_which_id_another_may_speak(engine: Engine, ahead: Ahead) -> None:
    talk = Talk()
    ann, bob = (
        RunningAgent(f"secret-{name}", engine, ahead, talk, Seat(name))  # type: ignore[arg-type]
        for name in ("ann", "bob")
    )
    both = Together([ann, bob], talk)
    await both.observe({"text": "Welcome"})
    ann.put({"update_id": "a", "id": "secret-ann", "text": "Hello"})
    ann.put({"update_id": "b", "id": "secret-ann", "text": "Again"})
    speaker, message = await both.get_live_update()
    await both.observe(message, but=speaker)
    await bob.observe(await ann.get_live_update())
    assert [data["id"] for data in engine.recorded if "id" in data] == ["ann", "ann"]
    assert "secret-ann" not in str([data for data in engine.recorded if data["update_id"] not in ("a", "b")])
