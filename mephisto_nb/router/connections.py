"""The connections themselves: bounds where uvicorn has none, so that no stranger can wait, talk or listen for ever.

uvicorn bounds neither the length of a request's head nor how long it may take, answers pings whether or not
the answers are read, and keeps every piece of a message however many there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request as Handshake

from mephisto_nb.router.config import KIB, Limits
from mephisto_nb.router.deadline import Deadline

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as _Http
except ImportError:  # httptools is missing
    from mephisto_nb.router.h11_http import H11Http as _Http  # type: ignore[assignment]

#: Where a worker's socket has its way into the scope, for `admit`.
_ADMIT = "mephisto_admit"
#: One message of a socket that has not named its agent, and the pieces that any message may come in.
_NAMELESS_MESSAGE = 64 * KIB
_PIECES = 1024


class Waiting:
    """The connections without a request, in the order in which they began to wait.

    When there are more connections than there may be, the one that has waited longest gives way: strangers who
    only occupy places cannot keep workers out.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._waiting: dict[HttpConnection, None] = {}

    def add(self, connection: HttpConnection, *, open_connections: int) -> None:
        """Let a connection wait; make room for it if need be."""
        self._waiting[connection] = None
        if open_connections > self.limits.connections:
            oldest = next(iter(self._waiting))
            self.remove(oldest)
            oldest.transport.abort()

    def remove(self, connection: HttpConnection) -> None:
        """Let a connection wait no longer."""
        self._waiting.pop(connection, None)


class HttpConnection(_Http):
    """uvicorn's HTTP protocol; a request's head has to come in time, and to be short, and answers are to be read.

    Parameters
    ----------
    waiting
        Those that have no request, of all connections.
    """

    def __init__(self, *args: object, waiting: Waiting, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._waiting, self._limits = waiting, waiting.limits
        self._head, self._drain = Deadline(), Deadline()
        self._upgraded = False
        #: Bytes that are no body: heads, trailers, and what stands between the chunks of a body.
        self._around_body = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._wait_no_more()
        self._drain.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless it is too much that is no body."""
        self._around_body += len(data)
        super().data_received(data)
        if self._upgraded or self.transport.is_closing():
            self._wait_no_more()
        elif self._around_body > self._limits.request_head:
            self._refuse(b"431 Request Header Fields Too Large")
        elif self._is_without_request():
            self._wait()
        else:
            self._wait_no_more()

    def on_body(self, body: bytes) -> None:
        """Count the body out; where it comes in tiny chunks, what stands between them weighs more."""
        self._around_body -= len(body) + len(body) // 16
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Begin to count anew."""
        self._around_body = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of one that was answered before it had come."""
        super().on_response_complete()
        if self._is_without_request() and not self.transport.is_closing():
            self._wait()

    def handle_websocket_upgrade(self, *args: object) -> None:
        """Hand over to the WebSocket protocol."""
        self._upgraded = True
        super().handle_websocket_upgrade(*args)

    def pause_writing(self) -> None:
        """Give the browser some time to read."""
        super().pause_writing()
        self._drain.set(self._limits.stalled_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Note that it reads again."""
        super().resume_writing()
        self._drain.cancel()

    def refuse_nonsense(self) -> None:
        """Answer what h11 cannot understand; on httptools, uvicorn does so itself."""
        is_long = self._around_body > self._limits.request_head
        self._refuse(b"431 Request Header Fields Too Large" if is_long else b"400 Bad Request")

    def _is_without_request(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        if not self._head.is_set:
            self._head.set(self._limits.head_seconds, lambda: self._refuse(b"408 Request Timeout"))
            self._waiting.add(self, open_connections=len(self.connections))

    def _wait_no_more(self) -> None:
        self._head.cancel()
        self._waiting.remove(self)

    def _refuse(self, status: bytes) -> None:
        self._wait_no_more()
        if self._is_without_request():
            headers = [b"%s: %s\r\n" % header for header in self.server_state.default_headers]
            head = [b"HTTP/1.1 %s\r\n" % status, *headers, b"content-length: 0\r\nconnection: close\r\n\r\n"]
            self.transport.write(b"".join(head))
        self.transport.close()


class SocketConnection(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, with limits that depend on who speaks.

    A frame that is too large is then refused by its header, before it is in memory. Without this class it would
    be refused afterwards.
    """

    def __init__(self, *args: object, limits: Limits, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._limits = limits

    def handle_connect(self, event: Handshake) -> None:
        """Bound what a worker's socket may send; more once it has named its agent."""
        if event.path.partition("?")[0] != "/operator":
            self.conn.max_message_size = min(_NAMELESS_MESSAGE, self._limits.socket_message)
            self.app_state = {**self.app_state, _ADMIT: self._admit}
        super().handle_connect(event)

    def handle_ping(self) -> None:
        """Answer a ping, unless the answers to earlier ones are not being read."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_cont(self, event: Frame) -> None:
        """Take the next piece of a message."""
        if len(self.frames) < _PIECES:
            super().handle_cont(event)
        elif not self.close_sent:
            self.conn.fail(1009, "too many pieces")
            self.handle_parser_exception()

    def _admit(self) -> None:
        self.conn.max_message_size = self._limits.socket_message


def admit(state: dict[str, Callable[[], None]]) -> None:
    """Let a worker's socket, by the ``state`` of its scope, send messages of full size: it has named its agent."""
    if _ADMIT in state:
        state[_ADMIT]()


def http_protocol(limits: Limits) -> Callable[..., asyncio.Protocol]:
    """Give what makes HTTP connections, all within the same limits."""
    return partial(HttpConnection, waiting=Waiting(limits))


def socket_protocol(limits: Limits) -> Callable[..., asyncio.Protocol]:
    """Give what makes WebSocket connections."""
    return partial(SocketConnection, limits=limits)
