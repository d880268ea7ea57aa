"""The workers' sockets: the protocol of the browser packages."""

import json

import pytest

from tests.router.harness import Browser, close_code, shake_hands

#: So much later than the browser's clock says is a ping that it is told of (milliseconds).
AHEAD = 86_400_000


async def test_alive_is_answered_with_the_status(browser, agent):
    async with browser.socket() as page:
        await page.send("alive", agent, {"update_id": "u"})
        packet = await page.receive()
        assert packet == {"packet_type": "update_status", "subject_id": agent, "data": {"status": "in task"}}


async def test_alive_with_a_time_is_dated_ahead_before_any_heartbeat(browser, agent):
    async with browser.socket() as page:
        packet = {"packet_type": "alive", "subject_id": agent, "data": {}, "client_timestamp": 1.5}
        await page.socket.send(json.dumps(packet))
        assert (await page.receive())["packet_type"] == "update_status"
        assert (await page.receive())["data"]["last_mephisto_ping"] == 1500 + AHEAD


async def test_a_heartbeat_is_echoed_with_the_time_and_the_status(browser, agent):
    async with browser.socket() as page:
        await page.send("heartbeat", agent)
        packet = await page.receive()
        assert (packet["packet_type"], packet["subject_id"]) == ("heartbeat", agent)
        assert packet["data"] == {"last_mephisto_ping": 1500 + AHEAD, "status": "in task"}  # by the browser's own clock


@pytest.mark.parametrize("stamp", [None, "now", True, -5, 1e300, [1], {"at": 1}])
async def test_a_heartbeat_with_any_time_on_it_is_answered(browser, agent, stamp):
    async with browser.socket() as page:
        now = json.loads(await (await browser.get("/get_timestamp")).text())["timestamp"]
        packet = {"packet_type": "heartbeat", "subject_id": agent, "client_timestamp": stamp}
        await page.socket.send(json.dumps(packet))
        assert 0 <= (await page.receive())["data"]["last_mephisto_ping"] - now - AHEAD < 10_000


async def test_every_socket_gets_statuses_and_the_newest_gets_updates(browser, operator, agent):
    async with browser.socket(agent) as older, browser.socket(agent) as newer:
        await operator.effect("client_bound_live_update", agent, {"update_id": "u1", "text": "hi"})
        await operator.effect("update_status", agent, {"status": "waiting"})
        assert (await newer.receive())["data"] == {"update_id": "u1", "text": "hi"}
        assert (await newer.receive())["data"] == (await older.receive())["data"] == {"status": "waiting"}


async def test_updates_come_in_order_and_again_until_they_are_confirmed(browser, operator, agent):
    for number in range(3):
        await operator.effect("client_bound_live_update", agent, {"update_id": str(number)})
    async with browser.socket(agent) as page:
        assert [(await page.receive())["data"]["update_id"] for _ in range(3)] == ["0", "1", "2"]
        await page.send("ack", agent, {"update_id": "0"})
        await page.send("ack", agent, {"update_id": "2"})
        await page.send("heartbeat", agent)
        assert (await page.receive())["packet_type"] == "heartbeat"
    async with browser.socket(agent) as page:
        assert (await page.receive())["data"]["update_id"] == "1"


async def test_updates_come_to_a_socket_whose_first_packet_is_a_heartbeat(browser, operator, agent):
    await operator.effect("client_bound_live_update", agent, {"update_id": "0"})
    async with browser.socket() as page:
        await page.send("heartbeat", agent)
        packets = [await page.receive(), await page.receive()]
    assert [packet["packet_type"] for packet in packets] == ["heartbeat", "client_bound_live_update"]


async def test_updates_survive_the_death_of_the_router(start_router, session):
    router = start_router()
    async with shake_hands(router.address) as operator:
        await operator.give_agent("a1")
        await operator.effect("client_bound_live_update", "a1", {"text": "hi"})
    router.kill()
    async with Browser(start_router().address, session).socket("a1") as page:
        packet = await page.receive()
        assert packet["data"]["text"] == "hi"
        assert packet["data"]["update_id"]


