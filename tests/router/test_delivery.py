"""What a worker was told is received reaches the operator, whatever happens in between."""

import asyncio

import aiohttp
from tests.router.harness import Browser, shake_hands


async def test_a_registration_is_answered_with_the_operators_packet(browser, operator):
    asking = browser.request_agent("ann")
    seq, packet = await operator.message()
    assert packet["packet_type"] == "register_agent"
    assert packet["data"]["provider_data"] == {"worker_name": "ann"}
    request_id = packet["data"]["request_id"]
    await operator.give_agent("a1", request_id=request_id, init_task_data={"text": "é\ud800"})
    status, answer = await asking
    assert status == 200
    assert answer["packet_type"] == "agent_details"
    assert answer["data"]["agent_id"] == "a1"
    assert answer["data"]["failure_reason"] is None
    assert answer["data"]["init_task_data"] == {"text": "é\ud800"}


async def test_a_submission_survives_the_death_of_the_router(start_router, session):
    router = await start_router()
    async with shake_hands(router.address) as operator:
        await operator.give_agent("a1")
    assert await Browser(router.address, session).submit("a1", answer=42) == (200, {"status": "Submitted!"})
    await router.kill()
    again = await start_router()
    async with shake_hands(again.address) as operator:
        _, packet = await operator.message()
        assert (packet["subject_id"], packet["data"]) == ("a1", {"answer": 42})
    status, answer = await Browser(again.address, session).submit("a1", answer=43)
    assert (status, answer["duplicate"]) == (200, True)
