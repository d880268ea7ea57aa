"""What a researcher's function hands over that cannot be stored or sent harms that call alone, and never the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mephisto_nb.errors import ConfigError
from mephisto_nb.operator import Operator
from mephisto_nb.testing.simulated_workers import simulate_workers
from tests.inside import live_of
from tests.kernel.chats import launch_chat, talk
from tests.kernel.runs import crowd_of, launch, rows

BAD_ACTS: dict[str, Callable[[Any], Any]] = {
    "no name": lambda unit: unit.grant(None),
    "a dictionary": lambda unit: unit.grant({"a": 1}),
    "blanks": lambda unit: unit.grant(" "),
    "a word": lambda unit: unit.grant("good", "often"),
    "too large": lambda unit: unit.grant("good", 2**70),
    "a number": lambda unit: unit.revoke(7),
}


@pytest.mark.parametrize("act", BAD_ACTS.values(), ids=BAD_ACTS)
async def test_an_act_that_cannot_be_is_refused_and_the_run_goes_on(
    operator: Operator, act: Callable[[Any], Any]
) -> None:
    async def hook(unit: Any) -> None:
        await act(unit)

    run = await launch(operator, rows(2), shared={"on_unit_submitted": hook})
    await simulate_workers(run.url, lambda data: data, num_workers=2)
    async with asyncio.timeout(20):
        await run.completed()
    assert [type(error) for error in live_of(run).failed_hooks] == [ConfigError] * 2


@pytest.mark.parametrize("data", [{"score": object()}, {"score": float("nan")}, "text"], ids=["object", "nan", "text"])
async def test_what_no_page_can_be_sent_ends_that_conversation_alone(operator: Operator, data: Any) -> None:
    said = [data, {"text": "Hello"}]

    async def says(row: Any, agent: Any) -> None:
        await agent.observe(said.pop(0))

    run = await launch_chat(operator, [{}, {}], blueprint={"units_per_assignment": 1}, conversation=says)
    async with crowd_of(run.url) as worker, asyncio.timeout(20):
        (ann, _), (bob, heard) = [await talk(worker(name), lambda messages: None) for name in ("ann", "bob")]
    assert (ann, bob, [message["text"] for message in heard.messages]) == ("done", "done", ["Hello"])
    assert run.events()["why"].str.contains("Say a dictionary").any()
    await run.completed()
    assert len(run.results()) == 2  # what ann had is hers to send
