"""Answers the calls of workers' pages, each for itself: none waits for another, and none that fails stops the unit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, ClassVar

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.blueprints.remote_procedure.functions import ArgumentsError, CallState, Function, read_registry
from mephisto_nb.blueprints.static_html.task_data import NotJSONError, to_json
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.ports.task_runner import LiveAgent, TaskRunner, Turn
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.user_code import CallThreads

logger = get_logger(__name__)

#: How many calls of one worker run at a time, and how long the names that pages send may be.
_PER_WORKER, _LONGEST_ID = 8, 200
#: How much of an error's text a page is told.
_LONGEST_TEXT = 500
_ON_OUR_SIDE = "Something went wrong on our side."


class FunctionRunner(TaskRunner):
    """Calls the functions of `SharedTaskState.function_registry` for workers' pages.

    A request is stored before it is answered, and its answer before the page has it for good. A request without an
    answer, when a kernel takes a run up again, is run again: a function may be called twice, but its page gets one
    answer.
    """

    replays: ClassVar[bool] = False
    #: How many plain functions run at a time, for all workers; and the longest answer, in bytes.
    threads: ClassVar[int] = 8
    longest_response: ClassVar[int] = 1_000_000

    def __init__(self, shared_state: SharedTaskState) -> None:
        super().__init__(shared_state)
        registry = shared_state.function_registry
        # A run that is taken up without its functions lets calls wait, rather than answer them wrongly.
        self._functions: dict[str, Function] = read_registry(registry) if registry else {}
        self._threads = CallThreads(self.threads, "a function for a page")

    def get_init_data(self, init_data: JSON, history: Sequence[Turn]) -> JSON:
        """Give a page its data, and its earlier calls, so that a reload need not repeat them."""
        return {"task_data": init_data, "previous_requests": pair_up(history)}

    async def run_unit(self, init_data: JSONObject, agent: LiveAgent) -> None:
        """Answer calls until the worker leaves or submits."""
        history = list(agent.history)
        answered = {turn.data.get("handles") for turn in history if turn.sender == "operator"}
        asked = [turn.data for turn in history if turn.sender == "worker"]
        seen: set[str] = {id_ for data in asked if (id_ := _id_of(data)) in answered and id_ is not None}
        places = asyncio.Semaphore(_PER_WORKER)
        async with asyncio.TaskGroup() as calls:
            for data in asked:
                self._take(data, seen, calls, agent, init_data, places)
            while True:
                self._take(await agent.get_live_update(), seen, calls, agent, init_data, places)

    def _take(
        self,
        data: JSONObject,
        seen: set[str],
        calls: asyncio.TaskGroup,
        agent: LiveAgent,
        init_data: JSONObject,
        places: asyncio.Semaphore,
    ) -> None:
        request_id = _id_of(data)
        if request_id is None or request_id in seen:
            return
        seen.add(request_id)
        calls.create_task(self._answer(request_id, data, agent, init_data, places))

    async def _answer(
        self, request_id: str, data: JSONObject, agent: LiveAgent, init_data: JSONObject, places: asyncio.Semaphore
    ) -> None:
        async with places:
            if not self._functions:
                why = (
                    "A page called a function, but the run was taken up without any. Take it up with them: await "
                    "operator.reconnect(..., SharedTaskState(function_registry={...}))."
                )
                await agent.report(why)
                return
            try:
                state = CallState(agent.agent_id, init_data, pair_up(agent.history))
                response = await self._call(request_id, data, state)
            except Exception as error:  # noqa: BLE001 - a researcher's function; its failure is an answer, too
                await self._tell_failure(request_id, data, agent, error)
            else:
                await agent.observe({"handles": request_id, "response": response})

    async def _call(self, request_id: str, data: JSONObject, state: CallState) -> str:
        """Give the answer of a function as JSON; raise whatever it raises."""
        function = self._functions.get(str(data.get("target")))
        if function is None:
            raise ArgumentsError(f"There is no function {str(data.get('target'))[:_LONGEST_ID]!r} to call.")
        call = function.bind(request_id, _parse(data.get("args")), state)
        result: Any = await call() if function.is_async else await self._threads.run(call)
        try:
            response = json.dumps(to_json(result), ensure_ascii=False)
        except (NotJSONError, RecursionError) as error:
            raise TypeError(f"{function.name} returned what is no JSON: {error}") from error
        size = len(response.encode("utf-8", "replace"))
        if size > self.longest_response:
            raise OverflowError(
                f"{function.name} returned {size:,} bytes, and {self.longest_response:,} may be sent "
                "(mephisto.blueprint.maximum_response_in_bytes)"
            )
        return response

    async def _tell_failure(self, request_id: str, data: JSONObject, agent: LiveAgent, error: Exception) -> None:
        target = str(data.get("target"))[:_LONGEST_ID]
        told = {"type": type(error).__name__, "message": _words_for_page(error)}
        # `response` is all that npm's client hands on; ours looks at `error`, and raises it.
        answer = {"handles": request_id, "response": json.dumps({"error": told}), "error": told}
        if not isinstance(error, ArgumentsError):
            logger.error("the function %r failed for a page", target, exc_info=error)
            detail = {"function": target, "request_id": request_id, "error": repr(error)[:_LONGEST_TEXT]}
            await agent.report(f"The function {target!r} failed for a page: {repr(error)[:_LONGEST_TEXT]}.", detail)
        await agent.observe(answer)


def _words_for_page(error: Exception) -> str:
    """Give what a page may know: a ValueError speaks of what was sent, any other may tell secrets."""
    return str(error)[:_LONGEST_TEXT] if isinstance(error, ValueError) else _ON_OUR_SIDE


def _id_of(data: JSONObject) -> str | None:
    request_id = data.get("request_id")
    return request_id if isinstance(request_id, str) and 0 < len(request_id) <= _LONGEST_ID else None


def _parse(args: JSON) -> JSON:
    """Read arguments; npm's client sends them as JSON text, and no text at all where there are none."""
    if not isinstance(args, str):
        return args
    try:
        found: JSON = json.loads(args)
    except (ValueError, RecursionError):
        raise ArgumentsError("The arguments are not JSON.") from None
    return found


def pair_up(history: Sequence[Turn]) -> list[JSONObject]:
    """Give the calls of a unit, each with its answer (None: none yet), in the form of Mephisto 1.x."""
    answers = {turn.data.get("handles"): turn.data for turn in history if turn.sender == "operator"}
    found: dict[str, JSONObject] = {}
    for turn in history:
        request_id = _id_of(turn.data) if turn.sender == "worker" else None
        if request_id is None or request_id in found:
            continue
        answer = answers.get(request_id, {})
        found[request_id] = {
            "uuid": request_id,
            "target": turn.data.get("target"),
            "args_json": turn.data.get("args"),
            "response_json": answer.get("response"),
            "error": answer.get("error"),
        }
    return list(found.values())
