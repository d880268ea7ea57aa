"""Whoever sends without end, or nothing, or does not read: he is cut off, and costs little memory."""

import asyncio
import contextlib
import io
import json

import aiohttp
import pytest

from tests.inside import frames_of
from tests.router.harness import AS_JSON, Browser, close_code
from tests.security.strangers import Stranger, frame, request, upgrade

MIB = 1024 * 1024
JSON_TYPE = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture
def router(either_router):
    """All this holds on platforms without httptools as well."""
    return either_router


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"GET / HTTP/1.1\r\nHost: router\r\nX-Long: ", b"x" * 65536),
        (b"GET / HTTP/1.1\r\nHost: router\r\n", b"X-Many: x\r\n" * 6000),
        (b"GET /", b"x" * 65536),
        (b"GET /?", b"x" * 65536),
        (request("POST", "/submit_task", CHUNKED) + b"0\r\n", b"X-Trailer: x\r\n" * 4000),
        (request("POST", "/submit_task", CHUNKED), b"1;" + b"x" * 65536),
    ],
    ids=["one header", "many headers", "path", "query", "trailers", "chunk extension"],
)
async def test_a_request_head_without_end_is_cut_off(stranger, start, more, grows_less_than):
    await stranger.send(start)
    assert await stranger.send_while_taken(more, 64 * MIB) < 16 * MIB
    grows_less_than(16 * MIB)


async def test_a_large_request_head_is_refused_with_431(stranger):
    await stranger.send(request("GET", "/", "X-Long: " + "x" * 600_000))
    assert await stranger.status() == 431


@pytest.mark.parametrize("path", ["/submit_task", "/request_agent", "/log_error"])
async def test_a_body_without_end_is_refused(stranger, path, grows_less_than):
    await stranger.send(request("POST", path, JSON_TYPE, CHUNKED))
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    # What comes after the refusal is thrown away for a second, and then the connection is closed.
    await asyncio.wait_for(stranger.send_while_taken(chunk, 4096 * MIB), 10)
    grows_less_than(24 * MIB)


async def answer_to(router, sent):
    """Send this and nothing more, and give all that comes until the router hangs up."""
    async with Stranger.come(router.line["port"]) as stranger:
        await stranger.send(sent)
        return await stranger.rest()


async def test_a_head_that_does_not_come_is_not_waited_for(router):
    begun = [b"", b"GET ", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b", b"\r\n\r\n"]
    answers = await asyncio.gather(*(answer_to(router, sent) for sent in begun))
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers[:-1])
    # h11 takes no blank lines for the beginning of a request, and says so at once.
    assert answers[-1].startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 "))


async def test_a_second_head_that_does_not_come_is_not_waited_for_either(router):
    answers = await answer_to(router, request("GET", "/is_alive") + b"GET / HT")
    assert answers.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answers


@pytest.mark.parametrize("path", ["/submit_task", "/submit_metadata"])
async def test_a_body_that_does_not_come_is_not_waited_for(router, path):
    form = "Content-Type: multipart/form-data; boundary=b"
    heads = [("Content-Length: 1000", JSON_TYPE), (CHUNKED, JSON_TYPE), ("Content-Length: 1000", form)]
    answers = await asyncio.gather(*(answer_to(router, request("POST", path, *head)) for head in heads))
    assert all(answer.startswith(b"HTTP/1.1 408 ") and b'"too_slow"' in answer for answer in answers)


async def test_bodies_that_are_held_back_do_not_keep_others_from_sending(router, browser, agent):
    """Eight megabytes may be held; the largest that is still on its way gives way."""
    async with asyncio.TaskGroup() as group, asyncio.timeout(15):
        for _ in range(12):
            group.create_task(hold_back(router.line["port"], 1_000_000))
        for _ in range(10):
            assert (await browser.post("/submit_metadata", {"USED_AGENT_ID": agent, "metadata": {}}))[0] == 200


async def hold_back(port, size):
    async with Stranger.come(port) as stranger:
        await stranger.send(request("POST", "/submit_task", JSON_TYPE, f"Content-Length: {size + 1}") + b" " * size)
        assert await stranger.status() in (408, 429)


async def test_small_values_cannot_be_blown_up(router, session, grows_less_than):
    """A list takes twenty times the memory that its two brackets take on the wire."""
    body = b'{"USED_AGENT_ID":"nobody","final_data":{"x":[' + b"[]," * 600_000 + b"[]]}}"
    browser = Browser(router.address, session)
    posts = (browser.post("/submit_task", data=io.BytesIO(body), headers=AS_JSON) for _ in range(8))
    assert {code for code, _ in await asyncio.gather(*posts)} <= {400, 404, 413, 429}
    grows_less_than(80 * MIB)


