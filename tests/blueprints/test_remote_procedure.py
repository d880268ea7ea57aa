"""The remote_procedure blueprint: what its functions are called with, and what pages hear of it."""

from __future__ import annotations

import asyncio
import enum
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest

from mephisto_nb.blueprints.remote_procedure import (
    ArgumentsError,
    CallState,
    Function,
    FunctionRunner,
    RemoteProcedureBlueprint,
    RemoteProcedureBlueprintArgs,
    fit,
)
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.ports.task_runner import Turn
from mephisto_nb.utils.logging import get_logger


class Tone(enum.Enum):
    GLAD = "glad"


@dataclass
class Box:
    x: int
    y: float = 0.0
    tags: list[str] = field(default_factory=list)


FITS = [
    ("a", str, "a"),
    (1, int, 1),
    (1, float, 1.0),
    (True, bool, True),
    (None, None, None),
    (None, str | None, None),
    ("a", int | str, "a"),
    (["a"], list[str], ["a"]),
    ([1, "a"], tuple[int, str], (1, "a")),
    ([1, 2], tuple[int, ...], (1, 2)),
    (["a", "a"], set[str], {"a"}),
    ({"a": 1}, dict[str, int], {"a": 1}),
    ("glad", Literal["glad", "grim"], "glad"),
    ("glad", Tone, Tone.GLAD),
    ({"x": 1, "tags": ["b"]}, Box, Box(1, 0.0, ["b"])),
    ([{"x": 1}], list[Box], [Box(1)]),
    (3, Annotated[int, "of something"], 3),
    ({"any": ["thing"]}, Any, {"any": ["thing"]}),
    (3, Callable[[], int], 3),  # no type that JSON has: not checked
]


@pytest.mark.parametrize(("value", "wanted", "found"), FITS, ids=lambda value: str(value)[:40])
def test_what_a_page_sends_becomes_what_a_function_wants(value: Any, wanted: Any, found: Any) -> None:
    assert fit(value, wanted, "it") == found
    assert type(fit(value, wanted, "it")) is type(found)


DOES_NOT_FIT = [
    (1, str, "it must be text, not a whole number (1)"),
    (True, int, "it must be a whole number, not true or false (True)"),
    (1.5, int, "it must be a whole number, not a number (1.5)"),
    ("1", float, "it must be a number, not text ('1')"),
    ("a", list[str], "it must be a list, not text ('a')"),
    (["a", 1], list[str], "it[1] must be text, not a whole number (1)"),
    ([1], tuple[int, int], "it must be a list of 2, not a list ([1])"),
    ({"a": "b"}, dict[str, int], "it['a'] must be a whole number, not text ('b')"),
    ("blue", Literal["glad", "grim"], "it must be one of 'glad', 'grim', not text ('blue')"),
    (1, Literal[True], "it must be one of True, not a whole number (1)"),
    (None, int, "it must be a whole number, not null (None)"),
    ({}, Box, "it lacks 'x'"),
    ({"x": 1, "z": 2}, Box, "it has 'z', which nothing asks for"),
    ({"x": "1"}, Box, "it.x must be a whole number, not text ('1')"),
]


@pytest.mark.parametrize(("value", "wanted", "said"), DOES_NOT_FIT, ids=lambda value: str(value)[:40])
def test_what_does_not_fit_is_told_in_words(value: Any, wanted: Any, said: str) -> None:
    with pytest.raises(ArgumentsError) as told:
        fit(value, wanted, "it")
    assert str(told.value) == said


def call(function: Callable[..., Any], args: Any, request_id: str = "r1") -> Any:
    return Function("f", function).bind(request_id, args, CallState("agent", {"text": "hi"}))()


def test_arguments_come_by_their_names() -> None:
    def classify(text: str, k: int = 3) -> list[str]:
        return [text] * k

    assert call(classify, {"text": "a", "k": 2}) == ["a", "a"]
    assert call(classify, {"text": "a"}) == ["a"] * 3


def test_a_single_value_needs_no_name() -> None:
    assert call(lambda text: text, "a") == "a"
    assert call(lambda box: box, {"x": 1}) == {"x": 1}
    assert call(lambda text: text, {"text": "a"}) == "a"


def test_functions_of_old_get_the_request_the_arguments_and_the_state() -> None:
    def old(_request_id: str, args: dict[str, Any], agent_state: Any) -> Any:
        return _request_id, args, agent_state.get_data()["inputs"]

    assert call(old, {"a": 1}) == ("r1", {"a": 1}, {"text": "hi"})


