"""Conversations as people and researchers meet with them: real routers, real sockets, a real database."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Any

import pytest

from mephisto_nb.errors import ConfigError, PartnerLeftError
from mephisto_nb.kernel.talk import task_code
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from mephisto_nb.ports.task_runner import Bot
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.fake_clock import FakeClock
from mephisto_nb.testing.simulated_workers import SimulatedTalk
from tests.inside import parts_of
from tests.kernel.chats import count_to, launch_chat, talk
from tests.kernel.runs import crowd_of

TURNS = 5


def packet(kind: str, agent_id: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"packet_type": kind, "subject_id": agent_id, "data": data}


def texts(run: TaskRun, assignment: int = 0) -> list[str]:
    messages = run.messages()
    return list(messages.loc[messages["assignment_index"] == assignment, "text"])


async def test_two_people_talk_and_everything_is_in_the_frames(operator: Operator) -> None:
    run = await launch_chat(operator, blueprint={"num_turns": 3, "take_turns": True})
    async with crowd_of(run.url) as worker:
        outcomes = await asyncio.gather(*(talk(worker(name), count_to(3, name)) for name in ("ann", "bob")))
    await run.completed()
    assert [how for how, _ in outcomes] == ["done", "done"]
    first, second = sorted({text.split()[0] for text in texts(run)}, key=texts(run)[0].startswith, reverse=True)
    assert texts(run) == [f"{name} {number}" for number in (1, 2, 3) for name in (first, second)]
    for _, one in outcomes:
        assert [message["text"] for message in one.messages] == texts(run)
    results = run.results()
    assert [[said["text"] for said in row] for row in results["messages"]] == [texts(run)] * 2
    assert list(results["answer.comment"]) == ["done", "done"]


async def negotiate(data: Any, agents: Any) -> None:
    """Do as the negotiation does: welcome all, and hand on what everybody says under their name."""
    await agents.observe({"text": "Welcome.", "id": "Referee"})
    for _ in range(4):
        agent, message = await agents.get_live_update()
        await agents.observe({"text": message["text"], "id": agent.name}, but=agent)


async def test_what_the_code_passes_on_is_one_row_and_nothing_is_missing(operator: Operator) -> None:
    run = await launch_chat(operator, [{}, {}], blueprint={"names": ["Ada", "Ben"]}, conversation=negotiate)
    counts = count_to(2, "all")

    def reply(messages: list[dict[str, Any]]) -> Any:
        return counts(messages) if messages else None  # once the referee has spoken

    async with crowd_of(run.url) as worker:
        await asyncio.gather(*(talk(worker(name), reply) for name in ("ann", "bob", "cleo", "dan")))
    await run.completed()
    messages = run.messages()
    assert list(messages["assignment_index"]) == [0] * 5 + [1] * 5
    for _, talked in messages.groupby("assignment_index"):
        assert list(talked["role"]) == ["task"] + ["worker"] * 4
        first = talked.iloc[0]
        assert (first["speaker"], first["shown_name"], first["text"]) == ("Referee", "Referee", "Welcome.")
        people = set(talked["worker_name"].dropna())
        assert sorted(first["heard_by"]) == sorted(people)
        for name in people:
            assert list(talked.loc[talked["speaker"] == name, "text"]) == ["all 1", "all 2"]
            heard = talked.loc[talked["speaker"] == name, "heard_by"]
            assert list(heard) == [sorted(people - {name})] * 2
        assert set(talked["shown_name"][1:]) == {"Ada", "Ben"}
        assert talked.loc[talked["role"] == "worker", "at"].is_monotonic_increasing
    everything = run.messages(everything=True)
    assert everything["heard_by"].str.len().value_counts().to_dict() == {0: 8, 1: 12}
    assert [len(said) for said in run.results()["messages"]] == [5] * 4


async def test_a_chat_survives_a_leaving_person_and_a_kernel_restart(
    make_operator: Callable[..., Operator],
) -> None:
    operator = make_operator()
    blueprint = {"num_turns": TURNS}
    run = await launch_chat(operator, [{"n": 0}, {"n": 1}], blueprint=blueprint)
    gate, enough = asyncio.Event(), asyncio.Semaphore(0)

    def slow(name: str) -> Any:
        counted = count_to(TURNS, name)

        async def reply(messages: list[dict[str, Any]]) -> Any:
            said = counted(messages)
            if said is not None and said["text"].endswith(" 3"):
                enough.release()
                await gate.wait()
            return said

        return reply

    async with crowd_of(run.url) as worker, asyncio.TaskGroup() as group:
        first = [group.create_task(talk(worker(name), slow(name))) for name in ("ann", "bob")]
        await parts_of(run).engine.wait_until(lambda state: len(state.rooms.waiting) == 0 and len(state.agents) == 2)
        cleo = group.create_task(talk(worker("cleo"), slow("cleo")))
        await parts_of(run).engine.wait_until(lambda state: len(state.agents) == 3)
        dan = group.create_task(talk(worker("dan"), count_to(TURNS, "dan"), leave_after=2))
        for _ in range(2):
            await enough.acquire()
        await operator.detach()  # the kernel is restarted
        gate.set()
        run = await make_operator().reconnect(run.task_run_id, SharedTaskState(static_task_data=[{"n": 0}, {"n": 1}]))
    await run.completed()
    assert [task.result()[0] for task in first] == ["done", "done"]
    assert (cleo.result()[0], dan.result()[0]) == ("partner disconnect", "left")
    said = texts(run, 0)
    for name, task in zip(("ann", "bob"), first, strict=True):
        own = [f"{name} {number}" for number in range(1, TURNS + 1)]
        assert [text for text in said if text.startswith(name)] == own
        assert sorted(message["text"] for message in task.result()[1].messages) == sorted(said)
    broken = [message["text"] for message in cleo.result()[1].messages]
    assert {"cleo 1", "dan 1", "dan 2"} <= set(texts(run, 1))  # be they heard or not before it broke
    assert set(broken) <= set(texts(run, 1))
    assert run.counts == {"completed": 3, "expired": 1}
    assert len(run.results()) == 3


async def test_code_of_ones_own_leads_and_a_function_is_asked_once(make_operator: Callable[..., Operator]) -> None:
    asked: list[str] = []

    def score(text: str) -> int:
        asked.append(text)
        return len(text)

    async def interview(data: Any, agent: Any) -> None:
        for question in data["questions"]:
            await agent.observe({"text": question, "id": "Interviewer"})
            answer = await agent.get_live_update()
            await agent.observe({"text": f"({await agent.once(score, answer['text'])})", "id": "Interviewer"})

    operator, about = make_operator(), {"units_per_assignment": 1}
    data = [{"questions": ["One?", "Two?", "Three?"]}]
    run = await launch_chat(operator, data, blueprint=about, conversation=interview)
    runs = [run]

    async def reply(messages: list[dict[str, Any]]) -> Any:
        if not messages or not messages[-1]["text"].endswith("?"):
            return None
        if messages[-1]["text"] == "Two?":
            await operator.detach()
            runs.append(await make_operator().reconnect(run.task_run_id, SharedTaskState(conversation=interview)))
        return f"to {messages[-1]['text']}"

    async with crowd_of(run.url) as worker:
        how, one = await talk(worker("ann"), reply)
    assert (how, len(runs), asked) == ("done", 2, ["to One?", "to Two?", "to Three?"])
    expected = ["One?", "to One?", "(7)", "Two?", "to Two?", "(7)", "Three?", "to Three?", "(9)"]
    assert texts(runs[1]) == expected == [message["text"] for message in one.messages]
    assert list(runs[1].messages()["role"].unique()) == ["task", "worker"]


async def test_what_was_said_before_the_answer_is_heard_after_a_restart(make_operator: Callable[..., Operator]) -> None:
    asked = asyncio.Event()

    async def interview(data: Any, agent: Any) -> None:
        await agent.observe({"text": "Well?", "id": "Interviewer"})
        await agent.get_live_update()
        await agent.observe({"text": "And?", "id": "Interviewer"})
        asked.set()

    operator = make_operator()
    run = await launch_chat(operator, [{}, {}], blueprint={"units_per_assignment": 1}, conversation=interview)
    async with crowd_of(run.url) as worker:
        ann = worker("ann")
        agent_id = (await ann.register())["agent_id"]
        async with ann.session.open_socket(ann.url) as page:
            await page.send_json(packet("alive", agent_id, {}))
            while (await page.receive_json())["packet_type"] != "client_bound_live_update":
                pass
            await operator.detach()
            said = {"text": "Yes.", "id": agent_id, "update_id": "said"}
            await page.send_json(packet("mephisto_bound_live_update", agent_id, said))
            await page.send_json(packet("heartbeat", agent_id, {}))
            while (await page.receive_json())["packet_type"] != "heartbeat":
                pass
            await ann.submit(agent_id, {})
    run = await make_operator().reconnect(run.task_run_id, SharedTaskState(conversation=interview))
    await asked.wait()
    assert run.counts["completed"] == 1
    assert texts(run) == ["Well?", "Yes.", "And?"]


async def test_code_that_is_busy_when_the_answer_comes_is_ended(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_code, "_LAST_WORDS", 0.0)
    ended = asyncio.Event()

    async def muse(data: Any, agent: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    run = await launch_chat(operator, [{}], blueprint={"units_per_assignment": 1}, conversation=muse)
    async with crowd_of(run.url) as worker:
        ann = worker("ann")
        await ann.submit((await ann.register())["agent_id"], {})
    await ended.wait()
    await run.completed()


async def test_a_program_takes_the_seat_that_nobody_comes_for(timed_operator: Operator, clock: FakeClock) -> None:
    bot = Bot(lambda chat: f"echo of {chat[-1]['content']}", name="Echo")
    run = await launch_chat(timed_operator, blueprint={"num_turns": 2, "when_waited": "bot"}, bot=bot)
    async with crowd_of(run.url) as worker:
        talking = asyncio.create_task(talk(worker("ann"), count_to(2, "ann")))
        await parts_of(run).engine.wait_until(lambda state: bool(state.rooms.waiting))
        clock.advance(300)
        how, one = await talking
    assert how == "done"
    assert [message["text"] for message in one.messages][:2] == ["ann 1", "echo of ann 1"]
    assert list(run.messages()["role"])[:2] == ["worker", "bot"]


async def test_a_function_that_fails_or_hangs_holds_up_nobody(operator: Operator) -> None:
    async def hangs(chat: Any) -> str:
        if chat[-1]["content"].startswith("ann"):
            raise ZeroDivisionError
        await asyncio.Event().wait()
        return ""

    bot = Bot(hangs, timeout=0.05, retries=0)
    run = await launch_chat(operator, [{}, {}], blueprint={"num_turns": 2, "units_per_assignment": 1}, bot=bot)
    async with crowd_of(run.url) as worker:
        outcomes = await asyncio.gather(*(talk(worker(name), count_to(2, name)) for name in ("ann", "bob")))
    assert [how for how, _ in outcomes] == ["done", "done"]
    assert (run.messages()["role"] == "worker").sum() == 4


async def test_when_the_code_of_two_fails_both_may_send_what_they_have(operator: Operator) -> None:
    async def fails(data: Any, agents: Any) -> None:
        await agents.get_live_update()
        raise ZeroDivisionError("a bug")

    run = await launch_chat(operator, conversation=fails)
    async with crowd_of(run.url) as worker:
        outcomes = await asyncio.gather(*(talk(worker(name), count_to(2, name)) for name in ("ann", "bob")))
    await run.completed()
    assert [how for how, _ in outcomes] == ["done", "done"]
    assert run.events()["why"].str.contains("the task's code failed: ZeroDivisionError").any()


async def test_failing_code_gets_one_attention_line_with_count_and_place(operator: Operator, caplog) -> None:
    async def fails(data: Any, agents: Any) -> None:
        await agents.get_live_update()
        raise KeyError("x. y")

    run = await launch_chat(operator, [{}, {}], conversation=fails)
    async with crowd_of(run.url) as worker:
        await asyncio.gather(*(talk(worker(name), count_to(2, name)) for name in ("ann", "bob", "cleo", "dan")))
    await run.completed()
    (told,) = run.attention
    reason, _, remedy = told.partition(". ")
    assert re.fullmatch(
        r"The task's code failed: KeyError\('x\..y'\) in fails \(line \d+ of test_chats.py\) \(2 times\)", reason
    )
    assert "await run.steering.pause_launching()" in remedy
    assert caplog.text.count("Traceback") == 2


async def test_code_that_fails_for_one_who_works_alone_calls_for_attention(operator: Operator) -> None:
    async def fails(data: Any, agent: Any) -> None:
        await agent.get_live_update()
        raise ZeroDivisionError("a bug")

    run = await launch_chat(operator, blueprint={"units_per_assignment": 1}, conversation=fails)
    async with crowd_of(run.url) as worker:
        how, _ = await talk(worker("ann"), count_to(2, "ann"))
    assert how == "done"
    await parts_of(run).engine.wait_until(lambda state: state.counts["completed"] == 1)
    assert run.agents()["status"].item() == "completed"
    assert run.attention[0].startswith("The task's code failed: ZeroDivisionError('a bug') in fails (line ")
    assert parts_of(run).link._agents.get(run.agents()["agent_id"].item()) is None


async def test_a_failing_program_is_asked_again_before_it_counts_as_silent(operator: Operator, caplog) -> None:
    asked: list[str] = []

    def limited(chat: Any) -> str:
        asked.append(chat[-1]["content"])
        if chat[-1]["content"] != "ann 1" or len(asked) < 3:
            raise RuntimeError("429")
        return "at last"

    bot = Bot(limited, pause=0.0)
    run = await launch_chat(operator, [{}], blueprint={"num_turns": 3, "units_per_assignment": 1}, bot=bot)
    async with crowd_of(run.url) as worker:
        how, one = await talk(worker("ann"), count_to(3, "ann"))
    assert (how, one.messages[1]["text"], len(asked)) == ("done", "at last", 9)
    assert list(run.messages()["role"]) == ["worker", "bot", "worker", "task", "worker", "task"]
    (told,) = run.attention
    assert told.startswith("Assistant (the bot) gave no answer: RuntimeError('429') in limited (line ")
    assert told.partition(". ")[0].endswith(" of test_chats.py) (2 times)")
    assert run.events()["why"].str.contains("RuntimeError").sum() == 2
    assert caplog.text.count("Traceback") == 2


async def test_a_program_that_fails_to_the_end_is_silent_with_its_error() -> None:
    class Reporter:
        told: tuple[str, ...] = ()

        async def report(self, why: str, detail: Any = None, *, of: str = "") -> None:
            self.told += (why,)

    def fails(chat: Any) -> str:
        raise ConnectionError("refused")

    reporter = Reporter()
    with pytest.raises(TimeoutError):
        await Bot(fails, timeout=0.05, pause=60).ask_again([], reporter)
    assert reporter.told[0].startswith("Assistant (the bot) gave no answer: ConnectionError('refused') in fails")


async def test_code_that_was_changed_meanwhile_is_noticed(make_operator: Callable[..., Operator]) -> None:
    async def asks(data: Any, agent: Any, question: str = "One?") -> None:
        await agent.observe({"text": question})
        await agent.get_live_update()
        await agent.get_live_update()

    async def asks_otherwise(data: Any, agent: Any) -> None:
        await asks(data, agent, "Another?")

    operator = make_operator()
    runs = [await launch_chat(operator, blueprint={"units_per_assignment": 1}, conversation=asks)]
    run_id = runs[0].task_run_id

    async def reply(messages: list[dict[str, Any]]) -> Any:
        if not messages:
            return None
        await operator.detach()
        with pytest.raises(ConfigError, match="'asks'"):
            await make_operator().reconnect(run_id)
        runs.append(await make_operator().reconnect(run_id, SharedTaskState(conversation=asks_otherwise)))
        return None

    async with crowd_of(runs[0].url) as worker:
        how, _ = await talk(worker("ann"), reply)
    assert how == "done"
    assert runs[1].events()["why"].str.contains("ReplayError").any()


async def test_who_waits_is_told_how_many_are_there_and_is_paid_for_waiting(
    timed_operator: Operator, clock: FakeClock
) -> None:
    blueprint = {"units_per_assignment": 3, "when_waited": "pay", "waiting_pay": 0.4, "waiting_room_timeout": 60}
    run = await launch_chat(timed_operator, blueprint=blueprint)
    async with crowd_of(run.url) as worker:
        talking = asyncio.create_task(talk(worker("ann"), count_to(1, "ann")))
        await parts_of(run).engine.wait_until(lambda state: len(state.agents) == 1)
        other = asyncio.create_task(talk(worker("bob"), count_to(1, "bob")))
        await parts_of(run).engine.wait_until(lambda state: len(state.agents) == 2)
        await asyncio.sleep(0)
        clock.advance(60)
        outcomes = await asyncio.gather(talking, other)
    assert [how for how, _ in outcomes] == ["timeout", "timeout"]
    assert [(room["here"], room["wanted"]) for room in outcomes[0][1].waiting][:2] == [(1, 3), (2, 3)]
    assert {room["pay"] for room in outcomes[0][1].waiting} == {"$0.40"}
    assert list(run.payments()["amount"]) == [0.4, 0.4]
    await run.force_shutdown()


# -- somebody leaves in the middle -----------------------------------------------------------------------------


def says(*turns: Any) -> Any:
    """Say each text once, in order, as soon as what it answers was heard and its event, if it has one, has happened."""
    left = list(turns)

    async def reply(messages: list[dict[str, Any]]) -> Any:
        answers, text, *events = left[0] if left else (None, "")
        if answers not in {"", *(message["text"] for message in messages)}:
            return None
        del left[0]
        for event in events:
            await event.wait()
        return {"text": text, "done": not left}

    return reply


async def comes(run: TaskRun, group: asyncio.TaskGroup, person: Any, reply: Any, **habits: Any) -> Any:
    """Let somebody come and talk; what this gives is over when they have sat down."""
    there = len(parts_of(run).engine.state.agents)
    talking = group.create_task(talk(person, reply, **habits))
    await parts_of(run).engine.wait_until(lambda state: len(state.agents) > there)
    return talking


def statuses(run: TaskRun, one: SimulatedTalk) -> list[str]:
    """Return what somebody went through."""
    events = run.events()
    return list(events.loc[(events["subject_id"] == one.agent_id) & events["after"].notna(), "after"])


def heard(one: SimulatedTalk) -> list[str]:
    return [message["text"] for message in one.messages if not message.get("notice")]


def notices(one: SimulatedTalk) -> list[str]:
    return [message["text"] for message in one.messages if message.get("notice")]


async def test_the_others_go_on_without_who_has_left(operator: Operator) -> None:
    run = await launch_chat(operator, blueprint={"when_left": "continue", "units_per_assignment": 3})
    gone = asyncio.Event()
    async with crowd_of(run.url) as worker, asyncio.TaskGroup() as group:
        ann = await comes(run, group, worker("ann"), says(("", "ann 1"), ("dan 1", "ann 2", gone)))
        bob = await comes(run, group, worker("bob"), says(("ann 2", "bob 1")))
        dan = await comes(run, group, worker("dan"), says(("ann 1", "dan 1")), leave_after=1)
        await dan
        await parts_of(run).engine.wait_until(lambda state: state.counts["expired"] == 1)
        gone.set()
    await run.completed()
    assert [task.result()[0] for task in (ann, bob, dan)] == ["done", "done", "left"]
    assert texts(run) == ["ann 1", "dan 1", "ann 2", "bob 1"]
    for _, one in (ann.result(), bob.result()):
        assert (heard(one), notices(one)) == (texts(run), ["One of you has left."])
        assert statuses(run, one)[-2:] == ["in task", "completed"]
    assert [[said["text"] for said in row] for row in run.results()["messages"]] == [texts(run)] * 2
    assert run.counts == {"completed": 2, "expired": 1}


async def test_who_is_left_begins_anew_with_somebody_else(operator: Operator) -> None:
    run = await launch_chat(operator, blueprint={"when_left": "requeue"})
    anew = asyncio.Event()
    async with crowd_of(run.url) as worker, asyncio.TaskGroup() as group:
        ann = await comes(run, group, worker("ann"), says(("", "ann 1"), ("", "ann anew", anew)))
        bob = await comes(run, group, worker("bob"), says(("ann 1", "bob 1")), leave_after=1)
        assert (await bob)[0] == "left"
        await parts_of(run).engine.wait_until(lambda state: bool(state.launched))  # the seat is on offer again
        cleo = await comes(run, group, worker("cleo"), says(("ann anew", "cleo 1")))
        anew.set()
    await run.completed()
    assert [task.result()[0] for task in (ann, cleo)] == ["done", "done"]
    assert texts(run) == ["ann 1", "bob 1", "ann anew", "cleo 1"]
    assert heard(cleo.result()[1]) == ["ann anew", "cleo 1"]
    one = ann.result()[1]
    assert [text for text in heard(one) if text != "bob 1"] == ["ann 1", "ann anew", "cleo 1"]
    assert [(room["here"], room["wanted"]) for room in one.waiting] == [(1, 2), (1, 2)]
    assert statuses(run, one)[1:] == ["waiting", "in task", "waiting", "in task", "completed"]
    assert run.counts == {"completed": 2}


async def test_a_program_goes_on_for_who_has_left_over_a_restart_too(make_operator: Callable[..., Operator]) -> None:
    asked: list[list[dict[str, str]]] = []

    def echo(chat: list[dict[str, str]]) -> str:
        asked.append(chat)
        return f"echo of {chat[-1]['content']}"

    operator, bot = make_operator(), Bot(echo, name="Echo")
    runs = [await launch_chat(operator, blueprint={"when_left": "bot"}, bot=bot)]
    gone = asyncio.Event()
    counts = says(("", "ann 1"), ("bob 1", "ann 2", gone), ("echo of ann 2", "ann 3"))

    async def reply(messages: list[dict[str, Any]]) -> Any:
        if messages and messages[-1]["text"] == "echo of ann 2":
            await operator.detach()
            runs.append(await make_operator().reconnect(runs[0].task_run_id, SharedTaskState(bot=bot)))
        return await counts(messages)

    async with crowd_of(runs[0].url) as worker, asyncio.TaskGroup() as group:
        ann = await comes(runs[0], group, worker("ann"), reply)
        bob = await comes(runs[0], group, worker("bob"), says(("ann 1", "bob 1")), leave_after=1)
        await bob
        gone.set()
    run = runs[1]
    await run.completed()
    assert [task.result()[0] for task in (ann, bob)] == ["done", "left"]
    assert list(zip(run.messages()["role"], texts(run), strict=True)) == [
        ("worker", "ann 1"), ("worker", "bob 1"), ("worker", "ann 2"), ("bot", "echo of ann 2"), ("worker", "ann 3"),
    ]  # fmt: skip
    assert heard(ann.result()[1]) == texts(run)
    assert notices(ann.result()[1]) == ["Your partner has left. A program goes on in their place."]
    # What was said in the seat before is the program's own past; after the restart it is not asked once more.
    assert [(turn["role"], turn["content"]) for turn in asked[0]] == [
        ("user", "ann 1"), ("assistant", "bob 1"), ("user", "ann 2"),
    ]  # fmt: skip
    assert len(asked) == 1
    assert run.counts == {"completed": 1, "expired": 1}


async def test_a_talk_with_a_program_ends_when_the_people_are_done(operator: Operator) -> None:
    bot = Bot(lambda chat: f"echo of {chat[-1]['content']}", name="Echo")
    run = await launch_chat(operator, blueprint={"when_left": "bot"}, bot=bot)
    gone = asyncio.Event()
    async with crowd_of(run.url) as worker, asyncio.TaskGroup() as group, asyncio.timeout(20):
        ann = await comes(run, group, worker("ann"), says(("", "ann 1"), ("bob 1", "ann 2", gone)))
        bob = await comes(run, group, worker("bob"), says(("ann 1", "bob 1"), ("never", "bob 2")), leave_after=1)
        await bob
        gone.set()
    assert ann.result()[0] == "done"


async def test_what_somebody_said_last_is_heard_before_that_they_have_left(operator: Operator) -> None:
    heard, gate, told = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slowly(data: Any, agents: Any) -> None:
        speaker, message = await agents.get_live_update()
        heard.set()
        await gate.wait()
        await agents.observe({"text": message["text"], "id": speaker.name}, but=speaker)
        with contextlib.suppress(PartnerLeftError):
            await agents.get_live_update()
        await told.wait()

    run = await launch_chat(operator, blueprint={"when_left": "continue"}, conversation=slowly)
    parts_of(run).engine.listeners.append(lambda step: told.set() if "has left." in str(step.changes.changes) else None)
    async with crowd_of(run.url) as worker, asyncio.TaskGroup() as group, asyncio.timeout(20):
        ann = await comes(run, group, worker("ann"), says(("never", "ann 1")))
        await comes(run, group, worker("dan"), says(("", "dan 1"), ("never", "")))
        await heard.wait()  # it has arrived
        await worker("dan").give_back(next(one for one in parts_of(run).engine.state.rooms.seats.values())[1].agent_id)
        await parts_of(run).engine.wait_until(lambda state: state.counts["expired"] == 1)
        gate.set()
    assert [message["text"] for message in ann.result()[1].messages] == ["dan 1", "Your partner has left."]


async def test_a_programs_error_is_for_the_researcher_not_for_the_page(operator: Operator) -> None:
    def fails(chat: Any) -> str:
        raise ConnectionError("https://models.example.org?key=secret")

    run = await launch_chat(
        operator, [{}], blueprint={"num_turns": 1, "units_per_assignment": 1}, bot=Bot(fails, pause=0.0)
    )
    async with crowd_of(run.url) as worker:
        how, one = await talk(worker("ann"), count_to(1, "ann"))
    assert how == "done"
    assert "secret" not in str(one.messages)
    assert run.events()["why"].str.contains("secret").any()


async def test_a_program_may_give_more_than_text(operator: Operator) -> None:
    bot = Bot(lambda chat: {"task_data": {"score": 3}})
    run = await launch_chat(operator, [{}], blueprint={"num_turns": 1, "units_per_assignment": 1}, bot=bot)
    async with crowd_of(run.url) as worker:
        assert (await talk(worker("ann"), count_to(1, "ann")))[0] == "done"


async def test_who_comes_to_wait_for_a_partner_has_arrived(operator: Operator) -> None:
    run = await launch_chat(operator, blueprint={"units_per_assignment": 2})
    tally = parts_of(run).tally
    tally.turned_away["cyd"] = "max_for_task"
    async with crowd_of(run.url) as worker:
        await asyncio.gather(*(worker(name).register() for name in ("ann", "bob")))
    assert (tally.last_arrival_at is None, dict(tally.turned_away)) == (False, {})


async def test_a_failure_of_ours_beside_task_code_is_told(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(data: Any, agent: Any) -> None:
        """End at once."""

    def fail(step: Any, agent_id: str) -> None:
        reached.set()
        raise ZeroDivisionError("our own mistake")

    reached = asyncio.Event()
    monkeypatch.setattr(task_code, "_await_submission", fail)
    run = await launch_chat(operator, blueprint={"units_per_assignment": 1}, conversation=nothing)
    async with crowd_of(run.url) as worker:
        await worker("ann").register()
        await reached.wait()
    await parts_of(run).engine.do(lambda step: None)
    assert "our own mistake" in "".join(run.attention)
