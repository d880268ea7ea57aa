"""The operator's link: who gets in, what is sent again, and what is applied once."""

import asyncio
import json
import os
import signal

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from mephisto_nb.architects.websocket_channel import WebSocketChannel
from mephisto_nb.utils import proofs
from mephisto_nb.utils.proofs import Secret
from tests.router.harness import RUN_ID, TOKEN, Browser, close_code, shake_hands


async def test_the_router_proves_itself_without_telling_the_token(router):
    async with connect(f"ws://{router.address}/operator") as socket:
        challenge = proofs.new_challenge()
        await socket.send(json.dumps({"type": "hello", "protocol": 1, "challenge": challenge}))
        text = await socket.recv()
    answer = json.loads(text)
    assert answer["run_id"] == RUN_ID
    assert answer["proof"] == proofs.router_proof(TOKEN, RUN_ID, challenge)
    assert TOKEN not in text


async def test_a_wrong_token_is_turned_away(router):
    with pytest.raises(ConnectionClosed) as closed:
        async with shake_hands(router.address, token="x" * 43):
            pass
    assert closed.value.rcvd.code == 4401


@pytest.mark.parametrize(
    "hello",
    [
        {"type": "hello", "protocol": 2, "challenge": "0" * 64},
        {"type": "hello", "protocol": 1, "challenge": "short"},
        {"type": "hello", "protocol": 1},
        {"type": "effects", "effects": []},
        [],
    ],
)
async def test_a_strange_greeting_is_turned_away(router, hello):
    async with connect(f"ws://{router.address}/operator") as socket:
        await socket.send(json.dumps(hello))
        assert await close_code(socket) == 4400


async def test_a_router_cannot_be_asked_to_make_the_operators_proof(router):
    async with connect(f"ws://{router.address}/operator") as socket:
        await socket.send(json.dumps({"type": "hello", "protocol": 1, "challenge": "0" * 64}))
        challenge = json.loads(await socket.recv())
        await socket.send(json.dumps({"type": "proof", "proof": challenge["proof"], "last_seq": 0}))
        assert await close_code(socket) == 4401


async def test_a_newer_link_replaces_an_older_one(router, operator):
    async with shake_hands(router.address) as newer:
        assert await close_code(operator.socket) == 4409
        await newer.give_agent()


@pytest.mark.parametrize(
    "frame",
    [
        "no json",
        "[]",
        '{"type":"unknown"}',
        '{"type":"ack","seq":-1}',
        '{"type":"ack","seq":1e3}',
        '{"type":"ack","seq":99999999999999999999}',
        '{"type":"effects","effects":[]}',
        '{"type":"effects","effects":[[0,{}]]}',
        '{"type":"effects","effects":[7]}',
        '{"type":"finish","linger":"soon"}',
        b"bytes",
        "[" * 100_000,
    ],
)
async def test_a_frame_that_makes_no_sense_ends_the_link_only(router, operator, frame):
    await operator.socket.send(frame)
    assert await close_code(operator.socket) == 4400
    async with shake_hands(router.address) as again:
        await again.give_agent()


async def test_what_was_not_acknowledged_is_told_again(start_router, session):
    router = start_router()
    browser = Browser(router.address, session)
    async with shake_hands(router.address) as operator:
        for name in ("a1", "a2", "a3"):
            await operator.give_agent(name)
            await browser.submit(name)
        seq, packet = await operator.message()
    async with shake_hands(router.address, last_seq=seq) as operator:
        again = [(await operator.message())[1]["subject_id"] for _ in range(2)]
    assert [packet["subject_id"], *again] == ["a1", "a2", "a3"]


async def test_numbers_go_on_after_those_that_the_operator_knows(start_router, session):
    router = start_router()
    async with shake_hands(router.address, last_seq=700) as operator:
        await operator.give_agent("a1")
        await Browser(router.address, session).submit("a1")
        assert (await operator.message())[0] == 701


async def test_effects_are_applied_once_and_may_leave_numbers_out(router, operator, browser):
    agent = await operator.give_agent()
    n = operator.welcome["last_n"] + 10
    status = {"packet_type": "update_status", "subject_id": agent, "data": {"status": "timeout"}}
    back = {"packet_type": "update_status", "subject_id": agent, "data": {"status": "completed"}}
    await operator.send({"type": "effects", "effects": [[n, status]]})
    assert (await operator.next_of("ack"))["n"] == n
    await operator.send({"type": "effects", "effects": [[n - 1, back], [n, back]]})
    assert (await operator.next_of("ack"))["n"] == n
    assert (await browser.submit(agent))[0] == 409
    async with shake_hands(router.address) as again:
        assert again.welcome["last_n"] == n


