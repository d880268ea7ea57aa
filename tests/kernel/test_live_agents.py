"""What task code hears and says: at once, once, in order, and recorded in the order in which it was said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mephisto_nb._typing import JSONObject
from mephisto_nb.kernel.talk.agents import AgentsAtWork, BotAgent, Group, RunningAgent, Seat
from mephisto_nb.kernel.talk.talk import Entry, Talk
from mephisto_nb.kernel.talk.voices import Voices
from mephisto_nb.model.packets import Packet
from mephisto_nb.ports.task_runner import Bot, Turn
from mephisto_nb.utils.proofs import Secret


class Engine:
    """Records one thing after the other."""

    def __init__(self) -> None:
        self.recorded: list[JSONObject] = []
        self.rows: list[tuple[str, JSONObject]] = []
        self.told: list[str] = []
        self.open = asyncio.Event()
        self.open.set()

    async def do(self, rule: Any, *, retry: bool = False) -> None:
        await self.open.wait()
        if "why" in rule.keywords:
            self.told.append(rule.keywords["why"])
            return
        said = rule.keywords
        self.rows += [("heard", note) for note in said["notes"]]
        self.rows.append((said.get("sender", "operator"), said["data"]))
        self.recorded.append(said["data"])

    def rows_of(self, agent: RunningAgent) -> list[tuple[str, JSONObject]]:
        """Return the record as a database would: what the page sent is there before all that came of it."""
        return [*(("worker", turn.data) for turn in agent.history if turn.sender == "worker"), *self.rows]


async def until(condition: Callable[[], bool]) -> None:
    """Let everything go on until something is so."""
    while not condition():
        await asyncio.sleep(0)


class Ahead:
    """A link to pages: what was sent at once, and what `in_router` puts in once that is asked."""

    is_connected = True

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.in_router: list[Callable[[], None]] = []

    async def send_live_update(self, after: str, packet: Packet) -> None:
        self.sent.append((after, packet.data["update_id"]))

    async def catch_up(self) -> None:
        while self.in_router:
            self.in_router.pop()()

    def served_time(self) -> float:
        return 0.0


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
    """Return all that task code can hear now."""
    found = []
    while agent.talk.pending_actions:
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
    await until(lambda: bool(ahead.sent))
    assert ahead.sent == [("hello", "answer to b")]
    assert [data["update_id"] for data in engine.recorded] == ["hello"]
    agent.put({"update_id": "b"})
    await answering
    assert [data["update_id"] for data in engine.recorded] == ["hello", "answer to b"]


async def test_what_a_page_heard_is_recorded_though_the_code_is_ended(
    agent: RunningAgent, engine: Engine, ahead: Ahead
) -> None:
    await agent.observe({"update_id": "hello"})
    engine.open.clear()
    agent.put_ahead("a", {"update_id": "b"})
    saying = [asyncio.create_task(agent.observe({"update_id": f"answer {number}"})) for number in range(2)]
    await until(lambda: len(ahead.sent) == 2)
    for task in saying:
        task.cancel()
    await asyncio.sleep(0)
    agent.wait_no_longer()
    engine.open.set()
    assert [type(one) for one in await asyncio.gather(*saying, return_exceptions=True)] == [asyncio.CancelledError] * 2
    assert [data["update_id"] for data in engine.recorded] == ["hello", "answer 0", "answer 1"]


async def test_what_the_router_had_in_time_is_heard_in_time(agent: RunningAgent, ahead: Ahead) -> None:
    ahead.in_router.append(lambda: agent.put({"update_id": "a"}))
    assert (await agent.get_live_update(timeout=0))["update_id"] == "a"
    with pytest.raises(TimeoutError):
        await agent.get_live_update(timeout=0)


async def test_what_the_router_had_of_anybody_is_heard_in_time(agent: RunningAgent, ahead: Ahead) -> None:
    agents = Group([agent], agent.talk)
    ahead.in_router.append(lambda: agent.put({"update_id": "a"}))
    assert (await agents.get_live_update(timeout=0))[1]["update_id"] == "a"
    with pytest.raises(TimeoutError):
        await agents.get_live_update(timeout=0)


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


async def test_records_that_never_come_leave_room_ahead(agent: RunningAgent) -> None:
    agent.put({"update_id": "0"})
    for number in range(120):
        agent.put_ahead(str(number), {"update_id": str(number + 1)})
        agent.wait_no_longer(str(number + 1))
    assert (agent.talk.num_ahead, len(await heard(agent))) == (0, 121)


async def test_what_will_not_be_recorded_is_not_heard_ahead(agent: RunningAgent) -> None:
    agent.put({"update_id": "a"})
    agent.put_ahead("a", {"update_id": "b"}, lambda: False)
    agent.put_ahead("b", {"update_id": "c"})
    assert await heard(agent) == ["a"]


async def test_a_message_without_a_name_lets_go_of_no_other(agent: RunningAgent) -> None:
    agents = AgentsAtWork(Voices(Secret("x")))
    agents.add({"agent": agent})
    agent.put({"update_id": "a"})
    agent.put_ahead("a", {"update_id": "b"})
    agents.missed("agent", None)
    assert agent.talk.num_ahead == 1


async def test_nobody_hears_by_which_id_another_may_speak(engine: Engine, ahead: Ahead) -> None:
    talk = Talk()
    ann, bob = (
        RunningAgent(f"secret-{name}", engine, ahead, talk, Seat(name))  # type: ignore[arg-type]
        for name in ("ann", "bob")
    )
    both = Group([ann, bob], talk)
    await both.observe({"text": "Welcome"})
    ann.put({"update_id": "a", "id": "secret-ann", "text": "Hello"})
    ann.put({"update_id": "b", "id": "secret-ann", "text": "Again"})
    speaker, message = await both.get_live_update()
    await both.observe(message, but=speaker)
    await bob.observe(await ann.get_live_update())
    assert [data["id"] for data in engine.recorded if "id" in data] == ["ann", "ann"]
    assert "secret-ann" not in str([data for data in engine.recorded if data["update_id"] not in ("a", "b")])


async def test_resumed_code_numbers_its_messages_on_from_the_history(engine: Engine, ahead: Ahead) -> None:
    first = RunningAgent("agent", engine, ahead)  # type: ignore[arg-type]
    await first.observe({"handles": "1"})
    history = [Turn("operator", data) for data in engine.recorded]
    again = RunningAgent("agent", engine, ahead, history=history)  # type: ignore[arg-type]
    await again.observe({"handles": "2"})
    assert len({data["update_id"] for data in engine.recorded}) == 2


def bots_and(engine: Engine, talk: Talk, replies: list[Any]) -> Group:
    """A worker with two programs of one name, each of which gives the next of these replies."""
    ann = RunningAgent("ann", engine, Ahead(), talk, Seat("ann"))  # type: ignore[arg-type]
    bot = Bot(lambda chat: replies.pop(0), name="Echo", timeout=5, retries=0)
    return Group([ann, *(BotAgent(bot, ann, Seat(bot.name), number=seat) for seat in (1, 2))], talk)


async def test_programs_of_one_name_are_two(engine: Engine) -> None:
    together = bots_and(engine, Talk(), ["one", "two"])
    await together.observe({"text": "Hello"})
    async with asyncio.timeout(5):
        heard = [await together.get_live_update() for _ in range(2)]
    await together.close()
    assert [message["text"] for _, message in heard] == ["one", "two"]
    assert heard[0][0] is not heard[1][0]
    assert len({data["call"] for data in engine.recorded if "call" in data}) == 2


async def test_a_program_that_gives_what_cannot_be_sent_has_said_nothing(engine: Engine) -> None:
    together = bots_and(engine, Talk(), [{"text": object()}, "two"])
    await together.observe({"text": "Hello"})
    async with asyncio.timeout(5):
        _, message = await together.get_live_update()
    await together.close()
    assert message["text"] == "two"
    assert any("gave no answer" in why for why in engine.told)


async def test_a_program_goes_on_after_a_restart_where_it_was(engine: Engine) -> None:
    async def run(together: Group) -> list[str]:
        heard = []
        for _ in range(6):
            agent, message = await together.get_live_update()
            await together.observe({"text": message["text"], "id": agent.name}, but=agent)
            heard.append(message["text"])
        return heard

    talk, asked = Talk(), list[Any]()
    ann = RunningAgent("ann", engine, Ahead(), talk, Seat("ann"))  # type: ignore[arg-type]

    async def slow(chat: list[dict[str, str]]) -> str:
        asked.append(asyncio.get_running_loop().create_future())
        return str(await asked[-1])

    together = Group([ann, BotAgent(Bot(slow), ann, Seat("Echo"), number=1)], talk)
    running = asyncio.create_task(run(together))
    async with asyncio.timeout(5):
        for number in (1, 2, 3):  # the last two while it thinks about the first
            ann.put({"update_id": str(number), "text": str(number)})
        await until(lambda: len(asked) == 1 and len(ann.history) >= 3)
        asked[0].set_result("to 1")
        await until(lambda: len(asked) == 2)
        asked[1].set_result("to 3")
        await until(lambda: "to 3" in str(ann.history))
        ann.put({"update_id": "4", "text": "4"})
        before = await running
    await together.close()
    assert before == ["1", "2", "3", "to 1", "to 3", "4"]

    again, rest = Talk(), list[Any]()
    again.remember(Entry(order, "ann", sender, data) for order, (sender, data) in enumerate(engine.rows_of(ann)))
    ann = RunningAgent("ann", engine, Ahead(), again, Seat("ann"))  # type: ignore[arg-type]
    together = Group([ann, BotAgent(Bot(rest.append), ann, Seat("Echo"), number=1)], again)
    async with asyncio.timeout(5):
        assert await run(together) == before
    await together.close()
    assert rest == []
