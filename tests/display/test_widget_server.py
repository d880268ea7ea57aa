"""What the kernel answers to the views of a widget, with a fake for the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from mephisto_nb.display.actions._base import DrivenRun
from mephisto_nb.display.widgets.widget import Subject, WidgetServer
from mephisto_nb.errors import NotFoundError
from mephisto_nb.rules.run_state import RunRules, RunState


class Source:
    """A run's watch that knows one answer."""

    def __init__(self) -> None:
        self.on_change: list[Callable[[], None]] = []
        self.loaded = 0

    def state(self) -> dict[str, Any]:
        return {"units": {"answered": self.loaded}}

    async def load(self) -> None:
        self.loaded += 1
        for callback in self.on_change:
            callback()

    async def submission(self, agent_id: str) -> dict[str, Any]:
        if agent_id != "agent1":
            raise NotFoundError(f"Agent {agent_id!r} has sent nothing.")
        return {"answer": 1}


class Run:
    """A run that notes what is done to it."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    async def pause_launching(self) -> None:
        self.calls.append("pause")

    async def change_limits(self, **limits: Any) -> None:
        self.calls.append(limits)

    async def expire_units(self) -> int:
        return 12


class Page:
    """A server, and what it has sent to the views."""

    def __init__(self) -> None:
        self.source, self.run = Source(), Run()
        parts = SimpleNamespace(
            engine=SimpleNamespace(state=RunState("run1", RunRules("link"), 0.0)),
            provider=SimpleNamespace(FEE_RATE=0.0),
        )
        self.driven = DrivenRun(SimpleNamespace(parts=parts), self.run, SimpleNamespace())  # type: ignore[arg-type]
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.server = WidgetServer(self.find, self.sent.put_nowait, asyncio.get_running_loop())

    async def find(self, topic: str) -> Subject:
        if topic == "gone":
            raise NotFoundError("There is no such run.")
        return Subject(self.source, None if topic == "past" else self.driven)

    async def ask(self, **message: Any) -> dict[str, Any]:
        self.server.handle({"view": "v", "request": 1, "topic": "run1", "args": {}, **message})
        return await self.sent.get()

    async def look(self, *topics: str) -> None:
        self.server.handle({"type": "look", "view": "v", "topics": list(topics), "again": []})


@pytest.fixture
async def page() -> Any:
    page = Page()
    yield page
    page.server.close()


async def test_a_look_gets_the_state_first_and_then_what_was_read(page: Page) -> None:
    await page.look("run1")
    here, whole, change = [await page.sent.get() for _ in range(3)]
    assert (here["type"], whole["type"], change["type"]) == ("here", "state", "delta")
    assert (whole["state"], change["set"]) == ({"units": {"answered": 0}}, {"units.answered": 1})
    await page.look("run1")
    assert await page.sent.get() == here


async def test_who_looks_away_hears_nothing_more(page: Page) -> None:
    await page.look("run1")
    for _ in range(3):
        await page.sent.get()
    await page.look()
    await page.source.load()
    assert page.sent.empty()


async def test_whoever_looks_on_has_what_others_changed_read_again(page: Page) -> None:
    await page.look("run1")
    kinds = [(await page.sent.get())["type"] for _ in range(3)]
    assert (kinds, page.source.loaded) == (["here", "state", "delta"], 1)
    await page.look("run1")
    assert [(await page.sent.get())["type"] for _ in range(2)] == ["here", "delta"]
    assert page.source.loaded == 2


async def test_a_run_that_cannot_be_found_is_said_to_be_missing(page: Page) -> None:
    await page.look("gone")
    assert (await page.sent.get())["type"] == "here"
    assert (await page.sent.get())["error"] == "There is no such run."


async def test_actions_are_previewed_and_done(page: Page) -> None:
    reply = await page.ask(type="preview", action="limits", args={"task_reward": 0.2})
    assert reply["result"].startswith("Pay for a unit: $0.20 instead of $0.00, for 0 units that nobody has yet")
    await page.ask(type="act", action="limits", args={"task_reward": 0.2})
    await page.ask(type="act", action="pause")
    assert page.run.calls == [{"task_reward": 0.2}, "pause"]
    assert (await page.ask(type="act", action="expire"))["result"] == {"words": "12 units have expired.", "text": ""}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"type": "act", "action": "__init__"}, "There is no action '__init__'. Name one of pause, resume"),
        ({"type": "act", "action": "pause", "args": {"x": 1}}, "takes no argument x"),
        ({"type": "act", "action": "pause", "topic": "past"}, "can only be looked at"),
        ({"type": "act", "action": "pause", "topic": "gone"}, "no such run"),
        ({"type": "submission", "agent_id": "nobody"}, "'nobody' has sent nothing"),
    ],
)
async def test_what_cannot_be_done_says_why(
    page: Page, asked: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    reply = await page.ask(**asked)
    assert not caplog.records  # a slip is told to whoever made it, and to nobody else
    assert words in reply["error"]
    assert (reply["result"], reply["view"], reply["request"]) == (None, "v", 1)


async def test_an_answer_is_read_when_it_is_opened(page: Page) -> None:
    assert (await page.ask(type="submission", agent_id="agent1"))["result"] == {"answer": 1}


async def test_nonsense_is_ignored(page: Page) -> None:
    for message in (None, "look", {}, {"type": "look"}, {"type": "act", "topic": 1}):
        page.server.handle(message)
    assert page.sent.empty()


async def test_a_page_that_asks_whether_there_is_a_kernel_is_answered(page: Page) -> None:
    page.server.handle({"type": "hello"})
    assert await page.sent.get() == {"type": "hello"}
