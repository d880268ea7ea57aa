"""Chats for tests: launched with a crowd that is believed by name."""

from __future__ import annotations

from typing import Any

from mephisto_nb.config.hydra_config import compose
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.simulated_workers import ReplyFunction, SimulatedTalk, SimulatedWorker
from tests.kernel.runs import ABOUT


def chat_config(blueprint: dict[str, Any] | None = None, **task: Any) -> Any:
    """Compose the configuration of a chat whose links are not signed."""
    task = {**ABOUT, "task_reward": 0.1, **task}
    return compose("chat", blueprint_args=blueprint or {}, provider_args={"signed_links": False}, task=task)


async def launch_chat(
    operator: Operator, data: Any = None, *, blueprint: dict[str, Any] | None = None, task: Any = None, **shared: Any
) -> TaskRun:
    """Launch a chat; `shared` are fields of its `SharedTaskState`."""
    return await operator.launch_task_run(
        chat_config(blueprint, **(task or {})), SharedTaskState(static_task_data=data, **shared)
    )


async def talk(worker: SimulatedWorker, reply: ReplyFunction, **habits: Any) -> tuple[str, SimulatedTalk]:
    """Let a worker come, talk, and send the form if they may; tell how it ended."""
    details = await worker.register()
    assert details["agent_id"] is not None, details
    one = SimulatedTalk(worker, details["agent_id"], reply, **habits)
    how = await one.to_its_end()
    if how in ("done", "partner disconnect"):
        await worker.submit(one.agent_id, {"comment": how})
    return how, one


def count_to(last: int, name: str) -> ReplyFunction:
    """Say ``name 1``, ``name 2`` ... and at last that one is done."""

    def reply(messages: list[dict[str, Any]]) -> Any:
        said = sum(message["is_own"] for message in messages)
        return {"text": f"{name} {said + 1}", "done": said + 1 == last} if said < last else None

    return reply
