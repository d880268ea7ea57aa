"""The connections themselves: bounds where uvicorn has none, so that no stranger can wait, talk or listen for ever.

uvicorn bounds neither the length of a request's head nor how long it may take, answers pings whether or not
the answers are read, and keeps every piece of a message however many there are.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request as Handshake

from mephisto_nb.router.config import KIB, Limits
from mephisto_nb.router.deadlines import Deadline
from mephisto_nb.router.http.addresses import TARGET
from mephisto_nb.router.rules import TokenBucket

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as _Http
except ImportError:  # httptools is missing
    _Http = None  # type: ignore[assignment,misc]

#: Files that are no connections: the database, the log, uploads that are being written.
_OTHER_FILES = 200
#: Where a socket has its way into the scope, for `admit`.
_ADMIT = "mephisto_admit"
#: One message of a socket of which it is not known for whom it speaks, and the pieces that any message may come in.
_NAMELESS_MESSAGE = 64 * KIB
_PIECES = 1024
#: How many frames a socket may send in a second in the long run, and at once: of every kind, pings and pieces too.
_FRAMES, _NAMELESS_FRAMES, _NAMELESS_SIGNALS = (200.0, 4096.0), (2.0, 512.0), (2.0, 64.0)
#: So many bytes of frames are looked at in one go.
_AT_ONCE, _NAMELESS_AT_ONCE = 4096, 256
#: How much more may come on a socket that was told to hang up (bytes).
_IGNORED = 512 * 1024
#: How long a browser may take to hang up once its socket was closed.
_HANG_UP_SECONDS = 3.0


class Connection(Protocol):
    """What there is to know of a connection, of either kind."""

    transport: asyncio.Transport


class Waiting:
    """The connections whose browser has something to do, in the order in which that began.

    It has to ask for something, to send the rest of what it began, to read, to name its agent, or to hang up. When
    there are more connections than there may be, the one that has waited longest gives way: strangers who only
    occupy places cannot keep workers out.

    Parameters
    ----------
    limits
        The router's limits.
    open_files
        How many this process may have; not all of them are connections.
    """

    def __init__(self, limits: Limits, open_files: float = math.inf) -> None:
        self.limits = limits
        #: Where all others are being served, a newcomer may be one too many, up to a quarter of them.
        self._at_most = max(1, min(limits.connections * 5 // 4, open_files - _OTHER_FILES))
        self._enough = max(1, min(limits.connections, self._at_most * 4 // 5))
        self._waiting: dict[Connection, None] = {}

    def add(self, connection: Connection, *, open_connections: int) -> None:
        """Let a connection wait, if it does not already; make room for it if need be."""
        self._waiting.setdefault(connection)
        oldest = next(iter(self._waiting))
        if open_connections > (self._at_most if oldest is connection else self._enough):
            self.remove(oldest)
            oldest.transport.abort()

    def remove(self, connection: Connection) -> None:
        """Let a connection wait no longer."""
        self._waiting.pop(connection, None)


class H11Http(H11Protocol):
    """uvicorn's HTTP protocol on h11, for platforms without httptools; reports pieces of a body as the other one does.

    On what it cannot understand it would answer without the headers that every answer has, or fail where it has
    answered already; here the subclass decides.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._next_event = self.conn.next_event
        self.conn.next_event = self._report  # type: ignore[method-assign]

    def _report(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        event = self._next_event()
        if isinstance(event, h11.Request) and _is_of_two_lengths(event):
            raise h11.RemoteProtocolError("a length and chunks")
        if isinstance(event, h11.Data):
            self.on_body(event.data)
        elif isinstance(event, h11.EndOfMessage):
            self.on_message_complete()
        return event

    def on_body(self, body: bytes) -> None:
        """Take note of a piece of a request's body."""

    def on_message_complete(self) -> None:
        """Take note of a request's end."""

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be understood."""
        self.refuse_nonsense()

    def refuse_nonsense(self) -> None:
        """Answer what cannot be understood, if anything can be answered, and hang up."""
        self.transport.close()


def _is_of_two_lengths(request: h11.Request) -> bool:
    """Return whether a request states its length in two ways: a proxy may read the other one, and so other requests."""
    return {b"content-length", b"transfer-encoding"} <= {name for name, _ in request.headers}


if _Http is None:
    _Http = H11Http  # type: ignore[assignment,misc]


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
        #: How long the head of a request may still take, and for how long an answer may still be left unread.
        self._head, self._drain = Deadline(), Deadline()
        self._upgraded = False
        #: Bytes that are no body: heads, trailers, and what stands between the chunks of a body.
        self._around_body = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request."""
        super().connection_made(transport)
        self._follow()

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
        else:
            self._follow()

    def on_headers_complete(self) -> None:
        """Keep a target that is no path, whose host httptools leaves out; h11 keeps it in the path."""
        if not self.url.startswith(b"/"):
            self.scope[TARGET] = self.url  # type: ignore[literal-required]
        super().on_headers_complete()

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
        if not self.transport.is_closing():
            self._follow()

    def handle_websocket_upgrade(self, *args: object) -> None:
        """Hand over to the WebSocket protocol."""
        self._upgraded = True
        super().handle_websocket_upgrade(*args)

    def pause_writing(self) -> None:
        """Allow the browser some time to read."""
        super().pause_writing()
        self._drain.set(self._limits.stalled_seconds, self.transport.abort)
        self._follow()

    def resume_writing(self) -> None:
        """Note that it reads again."""
        super().resume_writing()
        self._drain.cancel()
        self._follow()

    def refuse_nonsense(self) -> None:
        """Answer what h11 cannot understand; on httptools, uvicorn does so itself."""
        is_long = self._around_body > self._limits.request_head
        self._refuse(b"431 Request Header Fields Too Large" if is_long else b"400 Bad Request")

    def _is_without_request(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _follow(self) -> None:
        """See whose turn it is."""
        is_without = self._is_without_request()
        if not is_without:
            self._head.cancel()
        elif not self._head.is_set and not self.transport.is_closing():
            self._head.set(self._limits.head_seconds, lambda: self._refuse(b"408 Request Timeout"))
        if is_without or self.cycle.more_body or self._drain.is_set:
            self._waiting.add(self, open_connections=len(self.connections))
        else:
            self._waiting.remove(self)

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

    Parameters
    ----------
    waiting
        Those whose browser has something to do, of all connections.
    """

    def __init__(self, *args: object, waiting: Waiting, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._waiting, self._limits = waiting, waiting.limits
        self.close_timeout = _HANG_UP_SECONDS
        self._frames_left = TokenBucket(*_NAMELESS_FRAMES, time.monotonic())
        #: Those that are no message: pings, their answers, and further pieces.
        self._signals_left = TokenBucket(*_NAMELESS_SIGNALS, time.monotonic())
        self._is_cut_off = self._is_operator = False
        self._unread, self._at_once = bytearray(), _NAMELESS_AT_ONCE
        self._ignored, self._hang_up = 0, Deadline()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait until it is admitted."""
        super().connection_made(transport)
        self._waiting.add(self, open_connections=len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._waiting.remove(self)
        self._hang_up.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, a little at a time: thousands of frames may come at once, and each takes its time."""
        if self._is_operator or not self.handshake_initiated:
            super().data_received(data)
            return
        if not self._is_cut_off:
            self._unread += data
            self._read_on()
        elif (ignored := self._ignored + len(data)) < _IGNORED:
            self._ignored = ignored
        else:
            self.transport.abort()

    async def receive(self) -> Any:
        """Return the next message, and read on behind it."""
        message = await super().receive()
        self._read_on()
        return message

    def _read_on(self) -> None:
        """Look at what has come, up to the next message: who speaks for nobody hears so before more is looked at."""
        while self._unread and not self._is_cut_off and (self._is_operator or self.close_sent or not self.read_paused):
            piece = bytes(self._unread[: self._at_once])
            del self._unread[: self._at_once]
            super().data_received(piece)

    def handle_connect(self, event: Handshake) -> None:
        """Bound what a stranger may send; more once they have named their agent, or shown to be the operator."""
        is_operator = event.path.partition("?")[0] == "/operator"
        largest = self.config.ws_max_size if is_operator else self._limits.socket_message
        self.conn.max_message_size = min(_NAMELESS_MESSAGE, largest)
        self.app_state = {**self.app_state, _ADMIT: partial(self._admit, largest, is_operator)}
        super().handle_connect(event)

    async def send(self, message: Any) -> None:
        """Send what the application says; a socket that is being closed waits for the browser to hang up."""
        await super().send(message)
        if self.close_sent and not self.disconnected:
            self._waiting.add(self, open_connections=len(self.connections))

    def handle_text(self, event: Frame) -> None:
        """Take a message of text."""
        if self._may_send(self._frames_left):
            super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        """Take a message of bytes."""
        if self._may_send(self._frames_left):
            super().handle_bytes(event)

    def handle_ping(self) -> None:
        """Answer a ping, unless the answers to earlier ones are not being read."""
        if self._may_send(self._signals_left) and self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_pong(self, event: Frame) -> None:
        """Take the answer to a ping."""
        if self._may_send(self._signals_left):
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        """Take the next piece of a message."""
        if not self._may_send(self._signals_left):
            return
        if len(self.frames) < _PIECES:
            super().handle_cont(event)
        elif not self.close_sent:
            self._cut_off(1009, "too many pieces")

    def _may_send(self, left: TokenBucket) -> bool:
        """Return whether one more frame may come; else cut the socket off."""
        if self._is_operator or left.take(time.monotonic()):
            return True
        if not self._is_cut_off:
            self._cut_off(1008, "too many frames")
        return False

    def _cut_off(self, code: int, reason: str) -> None:
        """Tell a socket to hang up, and look at nothing more of it."""
        self._is_cut_off = True
        self._unread.clear()
        self.frames = []
        if not self.close_sent:
            self.close_sent = True
            self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
            self.conn.fail(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
        # Whoever is still sending would not read why, were the connection gone at once.
        self.transport.resume_reading()
        self._hang_up.set(_HANG_UP_SECONDS, self.transport.abort)
        self._waiting.add(self, open_connections=len(self.connections))

    def _admit(self, largest: int, is_operator: bool) -> None:
        self.conn.max_message_size = largest
        self._is_operator, self._at_once = is_operator, _AT_ONCE
        if not is_operator:
            self._frames_left = TokenBucket(*_FRAMES, time.monotonic())
            self._signals_left = TokenBucket(*_FRAMES, time.monotonic())
        self._waiting.remove(self)


def admit(scope: Mapping[str, Any]) -> None:
    """Let a socket, by its scope, send messages of full size, and stay: it is known for whom it speaks."""
    state = scope.get("state", {})
    if _ADMIT in state:
        state[_ADMIT]()


def http_protocol(waiting: Waiting) -> Callable[..., asyncio.Protocol]:
    """Return what makes HTTP connections."""
    return partial(HttpConnection, waiting=waiting)


def socket_protocol(waiting: Waiting) -> Callable[..., asyncio.Protocol]:
    """Return what makes WebSocket connections."""
    return partial(SocketConnection, waiting=waiting)
