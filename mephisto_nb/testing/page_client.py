"""What a simulated worker's page speaks HTTP and WebSocket with, made of packages that every installation has.

Pages keep their connections and share them, as those of one browser do; any number may be open at once. There are no
redirects and no cookies, because a router uses neither. Whatever fails between page and router is a `ConnectionError`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

import h11
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from mephisto_nb._typing import JSON

_AT_ONCE = 64 * 1024


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """What a router answered to one request."""

    status: int
    body: bytes

    def json(self) -> JSON:
        """Return the body, read as JSON.

        Raises
        ------
        ConnectionError
            It is not JSON: something else than a router answered.
        """
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise ConnectionError(f"status {self.status}, and a body that is not JSON") from error


class PageSocket:
    """A page's WebSocket, on which each message is JSON."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send_json(self, message: JSON) -> None:
        """Send a message.

        Raises
        ------
        ConnectionError
            The socket is closed.
        """
        try:
            await self._connection.send(json.dumps(message))
        except ConnectionClosed as error:
            raise ConnectionResetError(str(error)) from error

    async def receive_json(self) -> Any:
        """Return the next message, once it has come.

        Raises
        ------
        ConnectionError
            The socket is closed.
        """
        try:
            return json.loads(await self._connection.recv())
        except ConnectionClosed as error:
            raise ConnectionResetError(str(error)) from error


class PageClient:
    """The connections of simulated workers' pages; an async context manager.

    Examples
    --------
    >>> async with PageClient() as client:                                      # doctest: +SKIP
    ...     answer = await client.post_json(run.url + "/request_agent", {...})
    """

    def __init__(self) -> None:
        self._idle: dict[str, list[_Connection]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        idle = [connection for kept in self._idle.values() for connection in kept]
        self._idle.clear()
        await asyncio.gather(*(connection.close() for connection in idle))

    async def get(self, url: str) -> PageAnswer:
        """Ask for a page; raise `ConnectionError` if there is no answer."""
        return await self._request("GET", url, "", b"")

    async def post_json(self, url: str, content: JSON) -> PageAnswer:
        """Send JSON; raise `ConnectionError` if there is no answer."""
        return await self._request("POST", url, "application/json", json.dumps(content).encode())

    async def post_form(self, url: str, fields: Mapping[str, str], files: Mapping[str, bytes]) -> PageAnswer:
        """Send a form of texts and files, by their names; raise `ConnectionError` if there is no answer."""
        return await self._request("POST", url, *_form(fields, files))

    @asynccontextmanager
    async def open_socket(self, url: str) -> AsyncIterator[PageSocket]:
        """Open a WebSocket at the address of a router; raise `ConnectionError` if it refuses."""
        try:
            # No bound and no pings, as in a browser; `proxy=None`: the router is ours.
            connection = await connect(
                url.replace("http", "ws", 1), max_size=None, ping_interval=None, compression=None, proxy=None
            )
        except (InvalidHandshake, TimeoutError, OSError) as error:
            raise ConnectionRefusedError(f"no socket at {url}: {error}") from error
        try:
            async with connection:
                yield PageSocket(connection)
        finally:
            connection.transport.abort()  # where the end was cancelled, too

    async def _request(self, method: str, url: str, content_type: str, body: bytes) -> PageAnswer:
        where = urlsplit(url)
        connection = await self._connect(where)
        try:
            answer = await connection.ask(method, where, content_type, body)
        except (h11.RemoteProtocolError, OSError) as error:
            raise ConnectionResetError(f"{method} {url} was cut off: {error}") from error
        finally:
            if connection.can_be_used_again:
                self._idle.setdefault(where.netloc, []).append(connection)
            else:
                connection.abort()
        return answer

    async def _connect(self, where: SplitResult) -> _Connection:
        kept = self._idle.get(where.netloc, [])
        while kept:
            if (connection := kept.pop()).is_open:
                return connection
            connection.abort()
        is_secure = where.scheme == "https"
        port = where.port or (443 if is_secure else 80)
        try:
            reader, writer = await asyncio.open_connection(where.hostname, port, ssl=is_secure or None)
        except OSError as error:
            raise ConnectionRefusedError(f"nothing answers at {where.netloc}: {error}") from error
        return _Connection(reader, writer)


class BorrowedClient(PageClient):
    """Sends by the ``aiohttp.ClientSession`` of a script that has one, which stays the script's to close.

    Parameters
    ----------
    session
        That session; it is not imported here, and need not be installed.
    """

    def __init__(self, session: Any) -> None:
        super().__init__()
        self._session = session

    async def _request(self, method: str, url: str, content_type: str, body: bytes) -> PageAnswer:
        headers = {"Content-Type": content_type} if content_type else {}
        try:
            async with self._session.request(method, url, data=body, headers=headers) as answer:
                return PageAnswer(answer.status, await answer.read())
        except OSError:
            raise
        except Exception as error:  # its own kinds
            raise ConnectionResetError(f"{method} {url} was cut off: {error!r}") from error


class _Connection:
    """One connection to a router, for one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.CLIENT)

    @property
    def is_open(self) -> bool:
        """Return whether neither side has hung up, as far as is known here."""
        return not (self._writer.is_closing() or self._reader.at_eof())

    @property
    def can_be_used_again(self) -> bool:
        """Return whether the last answer has come whole, and the connection stays open; false if it was cancelled."""
        return self._http.our_state is h11.IDLE and self.is_open

    async def ask(self, method: str, where: SplitResult, content_type: str, body: bytes) -> PageAnswer:
        """Send a request, and return its answer."""
        target = (where.path or "/") + (f"?{where.query}" if where.query else "")
        headers = [("Host", where.netloc), ("Content-Length", str(len(body)))]
        if content_type:
            headers.append(("Content-Type", content_type))
        parts = [h11.Request(method=method, target=target, headers=headers), h11.Data(body), h11.EndOfMessage()]
        self._writer.write(b"".join(self._http.send(part) or b"" for part in parts))
        await self._writer.drain()
        status, chunks = 0, []
        while not isinstance(event := await self._next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                chunks.append(bytes(event.data))
        if self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        return PageAnswer(status, b"".join(chunks))

    async def _next_event(self) -> h11.Event:
        while not isinstance(event := self._http.next_event(), h11.Event):
            self._http.receive_data(await self._reader.read(_AT_ONCE))  # b"", the end, is an error if it comes early
        return event

    def abort(self) -> None:
        """Hang up at once."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Hang up, and wait until that is done."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


def _form(fields: Mapping[str, str], files: Mapping[str, bytes]) -> tuple[str, bytes]:
    """Return the type and the body of a form with these texts and files."""
    boundary = secrets.token_hex(16)
    parts = []
    for name, value in fields.items():
        parts.append((f'name="{name}"', value.encode()))
    for name, content in files.items():
        head = f'name="{name}"; filename="{name}.bin"\r\nContent-Type: application/octet-stream'
        parts.append((head, content))
    opening = f"--{boundary}\r\nContent-Disposition: form-data; "
    whole = b"".join(f"{opening}{head}\r\n\r\n".encode() + content + b"\r\n" for head, content in parts)
    return f"multipart/form-data; boundary={boundary}", whole + f"--{boundary}--\r\n".encode()