async def test_pings_without_end_are_not_answered_without_end(stranger, grows_less_than):
    """The pongs are never read, so they would pile up."""
    await stranger.send(upgrade())
    assert await stranger.status() == 101
    pings = frame(0x9, b"x" * 125) * 500
    await stranger.send_while_taken(pings, 24 * MIB)
    grows_less_than(12 * MIB)


async def test_a_message_in_empty_pieces_without_end_is_cut_off(stranger, grows_less_than):
    await stranger.send(upgrade() + frame(0x1, b"", last=False))
    assert await stranger.send_while_taken(frame(0x0, b"", last=False) * 10_000, 48 * MIB) < 8 * MIB
    grows_less_than(16 * MIB)


async def test_who_does_not_read_an_answer_is_not_waited_for(start_router):
    router = start_router(limits={"stalled_seconds": 1})
    (router.directory / "site" / "film.bin").write_bytes(bytes(32 * MIB))
    async with Stranger.come(router.line["port"]) as stranger:
        frames_of(stranger).writer.transport.pause_reading()
        await stranger.send(request("GET", "/film.bin"))
        # Who does not read is not told either, but sees it when he sends.
        with pytest.raises(ConnectionError):
            await stranger.send_for_ever(b" " * 65536)


async def test_a_socket_that_names_no_agent_is_closed(start_router, session):
    router = start_router(limits={"naming_seconds": 1})
    async with Browser(router.address, session).socket() as page:
        await page.socket.send(json.dumps({"packet_type": "alive", "subject_id": "nobody", "data": {}}))
        assert await close_code(page.socket) == 1008
        assert page.socket.close_reason == "no agent"


async def test_a_socket_that_has_named_no_agent_says_little(browser):
    async with browser.socket() as page:
        await page.socket.send("x" * 70_000)
        assert await close_code(page.socket) == 1009


async def test_a_large_body_comes_in_however_it_is_cut(router, browser, operator):
    """What is no body is bounded; the body is not taken for it."""
    agent = await operator.give_agent()
    form = aiohttp.FormData({"USED_AGENT_ID": agent, "final_string_data": "{}"})
    form.add_field("film", io.BytesIO(bytes(3 * MIB)), filename="film.mp4")
    assert (await browser.post("/submit_task", data=form))[0] == 200
    text = json.dumps({"USED_AGENT_ID": agent, "metadata": {"note": "x" * 300_000}}).encode()
    pieces = b"".join(
        b"%x\r\n%b\r\n" % (len(cut), cut) for cut in (text[i : i + 500] for i in range(0, len(text), 500))
    )
    async with Stranger.come(router.line["port"]) as stranger:
        await stranger.send(request("POST", "/submit_metadata", JSON_TYPE, CHUNKED) + pieces + b"0\r\n\r\n")
        assert await stranger.status() == 200


async def test_what_stands_between_the_pieces_of_a_body_is_bounded(stranger, agent, grows_less_than):
    """One byte of a body for every hundred that are none."""
    await stranger.send(request("POST", "/submit_metadata", JSON_TYPE, CHUNKED))
    piece = b"1;" + b"x" * 100 + b"\r\n \r\n"
    assert await stranger.send_while_taken(piece * 1000, 256 * MIB) < 64 * MIB
    grows_less_than(16 * MIB)


async def test_requests_that_come_at_once_are_answered_one_after_the_other(stranger):
    await stranger.send(request("GET", "/is_alive") * 49 + request("GET", "/is_alive", "Connection: close"))
    assert (await stranger.rest()).count(b"HTTP/1.1 200 ") == 50


FORM = "Content-Type: multipart/form-data; boundary=b"
FILE = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n'


@pytest.mark.parametrize("head", [b"X-Long: " + b"x" * 65536, b"X: x\r\n" * 8000])
async def test_the_head_of_a_part_is_bounded(stranger, head, grows_less_than):
    await stranger.send(request("POST", "/submit_task", FORM, "Content-Length: 90000000", body=FILE + head * 50))
    assert await stranger.status() == 400
    grows_less_than(8 * MIB)


async def test_files_that_are_held_back_are_held_in_bounded_memory(router, grows_less_than):
    """What has come of a file and is not yet on the disk counts as much as any text."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(130):
            stranger = await stack.enter_async_context(Stranger.come(router.line["port"]))
            head = request("POST", "/submit_task", FORM, "Content-Length: 90000000", body=FILE + b"\r\n")
            with contextlib.suppress(ConnectionError):
                await stranger.send(head + bytes(600_000))  # 78 MB in all
        grows_less_than(32 * MIB)
