"""Whatever a stranger sends: an error that blames him, no word of his in the log, and the router lives."""

import asyncio

import pytest

from tests.router.harness import AS_JSON

POSTS = ["/request_agent", "/submit_onboarding", "/submit_task", "/submit_metadata", "/return_unit", "/log_error"]


def nested(text, depth=50_000):
    return text * depth


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"\xff\xfe{}",
        b"{}" + b"\x00",
        '{"x":1}'.encode("utf-16"),
        nested(b"[", 15_000),
        nested(b'{"a":', 3_000),
        b'{"x":' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"x":' + b"9" * 10_000 + b"}",
        b'{"x":NaN}',
        b'{"USED_AGENT_ID":NaN}',
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(browser, path, body):
    code, answer = await browser.post(path, data=body, headers={"Content-Type": "application/json"})
    assert (code, answer["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize("path", [path for path in POSTS if path != "/log_error"])
@pytest.mark.parametrize("wrong", [None, 7, True, [], {}, 1e300, 10**200])
async def test_a_field_of_another_type_is_refused(browser, path, wrong):
    fields = {"USED_AGENT_ID": wrong, "final_data": wrong, "metadata": wrong}
    code, answer = await browser.post(path, {**fields, "provider_data": wrong or 0})
    assert (code, answer["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize("wrong", [None, 7, "text", [1]])
async def test_metadata_that_are_no_object_are_refused(browser, agent, wrong):
    assert (await browser.post("/submit_metadata", {"USED_AGENT_ID": agent, "metadata": wrong}))[0] == 400


@pytest.mark.parametrize("answer", [7, "text", [1], [{"start": 0.5}], False])
async def test_an_answer_of_any_shape_is_taken(browser, operator, agent, answer):
    assert (await browser.post("/submit_task", {"USED_AGENT_ID": agent, "final_data": answer}))[0] == 200
    assert (await operator.message("submit_unit"))[1]["data"]["final_data"] == answer


@pytest.mark.parametrize("fields", [{}, {"final_data": None}])
async def test_an_answer_of_nothing_is_an_empty_one(browser, operator, agent, fields):
    assert (await browser.post("/submit_task", {"USED_AGENT_ID": agent, **fields}))[0] == 200
    assert (await operator.message("submit_unit"))[1]["data"]["final_data"] == {}


async def test_a_number_beyond_json_is_refused(browser, agent):
    body = f'{{"USED_AGENT_ID":"{agent}","final_data":{{"x":1e999}}}}'
    assert (await browser.post("/submit_task", data=body, headers=AS_JSON))[0] == 400


@pytest.mark.parametrize(
    ("path", "size"), [("/submit_task", 100_001), ("/request_agent", 20_001), ("/log_error", 20_001)]
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_large_body_is_refused(browser, path, size, chunked):
    async def chunks():
        for _ in range(0, size, 10_000):
            yield b" " * 10_000

    code, answer = await browser.post(path, data=chunks() if chunked else b" " * size, headers=AS_JSON)
    assert (code, answer["error"]["code"]) == (413, "too_large")


async def test_odd_text_arrives_as_it_was_sent(browser, operator, agent):
    odd = {"\x00": "\x00\x1b[31m\ud800\N{CAT}\u202e\n2026-01-01 ERROR forged", "big": 10**100}
    assert (await browser.submit(agent, **odd))[0] == 200
    assert (await operator.message("submit_unit"))[1]["data"]["final_data"] == odd


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"NONSENSE\r\n\r\n",
        b"GET \xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /submit_task HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /submit_task HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
        b"POST /submit_task HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b'Content-Length: 999\r\n\r\n--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\nhalf',
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        b"GET /elsewhere HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        b"GET /socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        b"\x81\x82\x00\x00\x00\x00\xff\xfe",
    ],
)
async def test_broken_http_gets_no_5xx_and_kills_nothing(router, browser, request_):
    reader, writer = await asyncio.open_connection("127.0.0.1", router.line["port"])
    writer.write(request_)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 15)
    writer.close()
    assert not answer.startswith(b"HTTP/1.1 5")
    assert (await browser.get("/is_alive")).status == 200


def test_all_that_left_no_traceback_and_no_stranger_in_the_log(router):
    """Runs last in this file; the router is the one that all of the above was sent to."""
    assert "forged" not in router.log
    assert "Exception in ASGI" not in router.log
