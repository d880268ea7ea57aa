"""Frames of the operator's link are bounded by bytes in both directions."""

from __future__ import annotations

import contextlib
import io
import json
import socket

import pytest
from websockets.exceptions import ConnectionClosed

from mephisto_nb.architects import websocket_channel
from mephisto_nb.architects.websocket_channel import WebSocketChannel
from mephisto_nb.errors import RouterError
from mephisto_nb.model.packets import LARGEST_FRAME, SHARED_FRAME
from mephisto_nb.ports.architect import Messages
from mephisto_nb.utils.proofs import Secret
from tests.router.harness import RUN_ID, TOKEN, Browser, close_code, shake_hands

MB = 1_000_000


async def _frames(router, last_seq, count):
    """Return the frames in which so many messages come, as they are on the wire."""
    found, seen = [], 0
    async with shake_hands(router.address, last_seq) as operator:
        while seen < count:
            text = await operator.socket.recv()
            found.append(text)
            frame = json.loads(text)
            seen += len(frame.get("messages", [])) if frame["type"] == "messages" else frame.get("last", False)
    return found


async def test_many_large_answers_come_in_frames_of_bounded_size(start_router, session):
    router = start_router()
    async with shake_hands(router.address) as operator:
        for n in range(12):
            await operator.give_agent(f"a{n}")
    for n in range(12):
        assert (await Browser(router.address, session).submit(f"a{n}", text="x" * 300_000))[0] == 200
    found = await _frames(router, 0, 12)
    assert max(map(len, found)) <= SHARED_FRAME + 1000
    assert len(found) < 12


@pytest.mark.parametrize("letter", ["x", "é", '"', "\N{CAT}"])
async def test_an_answer_larger_than_a_frame_arrives_whole(start_router, session, letter):
    router = start_router()
    async with shake_hands(router.address) as operator:
        await operator.give_agent("a1")
    text = letter * int(9 * MB / len(letter.encode()) / (2 if letter == '"' else 1))
    body = json.dumps({"USED_AGENT_ID": "a1", "final_data": {"text": text}}, ensure_ascii=False).encode()
    status, _ = await Browser(router.address, session).post(
        "/submit_task", data=io.BytesIO(body), headers={"content-type": "application/json"}
    )
    assert status == 200
    channel = WebSocketChannel(f"http://{router.address}", RUN_ID, Secret(TOKEN))
    await channel.connect(0)
    try:
        got = await anext(one async for one in channel.incoming() if isinstance(one, Messages))
    finally:
        await channel.close()
    assert got.received[0].packet.data["final_data"] == {"text": text}


async def test_a_frame_of_an_operator_is_bounded(router, operator):
    with contextlib.suppress(ConnectionClosed):
        await operator.socket.send("x" * (LARGEST_FRAME + 1))
    assert await close_code(operator.socket) == 1009
    async with shake_hands(router.address) as again:
        await again.give_agent()


@pytest.mark.slow
async def test_a_router_that_never_says_a_word_is_given_up(monkeypatch):
    monkeypatch.setattr(websocket_channel, "_OPEN_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        channel = WebSocketChannel(f"http://127.0.0.1:{server.getsockname()[1]}", RUN_ID, Secret(TOKEN))
        with pytest.raises(RouterError, match="has not answered for"):
            await channel.connect(0)
        await channel.close()
