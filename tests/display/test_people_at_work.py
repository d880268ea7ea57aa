"""Who is at work together is at work, from the moment in which they wait for each other."""

from __future__ import annotations

from typing import Any

from tests.inside import watch
from tests.kernel.chats import launch_chat
from tests.kernel.runs import crowd_of


async def test_those_who_wait_for_partners_and_talk_are_at_work(operator: Any) -> None:
    run = await launch_chat(operator, [{"topic": "walks"}])
    watched = watch(run)
    async with crowd_of(run) as worker:
        for count, name in enumerate(("ann", "bob"), start=1):
            await worker(name).register()
            state = watched.state()
            assert (state["people"]["at_work"], state["units"]["assigned"]) == (count, count)
    await run.force_shutdown()
    assert watched.state()["people"]["at_work"] == 0
