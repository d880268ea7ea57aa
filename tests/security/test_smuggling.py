"""A request that two programs could read in two ways is refused, and so is all that came behind it."""

import pytest

from tests.security.strangers import Stranger, request

CHUNKED = "Transfer-Encoding: chunked"
HIDDEN = request("GET", "/openapi.json")
TWO_WAYS = {
    "a length and chunks": request("POST", "/log_error", "Content-Length: 4", CHUNKED, body=b"0\r\n\r\n" + HIDDEN),
    "chunks and a length": request("POST", "/log_error", CHUNKED, "Content-Length: 4", body=b"0\r\n\r\n" + HIDDEN),
    "two lengths": request("POST", "/log_error", "Content-Length: 2", "Content-Length: 3", body=b"{}" + HIDDEN),
    "a length with a sign": request("POST", "/log_error", "Content-Length: +2", body=b"{}" + HIDDEN),
    "unknown coding": request("POST", "/log_error", "Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + HIDDEN),
    "chunks before another": request("POST", "/log_error", f"{CHUNKED}, identity", body=b"0\r\n\r\n" + HIDDEN),
    "a blank before the colon": request(
        "POST", "/log_error", "Transfer-Encoding : chunked", body=b"0\r\n\r\n" + HIDDEN
    ),
    "a vertical tab": request("POST", "/log_error", "Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n" + HIDDEN),
    "NUL": request("GET", "/", "X: a\0b") + HIDDEN,
}


@pytest.mark.parametrize("sent", TWO_WAYS.values(), ids=TWO_WAYS)
async def test_it_is_refused_and_nothing_behind_it_is_read(either_router, sent):
    async with Stranger.come(either_router.line["port"]) as stranger:
        await stranger.send(sent)
        answer = await stranger.rest()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
