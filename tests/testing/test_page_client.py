"""How simulated workers' pages speak: over connections that are kept, and with one error for all that can fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from mephisto_nb.testing.page_client import BorrowedClient, PageClient

pytestmark = pytest.mark.slow


class Server:
    """Answers each request with the next of some answers, as they are; '' hangs up."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers
        self.requests: list[bytes] = []
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self._answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                if not (answer := self._answers.pop(0)):
                    break
                writer.write(answer)
        except asyncio.IncompleteReadError:
            pass
        writer.close()


@pytest.fixture
def serving() -> Callable[..., object]:
    @asynccontextmanager
    async def serve(*answers: bytes) -> AsyncIterator[Server]:
        one = Server(list(answers))
        async with await asyncio.start_server(one.serve, "127.0.0.1", 0) as server:
            one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield one

    return serve


def answer(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[3]"


async def test_requests_one_after_the_other_share_a_connection(serving) -> None:
    async with serving(answer(b"[1]"), answer(b"[2]"), b"") as server, PageClient() as client:
        for expected in ([1], [2]):
            assert (await client.post_json(server.url + "/a?b=c", {"d": 1})).json() == expected
        assert server.connections == 1
        assert server.requests[0].startswith(b"POST /a?b=c HTTP/1.1\r\n")
        assert server.requests[0].endswith(b'{"d": 1}')


async def test_requests_at_once_wait_for_no_other(serving) -> None:
    async with serving(*[answer(b"1")] * 5, b"") as server, PageClient() as client:
        await asyncio.gather(*(client.get(server.url) for _ in range(5)))
        assert server.connections == 5


@pytest.mark.parametrize(("sent", "expected"), [(CHUNKED, [1, 2]), (CLOSING, [3]), (answer(b"{}", "404 No"), {})])
async def test_an_answer_is_read_however_its_end_is_told(serving, sent: bytes, expected: object) -> None:
    async with serving(sent) as server, PageClient() as client:
        assert (await client.get(server.url)).json() == expected


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1", b"no HTTP\r\n\r\n"])
async def test_an_answer_that_is_cut_off_is_a_connection_error(serving, sent: bytes) -> None:
    async with serving(sent) as server, PageClient() as client:
        with pytest.raises(ConnectionError, match=r"GET http.* was cut off"):
            await client.get(server.url)


async def has_hung_up(client: PageClient) -> None:
    """Wait until the client sees that its one connection has ended."""
    [[connection]] = client._idle.values()
    assert await connection._reader.read() == b""


async def test_a_connection_that_was_hung_up_is_not_used_again(serving) -> None:
    async with serving(answer(b"1")) as server, PageClient() as client:
        await client.get(server.url)
        await has_hung_up(client)
        server._answers.append(answer(b"2"))
        assert (await client.get(server.url)).json() == 2
        assert server.connections == 2


async def test_a_request_that_is_given_up_takes_its_connection_along(serving) -> None:
    async with serving(b"HTTP/1.1 200 OK\r\n", answer(b"1")) as server, PageClient() as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.get(server.url), 0.1)
        assert (await client.get(server.url)).json() == 1
        assert server.connections == 2


async def test_nobody_there_is_a_connection_error(serving) -> None:
    async with serving() as server:
        url = server.url
    async with PageClient() as client:
        with pytest.raises(ConnectionError, match="nothing answers"):
            await client.get(url)
        with pytest.raises(ConnectionError, match="no socket"):
            async with client.open_socket(url):
                pass


async def test_what_is_not_json_is_a_connection_error(serving) -> None:
    async with serving(answer(b"<html>")) as server, PageClient() as client:
        with pytest.raises(ConnectionError, match="status 200, and a body that is not JSON"):
            (await client.get(server.url)).json()


async def test_a_session_of_aiohttp_that_a_script_has_can_be_borrowed(serving) -> None:
    async with serving(answer(b"[1]"), b"", b"") as server, aiohttp.ClientSession() as session:
        client = BorrowedClient(session)
        assert (await client.post_form(server.url, {"a": "1"}, {"b": b"2"})).json() == [1]
        assert b'name="b"; filename="b.bin"' in server.requests[0]
        with pytest.raises(ConnectionError):
            await client.post_json(server.url, {})
