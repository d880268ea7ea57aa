"""Live messages go ahead of the disk, in order, and count once."""

import pytest

from mephisto_nb.router.workers.fast_path import LONGEST_ID, MOST_KNOWN, LiveOrder
from tests.router.harness import Browser, shake_hands


async def talk(page, agent, *update_ids):
    """Say something with each of these ids, and wait until the router has all of it on its disk."""
    for update_id in update_ids:
        await page.send("mephisto_bound_live_update", agent, {"update_id": update_id, "text": f"I say {update_id}"})
    await page.send("heartbeat", agent)
    while (await page.receive())["packet_type"] != "heartbeat":
        pass


async def frames_until(operator, count):
    """Return what was told ahead, and the ids of the live messages as they came in their places."""
    ahead, in_place = [], []
    while len(in_place) < count:
        frame = await operator.receive()
        if frame["type"] == "ahead":
            ahead.append((frame["after"], frame["packet"]["data"]["update_id"]))
        elif frame["type"] == "messages":
            in_place += [packet["data"].get("update_id") for _, _, packet in frame["messages"]]
    return ahead, in_place


async def test_all_messages_but_the_first_go_ahead_and_arrive_in_order(browser, operator, agent):
    async with browser.socket(agent) as page:
        await talk(page, agent, "a", "b", "c")
    assert await frames_until(operator, 3) == ([("a", "b"), ("b", "c")], ["a", "b", "c"])


async def test_a_message_that_is_sent_again_is_told_once(browser, operator, agent):
    for _ in range(2):
        async with browser.socket(agent) as page:
            await talk(page, agent, "a", "b")
    async with browser.socket(agent) as page:
        await talk(page, agent, "c")
    assert await frames_until(operator, 3) == ([("a", "b"), ("b", "c")], ["a", "b", "c"])


async def test_nothing_goes_ahead_of_a_message_without_a_name(browser, operator, agent):
    async with browser.socket(agent) as page:
        await talk(page, agent, "a", None, "b", "c")
    assert await frames_until(operator, 4) == ([("b", "c")], ["a", None, "b", "c"])


async def test_a_new_router_lets_nothing_of_earlier_agents_go_ahead(start_router, session):
    router = start_router()
    async with shake_hands(router.address) as operator:
        await operator.give_agent("a1")
        async with Browser(router.address, session).socket("a1") as page:
            await talk(page, "a1", "a", "b")
    router.kill()
    router = start_router()
    async with shake_hands(router.address) as operator:
        async with Browser(router.address, session).socket("a1") as page:
            await talk(page, "a1", "a", "b", "c")
        assert await frames_until(operator, 3) == ([], ["a", "b", "c"])


@pytest.fixture
async def ahead_of(operator):
    """Send a live update ahead of its effect."""

    async def send(agent, after, update_id):
        data = {"update_id": update_id}
        packet = {"packet_type": "client_bound_live_update", "subject_id": agent, "data": data}
        await operator.send({"type": "ahead", "after": after, "packet": packet})

    return send


async def heard(page, count):
    return [(await page.receive())["data"]["update_id"] for _ in range(count)]


async def test_an_update_that_went_ahead_is_heard_once(browser, operator, agent, ahead_of):
    async with browser.socket(agent) as page:
        await operator.effect("client_bound_live_update", agent, {"update_id": "a"})
        await ahead_of(agent, "a", "b")
        await ahead_of(agent, "b", "c")
        for update_id in "bcd":
            await operator.effect("client_bound_live_update", agent, {"update_id": update_id})
        assert await heard(page, 4) == ["a", "b", "c", "d"]


async def test_no_update_overtakes_another(browser, operator, agent, ahead_of):
    async with browser.socket(agent) as page:
        await operator.effect("client_bound_live_update", agent, {"update_id": "a"})
        await ahead_of(agent, "b", "c")  # the page does not have b yet
        for update_id in "bc":
            await operator.effect("client_bound_live_update", agent, {"update_id": update_id})
        assert await heard(page, 3) == ["a", "b", "c"]


async def test_what_went_ahead_to_a_page_that_is_gone_is_heard_by_the_next(browser, operator, agent, ahead_of):
    async with browser.socket(agent) as page:
        await operator.effect("client_bound_live_update", agent, {"update_id": "a"})
        await ahead_of(agent, "a", "b")
        assert await heard(page, 2) == ["a", "b"]
    await operator.effect("client_bound_live_update", agent, {"update_id": "b"})
    async with browser.socket(agent) as page:
        assert await heard(page, 2) == ["a", "b"]


@pytest.mark.parametrize("packet", [None, {"packet_type": "update_status", "subject_id": "a", "data": {}}])
async def test_what_makes_no_sense_does_not_go_ahead_and_harms_nothing(operator, agent, packet):
    await operator.send({"type": "ahead", "after": "a", "packet": packet})
    await operator.effect("update_status", agent, {"status": "waiting"})


def test_what_is_remembered_of_an_agent_is_bounded():
    order = LiveOrder()
    for number in range(MOST_KNOWN):
        order.note("agent", str(number))
    assert order.note("agent", "one more") is None
    assert order.note("another", "first") is None
    assert order.note("another", "second") == "first"


def test_a_long_name_does_not_go_ahead():
    order = LiveOrder()
    order.note("agent", "first")
    assert order.note("agent", "x" * (LONGEST_ID + 1)) is None
    assert order.note("agent", "third") is None


def test_an_agent_who_is_gone_is_forgotten():
    order = LiveOrder()
    order.note("agent", "first")
    order.forget("agent")
    assert order.note("agent", "second") is None