def test_a_function_may_take_all_arguments_at_once_and_the_state() -> None:
    assert call(lambda args: args, {"a": 1}) == {"a": 1}
    assert call(lambda agent_state, args: (args, agent_state.agent_id), [1]) == ([1], "agent")


def test_a_function_without_parameters_may_be_sent_nothing() -> None:
    assert call(lambda: "now", None) == call(lambda: "now", {}) == "now"


def two(text: str, k: int) -> str:
    return text * k


WRONG = {
    "one missing": (two, {"text": "a"}, "f lacks 'k'"),
    "one too many": (two, {"text": "a", "k": 1, "z": 1}, "f takes 'text', 'k', not 'z'"),
    "no object": (two, [1, 2], "f takes 'text', 'k' by name: send an object"),
    "another type": (two, {"text": "a", "k": "2"}, "k must be a whole number, not text ('2')"),
    "the state": (
        lambda a, b, agent_state: a,
        {"a": 1, "b": 1, "agent_state": 2},
        "f takes 'a', 'b', not 'agent_state'",
    ),
    "the state, in a function of anything": (lambda agent_state, **rest: rest, {"agent_state": 2}, "not by the page"),
}


@pytest.mark.parametrize(("function", "args", "said"), WRONG.values(), ids=WRONG)
def test_arguments_that_a_function_does_not_take_are_told(function: Any, args: Any, said: str) -> None:
    with pytest.raises(ArgumentsError) as told:
        call(function, args)
    assert said in str(told.value)


@pytest.mark.parametrize(
    ("registry", "said"),
    [
        ({}, "no functions for its page to call"),
        ({"f": 3}, "no name with a function"),
        ({1: print}, "no name with a function"),
        ({"f": lambda a, /, b: a}, "by its place alone"),
    ],
)
def test_what_no_page_could_call_is_refused(registry: Any, said: str) -> None:
    state = SharedTaskState(static_task_data=[{}], function_registry=registry)
    with pytest.raises(ConfigError, match=said):
        RemoteProcedureBlueprint(RemoteProcedureBlueprintArgs(task_source="none.js"), state).assert_task_args()


# One worker at work


class Page:
    """A worker's page, as the runner sees it."""

    agent_id = "agent"

    def __init__(self, *history: Turn) -> None:
        self.history = list(history)
        self.reports: list[str] = []
        self.reported_of: list[str] = []
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def call(self, request_id: str, target: str, args: Any = None) -> None:
        data = {"request_id": request_id, "target": target, "args": json.dumps(args)}
        self.history.append(Turn("worker", data))
        self._sent.put_nowait(data)

    async def answer(self) -> tuple[str, Any]:
        """Return the next answer: to which request, and what."""
        data = await asyncio.wait_for(self._heard.get(), 10)
        return data["handles"], data.get("error") or json.loads(data["response"])

    async def observe(self, data: dict[str, Any]) -> None:
        self.history.append(Turn("operator", data))
        self._heard.put_nowait(data)

    async def get_live_update(self, timeout: float | None = None) -> dict[str, Any]:
        return await self._sent.get()

    async def report(self, why: str, detail: Any = None, *, of: str = "") -> None:
        self.reports.append(why)
        self.reported_of.append(of)


@contextmanager
def serving(page: Page, **functions: Any) -> Iterator[FunctionRunner]:
    """Run the functions for a page."""
    runner = FunctionRunner(SharedTaskState(function_registry=functions))
    task = asyncio.ensure_future(runner.run_unit({"text": "hi"}, page))
    yield runner
    assert not task.done()
    task.cancel()


async def later(text: str) -> str:
    await asyncio.sleep(0)
    return text.upper()


async def test_plain_and_async_functions_are_answered() -> None:
    page = Page()
    with serving(page, later=later, plain=lambda text: text[::-1]):
        page.call("r1", "later", {"text": "abc"})
        assert await page.answer() == ("r1", "ABC")
        page.call("r2", "plain", {"text": "abc"})
        assert await page.answer() == ("r2", "cba")


async def test_a_slow_call_holds_up_no_other() -> None:
    page, free = Page(), threading.Event()
    with serving(page, slow=lambda: free.wait(10), quick=lambda: "quick"):
        page.call("r1", "slow")
        page.call("r2", "quick")
        assert await page.answer() == ("r2", "quick")
        free.set()
        assert await page.answer() == ("r1", True)