@pytest.mark.parametrize(
    "packet",
    [
        None,
        {"packet_type": "update_status", "subject_id": "a", "data": {"status": "happy"}},
        {"packet_type": "update_status", "subject_id": "a b", "data": {"status": "in task"}},
        {"packet_type": "agent_details", "subject_id": "r", "data": {"agent_id": 7, "status": "in task"}},
        {"packet_type": "submit_unit", "subject_id": "a", "data": {}},
        {"packet_type": "client_bound_live_update", "subject_id": "a", "data": {"x": float("inf")}},
    ],
)
async def test_an_effect_that_makes_no_sense_is_passed_over(operator, packet):
    n = operator.welcome["last_n"] + 1
    await operator.send({"type": "effects", "effects": [[n, packet]]})
    assert (await operator.next_of("ack"))["n"] == n


async def test_presence_is_told(router, operator, browser, agent):
    async with browser.socket(agent):
        assert (await operator.next_of("presence"))["agents"] == {agent: True}
        async with shake_hands(router.address) as again:
            assert again.welcome["presence"] == {agent: True}
            async with browser.socket(agent):
                pass
    async with shake_hands(router.address) as again:
        assert agent not in again.welcome["presence"]


async def test_a_sync_is_answered_after_all_that_came_before_it(operator, browser, agent):
    await browser.submit(agent)
    await operator.send({"type": "sync"})
    synced = await operator.next_of("synced")
    assert operator.messages[-1][2]["subject_id"] == agent
    assert operator.messages[-1][0] == synced["last_seq"]


async def test_after_its_last_sync_a_router_takes_nothing_new(router, operator, browser):
    agent_id = await operator.give_agent(status="in task")
    assert (await browser.submit(agent_id, a=1))[0] == 200
    await operator.send({"type": "sync", "last": True})
    synced = await operator.next_of("synced")
    assert synced["last_seq"] == operator.messages[-1][0]
    metadata = {"USED_AGENT_ID": agent_id, "metadata": {"tip": "more light"}}
    status, body = await browser.post("/submit_metadata", metadata)
    assert (status, body["error"]["code"]) == (409, "run_over")
    status, packet = await browser.request_agent()
    assert (status, packet["data"]["failure_code"]) == (200, "run_over")
    assert (await browser.submit(agent_id, a=1))[1]["duplicate"]  # what was received stays received


async def test_whom_the_next_router_does_not_know_is_asked_to_wait(start_router, session):
    router = start_router()
    async with aiohttp.ClientSession() as before:
        assert (await Browser(router.address, before).submit("a1"))[0] == 404
    router.kill()
    (router.directory / "inbox.db").unlink()
    router = start_router()
    browser = Browser(router.address, session)

    async def codes():
        form = aiohttp.FormData({"USED_AGENT_ID": "a1", "final_data": "{}"}, default_to_multipart=True)
        found = [await browser.submit("a1"), await browser.post("/submit_task", data=form)]
        return [(status, body["error"]["code"]) for status, body in found]

    wait, unknown = (503, "starting"), (404, "unknown_agent")
    assert await codes() == [wait, wait]
    async with shake_hands(router.address) as operator:
        await operator.send({"type": "sync", "n": 2})
        await operator.next_of("synced")
        await operator.give_agent("a0")
        assert await codes() == [wait, wait]  # it may be with the next one
        await operator.give_agent("a2")
        assert await codes() == [unknown, unknown]
    assert await codes() == [unknown, unknown]


async def test_a_new_operator_opens_the_inbox_again(router, browser):
    async with shake_hands(router.address) as operator:
        agent_id = await operator.give_agent()
        await operator.send({"type": "sync", "last": True})
        await operator.next_of("synced")
    async with shake_hands(router.address) as operator:
        assert (await browser.submit(agent_id, a=1))[0] == 200


async def test_a_link_whose_closing_is_cancelled_hangs_up(start_router):
    router = start_router()
    channel = WebSocketChannel(f"http://{router.address}", RUN_ID, Secret(TOKEN))
    await channel.connect(0)
    os.kill(router.process.pid, signal.SIGSTOP)  # so that it says no goodbye
    closing = asyncio.create_task(channel.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait({closing})
    assert channel._socket.transport.is_closing()