async def test_an_older_socket_takes_over_what_a_newer_one_did_not_confirm(browser, operator, agent):
    async with browser.socket(agent) as older:
        async with browser.socket(agent):
            await operator.effect("client_bound_live_update", agent, {"update_id": "u1"})
        assert (await older.receive())["data"]["update_id"] == "u1"


async def test_a_live_update_reaches_the_operator_once(browser, operator, agent):
    async with browser.socket(agent) as page:
        for update_id in ("u1", "u1", "u2", "\ud800", "\ud800"):
            await page.send("mephisto_bound_live_update", agent, {"update_id": update_id})
        await page.send("mephisto_bound_live_update", agent, {"update_id": 7})
    received = [(await operator.message("mephisto_bound_live_update"))[1] for _ in range(4)]
    assert [packet["data"]["update_id"] for packet in received] == ["u1", "u2", "\ud800", 7]


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        "null",
        "{}",
        "[" * 20_000,
        '{"packet_type":["x"],"subject_id":"a"}',
        '{"packet_type":"alive","subject_id":{"a":1}}',
        '{"packet_type":"alive","subject_id":"nobody"}',
        '{"packet_type":"agent_details","subject_id":"AGENT","data":{"agent_id":"AGENT","status":"timeout"}}',
        '{"packet_type":"mephisto_bound_live_update","subject_id":"AGENT"}',
        '{"packet_type":"mephisto_bound_live_update","subject_id":"AGENT","data":{"x":1e999}}',
        '{"packet_type":"mephisto_bound_live_update","subject_id":"AGENT","data":{"x":' + "9" * 5000 + "}}",
        '{"packet_type":"ack","subject_id":"AGENT","data":{"update_id":{"a":[]}}}',
        '{"packet_type":"ack","subject_id":"AGENT","data":7}',
    ],
)
async def test_a_packet_that_makes_no_sense_is_passed_over(browser, agent, text):
    async with browser.socket(agent) as page:
        await page.socket.send(text.replace("AGENT", agent))
        await page.send("heartbeat", agent)
        assert (await page.receive())["packet_type"] == "heartbeat"


async def test_bytes_and_large_messages_close_the_socket(browser, agent):
    async with browser.socket(agent) as page:
        await page.socket.send(b"bytes")
        assert await close_code(page.socket) == 1008
    async with browser.socket(agent) as page:
        await page.socket.send("x" * 60_000)
        assert await close_code(page.socket) == 1009


async def test_a_flood_closes_the_socket(browser, agent):
    async with browser.socket() as page:
        for _ in range(300):
            await page.send("nonsense", agent)
        assert await close_code(page.socket) == 1008


async def test_the_number_of_sockets_is_limited(start_router, session):
    router = start_router(limits={"sockets": 3, "sockets_per_agent": 2})
    browser = Browser(router.address, session)
    async with shake_hands(router.address) as operator:
        await operator.give_agent("a1")
    async with browser.socket("a1") as oldest, browser.socket("a1"), browser.socket("a1"):
        assert await close_code(oldest.socket) == 1008
        async with browser.socket() as nameless, browser.socket():
            assert await close_code(nameless.socket) == 1008


async def test_an_agent_whose_socket_is_gone_for_too_long_is_reported(start_router, session):
    router = start_router(disconnect_after=0.2)
    browser = Browser(router.address, session)
    async with shake_hands(router.address) as operator:
        for name in ("never_there", "submitted", "gone"):
            await operator.give_agent(name)
        await browser.submit("submitted")
        async with browser.socket("submitted"), browser.socket("gone"):
            pass
        assert (await operator.message("agent_disconnected"))[1]["subject_id"] == "gone"


async def test_an_absence_is_noticed_after_a_restart_too(start_router, session):
    router = start_router(disconnect_after=60)
    async with shake_hands(router.address) as operator:
        await operator.give_agent("gone")
    async with Browser(router.address, session).socket("gone"):
        router.kill()
    async with shake_hands(start_router(disconnect_after=0.1).address) as operator:
        assert (await operator.message())[1]["packet_type"] == "agent_disconnected"