def fail_with(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the package logs as errors, with tracebacks."""
    found: list[Any] = []
    logger = get_logger("mephisto_nb.blueprints.remote_procedure")
    monkeypatch.setattr(logger, "error", lambda *args, exc_info: found.append(exc_info))
    return found


async def test_an_error_reaches_page_and_researcher_and_the_unit_goes_on(logged: list[Any]) -> None:
    page, error = Page(), ValueError("no such label")
    with serving(page, fail=fail_with(error), fine=lambda: 1):
        page.call("r1", "fail")
        assert await page.answer() == ("r1", {"type": "ValueError", "message": "no such label"})
        assert logged == [error]
        assert error.__traceback__ is not None
        assert page.reports == ["The function 'fail' failed for a page: ValueError('no such label')."]
        assert page.reported_of == ["function fail"]  # of which many failures are counted together
        page.call("r2", "fine")
        assert await page.answer() == ("r2", 1)


async def test_an_error_of_our_side_keeps_its_words_from_the_page(logged: list[Any]) -> None:
    page = Page()
    with serving(page, fail=fail_with(OSError("https://api/?key=secret"))):
        page.call("r1", "fail")
        assert await page.answer() == ("r1", {"type": "OSError", "message": "Something went wrong on our side."})


async def test_the_unmodified_client_gets_an_error_as_its_answer(logged: list[Any]) -> None:
    page = Page()
    with serving(page, fail=fail_with(ValueError("no"))):
        page.call("r1", "fail")
        await page.answer()
        response = json.loads(page.history[-1].data["response"])
        assert response == {"error": {"type": "ValueError", "message": "no"}}


async def test_wrong_calls_are_told_to_the_page_alone() -> None:
    page = Page()
    with serving(page, two=two):
        page.call("r1", "gone")
        assert (await page.answer())[1]["message"] == "There is no function 'gone' to call."
        page.call("r2", "two", {"text": 1, "k": 1})
        assert (await page.answer())[1]["message"] == "text must be text, not a whole number (1)"
        assert page.reports == []


@pytest.mark.parametrize("result", [{1, 2}, object(), "a" * 1_000_001], ids=["a set", "an object", "too long"])
async def test_what_cannot_be_sent_is_an_error(result: Any, logged: list[Any]) -> None:
    page = Page()
    with serving(page, f=lambda: result):
        page.call("r1", "f")
        request_id, answer = await page.answer()
        assert (request_id, answer["message"]) == ("r1", "Something went wrong on our side.")
        assert len(page.reports) == 1


async def test_a_request_is_answered_once_however_often_it_is_sent() -> None:
    page, called = Page(), []
    with serving(page, f=lambda n: called.append(n)):
        for _ in range(3):
            page.call("r1", "f", {"n": 1})
        page.call("r2", "f", {"n": 2})
        assert {(await page.answer())[0] for _ in range(2)} == {"r1", "r2"}
        assert sorted(called) == [1, 2]


def asked(request_id: str) -> Turn:
    return Turn("worker", {"request_id": request_id, "target": "f", "args": "null"})


async def test_a_call_that_an_earlier_kernel_left_open_is_made_again() -> None:
    page = Page(asked("r1"), asked("r2"), Turn("operator", {"handles": "r1", "response": "1"}))
    with serving(page, f=lambda: 2):
        assert await page.answer() == ("r2", 2)


async def test_calls_wait_where_a_run_was_taken_up_without_its_functions() -> None:
    page = Page(asked("r1"))
    with serving(page):
        while not page.reports:
            await asyncio.sleep(0)
        assert "SharedTaskState(function_registry={...})" in page.reports[0]


def test_a_page_is_handed_its_earlier_calls() -> None:
    runner = FunctionRunner(SharedTaskState(function_registry={"f": print}))
    history = [asked("r1"), Turn("worker", {"text": "no call"}), Turn("operator", {"handles": "r1", "response": "1"})]
    assert runner.get_init_data({"text": "hi"}, [*history, asked("r2")]) == {
        "task_data": {"text": "hi"},
        "previous_requests": [
            {"uuid": "r1", "target": "f", "args_json": "null", "response_json": "1", "error": None},
            {"uuid": "r2", "target": "f", "args_json": "null", "response_json": None, "error": None},
        ],
    }


@pytest.mark.parametrize("data", [{}, {"request_id": 3}, {"request_id": "a" * 201}, {"request_id": ""}])
async def test_what_is_no_request_is_passed_over(data: dict[str, Any]) -> None:
    page = Page()
    with serving(page, f=lambda: 1):
        page._sent.put_nowait(data)
        page.call("r1", "f")
        assert await page.answer() == ("r1", 1)
